/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing: one transaction at a time, by the one writer.
 */
#include "store/inside.h"

#include <stdlib.h>
#include <string.h>

#include "store/region.h"

#define VISITS_PER_DELETION 16u /* entries looked at for each that may be deleted, so that a call stays short */

enum hf_err store_write_prepare(struct store *store, size_t records, struct hf_why *why)
{
    env_forget();
    int code = region_grow(store->path, records + records / 8); /* and the pages that are split */
    if (code == 0)
        return HF_OK;
    share_set_trouble(store->share, SHARE_COMMIT, env_error(code));
    return env_fail(why, code, "making room for a large commit");
}

enum hf_err store_write_begin(struct store *store, struct store_write **out, struct hf_why *why)
{
    struct store_write *write = calloc(1, sizeof *write);
    if (write == NULL)
        return hf_fail(why, HF_NOMEM, "out of memory");
    env_forget();
    write->store = store;
    write->env = store->env;
    guard_add(store, &write->watch);
    watch_in(&write->watch);
    int code = write->env->handle->txn_begin(write->env->handle, NULL, &write->txn, DB_TXN_WRITE_NOSYNC);
    watch_out(&write->watch);
    if (code != 0) {
        guard_remove(store, &write->watch);
        free(write);
        return env_fail(why, code, "beginning to write the store");
    }
    *out = write;
    return HF_OK;
}

/* Of the cursor: a transaction can end only without. */
static int let_go(struct store_write *write)
{
    DBC *cursor = write->cursor;
    write->cursor = NULL;
    return cursor == NULL ? 0 : cursor->close(cursor);
}

static void free_write(struct store_write *write)
{
    guard_remove(write->store, &write->watch);
    free(write);
}

enum hf_err store_write_commit(struct store_write **write, struct hf_why *why)
{
    struct store_write *gone = *write;
    *write = NULL;
    watch_in(&gone->watch);
    int code = let_go(gone);
    if (code == 0)
        code = gone->txn->commit(gone->txn, DB_TXN_WRITE_NOSYNC);
    else
        (void)gone->txn->abort(gone->txn);
    watch_out(&gone->watch);
    share_set_trouble(gone->store->share, SHARE_COMMIT, env_error(code));
    if (code == 0 && gone->has_status)
        share_note_commit(gone->store->share, &gone->mark);
    free_write(gone);
    return code == 0 ? HF_OK : env_fail(why, code, "committing to the store");
}

enum hf_err store_write_why(const struct store_write *write, struct hf_why *why)
{
    return write->code == 0 ? HF_OK : env_fail(why, write->code, "writing the store");
}

void store_write_abort(struct store_write **write)
{
    struct store_write *gone = *write;
    *write = NULL;
    if (gone == NULL)
        return;
    if (gone->code != 0 && env_error(gone->code) != HF_AGAIN)
        share_set_trouble(gone->store->share, SHARE_COMMIT, env_error(gone->code));
    watch_in(&gone->watch);
    (void)let_go(gone);
    gone->txn->abort(gone->txn);
    watch_out(&gone->watch);
    free_write(gone);
}

static enum hf_err outcome(struct store_write *write, int code)
{
    enum hf_err err = env_error(code);
    if (write->code == 0 && err != HF_NOTFOUND)
        write->code = code;
    return err;
}

/* ---- put ---- */

/* A bulk cursor looks on the page where it is before it searches the tree, which records in the order of the table, nearly
 * always need not: one cursor stays for as long as records of one table come. */
static int cursor_at(struct store_write *write, enum env_table table)
{
    if (write->cursor != NULL && write->cursor_table == table)
        return 0;
    DB *db = write->env->tables[table];
    int code = let_go(write);
    if (code == 0)
        code = db->cursor(db, write->txn, &write->cursor, DB_CURSOR_BULK);
    write->cursor_table = table;
    return code;
}

static enum hf_err put(struct store_write *write, enum env_table table, DBT key, const void *bytes, size_t len)
{
    DBT value = dbt_of(bytes, len);
    watch_in(&write->watch);
    int code = cursor_at(write, table);
    if (code == 0)
        code = write->cursor->put(write->cursor, &key, &value, DB_KEYLAST);
    watch_out(&write->watch);
    return outcome(write, code);
}

enum hf_err store_write_cell(struct store_write *write, enum store_table table, const char *key, size_t key_bytes,
                             uint32_t slot, const void *bytes, size_t len)
{
    unsigned char at[STORE_CELL_KEY_MAX];
    if (key_bytes > STORE_KEY_MAX)
        return HF_INVALID;
    return put(write, cell_table(table), dbt_of(at, cell_key(at, key, key_bytes, slot)), bytes, len);
}

static enum hf_err put_buf(struct store_write *write, enum env_table table, DBT key, struct hf_buf *buf)
{
    enum hf_err err = hf_buf_ok(buf) ? put(write, table, key, buf->data, buf->len) : HF_NOMEM;
    hf_buf_free(buf);
    return err;
}

enum hf_err store_write_key(struct store_write *write, const char *key, size_t key_bytes, uint32_t first_hour)
{
    if (key_bytes > STORE_KEY_MAX)
        return HF_INVALID;
    struct hf_buf buf = {0};
    hf_buf_u32(&buf, first_hour);
    return put_buf(write, ENV_KEYS, dbt_of(key, key_bytes), &buf);
}

enum hf_err store_write_id(struct store_write *write, const unsigned char id[STORE_ID_BYTES], int64_t seen_ms)
{
    struct hf_buf buf = {0};
    hf_buf_u64(&buf, (uint64_t)seen_ms);
    return put_buf(write, ENV_IDS, dbt_of(id, STORE_ID_BYTES), &buf);
}

