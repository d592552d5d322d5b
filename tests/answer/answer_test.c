/* SPDX-License-Identifier: Apache-2.0 */
/* Whole answers, over a real store; the numbers in them against the samples themselves. */
#include "asking.h"

#include "tally/tally.h"

#include <ctype.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* SHA-256 of "alpha" and "beta". */
#define HASH_ALPHA "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8"
#define HASH_BETA "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"
static const struct conf_view views[] = {
    {.name = "alpha", .keys = "checkout.*", .stats = "*", .token_sha256 = HASH_ALPHA},
    {.name = "beta", .keys = "search.*,a*", .stats = "average,count", .token_sha256 = HASH_BETA},
    {.name = "public", .keys = "status.*", .stats = "average", .token_sha256 = ""}};

/* The numbers of one statistic in `object`, against the samples of a slot. */
static void check_one(json_object *object, const struct stat_spec *stat, int64_t start_ms, unsigned seconds)
{
    size_t count;
    double *values = values_of(start_ms, start_ms + seconds * INT64_C(1000), &count);
    assert_true(number(object, "count") == (double)count);
    assert_int_equal(truth(object, "complete"), start_ms + seconds * INT64_C(1000) <= AS_OF_MS);
    if (count > 0)
        must_agree(stat, number(object, "value"), number(object, "low"), number(object, "high"), truth(object, "exact"),
                   naive(stat, values, count, seconds));
    else
        assert_true(member(object, "value") == NULL && member(object, "low") == NULL && member(object, "high") == NULL &&
                    member(object, "exact") == NULL);
    free(values);
}

static void check_all(json_object *object, int64_t start_ms, unsigned seconds)
{
    size_t count;
    double *values = values_of(start_ms, start_ms + seconds * INT64_C(1000), &count);
    json_object *bounds = member(object, "bounds");
    assert_true(number(object, "count") == (double)count);
    assert_int_equal(truth(object, "complete"), start_ms + seconds * INT64_C(1000) <= AS_OF_MS);
    for (size_t i = 0; i < STAT_ALL_COUNT; i++) {
        const struct stat_spec *stat = &stat_all[i];
        if (count == 0) {
            assert_true(stat->kind == STAT_COUNT || member(object, stat->name) == NULL);
            continue;
        }
        json_object *bound = member(bounds, stat->name);
        must_have_members(bound, "low high exact");
        must_agree(stat, number(object, stat->name), number(bound, "low"), number(bound, "high"), truth(bound, "exact"),
                   naive(stat, values, count, seconds));
    }
    assert_int_equal(bounds == NULL, count == 0);
    free(values);
}

/* ---- hours, minutes, days ---- */

static const char *const every_stat[] = {"average", "mean", "avg", "min", "max", "median", "count", "sum", "stddev",
                                         "throughput", "p0", "p0.001", "p1", "p12.5", "p50", "p75", "p99", "p99.9",
                                         "p99.999999999999", "p100"};
#define EVERY_STAT (sizeof every_stat / sizeof *every_stat)
#define HEAD_OF_HOUR "key stat date hour"
#define HEAD_OF_DAY "key stat date"
#define ONE "value low high exact count complete"
#define ALL "average min max median count sum stddev throughput p1 p5 p10 p25 p75 p90 p95 p99 p99.9 bounds complete"
static const unsigned full_hours[] = {3, 9, 10, 17, 18, 19};

static void every_statistic_of_an_hour(void **state)
{
    (void)state;
    char uri[200];
    unsigned inexact = 0;
    for (size_t h = 0; h < sizeof full_hours / sizeof *full_hours; h++)
        for (size_t i = 0; i < EVERY_STAT; i++) {
            struct stat_spec stat;
            ok(stat_parse(every_stat[i], strlen(every_stat[i]), &stat));
            snprintf(uri, sizeof uri, "/" KEY "/%s/" DAY "/%u", every_stat[i], full_hours[h]);
            json_object *document = ask_json(uri);
            must_have_members(document, HEAD_OF_HOUR " " ONE " as_of");
            assert_string_equal(text(document, "key"), KEY);
            assert_string_equal(text(document, "stat"), stat.name);
            assert_string_equal(text(document, "date"), DAY);
            assert_true(number(document, "hour") == full_hours[h]);
            assert_string_equal(text(document, "as_of"), "2026-11-23T19:00:02Z");
            check_one(document, &stat, DAY_MS + full_hours[h] * HF_HOUR_MS, 3600);
            inexact += !truth(document, "exact");
            json_object_put(document);
        }
    assert_true(inexact > 0); /* else the bounds were not tested */
}

static void the_bytes_are_the_contracts(void **state)
{
    (void)state;
    const struct answer_response *response = ask("/" KEY "/p50/" DAY "/10", 200);
    static const char expected[] = "{\"key\":\"checkout.latency\",\"stat\":\"p50\",\"date\":\"2026-11-23\",\"hour\":10,"
                                   "\"value\":42.5,\"low\":42.5,\"high\":42.5,\"exact\":true,\"count\":1,"
                                   "\"complete\":true,\"as_of\":\"2026-11-23T19:00:02Z\"}\n";
    assert_int_equal(response->body_bytes, sizeof expected - 1);
    assert_memory_equal(response->body, expected, sizeof expected - 1);
}

static void a_day_lists_its_hours(void **state)
{
    (void)state;
    char uri[200];
    for (size_t i = 0; i < EVERY_STAT; i++) {
        struct stat_spec stat;
        ok(stat_parse(every_stat[i], strlen(every_stat[i]), &stat));
        snprintf(uri, sizeof uri, "/" KEY "/%s/" DAY, every_stat[i]);
        json_object *document = ask_json(uri), *hours = member(document, "hours");
        must_have_members(document, HEAD_OF_DAY " " ONE " as_of hours");
        check_one(document, &stat, DAY_MS, 86400);
        assert_int_equal(json_object_array_length(hours), 24);
        for (unsigned hour = 0; hour < 24; hour++) {
            json_object *slot = json_object_array_get_idx(hours, hour);
            must_have_members(slot, "hour " ONE);
            assert_true(number(slot, "hour") == hour);
            check_one(slot, &stat, DAY_MS + hour * HF_HOUR_MS, 3600);
        }
        json_object_put(document);
    }
}

