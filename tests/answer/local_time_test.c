/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days and rows in time zones, over changes of clocks. The local time of every
 * minute is asked of the C library, and the statistics are computed from the samples.
 */
#define _DEFAULT_SOURCE /* tm_gmtoff */
#include "asking.h"

#include <time.h>

/* Each window is some days around a change of clocks, or around none. */
static const struct { const char *zone, *day; } windows[] = {
    {"America/New_York", "2026-03-08"},    /* 02:00 becomes 03:00 */
    {"America/New_York", "2026-11-01"},    /* 02:00 becomes 01:00 */
    {"Australia/Lord_Howe", "2026-04-05"}, /* 02:00 becomes 01:30 */
    {"Australia/Lord_Howe", "2026-10-04"}, /* 02:00 becomes 02:30 */
    {"America/Santiago", "2026-04-05"},    /* 00:00 becomes 23:00 of the day before */
    {"America/Santiago", "2026-09-06"},    /* 00:00 becomes 01:00 */
    {"Asia/Kolkata", "2026-06-15"},
    {"Asia/Kathmandu", "2026-06-15"},
    {"Europe/Berlin", "2026-06-15"},
    {"+05:30", "2026-06-15"},
    {"-09:30", "2026-06-15"}};
#define WINDOWS (sizeof windows / sizeof *windows)
#define DAYS_AROUND 3

static int64_t date_ms(const char *text)
{
    int64_t ms;
    ok(hf_parse_date(text, strlen(text), &ms));
    return ms;
}

static void fill_window(struct store_write *write, int64_t day_ms)
{
    int64_t begin_ms = day_ms - DAYS_AROUND * HF_DAY_MS, end_ms = day_ms + (1 + DAYS_AROUND) * HF_DAY_MS;
    sample_count = 0;
    for (int i = 0; i < 2000; i++)
        add_sample_at(begin_ms + (int64_t)(random_unit() * (double)(end_ms - begin_ms)), round(1000 * exp(3 * random_unit())) / 1000);
    for (int64_t at_ms = begin_ms; at_ms < end_ms; at_ms += HF_HOUR_MS)
        write_slot(write, STORE_HOURS, KEY, at_ms, HF_HOUR_MS, HOUR_BUCKETS);
    for (int64_t at_ms = begin_ms; at_ms < end_ms; at_ms += HF_MINUTE_MS)
        write_slot(write, STORE_MINUTES, KEY, at_ms, HF_MINUTE_MS, CELL_MINUTE_BUCKETS);
}

static struct one *all;
static size_t all_count;

static int set_up(void **state)
{
    struct store_status status = world_status;
    struct store_write *write;
    (void)state;
    if (make_folder() != 0)
        return -1;
    struct store *store = open_store(STORE_WRITER);
    ok(store_write_begin(store, &write, &why));
    for (size_t i = 0; i < WINDOWS; i++) {
        bool filled = false;
        for (size_t j = 0; j < i; j++)
            filled |= strcmp(windows[i].day, windows[j].day) == 0;
        if (filled)
            continue;
        fill_window(write, date_ms(windows[i].day));
        all = realloc(all, (all_count + sample_count) * sizeof *all);
        memcpy(all + all_count, samples, sample_count * sizeof *all);
        all_count += sample_count;
    }
    free(samples);
    samples = all;
    sample_count = all_count;
    ok(store_write_key(write, KEY, strlen(KEY), 0));
    status.as_of_ms = clock_ms = date_ms("2026-12-01");
    status.minutes_from = 0;
    ok(store_write_status(write, &status));
    ok(store_write_commit(&write, &why));
    store_close(&store);
    return open_to_ask();
}

static int tear_down(void **state)
{
    (void)state;
    close_to_ask();
    free(samples);
    return remove_folder();
}

/* ---- the truth ---- */

struct local {
    int64_t start_ms, end_ms, offset_ms;
    int hour, weekday;
    char date[16];
};

