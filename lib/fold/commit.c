/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing side of the fold. All records are encoded before the transaction
 * begins, so that it holds its locks only while it writes, and sorted, so that it
 * goes through each table once from front to back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "fold/inner.h"

enum { ENCODED_KEEP_BYTES = 4 << 20 }; /* of the buffer, from one commit to the next */

struct commit {
    struct cached_key **keys;
    size_t key_count;
    struct cached_cell **cells;
    size_t cell_count;
    struct producer **producers;
    size_t producer_count;
};

static void free_commit(struct commit *commit)
{
    free(commit->keys);
    free(commit->cells);
    free(commit->producers);
}

static int compare_keys(const struct cached_key *a, const struct cached_key *b)
{
    int order = memcmp(a->text, b->text, a->bytes < b->bytes ? a->bytes : b->bytes);
    return order != 0 ? order : (int)a->bytes - (int)b->bytes;
}

static int by_key(const void *a, const void *b)
{
    return compare_keys(*(struct cached_key *const *)a, *(struct cached_key *const *)b);
}

/* As the store orders cells. */
static int by_table_slot_key(const void *a, const void *b)
{
    const struct cached_cell *x = *(struct cached_cell *const *)a, *y = *(struct cached_cell *const *)b;
    if (x->id.table != y->id.table)
        return x->id.table < y->id.table ? -1 : 1;
    if (x->id.slot != y->id.slot)
        return x->id.slot < y->id.slot ? -1 : 1;
    return compare_keys(x->key, y->key);
}

/* List what is dirty, in the order of the store. HF_NOMEM. */
static enum hf_err collect(struct fold *fold, struct commit *commit)
{
    struct cache *cache = &fold->cache;
    commit->keys = calloc(cache->dirty_key_count + 1, sizeof *commit->keys);
    commit->cells = calloc(cache->dirty_cell_count + 1, sizeof *commit->cells);
    commit->producers = calloc(HASH_COUNT(fold->producers.table) + 1, sizeof *commit->producers);
    if (commit->keys == NULL || commit->cells == NULL || commit->producers == NULL)
        return HF_NOMEM;

    struct cached_key *key;
    struct cached_cell *cell;
    TAILQ_FOREACH(key, &cache->dirty_keys, link)
        commit->keys[commit->key_count++] = key;
    TAILQ_FOREACH(cell, &cache->dirty_cells, link)
        commit->cells[commit->cell_count++] = cell;
    for (struct producer *producer = fold->producers.table; producer != NULL; producer = producer->hh.next)
        if (producer->dirty)
            commit->producers[commit->producer_count++] = producer;
    qsort(commit->keys, commit->key_count, sizeof *commit->keys, by_key);
    qsort(commit->cells, commit->cell_count, sizeof *commit->cells, by_table_slot_key);
    ids_sort(&fold->ids);
    return HF_OK;
}

static enum hf_err encode(struct fold *fold, struct commit *commit)
{
    struct hf_buf *buf = &fold->encoded;
    hf_buf_clear(buf);
    for (size_t i = 0; i < commit->cell_count; i++) {
        struct cached_cell *cell = commit->cells[i];
        cell->encoded_at = buf->len;
        if (cell_encode(cell->cell, buf) != HF_OK)
            return HF_NOMEM;
        cell->encoded_bytes = buf->len - cell->encoded_at;
        cache_measure(&fold->cache, cell); /* encoding settles it */
    }
    for (size_t i = 0; i < commit->producer_count; i++) {
        struct producer *producer = commit->producers[i];
        producer->encoded_at = buf->len;
        window_encode(&producer->window, buf);
        producer->encoded_bytes = buf->len - producer->encoded_at;
    }
    return hf_buf_ok(buf) ? HF_OK : HF_NOMEM;
}

