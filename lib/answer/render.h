/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers as JSON and CSV. Each appends a whole document to `out`; a failed
 * allocation is remembered there (hf_buf_ok).
 *
 * JSON of a series: key, stat, date and, for an hour, hour; the numbers; complete
 * and as_of; then "minutes" or "hours" with every slot's own number, numbers and
 * complete. The numbers of one statistic are value, low, high, exact and count; of
 * all, each by its canonical name, and "bounds" with low, high and exact of each.
 * Where there are no samples, count is 0 and every other number null. In a zone
 * there is "tz" after the date, and each hour has the "time" when it begins.
 *
 * CSV (RFC 4180, so with CRLF): a header line, then one row for the hour, or one for each slot
 * of a day or of an hour by minute, with the columns in the order of the JSON;
 * numbers that are null are empty. `all` has a column for each statistic, then
 * two for the bounds of each. The day as a whole is in the JSON alone.
 */
#ifndef HF_ANSWER_RENDER_H
#define HF_ANSWER_RENDER_H

#include "answer/heatmap.h"
#include "answer/keys.h"
#include "answer/path.h"
#include "answer/series.h"
#include "answer/spikes.h"
#include "base/buf.h"
#include "base/utc.h"
#include "sample/sample.h"

void render_series_json(const struct query_path *path, const struct series *series, struct hf_buf *out);
void render_series_csv(const struct query_path *path, const struct series *series, struct hf_buf *out);

/* The rows of several keys, as {"time":…,"key":…,"value":…,"count":…} or CSV of these columns: first the beginning, then
 * the rows, then the end. `estimate` is NULL for a slot without samples. */
void render_rows_begin(const struct query_path *path, struct hf_buf *out);
void render_row(const struct query_path *path, const char *key, const struct slot *slot, const struct cell_estimate *estimate,
                uint64_t count, struct hf_buf *out);
void render_rows_end(const struct query_path *path, struct hf_buf *out);

/* The beginning of an object about the path's key and date, without an end; and the end, with as_of. */
void render_head(const struct query_path *path, struct hf_buf *out);
void render_end(int64_t as_of_ms, struct hf_buf *out);

/* The spikes of a day, up to render_end(); as CSV a row for each. */
void render_spikes_json(const struct query_path *path, const struct spike_day *day, bool complete, struct hf_buf *out);
void render_spikes_csv(const struct query_path *path, const struct spike_day *day, struct hf_buf *out);

/* A heat map, up to render_end(); as CSV a row for each band of each hour. */
void render_heatmap_json(const struct query_path *path, const struct heatmap *map, bool complete, struct hf_buf *out);
void render_heatmap_csv(const struct query_path *path, const struct heatmap *map, struct hf_buf *out);

/* One hour of one day of the week, of all weeks. */
struct pattern_hour {
    unsigned weekday, hour; /* 1 is Monday */
    uint64_t count;
    size_t slots; /* hours that were merged */
    const struct cell_estimate *estimate; /* of no meaning where the count is 0 */
};

/* A pattern: the beginning, then 168 hours from Monday 0 on, then the end, up to render_end(). */
void render_pattern_begin(const struct query_path *path, const struct slots *slots, bool complete, struct hf_buf *out);
void render_pattern_hour(const struct query_path *path, const struct pattern_hour *hour, struct hf_buf *out);
void render_pattern_end(const struct query_path *path, struct hf_buf *out);

/* When a slot begins, in the zone of the query. Returns `text`. */
const char *render_slot_time(const struct query_path *path, const struct slot *slot, char text[HF_UTC_TEXT]);

void render_keys_json(const struct keys_page *page, struct hf_buf *out);
void render_keys_csv(const struct keys_page *page, struct hf_buf *out);

/* {"error":{"code":…,"message":…,"parameter":…}}; the last only where the fault names one. */
void render_error(const struct sample_fault *fault, struct hf_buf *out);

unsigned render_hour(const struct slot *slot); /* its hour on local clocks */

/* ,"name":number — or null when it is not known. */
void render_number(const char *name, double v, bool known, struct hf_buf *out);
/* The same as a further field of CSV, empty when it is not known. */
void render_field(double v, bool known, struct hf_buf *out);

/* A time as a JSON string, or null for 0. */
void render_time(int64_t time_ms, struct hf_buf *out);

#endif
