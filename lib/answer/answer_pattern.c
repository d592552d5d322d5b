/* SPDX-License-Identifier: Apache-2.0 */
/* /-/pattern: hour of the day by day of the week. */
#include "answer/inside.h"

#include "answer/render.h"
#include "base/utc.h"

/* All slots of one hour of one weekday are read together: one merged cell is kept at a time. */
struct group {
    struct slots slots;
    struct cell *sum;
};

static enum hf_err merge_slot(void *context, size_t index, struct cell *cell)
{
    struct group *group = context;
    (void)index;
    return cell_merge(group->sum, cell);
}

static unsigned weekday_of(const struct slot *slot) /* 1 is Monday */
{
    int64_t local_ms = slot->start_ms + slot->offset_ms, of_day_ms = (local_ms % HF_DAY_MS + HF_DAY_MS) % HF_DAY_MS;
    return (unsigned)(((local_ms - of_day_ms) / HF_DAY_MS % 7 + 7 + 3) % 7) + 1; /* 1970-01-01 was a Thursday */
}

/* The slots of a group, into a list of as much room as all of them have. */
static unsigned pick(const struct slots *all, unsigned weekday, unsigned hour, struct slots *out)
{
    int64_t ms = 0;
    out->count = out->cells = 0;
    for (size_t i = 0; i < all->count; i++)
        if (weekday_of(&all->list[i]) == weekday && render_hour(&all->list[i]) == hour) {
            out->list[out->count++] = all->list[i];
            out->cells += all->list[i].cells;
            ms += slot_width_ms(&all->list[i]);
        }
    return (unsigned)(ms / 1000);
}

static enum hf_err put_group(struct answer *answer, struct store *store, struct group *group, unsigned weekday, unsigned hour)
{
    const struct query_path *path = &answer->path;
    struct cell_estimate estimate;
    unsigned seconds = pick(&answer->slots, weekday, hour, &group->slots);
    group->sum = cell_new(CELL_BUCKETS_MAX);
    if (group->sum == NULL)
        return HF_NOMEM;
    enum hf_err err = slots_read_all(store, path->key, path->key_bytes, &group->slots, merge_slot, group, &answer->response.why);
    uint64_t count = cell_count(group->sum);
    if (err == HF_OK && count > 0)
        err = stat_of_cell(&path->stat, group->sum, seconds, &estimate);
    if (err == HF_OK) {
        struct pattern_hour out = {weekday, hour, count, group->slots.count, &estimate};
        render_pattern_hour(path, &out, &answer->body);
    }
    cell_free(&group->sum);
    return err;
}

static enum hf_err put_groups(struct answer *answer, struct store *store)
{
    struct group group = {0};
    enum hf_err err = slots_copy(&answer->slots, &group.slots);
    for (unsigned weekday = 1; weekday <= 7 && err == HF_OK; weekday++)
        for (unsigned hour = 0; hour < 24 && err == HF_OK; hour++)
            err = put_group(answer, store, &group, weekday, hour);
    slots_free(&group.slots);
    return err;
}

void answer_pattern(struct answer *answer, const struct answer_request *request)
{
    struct store_status status;
    if (!layout_range(answer, request->now_ms, 28 * HF_DAY_MS, HF_HOUR_MS) || !read_about_key(answer, request, &status))
        return;
    bool complete = slots_complete(&answer->slots, &status, request->now_ms);
    render_pattern_begin(&answer->path, &answer->slots, complete, &answer->body);
    enum hf_err err = put_groups(answer, request->store);
    if (err != HF_OK) {
        reply_fail(answer, err);
        return;
    }
    render_pattern_end(&answer->path, &answer->body);
    size_t tagged_bytes = answer->body.len;
    if (answer->path.format != PATH_CSV)
        render_end(status.as_of_ms, &answer->body);
    reply_finish_body(answer, request, complete, tagged_bytes);
}