enum hf_err store_write_producer(struct store_write *write, uint64_t producer, const void *bytes, size_t len)
{
    return put(write, ENV_PRODUCERS, dbt_of(&producer, sizeof producer), bytes, len);
}

enum hf_err store_write_status(struct store_write *write, const struct store_status *status)
{
    struct hf_buf buf = {0};
    write->mark = (struct share_mark){status->accepted, status->expired, status->as_of_ms};
    write->has_status = true;
    meta_encode_status(status, &buf);
    return put_buf(write, ENV_META, dbt_of(meta_status_key, strlen(meta_status_key)), &buf);
}

/* ---- expire ---- */

static enum hf_err open_cursor(struct store_write *write, enum env_table table, DBC **cursor)
{
    DB *db = write->env->tables[table];
    watch_in(&write->watch);
    int code = db->cursor(db, write->txn, cursor, 0);
    watch_out(&write->watch);
    return outcome(write, code);
}

static void close_cursor(struct store_write *write, DBC *cursor)
{
    watch_in(&write->watch);
    cursor->close(cursor);
    watch_out(&write->watch);
}

/* Move, and take what is there; the memory is the cursor's until it moves on. */
static enum hf_err move(struct store_write *write, DBC *cursor, DBT *key, DBT *value, u_int32_t how)
{
    watch_in(&write->watch);
    int code = cursor->get(cursor, key, value, how);
    watch_out(&write->watch);
    return outcome(write, code);
}

static enum hf_err delete_here(struct store_write *write, DBC *cursor, unsigned *deleted)
{
    watch_in(&write->watch);
    int code = cursor->del(cursor, 0);
    watch_out(&write->watch);
    if (code == 0)
        ++*deleted;
    return outcome(write, code);
}

enum hf_err store_expire_cells(struct store_write *write, enum store_table table, uint32_t before, unsigned most,
                               store_cell_fn each, void *context, unsigned *deleted)
{
    DBC *cursor;
    DBT key = {.flags = DB_DBT_REALLOC}, value = {.flags = DB_DBT_REALLOC};
    *deleted = 0;
    enum hf_err err = open_cursor(write, cell_table(table), &cursor);
    if (err != HF_OK)
        return err;
    if (each == NULL)
        value.flags |= DB_DBT_PARTIAL; /* of length 0: the bytes are not asked for */
    while (err == HF_OK && *deleted < most) {
        err = move(write, cursor, &key, &value, DB_NEXT);
        if (err != HF_OK)
            break;
        uint32_t slot = key.size < 4 ? before : cell_key_slot(key.data);
        if (slot >= before)
            break; /* in order of time: the rest is younger */
        if (each != NULL && !each(context, slot, value.data, value.size))
            break;
        err = delete_here(write, cursor, deleted);
    }
    close_cursor(write, cursor);
    free(key.data);
    free(value.data);
    return err == HF_NOTFOUND ? HF_OK : err;
}

/* Ids are in the order of a hash, so all are looked at in turn, some in each call. */
enum hf_err store_expire_ids(struct store_write *write, int64_t before_ms, unsigned most, unsigned *deleted)
{
    unsigned char *place = write->store->ids_place;
    unsigned char at[STORE_ID_BYTES], bytes[8];
    DBC *cursor;
    *deleted = 0;
    enum hf_err err = open_cursor(write, ENV_IDS, &cursor);
    if (err != HF_OK)
        return err;
    memcpy(at, place, sizeof at);
    u_int32_t how = DB_SET_RANGE;
    for (unsigned visits = 0; err == HF_OK && visits < most * VISITS_PER_DELETION && *deleted < most; visits++) {
        DBT key = {.data = at, .size = sizeof at, .ulen = sizeof at, .flags = DB_DBT_USERMEM};
        DBT value = {.data = bytes, .ulen = sizeof bytes, .flags = DB_DBT_USERMEM};
        err = move(write, cursor, &key, &value, how);
        how = DB_NEXT;
        struct hf_cur cur = hf_cur_of(bytes, sizeof bytes);
        if (err == HF_OK && (int64_t)hf_cur_u64(&cur) < before_ms)
            err = delete_here(write, cursor, deleted);
    }
    close_cursor(write, cursor);
    if (err == HF_OK)
        memcpy(place, at, sizeof at);
    else if (err == HF_NOTFOUND)
        memset(place, 0, sizeof at); /* the end: the next call begins anew */
    return err == HF_NOTFOUND ? HF_OK : err;
}

enum hf_err store_expire_producers(struct store_write *write, store_producer_fn old, void *context, unsigned most,
                                   unsigned *deleted)
{
    uint64_t at = write->store->producers_place;
    DBC *cursor;
    *deleted = 0;
    enum hf_err err = open_cursor(write, ENV_PRODUCERS, &cursor);
    if (err != HF_OK)
        return err;
    DBT value = {.flags = DB_DBT_REALLOC};
    u_int32_t how = DB_SET_RANGE;
    for (unsigned visits = 0; err == HF_OK && visits < most; visits++) {
        DBT key = {.data = &at, .size = sizeof at, .ulen = sizeof at, .flags = DB_DBT_USERMEM};
        err = move(write, cursor, &key, &value, how);
        how = DB_NEXT;
        if (err == HF_OK && old(context, at, value.data, value.size))
            err = delete_here(write, cursor, deleted);
    }
    close_cursor(write, cursor);
    free(value.data);
    if (err == HF_OK || err == HF_NOTFOUND)
        write->store->producers_place = err == HF_OK ? at : 0;
    return err == HF_NOTFOUND ? HF_OK : err;
}
