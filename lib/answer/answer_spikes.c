/* SPDX-License-Identifier: Apache-2.0 */
/* /-/spikes: the minutes of a day whose maximum or p99 stands out. */
#include "answer/inside.h"

#include <stdlib.h>

#include "answer/attempt.h"
#include "answer/render.h"
#include "answer/spikes.h"
#include "base/utc.h"

static enum hf_err read_minute(void *context, size_t index, struct cell *cell)
{
    struct spike_day *day = context;
    struct cell_estimate maximum, p99;
    enum hf_err err = cell_max(cell, &maximum);
    if (err == HF_OK)
        err = cell_percentile(cell, 99, 0, &p99);
    if (err != HF_OK)
        return err;
    day->max[index].count = cell_count(cell);
    day->max[index].value = maximum.value;
    day->p99[index].count = cell_count(cell) < SPIKES_P99_MIN ? 0 : cell_count(cell);
    day->p99[index].value = p99.value;
    day->filled++;
    return HF_OK;
}

static void put_document(struct answer *answer, const struct answer_request *request, const struct spike_day *day,
                         const struct store_status *status)
{
    bool complete = slots_complete(&answer->slots, status, request->now_ms);
    if (answer->path.format == PATH_CSV) {
        render_spikes_csv(&answer->path, day, &answer->body);
        reply_finish_body(answer, request, complete, answer->body.len);
        return;
    }
    render_spikes_json(&answer->path, day, complete, &answer->body);
    size_t tagged_bytes = answer->body.len;
    render_end(status->as_of_ms, &answer->body);
    reply_finish_body(answer, request, complete, tagged_bytes);
}

static void answer_with(struct answer *answer, const struct answer_request *request, struct spike_day *day)
{
    const struct query_path *path = &answer->path;
    struct store_status status;
    if (!read_about_key(answer, request, &status))
        return;
    enum hf_err err = slots_read_all(request->store, path->key, path->key_bytes, &answer->slots, read_minute, day,
                                     &answer->response.why);
    if (err != HF_OK) {
        reply_fail(answer, err);
        return;
    }
    spikes_assess(day->max, answer->slots.count, SIZE_MAX);
    spikes_assess(day->p99, answer->slots.count, 1);
    put_document(answer, request, day, &status);
}

void answer_spikes(struct answer *answer, const struct answer_request *request)
{
    if (!layout_day(answer, HF_MINUTE_MS))
        return;
    struct spike_day *day = calloc(1, sizeof *day);
    if (day == NULL) {
        reply_fail(answer, HF_NOMEM);
        return;
    }
    day->slots = &answer->slots;
    answer_with(answer, request, day);
    free(day);
}