static struct local local_of(const char *zone, int64_t time_ms)
{
    struct local out = {0};
    struct tm tm;
    time_t seconds = time_ms / 1000;
    char posix[32];
    if (*zone == '+' || *zone == '-') /* POSIX counts to the west */
        snprintf(posix, sizeof posix, "XXX%c%s", *zone == '+' ? '-' : '+', zone + 1);
    setenv("TZ", *zone == '+' || *zone == '-' ? posix : zone, 1);
    tzset();
    localtime_r(&seconds, &tm);
    out.offset_ms = tm.tm_gmtoff * INT64_C(1000);
    out.hour = tm.tm_hour;
    out.weekday = tm.tm_wday == 0 ? 7 : tm.tm_wday;
    strftime(out.date, sizeof out.date, "%Y-%m-%d", &tm);
    return out;
}

/* The local hours that begin in [from, to), minute by minute; returns how many. */
static size_t local_hours(const char *zone, int64_t from_ms, int64_t to_ms, struct local *out, size_t most)
{
    size_t count = 0;
    struct local last = local_of(zone, from_ms - HF_MINUTE_MS);
    for (int64_t at_ms = from_ms; at_ms < to_ms || (count > 0 && out[count - 1].end_ms == 0); at_ms += HF_MINUTE_MS) {
        struct local now = local_of(zone, at_ms);
        bool begins = now.hour != last.hour || now.offset_ms != last.offset_ms;
        last = now;
        if (!begins)
            continue;
        if (count > 0 && out[count - 1].end_ms == 0)
            out[count - 1].end_ms = at_ms;
        if (at_ms >= to_ms)
            break;
        assert_true(count < most);
        now.start_ms = at_ms;
        out[count++] = now;
    }
    return count;
}

static void check_numbers(json_object *slot, const struct stat_spec *stat, const struct local *local)
{
    size_t count;
    double *values = values_of(local->start_ms, local->end_ms, &count);
    unsigned seconds = (unsigned)((local->end_ms - local->start_ms) / 1000);
    assert_true_of(number(slot, "count") == (double)count, "%s %d: %zu", local->date, local->hour, count);
    if (count > 0)
        must_agree(stat, number(slot, "value"), number(slot, "low"), number(slot, "high"), truth(slot, "exact"),
                   naive(stat, values, count, seconds));
    else
        assert_null(member(slot, "value"));
    free(values);
}

static const char *const some_stats[] = {"median", "p90", "average", "count", "throughput"};

/* ---- days ---- */

static void check_day(const char *zone, const char *day, const char *stat_name)
{
    struct local hours[80], wanted[80];
    size_t count = local_hours(zone, date_ms(day) - 15 * HF_HOUR_MS, date_ms(day) + 40 * HF_HOUR_MS, hours, 80), n = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(hours[i].date, day) == 0)
            wanted[n++] = hours[i];
    struct stat_spec stat;
    ok(stat_parse(stat_name, strlen(stat_name), &stat));
    char uri[200], expected[HF_UTC_TEXT];
    snprintf(uri, sizeof uri, "/" KEY "/%s/%s?tz=%s", stat_name, day, zone);
    json_object *document = ask_json(uri), *list = member(document, "hours");
    must_have_members(document, "key stat date tz value low high exact count complete as_of hours");
    assert_string_equal(text(document, "tz"), zone);
    assert_true_of(json_object_array_length(list) == n, "%s: %zu hours, not %zu", uri, json_object_array_length(list), n);
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        json_object *slot = json_object_array_get_idx(list, i);
        must_have_members(slot, "hour time value low high exact count complete");
        assert_true(number(slot, "hour") == wanted[i].hour && truth(slot, "complete"));
        assert_string_equal(text(slot, "time"), hf_format_local(wanted[i].start_ms, wanted[i].offset_ms, expected));
        check_numbers(slot, &stat, &wanted[i]);
        total += number(slot, "count");
    }
    assert_true(number(document, "count") == total);
    struct local whole = wanted[0];
    whole.end_ms = wanted[n - 1].end_ms;
    check_numbers(document, &stat, &whole);
    json_object_put(document);
}

