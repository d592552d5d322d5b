/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <float.h>
#include <math.h>
#include <sodium.h>

#include "base/utc.h"
#include "batch/batch.h"

#define NOW_MS INT64_C(1795460402500)

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) /* xorshift64, G. Marsaglia 2003 */
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}

static uint64_t below(uint64_t n) { return next_random() % n; }

/* ---- lists of samples made by hand: every sample owns its strings ---- */

static void list_add(struct sample_list *list, const char *key, double value, int64_t time_ms, const char *id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity * 2 + 16;
        list->samples = realloc(list->samples, list->capacity * sizeof *list->samples);
        assert_non_null(list->samples);
    }
    list->samples[list->count++] = (struct sample){.key = strdup(key),
                                                   .key_bytes = (uint8_t)strlen(key),
                                                   .id = id == NULL ? NULL : strdup(id),
                                                   .id_bytes = id == NULL ? 0 : (uint8_t)strlen(id),
                                                   .value = value,
                                                   .time_ms = time_ms};
}

static void list_clear(struct sample_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free((char *)(uintptr_t)list->samples[i].key);
        free((char *)(uintptr_t)list->samples[i].id);
    }
    free(list->samples);
    *list = (struct sample_list){0};
}

static double random_value(void)
{
    static const double edges[] = {0, 1, -1, 63, 64, -64, -65, 0.1, 12.5, 9007199254740991.0, -9007199254740991.0,
                                   9007199254740992.0, -9007199254740992.0, 9007199254740994.0, DBL_MAX, -DBL_MAX, DBL_MIN,
                                   4.9e-324, -4.9e-324, 0.9999999999999999, 4503599627370495.5, 1e15, 1e16, 1e300};
    uint64_t bits = next_random();
    double v;
    switch (below(4)) {
    case 0: return edges[below(sizeof edges / sizeof *edges)];
    case 1: return (double)below(100000) / 100;
    case 2: return (double)(int64_t)(bits >> below(64)) * (below(2) ? 1 : -1) + 0.0;
    default:
        memcpy(&v, &bits, sizeof v);
        return isfinite(v) ? v + 0.0 : 1;
    }
}

static int64_t random_time(void)
{
    static const int64_t edges[] = {0, 1, 999, HF_UTC_MAX_MS, HF_UTC_MAX_MS - 1, NOW_MS};
    return below(8) == 0 ? edges[below(sizeof edges / sizeof *edges)] : NOW_MS + (int64_t)below(7200000) - 3600000;
}

static void random_list(struct sample_list *list, size_t count, size_t keys)
{
    for (size_t i = 0; i < count; i++) {
        char key[SAMPLE_KEY_MAX + 1], id[SAMPLE_ID_MAX + 1];
        snprintf(key, sizeof key, "app%zu.latency", (size_t)below(keys));
        if (below(50) == 0) {
            memset(key, 'k', SAMPLE_KEY_MAX);
            key[SAMPLE_KEY_MAX] = '\0';
        }
        size_t id_bytes = 1 + below(SAMPLE_ID_MAX);
        for (size_t j = 0; j < id_bytes; j++)
            id[j] = (char)(' ' + below(95));
        id[id_bytes] = '\0';
        list_add(list, key, random_value(), random_time(), below(3) == 0 ? id : NULL);
    }
}

static bool same_sample(const struct sample *a, const struct sample *b)
{
    return a->key_bytes == b->key_bytes && memcmp(a->key, b->key, a->key_bytes) == 0 &&
           memcmp(&a->value, &b->value, sizeof a->value) == 0 && a->time_ms == b->time_ms && a->id_bytes == b->id_bytes &&
           (a->id == NULL) == (b->id == NULL) && (a->id == NULL || memcmp(a->id, b->id, a->id_bytes) == 0);
}

