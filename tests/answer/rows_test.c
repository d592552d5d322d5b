/* SPDX-License-Identifier: Apache-2.0 */
/* /-/series: rows of several keys, against the samples. */
#include "asking.h"

/* Rows of KEY from a time on, one for each slot of `width_ms`. */
static void check_rows(const char *uri, const char *stat_name, int64_t start_ms, int64_t width_ms, size_t slots)
{
    struct stat_spec stat;
    ok(stat_parse(stat_name, strlen(stat_name), &stat));
    json_object *rows = ask_json(uri);
    assert_true_of(json_object_array_length(rows) == slots, "%s: %zu rows", uri, json_object_array_length(rows));
    for (size_t i = 0; i < slots; i++, start_ms += width_ms) {
        json_object *row = json_object_array_get_idx(rows, i);
        char time[HF_UTC_TEXT];
        size_t count;
        double *values = values_of(start_ms, start_ms + width_ms, &count);
        must_have_members(row, "time key value count");
        assert_string_equal(text(row, "time"), hf_format_utc(start_ms, time));
        assert_string_equal(text(row, "key"), KEY);
        assert_true(number(row, "count") == (double)count);
        if (count == 0)
            assert_null(member(row, "value"));
        else if (stat.kind != STAT_PERCENTILE && stat.kind != STAT_MEDIAN) {
            double v = number(row, "value");
            must_agree(&stat, v, v, v, true, naive(&stat, values, count, (unsigned)(width_ms / 1000)));
        } else /* as close as the buckets of an hour are; the bounds themselves are in the other answers */
            assert_true(fabs(number(row, "value") - naive(&stat, values, count, 1)) <= 0.02 * fabs(naive(&stat, values, count, 1)));
        free(values);
    }
    json_object_put(rows);
}

static void hours_and_minutes_are_rows(void **state)
{
    (void)state;
    static const char *const stats[] = {"max", "average", "count", "throughput", "median", "p99.9"};
    char uri[300];
    for (size_t i = 0; i < sizeof stats / sizeof *stats; i++) {
        snprintf(uri, sizeof uri, "/-/series?key=" KEY "&stat=%s&from=" DAY "&to=2026-11-24", stats[i]);
        check_rows(uri, stats[i], DAY_MS, HF_HOUR_MS, 24);
        snprintf(uri, sizeof uri, "/-/series?key=" KEY "&stat=%s&from=" DAY "&to=2026-11-24&step=minute", stats[i]);
        check_rows(uri, stats[i], DAY_MS, HF_MINUTE_MS, 1440);
    }
}

