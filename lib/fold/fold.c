/* SPDX-License-Identifier: Apache-2.0 */
#include "fold/fold.h"

#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "fold/inner.h"

enum hf_err fold_open(const struct fold_options *options, struct fold **out, struct hf_why *why)
{
    struct table_secret secret;
    if (sodium_init() < 0)
        return hf_fail(why, HF_IO, "libsodium cannot be initialised: no source of random numbers");
    randombytes_buf(&secret, sizeof secret);

    struct fold *fold = calloc(1, sizeof *fold);
    if (fold == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    fold->options = *options;
    cache_init(&fold->cache, &secret);
    producers_init(&fold->producers, &secret);
    ids_init(&fold->ids, &secret);
    fold->reader = batch_reader_new();
    enum hf_err err = fold->reader == NULL ? hf_fail(why, HF_NOMEM, "no memory")
                                           : fold_load_status(fold, &fold->committed, why);
    fold_end_read(fold);
    if (err != HF_OK) {
        fold_free(&fold);
        return err;
    }
    fold->current = fold->committed;
    *out = fold;
    return HF_OK;
}

void fold_free(struct fold **fold)
{
    struct fold *f = *fold;
    if (f == NULL)
        return;
    fold_end_read(f);
    cache_free(&f->cache);
    producers_clear(&f->producers);
    ids_clear(&f->ids);
    batch_reader_free(&f->reader);
    hf_buf_free(&f->record);
    hf_buf_free(&f->encoded);
    free(f->aims);
    free(f);
    *fold = NULL;
}

void fold_set_limits(struct fold *fold, const struct fold_limits *limits)
{
    fold->options.limits = *limits;
}

const struct store_status *fold_committed(const struct fold *fold) { return &fold->committed; }

const struct store_status *fold_current(const struct fold *fold) { return &fold->current; }

bool fold_dirty(const struct fold *fold) { return fold->dirty; }

size_t fold_memory_bytes(const struct fold *fold)
{
    return fold->cache.bytes + fold->producers.bytes + fold->ids.bytes;
}

size_t fold_dirty_records(const struct fold *fold)
{
    return fold->cache.dirty_cell_count + fold->cache.dirty_key_count + HASH_COUNT(fold->ids.table);
}

/* ---- which stream ---- */

static void move_to(struct fold *fold, uint64_t first_seq)
{
    fold->current.position = first_seq > 0 ? first_seq - 1 : 0;
    fold->current.position_ms = 0;
    fold->dirty = true;
}

void fold_rewind(struct fold *fold, uint64_t first_seq)
{
    fold->current.rewinds++;
    move_to(fold, first_seq);
}

enum fold_attached fold_attach(struct fold *fold, int64_t created_ns, uint64_t first_seq, uint64_t last_seq,
                               uint64_t *missing)
{
    struct store_status *status = &fold->current;
    bool other = status->stream_created_ns != 0 && status->stream_created_ns != created_ns;
    *missing = 0;
    if (status->stream_created_ns != created_ns) {
        status->stream_created_ns = created_ns;
        fold->dirty = true;
    }
    if (other || last_seq < status->position) {
        fold_rewind(fold, first_seq);
        return FOLD_REWOUND;
    }
    if (first_seq > status->position + 1) {
        *missing = first_seq - 1 - status->position;
        move_to(fold, first_seq);
        return FOLD_GAP;
    }
    return FOLD_SAME;
}

bool fold_recognises(const struct fold *fold, uint64_t seq, int64_t stored_ms)
{
    const struct store_status *status = &fold->current;
    return seq != status->position || status->position_ms == 0 || status->position_ms == stored_ms;
}

/* ---- apply ---- */

/* Was this id seen within the time it is remembered? If not, it is from now on. */
static enum hf_err check_id(struct fold *fold, const struct sample *sample, int64_t stored_ms, bool *seen,
                            struct hf_why *why)
{
    unsigned char hash[STORE_ID_BYTES];
    int64_t seen_ms;
    ids_hash(sample->key, sample->key_bytes, sample->id, sample->id_bytes, hash);
    enum hf_err err = fold_load_id(fold, hash, &seen_ms, why);
    if (err == HF_OK && stored_ms - seen_ms < fold->options.limits.id_memory_ms) {
        *seen = true;
        return HF_OK;
    }
    if (err != HF_OK && err != HF_NOTFOUND)
        return err;
    *seen = false;
    err = ids_add(&fold->ids, hash, stored_ms);
    return err == HF_OK ? HF_OK : hf_fail(why, err, "no memory for an id");
}

/* Point `*cell` at the cell of this slot. */
static enum hf_err aim_at(struct fold *fold, struct fold_aim *aim, struct cached_cell **cell, enum store_table table,
                          uint32_t slot, struct hf_why *why)
{
    if (*cell != NULL && (*cell)->id.slot == slot)
        return HF_OK;
    if (*cell != NULL)
        cache_measure(&fold->cache, *cell);
    return fold_load_cell(fold, aim->key, table, slot, cell, why);
}

static enum hf_err aim_sample(struct fold *fold, struct fold_aim *aim, const struct sample *sample, bool *to_minute,
                              struct hf_why *why)
{
    uint32_t hour = hf_hour_of(sample->time_ms);
    enum hf_err err = HF_OK;
    if (aim->key == NULL)
        err = fold_load_key(fold, sample->key, sample->key_bytes, hour, &aim->key, why);
    if (err == HF_OK)
        err = aim_at(fold, aim, &aim->hour, STORE_HOURS, hour, why);
    *to_minute = hour >= fold->current.minutes_from;
    if (err == HF_OK && *to_minute)
        err = aim_at(fold, aim, &aim->minute, STORE_MINUTES, hf_minute_of(sample->time_ms), why);
    if (err == HF_OK && hour < aim->key->first_hour) {
        aim->key->first_hour = hour;
        cache_dirty_key(&fold->cache, aim->key);
    }
    return err;
}

static enum hf_err apply_sample(struct fold *fold, struct fold_aim *aim, const struct sample *sample,
                                int64_t stored_ms, struct hf_why *why)
{
    bool seen = false, to_minute = false;
    enum hf_err err = HF_OK;
    fold->current.accepted++;
    if (sample->id != NULL)
        err = check_id(fold, sample, stored_ms, &seen, why);
    if (err != HF_OK)
        return err;
    if (seen) {
        fold->current.duplicate++;
        return HF_OK;
    }
    err = aim_sample(fold, aim, sample, &to_minute, why);
    if (err != HF_OK)
        return err;
    err = cell_add(aim->hour->cell, sample->value);
    if (err == HF_OK && to_minute)
        err = cell_add(aim->minute->cell, sample->value);
    if (err != HF_OK)
        return hf_fail(why, err, "a sample of key %.*s cannot be added: %s", sample->key_bytes, sample->key,
                       hf_strerror(err));
    fold->current.folded++;
    if (((int64_t)aim->hour->id.slot + 1) * HF_HOUR_MS <= stored_ms)
        fold->current.late++;
    return HF_OK;
}

static enum hf_err reserve_aims(struct fold *fold, size_t count)
{
    if (count > fold->aim_capacity) {
        struct fold_aim *aims = realloc(fold->aims, count * sizeof *aims);
        if (aims == NULL)
            return HF_NOMEM;
        fold->aims = aims;
        fold->aim_capacity = count;
    }
    memset(fold->aims, 0, count * sizeof *fold->aims);
    return HF_OK;
}

static enum hf_err apply_batch(struct fold *fold, const struct batch *batch, int64_t stored_ms, struct hf_why *why)
{
    struct sample sample;
    uint32_t index;
    if (reserve_aims(fold, batch->key_count) != HF_OK)
        return hf_fail(why, HF_NOMEM, "no memory for a batch");
    enum hf_err err;
    while ((err = batch_next(fold->reader, &sample, &index)) == HF_OK) {
        err = apply_sample(fold, &fold->aims[index], &sample, stored_ms, why);
        if (err != HF_OK)
            return err;
    }
    for (size_t i = 0; i < batch->key_count; i++) {
        if (fold->aims[i].hour != NULL)
            cache_measure(&fold->cache, fold->aims[i].hour);
        if (fold->aims[i].minute != NULL)
            cache_measure(&fold->cache, fold->aims[i].minute);
    }
    return err == HF_NOTFOUND ? HF_OK : err;
}

/* Apply a message, or fail with part of it applied. */
static enum hf_err apply_message(struct fold *fold, int64_t stored_ms, const void *bytes, size_t len,
                                 struct hf_why *why)
{
    const struct batch *batch;
    struct producer *producer;
    enum hf_err err = batch_open(fold->reader, bytes, len, &batch);
    if (err == HF_INVALID) {
        fold->current.refused++;
        return HF_OK;
    }
    if (err != HF_OK)
        return hf_fail(why, err, "a batch cannot be read: %s", hf_strerror(err));
    err = fold_load_producer(fold, batch->producer, &producer, why);
    if (err != HF_OK)
        return err;
    if (window_seen(&producer->window, batch->number)) {
        fold->current.accepted += batch->sample_count;
        fold->current.duplicate += batch->sample_count;
        fold->current.repeated += batch->sample_count;
        return HF_OK;
    }
    window_mark(&producer->window, batch->number, stored_ms);
    producer->dirty = true;
    return apply_batch(fold, batch, stored_ms, why);
}

enum hf_err fold_apply(struct fold *fold, uint64_t seq, int64_t stored_ms, const void *bytes, size_t len,
                       struct hf_why *why)
{
    if (fold->failed != HF_OK)
        return hf_fail(why, fold->failed, "an earlier message failed: %s", hf_strerror(fold->failed));
    if (seq <= fold->current.position)
        return HF_OK;
    enum hf_err err = apply_message(fold, stored_ms, bytes, len, why);
    fold_end_read(fold);
    if (err != HF_OK) {
        fold->failed = err;
        return err;
    }
    fold->current.position = seq;
    fold->current.position_ms = stored_ms;
    fold->dirty = true;
    return HF_OK;
}

void fold_view(struct fold *fold, const struct store_view *view)
{
    fold->current.view = *view;
    fold->dirty = true;
}

void fold_advance(struct fold *fold, int64_t as_of_ms)
{
    struct store_status *status = &fold->current;
    if (as_of_ms <= status->as_of_ms)
        return;
    status->as_of_ms = as_of_ms;
    fold->dirty = true;

    int64_t days = fold->options.limits.minute_days;
    if (days > 0 && as_of_ms / HF_DAY_MS > days) {
        uint32_t from = hf_hour_of(as_of_ms - days * HF_DAY_MS);
        if (from > status->minutes_from)
            status->minutes_from = from;
    }
}
