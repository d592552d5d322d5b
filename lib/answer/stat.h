/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statistics by name, and their value from a cell.
 */
#ifndef HF_ANSWER_STAT_H
#define HF_ANSWER_STAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cell/cell.h"

enum stat_kind {
    STAT_AVERAGE, STAT_MIN, STAT_MAX, STAT_MEDIAN, STAT_COUNT, STAT_SUM, STAT_STDDEV, STAT_THROUGHPUT,
    STAT_PERCENTILE, STAT_ALL
};

#define STAT_NAME_BYTES 24

struct stat_spec {
    enum stat_kind kind;
    uint64_t numerator; /* STAT_PERCENTILE: percent = numerator / 10^decimals, trailing zeros taken off */
    unsigned decimals;
    char name[STAT_NAME_BYTES]; /* canonical, terminated: "average" for "avg", "p99.9" for "p099.90" */
};

/* Read a name of the contract: average mean avg min max median count sum stddev throughput all, p0 … p100 with up to
 * three digits before the point and 12 decimals after it. HF_INVALID. */
HF_MUST_CHECK enum hf_err stat_parse(const char *text, size_t len, struct stat_spec *out);

/* The statistic of a cell that covers `seconds`. Not for STAT_ALL (an assertion). HF_NOTFOUND for an empty cell (count and
 * throughput are 0 then, HF_OK); HF_NOMEM. */
enum hf_err stat_of_cell(const struct stat_spec *stat, struct cell *cell, unsigned seconds, struct cell_estimate *out);

/* The statistics that "all" stands for, in order. */
#define STAT_ALL_COUNT 17
extern const struct stat_spec stat_all[STAT_ALL_COUNT];

#endif
