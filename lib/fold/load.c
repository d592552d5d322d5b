/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of the fold. One store_read serves many records of a message,
 * and is begun anew every FOLD_READS_AT_ONCE of them: nobody else writes, so that
 * what they show together is the same.
 */
#include <time.h>

#include "fold/inner.h"

enum record_kind { RECORD_STATUS, RECORD_PRODUCER, RECORD_ID, RECORD_KEY, RECORD_CELL };

/* What to read and where to put it. */
struct record {
    enum record_kind kind;
    uint64_t producer;
    const unsigned char *id;
    const char *key;
    size_t key_bytes;
    enum store_table table;
    uint32_t slot;
    struct store_status *status;
    int64_t seen_ms;
    uint32_t first_hour;
};

void fold_back_off(unsigned tries)
{
    long ms = 1L << (tries < 6 ? tries : 6);
    struct timespec pause = {0, ms * 1000000};
    nanosleep(&pause, NULL);
}

void fold_end_read(struct fold *fold)
{
    store_read_end(&fold->read);
    fold->reads = 0;
}

static enum hf_err read_record(struct fold *fold, struct record *record)
{
    switch (record->kind) {
    case RECORD_STATUS:
        return store_read_status(fold->read, record->status);
    case RECORD_PRODUCER:
        return store_read_producer(fold->read, record->producer, &fold->record);
    case RECORD_ID:
        return store_read_id(fold->read, record->id, &record->seen_ms);
    case RECORD_KEY:
        return store_read_key(fold->read, record->key, record->key_bytes, &record->first_hour);
    case RECORD_CELL:
        return store_read_cell(fold->read, record->table, record->key, record->key_bytes, record->slot,
                               &fold->record);
    }
    return HF_IO;
}

static enum hf_err read_once(struct fold *fold, struct record *record, struct hf_why *why)
{
    if (fold->reads == FOLD_READS_AT_ONCE)
        fold_end_read(fold);
    if (fold->read == NULL) {
        enum hf_err err = store_read_begin(fold->options.store, &fold->read, why);
        if (err != HF_OK)
            return err;
    }
    fold->reads++;
    enum hf_err err = read_record(fold, record);
    if (err == HF_CORRUPT && store_read_why(fold->read, why) == HF_CORRUPT)
        return err;
    if (err != HF_OK && err != HF_NOTFOUND)
        return hf_fail(why, err, "the store cannot be read: %s", hf_strerror(err));
    return err;
}

static enum hf_err load(struct fold *fold, struct record *record, struct hf_why *why)
{
    enum hf_err err = read_once(fold, record, why);
    for (unsigned tries = 0; err == HF_AGAIN && tries < FOLD_RETRIES; tries++) {
        fold_end_read(fold);
        fold_back_off(tries);
        err = read_once(fold, record, why);
    }
    return err;
}

enum hf_err fold_load_status(struct fold *fold, struct store_status *out, struct hf_why *why)
{
    struct record record = {.kind = RECORD_STATUS, .status = out};
    return load(fold, &record, why);
}

enum hf_err fold_load_producer(struct fold *fold, uint64_t number, struct producer **out, struct hf_why *why)
{
    struct producer *producer = producers_find(&fold->producers, number);
    if (producer == NULL) {
        struct record record = {.kind = RECORD_PRODUCER, .producer = number};
        struct window window = {0};
        enum hf_err err = load(fold, &record, why);
        if (err == HF_OK && window_decode(fold->record.data, fold->record.len, &window) != HF_OK)
            return hf_fail(why, HF_CORRUPT,
                           "the store's record of producer %016llx; " STORE_DAMAGE_ADVICE,
                           (unsigned long long)number);
        if (err != HF_OK && err != HF_NOTFOUND)
            return err;
        producer = producers_add(&fold->producers, number, &window);
        if (producer == NULL)
            return hf_fail(why, HF_NOMEM, "no memory for a producer");
    }
    *out = producer;
    return HF_OK;
}

