/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/series.h"

#include <assert.h>

#include "base/utc.h"

void series_free(struct series *series) { hf_buf_free(&series->bytes); }

/* One reading of the slots. */
struct scan {
    struct series *series;
    struct cell *total; /* of all, or NULL where it is not wanted */
    uint64_t count;     /* samples in all */
};

/* The statistics of one cell. A cell without samples is none. */
static enum hf_err fill_slot(const struct series *series, struct series_slot *slot, struct cell *cell, unsigned seconds)
{
    slot->count = cell_count(cell);
    for (size_t i = 0; i < series->stat_count && slot->count > 0; i++) {
        enum hf_err err = stat_of_cell(&series->stats[i], cell, seconds, &slot->estimates[i]);
        if (err != HF_OK)
            return err;
    }
    return HF_OK;
}

/* With the largest limit, so that decoding and merging lose nothing that the stored cell still knew. */
static enum hf_err decode_cell(const void *bytes, size_t len, struct cell **cell)
{
    enum hf_err err = cell_decode(bytes, len, CELL_BUCKETS_MAX, cell);
    return err == HF_INVALID ? HF_CORRUPT : err;
}

static enum hf_err scan_slot(void *context, size_t index, struct cell *cell)
{
    struct scan *scan = context;
    struct series_slot *out = &scan->series->slots[index];
    unsigned seconds = (unsigned)(slot_width_ms(&scan->series->layout->list[index]) / 1000);
    enum hf_err err = fill_slot(scan->series, out, cell, seconds);
    scan->count += out->count;
    return err == HF_OK && scan->total != NULL ? cell_merge(scan->total, cell) : err;
}

static enum hf_err scan_slots(struct store_read *read, const struct query_path *path, struct scan *scan)
{
    size_t next = 0;
    return slots_read(read, path->key, path->key_bytes, scan->series->layout, &next, SIZE_MAX, scan_slot, scan);
}

static int64_t start_of(const struct query_path *path)
{
    return path->date_ms + (path->kind == PATH_HOUR ? (int64_t)path->hour * HF_HOUR_MS : 0);
}

/* Lay out the empty slots and say which are complete. */
static void lay_out(const struct query_path *path, const struct slots *layout, const struct store_status *status, int64_t now_ms,
                    struct series *out)
{
    bool all = path->stat.kind == STAT_ALL;
    int64_t until_ms = status->as_of_ms < now_ms ? status->as_of_ms : now_ms;
    int64_t end_ms = path->kind == PATH_HOUR ? start_of(path) + HF_HOUR_MS : slot_end_ms(&layout->list[layout->count - 1]);
    assert(layout->count <= SLOTS_HOURS_MAX);
    out->stats = all ? stat_all : &path->stat;
    out->stat_count = all ? STAT_ALL_COUNT : 1;
    out->as_of_ms = status->as_of_ms;
    out->layout = layout;
    out->slot_count = layout->count;
    out->whole.count = 0;
    out->whole.complete = end_ms <= until_ms;
    for (size_t i = 0; i < out->slot_count; i++) {
        out->slots[i].count = 0;
        out->slots[i].complete = slot_end_ms(&layout->list[i]) <= until_ms;
    }
}

static unsigned seconds_of(const struct slots *layout)
{
    int64_t ms = 0;
    for (size_t i = 0; i < layout->count; i++)
        ms += slot_width_ms(&layout->list[i]);
    return (unsigned)(ms / 1000);
}

/* HF_NOTFOUND where the key was never seen, HF_OK otherwise. */
static enum hf_err check_key(struct store_read *read, const struct query_path *path, enum series_miss *miss)
{
    enum hf_err err = store_read_key(read, path->key, path->key_bytes, NULL);
    if (err == HF_NOTFOUND)
        *miss = SERIES_UNKNOWN_KEY;
    return err;
}

static enum hf_err read_day(struct store_read *read, const struct query_path *path, const struct store_status *status,
                            struct series *out, enum series_miss *miss)
{
    struct scan scan = {.series = out};
    if (!slots_kept(out->layout, status)) {
        *miss = SERIES_MINUTES_EXPIRED;
        return HF_NOTFOUND;
    }
    scan.total = cell_new(CELL_BUCKETS_MAX);
    if (scan.total == NULL)
        return HF_NOMEM;
    enum hf_err err = scan_slots(read, path, &scan);
    if (err == HF_OK)
        err = fill_slot(out, &out->whole, scan.total, seconds_of(out->layout));
    if (err == HF_OK && out->whole.count == 0)
        err = check_key(read, path, miss);
    cell_free(&scan.total);
    return err;
}

static enum hf_err read_hour(struct store_read *read, const struct query_path *path, struct series *out,
                             enum series_miss *miss)
{
    int64_t start_ms = start_of(path);
    struct cell *cell = NULL;
    enum hf_err err = HF_NOTFOUND;
    if (start_ms >= 0)
        err = store_read_cell(read, STORE_HOURS, path->key, path->key_bytes, hf_hour_of(start_ms), &out->bytes);
    if (err == HF_OK)
        err = decode_cell(out->bytes.data, out->bytes.len, &cell);
    if (err == HF_OK)
        err = fill_slot(out, &out->whole, cell, 3600);
    cell_free(&cell);
    if ((err != HF_OK && err != HF_NOTFOUND) || out->whole.count > 0)
        return err;
    *miss = SERIES_NO_SAMPLES;
    err = check_key(read, path, miss);
    return err == HF_OK ? HF_NOTFOUND : err;
}

/* The minutes of an hour expire before it: one whose minutes add up to less would otherwise be told as one with empty minutes.
 * In an hour that keeps them they differ from it while a commit is written, hours before minutes. */
static enum hf_err read_minutes(struct store_read *read, const struct query_path *path,
                                const struct store_status *status, struct series *out, enum series_miss *miss)
{
    struct scan scan = {.series = out};
    enum hf_err err = scan_slots(read, path, &scan);
    if (err != HF_OK || scan.count == out->whole.count)
        return err;
    if (hf_hour_of(start_of(path)) >= status->minutes_from) {
        out->torn = true;
        return HF_OK;
    }
    *miss = SERIES_MINUTES_EXPIRED;
    return HF_NOTFOUND;
}

enum hf_err series_read(struct store_read *read, const struct query_path *path, const struct slots *layout, int64_t now_ms,
                        struct series *out, enum series_miss *miss)
{
    struct store_status status;
    enum hf_err err = store_read_status(read, &status);
    if (err != HF_OK)
        return err;
    lay_out(path, layout, &status, now_ms, out);
    out->torn = false;
    if (path->kind == PATH_DAY)
        return read_day(read, path, &status, out, miss);
    err = read_hour(read, path, out, miss);
    return err == HF_OK && path->by_minute ? read_minutes(read, path, &status, out, miss) : err;
}
