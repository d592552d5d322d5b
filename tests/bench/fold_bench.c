/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast batches are folded and commits are written, with few and with many
 * keys, and with an id on every sample. The store is in TMPDIR, or /tmp.
 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/utc.h"
#include "batch/batch.h"
#include "fold/fold.h"

enum { BATCH_SAMPLES = 1000, BATCHES_MOST = 1000 };

static const int64_t noon_ms = INT64_C(1795435200000);
static uint64_t random_state = 88172645463325252u;
static uint64_t producer;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double uniform(void)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static void must(enum hf_err err, const char *what, const struct hf_why *why)
{
    if (err == HF_OK)
        return;
    fprintf(stderr, "%s: %s %s\n", what, hf_strerror(err), why->text);
    exit(1);
}

/* Log-normal values with three decimals, keys at random, times within a minute. */
static void make_batch(struct batch_writer *writer, unsigned keys, bool ids, uint64_t number, struct hf_buf *out)
{
    static struct sample samples[BATCH_SAMPLES];
    static char texts[BATCH_SAMPLES][2][24];
    struct hf_why why = {""};
    for (unsigned i = 0; i < BATCH_SAMPLES; i++) {
        double normal = sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
        int key_bytes = snprintf(texts[i][0], 24, "app.metric-%u", (unsigned)(uniform() * keys));
        int id_bytes = snprintf(texts[i][1], 24, "%llu-%u", (unsigned long long)number, i);
        samples[i] = (struct sample){.key = texts[i][0],
                                     .key_bytes = (uint8_t)key_bytes,
                                     .value = round(exp(3 + normal) * 1000) / 1000,
                                     .time_ms = noon_ms + (int64_t)(uniform() * 60000),
                                     .id = ids ? texts[i][1] : NULL,
                                     .id_bytes = (uint8_t)(ids ? id_bytes : 0)};
    }
    struct sample_list list = {.samples = samples, .count = BATCH_SAMPLES, .capacity = BATCH_SAMPLES};
    batch_writer_reset(writer);
    must(batch_add(writer, &list), "batch_add", &why);
    must(batch_seal(writer, producer, number, out), "batch_seal", &why);
}

