/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading.
 *
 * A transaction of a hundred thousand cells holds locks on all their pages until
 * it is committed, so who waits for locks waits for it. Readers that take
 * snapshots do not; but then the cache has to hold each page of the
 * transaction twice, and when it cannot, both sides slow down a hundredfold.
 * So a plain read takes pages as they are (DB_READ_UNCOMMITTED): it waits for
 * one operation of the writer, and costs the writer nothing. No lock is held
 * between two operations, nor while the caller looks at what was read.
 */
#include "store/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_GUESS_BYTES 1024
#define BATCH_BYTES 65536u /* of a walk: more than a page, a multiple of 1,024 */
#define RETRIES 20
#define SHORT_RANGE 100u   /* slots that are asked for one by one */

/* ---- begin, end ---- */

static enum hf_err begin(struct store *store, struct store_read *read, bool consistent, struct hf_why *why)
{
    enum hf_err err = join_enter(store, &read->watch, why);
    if (err != HF_OK)
        return err;
    read->store = store;
    read->env = store->env;
    if (!consistent)
        return HF_OK;
    watch_in(&read->watch);
    int code = read->env->handle->txn_begin(read->env->handle, NULL, &read->txn, 0);
    watch_out(&read->watch);
    if (code == 0)
        return HF_OK;
    join_leave(store);
    return env_fail(why, code, "beginning to read the store");
}

static enum hf_err new_read(struct store *store, bool consistent, struct store_read **out, struct hf_why *why)
{
    struct store_read *read = calloc(1, sizeof *read);
    if (read == NULL)
        return hf_fail(why, HF_NOMEM, "out of memory");
    env_forget();
    read->watch.waits = consistent;
    guard_add(store, &read->watch);
    enum hf_err err = begin(store, read, consistent, why);
    if (err != HF_OK) {
        guard_remove(store, &read->watch);
        free(read);
        return err;
    }
    *out = read;
    return HF_OK;
}

enum hf_err store_read_begin(struct store *store, struct store_read **out, struct hf_why *why)
{
    return new_read(store, false, out, why);
}

enum hf_err store_read_begin_consistent(struct store *store, struct store_read **out, struct hf_why *why)
{
    return new_read(store, true, out, why);
}

enum hf_err store_read_begin_at_once(struct store *store, struct store_read **out)
{
    struct store_read *read = calloc(1, sizeof *read);
    if (read == NULL)
        return HF_NOMEM;
    env_forget();
    if (join_enter_at_once(store) != HF_OK) {
        free(read);
        return HF_BUSY;
    }
    read->store = store;
    read->env = store->env;
    guard_add(store, &read->watch);
    *out = read;
    return HF_OK;
}

void store_read_end(struct store_read **read)
{
    struct store_read *gone = *read;
    *read = NULL;
    if (gone == NULL)
        return;
    if (gone->txn != NULL) {
        watch_in(&gone->watch);
        gone->txn->abort(gone->txn);
        watch_out(&gone->watch);
    }
    join_leave(gone->store);
    if (gone->panicked)
        join_declare_damaged(gone->store, gone->store->generation);
    guard_remove(gone->store, &gone->watch);
    free(gone);
}

enum hf_err store_read_why(const struct store_read *read, struct hf_why *why)
{
    if (read->damaged == NULL)
        return HF_OK;
    return hf_fail(why, HF_CORRUPT, "%.250s/data/%s: %s%s" STORE_DAMAGE_ADVICE, read->store->path, read->damaged, env_said(),
                   *env_said() == '\0' ? "" : "; ");
}

static enum hf_err corrupt(struct store_read *read, enum env_table table)
{
    read->damaged = env_table_name(table);
    return HF_CORRUPT;
}

/* What an operation gave. When the environment has to be recovered, for damage that was found or by the word of another
 * process, a reader need not end: its next read follows the recovery. */
static enum hf_err outcome(struct store_read *read, enum env_table table, int code)
{
    enum hf_err err = env_error(code);
    if (code == DB_RUNRECOVERY && read->store->role == STORE_READER)
        read->panicked = true;
    if (err == HF_CORRUPT)
        return corrupt(read, table);
    return err == HF_STALE && read->panicked ? HF_AGAIN : err;
}

