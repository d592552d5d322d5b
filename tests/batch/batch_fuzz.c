/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of batches. The input is tried as it is, and with a good checksum
 * put behind it, since no fuzzer finds one. What is read, written again, gives
 * the same bytes.
 */
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "batch/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())

static void check_sample(const struct batch *batch, const struct sample *s, uint32_t key)
{
    must(key < batch->key_count && s->key == batch->keys[key].text && s->key_bytes == batch->keys[key].bytes);
    must(sample_key_valid(s->key, s->key_bytes));
    must(s->id == NULL ? s->id_bytes == 0 : sample_id_valid(s->id, s->id_bytes));
    must(isfinite(s->value) && !(s->value == 0 && signbit(s->value)));
    must(s->time_ms >= 0 && s->time_ms <= HF_UTC_MAX_MS);
}

static void check_message(const uint8_t *bytes, size_t len)
{
    static struct batch_reader *reader;
    static struct batch_writer *writer;
    static struct hf_buf again;
    static struct sample samples[1000];
    const struct batch *batch;
    if (reader == NULL)
        must((reader = batch_reader_new()) != NULL && (writer = batch_writer_new()) != NULL);
    enum hf_err err = batch_open(reader, bytes, len, &batch);
    if (err != HF_OK) {
        must(err == HF_INVALID);
        return;
    }
    batch_writer_reset(writer);
    struct sample_list list = {.samples = samples};
    uint32_t key, count = 0;
    while (batch_next(reader, &samples[list.count], &key) == HF_OK) {
        check_sample(batch, &samples[list.count], key);
        count++;
        if (++list.count == sizeof samples / sizeof *samples) {
            must(batch_add(writer, &list) == HF_OK);
            list.count = 0;
        }
    }
    must(count == batch->sample_count);
    must(batch_add(writer, &list) == HF_OK);
    must(batch_seal(writer, batch->producer, batch->number, &again) == HF_OK);
    must(again.len == len && memcmp(again.data, bytes, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_message(data, size);
    unsigned char *message = malloc(size + crypto_shorthash_BYTES);
    must(message != NULL);
    if (size > 0)
        memcpy(message, data, size);
    crypto_shorthash(message + size, message, size, (const unsigned char *)"hourfold batch 1");
    check_message(message, size + crypto_shorthash_BYTES);
    free(message);
    return 0;
}