static void check_same(const struct sample_list *list, const struct hf_buf *message, uint64_t producer, uint64_t number)
{
    struct batch_reader *reader = batch_reader_new();
    const struct batch *batch;
    assert_int_equal(batch_open(reader, message->data, message->len, &batch), HF_OK);
    assert_true(batch->producer == producer && batch->number == number);
    assert_int_equal(batch->sample_count, list->count);
    for (uint32_t i = 0; i < batch->key_count; i++)
        for (uint32_t j = 0; j < i && batch->key_count < 100; j++)
            assert_false(batch->keys[i].bytes == batch->keys[j].bytes &&
                         memcmp(batch->keys[i].text, batch->keys[j].text, batch->keys[i].bytes) == 0);
    struct sample sample;
    uint32_t index;
    for (size_t i = 0; i < list->count; i++) {
        assert_int_equal(batch_next(reader, &sample, &index), HF_OK);
        assert_true_of(same_sample(&sample, &list->samples[i]), "sample %zu: %.17g and %.17g", i, sample.value,
                       list->samples[i].value);
        assert_true(index < batch->key_count && batch->keys[index].text == sample.key);
    }
    assert_int_equal(batch_next(reader, &sample, &index), HF_NOTFOUND);
    assert_int_equal(batch_next(reader, &sample, &index), HF_NOTFOUND);
    batch_reader_free(&reader);
    assert_null(reader);
}

static void random_lists_round_trip(void **state)
{
    (void)state;
    struct batch_writer *writer = batch_writer_new();
    struct hf_buf message = {0};
    for (int round = 0; round < 400; round++) {
        struct sample_list list = {0};
        random_list(&list, 1 + (size_t)below(round % 20 == 0 ? 3000 : 30), 1 + (size_t)below(200));
        uint64_t producer = next_random(), number = 1 + (next_random() >> below(64)) % UINT64_MAX;
        batch_writer_reset(writer);
        assert_int_equal(batch_add(writer, &list), HF_OK);
        assert_int_equal(batch_samples(writer), list.count);
        assert_int_equal(batch_seal(writer, producer, number, &message), HF_OK);
        check_same(&list, &message, producer, number);

        /* Sealing changes nothing, and how the samples were portioned does not show. */
        struct hf_buf again = {0};
        struct sample_list head = list, tail = list;
        head.count = (size_t)below(list.count + 1);
        tail.samples += head.count;
        tail.count -= head.count;
        batch_writer_reset(writer);
        assert_int_equal(batch_add(writer, &head), HF_OK);
        if (head.count > 0)
            assert_int_equal(batch_seal(writer, producer, number, &again), HF_OK);
        assert_int_equal(batch_add(writer, &tail), HF_OK);
        assert_int_equal(batch_seal(writer, producer, number, &again), HF_OK);
        assert_int_equal(again.len, message.len);
        assert_memory_equal(again.data, message.data, message.len);
        hf_buf_free(&again);
        list_clear(&list);
    }
    hf_buf_free(&message);
    batch_writer_free(&writer);
    assert_null(writer);
}

/* ---- limits ---- */

static void an_empty_batch_is_not_sealed(void **state)
{
    (void)state;
    struct batch_writer *writer = batch_writer_new();
    struct sample_list list = {0};
    struct hf_buf message = {0};
    assert_int_equal(batch_add(writer, &list), HF_OK);
    assert_int_equal(batch_seal(writer, 1, 1, &message), HF_INVALID);
    list_add(&list, "a", 1, NOW_MS, NULL);
    assert_int_equal(batch_add(writer, &list), HF_OK);
    assert_int_equal(batch_seal(writer, 1, 0, &message), HF_INVALID);
    assert_int_equal(batch_seal(writer, 1, UINT64_MAX, &message), HF_OK);
    list_clear(&list);
    hf_buf_free(&message);
    batch_writer_free(&writer);
}

/* A list that does not fit leaves the batch as it was, to the byte. */
static void a_list_is_added_whole_or_not_at_all(void **state)
{
    (void)state;
    struct batch_writer *writer = batch_writer_new();
    struct hf_buf message = {0}, before = {0};
    struct sample_list small = {0}, all = {0};
    int lists = 0;
    for (;; lists++) {
        size_t count = 1 + (size_t)below(2000), first = all.count;
        random_list(&all, count, 2000);
        small = all;
        small.samples += first;
        small.count = count;
        if (batch_samples(writer) > 0)
            assert_int_equal(batch_seal(writer, 7, UINT64_MAX, &before), HF_OK);
        enum hf_err err = batch_add(writer, &small);
        if (err == HF_FULL)
            break;
        assert_int_equal(err, HF_OK);
    }
    assert_true(lists > 5);
    assert_int_equal(batch_seal(writer, 7, UINT64_MAX, &message), HF_OK);
    assert_true(message.len > BATCH_BYTES_MAX * 8 / 10 && message.len <= BATCH_BYTES_MAX);
    assert_int_equal(message.len, before.len);
    assert_memory_equal(message.data, before.data, before.len);
    /* What did not fit goes into the next one, and one sample after another still into this. */
    size_t added = 0;
    for (; added < small.count; added++) {
        struct sample_list one = {.samples = &small.samples[added], .count = 1};
        if (batch_add(writer, &one) != HF_OK)
            break;
    }
    assert_true(added < small.count);
    assert_int_equal(batch_seal(writer, 7, UINT64_MAX, &message), HF_OK);
    assert_true(message.len <= BATCH_BYTES_MAX && message.len > BATCH_BYTES_MAX - 300);
    all.count -= small.count - added;
    check_same(&all, &message, 7, UINT64_MAX);
    all.count += small.count - added;
    batch_writer_reset(writer);
    assert_int_equal(batch_add(writer, &small), HF_OK);
    list_clear(&all);
    hf_buf_free(&message);
    hf_buf_free(&before);
    batch_writer_free(&writer);
}

