/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading. A read is a transaction under snapshot isolation: it sees what was
 * committed when it began, and takes no locks that a commit could hold.
 */
#include "store/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_GUESS_BYTES 1024

enum hf_err store_read_begin(struct store *store, struct store_read **out, struct hf_why *why)
{
    struct store_read *read = calloc(1, sizeof *read);
    if (read == NULL)
        return hf_fail(why, HF_NOMEM, "out of memory");
    env_forget();
    guard_add(store, &read->watch);
    enum hf_err err = join_enter(store, &read->watch, why);
    if (err == HF_OK) {
        read->store = store;
        read->env = store->env;
        watch_in(&read->watch);
        int code = read->env->handle->txn_begin(read->env->handle, NULL, &read->txn, DB_TXN_SNAPSHOT);
        watch_out(&read->watch);
        if (code != 0) {
            err = env_fail(why, code, "beginning to read the store");
            join_leave(store);
        }
    }
    if (err != HF_OK) {
        guard_remove(store, &read->watch);
        free(read);
        return err;
    }
    *out = read;
    return HF_OK;
}

void store_read_end(struct store_read **read)
{
    struct store_read *gone = *read;
    *read = NULL;
    if (gone == NULL)
        return;
    watch_in(&gone->watch);
    gone->txn->abort(gone->txn);
    watch_out(&gone->watch);
    join_leave(gone->store);
    guard_remove(gone->store, &gone->watch);
    free(gone);
}

/* ---- by key ---- */

/* Get the value of a key into `out`, whatever its length. */
static enum hf_err get(struct store_read *read, enum env_table table, DBT *key, struct hf_buf *out)
{
    DB *db = read->env->tables[table];
    DBT value = {.flags = DB_DBT_USERMEM};
    size_t room = FIRST_GUESS_BYTES;
    int code;
    watch_in(&read->watch);
    do {
        hf_buf_clear(out);
        if (hf_buf_reserve(out, room) != HF_OK) {
            code = ENOMEM;
            break;
        }
        value.data = out->data;
        value.ulen = (u_int32_t)out->capacity;
        code = db->get(db, read->txn, key, &value, 0);
        room = value.size;
    } while (code == DB_BUFFER_SMALL && value.size > value.ulen);
    watch_out(&read->watch);
    if (code == 0)
        out->len = value.size;
    return env_error(code);
}

enum hf_err store_read_cell(struct store_read *read, enum store_table table, const char *key, size_t key_bytes,
                            uint32_t slot, struct hf_buf *out)
{
    unsigned char bytes[STORE_CELL_KEY_MAX];
    if (key_bytes > STORE_KEY_MAX)
        return HF_NOTFOUND;
    DBT dbt = dbt_of(bytes, cell_key(bytes, key, key_bytes, slot));
    return get(read, cell_table(table), &dbt, out);
}

/* Get a value of exactly `len` bytes. */
static enum hf_err get_fixed(struct store_read *read, enum env_table table, const void *key, size_t key_bytes,
                             unsigned char *out, size_t len)
{
    DB *db = read->env->tables[table];
    DBT dbt = dbt_of(key, key_bytes);
    DBT value = {.data = out, .ulen = (u_int32_t)len, .flags = DB_DBT_USERMEM};
    watch_in(&read->watch);
    int code = db->get(db, read->txn, &dbt, &value, 0);
    watch_out(&read->watch);
    return code == DB_BUFFER_SMALL || (code == 0 && value.size != len) ? HF_CORRUPT : env_error(code);
}

enum hf_err store_read_key(struct store_read *read, const char *key, size_t key_bytes, uint32_t *first_hour)
{
    unsigned char bytes[4];
    enum hf_err err = get_fixed(read, ENV_KEYS, key, key_bytes, bytes, sizeof bytes);
    if (err == HF_OK && first_hour != NULL) {
        struct hf_cur cur = hf_cur_of(bytes, sizeof bytes);
        *first_hour = hf_cur_u32(&cur);
    }
    return err;
}

