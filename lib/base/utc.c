/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utc.h"

#include <stdbool.h>
#include <stdio.h>

/* Counted in eras of 400 years that begin on 1 March (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
int64_t hf_days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void hf_civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Take exactly `n` digits, or return -1. */
static int take_digits(const char **at, const char *end, int n)
{
    int v = 0;
    if (end - *at < n)
        return -1;
    for (; n > 0; n--, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        v = v * 10 + (**at - '0');
    }
    return v;
}

static bool take_byte(const char **at, const char *end, char byte)
{
    if (*at == end || **at != byte)
        return false;
    (*at)++;
    return true;
}

static bool take_date(const char **at, const char *end, int64_t *start_ms)
{
    int year = take_digits(at, end, 4);
    if (year < 0 || !take_byte(at, end, '-'))
        return false;
    int month = take_digits(at, end, 2);
    if (month < 1 || month > 12 || !take_byte(at, end, '-'))
        return false;
    int day = take_digits(at, end, 2);
    if (day < 1 || day > days_in_month(year, month))
        return false;
    *start_ms = hf_days_from_civil(year, month, day) * HF_DAY_MS;
    return true;
}

static bool take_time(const char **at, const char *end, int64_t *of_day_ms)
{
    int hour = take_digits(at, end, 2);
    if (hour < 0 || hour > 23 || !take_byte(at, end, ':'))
        return false;
    int minute = take_digits(at, end, 2);
    if (minute < 0 || minute > 59 || !take_byte(at, end, ':'))
        return false;
    int second = take_digits(at, end, 2);
    if (second < 0 || second > 60)
        return false;
    int64_t ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000);
    if (take_byte(at, end, '.')) {
        int digit = take_digits(at, end, 1);
        if (digit < 0)
            return false;
        for (int unit = 100; digit >= 0; unit /= 10, digit = take_digits(at, end, 1))
            ms += digit * unit;
    }
    *of_day_ms = ms;
    return true;
}

static bool take_offset(const char **at, const char *end, int64_t *offset_ms)
{
    if (take_byte(at, end, 'Z') || take_byte(at, end, 'z')) {
        *offset_ms = 0;
        return true;
    }
    bool east = take_byte(at, end, '+');
    if (!east && !take_byte(at, end, '-'))
        return false;
    int hour = take_digits(at, end, 2);
    if (hour < 0 || hour > 23 || !take_byte(at, end, ':'))
        return false;
    int minute = take_digits(at, end, 2);
    if (minute < 0 || minute > 59)
        return false;
    int64_t ms = (hour * 60 + minute) * HF_MINUTE_MS;
    *offset_ms = east ? ms : -ms;
    return true;
}

enum hf_err hf_parse_date(const char *text, size_t len, int64_t *start_ms)
{
    const char *at = text, *end = text + len;
    int64_t ms;
    if (!take_date(&at, end, &ms) || at != end)
        return HF_INVALID;
    *start_ms = ms;
    return HF_OK;
}

enum hf_err hf_parse_rfc3339(const char *text, size_t len, int64_t *time_ms)
{
    const char *at = text, *end = text + len;
    int64_t date_ms, of_day_ms, offset_ms;
    if (!take_date(&at, end, &date_ms))
        return HF_INVALID;
    if (!take_byte(&at, end, 'T') && !take_byte(&at, end, 't') && !take_byte(&at, end, ' '))
        return HF_INVALID;
    if (!take_time(&at, end, &of_day_ms) || !take_offset(&at, end, &offset_ms) || at != end)
        return HF_INVALID;
    *time_ms = date_ms + of_day_ms - offset_ms;
    return HF_OK;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t clamp(int64_t time_ms)
{
    return time_ms < HF_UTC_MIN_MS ? HF_UTC_MIN_MS : time_ms > HF_UTC_MAX_MS ? HF_UTC_MAX_MS : time_ms;
}

/* Date and time of day, with milliseconds where they are not zero; returns the length. */
static int put_time(int64_t time_ms, char text[HF_UTC_TEXT])
{
    time_ms = clamp(time_ms);
    int64_t days = floor_div(time_ms, HF_DAY_MS), year;
    int month, day, ms = (int)(time_ms - days * HF_DAY_MS);
    hf_civil_from_days(days, &year, &month, &day);
    int n = snprintf(text, HF_UTC_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month, day, ms / 3600000,
                     ms / 60000 % 60, ms / 1000 % 60);
    if (ms % 1000 != 0)
        n += snprintf(text + n, HF_UTC_TEXT - (size_t)n, ".%03d", ms % 1000);
    return n;
}

const char *hf_format_utc(int64_t time_ms, char text[HF_UTC_TEXT])
{
    int n = put_time(time_ms, text);
    snprintf(text + n, HF_UTC_TEXT - (size_t)n, "Z");
    return text;
}

const char *hf_format_local(int64_t time_ms, int64_t offset_ms, char text[HF_UTC_TEXT])
{
    int n = put_time(time_ms + offset_ms, text), minutes = (int)(offset_ms / HF_MINUTE_MS);
    int magnitude = minutes < 0 ? -minutes : minutes;
    snprintf(text + n, HF_UTC_TEXT - (size_t)n, "%c%02d:%02d", minutes < 0 ? '-' : '+', magnitude / 60 % 100, magnitude % 60);
    return text;
}

const char *hf_format_date(int64_t time_ms, char text[HF_UTC_TEXT])
{
    int64_t year;
    int month, day;
    hf_civil_from_days(floor_div(clamp(time_ms), HF_DAY_MS), &year, &month, &day);
    snprintf(text, HF_UTC_TEXT, "%04d-%02d-%02d", (int)year, month, day);
    return text;
}
