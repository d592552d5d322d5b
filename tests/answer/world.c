/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "world.h"

#include <ftw.h>

char folder[64];
struct hf_why why;

/* ---- samples ---- */

struct one *samples;
size_t sample_count;
uint64_t random_state = 88172645463325252u;

double random_unit(void)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

void add_sample_at(int64_t time_ms, double value)
{
    samples = realloc(samples, (sample_count + 1) * sizeof *samples);
    assert_non_null(samples);
    samples[sample_count++] = (struct one){time_ms, value};
}

static void add_sample(unsigned hour, double value)
{
    add_sample_at(DAY_MS + hour * HF_HOUR_MS + (int64_t)(random_unit() * 3600000), value);
}

/* Hours 3: integers, exact; 9: more different values than buckets; 10: one sample; 17: negative and positive, an even
 * count; 18: a million would take too long, so a few thousand milliseconds with decimals; 19: still running. */
void make_samples(void)
{
    for (int i = 0; i < 1001; i++)
        add_sample(3, floor(random_unit() * 250));
    for (int i = 0; i < 6000; i++)
        add_sample(9, exp(random_unit() * 6 + random_unit() * 3));
    add_sample(10, 42.5);
    for (int i = 0; i < 500; i++)
        add_sample(17, random_unit() * 20 - 10);
    for (int i = 0; i < 3000; i++)
        add_sample(18, round(20000 + 5000 * random_unit() * random_unit()) / 1000);
    for (int i = 0; i < 40; i++)
        add_sample(19, random_unit() * 100);
}

int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double *values_of(int64_t from_ms, int64_t to_ms, size_t *count)
{
    double *values = malloc((sample_count + 1) * sizeof *values);
    assert_non_null(values);
    *count = 0;
    for (size_t i = 0; i < sample_count; i++)
        if (samples[i].time_ms >= from_ms && samples[i].time_ms < to_ms)
            values[(*count)++] = samples[i].value;
    qsort(values, *count, sizeof *values, compare_doubles);
    return values;
}

/* ---- the store ---- */

struct store *open_store(enum store_role role)
{
    struct store_options options = {.path = folder, .role = role, .cache_mb = 8};
    struct store *store = NULL;
    ok(store_open(&options, &store, &why));
    return store;
}

void write_slot(struct store_write *write, enum store_table table, const char *key, int64_t start_ms,
                       int64_t width_ms, uint32_t buckets)
{
    size_t count;
    double *values = values_of(start_ms, start_ms + width_ms, &count);
    if (count > 0) {
        struct cell *cell = cell_new(buckets);
        struct hf_buf buf = {0};
        for (size_t i = 0; i < count; i++)
            ok(cell_add(cell, values[i]));
        ok(cell_encode(cell, &buf));
        ok(store_write_cell(write, table, key, strlen(key), (uint32_t)(start_ms / width_ms), buf.data, buf.len));
        hf_buf_free(&buf);
        cell_free(&cell);
    }
    free(values);
}

const struct store_status world_status = {.position = 77, .as_of_ms = AS_OF_MS, .accepted = 12000, .folded = 11000,
                                                 .duplicate = 1000, .late = 12, .refused = 3, .expired = 4, .keys = 3,
                                                 .rewinds = 1, .minutes_from = MINUTES_FROM};

void write_world(void)
{
    static const char *const others[] = {"a", "a.b", "b", "checkout", "checkout.errors", "search.depth", "search.latency",
                                         "status.up"};
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write;
    ok(store_write_begin(store, &write, &why));
    for (int hour = 0; hour < 24; hour++)
        write_slot(write, STORE_HOURS, KEY, DAY_MS + hour * HF_HOUR_MS, HF_HOUR_MS, HOUR_BUCKETS);
    for (int minute = 0; minute < 1440; minute++)
        write_slot(write, STORE_MINUTES, KEY, DAY_MS + minute * HF_MINUTE_MS, HF_MINUTE_MS, CELL_MINUTE_BUCKETS);
    ok(store_write_key(write, KEY, strlen(KEY), hf_hour_of(DAY_MS)));

    /* Two hours of the day before of as many different values each as a cell tells apart. */
    for (int hour = 0; hour < 2; hour++) {
        struct cell *wide = cell_new(HOUR_BUCKETS);
        struct hf_buf bytes = {0};
        for (int i = 0; i < HOUR_BUCKETS; i++)
            ok(cell_add(wide, hour * HOUR_BUCKETS + i));
        ok(cell_encode(wide, &bytes));
        ok(store_write_cell(write, STORE_HOURS, "wide", 4, hf_hour_of(DAY_MS) - 24 + (uint32_t)hour, bytes.data, bytes.len));
        ok(store_write_key(write, "wide", 4, hf_hour_of(DAY_MS) - 24));
        hf_buf_free(&bytes);
        cell_free(&wide);
    }

    struct cell *cell = cell_new(16);
    struct hf_buf buf = {0};
    ok(cell_add(cell, 1));
    ok(cell_encode(cell, &buf));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ok(store_write_key(write, others[i], strlen(others[i]), hf_hour_of(DAY_MS) + 3));
        ok(store_write_cell(write, STORE_HOURS, others[i], strlen(others[i]), hf_hour_of(DAY_MS) + 3, buf.data, buf.len));
    }
    /* An hour of the day before: its minutes have expired. */
    ok(store_write_cell(write, STORE_HOURS, KEY, strlen(KEY), hf_hour_of(DAY_MS) - 1, buf.data, buf.len));
    /* One whose minutes are still to be written, and one that is damaged. */
    ok(store_write_cell(write, STORE_HOURS, KEY, strlen(KEY), hf_hour_of(DAY_MS) + 48, buf.data, buf.len));
    ok(store_write_cell(write, STORE_HOURS, KEY, strlen(KEY), hf_hour_of(DAY_MS) + 49, buf.data, buf.len - 1));
    /* Where the last hour of 1969 would be found if slots could be negative. */
    ok(store_write_cell(write, STORE_HOURS, KEY, strlen(KEY), UINT32_MAX, buf.data, buf.len));
    hf_buf_free(&buf);
    cell_free(&cell);
    ok(store_write_status(write, &world_status));
    ok(store_write_commit(&write, &why));
    store_close(&store);
}

int make_folder(void)
{
    strcpy(folder, "/tmp/answer_test.XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int remove_folder(void) { return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }
