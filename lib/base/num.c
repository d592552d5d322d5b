/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <ctype.h>
#include <math.h>
#include <float.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES_MAX 1200 /* more than the 1,075 digits that a double can take to write out */

/* 10^0 … 10^22 are the powers of ten that a double holds exactly. */
static const double power_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The common case, without strtod: up to 15 significant digits and a point. Both the digits as an integer
 * and the power of ten are exact doubles, so one division rounds correctly (W. Clinger, "How to Read
 * Floating Point Numbers Accurately", 1990, fast path). False where the text is anything else. */
static bool parse_plain(const char *s, const char *end, double *out)
{
    bool negative = s < end && *s == '-';
    if (negative)
        s++;
    uint64_t digits = 0;
    int seen = 0, after_point = -1;
    for (; s < end; s++) {
        if (*s == '.' && after_point < 0)
            after_point = 0;
        else if (is_digit(*s) && ++seen <= 15) {
            digits = digits * 10 + (uint64_t)(*s - '0');
            after_point += after_point >= 0;
        } else
            return false;
    }
    if (seen == 0)
        return false;
    double v = (double)digits / power_of_ten[after_point > 0 ? after_point : 0];
    *out = negative && digits != 0 ? -v : v;
    return true;
}

/* strtod() alone would also take "0x1p3", "nan" and "infinity". */
static bool is_decimal_text(const char *s)
{
    for (; *s != '\0'; s++)
        if (!is_digit(*s) && strchr("+-.eE", *s) == NULL && !isspace((unsigned char)*s))
            return false;
    return true;
}

enum hf_err hf_parse_double(const char *text, size_t len, double *out)
{
    if (parse_plain(text, text + len, out))
        return HF_OK;

    char copy[NUMBER_BYTES_MAX + 1];
    if (len == 0 || len > NUMBER_BYTES_MAX || memchr(text, '\0', len) != NULL)
        return HF_INVALID;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!is_decimal_text(copy))
        return HF_INVALID;

    char *end;
    double v = strtod(copy, &end);
    if (end == copy || *end != '\0' || !isfinite(v))
        return HF_INVALID;
    *out = v == 0 ? 0.0 : v;
    return HF_OK;
}

enum hf_err hf_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (len == 0)
        return HF_INVALID;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]))
            return HF_INVALID;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return HF_INVALID;
        v = v * 10 + digit;
        if (v > max)
            return HF_INVALID;
    }
    *out = v;
    return HF_OK;
}

/* "1e+07" says no more than "1e7". */
static void shorten_exponent(char *text)
{
    char *from = strchr(text, 'e');
    if (from == NULL)
        return;
    char *to = ++from;
    if (*from == '-')
        to++;
    from++;
    while (*from == '0')
        from++;
    memmove(to, from, strlen(from) + 1);
}

/* Raise the magnitude of `text`, which has all of its digits, by one in the last. False where that needs one digit more. */
static bool raise_last_digit(char *text)
{
    char *at = text + strcspn(text, "e");
    while (at-- > text && *at != '-') {
        if (*at == '.')
            continue;
        if (*at != '9') {
            ++*at;
            return true;
        }
        *at = '0';
    }
    return false;
}

/* The doubles below a power of two lie twice as close as those above it. The nearest 16 digits may then be just outside
 * of what reads back to `v`, below it, and the next 16 digits up inside. */
static bool format_power_of_two(double v, char text[HF_DOUBLE_TEXT])
{
    int exponent;
    if (fabs(frexp(v, &exponent)) != 0.5)
        return false;
    snprintf(text, HF_DOUBLE_TEXT, "%#.16g", v);
    return raise_last_digit(text) && strtod(text, NULL) == v;
}

/* An integer, divided by 10^decimals. */
static void put_decimal(int64_t integer, unsigned decimals, char *text)
{
    char digits[24];
    uint64_t left = (uint64_t)(integer < 0 ? -integer : integer);
    size_t at = sizeof digits;
    for (unsigned i = 0; left > 0 || i <= decimals; i++) {
        if (i == decimals && i > 0)
            digits[--at] = '.';
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    }
    if (integer < 0)
        digits[--at] = '-';
    memcpy(text, digits + at, sizeof digits - at);
    text[sizeof digits - at] = '\0';
}

/* Most numbers have few decimals and less than 15 digits. Such a one is the double nearest to an integer divided by a power of ten,
 * and no shorter text reads back to it. */
static bool format_decimal(double v, char text[HF_DOUBLE_TEXT])
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    if (!(fabs(v) >= 1e-4) || !(fabs(v) < 1e8))
        return false;
    for (unsigned i = 0; i < sizeof powers / sizeof *powers; i++) {
        int64_t integer = (int64_t)(v * powers[i] + (v < 0 ? -0.5 : 0.5));
        if ((double)integer / powers[i] == v) {
            put_decimal(integer, i, text);
            return true;
        }
    }
    return false;
}

const char *hf_format_double(double v, char text[HF_DOUBLE_TEXT])
{
    if (format_decimal(v, text))
        return text;
    /* Any decimal of 15 digits survives the way through a normal double, so no shorter one is missed by
     * starting there (%g drops trailing zeros). Subnormals carry fewer digits. */
    int digits = fabs(v) < DBL_MIN ? 1 : 15;
    for (; digits <= 17; digits++) {
        snprintf(text, HF_DOUBLE_TEXT, "%.*g", digits, v);
        if (strtod(text, NULL) == v || (digits == 16 && format_power_of_two(v, text)))
            break;
    }
    shorten_exponent(text);
    return text;
}
