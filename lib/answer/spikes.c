/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/spikes.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define AROUND 60u     /* minutes before and after */
#define AROUND_MIN 15u /* with samples among them */
#define GUMBEL_UPPER 0.8793864038 /* from the median of Gumbel's law to its upper quartile, ln(ln 2 / ln(4/3)) */

struct day {
    struct spike_minute *minutes;
    size_t n;
    bool straight; /* levels are v / c, not asinh(v / c) */
    double c;
    /* of each minute with samples: */
    double level[SLOTS_MINUTES_MAX];
    double excess[SLOTS_MINUTES_MAX]; /* over the median around it */
    double reach[SLOTS_MINUTES_MAX];  /* samples, as far as more of them reach higher */
    double z[SLOTS_MINUTES_MAX];      /* excess in deviations; 0 where there is none */
    double room[SLOTS_MINUTES_MAX];   /* what is gathered to be sorted */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A quantile of sorted values, between neighbours where it falls between them; n > 0. */
static double quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

/* Gather into `room`, sorted, what is known of the minutes with samples in [begin, end); how many. */
static size_t gather(struct day *day, const double *from, size_t begin, size_t end)
{
    size_t n = 0;
    for (size_t j = begin; j < end; j++)
        if (day->minutes[j].count > 0)
            day->room[n++] = from[j];
    qsort(day->room, n, sizeof *day->room, compare);
    return n;
}

/* Of the minutes around one; from further around where few of them have samples. */
static double quantile_around(struct day *day, const double *from, size_t i, double q)
{
    size_t n = 0;
    for (size_t around = AROUND; n < AROUND_MIN && around < 2 * day->n; around *= 2) {
        size_t begin = i > around ? i - around : 0, end = i + around + 1 < day->n ? i + around + 1 : day->n;
        n = gather(day, from, begin, end);
    }
    return quantile(day->room, n, q);
}

static double mean_magnitude(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs(values[i]) / (double)n;
    return sum;
}

/* Choose the scale, and set the levels; false where there is nothing to compare. */
static bool set_levels(struct day *day)
{
    for (size_t i = 0; i < day->n; i++)
        day->level[i] = day->minutes[i].value;
    size_t n = gather(day, day->level, 0, day->n);
    if (n < SPIKES_MINUTES_MIN)
        return false;
    day->straight = quantile(day->room, n, 0.05) < 0;
    for (size_t i = 0; i < day->n; i++)
        day->level[i] = fabs(day->minutes[i].value);
    gather(day, day->level, 0, day->n);
    day->c = quantile(day->room, n, 0.5);
    if (day->c == 0)
        day->c = mean_magnitude(day->room, n);
    if (day->c == 0)
        return false;
    for (size_t i = 0; i < day->n; i++) {
        double v = day->minutes[i].value / day->c;
        day->level[i] = day->straight ? v : asinh(v);
    }
    return true;
}

static void set_excess(struct day *day)
{
    for (size_t i = 0; i < day->n; i++) {
        if (day->minutes[i].count == 0)
            continue;
        double median = quantile_around(day, day->level, i, 0.5);
        day->excess[i] = day->level[i] - median;
        day->minutes[i].baseline = (day->straight ? median : sinh(median)) * day->c;
    }
}

static void standardise(struct day *day, size_t counts_most)
{
    size_t n = gather(day, day->excess, 0, day->n);
    double of_day = quantile(day->room, n, 0.75);
    if (of_day <= 0)
        of_day = mean_magnitude(day->room, n);
    for (size_t i = 0; i < day->n; i++)
        day->reach[i] = (double)(day->minutes[i].count < counts_most ? day->minutes[i].count : counts_most);
    for (size_t i = 0; i < day->n; i++) {
        day->z[i] = 0;
        if (day->minutes[i].count == 0 || day->excess[i] <= 0)
            continue;
        double around = fmax(quantile_around(day, day->excess, i, 0.75), of_day / 4);
        double further = log(day->reach[i] / quantile_around(day, day->reach, i, 0.5));
        day->z[i] = fmax(0, day->excess[i] / sqrt(of_day * around) - fmax(0, further) / GUMBEL_UPPER);
    }
}

/* The limit by two quantiles of the minutes that are not beyond `known`. */
static double limit_of(struct day *day, double q, double higher, double known)
{
    size_t n = 0;
    for (size_t i = 0; i < day->n; i++)
        if (day->minutes[i].count > 0 && day->z[i] <= known)
            day->room[n++] = day->z[i];
    qsort(day->room, n, sizeof *day->room, compare);
    double at = quantile(day->room, n, higher);
    double scale = (at - quantile(day->room, n, q)) / log((1 - q) / (1 - higher));
    return fmax(SPIKES_LIMIT_MIN, at + scale * log((1 - higher) * SPIKES_DAYS_FOR_ONE * 1440));
}

/* The level that runs of minutes beyond the limit reach more than SPIKES_MOST times; without so many, none. */
static double habit_of(struct day *day, double limit)
{
    size_t runs = 0;
    bool inside = false;
    for (size_t i = 0; i < day->n; i++) {
        bool beyond = day->minutes[i].count > 0 && day->z[i] > limit;
        if (beyond && !inside)
            day->room[runs++] = day->level[i];
        else if (beyond && day->level[i] > day->room[runs - 1])
            day->room[runs - 1] = day->level[i];
        inside = beyond;
    }
    qsort(day->room, runs, sizeof *day->room, compare);
    return runs > SPIKES_MOST ? day->room[runs - 1 - SPIKES_MOST] : -INFINITY;
}

void spikes_assess(struct spike_minute *minutes, size_t n, size_t counts_most)
{
    static const struct { double q, higher; } passes[] = {{.75, .875}, {.9, .95}, {.9, .975}, {.9, .975}, {.9, .975}};
    struct day day = {.minutes = minutes, .n = n};
    double limit = INFINITY;
    assert(n <= SLOTS_MINUTES_MAX);
    for (size_t i = 0; i < n; i++)
        minutes[i].baseline = minutes[i].score = 0;
    if (!set_levels(&day))
        return;
    set_excess(&day);
    standardise(&day, counts_most);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        limit = limit_of(&day, passes[i].q, passes[i].higher, limit);
    double habit = habit_of(&day, limit);
    for (size_t i = 0; i < n; i++)
        if (minutes[i].count > 0 && day.level[i] > habit)
            minutes[i].score = day.z[i] / limit;
}
