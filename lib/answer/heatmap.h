/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bands of values for a heat map, from what a day is like as a whole.
 *
 * Edges are round numbers over the middle 98 % of the samples, p1 to p99: where these are
 * positive and more than a factor of 10 apart, steps of equal ratio, of 10, 5, 3 or 1 to a decade
 * (the preferred numbers R10 and R5 of ISO 3, then 1-2-5), and otherwise steps of 1, 2
 * or 5 times a power of ten; the finest that need no more than HEATMAP_STEPS_MAX. What lies
 * below or above, however far, is in one band each, to the minimum and the maximum.
 */
#ifndef HF_ANSWER_HEATMAP_H
#define HF_ANSWER_HEATMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer/slots.h"

#define HEATMAP_STEPS_MAX 24u
#define HEATMAP_BANDS_MAX (HEATMAP_STEPS_MAX + 2)

struct heatmap_bands {
    double edges[HEATMAP_BANDS_MAX + 1];
    size_t count; /* bands: one less than edges, or 0 where there are no samples */
    bool log;
};

/* Choose them for minimum, p1, p99 and maximum, which ascend. */
void heatmap_choose(double min, double low, double high, double max, struct heatmap_bands *out);

struct heatmap_hour {
    struct cell *cell; /* NULL: no samples */
    uint64_t counts[HEATMAP_BANDS_MAX];
    uint64_t uncertain;
};

struct heatmap {
    const struct slots *slots;
    struct heatmap_bands bands;
    uint64_t count; /* samples of the day */
    struct heatmap_hour hours[SLOTS_HOURS_MAX];
};

#endif
