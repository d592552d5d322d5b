/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/heatmap.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"

#define LINEAR_INDEX_MAX 1e15

/* mantissa * 10^exponent, correctly rounded, so that edges are printed as short as they are meant. */
static double decimal(long long mantissa, int exponent)
{
    char text[48];
    double v = INFINITY; /* stays so beyond the largest double; below the smallest it is 0 */
    int n = snprintf(text, sizeof text, "%llde%d", mantissa, exponent);
    (void)!hf_parse_double(text, (size_t)n, &v);
    return v;
}

/* Take edges that ascend strictly, as many as there is room for. */
static void add_edge(struct heatmap_bands *bands, size_t *n, double edge)
{
    if (isfinite(edge) && *n < sizeof bands->edges / sizeof *bands->edges && (*n == 0 || edge > bands->edges[*n - 1]))
        bands->edges[(*n)++] = edge;
}

/* Steps of equal ratio. An index is a decade times `per_decade`, and a step within it. */
struct ladder {
    int per_decade;
    int decades; /* of one step, with one step a decade */
    int mantissas[10];
};

static const struct ladder ladders[] = {
    {10, 1, {100, 125, 160, 200, 250, 320, 400, 500, 630, 800}}, {5, 1, {100, 160, 250, 400, 630}}, {3, 1, {100, 200, 500}},
    {1, 1, {100}}, {1, 2, {100}}, {1, 4, {100}}, {1, 8, {100}}, {1, 16, {100}}, {1, 32, {100}}};

static double ladder_value(const struct ladder *ladder, int index)
{
    int decade = (int)floor((double)index / ladder->per_decade);
    return decimal(ladder->mantissas[index - decade * ladder->per_decade], decade * ladder->decades - 2);
}

/* The index of the last step that is not above `v`. */
static int ladder_index(const struct ladder *ladder, double v)
{
    int index = ((int)floor(log10(v) / ladder->decades) + 1) * ladder->per_decade;
    while (ladder_value(ladder, index) > v)
        index--;
    return index;
}

static void choose_log(double min, double low, double high, double max, struct heatmap_bands *out)
{
    size_t n = 0, ladder = 0;
    int first = 0, last = 0;
    for (; ladder < sizeof ladders / sizeof *ladders; ladder++) {
        first = ladder_index(&ladders[ladder], low);
        last = ladder_index(&ladders[ladder], high) + 1;
        if (last - first <= (int)HEATMAP_STEPS_MAX)
            break;
    }
    if (min < ladder_value(&ladders[ladder], first))
        add_edge(out, &n, min);
    for (int i = first; i <= last; i++)
        add_edge(out, &n, ladder_value(&ladders[ladder], i));
    add_edge(out, &n, max);
    out->count = n - 1;
    out->log = true;
}

/* The smallest of 1, 2 and 5 times a power of ten that is not below `v`, as mantissa and exponent. */
static int round_step(double v, int *exponent)
{
    static const int mantissas[] = {1, 2, 5};
    for (*exponent = (int)floor(log10(v)) - 1;; ++*exponent)
        for (size_t i = 0; i < 3; i++)
            if (decimal(mantissas[i], *exponent) >= v)
                return mantissas[i];
}

static void choose_linear(double min, double low, double high, double max, struct heatmap_bands *out)
{
    size_t n = 0;
    int exponent, mantissa = round_step((high - low) / (HEATMAP_STEPS_MAX - 2), &exponent);
    double step = decimal(mantissa, exponent);
    if (fabs(low) / step < LINEAR_INDEX_MAX && fabs(high) / step < LINEAR_INDEX_MAX) {
        long long first = (long long)floor(low / step), last = (long long)floor(high / step) + 1;
        if (min < decimal(first * mantissa, exponent))
            add_edge(out, &n, min);
        for (long long i = first; i <= last; i++)
            add_edge(out, &n, decimal(i * mantissa, exponent));
    } else
        add_edge(out, &n, min); /* so close together for their size that no round numbers lie between */
    add_edge(out, &n, max);
    out->count = n - 1;
}

void heatmap_choose(double min, double low, double high, double max, struct heatmap_bands *out)
{
    *out = (struct heatmap_bands){0};
    if (low == high) {
        low = min;
        high = max;
    }
    if (min == max) {
        out->edges[0] = out->edges[1] = min;
        out->count = 1;
    } else if (low > 0 && high / 10 > low)
        choose_log(min, low, high, max, out);
    else if (isfinite(high - low) && (high - low) / HEATMAP_STEPS_MAX > 0)
        choose_linear(min, low, high, max, out);
    else {
        out->edges[0] = min;
        out->edges[1] = max;
        out->count = 1;
    }
}