static void run(struct store *store, const char *name, unsigned keys, bool ids, unsigned batches, unsigned commit_every)
{
    static struct hf_buf messages[BATCHES_MOST];
    struct hf_why why = {""};
    struct fold *fold;
    struct fold_options options = {.store = store,
                                   .hour_buckets = 2048,
                                   .cache_bytes = 128 << 20,
                                   .limits = {.id_memory_ms = HF_DAY_MS, .minute_days = 35, .max_keys = 10000000}};
    struct batch_writer *writer = batch_writer_new();
    must(fold_open(&options, &fold, &why), "fold_open", &why);
    producer++;
    for (unsigned i = 0; i < batches; i++)
        make_batch(writer, keys, ids, i + 1, &messages[i]);

    double applied_s = 0, committed_s = 0, longest_s = 0;
    size_t memory = 0;
    uint64_t seq = fold_current(fold)->position;
    for (unsigned i = 0; i < batches; i++) {
        double start = now_s();
        must(fold_apply(fold, ++seq, noon_ms, messages[i].data, messages[i].len, &why), "fold_apply", &why);
        double applied = now_s();
        applied_s += applied - start;
        if ((i + 1) % commit_every == 0) {
            memory = fold_memory_bytes(fold) > memory ? fold_memory_bytes(fold) : memory;
            must(fold_commit(fold, &why), "fold_commit", &why);
            double took = now_s() - applied;
            committed_s += took;
            longest_s = took > longest_s ? took : longest_s;
        }
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double samples = (double)batches * BATCH_SAMPLES;
    printf("%-28s %9.0f samples/s  apply %6.0f ns/sample  commit %6.1f ms each, longest %6.1f  memory %5.1f MiB, RSS %ld MiB\n",
           name, samples / (applied_s + committed_s), applied_s / samples * 1e9,
           committed_s / (batches / commit_every) * 1e3, longest_s * 1e3, (double)memory / 1048576,
           usage.ru_maxrss / 1024);
    for (unsigned i = 0; i < batches; i++)
        hf_buf_free(&messages[i]);
    batch_writer_free(&writer);
    fold_free(&fold);
}

/* Every key has one sample a second, each of another value, in the order in which apps send them; a commit takes some seconds
 * of that. The cache is the consumer's. */
static void run_steadily(struct store *store, unsigned keys, unsigned seconds, unsigned commit_every_s)
{
    static char texts[BATCH_SAMPLES][24];
    static struct sample samples[BATCH_SAMPLES];
    struct hf_why why = {""};
    struct fold *fold;
    struct hf_buf message = {0};
    struct fold_options options = {.store = store,
                                   .hour_buckets = 2048,
                                   .cache_bytes = 384 << 20,
                                   .limits = {.id_memory_ms = HF_DAY_MS, .minute_days = 35, .max_keys = 10000000}};
    struct batch_writer *writer = batch_writer_new();
    struct sample_list list = {.samples = samples, .count = BATCH_SAMPLES, .capacity = BATCH_SAMPLES};
    must(fold_open(&options, &fold, &why), "fold_open", &why);
    uint64_t seq = fold_current(fold)->position, number = 0;
    double applied_s = 0, committed_s = 0, longest_s = 0;
    size_t memory = 0, records = 0;
    producer++;
    for (unsigned second = 0; second < seconds; second++) {
        for (unsigned at = 0; at < keys; at += BATCH_SAMPLES) {
            for (unsigned i = 0; i < BATCH_SAMPLES; i++) {
                int bytes = snprintf(texts[i], sizeof texts[i], "host%u.latency", at + i);
                samples[i] = (struct sample){.key = texts[i], .key_bytes = (uint8_t)bytes, .time_ms = noon_ms + second * 1000,
                                             .value = round(exp(3 + uniform()) * 1000) / 1000};
            }
            batch_writer_reset(writer);
            must(batch_add(writer, &list), "batch_add", &why);
            must(batch_seal(writer, producer, ++number, &message), "batch_seal", &why);
            double start_s = now_s();
            must(fold_apply(fold, ++seq, noon_ms + second * 1000, message.data, message.len, &why), "fold_apply", &why);
            applied_s += now_s() - start_s;
        }
        if ((second + 1) % commit_every_s != 0)
            continue;
        double start_s = now_s();
        memory = fold_memory_bytes(fold) > memory ? fold_memory_bytes(fold) : memory;
        records += fold_dirty_records(fold);
        must(fold_commit(fold, &why), "fold_commit", &why);
        double took_s = now_s() - start_s;
        committed_s += took_s;
        longest_s = took_s > longest_s ? took_s : longest_s;
        must(store_checkpoint(store, &why), "store_checkpoint", &why);
    }
    printf("%-28s %9.0f samples/s  apply %6.0f ns/sample  commit %6.1f ms each, longest %6.1f  memory %5.1f MiB, %.2f us a record\n",
           "100,000 keys in turn", (double)keys * seconds / (applied_s + committed_s), applied_s / keys / seconds * 1e9,
           committed_s / (seconds / commit_every_s) * 1e3, longest_s * 1e3, (double)memory / 1048576, committed_s / (double)records * 1e6);
    hf_buf_free(&message);
    batch_writer_free(&writer);
    fold_free(&fold);
}

int main(void)
{
    char folder[256];
    const char *tmp = getenv("TMPDIR");
    struct hf_why why = {""};
    struct store *store;
    snprintf(folder, sizeof folder, "%s/fold_bench.XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(folder) == NULL)
        return 1;
    struct store_options options = {.path = folder, .role = STORE_WRITER, .cache_mb = 64};
    must(store_open(&options, &store, &why), "store_open", &why);
    if (getenv("HF_BENCH_BRIEF") != NULL) { /* for counting instructions */
        run(store, "10,000 keys", 10000, false, 20, 10);
        store_close(&store);
        return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    run(store, "100 keys", 100, false, 1000, 100);
    run(store, "10,000 keys", 10000, false, 500, 50);
    run(store, "100,000 keys", 100000, false, 400, 100);
    run(store, "100,000 keys, small commits", 100000, false, 100, 10);
    run(store, "100 keys, ids", 100, true, 200, 20);
    run_steadily(store, 100000, 72, 4);
    store_close(&store);
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