static void a_day_is_as_exact_as_its_hours(void **state)
{
    (void)state;
    json_object *document = ask_json("/wide/p75/2026-11-22");
    assert_true(truth(document, "exact"));
    assert_true(number(document, "count") == 2 * HOUR_BUCKETS);
    assert_true(number(document, "value") == 3 * HOUR_BUCKETS / 2 - 1);
    json_object_put(document);
}

static void an_hour_lists_its_minutes(void **state)
{
    (void)state;
    char uri[200];
    for (size_t h = 0; h < sizeof full_hours / sizeof *full_hours; h++)
        for (size_t i = 0; i < EVERY_STAT; i += 2) {
            struct stat_spec stat;
            ok(stat_parse(every_stat[i], strlen(every_stat[i]), &stat));
            snprintf(uri, sizeof uri, "/" KEY "/%s/" DAY "/%u?by=minute", every_stat[i], full_hours[h]);
            json_object *document = ask_json(uri), *minutes = member(document, "minutes");
            int64_t start_ms = DAY_MS + full_hours[h] * HF_HOUR_MS;
            must_have_members(document, HEAD_OF_HOUR " " ONE " as_of minutes");
            check_one(document, &stat, start_ms, 3600);
            assert_int_equal(json_object_array_length(minutes), 60);
            for (unsigned minute = 0; minute < 60; minute++) {
                json_object *slot = json_object_array_get_idx(minutes, minute);
                must_have_members(slot, "minute " ONE);
                assert_true(number(slot, "minute") == minute);
                check_one(slot, &stat, start_ms + minute * HF_MINUTE_MS, 60);
            }
            json_object_put(document);
        }
}

static void all_is_every_statistic(void **state)
{
    (void)state;
    char uri[200];
    for (size_t h = 0; h < sizeof full_hours / sizeof *full_hours; h++) {
        int64_t start_ms = DAY_MS + full_hours[h] * HF_HOUR_MS;
        snprintf(uri, sizeof uri, "/" KEY "/all/" DAY "/%u?by=minute", full_hours[h]);
        json_object *document = ask_json(uri), *minutes = member(document, "minutes");
        must_have_members(document, HEAD_OF_HOUR " " ALL " as_of minutes");
        assert_string_equal(text(document, "stat"), "all");
        check_all(document, start_ms, 3600);
        for (unsigned minute = 0; minute < 60; minute++) {
            must_have_members(json_object_array_get_idx(minutes, minute), "minute " ALL);
            check_all(json_object_array_get_idx(minutes, minute), start_ms + minute * HF_MINUTE_MS, 60);
        }
        json_object_put(document);
        uri[strlen(uri) - strlen("?by=minute")] = '\0';
        document = ask_json(uri);
        must_have_members(document, HEAD_OF_HOUR " " ALL " as_of");
        json_object_put(document);
    }
    json_object *document = ask_json("/" KEY "/all/" DAY), *hours = member(document, "hours");
    must_have_members(document, HEAD_OF_DAY " " ALL " as_of hours");
    check_all(document, DAY_MS, 86400);
    for (unsigned hour = 0; hour < 24; hour++)
        check_all(json_object_array_get_idx(hours, hour), DAY_MS + hour * HF_HOUR_MS, 3600);
    json_object_put(document);
}

static void complete_needs_both_clocks(void **state)
{
    (void)state;
    struct answer_request request = request_of("/" KEY "/count/" DAY "/18");
    request.now_ms = DAY_MS + 19 * HF_HOUR_MS - 1; /* as_of says that the hour has ended, the clock that it has not */
    json_object *document = parse(answer_request(answer, &request));
    assert_false(truth(document, "complete"));
    json_object_put(document);
    document = ask_json("/" KEY "/count/" DAY "/19");
    assert_false(truth(document, "complete"));
    json_object_put(document);
}

static void misses_are_told_apart(void **state)
{
    (void)state;
    must_refuse(ask("/nobody/median/" DAY "/3", 404), "unknown_key", NULL);
    must_refuse(ask("/nobody/median/" DAY, 404), "unknown_key", NULL);
    must_refuse(ask("/nobody/median/" DAY "/3?by=minute", 404), "unknown_key", NULL);
    must_refuse(ask("/checkout.latenc/median/" DAY "/3", 404), "unknown_key", NULL);
    must_refuse(ask("/" KEY "/median/" DAY "/4", 404), "no_samples", NULL);
    must_refuse(ask("/" KEY "/count/" DAY "/4", 404), "no_samples", NULL);
    must_refuse(ask("/" KEY "/throughput/" DAY "/4?by=minute", 404), "no_samples", NULL);
    must_refuse(ask("/" KEY "/median/" DAY "/4?format=csv", 404), "no_samples", NULL);
    must_refuse(ask("/" KEY "/median/1969-12-31/23", 404), "no_samples", NULL);
    must_refuse(ask("/" KEY "/median/0000-01-01/0?by=minute", 404), "no_samples", NULL);
    must_refuse(ask("/" KEY "/median/9999-12-31/23", 404), "no_samples", NULL);
    must_refuse(ask("/nobody/median/1969-12-31/23", 404), "unknown_key", NULL);
    must_refuse(ask("/" KEY "/median/2026-11-22/23?by=minute", 404), "minutes_expired", NULL);

    json_object *document = ask_json("/" KEY "/median/2026-11-22/23");
    assert_true(number(document, "count") == 1);
    json_object_put(document);
    static const char *const empty_days[] = {"2026-11-21", "1969-12-31", "0000-01-01", "9999-12-31"};
    for (size_t i = 0; i < sizeof empty_days / sizeof *empty_days; i++) {
        char uri[100];
        snprintf(uri, sizeof uri, "/" KEY "/median/%s", empty_days[i]);
        document = ask_json(uri);
        assert_true(number(document, "count") == 0 && member(document, "value") == NULL);
        assert_int_equal(json_object_array_length(member(document, "hours")), 24);
        json_object_put(document);
    }
}

