/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a key, an id, a time and a value may be, and how a fault is told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/utc.h"
#include "sample/reader.h"

#define TIME_BYTES_MAX 1200u

/* Sets of ASCII as bits: bit c % 64 of word c / 64. */
#define BIT(c) (UINT64_C(1) << ((c) % 64))
#define RANGE(first, last) ((BIT(last) - BIT(first)) | BIT(last))
static const uint64_t letter_or_digit[4] = {RANGE('0', '9'), RANGE('A', 'Z') | RANGE('a', 'z')};
static const uint64_t key_alphabet[4] = {RANGE('0', '9') | BIT('.') | BIT(':') | BIT('-'),
                                         RANGE('A', 'Z') | RANGE('a', 'z') | BIT('_')};

static bool is_in(const uint64_t set[4], unsigned char c) { return (set[c / 64] >> c % 64 & 1) != 0; }

bool sample_key_valid(const char *key, size_t len)
{
    if (len < 1 || len > SAMPLE_KEY_MAX || !is_in(letter_or_digit, (unsigned char)key[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_in(key_alphabet, (unsigned char)key[i]))
            return false;
    return len != strlen(SAMPLE_KEY_RESERVED) || memcmp(key, SAMPLE_KEY_RESERVED, len) != 0;
}

void key_append(struct key_text *key, const char *text, size_t len)
{
    if (key->len > SAMPLE_KEY_MAX || len > SAMPLE_KEY_MAX - key->len) {
        key->len = SAMPLE_KEY_MAX + 1;
        return;
    }
    for (size_t i = 0; i < len; i++)
        key->text[key->len++] = is_in(key_alphabet, (unsigned char)text[i]) ? text[i] : '_';
}

bool sample_id_valid(const char *id, size_t len)
{
    if (len < 1 || len > SAMPLE_ID_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (id[i] < ' ' || id[i] > '~')
            return false;
    return true;
}

/* ---- times ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Read an exponent, if there is one; beyond ±9999 it is all the same. */
static bool take_exponent(const char **at, const char *end, int *exponent)
{
    *exponent = 0;
    if (*at == end || (**at != 'e' && **at != 'E'))
        return true;
    (*at)++;
    bool negative = *at < end && **at == '-';
    if (negative || (*at < end && **at == '+'))
        (*at)++;
    if (*at == end)
        return false;
    for (; *at < end && is_digit(**at); (*at)++)
        if (*exponent < 9999)
            *exponent = *exponent * 10 + (**at - '0');
    if (negative)
        *exponent = -*exponent;
    return true;
}

/* The floor of 1000 * digits[0].digits[1]digits[2]… * 10^(point - 1), where a point may stand among the digits. */
static int64_t scale_to_ms(const char *digits, const char *end, int point, bool negative)
{
    const int64_t limit = negative ? -HF_UTC_MIN_MS : HF_UTC_MAX_MS;
    int64_t ms = 0;
    bool rest = false;
    int place = point + 3; /* digits that are still to come before the point of the milliseconds */
    for (; digits < end; digits++) {
        if (*digits == '.')
            continue;
        if (place-- > 0)
            ms = ms > limit / 10 ? limit : ms * 10 + (*digits - '0');
        else
            rest |= *digits != '0';
    }
    for (; place > 0 && ms != 0 && ms < limit; place--)
        ms = ms > limit / 10 ? limit : ms * 10;
    if (negative)
        ms = -ms - rest;
    return ms < HF_UTC_MIN_MS ? HF_UTC_MIN_MS : ms > HF_UTC_MAX_MS ? HF_UTC_MAX_MS : ms;
}

/* [-]digits[.digits][e[sign]digits], read without a double in between, which would round. */
static bool parse_seconds(const char *text, size_t len, int64_t *time_ms)
{
    const char *at = text, *end = text + len;
    bool negative = at < end && *at == '-';
    at += negative;
    const char *digits = at;
    while (at < end && is_digit(*at))
        at++;
    ptrdiff_t whole = at - digits;
    if (whole == 0)
        return false;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        while (at < end && is_digit(*at))
            at++;
        if (at == fraction)
            return false;
    }
    const char *digits_end = at;
    int exponent;
    if (!take_exponent(&at, end, &exponent) || at != end)
        return false;
    *time_ms = scale_to_ms(digits, digits_end, (int)whole + exponent, negative);
    return true;
}

enum hf_err sample_parse_time(const char *text, size_t len, int64_t *time_ms)
{
    if (len > TIME_BYTES_MAX)
        return HF_INVALID;
    return parse_seconds(text, len, time_ms) ? HF_OK : hf_parse_rfc3339(text, len, time_ms);
}

enum hf_err reader_time(struct sample_reader *reader, const char *parameter, const char *text, size_t len,
                        struct sample_head *head)
{
    const struct sample_limits *limits = reader->limits;
    char quoted[QUOTE_BYTES], low[HF_UTC_TEXT], high[HF_UTC_TEXT];
    if (sample_parse_time(text, len, &head->time_ms) != HF_OK)
        return reader_refuse(reader, "bad_timestamp", parameter, strlen(parameter),
                             "%s is Unix seconds or RFC 3339 (2026-11-23T18:30:00Z), not %s", parameter,
                             reader_quote(text, len, quoted));
    int64_t from_ms = limits->now_ms - limits->max_age_ms, to_ms = limits->now_ms + limits->max_skew_ms;
    if (from_ms < 0)
        from_ms = 0; /* hours are counted from 1970 */
    if (to_ms >= HF_UTC_MAX_MS)
        to_ms = HF_UTC_MAX_MS - 1;
    if (head->time_ms >= from_ms && head->time_ms <= to_ms)
        return HF_OK;
    uint64_t ms; /* as Date.now() gives it */
    bool in_ms = hf_parse_u64(text, len, (uint64_t)to_ms, &ms) == HF_OK && ms >= (uint64_t)from_ms;
    return reader_refuse(reader, "timestamp_out_of_range", parameter, strlen(parameter), "%s must lie from %s to %s, not at %s%s",
                         parameter, hf_format_utc(from_ms, low), hf_format_utc(to_ms, high), reader_quote(text, len, quoted),
                         in_ms ? "; it is in seconds, not milliseconds" : "");
}

/* ---- values ---- */

enum hf_err reader_value(struct sample_reader *reader, const char *parameter, size_t parameter_bytes, const char *text,
                         size_t len, double *value)
{
    char quoted[QUOTE_BYTES];
    if (hf_parse_double(text, len, value) == HF_OK)
        return HF_OK;
    return reader_refuse(reader, "bad_value", parameter, parameter_bytes,
                         "a value is a decimal number of magnitude up to 1.7976931348623157e308, not %s",
                         reader_quote(text, len, quoted));
}

/* ---- faults ---- */

/* Write one byte printably at `out`; return how many bytes that took, at most 4. */
static size_t escape(unsigned char c, char *out)
{
    if (c < ' ' || c > '~') {
        static const char hex[] = "0123456789abcdef";
        out[0] = '\\', out[1] = 'x', out[2] = hex[c >> 4], out[3] = hex[c & 15];
        return 4;
    }
    size_t n = 0;
    if (c == '"' || c == '\\')
        out[n++] = '\\';
    out[n++] = (char)c;
    return n;
}

/* Escape as much of `text` as `room` holds. Return the bytes written; `*taken` is how much of the text that was. */
static size_t escape_text(const char *text, size_t len, char *out, size_t room, size_t *taken)
{
    size_t n = 0, i = 0;
    for (; i < len; i++) {
        char one[4];
        size_t bytes = escape((unsigned char)text[i], one);
        if (bytes > room - n)
            break;
        memcpy(out + n, one, bytes);
        n += bytes;
    }
    *taken = i;
    return n;
}

const char *reader_quote(const char *text, size_t len, char out[QUOTE_BYTES])
{
    static const char cut[] = "...";
    size_t taken, n = 1;
    out[0] = '"';
    n += escape_text(text, len, out + 1, QUOTE_BYTES - sizeof cut - 2, &taken);
    out[n++] = '"';
    memcpy(out + n, taken < len ? cut : "", taken < len ? sizeof cut : 1);
    return out;
}

enum hf_err reader_refuse(struct sample_reader *reader, const char *code, const char *parameter, size_t parameter_bytes,
                          const char *format, ...)
{
    struct sample_fault *fault = reader->fault;
    size_t taken, n = escape_text(parameter, parameter_bytes, fault->parameter, sizeof fault->parameter - 1, &taken);
    fault->parameter[n] = '\0';
    fault->code = code;

    int prefix = reader->position == 0
                     ? 0
                     : snprintf(fault->message, sizeof fault->message, "item %zu of the array: ", reader->position);
    va_list args;
    va_start(args, format);
    vsnprintf(fault->message + prefix, sizeof fault->message - (size_t)prefix, format, args);
    va_end(args);
    return HF_INVALID;
}

enum hf_err reader_refuse_json(struct sample_reader *reader, const struct json *json, enum json_event event)
{
    if (event == JSON_NOMEM)
        return HF_NOMEM;
    return reader_refuse(reader, "bad_json", json->repeated ? json->text : "", json->repeated ? json->len : 0,
                         "not valid JSON: %s at byte %zu", json->problem, json_offset(json));
}
