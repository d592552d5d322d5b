/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <math.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/utc.h"

static void must_parse(const char *text, double expected)
{
    double v = NAN;
    assert_true_of(hf_parse_double(text, strlen(text), &v) == HF_OK, "refused: \"%s\"", text);
    assert_true_of(memcmp(&v, &expected, sizeof v) == 0, "\"%s\" read as %.17g", text, v);
}

static void must_refuse(const char *text)
{
    double v = 4711;
    assert_true_of(hf_parse_double(text, strlen(text), &v) == HF_INVALID, "taken: \"%s\"", text);
    assert_true(v == 4711);
}

static void doubles_are_read_whole(void **state)
{
    (void)state;
    must_parse("0", 0.0);
    must_parse("-0", 0.0);
    must_parse("-0.0e5", 0.0);
    must_parse("12.5", 12.5);
    must_parse("+12.5", 12.5);
    must_parse(" 12.5", 12.5);
    must_parse(".5", .5);
    must_parse("5.", 5.0);
    must_parse("-1e3", -1000.0);
    must_parse("0.1", 0.1);
    must_parse("123456789012345", 123456789012345.0);
    must_parse("1234567890123456789", 1234567890123456789.0);
    must_parse("1.7976931348623157e308", 1.7976931348623157e308);
    must_parse("4.9e-324", 4.9e-324);
    must_parse("1e-400", 0.0);
    static const char *const bad[] = {"",     " ",    ".",     "-",   "+",    "e5",   "1e",  "1 ",   "1,5", "0x10", "nan",
                                      "NaN",  "inf",  "-inf",  "infinity", "1e400", "1..2", "1e5.5", "--1", "1_000", "\xD9\xA1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        must_refuse(bad[i]);
    double v;
    assert_int_equal(hf_parse_double("1\0", 2, &v), HF_INVALID);
}

static void doubles_are_written_shortest(void **state)
{
    (void)state;
    static const struct { double v; const char *text; } cases[] = {
        {0, "0"}, {0.1, "0.1"}, {1e7, "10000000"}, {1e22, "1e22"}, {1e-7, "1e-7"}, {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"}, {-20.06, "-20.06"}, {1.0 / 3, "0.3333333333333333"},
        /* powers of two, whose nearest 16 digits do not read back while the next do */
        {0x1p132, "5.444517870735016e39"}, {-0x1p-957, "-8.209073602596753e-289"}, {0x1p-1022, "2.2250738585072014e-308"}};
    char text[HF_DOUBLE_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(hf_format_double(cases[i].v, text), cases[i].text);

    uint64_t x = 88172645463325252u; /* xorshift64, G. Marsaglia 2003 */
    for (int i = 0; i < 200000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v, back;
        memcpy(&v, &x, sizeof v);
        if (!isfinite(v) || v == 0)
            continue;
        hf_format_double(v, text);
        assert_int_equal(hf_parse_double(text, strlen(text), &back), HF_OK);
        assert_memory_equal(&v, &back, sizeof v);
    }
}

/* What has no more than 15 digits is written as printf() does. */
static void decimals_are_written_as_they_are(void **state)
{
    (void)state;
    char text[HF_DOUBLE_TEXT], expected[HF_DOUBLE_TEXT];
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 300000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double power = pow(10, (double)(x % 9)), most = pow(10, (double)(x / 9 % 16));
        double v = floor((double)(x >> 11) / 0x1p53 * most) / power * (x & 1024 ? 1 : -1);
        snprintf(expected, sizeof expected, "%.15g", v);
        if (v != 0 && strchr(expected, 'e') == NULL)
            assert_string_equal(hf_format_double(v, text), expected);
    }
}

static void texts_of_any_length_are_printed(void **state)
{
    (void)state;
    char text[300];
    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct hf_buf buf = {0};
        memset(text, 'x', len);
        text[len] = '\0';
        hf_buf_printf(&buf, "%s", text);
        hf_buf_printf(&buf, "%s|%d", text, 7);
        assert_true(hf_buf_ok(&buf));
        assert_int_equal(buf.len, 2 * len + 2);
        assert_memory_equal(buf.data + len, text, len);
        assert_memory_equal(buf.data + 2 * len, "|7", 2);
        hf_buf_free(&buf);
    }
}

static void varints_round_trip(void **state)
{
    (void)state;
    struct hf_buf buf = {0};
    for (unsigned bit = 0; bit <= 64; bit++)
        for (int d = -1; d <= 1; d++) {
            uint64_t v = (bit == 64 ? 0 : UINT64_C(1) << bit) + (uint64_t)d;
            hf_buf_clear(&buf);
            hf_buf_varint(&buf, v);
            hf_buf_svarint(&buf, (int64_t)v);
            struct hf_cur cur = hf_cur_of(buf.data, buf.len);
            assert_true(hf_cur_varint(&cur) == v);
            assert_true(hf_cur_svarint(&cur) == (int64_t)v);
            assert_true(hf_cur_ok(&cur) && hf_cur_left(&cur) == 0);
            cur = hf_cur_of(buf.data, 0);
            hf_cur_varint(&cur);
            assert_false(hf_cur_ok(&cur));
        }
    hf_buf_free(&buf);
    static const struct { const char *bytes; size_t len; } bad[] = {
        {"\x80", 1}, {"\x80\x00", 2}, {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10}, {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hf_cur cur = hf_cur_of(bad[i].bytes, bad[i].len);
        hf_cur_varint(&cur);
        assert_false(hf_cur_ok(&cur));
    }
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct hf_buf buf = {0};
    hf_buf_json_string(&buf, "a\"\\\n\x7f\xc3\xa9\xff\xc0\xaf\xed\xa0\x80", 13);
    hf_buf_u8(&buf, 0);
    assert_string_equal((char *)buf.data, "\"a\\\"\\\\\\u000a\\u007f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    hf_buf_free(&buf);
}

static void times_are_read_and_written(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t ms; const char *back; } good[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"2026-11-23T19:00:02Z", 1795460402000, "2026-11-23T19:00:02Z"},
        {"2026-11-23t19:00:02.25z", 1795460402250, "2026-11-23T19:00:02.250Z"},
        {"2026-11-24 00:30:02+05:30", 1795460402000, "2026-11-23T19:00:02Z"},
        {"2026-11-23T19:00:02.123999Z", 1795460402123, "2026-11-23T19:00:02.123Z"},
        {"2000-02-29T23:59:60Z", 951868800000, "2000-03-01T00:00:00Z"},
        {"0000-01-01T00:00:00Z", HF_UTC_MIN_MS, "0000-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59.999Z", HF_UTC_MAX_MS, "9999-12-31T23:59:59.999Z"}};
    char text[HF_UTC_TEXT];
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(hf_parse_rfc3339(good[i].text, strlen(good[i].text), &ms), HF_OK);
        assert_true_of(ms == good[i].ms, "%s: %lld", good[i].text, (long long)ms);
        assert_string_equal(hf_format_utc(ms, text), good[i].back);
    }
    static const char *const bad[] = {"2026-11-23", "2026-11-23T19:00:02", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
                                      "2026-11-23T24:00:00Z", "2026-11-23T19:60:00Z", "2026-11-23T19:00:61Z",
                                      "2026-11-23T19:00:02.Z", "2026-11-23T19:00:02Zx", "2026-1-23T19:00:02Z", "2026-11-23T19:00:02+24:00",
                                      "2026-11-23T19:00:02+0530", "1900-02-29T00:00:00Z", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true_of(hf_parse_rfc3339(bad[i], strlen(bad[i]), &ms) == HF_INVALID, "taken: %s", bad[i]);
    assert_int_equal(hf_parse_date("2024-02-29", 10, &ms), HF_OK);
    assert_string_equal(hf_format_date(ms, text), "2024-02-29");
    assert_int_equal(hf_parse_date("2024-02-30", 10, &ms), HF_INVALID);
    assert_int_equal(hf_parse_date("2024-2-03", 9, &ms), HF_INVALID);
}

static void integers_are_read_whole(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_int_equal(hf_parse_u64("18446744073709551615", 20, UINT64_MAX, &v), HF_OK);
    assert_true(v == UINT64_MAX);
    assert_int_equal(hf_parse_u64("18446744073709551616", 20, UINT64_MAX, &v), HF_INVALID);
    assert_int_equal(hf_parse_u64("24", 2, 23, &v), HF_INVALID);
    assert_int_equal(hf_parse_u64("", 0, 23, &v), HF_INVALID);
    assert_int_equal(hf_parse_u64("+1", 2, 23, &v), HF_INVALID);
    assert_int_equal(hf_parse_u64("1 ", 2, 23, &v), HF_INVALID);
    assert_true(v == UINT64_MAX);
}

UNIT_TESTS(unit(doubles_are_read_whole), unit(doubles_are_written_shortest), unit(decimals_are_written_as_they_are), unit(texts_of_any_length_are_printed),
           unit(varints_round_trip),
           unit(json_strings_are_escaped), unit(times_are_read_and_written), unit(integers_are_read_whole))
