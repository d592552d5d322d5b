/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the operations of a cell take, and how large it is. One table for each kind of
 * samples; the best of several runs, as the others only measure what else the machine did.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cell/cell.h"

enum { SAMPLES = 200000, RUNS = 11, HOURS = 24 };

static bool brief; /* once each, of one kind of samples: for counting instructions */

static uint64_t random_state;

static double random_unit(void)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static double random_normal(void)
{
    return sqrt(-2 * log(random_unit())) * cos(6.283185307179586 * random_unit());
}

static double integer(void) { return floor(200 * random_unit()); }
static double decimal(void) { return floor(2000 * random_unit()) / 1000; }
static double log_normal(void) { return round(1000 * exp(3 + 0.8 * random_normal())) / 1000; }
static double pareto(void) { return 1 / random_unit(); }
static double signed_normal(void) { return random_normal(); }

static const struct {
    const char *name;
    double (*make)(void);
} kinds[] = {
    {"integer ms", integer}, {"decimal", decimal}, {"log-normal", log_normal}, {"Pareto", pareto},
    {"signed", signed_normal}};

static double clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* For what takes microseconds, the quick clock; for what takes milliseconds, the one that others' work does not move. */
static double now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
static double cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

static void check(int ok)
{
    if (!ok) {
        fputs("cell_bench: an operation failed\n", stderr);
        exit(1);
    }
}

static void add_all(struct cell *cell, const double *value)
{
    for (size_t i = 0; i < SAMPLES; i++)
        check(cell_add(cell, value[i]) == HF_OK);
}

struct times {
    double fill_ns, steady_ns, one_settle_ns, encode_ns, decode_ns, median_ns, stddev_ns, merge_ns;
    size_t bytes, memory_bytes;
    unsigned buckets, shift;
};

static void keep_least(double *least, double ns)
{
    if (*least == 0 || ns < *least)
        *least = ns;
}

/* A cell from nothing, and then the same number again. */
static struct cell *time_adds(const double *value, uint32_t max_buckets, struct times *times)
{
    struct cell *cell = cell_new(max_buckets);
    check(cell != NULL);
    double start = cpu_ns();
    add_all(cell, value);
    double filled = cpu_ns();
    add_all(cell, value);
    keep_least(&times->fill_ns, (filled - start) / SAMPLES);
    keep_least(&times->steady_ns, (cpu_ns() - filled) / SAMPLES);

    enum { SINGLES = 1000 };
    cell_buckets(cell);
    times->memory_bytes = cell_memory_bytes(cell);
    start = now_ns();
    for (size_t i = 0; i < SINGLES; i++) {
        check(cell_add(cell, value[i]) == HF_OK);
        cell_buckets(cell);
    }
    keep_least(&times->one_settle_ns, (now_ns() - start) / SINGLES);
    return cell;
}

static void time_reads(struct cell *cell, uint32_t max_buckets, struct times *times)
{
    struct hf_buf buf = {0};
    struct cell *day = cell_new(max_buckets), *hour[HOURS];
    struct cell_estimate e;
    check(day != NULL && cell_encode(cell, &buf) == HF_OK);

    double start = now_ns();
    hf_buf_clear(&buf);
    check(cell_encode(cell, &buf) == HF_OK);
    keep_least(&times->encode_ns, now_ns() - start);
    start = now_ns();
    for (size_t i = 0; i < HOURS; i++)
        check(cell_decode(buf.data, buf.len, max_buckets, &hour[i]) == HF_OK);
    keep_least(&times->decode_ns, (now_ns() - start) / HOURS);
    start = now_ns();
    check(cell_median(cell, &e) == HF_OK);
    keep_least(&times->median_ns, now_ns() - start);
    start = now_ns();
    check(cell_stddev(cell, &e) == HF_OK);
    keep_least(&times->stddev_ns, now_ns() - start);

    times->bytes = buf.len;
    times->buckets = cell_buckets(cell);
    times->shift = cell_shift(cell);
    for (size_t i = 0; i < HOURS; i++)
        cell_free(&hour[i]);
    cell_free(&day);
    hf_buf_free(&buf);
}

/* 24 hours of different samples, and their median. */
static void time_day(double (*make)(void), uint32_t max_buckets, struct times *times)
{
    struct cell *hour[HOURS];
    for (size_t i = 0; i < HOURS; i++) {
        check((hour[i] = cell_new(max_buckets)) != NULL);
        for (size_t j = 0; j < 50000; j++)
            check(cell_add(hour[i], make()) == HF_OK);
        cell_buckets(hour[i]);
    }
    for (int run = 0; run < (brief ? 1 : RUNS); run++) {
        struct cell *day = cell_new(max_buckets);
        struct cell_estimate e;
        check(day != NULL);
        double start = now_ns();
        for (size_t i = 0; i < HOURS; i++)
            check(cell_merge(day, hour[i]) == HF_OK);
        check(cell_median(day, &e) == HF_OK);
        keep_least(&times->merge_ns, now_ns() - start);
        cell_free(&day);
    }
    for (size_t i = 0; i < HOURS; i++)
        cell_free(&hour[i]);
}

static void bench(const char *name, double (*make)(void), uint32_t max_buckets)
{
    double *value = malloc(SAMPLES * sizeof *value);
    struct times times = {0};
    check(value != NULL);
    random_state = 1;
    for (size_t i = 0; i < SAMPLES; i++)
        value[i] = make();
    for (int run = 0; run < (brief ? 1 : RUNS); run++) {
        struct cell *cell = time_adds(value, max_buckets, &times);
        time_reads(cell, max_buckets, &times);
        cell_free(&cell);
    }
    time_day(make, max_buckets, &times);
    free(value);
    printf("%-11s %6u %6u %3u %6zu %7zu %6.1f %6.1f %7.2f %7.2f %7.2f %7.2f %7.2f %8.1f\n", name, (unsigned)max_buckets,
           times.buckets, times.shift, times.bytes, times.memory_bytes, times.fill_ns, times.steady_ns,
           times.one_settle_ns / 1000, times.encode_ns / 1000, times.decode_ns / 1000, times.median_ns / 1000,
           times.stddev_ns / 1000, times.merge_ns / 1000);
}

static void print_small(void)
{
    static const size_t sizes[] = {1, 2, 5, 10, 60, 1000};
    puts("\nlog-normal samples: encoded bytes, memory bytes");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct cell *cell = cell_new(2048);
        struct hf_buf buf = {0};
        check(cell != NULL);
        random_state = 2;
        for (size_t n = 0; n < sizes[i]; n++)
            check(cell_add(cell, log_normal()) == HF_OK);
        check(cell_encode(cell, &buf) == HF_OK);
        printf("%6zu %7zu %7zu\n", sizes[i], buf.len, cell_memory_bytes(cell));
        hf_buf_free(&buf);
        cell_free(&cell);
    }
}

int main(void)
{
    brief = getenv("HF_BENCH_BRIEF") != NULL;
    puts("samples      limit   used   s  bytes  memory   fill  again  single  encode  decode  median  stddev  24 hours\n"
         "                                    bytes     ns     ns      us      us      us      us      us        us");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!brief || kinds[i].make == log_normal) {
            bench(kinds[i].name, kinds[i].make, 2048);
            bench(kinds[i].name, kinds[i].make, CELL_MINUTE_BUCKETS);
        }
    print_small();
    return 0;
}
