/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a query waits while the consumer commits.
 *
 *     store_bench [cells [bytes [cache_mb [commits [folder]]]]]
 *
 * A writer commits that many cells of that size, all of one hour and of as many
 * keys, once a second. Two readers ask at fixed times, one for a cell, one for
 * the 60 minutes of a key, whether or not the question before was answered
 * in time: so a wait counts for everything that was asked meanwhile.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

#define SLOT 1000u
#define MOST_WAITS 1000000u
#define CELL_EVERY_S 0.002
#define RANGE_EVERY_S 0.010

static unsigned cells = 100000, bytes = 300, cache_mb = 64, commits = 10;
static const char *folder = "/tmp/store_bench";
static volatile sig_atomic_t stop;

static void on_term(int number)
{
    (void)number;
    stop = 1;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_s(double s)
{
    if (s <= 0)
        return;
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    nanosleep(&t, NULL);
}

static struct hf_why why;

static void must(enum hf_err err, const char *what)
{
    if (err == HF_OK)
        return;
    fprintf(stderr, "store_bench: %s: %s: %s\n", what, hf_strerror(err), why.text);
    exit(1);
}

static struct store *open_store(enum store_role role)
{
    struct store_options options = {.path = folder, .role = role, .cache_mb = cache_mb};
    struct store *store;
    must(store_open(&options, &store, &why), "open");
    return store;
}

static size_t name_of(unsigned i, char *key) { return (size_t)sprintf(key, "app.host-%03u.metric-%05u", i % 100, i / 100); }

/* ---- the reader ---- */

static bool count_cell(void *context, uint32_t slot, const void *cell, size_t len)
{
    (void)slot, (void)cell, (void)len;
    ++*(unsigned *)context;
    return true;
}

static void ask(struct store *store, bool range, unsigned i)
{
    static struct hf_buf buf;
    char key[64];
    size_t key_bytes = name_of(i, key);
    struct store_read *read;
    unsigned count = 0;
    enum hf_err err;
    do {
        must(store_read_begin(store, &read, &why), "begin to read");
        err = range ? store_read_range(read, STORE_MINUTES, key, key_bytes, SLOT, SLOT + 59, count_cell, &count)
                    : store_read_cell(read, STORE_HOURS, key, key_bytes, SLOT, &buf);
        store_read_end(&read);
    } while (err == HF_AGAIN);
    must(err, "read");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_reader(bool range, int ready)
{
    static double waits[MOST_WAITS];
    unsigned n = 0, random = 1;
    struct store *store = open_store(STORE_READER);
    double every_s = range ? RANGE_EVERY_S : CELL_EVERY_S;
    signal(SIGTERM, on_term);
    if (write(ready, "r", 1) != 1)
        exit(1);
    for (double due_s = now_s(); !stop && n < MOST_WAITS; due_s += every_s) {
        sleep_s(due_s - now_s());
        random = random * 1664525u + 1013904223u;
        ask(store, range, random / 7 % cells);
        waits[n++] = now_s() - due_s;
    }
    store_close(&store);
    qsort(waits, n, sizeof *waits, by_size);
    printf("%-10s %7u asked  p50 %8.3f  p90 %8.3f  p99 %8.3f  p99.9 %8.3f  max %8.3f ms\n", range ? "60 minutes" : "one cell",
           n, waits[n / 2] * 1e3, waits[n * 9 / 10] * 1e3, waits[n * 99 / 100] * 1e3, waits[(size_t)n * 999 / 1000] * 1e3,
           waits[n - 1] * 1e3);
    exit(0);
}

static pid_t start_reader(bool range)
{
    int ends[2];
    char byte;
    if (pipe(ends) != 0)
        exit(1);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        run_reader(range, ends[1]);
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        exit(1);
    close(ends[0]);
    return pid;
}

/* ---- the writer ---- */

static unsigned char filling[1 << 20];

/* Sorted as the store sorts: the keys of name_of() are, in the order host, metric. */
static void write_slot(struct store_write *write, enum store_table table, uint32_t slot, unsigned len, unsigned round)
{
    char key[64];
    for (unsigned host = 0; host < 100; host++)
        for (unsigned metric = 0; metric < cells / 100; metric++) {
            size_t key_bytes = name_of(metric * 100 + host, key);
            must(store_write_cell(write, table, key, key_bytes, slot, filling + (host * 31 + metric * 7 + round) % 4096, len),
                 "write");
        }
}

static double commit_once(struct store *store, unsigned round)
{
    struct store_write *write;
    double begin_s = now_s();
    must(store_write_begin(store, &write, &why), "begin to write");
    write_slot(write, STORE_HOURS, SLOT, bytes / 2 + bytes * round / (2 * commits), round);
    must(store_write_commit(&write, &why), "commit");
    return now_s() - begin_s;
}

/* Some hours and minutes that are there already. */
static void fill(struct store *store)
{
    struct store_write *write;
    for (uint32_t slot = SLOT; slot < SLOT + 60; slot += cells > 20000 ? 10 : 1) {
        must(store_write_begin(store, &write, &why), "begin to write");
        write_slot(write, STORE_MINUTES, slot, bytes / 4 + 20, slot);
        must(store_write_commit(&write, &why), "commit");
        must(store_checkpoint(store, &why), "checkpoint");
    }
    for (unsigned i = 0; i < 2; i++)
        commit_once(store, i);
    must(store_checkpoint(store, &why), "checkpoint");
}

int main(int argc, char **argv)
{
    unsigned *numbers[] = {&cells, &bytes, &cache_mb, &commits};
    for (int i = 1; i < argc && i <= 4; i++)
        *numbers[i - 1] = (unsigned)strtoul(argv[i], NULL, 10);
    if (argc > 5)
        folder = argv[5];
    unsigned random = 1;
    for (size_t i = 0; i < sizeof filling; i++)
        filling[i] = (unsigned char)((random = random * 1664525u + 1013904223u) >> 24);
    struct store *store = open_store(STORE_WRITER);
    fill(store);
    store_close(&store); /* readers are forked: no thread of a store may run */
    store = NULL;
    pid_t readers[2] = {0};
    printf("%u cells of up to %u bytes a commit, cache %u MiB\n", cells, bytes, cache_mb);
    readers[0] = start_reader(false);
    readers[1] = start_reader(true);
    store = open_store(STORE_WRITER);
    double sum_s = 0, longest_s = 0, checkpoint_s = 0, begin_s = now_s();
    for (unsigned i = 0; i < commits; i++) {
        double took_s = commit_once(store, i);
        sum_s += took_s;
        longest_s = took_s > longest_s ? took_s : longest_s;
        must(store_sync(store, &why), "sync");
        if (i % 8 == 7) {
            double at_s = now_s();
            must(store_checkpoint(store, &why), "checkpoint");
            checkpoint_s = now_s() - at_s > checkpoint_s ? now_s() - at_s : checkpoint_s;
        }
        sleep_s(begin_s + i + 1 - now_s());
    }
    printf("commit     %7.3f s, longest %.3f s: %.0f cells/s; longest checkpoint %.3f s\n", sum_s / commits, longest_s,
           cells * commits / sum_s, checkpoint_s);
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        kill(readers[i], SIGTERM);
        waitpid(readers[i], NULL, 0);
    }
    store_close(&store);
    return 0;
}
