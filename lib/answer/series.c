/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/series.h"

#include "base/utc.h"

#define HOURS_OF_DAY 24u
#define MINUTES_OF_HOUR 60u

unsigned series_cells(const struct query_path *path)
{
    return path->kind == PATH_DAY ? HOURS_OF_DAY : path->by_minute ? 1 + MINUTES_OF_HOUR : 1;
}

void series_free(struct series *series) { hf_buf_free(&series->bytes); }

/* One reading of the cells of a run of slots. */
struct scan {
    struct series *series;
    uint32_t first;           /* slot at slots[0] */
    unsigned seconds;         /* of one slot */
    struct cell *total;       /* of all, or NULL where it is not wanted */
    uint64_t count;           /* samples in all */
    enum hf_err err;
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

static bool scan_cell(void *context, uint32_t slot, const void *bytes, size_t len)
{
    struct scan *scan = context;
    struct cell *cell = NULL;
    struct series_slot *out = &scan->series->slots[slot - scan->first];
    scan->err = decode_cell(bytes, len, &cell);
    if (scan->err == HF_OK)
        scan->err = fill_slot(scan->series, out, cell, scan->seconds);
    if (scan->err == HF_OK)
        scan->count += out->count;
    if (scan->err == HF_OK && scan->total != NULL)
        scan->err = cell_merge(scan->total, cell);
    cell_free(&cell);
    return scan->err == HF_OK;
}

/* Slots count from 1970 in 32 bits. Where the path names earlier ones, no cell can be. */
static enum hf_err scan_slots(struct store_read *read, enum store_table table, const struct query_path *path,
                              int64_t start_ms, int64_t width_ms, struct scan *scan)
{
    struct series *series = scan->series;
    if (start_ms < 0)
        return HF_OK;
    scan->first = (uint32_t)(start_ms / width_ms);
    enum hf_err err = store_read_range(read, table, path->key, path->key_bytes, scan->first,
                                       scan->first + (uint32_t)series->slot_count - 1, scan_cell, scan);
    return err != HF_OK && err != HF_NOTFOUND ? err : scan->err;
}

static int64_t start_of(const struct query_path *path)
{
    return path->date_ms + (path->kind == PATH_HOUR ? (int64_t)path->hour * HF_HOUR_MS : 0);
}

/* Lay out the empty slots and say which are complete. */
static void lay_out(const struct query_path *path, const struct store_status *status, int64_t now_ms, struct series *out)
{
    bool day = path->kind == PATH_DAY, all = path->stat.kind == STAT_ALL;
    int64_t start_ms = start_of(path), width_ms = day ? HF_HOUR_MS : HF_MINUTE_MS;
    int64_t until_ms = status->as_of_ms < now_ms ? status->as_of_ms : now_ms;
    out->stats = all ? stat_all : &path->stat;
    out->stat_count = all ? STAT_ALL_COUNT : 1;
    out->as_of_ms = status->as_of_ms;
    out->slot_count = day ? HOURS_OF_DAY : path->by_minute ? MINUTES_OF_HOUR : 0;
    out->whole.count = 0;
    out->whole.complete = start_ms + (day ? HF_DAY_MS : HF_HOUR_MS) <= until_ms;
    for (size_t i = 0; i < out->slot_count; i++) {
        out->slots[i].count = 0;
        out->slots[i].complete = start_ms + ((int64_t)i + 1) * width_ms <= until_ms;
    }
}

/* HF_NOTFOUND where the key was never seen, HF_OK otherwise. */
static enum hf_err check_key(struct store_read *read, const struct query_path *path, enum series_miss *miss)
{
    enum hf_err err = store_read_key(read, path->key, path->key_bytes, NULL);
    if (err == HF_NOTFOUND)
        *miss = SERIES_UNKNOWN_KEY;
    return err;
}

static enum hf_err read_day(struct store_read *read, const struct query_path *path, struct series *out,
                            enum series_miss *miss)
{
    struct scan scan = {.series = out, .seconds = 3600, .total = cell_new(CELL_BUCKETS_MAX)};
    if (scan.total == NULL)
        return HF_NOMEM;
    enum hf_err err = scan_slots(read, STORE_HOURS, path, path->date_ms, HF_HOUR_MS, &scan);
    if (err == HF_OK)
        err = fill_slot(out, &out->whole, scan.total, 86400);
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
    int64_t start_ms = start_of(path);
    struct scan scan = {.series = out, .seconds = 60};
    enum hf_err err = scan_slots(read, STORE_MINUTES, path, start_ms, HF_MINUTE_MS, &scan);
    if (err != HF_OK || scan.count == out->whole.count)
        return err;
    if (hf_hour_of(start_ms) >= status->minutes_from) {
        out->torn = true;
        return HF_OK;
    }
    *miss = SERIES_MINUTES_EXPIRED;
    return HF_NOTFOUND;
}

enum hf_err series_read(struct store_read *read, const struct query_path *path, int64_t now_ms, struct series *out,
                        enum series_miss *miss)
{
    struct store_status status;
    enum hf_err err = store_read_status(read, &status);
    if (err != HF_OK)
        return err;
    lay_out(path, &status, now_ms, out);
    out->torn = false;
    if (path->kind == PATH_DAY)
        return read_day(read, path, out, miss);
    err = read_hour(read, path, out, miss);
    return err == HF_OK && path->by_minute ? read_minutes(read, path, &status, out, miss) : err;
}
