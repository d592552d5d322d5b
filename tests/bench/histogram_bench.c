/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to add a sample to a cell, and to histograms of others: nanoseconds, in turn, the same values. Built with
 * -DCIRCLLHIST, -DHDR, or both, beside their sources; see README.md here.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cell/cell.h"
#ifdef CIRCLLHIST
#include "circllhist.h"
#endif
#ifdef HDR
#include "hdr/hdr_histogram.h"
#endif

enum { SAMPLES = 200000, ROUNDS = 21 };

static double values[SAMPLES];

static double uniform(void)
{
    static uint64_t state = UINT64_C(88172645463325252);
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void add_to_cell(void *cell)
{
    for (size_t i = 0; i < SAMPLES; i++)
        if (cell_add(cell, values[i]) != HF_OK)
            abort();
}

#ifdef CIRCLLHIST
static void add_to_circllhist(void *histogram)
{
    for (size_t i = 0; i < SAMPLES; i++)
        hist_insert(histogram, values[i], 1);
}
#endif

#ifdef HDR
/* It takes integers alone: microseconds. */
static void add_to_hdr(void *histogram)
{
    for (size_t i = 0; i < SAMPLES; i++)
        hdr_record_value(histogram, (int64_t)(values[i] * 1000 + 0.5));
}
#endif

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    struct side {
        const char *name;
        void (*add)(void *);
        void *histogram;
        double ns[ROUNDS];
    } sides[3] = {{.name = "cell of 2,048 buckets, exact sums", .add = add_to_cell, .histogram = cell_new(2048)}};
    size_t count = 1;
#ifdef CIRCLLHIST
    sides[count++] = (struct side){.name = "libcircllhist", .add = add_to_circllhist, .histogram = hist_fast_alloc()};
#endif
#ifdef HDR
    struct hdr_histogram *hdr = NULL;
    if (hdr_init(1, 3600000000, 3, &hdr) != 0)
        return 1;
    sides[count++] = (struct side){.name = "HdrHistogram_c, 3 digits", .add = add_to_hdr, .histogram = hdr};
#endif
    for (size_t i = 0; i < SAMPLES; i++)
        values[i] = round(1000 * exp(3 + 0.8 * sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform()))) / 1000;
    for (int round = -1; round < ROUNDS; round++) /* the first only fills them */
        for (size_t i = 0; i < count; i++) {
            double begin = cpu_ns();
            sides[i].add(sides[i].histogram);
            if (round >= 0)
                sides[i].ns[round] = (cpu_ns() - begin) / SAMPLES;
        }
    for (size_t i = 0; i < count; i++) {
        qsort(sides[i].ns, ROUNDS, sizeof *sides[i].ns, by_size);
        printf("%-36s %6.1f ns a sample, median; %6.1f least, %6.1f greatest\n", sides[i].name, sides[i].ns[ROUNDS / 2],
               sides[i].ns[0], sides[i].ns[ROUNDS - 1]);
    }
    return 0;
}
