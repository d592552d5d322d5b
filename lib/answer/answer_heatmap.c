/* SPDX-License-Identifier: Apache-2.0 */
/* /-/heatmap: the hours of a day by bands of values. */
#include "answer/inside.h"

#include <stdlib.h>

#include "answer/heatmap.h"
#include "answer/render.h"
#include "base/utc.h"

/* The cells of the hours are kept until the bands are chosen, for which all of them are merged. */
struct gathering {
    struct heatmap *map;
    struct cell *day;
};

static enum hf_err keep_hour(void *context, size_t index, struct cell *cell)
{
    struct gathering *gathering = context;
    struct cell *copy = cell_new(CELL_BUCKETS_MAX);
    if (copy == NULL)
        return HF_NOMEM;
    enum hf_err err = cell_merge(copy, cell);
    if (err == HF_OK)
        err = cell_merge(gathering->day, cell);
    if (err != HF_OK) {
        cell_free(&copy);
        return err;
    }
    gathering->map->hours[index].cell = copy;
    return HF_OK;
}

static enum hf_err count_bands(struct heatmap *map, struct cell *day)
{
    struct cell_estimate min, low, high, max;
    map->count = cell_count(day);
    if (map->count == 0)
        return HF_OK;
    enum hf_err err = cell_percentile(day, 1, 0, &low); /* after this, what only reads cannot fail */
    if (err != HF_OK || (err = cell_percentile(day, 99, 0, &high)) != HF_OK || (err = cell_min(day, &min)) != HF_OK ||
        (err = cell_max(day, &max)) != HF_OK)
        return err;
    heatmap_choose(min.value, low.value, high.value, max.value, &map->bands);
    for (size_t i = 0; i < map->slots->count && err == HF_OK; i++)
        if (map->hours[i].cell != NULL)
            err = cell_bands(map->hours[i].cell, map->bands.edges, map->bands.count, map->hours[i].counts, &map->hours[i].uncertain);
    return err;
}

static enum hf_err fill_map(struct answer *answer, struct store *store, struct heatmap *map)
{
    struct gathering gathering = {map, cell_new(CELL_BUCKETS_MAX)};
    if (gathering.day == NULL)
        return HF_NOMEM;
    enum hf_err err = slots_read_all(store, answer->path.key, answer->path.key_bytes, &answer->slots, keep_hour, &gathering,
                                     &answer->response.why);
    if (err == HF_OK)
        err = count_bands(map, gathering.day);
    cell_free(&gathering.day);
    return err;
}

static void answer_with(struct answer *answer, const struct answer_request *request, struct heatmap *map)
{
    struct store_status status;
    if (!read_about_key(answer, request, &status))
        return;
    enum hf_err err = fill_map(answer, request->store, map);
    if (err != HF_OK) {
        reply_fail(answer, err);
        return;
    }
    bool complete = slots_complete(&answer->slots, &status, request->now_ms);
    if (answer->path.format == PATH_CSV)
        render_heatmap_csv(&answer->path, map, &answer->body);
    else
        render_heatmap_json(&answer->path, map, complete, &answer->body);
    size_t tagged_bytes = answer->body.len;
    if (answer->path.format != PATH_CSV)
        render_end(status.as_of_ms, &answer->body);
    reply_finish_body(answer, request, complete, tagged_bytes);
}

void answer_heatmap(struct answer *answer, const struct answer_request *request)
{
    if (!layout_day(answer, HF_HOUR_MS))
        return;
    struct heatmap *map = calloc(1, sizeof *map);
    if (map == NULL) {
        reply_fail(answer, HF_NOMEM);
        return;
    }
    map->slots = &answer->slots;
    answer_with(answer, request, map);
    for (size_t i = 0; i < SLOTS_HOURS_MAX; i++)
        cell_free(&map->hours[i].cell);
    free(map);
}
