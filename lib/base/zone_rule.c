/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zone_rule.h"

#include "base/utc.h"

#define NAME_BYTES_MIN 3
#define OFFSET_HOURS_MAX 24
#define TIME_HOURS_MAX 167
#define DEFAULT_TIME_MS (2 * HF_HOUR_MS)

struct text {
    const char *at, *end;
};

static bool take(struct text *text, char byte)
{
    if (text->at == text->end || *text->at != byte)
        return false;
    text->at++;
    return true;
}

/* Up to three digits, from `least` to `most`; -1 without. */
static int take_number(struct text *text, int least, int most)
{
    int n = 0, v = 0;
    for (; n < 3 && text->at < text->end && *text->at >= '0' && *text->at <= '9'; n++)
        v = v * 10 + (*text->at++ - '0');
    return n == 0 || v < least || v > most ? -1 : v;
}

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static bool take_name(struct text *text)
{
    bool quoted = take(text, '<');
    const char *begin = text->at;
    while (text->at < text->end &&
           (is_letter(*text->at) || (quoted && ((*text->at >= '0' && *text->at <= '9') || *text->at == '+' || *text->at == '-'))))
        text->at++;
    return text->at - begin >= NAME_BYTES_MIN && (!quoted || take(text, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct text *text, int hours_max, int64_t *out_ms)
{
    bool minus = take(text, '-');
    if (!minus)
        take(text, '+');
    int hours = take_number(text, 0, hours_max), minutes = 0, seconds = 0;
    if (take(text, ':')) {
        minutes = take_number(text, 0, 59);
        if (take(text, ':'))
            seconds = take_number(text, 0, 59);
    }
    if (hours < 0 || minutes < 0 || seconds < 0)
        return false;
    int64_t ms = ((hours * 60 + minutes) * 60 + seconds) * INT64_C(1000);
    *out_ms = minus ? -ms : ms;
    return true;
}

static bool take_date(struct text *text, struct zone_date *out)
{
    if (!take(text, ','))
        return false;
    *out = (struct zone_date){.time_ms = DEFAULT_TIME_MS};
    if (take(text, 'M')) {
        out->kind = ZONE_WEEKDAY;
        out->month = take_number(text, 1, 12);
        out->week = take(text, '.') ? take_number(text, 1, 5) : -1;
        out->day = take(text, '.') ? take_number(text, 0, 6) : -1;
    } else {
        out->kind = take(text, 'J') ? ZONE_JULIAN : ZONE_DAY;
        out->day = take_number(text, out->kind == ZONE_JULIAN, 365);
    }
    if (out->month < 0 || out->week < 0 || out->day < 0)
        return false;
    return !take(text, '/') || take_time(text, TIME_HOURS_MAX, &out->time_ms);
}

bool zone_rule_read(const char *bytes, size_t len, struct zone_rule *out)
{
    struct text text = {bytes, bytes + len};
    struct zone_rule rule = {0};
    int64_t west_ms;
    if (!take_name(&text) || !take_time(&text, OFFSET_HOURS_MAX, &west_ms))
        return false;
    rule.standard_ms = -west_ms;
    rule.has_summer = text.at < text.end;
    rule.summer_ms = rule.standard_ms + HF_HOUR_MS;
    if (rule.has_summer) {
        if (!take_name(&text))
            return false;
        if (text.at < text.end && *text.at != ',') {
            if (!take_time(&text, OFFSET_HOURS_MAX, &west_ms))
                return false;
            rule.summer_ms = -west_ms;
        }
        if (!take_date(&text, &rule.begin) || !take_date(&text, &rule.end) || text.at != text.end)
            return false;
    }
    *out = rule;
    return true;
}

/* ---- when clocks change ---- */

static bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static int64_t day_in(const struct zone_date *date, int64_t year)
{
    int64_t new_year = hf_days_from_civil(year, 1, 1);
    if (date->kind == ZONE_DAY)
        return new_year + date->day;
    if (date->kind == ZONE_JULIAN) /* 60 is always 1 March */
        return new_year + date->day - 1 + (is_leap(year) && date->day >= 60);
    int64_t first = hf_days_from_civil(year, date->month, 1);
    int64_t next = date->month == 12 ? hf_days_from_civil(year + 1, 1, 1) : hf_days_from_civil(year, date->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + (date->day - weekday + 7) % 7 + (date->week - 1) * 7;
    return day < next ? day : day - 7;
}

int64_t zone_rule_offset_ms(const struct zone_rule *rule, int64_t time_ms, int64_t *until_ms)
{
    *until_ms = INT64_MAX;
    if (!rule->has_summer)
        return rule->standard_ms;
    int64_t year;
    int month, day;
    hf_civil_from_days((time_ms - (time_ms % HF_DAY_MS + HF_DAY_MS) % HF_DAY_MS) / HF_DAY_MS, &year, &month, &day);
    /* The last change up to now decides. A time of up to a week outside its day, and the offset, can move it into another year. Where
     * two fall together, the later in this order holds: summer time all the year ends and begins at once. */
    int64_t last_ms = INT64_MIN, offset_ms = rule->standard_ms;
    for (int64_t y = year - 1; y <= year + 1; y++)
        for (int i = 0; i < 2; i++) {
            const struct zone_date *date = i == 0 ? &rule->begin : &rule->end;
            int64_t before_ms = i == 0 ? rule->standard_ms : rule->summer_ms;
            int64_t at_ms = day_in(date, y) * HF_DAY_MS + date->time_ms - before_ms;
            if (at_ms > time_ms)
                *until_ms = at_ms < *until_ms ? at_ms : *until_ms;
            else if (at_ms >= last_ms) {
                last_ms = at_ms;
                offset_ms = i == 0 ? rule->summer_ms : rule->standard_ms;
            }
        }
    return offset_ms;
}
