/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one sample costs on its way in: nanoseconds of each reader, and of
 * adding to, sealing, opening and reading a batch. The best of several rounds,
 * since a shared machine only ever adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "batch/batch.h"
#include "sample/sample.h"

#define NOW_MS INT64_C(1795460402500)
#define ROUNDS 7
#define ROUND_NS 50e6

static const struct sample_limits limits = {
    .now_ms = NOW_MS, .max_age_ms = INT64_C(31) * 86400000, .max_skew_ms = 600000, .max_samples = 100000};

static bool brief; /* once each: for counting instructions */
static struct sample_list list;
static struct hf_buf text;
static struct hf_buf message;
static struct batch_writer *writer;
static struct batch_reader *reader;

static void must(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "reader_bench: %s failed\n", what);
    exit(1);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Time `step`, which deals with `samples` of them. */
static void measure(const char *name, void (*step)(void), size_t samples)
{
    double best = 1e300;
    if (brief) {
        step();
        return;
    }
    for (int round = 0; round < ROUNDS; round++) {
        double begin = now_ns(), spent;
        unsigned long steps = 0;
        do {
            for (int i = 0; i < 16; i++)
                step();
            steps += 16;
            spent = now_ns() - begin;
        } while (spent < ROUND_NS);
        if (spent / (double)steps < best)
            best = spent / (double)steps;
    }
    printf("%-44s %9.1f ns a call %8.1f ns a sample\n", name, best, best / (double)samples);
}

/* ---- readers ---- */

typedef enum hf_err (*reader_fn)(const char *, size_t, const struct sample_limits *, struct sample_list *,
                                 struct sample_fault *);
static reader_fn read_text;

static void read_step(void)
{
    struct sample_fault fault;
    sample_list_reset(&list);
    must(read_text((char *)text.data, text.len, &limits, &list, &fault) == HF_OK, "reading");
}

static void measure_reader(const char *name, reader_fn read)
{
    read_text = read;
    read_step();
    measure(name, read_step, list.count);
}

static void begin_text(const char *begin)
{
    hf_buf_clear(&text);
    hf_buf_puts(&text, begin);
}

static void readers(void)
{
    begin_text("key=checkout.web-3.response_time&value=12.53");
    measure_reader("query: one sample", sample_read_query);
    begin_text("key=checkout.web-3.response_time&value=12.53&ts=1795460402.25&id=8f14e45f-ceea");
    measure_reader("query: one sample with time and id", sample_read_query);
    begin_text("key=checkout.web-3.response_time&value=12.53");
    for (int i = 1; i < 100; i++)
        hf_buf_printf(&text, ",%d.%02d", i, i);
    measure_reader("query: 100 values", sample_read_query);
    begin_text("data=%7B%22checkout.web-3.response_time%22%3A12.53%7D");
    measure_reader("query: one sample as data", sample_read_query);

    begin_text("{\"key\":\"checkout.web-3.response_time\",\"value\":12.53}");
    measure_reader("JSON: one sample object", sample_read_json);
    begin_text("");
    for (int i = 0; i < 20; i++)
        hf_buf_printf(&text, "%c\"app.key-%d.latency\":%d.%02d", i == 0 ? '{' : ',', i, i, i);
    hf_buf_puts(&text, "}");
    measure_reader("JSON: map of 20 keys", sample_read_json);
    begin_text("{\"checkout.web-3.response_time\":[0");
    for (int i = 0; i < 1000; i++)
        hf_buf_printf(&text, ",%d.%02d", i, i % 100);
    hf_buf_puts(&text, "]}");
    measure_reader("JSON: map of one key, 1,001 values", sample_read_json);
    begin_text("");
    for (int i = 0; i < 100; i++)
        hf_buf_printf(&text, "%c{\"key\":\"app.key-%d.latency\",\"value\":%d.%02d,\"ts\":1795460402.%03d}", i == 0 ? '[' : ',',
                      i % 7, i, i, i);
    hf_buf_puts(&text, "]");
    measure_reader("JSON: array of 100 samples with time", sample_read_json);
    begin_text("");
    for (int i = 0; i < 100; i++)
        hf_buf_printf(&text,
                      "%c{\"values\":[%d.5,%d],\"dstypes\":[\"derive\",\"derive\"],\"dsnames\":[\"rx\",\"tx\"],"
                      "\"time\":1795460402.%03d,\"interval\":10.000,\"host\":\"web-3\",\"plugin\":\"interface\","
                      "\"plugin_instance\":\"eth%d\",\"type\":\"if_octets\",\"type_instance\":\"\"}",
                      i == 0 ? '[' : ',', i, i, i, i);
    hf_buf_puts(&text, "]");
    measure_reader("collectd: 100 value lists of 2", sample_read_collectd);
}

/* ---- batches ---- */

static struct sample one;

static void add_step(void)
{
    batch_writer_reset(writer);
    for (size_t i = 0; i < list.count; i++) {
        one = list.samples[i];
        struct sample_list single = {.samples = &one, .count = 1};
        must(batch_add(writer, &single) == HF_OK, "adding");
    }
}

static void add_list_step(void)
{
    batch_writer_reset(writer);
    must(batch_add(writer, &list) == HF_OK, "adding");
}

static void seal_step(void) { must(batch_seal(writer, 1, 1, &message) == HF_OK, "sealing"); }

static void open_step(void)
{
    const struct batch *batch;
    must(batch_open(reader, message.data, message.len, &batch) == HF_OK, "opening");
}

static void open_and_read_step(void)
{
    struct sample sample;
    uint32_t key;
    open_step();
    while (batch_next(reader, &sample, &key) == HF_OK)
        ;
}

static void batches(size_t samples, int keys)
{
    begin_text("");
    for (size_t i = 0; i < samples; i++)
        hf_buf_printf(&text, "%c{\"key\":\"app.key-%zu.latency\",\"value\":%zu.%02zu,\"ts\":1795460402.%03zu}", i == 0 ? '[' : ',',
                      i % (size_t)keys, i, i % 100, i % 1000);
    hf_buf_puts(&text, "]");
    read_text = sample_read_json;
    read_step();
    printf("a batch of %zu samples, %d keys", samples, keys);
    add_step();
    seal_step();
    printf(": %zu bytes, %.1f a sample\n", message.len, (double)message.len / (double)samples);
    measure("  add, sample by sample", add_step, samples);
    measure("  add, all in one list", add_list_step, samples);
    measure("  seal", seal_step, samples);
    measure("  open", open_step, samples);
    measure("  open and read all", open_and_read_step, samples);
}

int main(void)
{
    brief = getenv("HF_BENCH_BRIEF") != NULL;
    writer = batch_writer_new();
    reader = batch_reader_new();
    must(writer != NULL && reader != NULL, "making a batch");
    readers();
    batches(1, 1);
    batches(100, 10);
    batches(10000, 100);
    batch_writer_free(&writer);
    batch_reader_free(&reader);
    sample_list_free(&list);
    hf_buf_free(&text);
    hf_buf_free(&message);
    return 0;
}
