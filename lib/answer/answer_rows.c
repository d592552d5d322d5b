/* SPDX-License-Identifier: Apache-2.0 */
/* /-/series: one statistic of several keys over a time, a row for each slot of each key. */
#include "answer/inside.h"

#include <string.h>

#include "answer/render.h"
#include "base/utc.h"

/* Rows are written as their cells are read: only the text is kept. */
struct rows {
    struct answer *answer;
    const char *key;
    size_t next; /* slot to be written */
};

static void put_empty(struct rows *rows, size_t until)
{
    struct answer *answer = rows->answer;
    for (; rows->next < until; rows->next++)
        render_row(&answer->path, rows->key, &answer->slots.list[rows->next], NULL, 0, &answer->body);
}

static enum hf_err put_slot(void *context, size_t index, struct cell *cell)
{
    struct rows *rows = context;
    struct answer *answer = rows->answer;
    const struct slot *slot = &answer->slots.list[index];
    struct cell_estimate estimate;
    enum hf_err err = stat_of_cell(&answer->path.stat, cell, (unsigned)(slot_width_ms(slot) / 1000), &estimate);
    if (err != HF_OK)
        return err;
    put_empty(rows, index);
    render_row(&answer->path, rows->key, slot, &estimate, cell_count(cell), &answer->body);
    rows->next = index + 1;
    return hf_buf_ok(&answer->body) ? HF_OK : HF_NOMEM;
}

static enum hf_err put_keys(struct answer *answer, struct store *store)
{
    enum hf_err err = HF_OK;
    const char *key = (const char *)answer->keys.text.data;
    render_rows_begin(&answer->path, &answer->body);
    for (size_t i = 0; i < answer->keys.count && err == HF_OK; i++, key += strlen(key) + 1) {
        struct rows rows = {answer, key, 0};
        err = slots_read_all(store, key, strlen(key), &answer->slots, put_slot, &rows, &answer->response.why);
        put_empty(&rows, answer->slots.count);
    }
    render_rows_end(&answer->path, &answer->body);
    return err;
}

/* Which keys, no more than the query may read cells for; false when it was refused. */
static bool find_keys(struct answer *answer, struct store *store)
{
    size_t cells = answer->slots.cells > 0 ? answer->slots.cells : 1;
    struct keys_query query = {.globs = &answer->path.keys,
                               .after = "",
                               .limit = (size_t)answer->conf->query.max_cells / cells,
                               .stat = answer->path.stat.name};
    enum hf_err err = keys_read(store, &query, &answer->grant, &answer->keys, &answer->response.why);
    if (err != HF_OK)
        reply_fail(answer, err);
    else if (answer->keys.gave_up)
        reply_refuse_with(answer, 400, "too_many_keys", "key",
                          "More than %u keys would have to be looked at; begin the pattern with more than it has before its first "
                          "wildcard.", KEYS_LOOKED_AT_MAX);
    else if (answer->keys.more)
        reply_too_many_cells(answer, (query.limit + 1) * cells);
    else if (answer->keys.count == 0)
        reply_refuse_with(answer, 404, "unknown_key", "", "There is no such key, or none that may be seen.");
    else
        return true;
    return false;
}

void answer_rows(struct answer *answer, const struct answer_request *request)
{
    struct store_status status;
    if (!layout_range(answer, request->now_ms, HF_DAY_MS, answer->path.by_minute ? HF_MINUTE_MS : HF_HOUR_MS))
        return;
    enum hf_err err = read_status(answer, request, &status);
    if (err != HF_OK) {
        reply_fail(answer, err);
        return;
    }
    if (!slots_kept(&answer->slots, &status)) {
        reply_missing(answer, SERIES_MINUTES_EXPIRED);
        return;
    }
    if (!find_keys(answer, request->store))
        return;
    err = put_keys(answer, request->store);
    if (err != HF_OK)
        reply_fail(answer, err);
    else
        reply_finish_body(answer, request, slots_complete(&answer->slots, &status, request->now_ms), answer->body.len);
}