/* Keys alone can fill a batch too: 200 bytes each, all different, so that the table reaches the limit. */
static void a_batch_of_keys_alone_fills_up(void **state)
{
    (void)state;
    struct batch_writer *writer = batch_writer_new();
    struct hf_buf message = {0};
    struct sample_list all = {0};
    for (int i = 0;; i++) {
        char key[SAMPLE_KEY_MAX + 1];
        snprintf(key, sizeof key, "%0200d", i);
        list_add(&all, key, i, NOW_MS, NULL);
        struct sample_list one = {.samples = &all.samples[all.count - 1], .count = 1};
        enum hf_err err = batch_add(writer, &one);
        if (err != HF_OK) {
            assert_int_equal(err, HF_FULL);
            break;
        }
    }
    all.count--;
    assert_int_equal(batch_seal(writer, 1, 1, &message), HF_OK);
    assert_true(message.len <= BATCH_BYTES_MAX && message.len > BATCH_BYTES_MAX - 250);
    check_same(&all, &message, 1, 1);
    all.count++;
    list_clear(&all);
    hf_buf_free(&message);
    batch_writer_free(&writer);
}

static void the_number_of_samples_is_bounded(void **state)
{
    (void)state;
    /* The bytes bound it before: the smallest sample takes three. */
    struct batch_writer *writer = batch_writer_new();
    struct sample one = {.key = "a", .key_bytes = 1, .value = 1, .time_ms = 0};
    struct sample_list list = {.samples = &one, .count = 1};
    enum hf_err err;
    while ((err = batch_add(writer, &list)) == HF_OK)
        ;
    assert_int_equal(err, HF_FULL);
    assert_int_equal(batch_samples(writer), (BATCH_BYTES_MAX - (4 + 8 + 10 + 1 + 3 + 2 + 8)) / 3);
    assert_true(batch_samples(writer) <= BATCH_SAMPLES_MAX);
    batch_writer_free(&writer);
}

/* ---- damage ---- */

static enum hf_err open_copy(struct batch_reader *reader, const unsigned char *bytes, size_t len)
{
    unsigned char *copy = malloc(len);
    const struct batch *batch;
    if (len > 0)
        memcpy(copy, bytes, len);
    enum hf_err err = batch_open(reader, copy, len, &batch);
    struct sample sample;
    uint32_t index;
    if (err != HF_OK)
        assert_int_equal(batch_next(reader, &sample, &index), HF_NOTFOUND);
    free(copy);
    return err;
}