enum hf_err store_read_id(struct store_read *read, const unsigned char id[STORE_ID_BYTES], int64_t *seen_ms)
{
    unsigned char bytes[8];
    enum hf_err err = get_fixed(read, ENV_IDS, id, STORE_ID_BYTES, bytes, sizeof bytes);
    if (err == HF_OK) {
        struct hf_cur cur = hf_cur_of(bytes, sizeof bytes);
        *seen_ms = (int64_t)hf_cur_u64(&cur);
    }
    return err;
}

enum hf_err store_read_producer(struct store_read *read, uint64_t producer, struct hf_buf *out)
{
    DBT key = dbt_of(&producer, sizeof producer);
    return get(read, ENV_PRODUCERS, &key, out);
}

enum hf_err store_read_status(struct store_read *read, struct store_status *out)
{
    struct hf_buf buf = {0};
    DBT key = dbt_of(meta_status_key, strlen(meta_status_key));
    enum hf_err err = get(read, ENV_META, &key, &buf);
    if (err == HF_OK)
        err = meta_decode_status(buf.data, buf.len, out);
    else if (err == HF_NOTFOUND) {
        *out = (struct store_status){0};
        err = HF_OK;
    }
    hf_buf_free(&buf);
    return err;
}

/* ---- by range ---- */

/* A walk over a table: a cursor, and room for what it stands on. */
struct walk {
    struct store_read *read;
    DBC *cursor;
    unsigned char key[STORE_CELL_KEY_MAX];
    uint32_t key_bytes;
    struct hf_buf value;
};

static enum hf_err walk_open(struct walk *walk, struct store_read *read, enum env_table table)
{
    *walk = (struct walk){.read = read};
    DB *db = read->env->tables[table];
    watch_in(&read->watch);
    int code = db->cursor(db, read->txn, &walk->cursor, 0);
    watch_out(&read->watch);
    return env_error(code);
}

static void walk_close(struct walk *walk)
{
    if (walk->cursor != NULL) {
        watch_in(&walk->read->watch);
        walk->cursor->close(walk->cursor);
        watch_out(&walk->read->watch);
    }
    hf_buf_free(&walk->value);
}

/* Move (DB_SET_RANGE from `key`, or DB_NEXT) and take the key alone. A walk may be long: it gives way to a recovery. */
static enum hf_err walk_to(struct walk *walk, u_int32_t how)
{
    enum share_phase phase = share_phase(walk->read->store->share);
    if (phase != SHARE_RUNNING && phase != SHARE_CLOSED)
        return HF_AGAIN;
    DBT key = {.data = walk->key, .size = walk->key_bytes, .ulen = sizeof walk->key, .flags = DB_DBT_USERMEM};
    DBT nothing = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    watch_in(&walk->read->watch);
    int code = walk->cursor->get(walk->cursor, &key, &nothing, how);
    watch_out(&walk->read->watch);
    if (code == 0)
        walk->key_bytes = key.size;
    return code == DB_BUFFER_SMALL ? HF_CORRUPT : env_error(code);
}

/* Take the value where the walk stands. */
static enum hf_err walk_value(struct walk *walk)
{
    unsigned char at[STORE_CELL_KEY_MAX];
    DBT key = {.data = at, .ulen = sizeof at, .flags = DB_DBT_USERMEM};
    DBT value = {.flags = DB_DBT_USERMEM};
    size_t room = FIRST_GUESS_BYTES;
    int code;
    watch_in(&walk->read->watch);
    do {
        hf_buf_clear(&walk->value);
        if (hf_buf_reserve(&walk->value, room) != HF_OK) {
            code = ENOMEM;
            break;
        }
        value.data = walk->value.data;
        value.ulen = (u_int32_t)walk->value.capacity;
        code = walk->cursor->get(walk->cursor, &key, &value, DB_CURRENT);
        room = value.size;
    } while (code == DB_BUFFER_SMALL && value.size > value.ulen);
    watch_out(&walk->read->watch);
    if (code == 0)
        walk->value.len = value.size;
    return env_error(code);
}

enum hf_err store_read_keys(struct store_read *read, const char *prefix, const char *after, store_key_fn each,
                            void *context)
{
    size_t prefix_bytes = strlen(prefix), after_bytes = strlen(after);
    if (prefix_bytes > STORE_KEY_MAX)
        return HF_OK;
    struct walk walk;
    enum hf_err err = walk_open(&walk, read, ENV_KEYS);
    if (err != HF_OK)
        return err;
    bool from_prefix = strcmp(prefix, after) > 0;
    walk.key_bytes = (uint32_t)(from_prefix ? prefix_bytes : after_bytes < sizeof walk.key ? after_bytes : sizeof walk.key);
    memcpy(walk.key, from_prefix ? prefix : after, walk.key_bytes);
    for (err = walk_to(&walk, DB_SET_RANGE); err == HF_OK; err = walk_to(&walk, DB_NEXT)) {
        if (walk.key_bytes < prefix_bytes || memcmp(walk.key, prefix, prefix_bytes) != 0)
            break;
        if (walk.key_bytes == after_bytes && memcmp(walk.key, after, after_bytes) == 0)
            continue;
        if (!each(context, (const char *)walk.key, walk.key_bytes))
            break;
    }
    walk_close(&walk);
    return err == HF_NOTFOUND ? HF_OK : err;
}

/* Where a key stands to the key of the cell that the walk is at: as memcmp. */
static int compare_key(const struct walk *walk, const char *key, size_t key_bytes)
{
    size_t there = walk->key_bytes - 4, shorter = there < key_bytes ? there : key_bytes;
    int order = memcmp(key, walk->key + 4, shorter);
    return order != 0 ? order : (key_bytes > there) - (key_bytes < there);
}

enum hf_err store_read_range(struct store_read *read, enum store_table table, const char *key, size_t key_bytes,
                             uint32_t first, uint32_t last, store_cell_fn each, void *context)
{
    if (key_bytes > STORE_KEY_MAX)
        return HF_OK;
    struct walk walk;
    enum hf_err err = walk_open(&walk, read, cell_table(table));
    /* From slot to slot that exists: the next cell at or after (slot, key) is the key's own, or tells where to look next. */
    uint64_t slot = first;
    while (err == HF_OK && slot <= last) {
        walk.key_bytes = cell_key(walk.key, key, key_bytes, (uint32_t)slot);
        err = walk_to(&walk, DB_SET_RANGE);
        if (err != HF_OK)
            break;
        if (walk.key_bytes < 4) {
            err = HF_CORRUPT;
            break;
        }
        slot = cell_key_slot(walk.key);
        int order = compare_key(&walk, key, key_bytes);
        if (order < 0)
            slot++; /* this slot's cells begin after the key */
        if (order != 0 || slot > last)
            continue;
        err = walk_value(&walk);
        if (err == HF_OK && !each(context, (uint32_t)slot, walk.value.data, walk.value.len))
            break;
        slot++;
    }
    walk_close(&walk);
    return err == HF_NOTFOUND ? HF_OK : err;
}

enum hf_err store_read_cells(struct store_read *read, enum store_table table, uint32_t first, const char *after,
                             size_t after_bytes, uint32_t last, store_each_fn each, void *context)
{
    if (after_bytes > STORE_KEY_MAX)
        return HF_INVALID;
    struct walk walk;
    enum hf_err err = walk_open(&walk, read, cell_table(table));
    if (err == HF_OK) {
        walk.key_bytes = cell_key(walk.key, after, after_bytes, first);
        err = walk_to(&walk, DB_SET_RANGE);
    }
    if (err == HF_OK && cell_key_slot(walk.key) == first && compare_key(&walk, after, after_bytes) == 0)
        err = walk_to(&walk, DB_NEXT);
    for (; err == HF_OK; err = walk_to(&walk, DB_NEXT)) {
        if (walk.key_bytes < 4)
            err = HF_CORRUPT;
        else if (cell_key_slot(walk.key) > last)
            break;
        else
            err = walk_value(&walk);
        if (err != HF_OK || !each(context, (const char *)walk.key + 4, walk.key_bytes - 4, cell_key_slot(walk.key),
                                  walk.value.data, walk.value.len))
            break;
    }
    walk_close(&walk);
    return err == HF_NOTFOUND ? HF_OK : err;
}
