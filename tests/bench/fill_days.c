/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store of many keys over many days, written without the way through the bus.
 *
 *     fill_days DIRECTORY [KEYS [DAYS]]
 *
 * Each hour up to the last full one has a histogram of 60 latencies, higher at noon than at night;
 * each minute of the last two days has, for one key in a hundred. Always the same for the same hour.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utc.h"
#include "cell/cell.h"
#include "store/store.h"

#define VARIANTS 16 /* of the histograms of each hour of the day */
#define SAMPLES_OF_HOUR 60
#define SAMPLES_OF_MINUTE 5
#define KEYS_OF_TRANSACTION 50
#define MINUTES_EACH 100 /* keys */
#define MINUTES (2 * 1440)
#define CACHE_MB 64
#define HOUR_BUCKETS 2048

static struct hf_why why;
static uint64_t random_state = 88172645463325252u;

static void must(enum hf_err err, const char *what)
{
    if (err == HF_OK)
        return;
    fprintf(stderr, "fill_days: %s: %s: %s\n", what, hf_strerror(err), why.text);
    exit(1);
}

static double random_unit(void)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static void make_cell(struct hf_buf *out, double middle, unsigned samples, uint32_t buckets)
{
    struct cell *cell = cell_new(buckets);
    must(cell == NULL ? HF_NOMEM : HF_OK, "cell");
    for (unsigned i = 0; i < samples; i++)
        must(cell_add(cell, round(1000 * middle * exp(random_unit() + random_unit() - 1)) / 1000), "sample");
    must(cell_encode(cell, out), "encode");
    cell_free(&cell);
}

static struct hf_buf hours[24][VARIANTS], minutes[24][VARIANTS];

static void make_cells(void)
{
    for (int hour = 0; hour < 24; hour++)
        for (int i = 0; i < VARIANTS; i++) {
            double middle = (20 - 12 * cos(hour / 12.0 * 3.14159265358979)) * (1 + i * .02);
            make_cell(&hours[hour][i], middle, SAMPLES_OF_HOUR, HOUR_BUCKETS);
            make_cell(&minutes[hour][i], middle, SAMPLES_OF_MINUTE, CELL_MINUTE_BUCKETS);
        }
}

/* Its samples. */
static uint64_t write_key(struct store_write *write, unsigned number, uint32_t from, uint32_t to)
{
    char key[64];
    size_t len = (size_t)snprintf(key, sizeof key, "app%02u.service%02u.metric%02u", number / 1000, number / 50 % 20, number % 50);
    must(store_write_key(write, key, len, from), "key");
    for (uint32_t hour = from; hour < to; hour++) {
        const struct hf_buf *cell = &hours[hour % 24][(hour * 7 + number) % VARIANTS];
        must(store_write_cell(write, STORE_HOURS, key, len, hour, cell->data, cell->len), "hour");
    }
    for (uint32_t minute = to * 60 - MINUTES; number % MINUTES_EACH == 0 && minute < to * 60; minute++) {
        const struct hf_buf *cell = &minutes[minute / 60 % 24][(minute * 7 + number) % VARIANTS];
        must(store_write_cell(write, STORE_MINUTES, key, len, minute, cell->data, cell->len), "minute");
    }
    return (uint64_t)(to - from) * SAMPLES_OF_HOUR;
}

int main(int argc, char **argv)
{
    unsigned keys = argc > 2 ? (unsigned)atoi(argv[2]) : 10000, days = argc > 3 ? (unsigned)atoi(argv[3]) : 31;
    if (argc < 2) {
        fprintf(stderr, "usage: fill_days DIRECTORY [KEYS [DAYS]]\n");
        return 2;
    }
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    uint32_t to = hf_hour_of(now_ms), from = to - days * 24;
    struct store_options options = {.path = argv[1], .role = STORE_WRITER, .cache_mb = CACHE_MB};
    struct store_status status = {.as_of_ms = now_ms, .keys = keys};
    struct store *store;
    must(store_open(&options, &store, &why), "open");
    make_cells();
    for (unsigned number = 0; number < keys;) {
        struct store_write *write;
        must(store_write_prepare(store, (size_t)KEYS_OF_TRANSACTION * (days * 24 + MINUTES), &why), "prepare");
        must(store_write_begin(store, &write, &why), "begin");
        for (unsigned i = 0; i < KEYS_OF_TRANSACTION && number < keys; i++)
            status.folded += write_key(write, number++, from, to);
        status.accepted = status.folded;
        must(store_write_status(write, &status), "status");
        must(store_write_commit(&write, &why), "commit");
    }
    store_close(&store);
    printf("%u keys, %u days, %llu samples\n", keys, days, (unsigned long long)status.folded);
    return 0;
}
