/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/utc.h"

#define MARGIN_MS (2 * HF_DAY_MS) /* no zone is as far from UTC */

void slots_free(struct slots *slots)
{
    free(slots->list);
    *slots = (struct slots){0};
}

enum hf_err slots_copy(const struct slots *slots, struct slots *out)
{
    struct slot *list = malloc((slots->count + 1) * sizeof *list);
    if (list == NULL)
        return HF_NOMEM;
    if (slots->count > 0)
        memcpy(list, slots->list, slots->count * sizeof *list);
    *out = (struct slots){.list = list, .count = slots->count, .capacity = slots->count + 1, .cells = slots->cells};
    return HF_OK;
}

static int64_t floor_to(int64_t v, int64_t step) { return v - (v % step + step) % step; }

static enum hf_err add_slot(int64_t start_ms, int64_t end_ms, int64_t offset_ms, struct slots *out)
{
    bool hour = start_ms % HF_HOUR_MS == 0 && end_ms - start_ms == HF_HOUR_MS;
    if (start_ms % HF_MINUTE_MS != 0 || end_ms % HF_MINUTE_MS != 0)
        return HF_INVALID;
    if (out->count == out->capacity) {
        size_t capacity = out->capacity == 0 ? 64 : 2 * out->capacity;
        struct slot *list = realloc(out->list, capacity * sizeof *list);
        if (list == NULL)
            return HF_NOMEM;
        out->list = list;
        out->capacity = capacity;
    }
    struct slot *slot = &out->list[out->count++];
    *slot = (struct slot){.start_ms = start_ms, .offset_ms = offset_ms, .table = hour ? STORE_HOURS : STORE_MINUTES};
    slot->cells = hour ? 1 : (uint32_t)((end_ms - start_ms) / HF_MINUTE_MS);
    slot->first = hour ? hf_hour_of(start_ms) : hf_minute_of(start_ms);
    out->cells += slot->cells;
    return HF_OK;
}

/* The slots that begin in [begin, end), all of it before the clocks change at `change_ms`, where a slot begins. */
static enum hf_err add_run(int64_t begin_ms, int64_t end_ms, int64_t change_ms, int64_t offset_ms, int64_t step_ms,
                           size_t cells_max, struct slots *out)
{
    enum hf_err err = HF_OK;
    for (int64_t at_ms = begin_ms, next_ms; at_ms < end_ms && err == HF_OK; at_ms = next_ms) {
        next_ms = floor_to(at_ms + offset_ms, step_ms) + step_ms - offset_ms;
        if (next_ms > change_ms)
            next_ms = change_ms;
        err = add_slot(at_ms, next_ms, offset_ms, out);
        if (err == HF_OK && out->cells > cells_max)
            err = HF_FULL;
    }
    return err;
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

enum hf_err slots_of_day(const struct hf_zone *zone, int64_t date_ms, int64_t step_ms, struct slots *out)
{
    enum hf_err err = HF_OK;
    int64_t change_ms;
    out->count = out->cells = 0;
    /* Clocks that are put back over midnight give a day in two pieces: it is what local clocks show, piece by piece. */
    for (int64_t at_ms = date_ms - MARGIN_MS; at_ms < date_ms + HF_DAY_MS + MARGIN_MS && err == HF_OK; at_ms = change_ms) {
        int64_t offset_ms = hf_zone_offset_ms(zone, at_ms, &change_ms);
        err = add_run(later(at_ms, date_ms - offset_ms), sooner(change_ms, date_ms + HF_DAY_MS - offset_ms), change_ms, offset_ms,
                      step_ms, SIZE_MAX, out);
    }
    if (err == HF_OK && out->count > (step_ms == HF_HOUR_MS ? SLOTS_HOURS_MAX : SLOTS_MINUTES_MAX))
        err = HF_INVALID;
    return err == HF_OK && out->count == 0 ? HF_NOTFOUND : err;
}

enum hf_err slots_of_range(const struct hf_zone *zone, int64_t from_ms, int64_t to_ms, int64_t step_ms, size_t cells_max,
                           struct slots *out)
{
    enum hf_err err = HF_OK;
    int64_t change_ms;
    out->count = out->cells = 0;
    for (int64_t at_ms = from_ms; at_ms < to_ms && err == HF_OK; at_ms = change_ms) {
        int64_t offset_ms = hf_zone_offset_ms(zone, at_ms, &change_ms), begin_ms = at_ms;
        if (hf_zone_offset_ms(zone, at_ms - 1, NULL) == offset_ms)
            begin_ms = floor_to(at_ms + offset_ms + step_ms - 1, step_ms) - offset_ms;
        err = add_run(begin_ms, sooner(change_ms, to_ms), change_ms, offset_ms, step_ms, cells_max, out);
    }
    return err;
}

int64_t slots_day_start_ms(const struct hf_zone *zone, int64_t date_ms)
{
    for (int64_t at_ms = date_ms - MARGIN_MS, change_ms;; at_ms = change_ms) {
        int64_t start_ms = date_ms - hf_zone_offset_ms(zone, at_ms, &change_ms);
        if (start_ms < change_ms)
            return later(at_ms, start_ms);
    }
}

bool slots_kept(const struct slots *slots, const struct store_status *status)
{
    for (size_t i = 0; i < slots->count; i++)
        if (slots->list[i].table == STORE_MINUTES && slots->list[i].start_ms >= 0 &&
            hf_hour_of(slots->list[i].start_ms) < status->minutes_from)
            return false;
    return true;
}

bool slots_complete(const struct slots *slots, const struct store_status *status, int64_t now_ms)
{
    return slots->count > 0 && slot_end_ms(&slots->list[slots->count - 1]) <= sooner(status->as_of_ms, now_ms);
}
