/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message, version 1. Integers are little-endian; a varint is that of
 * base/buf.h, a signed one zigzag-mapped.
 *
 *   bytes     field
 *   3         magic "HFB"
 *   1         version, 1
 *   8         producer
 *   1..10     number of the batch, varint, from 1
 *   1..3      number of keys, varint, from 1
 *   1..3      number of samples, varint, from 1
 *             then for each key, in the order of first use:
 *   1..2        length, varint, 1..200
 *   1..200      the key
 *             then for each sample:
 *   1..4        varint: index of the key * 4 + flags
 *                 flag 1: an id follows; flag 2: the value is raw
 *   1..7        time in ms less that of the sample before (0 before the first), signed varint
 *   1..8        the value: a signed varint when it is an integer of magnitude below 2^53;
 *               otherwise, and raw, the 8 bytes of the IEEE 754 double
 *   0 or 2..65  the id, if any: length, 1..64, and the bytes
 *   8         checksum of all bytes before it
 *
 * The checksum is that of base/checksum.h.
 */
#include "batch/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/names.h"
#include "base/utc.h"

#define MAGIC "HFB\1" /* the version included */
#define MAGIC_BYTES 4u
#define CHECKSUM_KEY "hourfold batch 1"
#define NUMBER_BYTES_MAX 10u
#define FLAG_ID 1u
#define FLAG_RAW 2u
#define FLAG_BITS 2
#define INTEGER_LIMIT 9007199254740992.0 /* 2^53: below it every integer is a double */
#define PUT_BYTES_MAX 512 /* more than one key or sample, and the room that base/buf.h asks for, can take */

static size_t varint_bytes(uint64_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

/* ---- write ---- */

struct batch_writer {
    struct hf_names names; /* point into the key table */
    struct hf_buf keys;    /* the encoded table; never moves */
    struct hf_buf samples; /* the encoded samples */
    uint32_t sample_count;
    int64_t last_time_ms;
};

struct batch_writer *batch_writer_new(void)
{
    struct batch_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    /* All room that there can ever be, once: pages that are not written cost nothing. */
    if (hf_buf_reserve(&writer->keys, BATCH_BYTES_MAX + PUT_BYTES_MAX) != HF_OK ||
        hf_buf_reserve(&writer->samples, BATCH_BYTES_MAX + PUT_BYTES_MAX) != HF_OK)
        batch_writer_free(&writer);
    return writer;
}

void batch_writer_free(struct batch_writer **writer)
{
    if (*writer != NULL) {
        hf_names_free(&(*writer)->names);
        hf_buf_free(&(*writer)->keys);
        hf_buf_free(&(*writer)->samples);
        free(*writer);
    }
    *writer = NULL;
}

void batch_writer_reset(struct batch_writer *writer)
{
    hf_names_cut(&writer->names, 0);
    hf_buf_clear(&writer->keys);
    hf_buf_clear(&writer->samples);
    writer->sample_count = 0;
    writer->last_time_ms = 0;
}

size_t batch_samples(const struct batch_writer *writer) { return writer->sample_count; }

/* Of the sealed batch, whatever its number will be. */
static size_t sealed_bytes(size_t keys, size_t key_bytes, size_t samples, size_t sample_bytes)
{
    return MAGIC_BYTES + 8 + NUMBER_BYTES_MAX + varint_bytes(keys) + varint_bytes(samples) + key_bytes + sample_bytes +
           HF_CHECKSUM_BYTES;
}

static bool fits(const struct batch_writer *writer)
{
    return writer->sample_count <= BATCH_SAMPLES_MAX &&
           sealed_bytes(writer->names.count, writer->keys.len, writer->sample_count, writer->samples.len) <=
               BATCH_BYTES_MAX;
}

/* The number of the key; HF_FULL when the table has no room for it. */
static enum hf_err key_index(struct batch_writer *writer, const struct sample *sample, uint32_t *index)
{
    bool added;
    if (hf_names_add(&writer->names, 0, sample->key, sample->key_bytes, index, &added) != HF_OK)
        return HF_NOMEM;
    if (!added)
        return HF_OK;
    if (BATCH_BYTES_MAX - writer->keys.len < 2u + sample->key_bytes) {
        hf_names_cut(&writer->names, *index);
        return HF_FULL;
    }
    hf_buf_varint(&writer->keys, sample->key_bytes);
    writer->names.list[*index].text = (const char *)writer->keys.data + writer->keys.len;
    hf_buf_put(&writer->keys, sample->key, sample->key_bytes);
    return HF_OK;
}

static bool is_integer(double v) { return fabs(v) < INTEGER_LIMIT && v == (double)(int64_t)v; }

static void put_sample(struct batch_writer *writer, const struct sample *sample, uint32_t key)
{
    struct hf_buf *buf = &writer->samples;
    bool integer = is_integer(sample->value);
    hf_buf_varint(buf, (uint64_t)key << FLAG_BITS | (sample->id != NULL ? FLAG_ID : 0) | (integer ? 0 : FLAG_RAW));
    hf_buf_svarint(buf, sample->time_ms - writer->last_time_ms);
    writer->last_time_ms = sample->time_ms;
    if (integer)
        hf_buf_svarint(buf, (int64_t)sample->value);
    else {
        uint64_t bits;
        memcpy(&bits, &sample->value, sizeof bits);
        hf_buf_u64(buf, bits);
    }
    if (sample->id != NULL) {
        hf_buf_varint(buf, sample->id_bytes);
        hf_buf_put(buf, sample->id, sample->id_bytes);
    }
    writer->sample_count++;
}

static enum hf_err add_samples(struct batch_writer *writer, const struct sample_list *list)
{
    const char *last_key = NULL; /* of one list, the same pointer is the same key */
    uint32_t key = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct sample *sample = &list->samples[i];
        if (sample->key != last_key || sample->key_bytes != list->samples[i - 1].key_bytes) {
            enum hf_err err = key_index(writer, sample, &key);
            if (err != HF_OK)
                return err;
            last_key = sample->key;
        }
        put_sample(writer, sample, key);
        if (!fits(writer))
            return HF_FULL;
    }
    return HF_OK;
}

enum hf_err batch_add(struct batch_writer *writer, const struct sample_list *list)
{
    const uint32_t names = writer->names.count, count = writer->sample_count;
    const size_t keys_len = writer->keys.len, samples_len = writer->samples.len;
    const int64_t last_time_ms = writer->last_time_ms;

    enum hf_err err = add_samples(writer, list);
    if (err != HF_OK) {
        hf_names_cut(&writer->names, names);
        writer->keys.len = keys_len;
        writer->samples.len = samples_len;
        writer->sample_count = count;
        writer->last_time_ms = last_time_ms;
    }
    return err;
}

enum hf_err batch_seal(const struct batch_writer *writer, uint64_t producer, uint64_t number, struct hf_buf *out)
{
    hf_buf_clear(out);
    if (writer->sample_count == 0 || number == 0)
        return HF_INVALID;
    if (hf_buf_reserve(out, sealed_bytes(writer->names.count, writer->keys.len, writer->sample_count,
                                         writer->samples.len)) != HF_OK)
        return HF_NOMEM;
    hf_buf_put(out, MAGIC, MAGIC_BYTES);
    hf_buf_u64(out, producer);
    hf_buf_varint(out, number);
    hf_buf_varint(out, writer->names.count);
    hf_buf_varint(out, writer->sample_count);
    hf_buf_put(out, writer->keys.data, writer->keys.len);
    hf_buf_put(out, writer->samples.data, writer->samples.len);
    unsigned char sum[HF_CHECKSUM_BYTES];
    hf_checksum(CHECKSUM_KEY, out->data, out->len, sum);
    hf_buf_put(out, sum, sizeof sum);
    return hf_buf_ok(out) ? HF_OK : HF_NOMEM;
}

/* ---- read ---- */

struct batch_reader {
    struct batch batch;
    struct batch_key *keys;
    uint32_t key_capacity;
    struct hf_names names; /* to find a key that is there twice */
    struct hf_cur samples; /* what is left of them */
    uint32_t samples_left;
    int64_t last_time_ms;
};

struct batch_reader *batch_reader_new(void) { return calloc(1, sizeof(struct batch_reader)); }

void batch_reader_free(struct batch_reader **reader)
{
    if (*reader != NULL) {
        hf_names_free(&(*reader)->names);
        free((*reader)->keys);
        free(*reader);
    }
    *reader = NULL;
}

static enum hf_err make_room_for_keys(struct batch_reader *reader, uint32_t count)
{
    if (count <= reader->key_capacity)
        return HF_OK;
    struct batch_key *keys = realloc(reader->keys, count * sizeof *keys);
    if (keys == NULL)
        return HF_NOMEM;
    reader->keys = keys;
    reader->key_capacity = count;
    return HF_OK;
}

static enum hf_err read_keys(struct batch_reader *reader, struct hf_cur *cur)
{
    hf_names_cut(&reader->names, 0);
    for (uint32_t i = 0; i < reader->batch.key_count; i++) {
        uint64_t len = hf_cur_varint(cur);
        const char *text = (const char *)hf_cur_bytes(cur, len <= SAMPLE_KEY_MAX ? (size_t)len : SIZE_MAX);
        if (text == NULL || !sample_key_valid(text, (size_t)len))
            return HF_INVALID;
        uint32_t index;
        bool added;
        if (hf_names_add(&reader->names, 0, text, (size_t)len, &index, &added) != HF_OK)
            return HF_NOMEM;
        if (!added)
            return HF_INVALID;
        reader->keys[i] = (struct batch_key){text, (uint8_t)len};
    }
    return HF_OK;
}

/* A value as put_sample() writes it; anything else marks the cursor as failed. */
static double read_value(struct hf_cur *cur, bool raw)
{
    double v;
    if (raw) {
        uint64_t bits = hf_cur_u64(cur);
        memcpy(&v, &bits, sizeof v);
        cur->failed = cur->failed || !isfinite(v) || is_integer(v);
    } else {
        int64_t integer = hf_cur_svarint(cur);
        v = (double)integer;
        cur->failed = cur->failed || !is_integer(v);
    }
    return v;
}

/* The next sample, checked against what add_samples() writes but for the index of its key. False when the cursor has
 * failed. */
static bool read_sample(struct batch_reader *reader, struct hf_cur *cur, struct sample *sample, uint32_t *index)
{
    uint64_t head = hf_cur_varint(cur);
    uint64_t key = head >> FLAG_BITS;
    int64_t delta_ms = hf_cur_svarint(cur);
    double value = read_value(cur, (head & FLAG_RAW) != 0);
    size_t id_bytes = 0;
    const char *id = NULL;
    if ((head & FLAG_ID) != 0) {
        id_bytes = hf_cur_u8(cur); /* a varint below 128 is one byte */
        id = (const char *)hf_cur_bytes(cur, id_bytes);
        cur->failed = id == NULL || !sample_id_valid(id, id_bytes);
    }
    if (!hf_cur_ok(cur) || key >= reader->batch.key_count || delta_ms < -HF_UTC_MAX_MS || delta_ms > HF_UTC_MAX_MS)
        return false;
    int64_t time_ms = reader->last_time_ms + delta_ms;
    if (time_ms < 0 || time_ms > HF_UTC_MAX_MS)
        return false;
    reader->last_time_ms = time_ms;
    *index = (uint32_t)key;
    *sample = (struct sample){.key = reader->keys[key].text,
                              .id = id,
                              .value = value,
                              .time_ms = time_ms,
                              .key_bytes = reader->keys[key].bytes,
                              .id_bytes = (uint8_t)id_bytes};
    return true;
}

/* All samples are well-formed, nothing follows them, and the table holds exactly their keys in the order of first
 * use. */
static bool check_samples(struct batch_reader *reader, struct hf_cur cur)
{
    uint32_t used = 0;
    reader->last_time_ms = 0;
    for (uint32_t i = 0; i < reader->batch.sample_count; i++) {
        struct sample sample;
        uint32_t index;
        if (!read_sample(reader, &cur, &sample, &index) || index > used)
            return false;
        used += index == used;
    }
    return used == reader->batch.key_count && hf_cur_left(&cur) == 0;
}

/* The part before the keys. */
static bool read_header(struct hf_cur *cur, size_t len, struct batch *batch)
{
    const unsigned char *magic = hf_cur_bytes(cur, MAGIC_BYTES);
    if (magic == NULL || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
        return false;
    batch->producer = hf_cur_u64(cur);
    batch->number = hf_cur_varint(cur);
    uint64_t keys = hf_cur_varint(cur), samples = hf_cur_varint(cur);
    /* A key takes two bytes at least, and a sample three: this bounds what is set aside for them. */
    size_t left = hf_cur_left(cur);
    if (!hf_cur_ok(cur) || batch->number == 0 || keys == 0 || samples == 0 || samples > BATCH_SAMPLES_MAX ||
        keys > left / 2 || samples > left / 3)
        return false;
    batch->key_count = (uint32_t)keys;
    batch->sample_count = (uint32_t)samples;
    return len + NUMBER_BYTES_MAX - varint_bytes(batch->number) <= BATCH_BYTES_MAX; /* see sealed_bytes() */
}

static enum hf_err open_message(struct batch_reader *reader, const unsigned char *bytes, size_t len)
{
    if (len < MAGIC_BYTES + HF_CHECKSUM_BYTES || len > BATCH_BYTES_MAX)
        return HF_INVALID;
    unsigned char sum[HF_CHECKSUM_BYTES];
    hf_checksum(CHECKSUM_KEY, bytes, len - HF_CHECKSUM_BYTES, sum);
    if (memcmp(sum, bytes + len - HF_CHECKSUM_BYTES, HF_CHECKSUM_BYTES) != 0)
        return HF_INVALID;

    struct hf_cur cur = hf_cur_of(bytes, len - HF_CHECKSUM_BYTES);
    if (!read_header(&cur, len, &reader->batch))
        return HF_INVALID;
    if (make_room_for_keys(reader, reader->batch.key_count) != HF_OK)
        return HF_NOMEM;
    enum hf_err err = read_keys(reader, &cur);
    if (err != HF_OK)
        return err;
    if (!check_samples(reader, cur))
        return HF_INVALID;
    reader->batch.keys = reader->keys;
    reader->samples = cur;
    reader->samples_left = reader->batch.sample_count;
    reader->last_time_ms = 0;
    return HF_OK;
}

enum hf_err batch_open(struct batch_reader *reader, const void *bytes, size_t len, const struct batch **batch)
{
    reader->samples_left = 0; /* after a failure there is nothing to read */
    enum hf_err err = open_message(reader, bytes, len);
    if (err == HF_OK)
        *batch = &reader->batch;
    return err;
}

enum hf_err batch_next(struct batch_reader *reader, struct sample *sample, uint32_t *key_index)
{
    if (reader->samples_left == 0)
        return HF_NOTFOUND;
    reader->samples_left--;
    /* batch_open() has read it before */
    return read_sample(reader, &reader->samples, sample, key_index) ? HF_OK : HF_NOTFOUND;
}

uint32_t batch_samples_said(const void *bytes, size_t len)
{
    struct hf_cur cur = hf_cur_of(bytes, len);
    for (unsigned i = 0; i < MAGIC_BYTES; i++)
        (void)hf_cur_u8(&cur);
    (void)hf_cur_u64(&cur); /* producer */
    (void)hf_cur_varint(&cur);
    (void)hf_cur_varint(&cur);
    uint64_t samples = hf_cur_varint(&cur);
    return hf_cur_ok(&cur) && samples <= BATCH_SAMPLES_MAX ? (uint32_t)samples : 0;
}