enum hf_err fold_load_id(struct fold *fold, const unsigned char hash[STORE_ID_BYTES], int64_t *seen_ms,
                         struct hf_why *why)
{
    const struct fresh_id *fresh = ids_find(&fold->ids, hash);
    if (fresh != NULL) {
        *seen_ms = fresh->seen_ms;
        return HF_OK;
    }
    struct record record = {.kind = RECORD_ID, .id = hash};
    enum hf_err err = load(fold, &record, why);
    if (err == HF_OK)
        *seen_ms = record.seen_ms;
    return err;
}

/* A key that is in the store already: into memory. HF_NOTFOUND. */
static enum hf_err load_known_key(struct fold *fold, const char *text, size_t bytes, struct cached_key **out,
                                  struct hf_why *why)
{
    struct cached_key *key = cache_find_key(&fold->cache, text, bytes);
    if (key == NULL) {
        struct record record = {.kind = RECORD_KEY, .key = text, .key_bytes = bytes};
        enum hf_err err = load(fold, &record, why);
        if (err != HF_OK)
            return err;
        key = cache_add_key(&fold->cache, text, bytes, record.first_hour);
        if (key == NULL)
            return hf_fail(why, HF_NOMEM, "no memory for a key");
    }
    *out = key;
    return HF_OK;
}

enum hf_err fold_load_key(struct fold *fold, const char *text, uint8_t bytes, uint32_t hour, struct cached_key **out,
                          struct hf_why *why)
{
    size_t len = bytes;
    enum hf_err err = load_known_key(fold, text, len, out, why);
    if (err == HF_NOTFOUND && fold->current.keys >= fold->options.limits.max_keys) {
        text = FOLD_OVERFLOW_KEY;
        len = sizeof FOLD_OVERFLOW_KEY - 1;
        err = load_known_key(fold, text, len, out, why);
    }
    if (err != HF_NOTFOUND)
        return err;

    struct cached_key *key = cache_add_key(&fold->cache, text, len, hour);
    if (key == NULL)
        return hf_fail(why, HF_NOMEM, "no memory for a key");
    cache_dirty_key(&fold->cache, key);
    fold->current.keys++;
    *out = key;
    return HF_OK;
}

/* The cell as the store has it, or an empty one. */
static enum hf_err make_cell(struct fold *fold, const struct cached_key *key, enum store_table table, uint32_t slot,
                             struct cell **out, struct hf_why *why)
{
    uint32_t buckets = table == STORE_HOURS ? fold->options.hour_buckets : CELL_MINUTE_BUCKETS;
    struct record record = {
        .kind = RECORD_CELL, .key = key->text, .key_bytes = key->bytes, .table = table, .slot = slot};
    enum hf_err err = load(fold, &record, why);
    if (err == HF_OK) {
        err = cell_decode(fold->record.data, fold->record.len, buckets, out);
        if (err == HF_INVALID)
            return hf_fail(why, HF_CORRUPT, "the cell of key %.*s, %s %lu; " STORE_DAMAGE_ADVICE, key->bytes,
                           key->text, table == STORE_HOURS ? "hour" : "minute", (unsigned long)slot);
    } else if (err == HF_NOTFOUND) {
        *out = cell_new(buckets);
        err = *out != NULL ? HF_OK : HF_NOMEM;
    }
    if (err == HF_NOMEM)
        return hf_fail(why, HF_NOMEM, "no memory for a cell");
    return err;
}

enum hf_err fold_load_cell(struct fold *fold, struct cached_key *key, enum store_table table, uint32_t slot,
                           struct cached_cell **out, struct hf_why *why)
{
    struct cached_cell *cached = cache_find_cell(&fold->cache, key, table, slot);
    if (cached != NULL) {
        cache_dirty_cell(&fold->cache, cached);
        *out = cached;
        return HF_OK;
    }
    struct cell *cell = NULL;
    enum hf_err err = make_cell(fold, key, table, slot, &cell, why);
    if (err != HF_OK)
        return err;
    cached = cache_add_cell(&fold->cache, key, table, slot, &cell);
    if (cached == NULL) {
        cell_free(&cell);
        return hf_fail(why, HF_NOMEM, "no memory for a cell");
    }
    *out = cached;
    return HF_OK;
}