static void damage_is_not_hidden(void **state)
{
    (void)state;
    static const char *const uris[] = {"/" KEY "/median/2026-11-25/1", "/" KEY "/median/2026-11-25",
                                       "/" KEY "/median/2026-11-25/1?by=minute"};
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        const struct answer_response *response = ask(uris[i], 500);
        assert_int_equal(response->err, HF_CORRUPT);
        must_refuse(response, "internal_error", NULL);
    }
}

/* Ask with a read that is open. */
static const struct answer_response *ask_at_once(struct store_read *read, const char *uri)
{
    struct answer_request request = request_of(uri);
    request.store = NULL;
    request.read = read;
    return answer_request(answer, &request);
}

static void at_once_are_answered_queries_of_one_cell(void **state)
{
    (void)state;
    static const char *const done[] = {"/" KEY "/median/" DAY "/18", "/" KEY "/all/" DAY "/18", "/" KEY "/p99/" DAY "/18?format=csv",
                                       "/" KEY "/median/" DAY "/4", "/nobody/median/" DAY "/3", "/" KEY "/median/1969-12-31/23",
                                       "/" KEY "/no/" DAY "/18"};
    static const char *const more[] = {"/" KEY "/median/" DAY, "/" KEY "/median/" DAY "/18?by=minute", "/-/keys", "/-/health", "/-/metrics",
                                       "/" KEY "/median/2026-11-25/1" /* is damaged, which takes a look at why */};
    struct store_read *read;
    ok(store_read_begin(reader, &read, &why));
    for (size_t i = 0; i < sizeof done / sizeof *done; i++) {
        struct answer_request request = request_of(done[i]);
        const struct answer_response *response = answer_request(answer, &request);
        unsigned status = response->status;
        char *headers = strdup(response->headers), *body = strndup(response->body, response->body_bytes);
        response = ask_at_once(read, done[i]);
        assert_true_of(response->status == status, "%s: %u", done[i], response->status);
        assert_string_equal(response->headers, headers);
        assert_int_equal(response->body_bytes, strlen(body));
        assert_memory_equal(response->body, body, strlen(body));
        free(headers);
        free(body);
    }
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        assert_true_of(ask_at_once(read, more[i])->status == 0, "%s", more[i]);
    store_read_end(&read);
}

/* As a reader finds them in the middle of a commit that takes long. */
static void an_hour_may_be_ahead_of_its_minutes(void **state)
{
    (void)state;
    json_object *document = ask_json("/" KEY "/count/2026-11-25/0?by=minute");
    assert_true(number(document, "value") == 1);
    for (size_t i = 0; i < 60; i++)
        assert_true(number(json_object_array_get_idx(member(document, "minutes"), i), "count") == 0);
    json_object_put(document);
}

/* A writer that stops between an hour and its minutes until it is told that a question is on its way. */
#define BUSY_ROUNDS 30
struct busy {
    struct store *store;
    atomic_int hour_written; /* rounds whose hour is written */
    atomic_int asked;        /* rounds that have been asked for */
    atomic_int answered;
};

static void write_count(struct store_write *write, enum store_table table, uint32_t slot, int count)
{
    struct cell *cell = cell_new(16);
    struct hf_buf bytes = {0};
    for (int i = 0; i < count; i++)
        ok(cell_add(cell, 1));
    ok(cell_encode(cell, &bytes));
    ok(store_write_cell(write, table, "busy", 4, slot, bytes.data, bytes.len));
    hf_buf_free(&bytes);
    cell_free(&cell);
}

static void *write_busily(void *context)
{
    struct busy *busy = context;
    uint32_t hour = hf_hour_of(DAY_MS) + 72;
    for (int round = 1; round <= BUSY_ROUNDS; round++) {
        struct store_write *write;
        ok(store_write_begin(busy->store, &write, &why));
        ok(store_write_key(write, "busy", 4, hour));
        write_count(write, STORE_HOURS, hour, round);
        atomic_store(&busy->hour_written, round);
        while (atomic_load(&busy->asked) < round)
            sched_yield();
        for (int i = 0; i < 200; i++) /* give the question a chance to come in between */
            sched_yield();
        write_count(write, STORE_MINUTES, hour * 60 + 7, round);
        ok(store_write_commit(&write, &why));
        while (atomic_load(&busy->answered) < round)
            sched_yield();
    }
    return NULL;
}

static void an_hour_agrees_with_its_minutes_while_they_are_written(void **state)
{
    (void)state;
    struct busy busy = {.store = open_store(STORE_WRITER)};
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_busily, &busy), 0);
    for (int round = 1; round <= BUSY_ROUNDS; round++) {
        while (atomic_load(&busy.hour_written) < round)
            sched_yield();
        atomic_store(&busy.asked, round);
        json_object *document = ask_json("/busy/count/2026-11-26/0?by=minute");
        json_object *minute = json_object_array_get_idx(member(document, "minutes"), 7);
        assert_true(number(document, "value") == number(minute, "count"));
        json_object_put(document);
        atomic_store(&busy.answered, round);
    }
    pthread_join(writer, NULL);
    store_close(&busy.store);
}

static void malformed_requests_are_refused(void **state)
{
    (void)state;
    must_refuse(ask("/-x/median/" DAY "/3", 400), "bad_key", "key");
    must_refuse(ask("/a/nothing/" DAY "/3", 400), "bad_stat", "stat");
    must_refuse(ask("/a/median/2026-02-30/3", 400), "bad_date", "date");
    must_refuse(ask("/a/median/" DAY "/24", 400), "bad_hour", "hour");
    must_refuse(ask("/a/median/" DAY "/3?by=hour", 400), "bad_parameter", "by");
    must_refuse(ask("/a/median", 404), "not_found", NULL);
    struct answer_request request = {.method = "GET", .store = reader};
    must_refuse(answer_request(answer, &request), "not_found", NULL);
}

static void cost_is_refused_before_it_arises(void **state)
{
    (void)state;
    struct answer_request request = request_of("/" KEY "/median/" DAY);
    conf.query.max_cells = 23;
    request.store = NULL; /* would be 503 once the store were asked for */
    const struct answer_response *response = answer_request(answer, &request);
    conf.query.max_cells = 1500;
    assert_int_equal(response->status, 400);
    assert_non_null(strstr(response->body, "23"));
    must_refuse(response, "too_many_cells", NULL);
    conf.query.max_cells = 60;
    assert_int_equal(ask("/" KEY "/median/" DAY, 200)->status, 200);
    assert_int_equal(ask("/" KEY "/median/" DAY "/3", 200)->status, 200);
    ask("/" KEY "/median/" DAY "/3?by=minute", 400);
    conf.query.max_cells = 1500;
}

