/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds after any reader read any bytes: a fault is one of the contract's
 * and printable; a list holds valid samples alone, and reads back the same
 * when it is written out as JSON.
 */
#ifndef HF_TESTS_SAMPLE_FUZZ_H
#define HF_TESTS_SAMPLE_FUZZ_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sample/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())

#define FUZZ_NOW_MS INT64_C(1795460402500)
static const struct sample_limits fuzz_limits = {
    .now_ms = FUZZ_NOW_MS, .max_age_ms = INT64_C(31) * 86400000, .max_skew_ms = 600000, .max_samples = 200};

static inline void check_text(const char *text, size_t room)
{
    size_t len = strnlen(text, room);
    must(len < room);
    for (size_t i = 0; i < len; i++)
        must(text[i] >= ' ' && text[i] <= '~');
}

static inline void check_fault(const struct sample_fault *fault)
{
    static const char *const codes[] = {"bad_key", "bad_value", "bad_timestamp", "timestamp_out_of_range", "bad_id",
                                        "bad_json", "missing_parameter", "too_many_samples"};
    size_t i = 0;
    while (i < sizeof codes / sizeof *codes && strcmp(codes[i], fault->code) != 0)
        i++;
    must(i < sizeof codes / sizeof *codes);
    check_text(fault->parameter, sizeof fault->parameter);
    check_text(fault->message, sizeof fault->message);
    must(strlen(fault->message) > 10);
}

static inline void check_sample(const struct sample *s)
{
    must(sample_key_valid(s->key, s->key_bytes));
    must(s->id == NULL ? s->id_bytes == 0 : sample_id_valid(s->id, s->id_bytes));
    must(isfinite(s->value) && !(s->value == 0 && signbit(s->value)));
    must(s->time_ms >= fuzz_limits.now_ms - fuzz_limits.max_age_ms);
    must(s->time_ms <= fuzz_limits.now_ms + fuzz_limits.max_skew_ms);
}

static inline void write_sample(struct hf_buf *out, const struct sample *s)
{
    hf_buf_puts(out, "{\"value\":");
    hf_buf_json_double(out, s->value);
    hf_buf_printf(out, ",\"ts\":%lld.%03d,\"key\":", (long long)(s->time_ms / 1000), (int)(s->time_ms % 1000));
    hf_buf_json_string(out, s->key, s->key_bytes);
    if (s->id != NULL) {
        hf_buf_puts(out, ",\"id\":");
        hf_buf_json_string(out, s->id, s->id_bytes);
    }
    hf_buf_puts(out, "}");
}

static inline bool same_sample(const struct sample *a, const struct sample *b)
{
    return a->key_bytes == b->key_bytes && memcmp(a->key, b->key, a->key_bytes) == 0 && a->value == b->value &&
           a->time_ms == b->time_ms && a->id_bytes == b->id_bytes && (a->id == NULL) == (b->id == NULL) &&
           (a->id == NULL || memcmp(a->id, b->id, a->id_bytes) == 0);
}

static inline void check_list(const struct sample_list *list)
{
    static struct hf_buf text;
    static struct sample_list again;
    struct sample_fault fault;
    must(list->count <= fuzz_limits.max_samples);
    if (list->count == 0)
        return;
    hf_buf_clear(&text);
    for (size_t i = 0; i < list->count; i++) {
        check_sample(&list->samples[i]);
        hf_buf_u8(&text, i == 0 ? '[' : ',');
        write_sample(&text, &list->samples[i]);
    }
    hf_buf_u8(&text, ']');
    sample_list_reset(&again);
    must(sample_read_json((char *)text.data, text.len, &fuzz_limits, &again, &fault) == HF_OK);
    must(again.count == list->count);
    for (size_t i = 0; i < list->count; i++)
        must(same_sample(&again.samples[i], &list->samples[i]));
}

typedef enum hf_err (*reader_fn)(const char *text, size_t len, const struct sample_limits *limits,
                                 struct sample_list *list, struct sample_fault *fault);

/* One list serves all inputs, as it does all requests of a thread. Return what the reader returned. */
static inline enum hf_err check_reader(reader_fn reader, const uint8_t *data, size_t size)
{
    static struct sample_list list;
    struct sample_fault fault;
    memset(&fault, 0xA5, sizeof fault);
    sample_list_reset(&list);
    enum hf_err err = reader((const char *)data, size, &fuzz_limits, &list, &fault);
    if (err == HF_INVALID)
        check_fault(&fault);
    else {
        must(err == HF_OK);
        check_list(&list);
    }
    return err;
}

#endif