static void days_are_those_of_local_clocks(void **state)
{
    (void)state;
    char day[HF_UTC_TEXT];
    for (size_t i = 0; i < WINDOWS; i++)
        for (int around = -1; around <= 1; around++)
            for (size_t s = 0; s < sizeof some_stats / sizeof *some_stats; s++) {
                hf_format_date(date_ms(windows[i].day) + around * HF_DAY_MS, day);
                check_day(windows[i].zone, day, some_stats[s]);
            }
}

static void days_have_as_many_hours_as_they_have(void **state)
{
    (void)state;
    static const struct { const char *zone, *day; size_t hours; } cases[] = {
        {"America/New_York", "2026-03-08", 23}, {"America/New_York", "2026-11-01", 25}, {"Australia/Lord_Howe", "2026-04-05", 25},
        {"Australia/Lord_Howe", "2026-10-04", 24}, {"America/Santiago", "2026-04-04", 25}, {"America/Santiago", "2026-09-06", 23},
        {"Asia/Kolkata", "2026-06-15", 24}, {"UTC", "2026-06-15", 24}};
    char uri[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(uri, sizeof uri, "/" KEY "/count/%s?tz=%s", cases[i].day, cases[i].zone);
        json_object *document = ask_json(uri);
        assert_true_of(json_object_array_length(member(document, "hours")) == cases[i].hours, "%s", uri);
        json_object_put(document);
    }
}

static void csv_has_the_time_too(void **state)
{
    (void)state;
    const struct answer_response *response = ask("/" KEY "/count/2026-11-01?tz=America/New_York&format=csv", 200);
    char *body = strndup(response->body, response->body_bytes);
    assert_int_equal(strncmp(body, "key,stat,date,hour,time,value,", 30), 0);
    assert_non_null(strstr(body, ",2026-11-01,1,2026-11-01T01:00:00-04:00,"));
    assert_non_null(strstr(body, ",2026-11-01,1,2026-11-01T01:00:00-05:00,"));
    free(body);
}

/* ---- rows ---- */

static void check_rows(const char *zone, const char *day, const char *stat_name)
{
    char uri[300], begin[HF_UTC_TEXT], end[HF_UTC_TEXT], expected[HF_UTC_TEXT];
    struct local hours[80];
    struct stat_spec stat;
    int64_t from_ms = date_ms(day) - 7 * HF_HOUR_MS - 17 * HF_MINUTE_MS, to_ms = from_ms + 24 * HF_HOUR_MS;
    size_t n = local_hours(zone, from_ms, to_ms, hours, 80);
    ok(stat_parse(stat_name, strlen(stat_name), &stat));
    snprintf(uri, sizeof uri, "/-/series?key=" KEY "&stat=%s&from=%s&to=%s&tz=%s", stat_name, hf_format_utc(from_ms, begin),
             hf_format_utc(to_ms, end), zone);
    json_object *rows = ask_json(uri);
    assert_true_of(json_object_array_length(rows) == n, "%s: %zu, not %zu", uri, json_object_array_length(rows), n);
    for (size_t r = 0; r < n; r++) {
        json_object *row = json_object_array_get_idx(rows, r);
        unsigned seconds = (unsigned)((hours[r].end_ms - hours[r].start_ms) / 1000);
        size_t count;
        double *values = values_of(hours[r].start_ms, hours[r].end_ms, &count);
        assert_string_equal(text(row, "time"), hf_format_local(hours[r].start_ms, hours[r].offset_ms, expected));
        assert_true(number(row, "count") == (double)count);
        if (count > 0) {
            double v = number(row, "value"); /* of so few samples, exact */
            must_agree(&stat, v, v, v, true, naive(&stat, values, count, seconds));
        } else
            assert_null(member(row, "value"));
        free(values);
    }
    json_object_put(rows);
}