static void without_a_store_there_is_no_answer(void **state)
{
    (void)state;
    static const struct { enum hf_err err; unsigned status; const char *code; } cases[] = {
        {HF_NOTFOUND, 503, "unavailable"}, {HF_TIMEOUT, 503, "unavailable"}, {HF_AGAIN, 503, "unavailable"},
        {HF_STALE, 503, "unavailable"}, {HF_BUSY, 503, "unavailable"}, {HF_NOMEM, 503, "unavailable"},
        {HF_IO, 500, "internal_error"}, {HF_CORRUPT, 500, "internal_error"}, {HF_INVALID, 500, "internal_error"}};
    static const char *const uris[] = {"/" KEY "/median/" DAY "/3", "/" KEY "/median/" DAY, "/-/keys"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t u = 0; u < sizeof uris / sizeof *uris; u++) {
            struct answer_request request = request_of(uris[u]);
            request.store = NULL;
            request.no_store = cases[i].err;
            const struct answer_response *response = answer_request(answer, &request);
            assert_int_equal(response->status, cases[i].status);
            assert_int_equal(response->err, cases[i].err);
            assert_true(header_is(response, "Retry-After", cases[i].status == 503 ? "1" : NULL));
            must_refuse(response, cases[i].code, NULL);
        }
}

/* ---- CSV ---- */

/* A line of the body, split at commas. */
static size_t split_line(char **rest, char *fields[], size_t most)
{
    char *end = strstr(*rest, "\r\n"), *at = *rest;
    size_t count = 0;
    assert_non_null(end);
    *end = '\0';
    *rest = end + 2;
    for (;;) {
        char *comma = strchr(at, ',');
        assert_true(count < most);
        fields[count++] = at;
        if (comma == NULL)
            return count;
        *comma = '\0';
        at = comma + 1;
    }
}

/* The text of a member as CSV has it: null is empty. */
static const char *csv_text(json_object *object, const char *name)
{
    json_object *value = member(object, name);
    return value == NULL ? "" : json_object_get_string(value);
}

/* json-c keeps a double's text as it was read, so that equal texts mean equal bytes in both answers. */
static void check_row(char *names[], char *fields[], size_t count, json_object *document, json_object *slot)
{
    for (size_t i = 0; i < count; i++) {
        json_object *ignored;
        char stat[64], *underscore = strrchr(names[i], '_');
        const char *expected;
        if (json_object_object_get_ex(slot, names[i], &ignored))
            expected = csv_text(slot, names[i]);
        else if (underscore != NULL && strcmp(names[i], "as_of") != 0) { /* <stat>_low or <stat>_high of the bounds */
            snprintf(stat, sizeof stat, "%.*s", (int)(underscore - names[i]), names[i]);
            json_object *bounds = member(slot, "bounds");
            expected = bounds == NULL ? "" : csv_text(member(bounds, stat), underscore + 1);
        } else
            expected = csv_text(document, names[i]);
        assert_true_of(strcmp(fields[i], expected) == 0, "%s: \"%s\", in JSON \"%s\"", names[i], fields[i], expected);
    }
}

static void check_csv(const char *uri, const char *header_line, const char *slots, size_t rows)
{
    char csv_uri[300], *names[80], *fields[80];
    snprintf(csv_uri, sizeof csv_uri, "%s%cformat=csv", uri, strchr(uri, '?') == NULL ? '?' : '&');
    json_object *document = ask_json(uri);
    const struct answer_response *response = ask(csv_uri, 200);
    assert_true(header_is(response, "Content-Type", "text/csv; charset=utf-8"));
    char *body = calloc(1, response->body_bytes + 1), *rest = body;
    memcpy(body, response->body, response->body_bytes);
    if (header_line != NULL)
        assert_true_of(strncmp(body, header_line, strlen(header_line)) == 0, "%s: %s", csv_uri, body);
    size_t columns = split_line(&rest, names, 80);
    for (size_t i = 0; i < rows; i++) {
        json_object *slot = slots == NULL ? document : json_object_array_get_idx(member(document, slots), i);
        assert_int_equal(split_line(&rest, fields, 80), columns);
        check_row(names, fields, columns, document, slot);
    }
    assert_string_equal(rest, "");
    free(body);
    json_object_put(document);
}

static void csv_says_the_same_as_json(void **state)
{
    (void)state;
#define COLUMNS ",value,low,high,exact,count,complete,as_of\r\n"
    check_csv("/" KEY "/median/" DAY "/9", "key,stat,date,hour" COLUMNS, NULL, 1);
    check_csv("/" KEY "/avg/" DAY "/17", "key,stat,date,hour" COLUMNS, NULL, 1);
    check_csv("/" KEY "/p99.9/" DAY, "key,stat,date,hour" COLUMNS, "hours", 24);
    check_csv("/" KEY "/median/2026-11-21", "key,stat,date,hour" COLUMNS, "hours", 24);
    check_csv("/" KEY "/stddev/" DAY "/10?by=minute", "key,stat,date,hour,minute" COLUMNS, "minutes", 60);
    check_csv("/" KEY "/all/" DAY "/9", NULL, NULL, 1);
    check_csv("/" KEY "/all/" DAY, NULL, "hours", 24);
    check_csv("/" KEY "/all/" DAY "/18?by=minute", NULL, "minutes", 60);
    struct answer_request request = request_of("/" KEY "/median/" DAY "/9");
    request.accept = "text/csv";
    assert_true(header_is(answer_request(answer, &request), "Content-Type", "text/csv; charset=utf-8"));
}

/* ---- caching ---- */