static enum hf_err write_records(struct fold *fold, const struct commit *commit, struct store_write *write)
{
    const unsigned char *encoded = fold->encoded.data;
    enum hf_err err = HF_OK;
    for (size_t i = 0; i < commit->cell_count && err == HF_OK; i++) {
        const struct cached_cell *cell = commit->cells[i];
        err = store_write_cell(write, (enum store_table)cell->id.table, cell->key->text, cell->key->bytes,
                               cell->id.slot, encoded + cell->encoded_at, cell->encoded_bytes);
    }
    for (size_t i = 0; i < commit->key_count && err == HF_OK; i++) {
        const struct cached_key *key = commit->keys[i];
        err = store_write_key(write, key->text, key->bytes, key->first_hour);
    }
    for (const struct fresh_id *id = fold->ids.table; id != NULL && err == HF_OK; id = id->hh.next) {
        err = store_write_id(write, id->hash, id->seen_ms);
    }
    for (size_t i = 0; i < commit->producer_count && err == HF_OK; i++) {
        const struct producer *producer = commit->producers[i];
        err = store_write_producer(write, producer->number, encoded + producer->encoded_at, producer->encoded_bytes);
    }
    return err == HF_OK ? store_write_status(write, &fold->current) : err;
}

/* Give up or commit the transaction, by what came of writing into it. */
static enum hf_err end_write(struct store_write **write, enum hf_err err, struct hf_why *why)
{
    if (err != HF_OK) {
        if (store_write_why(*write, why) == HF_OK)
            hf_fail(why, err, "the store cannot be written: %s", hf_strerror(err));
        store_write_abort(write);
        return err;
    }
    return store_write_commit(write, why);
}

static enum hf_err write_once(struct fold *fold, const struct commit *commit, struct hf_why *why)
{
    struct store_write *write;
    enum hf_err err = store_write_begin(fold->options.store, &write, why);
    if (err != HF_OK)
        return err;
    return end_write(&write, write_records(fold, commit, write), why);
}

/* Of the stream: where it is read late, that of its messages, or a long backlog would fill the memory with minutes long over. */
static int64_t time_of(const struct store_status *status)
{
    return status->position_ms > status->as_of_ms ? status->position_ms : status->as_of_ms;
}

static void settle(struct fold *fold)
{
    fold->committed = fold->current;
    fold->dirty = false;
    cache_settle(&fold->cache, fold->options.cache_bytes, time_of(&fold->current));
    ids_clear(&fold->ids);
    producers_settle(&fold->producers, FOLD_PRODUCERS_IN_MEMORY);
    if (fold->encoded.capacity > ENCODED_KEEP_BYTES)
        hf_buf_free(&fold->encoded);
}

enum hf_err fold_commit(struct fold *fold, struct hf_why *why)
{
    if (fold->failed != HF_OK)
        return hf_fail(why, fold->failed, "an earlier message failed: %s", hf_strerror(fold->failed));
    if (!fold->dirty)
        return HF_OK;
    struct commit commit = {0};
    enum hf_err err = collect(fold, &commit);
    if (err == HF_OK)
        err = encode(fold, &commit);
    if (err != HF_OK)
        hf_fail(why, err, "no memory for a commit of %zu cells", fold->cache.dirty_cell_count);
    else
        err = store_write_prepare(fold->options.store, fold_dirty_records(fold), why);
    if (err == HF_OK)
        err = write_once(fold, &commit, why);
    for (unsigned tries = 0; err == HF_AGAIN && tries < FOLD_RETRIES; tries++) {
        fold_back_off(tries);
        err = write_once(fold, &commit, why);
    }
    free_commit(&commit);
    if (err == HF_OK)
        settle(fold);
    return err;
}

/* ---- expire ---- */

struct expiry {
    struct fold *fold;
    int64_t now_ms;        /* the stream's */
    uint32_t hours_before; /* 0: none */
    uint32_t minutes_before;
    uint64_t samples;      /* in the deleted hours */
    enum hf_err err;
    unsigned hours, minutes, ids, producers; /* deleted */
};