static void rows_are_local_hours(void **state)
{
    (void)state;
    for (size_t i = 0; i < WINDOWS; i++)
        for (size_t s = 0; s < sizeof some_stats / sizeof *some_stats; s++)
            check_rows(windows[i].zone, windows[i].day, some_stats[s]);
}

/* Wherever a time is cut in two, each hour is in one of the parts. */
static void ranges_part_without_loss(void **state)
{
    (void)state;
    char uri[300];
    for (size_t i = 0; i < WINDOWS; i++) {
        int64_t from = date_ms(windows[i].day) / 1000 - 36000, to = from + 86400;
        size_t whole = 0;
        for (int64_t cut = from; cut <= to; cut += 1800) {
            size_t parts = 0;
            for (int part = 0; part < 2; part++) {
                int64_t begin = part == 0 ? from : cut, end = part == 0 ? cut : to;
                if (begin == end)
                    continue;
                snprintf(uri, sizeof uri, "/-/series?key=" KEY "&stat=max&from=%lld&to=%lld&tz=%s", (long long)begin, (long long)end,
                         windows[i].zone);
                json_object *rows = ask_json(uri);
                parts += json_object_array_length(rows);
                json_object_put(rows);
            }
            whole = whole == 0 ? parts : whole;
            assert_true_of(parts == whole, "%s at %lld: %zu, not %zu", windows[i].zone, (long long)cut, parts, whole);
        }
    }
}

static void dates_begin_at_local_midnight(void **state)
{
    (void)state;
    static const struct { const char *zone, *first, *last; size_t count; } cases[] = {
        {"Asia/Kolkata", "2026-06-15T00:00:00+05:30", "2026-06-15T23:00:00+05:30", 24},
        {"Asia/Kathmandu", "2026-06-15T00:00:00+05:45", "2026-06-15T23:00:00+05:45", 24},
        {"-09:30", "2026-06-15T00:00:00-09:30", "2026-06-15T23:00:00-09:30", 24}};
    char uri[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(uri, sizeof uri, "/-/series?key=" KEY "&stat=max&from=2026-06-15&to=2026-06-16&tz=%s", cases[i].zone);
        json_object *rows = ask_json(uri);
        assert_int_equal(json_object_array_length(rows), cases[i].count);
        assert_string_equal(text(json_object_array_get_idx(rows, 0), "time"), cases[i].first);
        assert_string_equal(text(json_object_array_get_idx(rows, cases[i].count - 1), "time"), cases[i].last);
        json_object_put(rows);
    }
    json_object *rows = ask_json("/-/series?key=" KEY "&stat=max&from=2026-09-06&to=2026-09-07&tz=America/Santiago");
    assert_string_equal(text(json_object_array_get_idx(rows, 0), "time"), "2026-09-06T01:00:00-03:00");
    assert_int_equal(json_object_array_length(rows), 23);
    json_object_put(rows);
}

/* ---- heat maps ---- */

static void heat_maps_are_of_local_days(void **state)
{
    (void)state;
    for (size_t i = 0; i < WINDOWS; i++) {
        char uri[200], expected[HF_UTC_TEXT];
        struct local hours[80];
        int64_t from_ms = date_ms(windows[i].day);
        size_t n = local_hours(windows[i].zone, from_ms - 15 * HF_HOUR_MS, from_ms + 40 * HF_HOUR_MS, hours, 80), at = 0;
        snprintf(uri, sizeof uri, "/-/heatmap?key=" KEY "&date=%s&tz=%s", windows[i].day, windows[i].zone);
        json_object *document = ask_json(uri), *list = member(document, "hours");
        for (size_t h = 0; h < n; h++) {
            if (strcmp(hours[h].date, windows[i].day) != 0)
                continue;
            json_object *slot = json_object_array_get_idx(list, at++), *counts = member(slot, "counts");
            size_t count, sum = 0;
            free(values_of(hours[h].start_ms, hours[h].end_ms, &count));
            for (size_t band = 0; band < json_object_array_length(counts); band++)
                sum += (size_t)json_object_get_int64(json_object_array_get_idx(counts, band));
            assert_string_equal(text(slot, "time"), hf_format_local(hours[h].start_ms, hours[h].offset_ms, expected));
            assert_true_of(sum == count && number(slot, "count") == (double)count, "%s: %s", uri, expected);
        }
        assert_int_equal(json_object_array_length(list), at);
        json_object_put(document);
    }
}