static void etags_follow_the_content(void **state)
{
    (void)state;
    static const char *const uris[] = {
        "/" KEY "/median/" DAY "/9", "/" KEY "/p50/" DAY "/9", "/" KEY "/median/" DAY "/18", "/" KEY "/median/" DAY "/19",
        "/" KEY "/median/" DAY, "/" KEY "/median/" DAY "/9?by=minute", "/" KEY "/median/" DAY "/9?format=csv",
        "/" KEY "/all/" DAY "/9", "/" KEY "/all/" DAY, "/-/keys", "/-/keys?format=csv", "/-/keys?limit=1", "/-/metrics",
        "/-/health", "/a/median/" DAY "/3", "/b/median/" DAY "/3", "/a/min/" DAY "/3"};
    char tags[sizeof uris / sizeof *uris][64], list[200];
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        const struct answer_response *response = ask(uris[i], 200);
        snprintf(tags[i], sizeof tags[i], "%s", header(response, "ETag"));
        assert_true_of(strncmp(tags[i], "W/\"", 3) == 0 && strlen(tags[i]) == 36, "%s", tags[i]);
        for (size_t k = 0; k < i; k++)
            assert_true_of(strcmp(tags[i], tags[k]) != 0, "%s and %s", uris[i], uris[k]);
        assert_true_of(header_is(ask(uris[i], 200), "ETag", tags[i]), "%s", uris[i]);

        struct answer_request request = request_of(uris[i]);
        static const struct { const char *before; bool strong; const char *after; } matching[] = {
            {"", false, ""}, {"", true, ""}, {" \t", false, ""}, {"\"x\", ", false, ""}, {"W/\"y\" ,", true, ",\"z\""}};
        for (size_t m = 0; m < sizeof matching / sizeof *matching; m++) {
            snprintf(list, sizeof list, "%s%s%s", matching[m].before, tags[i] + (matching[m].strong ? 2 : 0),
                     matching[m].after);
            request.if_none_match = list;
            response = answer_request(answer, &request);
            assert_true_of(response->status == 304, "%s: %s", uris[i], list);
            assert_int_equal(response->body_bytes, 0);
            assert_true(header_is(response, "ETag", tags[i]));
            assert_non_null(header(response, "Cache-Control"));
            assert_non_null(header(response, "Vary"));
            assert_null(header(response, "Content-Type"));
        }
        static const char *const others[] = {"", "x", "\"\"", "W/\"", "W/\"0\"", "\"", ",,", "W/", "w/*", "\"*\"", "x, *"};
        for (size_t m = 0; m < sizeof others / sizeof *others; m++) {
            request.if_none_match = others[m];
            assert_true_of(answer_request(answer, &request)->status == 200, "%s: %s", uris[i], others[m]);
        }
        snprintf(list, sizeof list, "%.*s", 34, tags[i]); /* cut off inside */
        request.if_none_match = list;
        assert_int_equal(answer_request(answer, &request)->status, 200);
        request.if_none_match = "*";
        assert_int_equal(answer_request(answer, &request)->status, 304);
    }
    /* What is refused has no tag to match. */
    struct answer_request request = request_of("/" KEY "/median/" DAY "/4");
    request.if_none_match = "*";
    assert_int_equal(answer_request(answer, &request)->status, 404);
}

static void only_what_is_complete_is_cached(void **state)
{
    (void)state;
    assert_true(header_is(ask("/" KEY "/median/" DAY "/18", 200), "Cache-Control", "max-age=60"));
    assert_true(header_is(ask("/" KEY "/median/2026-11-22", 200), "Cache-Control", "max-age=60"));
    assert_true(header_is(ask("/" KEY "/median/" DAY "/19", 200), "Cache-Control", "no-store"));
    assert_true(header_is(ask("/" KEY "/median/" DAY, 200), "Cache-Control", "no-store"));
    assert_true(header_is(ask("/-/keys", 200), "Cache-Control", "no-store"));
    assert_true(header_is(ask("/-/metrics", 200), "Cache-Control", "no-store"));
    assert_true(header_is(ask("/" KEY "/median/" DAY "/18", 200), "Vary", "Accept"));
}

/* Write the world's status again with another as_of. */
static void move_as_of(int64_t as_of_ms)
{
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write;
    struct store_status status = world_status;
    status.as_of_ms = as_of_ms;
    ok(store_write_begin(store, &write, &why));
    ok(store_write_status(write, &status));
    ok(store_write_commit(&write, &why));
    store_close(&store);
}

static void as_of_alone_does_not_change_the_tag(void **state)
{
    (void)state;
    char tag[64], body[400];
    const struct answer_response *response = ask("/" KEY "/median/" DAY "/18", 200);
    snprintf(tag, sizeof tag, "%s", header(response, "ETag"));
    snprintf(body, sizeof body, "%.*s", (int)response->body_bytes, (const char *)response->body);
    move_as_of(AS_OF_MS + 250);
    response = ask("/" KEY "/median/" DAY "/18", 200);
    assert_true(header_is(response, "ETag", tag));
    assert_non_null(strstr(response->body, "\"as_of\":\"2026-11-23T19:00:02.250Z\""));
    /* But when it makes an hour complete, it does. */
    move_as_of(DAY_MS + 19 * HF_HOUR_MS - 1);
    assert_false(header_is(ask("/" KEY "/median/" DAY "/18", 200), "ETag", tag));
    move_as_of(0);
    response = ask("/" KEY "/median/" DAY "/18", 200);
    assert_non_null(strstr(response->body, "\"complete\":false,\"as_of\":null}"));
    move_as_of(AS_OF_MS);
    response = ask("/" KEY "/median/" DAY "/18", 200);
    assert_memory_equal(response->body, body, response->body_bytes);
}

/* ---- methods ---- */

