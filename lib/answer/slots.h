/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hours or minutes that a query is about, in the zone it asks for, and the
 * cells that each is made of.
 *
 * A local hour that is an hour of UTC is one cell of the hours. Where the zone is not a
 * whole number of hours from UTC, or clocks change within the hour, it is made of
 * cells of minutes. Slots follow one another in time: an hour that the clocks skip is
 * not there, one that they repeat is there twice, each time with its own offset, and one
 * that a change cuts short is as long as it is.
 */
#ifndef HF_ANSWER_SLOTS_H
#define HF_ANSWER_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/zone.h"
#include "cell/cell.h"
#include "store/store.h"

#define SLOTS_HOURS_MAX 60u     /* of a local day, and minutes of an hour */
#define SLOTS_MINUTES_MAX 1620u /* of a local day: 27 hours */

struct slot {
    int64_t start_ms;
    int64_t offset_ms; /* local time is ahead of UTC by this */
    uint32_t first;    /* cell */
    uint32_t cells;
    enum store_table table;
};

/* All zero is empty; the list is kept from one use to the next. */
struct slots {
    struct slot *list;
    size_t count, capacity;
    size_t cells; /* of all slots */
};

void slots_free(struct slots *slots);
/* Make `out`, which is all zero, the same list. HF_NOMEM. */
HF_MUST_CHECK enum hf_err slots_copy(const struct slots *slots, struct slots *out);

static inline int64_t slot_width_ms(const struct slot *slot)
{
    return slot->cells * (slot->table == STORE_HOURS ? INT64_C(3600000) : INT64_C(60000));
}
static inline int64_t slot_end_ms(const struct slot *slot) { return slot->start_ms + slot_width_ms(slot); }

/* The hours (or minutes, `step_ms` says) of a local day, `date_ms` being its first millisecond if the zone were UTC; or those that
 * begin in [from, to). HF_NOTFOUND: the zone skipped that day; HF_INVALID: the zone is not a whole number of minutes from UTC then, or the day has
 * more slots than SLOTS_HOURS_MAX or SLOTS_MINUTES_MAX, which no real zone has;
 * HF_FULL: more than `cells_max` cells; HF_NOMEM. */
HF_MUST_CHECK enum hf_err slots_of_day(const struct hf_zone *zone, int64_t date_ms, int64_t step_ms, struct slots *out);
HF_MUST_CHECK enum hf_err slots_of_range(const struct hf_zone *zone, int64_t from_ms, int64_t to_ms, int64_t step_ms,
                                         size_t cells_max, struct slots *out);

/* The first moment of a local day, or of the next where the zone skipped it. */
int64_t slots_day_start_ms(const struct hf_zone *zone, int64_t date_ms);

/* Whether all minutes that the slots need are still kept. */
bool slots_kept(const struct slots *slots, const struct store_status *status);

/* Whether the last of them has ended, and every sample acknowledged before its end is in. */
bool slots_complete(const struct slots *slots, const struct store_status *status, int64_t now_ms);

/* Give the cell of each slot that has samples, in order, to `each`, which may change it and may fail. The cell has room enough to
 * be as exact as what it was merged from. */
typedef enum hf_err (*slot_fn)(void *context, size_t index, struct cell *cell);

/* Slots from `*next` on, inside one read, until `cells_max` cells have been asked for; `*next` is where to go on, also on
 * failure. HF_CORRUPT: a cell does not decode; HF_NOMEM; what store_read_range() and `each` give. */
HF_MUST_CHECK enum hf_err slots_read(struct store_read *read, const char *key, size_t key_bytes, const struct slots *slots,
                                     size_t *next, size_t cells_max, slot_fn each, void *context);

/* All slots, by as many reads as keep each of them short, lost races tried again. */
HF_MUST_CHECK enum hf_err slots_read_all(struct store *store, const char *key, size_t key_bytes, const struct slots *slots,
                                         slot_fn each, void *context, struct hf_why *why);

#endif