/* ---- pattern ---- */

/* The samples of some slots, sorted; the caller frees. */
static double *values_of_group(const struct local *hours, size_t n, int weekday, int hour, size_t *count, int64_t *ms, size_t *slots)
{
    double *all_values = malloc((sample_count + 1) * sizeof *all_values);
    *count = *slots = 0;
    *ms = 0;
    for (size_t i = 0; i < n; i++) {
        size_t more;
        if (hours[i].weekday != weekday || hours[i].hour != hour)
            continue;
        double *values = values_of(hours[i].start_ms, hours[i].end_ms, &more);
        memcpy(all_values + *count, values, more * sizeof *values);
        *count += more;
        *ms += hours[i].end_ms - hours[i].start_ms;
        ++*slots;
        free(values);
    }
    qsort(all_values, *count, sizeof *all_values, compare_doubles);
    return all_values;
}

static void check_pattern(const char *zone, const char *day, const char *stat_name)
{
    static struct local hours[300];
    struct stat_spec stat;
    char uri[300], begin[HF_UTC_TEXT], end[HF_UTC_TEXT];
    int64_t from_ms = date_ms(day) - 3 * HF_DAY_MS, to_ms = date_ms(day) + 3 * HF_DAY_MS;
    size_t n = local_hours(zone, from_ms, to_ms, hours, 300);
    ok(stat_parse(stat_name, strlen(stat_name), &stat));
    snprintf(uri, sizeof uri, "/-/pattern?key=" KEY "&stat=%s&from=%s&to=%s&tz=%s", stat_name, hf_format_utc(from_ms, begin),
             hf_format_utc(to_ms, end), zone);
    json_object *document = ask_json(uri), *list = member(document, "hours");
    must_have_members(document, "key stat tz from to complete hours as_of");
    assert_string_equal(text(document, "from"), hf_format_local(hours[0].start_ms, hours[0].offset_ms, begin));
    assert_true(truth(document, "complete"));
    assert_int_equal(json_object_array_length(list), 168);
    for (int i = 0; i < 168; i++) {
        json_object *slot = json_object_array_get_idx(list, (size_t)i);
        size_t count, slots;
        int64_t ms;
        double *values = values_of_group(hours, n, i / 24 + 1, i % 24, &count, &ms, &slots);
        must_have_members(slot, "weekday hour value low high exact count slots");
        assert_true(number(slot, "weekday") == i / 24 + 1 && number(slot, "hour") == i % 24);
        assert_true_of(number(slot, "count") == (double)count && number(slot, "slots") == (double)slots, "%s: %d", uri, i);
        if (count > 0)
            must_agree(&stat, number(slot, "value"), number(slot, "low"), number(slot, "high"), truth(slot, "exact"),
                       naive(&stat, values, count, (unsigned)(ms / 1000)));
        else
            assert_null(member(slot, "value"));
        free(values);
    }
    json_object_put(document);
}