static void methods_are_few(void **state)
{
    (void)state;
    struct answer_request request = request_of("/" KEY "/median/" DAY "/18");
    const struct answer_response *response = answer_request(answer, &request);
    size_t get_bytes = response->body_bytes;
    request.method = "HEAD";
    response = answer_request(answer, &request);
    assert_int_equal(response->status, 200);
    assert_int_equal(response->body_bytes, get_bytes);
    static const char *const others[] = {"POST", "PUT", "DELETE", "TRACE", "get", "PATCH", "", "GETX", NULL};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        request.method = others[i];
        response = answer_request(answer, &request);
        assert_int_equal(response->status, 405);
        assert_true(header_is(response, "Allow", "GET, HEAD, OPTIONS"));
        must_refuse(response, "method_not_allowed", NULL);
    }
    request.method = "OPTIONS";
    response = answer_request(answer, &request);
    assert_int_equal(response->status, 204);
    assert_int_equal(response->body_bytes, 0);
    assert_true(header_is(response, "Access-Control-Allow-Origin", "*"));
    assert_true(header_is(response, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"));
    assert_non_null(strstr(header(response, "Access-Control-Allow-Headers"), "Authorization"));

    conf.query.cors_origin = "https://example.org";
    assert_true(header_is(answer_request(answer, &request), "Access-Control-Allow-Origin", "https://example.org"));
    conf.query.cors_origin = "";
    assert_null(header(answer_request(answer, &request), "Access-Control-Allow-Origin"));
    conf.query.cors_origin = "*";
}

static void mounts_are_taken_off(void **state)
{
    (void)state;
    struct answer_request request = request_of("/stats/" KEY "/median/" DAY "/18");
    request.script_name = "/stats";
    request.path_info = "/" KEY "/median/" DAY "/18";
    assert_int_equal(answer_request(answer, &request)->status, 200);
    request.script_name = request.path_info = NULL;
    request.mount = "/stats";
    assert_int_equal(answer_request(answer, &request)->status, 200);
    request.mount = NULL;
    assert_int_equal(answer_request(answer, &request)->status, 404);
}

/* ---- keys ---- */

static void must_list(const char *uri, const char *keys, const char *next)
{
    char found[400] = "";
    json_object *document = ask_json(uri), *list = member(document, "keys");
    must_have_members(document, "keys next");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        strcat(found, i == 0 ? "" : " ");
        strcat(found, json_object_get_string(json_object_array_get_idx(list, i)));
    }
    assert_string_equal(found, keys);
    if (next == NULL)
        assert_null(member(document, "next"));
    else
        assert_string_equal(text(document, "next"), next);
    json_object_put(document);
}

static void keys_are_listed_in_pages(void **state)
{
    (void)state;
    must_list("/-/keys", "a a.b b checkout checkout.errors checkout.latency search.depth search.latency status.up wide", NULL);
    must_list("/-/keys?limit=10", "a a.b b checkout checkout.errors checkout.latency search.depth search.latency status.up wide",
              NULL);
    must_list("/-/keys?limit=4", "a a.b b checkout", "checkout");
    must_list("/-/keys?limit=4&after=checkout", "checkout.errors checkout.latency search.depth search.latency",
              "search.latency");
    must_list("/-/keys?limit=4&after=search.latency", "status.up wide", NULL);
    must_list("/-/keys?after=wide", "", NULL);
    must_list("/-/keys?after=zzz", "", NULL);
    must_list("/-/keys?after=aa", "b checkout checkout.errors checkout.latency search.depth search.latency status.up wide", NULL);
    must_list("/-/keys?prefix=checkout", "checkout checkout.errors checkout.latency", NULL);
    must_list("/-/keys?prefix=checkout.&limit=1", "checkout.errors", "checkout.errors");
    must_list("/-/keys?prefix=checkout.&limit=1&after=checkout.errors", "checkout.latency", NULL);
    must_list("/-/keys?prefix=checkout.&after=a", "checkout.errors checkout.latency", NULL);
    must_list("/-/keys?prefix=checkout.&after=s", "", NULL);
    must_list("/-/keys?prefix=none", "", NULL);
    const struct answer_response *response = ask("/-/keys?prefix=check&format=csv", 200);
    static const char csv[] = "key\r\ncheckout\r\ncheckout.errors\r\ncheckout.latency\r\n";
    assert_int_equal(response->body_bytes, sizeof csv - 1);
    assert_memory_equal(response->body, csv, sizeof csv - 1);
}

/* ---- views ---- */

static const struct answer_response *ask_as(struct answer *with, const char *authorization, const char *uri,
                                            unsigned status)
{
    struct answer_request request = request_of(uri);
    request.authorization = authorization;
    const struct answer_response *response = answer_request(with, &request);
    assert_true_of(response->status == status, "%s: %s: %u: %.*s", authorization != NULL ? authorization : "(none)", uri,
                   response->status, (int)response->body_bytes, (const char *)response->body);
    return response;
}

