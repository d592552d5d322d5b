/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make a store as the consumer would have it after a day: KEYS keys, each with 24 hours of SAMPLES samples.
 *
 * usage: fill STORE KEYS SAMPLES DATE_MS
 *
 * Prints the bytes of the encoded cells, on average.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utc.h"
#include "cell/cell.h"
#include "store/store.h"

enum { HOURS = 24, DIFFERENT = 512, BUCKETS = 2048, CACHE_MB = 64, AT_ONCE = 100000 };

static struct hf_buf cells[DIFFERENT];
static struct hf_why why = {""};

static void must(enum hf_err err)
{
    if (err == HF_OK)
        return;
    fprintf(stderr, "fill: %s: %s\n", hf_strerror(err), why.text);
    exit(1);
}

static double uniform(void)
{
    static uint64_t state = UINT64_C(88172645463325252);
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

static void make_cell(struct hf_buf *out, unsigned long samples)
{
    struct cell *cell = cell_new(BUCKETS);
    must(cell == NULL ? HF_NOMEM : HF_OK);
    for (unsigned long i = 0; i < samples; i++) {
        double normal = sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
        must(cell_add(cell, round(exp(3 + normal) * 1000) / 1000));
    }
    must(cell_encode(cell, out));
    cell_free(&cell);
}

static void commit(struct store *store, struct store_write **write)
{
    must(store_write_commit(write, &why));
    must(store_checkpoint(store, &why));
}

int main(int argc, char **argv)
{
    struct store *store;
    struct store_write *write = NULL;
    unsigned long written = 0;
    double bytes = 0;
    if (argc != 5)
        return 2;
    unsigned long keys = strtoul(argv[2], NULL, 10), samples = strtoul(argv[3], NULL, 10);
    int64_t date_ms = strtoll(argv[4], NULL, 10);
    for (unsigned i = 0; i < DIFFERENT; i++)
        make_cell(&cells[i], samples);
    struct store_options options = {.path = argv[1], .role = STORE_WRITER, .cache_mb = CACHE_MB};
    must(store_open(&options, &store, &why));
    must(store_write_begin(store, &write, &why));
    struct store_status status = {.as_of_ms = date_ms + HF_DAY_MS, .keys = keys, .accepted = keys * HOURS * samples,
                                  .folded = keys * HOURS * samples, .minutes_from = hf_hour_of(date_ms + HF_DAY_MS)};
    must(store_write_status(write, &status));
    for (uint32_t h = 0; h < HOURS; h++)
        for (unsigned long k = 0; k < keys; k++) {
            char key[32];
            size_t key_bytes = (size_t)snprintf(key, sizeof key, "app.host-%07lu.latency", k); /* in the order of bytes */
            const struct hf_buf *cell = &cells[(k * 7 + h * 13) % DIFFERENT];
            if (h == 0)
                must(store_write_key(write, key, key_bytes, hf_hour_of(date_ms)));
            must(store_write_cell(write, STORE_HOURS, key, key_bytes, hf_hour_of(date_ms) + h, cell->data, cell->len));
            bytes += (double)cell->len;
            if (++written % AT_ONCE == 0) {
                commit(store, &write);
                must(store_write_begin(store, &write, &why));
            }
        }
    commit(store, &write);
    store_close(&store);
    printf("%.1f\n", bytes / (double)(keys * HOURS));
    return 0;
}