/* ---- one record ---- */

/* Whether an operation that failed is to be done again: it gave way to another (not in a transaction, which is then lost), or
 * `out` was too small and has grown. */
static bool once_more(const struct store_read *read, const DBT *value, struct hf_buf *out, int *code, unsigned *tries)
{
    if (*code == DB_LOCK_DEADLOCK || *code == DB_LOCK_NOTGRANTED)
        return read->txn == NULL && ++*tries < RETRIES;
    if (*code != DB_BUFFER_SMALL || out == NULL || value->size <= value->ulen)
        return false;
    hf_buf_clear(out);
    if (hf_buf_reserve(out, ((size_t)value->size + 1023) / 1024 * 1024) == HF_OK)
        return true;
    *code = ENOMEM;
    return false;
}

/* Get the value of a key into `out`, whatever its length. */
static enum hf_err get(struct store_read *read, enum env_table table, DBT *key, struct hf_buf *out)
{
    DB *db = read->env->tables[table];
    DBT value = {.flags = DB_DBT_USERMEM};
    unsigned tries = 0;
    int code;
    hf_buf_clear(out);
    if (hf_buf_reserve(out, FIRST_GUESS_BYTES) != HF_OK)
        return HF_NOMEM;
    watch_in(&read->watch);
    do {
        value.data = out->data;
        value.ulen = (u_int32_t)out->capacity;
        code = db->get(db, read->txn, key, &value, read->txn == NULL ? env_dirty_flag(table) : 0);
    } while (once_more(read, &value, out, &code, &tries));
    watch_out(&read->watch);
    if (code == 0)
        out->len = value.size;
    return outcome(read, table, code);
}

/* Get a value of exactly `len` bytes. */
static enum hf_err get_fixed(struct store_read *read, enum env_table table, const void *key, size_t key_bytes,
                             unsigned char *out, size_t len)
{
    DB *db = read->env->tables[table];
    DBT dbt = dbt_of(key, key_bytes);
    DBT value = {.data = out, .ulen = (u_int32_t)len, .flags = DB_DBT_USERMEM};
    unsigned tries = 0;
    int code;
    watch_in(&read->watch);
    do
        code = db->get(db, read->txn, &dbt, &value, read->txn == NULL ? env_dirty_flag(table) : 0);
    while (once_more(read, &value, NULL, &code, &tries));
    watch_out(&read->watch);
    return code == 0 && value.size != len ? corrupt(read, table) : outcome(read, table, code);
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
        err = meta_decode_status(buf.data, buf.len, out) == HF_OK ? HF_OK : corrupt(read, ENV_META);
    else if (err == HF_NOTFOUND) {
        *out = (struct store_status){0};
        err = HF_OK;
    }
    hf_buf_free(&buf);
    return err;
}

/* ---- a walk over a table, a batch of records at a time ---- */

struct walk {
    struct store_read *read;
    enum env_table table;
    unsigned char key[STORE_CELL_KEY_MAX + 1]; /* of the record it stands on; before the first, where to begin */
    uint32_t key_bytes;
    const unsigned char *value;
    uint32_t value_bytes;
    bool after;  /* go on after `key`, not with it */
    void *place; /* in the batch; NULL: used up */
    DBT batch;
    struct hf_buf room;
};

static int fetch_once(struct walk *walk)
{
    struct store_read *read = walk->read;
    DB *db = read->env->tables[walk->table];
    DBC *cursor;
    walk->key[walk->key_bytes] = '\0'; /* with one such byte more, a key is its own successor */
    DBT key = dbt_of(walk->key, walk->key_bytes + walk->after);
    int code = db->cursor(db, read->txn, &cursor, read->txn == NULL ? env_dirty_flag(walk->table) : 0);
    if (code != 0)
        return code;
    walk->batch = (DBT){.data = walk->room.data, .ulen = (u_int32_t)(walk->room.capacity / 1024 * 1024), .flags = DB_DBT_USERMEM};
    code = cursor->get(cursor, &key, &walk->batch, DB_SET_RANGE | DB_MULTIPLE_KEY);
    int close_code = cursor->close(cursor);
    return code != 0 ? code : close_code;
}