static void damage_is_always_found(void **state)
{
    (void)state;
    struct batch_writer *writer = batch_writer_new();
    struct batch_reader *reader = batch_reader_new();
    struct sample_list list = {0};
    struct hf_buf message = {0};
    random_list(&list, 40, 5);
    assert_int_equal(batch_add(writer, &list), HF_OK);
    assert_int_equal(batch_seal(writer, 1, 1, &message), HF_OK);

    for (size_t len = 0; len < message.len; len++) /* cut anywhere */
        assert_int_equal(open_copy(reader, message.data, len), HF_INVALID);
    for (size_t bit = 0; bit < message.len * 8; bit++) { /* any one bit */
        message.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(open_copy(reader, message.data, message.len), HF_INVALID);
        message.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    unsigned char *damaged = malloc(message.len + 1);
    for (int i = 0; i < 10000; i++) { /* several bytes at once */
        memcpy(damaged, message.data, message.len);
        for (uint64_t n = 1 + below(8); n > 0; n--)
            damaged[below(message.len)] ^= (unsigned char)(1 + below(255));
        if (memcmp(damaged, message.data, message.len) != 0)
            assert_int_equal(open_copy(reader, damaged, message.len), HF_INVALID);
    }
    memcpy(damaged, message.data, message.len);
    damaged[message.len] = 0;
    assert_int_equal(open_copy(reader, damaged, message.len + 1), HF_INVALID);
    assert_int_equal(open_copy(reader, message.data, message.len), HF_OK);
    free(damaged);
    list_clear(&list);
    hf_buf_free(&message);
    batch_writer_free(&writer);
    batch_reader_free(&reader);
}

/* ---- what batch_seal() would not write, under a good checksum ---- */

static void put_checksum(struct hf_buf *buf)
{
    unsigned char sum[crypto_shorthash_BYTES];
    crypto_shorthash(sum, buf->data, buf->len, (const unsigned char *)"hourfold batch 1");
    hf_buf_put(buf, sum, sizeof sum);
}

static void only_the_one_encoding_is_taken(void **state)
{
    (void)state;
    /* After the producer: number, keys, samples, the table, the samples. The time 0x00 is 0 ms, the value 0x02 is 1. */
    static const struct { enum hf_err err; const char *bytes; size_t len; const char *what; } cases[] = {
#define CASE(err, bytes, what) {err, bytes, sizeof bytes - 1, what}
        CASE(HF_OK, "\x01\x01\x01\x01" "a" "\x00\x00\x02", "the smallest"),
        CASE(HF_OK, "\x01\x01\x01\x01" "a" "\x01\x00\x02\x01" "i", "with an id"),
        CASE(HF_OK, "\x01\x01\x01\x01" "a" "\x02\x00\x00\x00\x00\x00\x00\x00\xe0\x3f", "raw 0.5"),
        CASE(HF_OK, "\x01\x02\x02\x01" "a" "\x01" "b" "\x00\x00\x02\x04\x00\x02", "two keys"),
        CASE(HF_OK, "\x01\x01\x01\x01" "a" "\x00\xfe\xef\xfe\xa1\xfa\x9d\x73\x02", "the last millisecond"),
        CASE(HF_OK, "\x01\x01\x01\x01" "a" "\x00\x00\xfd\xff\xff\xff\xff\xff\xff\x1f", "-(2^53 - 1)"),
        CASE(HF_INVALID, "\x00\x01\x01\x01" "a" "\x00\x00\x02", "number 0"),
        CASE(HF_INVALID, "\x81\x00\x01\x01\x01" "a" "\x00\x00\x02", "a number with a needless byte"),
        CASE(HF_INVALID, "\x01\x00\x01\x00\x00\x02", "no key"),
        CASE(HF_INVALID, "\x01\x01\x00\x01" "a", "no sample"),
        CASE(HF_INVALID, "\x01\x01\x02\x01" "a" "\x00\x00\x02", "a sample too few"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x00\x00\x02\x00\x00\x02", "a sample too many"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x00\x00\x02\x00", "a byte too many"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x00\x00", "a byte too few"),
        CASE(HF_INVALID, "\x01\x01\xff\xff\xff\xff\x0f\x01" "a" "\x00\x00\x02", "four billion samples"),
        CASE(HF_INVALID, "\x01\xff\xff\xff\xff\x0f\x01\x01" "a" "\x00\x00\x02", "four billion keys"),
        CASE(HF_INVALID, "\x01\x01\x01\x00\x00\x00\x02", "an empty key"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "." "\x00\x00\x02", "a key that is none"),
        CASE(HF_INVALID, "\x01\x01\x01\x07" "collect" "\x00\x00\x02", "the reserved key"),
        CASE(HF_INVALID, "\x01\x01\x01\x81\x00" "a" "\x00\x00\x02", "a length with a needless byte"),
        CASE(HF_INVALID, "\x01\x01\x01\x7f" "a" "\x00\x00\x02", "a key past the end"),
        CASE(HF_INVALID, "\x01\x02\x02\x01" "a" "\x01" "a" "\x00\x00\x02\x04\x00\x02", "a key twice"),
        CASE(HF_INVALID, "\x01\x02\x02\x01" "a" "\x01" "b" "\x04\x00\x02\x00\x00\x02", "keys out of the order of use"),
        CASE(HF_INVALID, "\x01\x02\x03\x01" "a" "\x01" "b" "\x04\x00\x02\x00\x00\x02\x04\x00\x02", "the second key first"),
        CASE(HF_INVALID, "\x01\x02\x02\x01" "a" "\x01" "b" "\x00\x00\x02\x00\x00\x02", "a key never used"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x04\x00\x02", "a key that is not there"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x80\x00\x00\x02", "an index with a needless byte"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x00\x01\x02", "a time before 1970"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x00\x80\xf0\xfe\xa1\xfa\x9d\x73\x02", "a time after 9999"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", "a time past int64"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x00\x00\x80\x80\x80\x80\x80\x80\x80\x20", "2^53 as an integer"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x02\x00\x00\x00\x00\x00\x00\x00\xf0\x3f", "1 as a raw double"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00", "0 as a raw double"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x02\x00\x00\x00\x00\x00\x00\x00\x00\x80", "-0"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x02\x00\x00\x00\x00\x00\x00\x00\xf0\x7f", "infinity"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x02\x00\x00\x00\x00\x00\x00\x00\xf8\x7f", "NaN"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x02\x00\x00\x00\x00\xe0\x3f", "a raw double cut short"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x01\x00\x02\x00", "an empty id"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x01\x00\x02\x01\x1f", "an id that is none"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x01\x00\x02\x02" "i", "an id past the end"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x01\x00\x02", "no id where one is announced"),
        CASE(HF_INVALID, "\x01\x01\x01\x01" "a" "\x01\x00\x02\x81\x00" "i", "an id's length with a needless byte"),
#undef CASE
    };
    struct batch_reader *reader = batch_reader_new();
    struct hf_buf buf = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hf_buf_clear(&buf);
        hf_buf_put(&buf, "HFB\1producer", 12);
        hf_buf_put(&buf, cases[i].bytes, cases[i].len);
        put_checksum(&buf);
        assert_true_of(open_copy(reader, buf.data, buf.len) == cases[i].err, "%s", cases[i].what);
    }
    static const char *const magics[] = {"HFB\2producer", "HFB\0producer", "hfb\1producer", "HFC\1producer"};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        hf_buf_clear(&buf);
        hf_buf_put(&buf, magics[i], 12);
        hf_buf_put(&buf, "\x01\x01\x01\x01" "a" "\x00\x00\x02", 8);
        put_checksum(&buf);
        assert_int_equal(open_copy(reader, buf.data, buf.len), HF_INVALID);
    }
    hf_buf_free(&buf);
    batch_reader_free(&reader);
}

