/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers over many cells cost: milliseconds of each, and cells a millisecond. The
 * best of several rounds, since a shared machine only ever adds. The store holds four
 * weeks of hours of as many different values as a cell tells apart, and a day of minutes of
 * 100 samples each.
 */
#include "../answer/asking.h"

#include <time.h>

#define ROUNDS 15
#define WEEKS 4
#define HOURS (WEEKS * 7 * 24)
#define FIRST_MS (DAY_MS + HF_DAY_MS - HOURS * HF_HOUR_MS)

static void write_cell(struct store_write *write, enum store_table table, uint32_t slot, size_t count, uint32_t buckets)
{
    struct cell *cell = cell_new(buckets);
    struct hf_buf buf = {0};
    for (size_t i = 0; i < count; i++)
        ok(cell_add(cell, round(1000 * exp(2 + random_unit() + random_unit())) / 1000));
    ok(cell_encode(cell, &buf));
    ok(store_write_cell(write, table, KEY, strlen(KEY), slot, buf.data, buf.len));
    hf_buf_free(&buf);
    cell_free(&cell);
}

static void fill(void)
{
    struct store *store = open_store(STORE_WRITER);
    struct store_status status = world_status;
    struct store_write *write;
    ok(store_write_begin(store, &write, &why));
    for (uint32_t hour = 0; hour < HOURS; hour++)
        write_cell(write, STORE_HOURS, hf_hour_of(FIRST_MS) + hour, 20000, HOUR_BUCKETS);
    for (uint32_t minute = 0; minute < 1440; minute++)
        write_cell(write, STORE_MINUTES, hf_minute_of(DAY_MS) + minute, 100, CELL_MINUTE_BUCKETS);
    ok(store_write_key(write, KEY, strlen(KEY), hf_hour_of(FIRST_MS)));
    status.as_of_ms = clock_ms = DAY_MS + HF_DAY_MS;
    status.minutes_from = 0;
    ok(store_write_status(write, &status));
    ok(store_write_commit(&write, &why));
    store_close(&store);
}

static void measure(const char *uri, unsigned cells)
{
    double best_ms = INFINITY;
    size_t bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        bytes = ask(uri, 200)->body_bytes;
        clock_gettime(CLOCK_MONOTONIC, &b);
        best_ms = fmin(best_ms, (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
    }
    printf("%8.2f ms %6u cells %8.1f cells/ms %8zu bytes  %s\n", best_ms, cells, cells / best_ms, bytes, uri);
}

static void answers(void **state)
{
    (void)state;
    assert_int_equal(make_folder(), 0);
    fill();
    assert_int_equal(open_to_ask(), 0);
    measure("/" KEY "/median/" DAY, 24);
    measure("/" KEY "/median/" DAY "?tz=+00:30", 1440);
    measure("/-/series?key=" KEY "&stat=p99&from=" DAY "&to=2026-11-24&step=minute", 1440);
    measure("/-/series?key=" KEY "&stat=p99&from=2026-10-27", HOURS);
    measure("/-/spikes?key=" KEY "&date=" DAY, 1440);
    measure("/-/heatmap?key=" KEY "&date=" DAY, 24);
    measure("/-/pattern?key=" KEY "&stat=median", HOURS);
    close_to_ask();
    remove_folder();
}

UNIT_TESTS(unit(answers))