static void views_are_kept(void **state)
{
    (void)state;
    struct hf_conf with_views = conf;
    struct access *access = NULL;
    with_views.views = views;
    with_views.view_count = 3;
    ok(access_new(&with_views, &access, &why));
    struct answer *guarded = answer_new(&with_views, access);
    static const struct { const char *authorization, *uri; unsigned status; } cases[] = {
        {"Bearer alpha", "/" KEY "/median/" DAY "/3", 200}, {"Bearer alpha", "/" KEY "/all/" DAY "/3", 200},
        {"Bearer alpha", "/checkout.none/median/" DAY "/3", 404}, {"Bearer alpha", "/" KEY "/median/" DAY "/4", 404},
        {"Bearer alpha", "/search.depth/average/" DAY "/3", 403}, {"Bearer alpha", "/search.none/average/" DAY "/3", 403},
        {"Bearer alpha", "/" KEY "/median/" DAY "/24", 400}, {"Bearer beta", "/search.depth/average/" DAY "/3", 200},
        {"Bearer beta", "/search.depth/avg/" DAY "/3", 200}, {"Bearer beta", "/search.depth/median/" DAY "/3", 403},
        {"Bearer beta", "/search.depth/all/" DAY "/3", 403}, {"Bearer beta", "/" KEY "/median/" DAY, 403},
        {"Bearer gamma", "/" KEY "/median/" DAY "/3", 401}, {"Bearer gamma", "/status.up/mean/" DAY "/3", 200},
        {NULL, "/" KEY "/median/" DAY "/3", 401}, {NULL, "/nobody/median/" DAY "/3", 401},
        {NULL, "/status.up/average/" DAY "/3", 200}, {NULL, "/status.up/min/" DAY "/3", 401},
        {NULL, "/status.none/average/" DAY "/3", 404}, {NULL, "/-/health", 200}, {NULL, "/-/metrics", 200},
        {NULL, "/-/keys", 200}, {NULL, "/x/y", 404}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct answer_response *response =
            ask_as(guarded, cases[i].authorization, cases[i].uri, cases[i].status);
        assert_true(header_is(response, "WWW-Authenticate",
                              cases[i].status == 401 ? "Bearer realm=\"hourfold\"" : NULL));
        if (cases[i].status == 401)
            must_refuse(response, "unauthorized", NULL);
        if (cases[i].status == 403)
            must_refuse(response, "forbidden", NULL);
    }
    const struct answer_response *response = ask_as(guarded, "Bearer alpha", "/" KEY "/median/" DAY "/3", 200);
    assert_true(header_is(response, "Cache-Control", "private, max-age=60"));
    assert_true(header_is(response, "Vary", "Accept, Authorization"));

    /* Where it is refused, a key that exists and one that does not look the same, to the byte; and nobody reads the store. */
    static const char *const askers[] = {NULL, "Bearer gamma", "Bearer beta"};
    for (size_t i = 0; i < sizeof askers / sizeof *askers; i++) {
        char headers[600], body[600];
        struct answer_request request = request_of("/" KEY "/median/" DAY "/3");
        request.authorization = askers[i];
        response = answer_request(guarded, &request);
        snprintf(headers, sizeof headers, "%s", response->headers);
        snprintf(body, sizeof body, "%.*s", (int)response->body_bytes, (const char *)response->body);
        request.uri = "/checkout.none/median/" DAY "/3";
        request.store = NULL;
        request.no_store = HF_IO;
        response = answer_request(guarded, &request);
        assert_string_equal(headers, response->headers);
        assert_int_equal(strlen(body), response->body_bytes);
        assert_memory_equal(body, response->body, response->body_bytes);
        assert_int_equal(response->err, HF_OK);
    }

    struct answer *open_to_all = answer;
    answer = guarded; /* must_list() asks without a token: the public view's keys */
    must_list("/-/keys", "status.up", NULL);
    must_list("/-/keys?limit=1", "status.up", NULL);
    answer = open_to_all;
    response = ask_as(guarded, "Bearer beta", "/-/keys?limit=3&format=csv", 200);
    assert_memory_equal(response->body, "key\r\na\r\na.b\r\nsearch.depth\r\n", response->body_bytes);
    response = ask_as(guarded, "Bearer beta", "/-/keys?limit=3", 200);
    assert_non_null(strstr(response->body, "\"next\":\"search.depth\""));
    answer_free(&guarded);
    access_free(&access);

    with_views.view_count = 2; /* no public one */
    ok(access_new(&with_views, &access, &why));
    guarded = answer_new(&with_views, access);
    ask_as(guarded, NULL, "/-/keys", 401);
    ask_as(guarded, "Bearer gamma", "/-/keys", 401);
    ask_as(guarded, "Bearer alpha", "/-/keys", 200);
    answer_free(&guarded);
    access_free(&access);
}

/* Every page of every listing holds the keys that a filter over the whole list would leave. */
static void listings_are_those_of_a_filter(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "a.b", "b", "checkout", "checkout.errors", "checkout.latency", "search.depth",
                                       "search.latency", "status.up", "wide"};
    static const char *const patterns[] = {"*", "a", "a*,wide", "*.latency", "s*,checkout", "checkout*,checkout.errors",
                                           "search.?epth,b,search.latency", "zzz", "c*.l*,*d*", "?,w*"};
    static const char *const prefixes[] = {"", "a", "check", "checkout.", "s", "search.latency", "x"};
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++)
        for (size_t x = 0; x < sizeof prefixes / sizeof *prefixes; x++)
            for (unsigned limit = 1; limit <= 11; limit += 2) {
                struct conf_view view = {.name = "v", .keys = patterns[p], .stats = "*", .token_sha256 = ""};
                struct hf_conf with_view = conf;
                struct access *access = NULL;
                with_view.views = &view;
                with_view.view_count = 1;
                ok(access_new(&with_view, &access, &why));
                struct answer *open_to_all = answer;
                answer = answer_new(&with_view, access);
                char uri[200], expected[300] = "", got[300] = "", after[100] = "";
                struct access_grant grant = access_check(access, NULL);
                for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
                    if (access_key(&grant, keys[k], strlen(keys[k])) && strncmp(keys[k], prefixes[x], strlen(prefixes[x])) == 0) {
                        strcat(expected, keys[k]);
                        strcat(expected, " ");
                    }
                for (bool more = true; more;) {
                    snprintf(uri, sizeof uri, "/-/keys?prefix=%s&limit=%u&after=%s", prefixes[x], limit, after);
                    json_object *document = ask_json(uri), *list = member(document, "keys");
                    size_t count = json_object_array_length(list);
                    more = member(document, "next") != NULL;
                    assert_true(more ? count == limit : count <= limit);
                    for (size_t i = 0; i < count; i++) {
                        strcat(got, json_object_get_string(json_object_array_get_idx(list, i)));
                        strcat(got, " ");
                    }
                    if (more)
                        snprintf(after, sizeof after, "%s", text(document, "next"));
                    json_object_put(document);
                }
                assert_string_equal(got, expected);
                answer_free(&answer);
                answer = open_to_all;
                access_free(&access);
            }
}

/* ---- health and metrics ---- */

static json_object *ask_health(int64_t now_ms, struct store *store, enum hf_err no_store, unsigned status)
{
    struct answer_request request = request_of("/-/health");
    request.now_ms = now_ms;
    request.store = store;
    request.no_store = no_store;
    const struct answer_response *response = answer_request(answer, &request);
    assert_int_equal(response->status, status);
    return parse(response);
}

static void must_say(json_object *document, const char *status, const char *code)
{
    json_object *reasons = member(document, "reasons");
    assert_string_equal(text(document, "status"), status);
    assert_int_equal(json_object_array_length(reasons), 1);
    assert_string_equal(text(json_object_array_get_idx(reasons, 0), "code"), code);
    assert_string_equal(text(json_object_array_get_idx(reasons, 0), "severity"), status);
    assert_true(strlen(text(json_object_array_get_idx(reasons, 0), "message")) > 10);
    json_object_put(document);
}

/* No consumer runs here. All reasons: status_test.c. */
static void health_says_why(void **state)
{
    (void)state;
    json_object *document = ask_health(AS_OF_MS + 60000, reader, HF_OK, 200);
    must_have_members(document, "status reasons version as_of behind_s waiting position keys accepted folded duplicate repeated "
                                "late refused expired rewinds bus spool");
    assert_string_equal(text(document, "as_of"), "2026-11-23T19:00:02Z");
    assert_true(number(document, "accepted") == 12000 && number(document, "folded") == 11000 &&
                number(document, "duplicate") == 1000 && number(document, "late") == 12 && number(document, "refused") == 3 &&
                number(document, "position") == 77 && number(document, "keys") == 3 && number(document, "expired") == 4 &&
                number(document, "rewinds") == 1 && number(document, "behind_s") == 60);
    must_say(document, "degraded", "consumer_down");
    must_say(ask_health(AS_OF_MS + 60001, reader, HF_OK, 503), "failing", "consumer_down");
    must_say(ask_health(AS_OF_MS, NULL, HF_NOTFOUND, 503), "failing", "no_store");
    must_say(ask_health(AS_OF_MS, NULL, HF_TIMEOUT, 503), "failing", "store_recovering");
    must_say(ask_health(AS_OF_MS, NULL, HF_IO, 503), "failing", "store_unreadable");
    conf.consumer.commit_interval_ms = 60000;
    must_say(ask_health(AS_OF_MS + 180000, reader, HF_OK, 200), "degraded", "consumer_down");
    must_say(ask_health(AS_OF_MS + 180001, reader, HF_OK, 503), "failing", "consumer_down");
    conf.consumer.commit_interval_ms = 1000;
}

/* The format line by line: HELP, TYPE, then samples of that name; a number each. */
static void check_exposition(char *body)
{
    char name[100] = "", kind[20], again[100];
    int values = 1; /* of the metric at hand; -1: its TYPE is to come */
    for (char *line = body, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_true_of(values > 0, "%s", line);
            assert_int_equal(sscanf(line, "# HELP %99s ", name), 1);
            values = -1;
        } else if (values < 0) {
            assert_int_equal(sscanf(line, "# TYPE %99s %19s", again, kind), 2);
            assert_string_equal(name, again);
            size_t bytes = strlen(name);
            bool total = bytes > 6 && strcmp(name + bytes - 6, "_total") == 0;
            assert_string_equal(kind, total ? "counter" : "gauge");
            values = 0;
        } else {
            char *space = strrchr(line, ' ');
            double v;
            assert_non_null(space);
            assert_int_equal(strncmp(line, name, strlen(name)), 0);
            assert_true(line[strlen(name)] == ' ' || line[strlen(name)] == '{');
            assert_int_equal(hf_parse_double(space + 1, strlen(space + 1), &v), HF_OK);
            values++;
        }
    }
    assert_true(values > 0);
}

static void metrics_are_well_formed(void **state)
{
    (void)state;
    char path[TALLY_PATH_BYTES];
    struct tally *tally = tally_new();
    ok(tally_join(tally, tally_path(&conf, path), &why));
    tally_add(tally, TALLY_ACCEPTED, 0, 7);
    tally_add(tally, TALLY_REQUESTS, TALLY_BAD_KEY, 2);
    tally_free(&tally);
    const struct answer_response *response = ask("/-/metrics", 200);
    assert_true(header_is(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8"));
    static const char *const expected[] = {
        "\nhourfold_samples_accepted_total 12000\n", "\nhourfold_samples_folded_total 11000\n",
        "\nhourfold_samples_duplicate_total 1000\n", "\nhourfold_samples_late_total 12\n",
        "\nhourfold_samples_expired_total 4\n", "\nhourfold_refused_messages_total 3\n", "\nhourfold_stream_rewinds_total 1\n",
        "\nhourfold_keys 3\n", "\nhourfold_position 77\n", "\nhourfold_as_of_timestamp_seconds 1795460402\n",
        "\nhourfold_store_up 1\n", "\nhourfold_collect_up 1\n", "\nhourfold_build_info{version=\"",
        "\nhourfold_collect_samples_accepted_total 7\n", "\nhourfold_collect_requests_total{outcome=\"bad_key\"} 2\n",
        "\nhourfold_health_reason{code=\"consumer_down\"} 1\n"};
    char *body = calloc(1, response->body_bytes + 1);
    memcpy(body, response->body, response->body_bytes);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true_of(strstr(body, expected[i]) != NULL, "%s", expected[i]);
    check_exposition(body);
    free(body);

    unlink(path);
    struct answer_request request = request_of("/-/metrics");
    request.store = NULL;
    request.no_store = HF_NOTFOUND;
    response = answer_request(answer, &request);
    assert_int_equal(response->status, 200);
    assert_non_null(strstr(response->body, "\nhourfold_store_up 0\n"));
    assert_non_null(strstr(response->body, "\nhourfold_collect_up 0\n"));
    assert_null(strstr(response->body, "hourfold_keys"));
    assert_null(strstr(response->body, "hourfold_collect_samples"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        unit(the_bytes_are_the_contracts), unit(every_statistic_of_an_hour), unit(a_day_lists_its_hours), unit(a_day_is_as_exact_as_its_hours),
        unit(an_hour_lists_its_minutes), unit(all_is_every_statistic), unit(complete_needs_both_clocks),
        unit(misses_are_told_apart), unit(damage_is_not_hidden), unit(at_once_are_answered_queries_of_one_cell),
        unit(an_hour_may_be_ahead_of_its_minutes), unit(malformed_requests_are_refused),
        unit(cost_is_refused_before_it_arises), unit(without_a_store_there_is_no_answer), unit(csv_says_the_same_as_json),
        unit(etags_follow_the_content), unit(only_what_is_complete_is_cached), unit(as_of_alone_does_not_change_the_tag),
        unit(methods_are_few), unit(mounts_are_taken_off), unit(keys_are_listed_in_pages), unit(views_are_kept), unit(listings_are_those_of_a_filter),
        unit(health_says_why), unit(metrics_are_well_formed),
        /* The last one: it adds a key. */
        unit(an_hour_agrees_with_its_minutes_while_they_are_written)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up_asking, tear_down_asking);
}