/* A message is never longer than one that batch_add() let grow, whose number may yet take ten bytes. */
static void the_length_is_bounded_exactly(void **state)
{
    (void)state;
    struct batch_reader *reader = batch_reader_new();
    struct hf_buf buf = {0};
    for (size_t key_bytes = 2; key_bytes <= 3; key_bytes++) {
        const size_t samples = 333321;
        hf_buf_clear(&buf);
        hf_buf_put(&buf, "HFB\1producer\1\1", 14);
        hf_buf_varint(&buf, samples);
        hf_buf_varint(&buf, key_bytes);
        hf_buf_put(&buf, "aaa", key_bytes);
        for (size_t i = 0; i < samples; i++)
            hf_buf_put(&buf, "\x00\x00\x02", 3);
        put_checksum(&buf);
        assert_int_equal(buf.len, BATCH_BYTES_MAX - 9 + key_bytes - 2);
        assert_int_equal(open_copy(reader, buf.data, buf.len), key_bytes == 2 ? HF_OK : HF_INVALID);
    }
    hf_buf_free(&buf);
    batch_reader_free(&reader);
}

static void a_sample_takes_few_bytes(void **state)
{
    (void)state;
    struct batch_writer *writer = batch_writer_new();
    struct sample_list list = {0};
    struct hf_buf message = {0};
    for (int i = 0; i < 10000; i++)
        list_add(&list, i % 2 == 0 ? "checkout.latency" : "checkout.count", i % 1000, NOW_MS + i, NULL);
    assert_int_equal(batch_add(writer, &list), HF_OK);
    assert_int_equal(batch_seal(writer, next_random(), 1, &message), HF_OK);
    assert_true_of(message.len < 41000, "%zu bytes", message.len);
    list_clear(&list);
    hf_buf_free(&message);
    batch_writer_free(&writer);
}

UNIT_TESTS(unit(random_lists_round_trip), unit(an_empty_batch_is_not_sealed), unit(a_list_is_added_whole_or_not_at_all),
           unit(a_batch_of_keys_alone_fills_up), unit(the_number_of_samples_is_bounded), unit(damage_is_always_found),
           unit(only_the_one_encoding_is_taken), unit(the_length_is_bounded_exactly),
           unit(a_sample_takes_few_bytes))
