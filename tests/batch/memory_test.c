/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory on the way from a request to a batch and out of it: what happens when
 * any one allocation fails, and that in the steady state there is none.
 */
#include "../memory.h"
#include "../unit.h"

#include "batch/batch.h"
#include "sample/sample.h"

static const struct sample_limits limits = {
    .now_ms = INT64_C(1795460402500), .max_age_ms = INT64_C(31) * 86400000, .max_skew_ms = 600000, .max_samples = 1000};

struct way {
    struct sample_list list;
    struct batch_writer *writer;
    struct batch_reader *reader;
    struct hf_buf message;
    size_t read; /* samples that came out at the end */
};

static char many_keys[4096];

static enum hf_err read_all(struct sample_list *list)
{
    static const char query[] = "key=a&value=1,2,3&ts=1795460402";
    static const char data[] = "data=%7B%22value%22:%5B1,2%5D,%22k%65y%22:%22b%22%7D";
    static const char json[] = "[{\"k\\u0065y\":\"c\",\"value\":[1,2]},{\"key\":\"d\",\"value\":1,\"id\":\"x\"}]";
    static const char collectd[] = "[{\"values\":[1,null],\"dsnames\":[\"r\",\"\\u0077\"],\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]";
    struct sample_fault fault;
    enum hf_err err;
    sample_list_reset(list);
    if ((err = sample_read_query(query, sizeof query - 1, &limits, list, &fault)) != HF_OK ||
        (err = sample_read_query(data, sizeof data - 1, &limits, list, &fault)) != HF_OK ||
        (err = sample_read_json(json, sizeof json - 1, &limits, list, &fault)) != HF_OK ||
        (err = sample_read_json(many_keys, strlen(many_keys), &limits, list, &fault)) != HF_OK ||
        (err = sample_read_collectd(collectd, sizeof collectd - 1, &limits, list, &fault)) != HF_OK)
        return err;
    return HF_OK;
}

/* The whole way of one request; HF_OK or what failed. */
static enum hf_err go(struct way *way)
{
    const struct batch *batch;
    struct sample sample;
    uint32_t key;
    enum hf_err err;
    if (way->writer == NULL && (way->writer = batch_writer_new()) == NULL)
        return HF_NOMEM;
    if (way->reader == NULL && (way->reader = batch_reader_new()) == NULL)
        return HF_NOMEM;
    batch_writer_reset(way->writer);
    if ((err = read_all(&way->list)) != HF_OK || (err = batch_add(way->writer, &way->list)) != HF_OK ||
        (err = batch_seal(way->writer, 1, 1, &way->message)) != HF_OK ||
        (err = batch_open(way->reader, way->message.data, way->message.len, &batch)) != HF_OK)
        return err;
    for (way->read = 0; batch_next(way->reader, &sample, &key) == HF_OK; way->read++)
        ;
    return HF_OK;
}

static void end(struct way *way)
{
    sample_list_free(&way->list);
    batch_writer_free(&way->writer);
    batch_reader_free(&way->reader);
    hf_buf_free(&way->message);
}

static size_t fill_many_keys(void)
{
    size_t len = 0, count = 100;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(many_keys + len, sizeof many_keys - len, "%c\"key-%zu\":%zu", i == 0 ? '{' : ',', i, i);
    snprintf(many_keys + len, sizeof many_keys - len, "}");
    return count + 3 + 2 + 3 + 1;
}

static size_t expected_samples;

static void go_and_again(void *context)
{
    (void)context;
    struct way way = {0};
    enum hf_err err = go(&way);
    assert_int_equal(err, memory_failed() ? HF_NOMEM : HF_OK);
    /* And nothing is left in disorder: the same objects go the whole way next time. */
    memory_pause();
    assert_int_equal(go(&way), HF_OK);
    assert_int_equal(way.read, expected_samples);
    end(&way);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    expected_samples = fill_many_keys();
    assert_true(memory_each(go_and_again, NULL) > 15);
}

static void the_steady_state_allocates_nothing(void **state)
{
    (void)state;
    struct way way = {0};
    fill_many_keys();
    assert_int_equal(go(&way), HF_OK);
    memory_plan(MEMORY_ALL_WELL, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(go(&way), HF_OK);
    assert_int_equal(memory_count(), 0);
    end(&way);
}

UNIT_TESTS(unit(any_allocation_may_fail), unit(the_steady_state_allocates_nothing))