static void times_are_read(void **state)
{
    (void)state;
    static const char base[] = "/-/series?key=" KEY "&stat=max";
    char uri[300];
    static const struct { const char *query; int64_t start_ms, width_ms; size_t slots; } cases[] = {
        {"&from=1795392000&to=1795399200", DAY_MS, HF_HOUR_MS, 2},
        {"&from=1795392000000&to=1795399200000", DAY_MS, HF_HOUR_MS, 2}, /* milliseconds */
        {"&from=1795392000001&to=1795399200.001", DAY_MS + HF_HOUR_MS, HF_HOUR_MS, 2},
        {"&from=2026-11-23T00%3A00%3A00.000Z&to=2026-11-23T02%3A00%3A00Z", DAY_MS, HF_HOUR_MS, 2},
        {"&from=1795392000.001&to=1795399200.001", DAY_MS + HF_HOUR_MS, HF_HOUR_MS, 2},
        {"&from=2026-11-23T00:00:00Z&to=2026-11-23T03:00:00%2B01:00", DAY_MS, HF_HOUR_MS, 2},
        {"&from=2026-11-23T00:00:00Z&to=2026-11-23T03:00:00+01:00", DAY_MS, HF_HOUR_MS, 2},
        {"&from=2026-11-23T17:30:00Z&to=2026-11-23T17:33:00Z&step=minute", DAY_MS + 1050 * HF_MINUTE_MS, HF_MINUTE_MS, 3},
        {"&from=2026-11-23T17:30:30Z&to=2026-11-23T17:33:01Z&step=minute", DAY_MS + 1051 * HF_MINUTE_MS, HF_MINUTE_MS, 3},
        {"&to=2026-11-24&step=hour", DAY_MS, HF_HOUR_MS, 24},
        {"", DAY_MS - 4 * HF_HOUR_MS, HF_HOUR_MS, 24}, /* the last 24 hours */
        {"&from=" DAY, DAY_MS, HF_HOUR_MS, 20},        /* until now */
        {"&from=2026-11-23T10:00:00.001Z&to=2026-11-23T10:59:59Z", 0, HF_HOUR_MS, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(uri, sizeof uri, "%s%s", base, cases[i].query);
        if (cases[i].query[0] == '\0') { /* where the day before is not of KEY alone */
            json_object *rows = ask_json(uri);
            char time[HF_UTC_TEXT];
            assert_int_equal(json_object_array_length(rows), 24);
            assert_string_equal(text(json_object_array_get_idx(rows, 0), "time"), hf_format_utc(cases[i].start_ms, time));
            json_object_put(rows);
        } else
            check_rows(uri, "max", cases[i].start_ms, cases[i].width_ms, cases[i].slots);
    }
}

static void csv_says_the_same(void **state)
{
    (void)state;
    const struct answer_response *response = ask("/-/series?key=" KEY "&stat=max&from=2026-11-23T10:00:00Z&to=2026-11-23T12:00:00Z"
                                                 "&format=csv", 200);
    static const char csv[] = "time,key,value,count\r\n2026-11-23T10:00:00Z,checkout.latency,42.5,1\r\n"
                              "2026-11-23T11:00:00Z,checkout.latency,,0\r\n";
    assert_true(header_is(response, "Content-Type", "text/csv; charset=utf-8"));
    assert_int_equal(response->body_bytes, sizeof csv - 1);
    assert_memory_equal(response->body, csv, sizeof csv - 1);
    response = ask("/-/series?key=" KEY "&stat=max&from=2026-11-23T10:00:00Z&to=2026-11-23T12:00:00Z", 200);
    static const char json[] = "[{\"time\":\"2026-11-23T10:00:00Z\",\"key\":\"checkout.latency\",\"value\":42.5,\"count\":1},"
                               "{\"time\":\"2026-11-23T11:00:00Z\",\"key\":\"checkout.latency\",\"value\":null,\"count\":0}]\n";
    assert_int_equal(response->body_bytes, sizeof json - 1);
    assert_memory_equal(response->body, json, sizeof json - 1);
}

/* ---- several keys ---- */

static void must_give_keys(struct answer *with, const char *authorization, const char *pattern, const char *expected)
{
    char uri[3000], got[400] = "";
    snprintf(uri, sizeof uri, "/-/series?stat=average&from=2026-11-23T03:00:00Z&to=2026-11-23T05:00:00Z&key=%s", pattern);
    struct answer_request request = request_of(uri);
    request.authorization = authorization;
    const struct answer_response *response = answer_request(with, &request);
    if (*expected == '\0') {
        assert_true_of(response->status == 404, "%s: %u", uri, response->status);
        must_refuse(response, "unknown_key", NULL);
        return;
    }
    assert_true_of(response->status == 200, "%s: %u", uri, response->status);
    json_object *rows = parse(response);
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        json_object *row = json_object_array_get_idx(rows, i);
        assert_string_equal(text(row, "time"), i % 2 == 0 ? "2026-11-23T03:00:00Z" : "2026-11-23T04:00:00Z");
        if (i % 2 == 0)
            strcat(strcat(got, *got == '\0' ? "" : " "), text(row, "key"));
        else
            assert_true(number(row, "count") == 0);
    }
    assert_string_equal(got, expected);
    json_object_put(rows);
}

static void keys_are_found_by_pattern(void **state)
{
    (void)state;
    must_give_keys(answer, NULL, KEY, KEY);
    must_give_keys(answer, NULL, "a", "a");
    must_give_keys(answer, NULL, "a*", "a a.b");
    must_give_keys(answer, NULL, "a.b,a", "a a.b");
    must_give_keys(answer, NULL, "a,a,a*,a.b,a%2a", "a a.b");
    must_give_keys(answer, NULL, "*.latency", "checkout.latency search.latency");
    must_give_keys(answer, NULL, "checkout.*,?", "a b checkout.errors checkout.latency");
    must_give_keys(answer, NULL, "checkout,nobody,search.d*", "checkout search.depth");
    must_give_keys(answer, NULL, "status.up,*.errors,b", "b checkout.errors status.up");
    must_give_keys(answer, NULL, "*", "a a.b b checkout checkout.errors checkout.latency search.depth search.latency status.up wide");
    must_give_keys(answer, NULL, "nobody", "");
    must_give_keys(answer, NULL, "nobody*,z*", "");
    must_give_keys(answer, NULL, "check", "");
}

/* SHA-256 of "beta". */
#define HASH_BETA "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"

