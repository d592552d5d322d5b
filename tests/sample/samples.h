/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Must-accept and must-refuse for the readers. What a request was read into is
 * compared as text, one sample after another: "key=value@milliseconds#id",
 * the time left out where it is the time of receipt.
 */
#ifndef HF_TESTS_SAMPLES_H
#define HF_TESTS_SAMPLES_H

#include "../unit.h"

#include "base/buf.h"
#include "sample/sample.h"

#define NOW_MS INT64_C(1795460402500) /* 2026-11-23T19:00:02.5Z */

static const struct sample_limits test_limits = {
    .now_ms = NOW_MS, .max_age_ms = INT64_C(31) * 86400000, .max_skew_ms = 600000, .max_samples = 1000};

typedef enum hf_err (*reader_fn)(const char *text, size_t len, const struct sample_limits *limits,
                                 struct sample_list *list, struct sample_fault *fault);

static inline void list_to_text(const struct sample_list *list, struct hf_buf *out)
{
    hf_buf_clear(out);
    for (size_t i = 0; i < list->count; i++) {
        const struct sample *s = &list->samples[i];
        hf_buf_printf(out, "%s%.*s=", i == 0 ? "" : " ", s->key_bytes, s->key);
        hf_buf_json_double(out, s->value);
        if (s->time_ms != NOW_MS)
            hf_buf_printf(out, "@%lld", (long long)s->time_ms);
        if (s->id != NULL)
            hf_buf_printf(out, "#%.*s", s->id_bytes, s->id);
    }
    hf_buf_u8(out, 0);
}

/* Read a copy of exactly `len` bytes, so that a sanitizer sees any byte read beyond. */
static inline enum hf_err read_copy(reader_fn reader, const char *text, size_t len, struct sample_list *list,
                                    struct sample_fault *fault)
{
    char *copy = malloc(len);
    if (len > 0) {
        assert_non_null(copy);
        memcpy(copy, text, len);
    }
    enum hf_err err = reader(copy, len, &test_limits, list, fault);
    if (copy != NULL)
        memset(copy, 'x', len); /* the list must not point into it */
    free(copy);
    return err;
}

static inline void must_accept_bytes(reader_fn reader, const char *text, size_t len, const char *expected)
{
    struct sample_list list = {0};
    struct sample_fault fault = {0};
    struct hf_buf got = {0};
    enum hf_err err = read_copy(reader, text, len, &list, &fault);
    assert_true_of(err == HF_OK, "refused: %s\n  %s (%s): %s", text, fault.code, fault.parameter, fault.message);
    list_to_text(&list, &got);
    assert_true_of(strcmp((char *)got.data, expected) == 0, "read: %s\n  as: %s\n  not: %s", text, (char *)got.data,
                   expected);
    hf_buf_free(&got);
    sample_list_free(&list);
}

static inline void must_refuse_bytes(reader_fn reader, const char *text, size_t len, const char *code,
                                     const char *parameter)
{
    struct sample_list list = {0};
    struct sample_fault fault = {0};
    enum hf_err err = read_copy(reader, text, len, &list, &fault);
    assert_true_of(err == HF_INVALID, "accepted: %s", text);
    assert_true_of(strcmp(fault.code, code) == 0 && strcmp(fault.parameter, parameter) == 0,
                   "%s\n  refused as %s (%s): %s\n  not as %s (%s)", text, fault.code, fault.parameter, fault.message,
                   code, parameter);
    size_t printable = strspn(fault.message, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
                                             "abcdefghijklmnopqrstuvwxyz{|}~");
    assert_true_of(printable > 10 && fault.message[printable] == '\0', "%s: the message is \"%s\"", text, fault.message);
    sample_list_free(&list);
}

struct accept_case {
    const char *text, *expected;
};
struct refuse_case {
    const char *text, *code, *parameter;
};

#define must_accept_all(reader, cases)                                              \
    for (size_t i_ = 0; i_ < sizeof(cases) / sizeof *(cases); i_++)                  \
    must_accept_bytes(reader, (cases)[i_].text, strlen((cases)[i_].text), (cases)[i_].expected)
#define must_refuse_all(reader, cases)                                              \
    for (size_t i_ = 0; i_ < sizeof(cases) / sizeof *(cases); i_++)                  \
    must_refuse_bytes(reader, (cases)[i_].text, strlen((cases)[i_].text), (cases)[i_].code, (cases)[i_].parameter)

#endif
