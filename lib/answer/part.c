/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/part.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utc.h"

enum hf_err part_fail(struct sample_fault *fault, enum hf_err err, const char *code, const char *parameter,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fault->code = code;
    snprintf(fault->parameter, sizeof fault->parameter, "%s", parameter);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return err;
}

enum hf_err part_key(struct span raw, bool form, struct query_path *out, struct sample_fault *fault)
{
    if (!uri_decode(raw, form, out->key, sizeof out->key, &out->key_bytes) || !sample_key_valid(out->key, out->key_bytes))
        return part_fail(fault, HF_INVALID, "bad_key", "key",
                         "A key is 1 to %d bytes of A-Z a-z 0-9 . _ : -, begins with a letter or digit, and is not "
                         "\"collect\".", SAMPLE_KEY_MAX);
    return HF_OK;
}

enum hf_err part_stat(struct span raw, bool form, struct query_path *out, struct sample_fault *fault)
{
    char text[PART_BYTES];
    size_t len;
    if (!uri_decode(raw, form, text, sizeof text, &len) || stat_parse(text, len, &out->stat) != HF_OK)
        return part_fail(fault, HF_INVALID, "bad_stat", "stat",
                         "A statistic is one of average, min, max, median, count, sum, stddev, throughput, p0 to p100 "
                         "(decimals allowed, as in p99.9) and all.");
    return HF_OK;
}

enum hf_err part_date(struct span raw, bool form, struct query_path *out, struct sample_fault *fault)
{
    char text[PART_BYTES];
    size_t len;
    if (!uri_decode(raw, form, text, sizeof text, &len) || hf_parse_date(text, len, &out->date_ms) != HF_OK)
        return part_fail(fault, HF_INVALID, "bad_date", "date", "A date is a day of the calendar as YYYY-MM-DD.");
    return HF_OK;
}
