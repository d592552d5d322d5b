/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of an answer: one hour or day as a whole, and its minutes or
 * hours slot by slot. Computed here, rendered elsewhere (answer/render.h).
 */
#ifndef HF_ANSWER_SERIES_H
#define HF_ANSWER_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer/path.h"
#include "answer/slots.h"
#include "answer/stat.h"
#include "base/buf.h"
#include "base/err.h"
#include "cell/cell.h"
#include "store/store.h"

struct series_slot {
    uint64_t count; /* 0: no samples, and no estimates */
    bool complete;  /* it has ended, and every sample acknowledged before its end is in */
    struct cell_estimate estimates[STAT_ALL_COUNT]; /* one for each of the series' statistics */
};

struct series {
    const struct stat_spec *stats; /* the one asked for, or all of them */
    size_t stat_count;
    int64_t as_of_ms; /* 0: nothing was ever committed */
    struct series_slot whole;
    struct series_slot slots[SLOTS_HOURS_MAX];
    size_t slot_count;   /* the hours of a day, 24 but where clocks change; 60 minutes of an hour; or 0 */
    const struct slots *layout; /* of the slots */
    bool torn;           /* the minutes do not add up to their hour, though it keeps them */
    struct hf_buf bytes; /* of a cell on its way; working memory */
};

/* Why there is no answer (HF_NOTFOUND). */
enum series_miss {
    SERIES_UNKNOWN_KEY,    /* the key was never seen */
    SERIES_NO_SAMPLES,     /* the hour has none */
    SERIES_MINUTES_EXPIRED /* the hour has samples, but its minutes are no longer all kept */
};

/* Read the cells of a PATH_HOUR or PATH_DAY and compute. `layout` is the hours of the day, or of an hour by minute its
 * minutes; without slots for an hour alone. `out` is all zero or of an earlier call; it points into `path` and `layout` afterwards.
 * A day without samples, of a key that was seen, is an answer. HF_NOTFOUND with `*miss`; HF_CORRUPT: a cell does not decode; HF_NOMEM,
 * and what store_read_cell() gives. An hour and its minutes may differ by what is being committed, which sets `torn`: read again. */
HF_MUST_CHECK enum hf_err series_read(struct store_read *read, const struct query_path *path, const struct slots *layout,
                                      int64_t now_ms, struct series *out, enum series_miss *miss);

void series_free(struct series *series); /* its working memory */

#endif