static void patterns_merge_local_hours(void **state)
{
    (void)state;
    conf.query.max_cells = 10000;
    for (size_t i = 0; i < WINDOWS; i++)
        check_pattern(windows[i].zone, windows[i].day, some_stats[i % 5]);
    conf.query.max_cells = 1500;
    must_refuse(ask("/-/pattern?key=" KEY "&stat=max&from=2026-06-13&to=2026-06-16&tz=Asia/Kolkata", 400), "too_many_cells", NULL);
    must_refuse(ask("/-/pattern?key=nobody&stat=max", 404), "unknown_key", NULL);
    must_refuse(ask("/-/pattern?key=" KEY "&stat=all", 400), "bad_stat", "stat");
    json_object *document = ask_json("/-/pattern?key=" KEY "&stat=count"); /* the last four weeks */
    assert_string_equal(text(document, "from"), "2026-11-03T00:00:00Z");
    assert_string_equal(text(document, "to"), "2026-12-01T00:00:00Z");
    json_object_put(document);
    const struct answer_response *response = ask("/-/pattern?key=" KEY "&stat=count&from=2026-06-15&to=2026-06-16&format=csv", 200);
    char *body = strndup(response->body, response->body_bytes);
    assert_int_equal(strncmp(body, "key,stat,weekday,hour,value,low,high,exact,count,slots\r\ncheckout.latency,count,1,0,", 83), 0);
    assert_non_null(strstr(body, "\r\ncheckout.latency,count,7,23,,,,,0,0\r\n"));
    free(body);
}

/* ---- what cannot be ---- */

static void refusals_are_named(void **state)
{
    (void)state;
    must_refuse(ask("/" KEY "/max/2026-06-15?tz=Nowhere", 400), "bad_parameter", "tz");
    must_refuse(ask("/" KEY "/max/2026-06-15?tz=../passwd", 400), "bad_parameter", "tz");
    must_refuse(ask("/" KEY "/max/2026-06-15/3?tz=UTC", 400), "bad_parameter", "tz");
    must_refuse(ask("/" KEY "/max/2011-12-30?tz=Pacific/Apia", 400), "bad_date", "date"); /* it was skipped */
    must_refuse(ask("/" KEY "/max/1971-06-15?tz=Africa/Monrovia", 400), "bad_parameter", "tz"); /* 44 minutes and 30 seconds */
    conf.query.max_cells = 1439;
    must_refuse(ask("/" KEY "/max/2026-06-15?tz=Asia/Kolkata", 400), "too_many_cells", NULL);
    ask("/" KEY "/max/2026-06-15?tz=Europe/Berlin", 200);
    conf.query.max_cells = 1500;
}

/* The last one, as it changes the store: hours that need minutes which have expired are an error, whole hours are not. */
static void expired_minutes_are_told(void **state)
{
    (void)state;
    struct store_status status = world_status;
    struct store_write *write;
    struct store *store = open_store(STORE_WRITER);
    status.as_of_ms = date_ms("2026-12-01");
    status.minutes_from = hf_hour_of(date_ms("2026-06-15"));
    ok(store_write_begin(store, &write, &why));
    ok(store_write_status(write, &status));
    ok(store_write_commit(&write, &why));
    must_refuse(ask("/" KEY "/max/2026-06-15?tz=Asia/Kolkata", 404), "minutes_expired", NULL);
    ask("/" KEY "/max/2026-06-16?tz=Asia/Kolkata", 200);
    ask("/" KEY "/max/2026-06-15?tz=Europe/Berlin", 200);
    must_refuse(ask("/-/series?key=" KEY "&stat=max&step=minute&from=2026-06-14T23:59:00Z&to=2026-06-15T00:01:00Z", 404),
                "minutes_expired", NULL);
    ask("/-/series?key=" KEY "&stat=max&step=minute&from=2026-06-15T00:00:00Z&to=2026-06-15T00:01:00Z", 200);
    ask("/-/series?key=" KEY "&stat=max&from=2026-06-14&to=2026-06-15", 200);
    store_close(&store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        unit(days_are_those_of_local_clocks), unit(days_have_as_many_hours_as_they_have), unit(csv_has_the_time_too),
        unit(rows_are_local_hours), unit(ranges_part_without_loss), unit(dates_begin_at_local_midnight),
        unit(heat_maps_are_of_local_days), unit(patterns_merge_local_hours), unit(refusals_are_named),
        unit(expired_minutes_are_told)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