/* Get the records from walk->key on, as many as there is room for. A walk may be long: it gives way to a recovery. */
static enum hf_err fetch(struct walk *walk)
{
    enum share_phase phase = share_phase(walk->read->store->share);
    unsigned tries = 0;
    int code;
    if (phase != SHARE_RUNNING && phase != SHARE_CLOSED)
        return HF_AGAIN;
    if (hf_buf_reserve(&walk->room, BATCH_BYTES) != HF_OK)
        return HF_NOMEM;
    watch_in(&walk->read->watch);
    do
        code = fetch_once(walk);
    while (once_more(walk->read, &walk->batch, &walk->room, &code, &tries));
    watch_out(&walk->read->watch);
    if (code == 0)
        DB_MULTIPLE_INIT(walk->place, &walk->batch);
    return outcome(walk->read, walk->table, code);
}

/* Step to the next record. HF_NOTFOUND at the end. */
static enum hf_err walk_next(struct walk *walk)
{
    for (;;) {
        void *key = NULL, *value = NULL;
        size_t key_bytes = 0, value_bytes = 0;
        if (walk->place != NULL)
            DB_MULTIPLE_KEY_NEXT(walk->place, &walk->batch, key, key_bytes, value, value_bytes);
        if (walk->place == NULL) {
            enum hf_err err = fetch(walk);
            if (err != HF_OK)
                return err;
            continue;
        }
        if (key_bytes > STORE_CELL_KEY_MAX)
            return corrupt(walk->read, walk->table);
        walk->after = true;
        memcpy(walk->key, key, key_bytes);
        walk->key_bytes = (uint32_t)key_bytes;
        walk->value = value;
        walk->value_bytes = (uint32_t)value_bytes;
        return HF_OK;
    }
}

static void walk_free(struct walk *walk) { hf_buf_free(&walk->room); }

enum hf_err store_read_keys(struct store_read *read, const char *prefix, const char *after, store_key_fn each,
                            void *context)
{
    size_t prefix_bytes = strlen(prefix), after_bytes = strlen(after);
    struct walk walk = {.read = read, .table = ENV_KEYS, .after = strcmp(after, prefix) >= 0 && after_bytes > 0};
    const char *from = walk.after ? after : prefix;
    size_t from_bytes = walk.after ? after_bytes : prefix_bytes;
    enum hf_err err;
    if (prefix_bytes > STORE_KEY_MAX)
        return HF_OK;
    /* Longer than a key can be, it comes before the same keys when cut. */
    walk.key_bytes = (uint32_t)(from_bytes < STORE_CELL_KEY_MAX ? from_bytes : STORE_CELL_KEY_MAX);
    memcpy(walk.key, from, walk.key_bytes);
    while ((err = walk_next(&walk)) == HF_OK) {
        if (walk.key_bytes < prefix_bytes || memcmp(walk.key, prefix, prefix_bytes) != 0 ||
            !each(context, (const char *)walk.key, walk.key_bytes))
            break;
    }
    walk_free(&walk);
    return err == HF_NOTFOUND ? HF_OK : err;
}

enum hf_err store_read_cells(struct store_read *read, enum store_table table, uint32_t first, const char *after,
                             size_t after_bytes, uint32_t last, store_each_fn each, void *context)
{
    struct walk walk = {.read = read, .table = cell_table(table), .after = after_bytes > 0};
    enum hf_err err;
    if (after_bytes > STORE_KEY_MAX)
        return HF_INVALID;
    walk.key_bytes = cell_key(walk.key, after, after_bytes, first);
    while ((err = walk_next(&walk)) == HF_OK) {
        if (walk.key_bytes < 4)
            err = corrupt(read, walk.table);
        if (err != HF_OK || cell_key_slot(walk.key) > last ||
            !each(context, (const char *)walk.key + 4, walk.key_bytes - 4, cell_key_slot(walk.key), walk.value,
                  walk.value_bytes))
            break;
    }
    walk_free(&walk);
    return err == HF_NOTFOUND ? HF_OK : err;
}

