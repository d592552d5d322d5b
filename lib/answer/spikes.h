/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which minutes of a day stand out. A robust rule after Hampel's identifier (F. R. Hampel,
 * "The influence curve and its role in robust estimation", JASA 69, 1974; L. Davies and
 * U. Gather, "The identification of multiple outliers", JASA 88, 1993), which is the distance
 * from the median in units of the median absolute deviation, made for what minutes are
 * like:
 *
 * 1. Scale. Values v are compared as asinh(v / c), with c the median magnitude of the day:
 *    like logarithms where they are large, straight near 0. Where a twentieth of them or more
 *    is negative, they are compared as they are.
 * 2. Baseline: the median of the hour before and the hour after, so that the day may have
 *    its tides, and a step of the level is no spike.
 * 3. Deviation: maxima are skewed to the upper side, so it is taken there, from the median to
 *    the upper quartile; of the same two hours, drawn half way (as a geometric mean) to that of
 *    the day, since the upper quartile of few minutes is uncertain. Where most minutes
 *    are the same it is 0, and the mean absolute deviation stands in for it (B. Iglewicz and D. C.
 *    Hoaglin, "How to Detect and Handle Outliers", 1993).
 * 4. More samples reach higher by chance: the maximum of k times as many by the logarithm of
 *    k, in units of the scale of Gumbel's law (R. A. Fisher and L. H. C. Tippett, 1928).
 *    As much is taken off.
 * 5. Limit: excesses over a high quantile fall off about exponentially (J. Pickands, "Statistical
 *    inference using extreme order statistics", Ann. Statist. 3, 1975), so the limit that
 *    ordinary minutes pass once in SPIKES_DAYS_FOR_ONE days is estimated from two quantiles of the day.
 *    First from low ones, which spikes hardly move; then, without what passed, from higher ones.
 *    It is never less than SPIKES_LIMIT_MIN deviations, 3.4 standard deviations of a normal
 *    law.
 * 6. Habit: what is reached more than SPIKES_MOST times a day is no spike.
 */
#ifndef HF_ANSWER_SPIKES_H
#define HF_ANSWER_SPIKES_H

#include <stddef.h>
#include <stdint.h>

#include "answer/slots.h"

#define SPIKES_MINUTES_MIN 30u   /* with samples, or else nothing stands out */
#define SPIKES_DAYS_FOR_ONE 5
#define SPIKES_LIMIT_MIN 5.0
#define SPIKES_MOST 20u
#define SPIKES_P99_MIN 200u /* samples of a minute whose p99 is assessed: of fewer, it is next to the maximum */

struct spike_minute {
    uint64_t count; /* samples; 0: not to be assessed */
    double value;   /* one statistic of them */
    double baseline;
    double score; /* how far it is above the baseline, as a multiple of the limit: more than 1 stands out. 0 where it is not above */
};

/* A day by minute, by both of the statistics that are assessed. */
struct spike_day {
    const struct slots *slots;
    size_t filled; /* minutes with samples */
    struct spike_minute max[SLOTS_MINUTES_MAX];
    struct spike_minute p99[SLOTS_MINUTES_MAX]; /* its count is 0 where it is not assessed, its value is there */
};

/* Assess the minutes: set baseline and score, both 0 where a minute has no samples or too few minutes have some. From
 * `counts_most` samples on, more reach no higher: SIZE_MAX for maxima, 1 for percentiles. */
void spikes_assess(struct spike_minute *minutes, size_t n, size_t counts_most);

#endif