static bool count_hour(void *context, uint32_t slot, const void *bytes, size_t len)
{
    struct expiry *expiry = context;
    struct cell *cell;
    (void)slot;
    expiry->err = cell_decode(bytes, len, expiry->fold->options.hour_buckets, &cell);
    if (expiry->err != HF_OK)
        return false;
    expiry->samples += cell_count(cell);
    cell_free(&cell);
    return true;
}

static bool is_old(void *context, uint64_t number, const void *bytes, size_t len)
{
    const struct expiry *expiry = context;
    struct window window;
    (void)number;
    return window_decode(bytes, len, &window) == HF_OK &&
           window.last_ms < expiry->now_ms - FOLD_PRODUCER_DAYS * HF_DAY_MS;
}

static enum hf_err expire_records(struct expiry *expiry, struct store_write *write)
{
    const struct fold *fold = expiry->fold;
    enum hf_err err = HF_OK;
    if (expiry->hours_before > 0)
        err = store_expire_cells(write, STORE_HOURS, expiry->hours_before, FOLD_EXPIRE_AT_ONCE, count_hour, expiry,
                                 &expiry->hours);
    if (expiry->err != HF_OK)
        return expiry->err == HF_INVALID ? HF_CORRUPT : expiry->err;
    if (err == HF_OK && expiry->minutes_before > 0)
        err = store_expire_cells(write, STORE_MINUTES, expiry->minutes_before, FOLD_EXPIRE_AT_ONCE, NULL, NULL,
                                 &expiry->minutes);
    if (err == HF_OK)
        err = store_expire_ids(write, expiry->now_ms - fold->options.limits.id_memory_ms, FOLD_EXPIRE_AT_ONCE,
                               &expiry->ids);
    if (err == HF_OK)
        err = store_expire_producers(write, is_old, expiry, FOLD_EXPIRE_AT_ONCE, &expiry->producers);
    return err;
}

static enum hf_err expire_once(struct expiry *expiry, struct hf_why *why)
{
    struct fold *fold = expiry->fold;
    struct store_write *write;
    expiry->samples = 0;
    expiry->err = HF_OK;
    enum hf_err err = store_write_begin(fold->options.store, &write, why);
    if (err != HF_OK)
        return err;
    err = expire_records(expiry, write);
    if (err == HF_OK && expiry->hours + expiry->minutes + expiry->ids + expiry->producers == 0) {
        store_write_abort(&write);
        return HF_OK;
    }
    if (err == HF_OK) {
        fold->current.expired += expiry->samples;
        err = store_write_status(write, &fold->current);
    }
    err = end_write(&write, err, why);
    if (err != HF_OK)
        fold->current.expired = fold->committed.expired;
    return err;
}

enum hf_err fold_expire(struct fold *fold, bool *more, struct hf_why *why)
{
    /* What is deleted must not come back from memory: so nothing may be dirty. */
    *more = false;
    enum hf_err err = fold_commit(fold, why);
    if (err != HF_OK)
        return err;

    struct expiry expiry = {
        .fold = fold, .now_ms = fold->current.as_of_ms, .minutes_before = fold->current.minutes_from * 60};
    int64_t days = fold->options.limits.hour_days;
    if (days > 0 && expiry.now_ms / HF_DAY_MS > days)
        expiry.hours_before = hf_hour_of(expiry.now_ms - days * HF_DAY_MS);

    err = expire_once(&expiry, why);
    for (unsigned tries = 0; err == HF_AGAIN && tries < FOLD_RETRIES; tries++) {
        fold_back_off(tries);
        err = expire_once(&expiry, why);
    }
    if (err != HF_OK)
        return err;
    fold->committed = fold->current;
    cache_forget_hours(&fold->cache, expiry.hours_before); /* old minutes are never asked for again */
    if (expiry.producers > 0)
        producers_clear(&fold->producers);
    *more = expiry.hours == FOLD_EXPIRE_AT_ONCE || expiry.minutes == FOLD_EXPIRE_AT_ONCE ||
            expiry.ids == FOLD_EXPIRE_AT_ONCE;
    return HF_OK;
}