enum hf_err store_read_others(struct store_read *read, unsigned most, struct store_place *place)
{
    struct store_place now = *place;
    struct walk walk = {.read = read, .table = now.producers ? ENV_PRODUCERS : ENV_IDS, .after = now.key_bytes > 0,
                        .key_bytes = now.key_bytes};
    memcpy(walk.key, now.key, now.key_bytes);
    enum hf_err err = HF_OK;
    for (unsigned i = 0; i < most && (err = walk_next(&walk)) == HF_OK; i++) {
        uint64_t *count = now.producers ? &now.producer_count : &now.ids;
        if (walk.key_bytes > sizeof now.key) {
            err = corrupt(read, walk.table);
            break;
        }
        now.key_bytes = walk.key_bytes;
        memcpy(now.key, walk.key, walk.key_bytes);
        ++*count;
    }
    if (err == HF_NOTFOUND) { /* the end of a table */
        now.end = now.producers;
        now.producers = true;
        now.key_bytes = 0;
        err = HF_OK;
    }
    walk_free(&walk);
    if (err == HF_OK)
        *place = now;
    return err;
}

/* ---- one key over many slots ---- */

/* The first record at or after `key`: its key alone. */
static enum hf_err find(struct store_read *read, enum env_table table, unsigned char key[STORE_CELL_KEY_MAX], uint32_t *key_bytes)
{
    DB *db = read->env->tables[table];
    DBT at = {.data = key, .size = *key_bytes, .ulen = STORE_CELL_KEY_MAX, .flags = DB_DBT_USERMEM};
    DBT nothing = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    DBC *cursor;
    unsigned tries = 0;
    int code;
    watch_in(&read->watch);
    do {
        code = db->cursor(db, read->txn, &cursor, read->txn == NULL ? env_dirty_flag(table) : 0);
        if (code == 0) {
            code = cursor->get(cursor, &at, &nothing, DB_SET_RANGE);
            int close_code = cursor->close(cursor);
            code = code != 0 ? code : close_code;
        }
    } while (once_more(read, &nothing, NULL, &code, &tries));
    watch_out(&read->watch);
    *key_bytes = at.size;
    return code == 0 && at.size < 4 ? corrupt(read, table) : outcome(read, table, code);
}

/* The key has no cell at `*slot`: move on to the next slot where it may have one. Slots that no key uses are passed over;
 * for a few it is cheaper to ask. */
static enum hf_err next_slot(struct store_read *read, enum env_table table, const char *key, size_t key_bytes,
                             uint32_t last, uint64_t *slot)
{
    unsigned char at[STORE_CELL_KEY_MAX];
    if (++*slot > last || last - *slot < SHORT_RANGE)
        return HF_OK;
    uint32_t at_bytes = cell_key(at, key, key_bytes, (uint32_t)*slot);
    enum hf_err err = find(read, table, at, &at_bytes);
    if (err == HF_OK)
        *slot = cell_key_slot(at);
    return err;
}

enum hf_err store_read_range(struct store_read *read, enum store_table table, const char *key, size_t key_bytes,
                             uint32_t first, uint32_t last, store_cell_fn each, void *context)
{
    struct hf_buf cell = {0};
    enum hf_err err = HF_OK;
    for (uint64_t slot = first; err == HF_OK && slot <= last;) {
        enum share_phase phase = share_phase(read->store->share);
        if (phase != SHARE_RUNNING && phase != SHARE_CLOSED)
            err = HF_AGAIN;
        else
            err = store_read_cell(read, table, key, key_bytes, (uint32_t)slot, &cell);
        if (err == HF_NOTFOUND)
            err = next_slot(read, cell_table(table), key, key_bytes, last, &slot);
        else if (err == HF_OK && !each(context, (uint32_t)slot++, cell.data, cell.len))
            break;
    }
    hf_buf_free(&cell);
    return err == HF_NOTFOUND ? HF_OK : err;
}