static void only_keys_that_may_be_seen(void **state)
{
    (void)state;
    static const struct conf_view views[] = {{.name = "beta", .keys = "search.*,a*", .stats = "average,count", .token_sha256 = HASH_BETA},
                                             {.name = "public", .keys = "status.*", .stats = "average", .token_sha256 = ""},
                                             {.name = "counts", .keys = "*", .stats = "count", .token_sha256 = HASH_BETA}};
    struct hf_conf with_views = conf;
    struct access *access = NULL;
    with_views.views = views;
    with_views.view_count = 3;
    ok(access_new(&with_views, &access, &why));
    struct answer *guarded = answer_new(&with_views, access);
    must_give_keys(guarded, NULL, "*", "status.up");
    must_give_keys(guarded, NULL, KEY, "");
    must_give_keys(guarded, "Bearer beta", "*", "a a.b search.depth search.latency status.up");
    must_give_keys(guarded, "Bearer beta", "a.b,checkout,s*", "a.b search.depth search.latency status.up");
    must_give_keys(guarded, "Bearer beta", "checkout*", "");
    struct answer_request request = request_of("/-/series?key=status.up&stat=max");
    must_refuse(answer_request(guarded, &request), "unauthorized", NULL);
    request.authorization = "Bearer beta";
    must_refuse(answer_request(guarded, &request), "forbidden", NULL);
    static const struct { const char *uri, *code; } refused[] = {
        {"/-/spikes?key=a&date=" DAY, "forbidden"}, {"/-/heatmap?key=a&date=" DAY, "forbidden"},
        {"/-/pattern?key=a&stat=max", "forbidden"}, {"/-/pattern?key=checkout&stat=average", "forbidden"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        request.uri = refused[i].uri;
        must_refuse(answer_request(guarded, &request), refused[i].code, NULL);
    }
    request.uri = "/-/pattern?key=a&stat=average";
    assert_int_equal(answer_request(guarded, &request)->status, 200);
    answer_free(&guarded);
    access_free(&access);
}

/* ---- refusals ---- */

static void cost_is_bounded(void **state)
{
    (void)state;
    struct answer_request request = request_of("/-/series?key=a&stat=max&step=minute&from=2026-11-01");
    request.store = NULL; /* would be 503 once the store were asked for */
    const struct answer_response *response = answer_request(answer, &request);
    assert_int_equal(response->status, 400);
    assert_non_null(strstr(response->body, "query.max_cells"));
    must_refuse(response, "too_many_cells", NULL);
    request.uri = "/-/series?key=a&stat=max&step=minute&from=1970-01-01&to=9999-12-31&tz=America/New_York";
    must_refuse(answer_request(answer, &request), "too_many_cells", NULL);

    /* Ten keys of 24 hours. */
    conf.query.max_cells = 240;
    ask("/-/series?key=*&stat=max&from=" DAY "&to=2026-11-24", 200);
    conf.query.max_cells = 239;
    response = ask("/-/series?key=*&stat=max&from=" DAY "&to=2026-11-24", 400);
    assert_non_null(strstr(response->body, "239"));
    must_refuse(response, "too_many_cells", NULL);
    ask("/-/series?key=*a*&stat=max&from=" DAY "&to=2026-11-24", 200);
    conf.query.max_cells = 1500;
}

static void without_a_store_there_are_no_rows(void **state)
{
    (void)state;
    struct answer_request request = request_of("/-/series?key=a&stat=max");
    request.store = NULL;
    request.no_store = HF_NOTFOUND;
    const struct answer_response *response = answer_request(answer, &request);
    assert_int_equal(response->status, 503);
    must_refuse(response, "unavailable", NULL);
    must_refuse(ask("/-/series?key=" KEY "&stat=max&from=2026-11-25", 400), "bad_parameter", "from"); /* it is later than now */
    must_refuse(ask("/-/series?key=" KEY "&stat=max&from=2026-11-23&to=2026-11-23", 400), "bad_parameter", "to");
    must_refuse(ask("/-/series?key=" KEY "&stat=max&from=2026-11-25&to=2026-11-26", 500), "internal_error", NULL); /* damaged */
}

static void only_what_is_complete_is_kept(void **state)
{
    (void)state;
    static const char past[] = "/-/series?key=" KEY "&stat=max&from=2026-11-23T00:00:00Z&to=2026-11-23T18:00:01Z";
    const struct answer_response *response = ask(past, 200);
    assert_true(header_is(response, "Cache-Control", "max-age=60"));
    char etag[64];
    snprintf(etag, sizeof etag, "%s", header(response, "ETag"));
    struct answer_request request = request_of(past);
    request.if_none_match = etag;
    assert_int_equal(answer_request(answer, &request)->status, 304);
    response = ask("/-/series?key=" KEY "&stat=max&from=2026-11-23T00:00:00Z&to=2026-11-23T19:00:01Z", 200);
    assert_true(header_is(response, "Cache-Control", "no-store"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        unit(hours_and_minutes_are_rows), unit(times_are_read), unit(csv_says_the_same), unit(keys_are_found_by_pattern),
        unit(only_keys_that_may_be_seen), unit(cost_is_bounded), unit(without_a_store_there_are_no_rows),
        unit(only_what_is_complete_is_kept)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up_asking, tear_down_asking);
}
