/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, ids, times, the list, and the reader of query strings. */
#include "samples.h"

#include "base/utc.h"

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X200 X50 X50 X50 X50

static void keys_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "0", "Z", "checkout.web-3.response_time", "a:b", "a.", "a-", "collect.x",
                                       "collec", "collects", "Collect", "az09AZ._:-", X200};
    static const char *const bad[] = {"", ".a", "_a", "-a", ":a", "collect", "a b", "a/b", "a%", "a,b", "a\"b", "a\n",
                                      "a\x7f", "\xc3\xa9", "a\xc3\xa9", X200 "x", "a@", "a[", "a`", "a{", "a;", "a+"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true_of(sample_key_valid(good[i], strlen(good[i])), "refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true_of(!sample_key_valid(bad[i], strlen(bad[i])), "taken: %s", bad[i]);
    assert_false(sample_key_valid("a\0b", 3));
    for (int c = 0; c < 256; c++) {
        const char key[2] = {'k', (char)c};
        bool in = c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-", c) != NULL;
        assert_true_of(sample_key_valid(key, 2) == in, "byte %d", c);
    }
}

static void ids_are_checked(void **state)
{
    (void)state;
    char id[SAMPLE_ID_MAX + 1];
    memset(id, '~', sizeof id);
    assert_true(sample_id_valid(id, SAMPLE_ID_MAX));
    assert_false(sample_id_valid(id, SAMPLE_ID_MAX + 1));
    assert_false(sample_id_valid(id, 0));
    for (int c = 0; c < 256; c++) {
        const char one[1] = {(char)c};
        assert_true_of(sample_id_valid(one, 1) == (c >= 0x20 && c <= 0x7e), "byte %d", c);
    }
}

static void times_are_read_exactly(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t ms; } good[] = {
        {"0", 0}, {"-0", 0}, {"1", 1000}, {"1795460402", 1795460402000}, {"1795460402.5", 1795460402500},
        {"1795460402.0009999999", 1795460402000}, {"1795460402.001", 1795460402001}, {"1795460402.123", 1795460402123},
        {"1795460402.9999999999999999999999", 1795460402999}, {"0.001", 1}, {"0.0009", 0}, {"00001.5", 1500},
        {"-1", -1000}, {"-0.001", -1}, {"-0.0001", -1}, {"-1.0001", -1001}, {"-1.000", -1000},
        {"1.795460402e9", 1795460402000}, {"1.795460402E+9", 1795460402000}, {"1795460402000e-3", 1795460402000},
        {"1795460402123456789e-9", 1795460402123}, {"1e0", 1000}, {"1e-3", 1}, {"1e-4", 0}, {"-1e-4", -1}, {"0e99999999999", 0},
        {"5e-99999999999", 0}, {"0.0005e3", 500}, {"12.345e1", 123450}, {"12.345e2", 1234500},
        {"253402300799.999", HF_UTC_MAX_MS}, {"253402300800", HF_UTC_MAX_MS}, {"1e300", HF_UTC_MAX_MS},
        {"1e99999999999", HF_UTC_MAX_MS}, {"99999999999999999999999999", HF_UTC_MAX_MS}, {"-1e300", HF_UTC_MIN_MS},
        {"-62167219200", HF_UTC_MIN_MS}, {"-62167219200.001", HF_UTC_MIN_MS},
        {"2026-11-23T19:00:02Z", 1795460402000}, {"2026-11-23T20:00:02.5+01:00", 1795460402500},
        {"2026-11-23 19:00:02z", 1795460402000}, {"1969-12-31T23:59:59.999Z", -1}};
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true_of(sample_parse_time(good[i].text, strlen(good[i].text), &ms) == HF_OK, "refused: %s", good[i].text);
        assert_true_of(ms == good[i].ms, "%s read as %lld", good[i].text, (long long)ms);
    }
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.", ".5", "1..2", "1.2.3", "1e", "1e+", "1e-", "e5", "1e5x",
                                      "0x10", "nan", "inf", "1,5", "1_000", "--1", "1e1.5", "2026-11-23", "2026-11-23T19:00:02",
                                      "2026-11-23T19:00:02 01:00", "19:00:02", "now", "yesterday", "1795460402s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true_of(sample_parse_time(bad[i], strlen(bad[i]), &ms) == HF_INVALID, "taken: %s", bad[i]);
    char digits[1201];
    memset(digits, '0', sizeof digits);
    assert_int_equal(sample_parse_time(digits, 1200, &ms), HF_OK);
    assert_int_equal(sample_parse_time(digits, 1201, &ms), HF_INVALID);
}

static void every_millisecond_is_read_as_itself(void **state)
{
    (void)state;
    for (int64_t ms = NOW_MS - 20000; ms < NOW_MS + 20000; ms++) {
        char text[64];
        int64_t got;
        int n = snprintf(text, sizeof text, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
        assert_int_equal(sample_parse_time(text, (size_t)n, &got), HF_OK);
        assert_true_of(got == ms, "%s read as %lld", text, (long long)got);
    }
}

/* Whatever the list goes through, the bytes of a sample stay until the reset; and then the same memory serves again. */
static void the_list_keeps_its_bytes_and_its_memory(void **state)
{
    (void)state;
    struct sample_list list;
    struct sample_fault fault;
    sample_list_init(&list);
    const struct sample *samples = NULL;
    const char *first_key = NULL;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20000; i++) {
            char query[128];
            int n = snprintf(query, sizeof query, "key=key.%d.%d&value=%d&id=i%d", round, i, i, i);
            assert_int_equal(sample_read_query(query, (size_t)n, &test_limits, &list, &fault), HF_OK);
        }
        assert_int_equal(list.count, 20000);
        for (int i = 0; i < 20000; i++) {
            char text[32];
            const struct sample *s = &list.samples[i];
            assert_int_equal(s->key_bytes, snprintf(text, sizeof text, "key.%d.%d", round, i));
            assert_memory_equal(s->key, text, s->key_bytes);
            assert_int_equal(s->id_bytes, snprintf(text, sizeof text, "i%d", i));
            assert_memory_equal(s->id, text, s->id_bytes);
            assert_true(s->value == i);
        }
        if (round == 0) {
            samples = list.samples;
            first_key = list.samples[0].key;
        }
        assert_ptr_equal(list.samples, samples);
        assert_ptr_equal(list.samples[0].key, first_key);
        sample_list_reset(&list);
        assert_int_equal(list.count, 0);
    }
    sample_list_free(&list);
    assert_null(list.samples);
    sample_list_reset(&list);
    sample_list_free(&list);
}

static void queries_are_read(void **state)
{
    (void)state;
    static const struct accept_case cases[] = {
        {"key=cpu&value=0.31", "cpu=0.31"},
        {"value=0.31&key=cpu", "cpu=0.31"},
        {"key=a&value=12.5,13.1,9", "a=12.5 a=13.1 a=9"},
        {"key=a&value=1&ts=1795460402", "a=1@1795460402000"},
        {"key=a&value=1,2&ts=1795460402.1239", "a=1@1795460402123 a=2@1795460402123"},
        {"key=a&value=1&ts=2026-11-23T20:00:02%2B01:00", "a=1@1795460402000"},
        {"key=a&value=1&ts=2026-11-23+19:00:02Z", "a=1@1795460402000"},
        {"key=a&value=1&id=x", "a=1#x"},
        {"key=a&value=1&id=a%2Fb%20c+d", "a=1#a/b c d"},
        {"key=a&value=1&id=%26%3d%25", "a=1#&=%"},
        {"key=%61%2e%62&value=%31%2C%32", "a.b=1 a.b=2"},
        {"%6Bey=a&v%61lue=1", "a=1"},
        {"key=a&value=+12.5", "a=12.5"},
        {"key=a&value=%2B12.5", "a=12.5"},
        {"key=a&value=-0", "a=0"},
        {"key=a&value=1e3,.5,5.", "a=1000 a=0.5 a=5"},
        {"key=a&value=1e-400", "a=0"},
        {"key=a&value=1.7976931348623157e308", "a=1.7976931348623157e308"},
        {"&&key=a&&value=1&&", "a=1"},
        {"key=a&value=1&other=%zz&keys=1&Key=b&%zz=1&x", "a=1"},
        {"key=a&value=1&_=1795460402500", "a=1"},
        {"key=a&value=1&ts=1795461002.5", "a=1@1795461002500"},      /* max_skew to the millisecond */
        {"key=a&value=1&ts=1792782002.500", "a=1@1792782002500"},    /* max_age to the millisecond */
        {"data=%7B%22cpu%22%3A0.31%7D", "cpu=0.31"},
        {"data={\"a\":[1,2],\"b.c\":3}", "a=1 a=2 b.c=3"},
        {"x=1&data=[{\"key\":\"a\",\"value\":1,\"id\":\"%26+%2B\"}]", "a=1#& +"},
    };
    must_accept_all(sample_read_query, cases);
    must_accept_bytes(sample_read_query, "key=" X200 "&value=1", 212, X200 "=1");
}

static void faults_of_queries_are_told(void **state)
{
    (void)state;
    static const struct refuse_case cases[] = {
        {"", "missing_parameter", "key"},
        {"&", "missing_parameter", "key"},
        {"foo=1", "missing_parameter", "key"},
        {"value=1", "missing_parameter", "key"},
        {"key=a", "missing_parameter", "value"},
        {"key=a&ts=1", "missing_parameter", "value"},
        {"ts=1&id=x", "missing_parameter", "key"},
        {"key&value=1", "bad_key", "key"},
        {"key=&value=1", "bad_key", "key"},
        {"key=.a&value=1", "bad_key", "key"},
        {"key=collect&value=1", "bad_key", "key"},
        {"key=a+b&value=1", "bad_key", "key"},
        {"key=a%2Fb&value=1", "bad_key", "key"},
        {"key=a%00&value=1", "bad_key", "key"},
        {"key=%C3%A9&value=1", "bad_key", "key"},
        {"key=%zz&value=1", "bad_key", "key"},
        {"key=a%&value=1", "bad_key", "key"},
        {"key=a%4&value=1", "bad_key", "key"},
        {"key=a%4g&value=1", "bad_key", "key"},
        {"key=a=b&value=1", "bad_key", "key"},
        {"key=" X200 "x&value=1", "bad_key", "key"},
        {"key=a&key=a&value=1", "bad_key", "key"},
        {"key=a&%6bey=a&value=1", "bad_key", "key"},
        {"key=a&value", "bad_value", "value"},
        {"key=a&value=", "bad_value", "value"},
        {"key=a&value=,", "bad_value", "value"},
        {"key=a&value=1,", "bad_value", "value"},
        {"key=a&value=,1", "bad_value", "value"},
        {"key=a&value=1,,2", "bad_value", "value"},
        {"key=a&value=1;2", "bad_value", "value"},
        {"key=a&value=1%202", "bad_value", "value"},
        {"key=a&value=1+", "bad_value", "value"},
        {"key=a&value=abc", "bad_value", "value"},
        {"key=a&value=0x10", "bad_value", "value"},
        {"key=a&value=nan", "bad_value", "value"},
        {"key=a&value=NaN", "bad_value", "value"},
        {"key=a&value=inf", "bad_value", "value"},
        {"key=a&value=-Infinity", "bad_value", "value"},
        {"key=a&value=1e309", "bad_value", "value"},
        {"key=a&value=-1e400", "bad_value", "value"},
        {"key=a&value=1%00", "bad_value", "value"},
        {"key=a&value=%2", "bad_value", "value"},
        {"key=a&value=1&value=2", "bad_value", "value"},
        {"key=a&value=1&ts=", "bad_timestamp", "ts"},
        {"key=a&value=1&ts", "bad_timestamp", "ts"},
        {"key=a&value=1&ts=now", "bad_timestamp", "ts"},
        {"key=a&value=1&ts=%", "bad_timestamp", "ts"},
        {"key=a&value=1&ts=2026-11-23", "bad_timestamp", "ts"},
        {"key=a&value=1&ts=2026-11-23T20:00:02+01:00", "bad_timestamp", "ts"}, /* "+" is a space */
        {"key=a&value=1&ts=2026-02-30T00:00:00Z", "bad_timestamp", "ts"},
        {"key=a&value=1&ts=1&ts=1", "bad_timestamp", "ts"},
        {"key=a&value=1&ts=-1", "timestamp_out_of_range", "ts"},
        {"key=a&value=1&ts=0", "timestamp_out_of_range", "ts"},
        {"key=a&value=1&ts=1795461002.501", "timestamp_out_of_range", "ts"},
        {"key=a&value=1&ts=1792782002.4999", "timestamp_out_of_range", "ts"},
        {"key=a&value=1&ts=1795460402500", "timestamp_out_of_range", "ts"}, /* milliseconds */
        {"key=a&value=1&ts=1e999999", "timestamp_out_of_range", "ts"},
        {"key=a&value=1&ts=9999-12-31T23:59:59Z", "timestamp_out_of_range", "ts"},
        {"key=a&value=1&id=", "bad_id", "id"},
        {"key=a&value=1&id", "bad_id", "id"},
        {"key=a&value=1&id=%00", "bad_id", "id"},
        {"key=a&value=1&id=a%0A", "bad_id", "id"},
        {"key=a&value=1&id=%7F", "bad_id", "id"},
        {"key=a&value=1&id=%C3%A9", "bad_id", "id"},
        {"key=a&value=1&id=a%f", "bad_id", "id"},
        {"key=a&value=1&id=x&id=x", "bad_id", "id"},
        {"key=a&value=1,2&id=x", "bad_id", "id"},
        {"key=a&value=1&id=" X50 X10 "12345", "bad_id", "id"},
        {"key=a&data={}", "bad_json", "data"},
        {"value=1&data={\"a\":1}", "bad_json", "data"},
        {"data={\"a\":1}&ts=1", "bad_json", "data"},
        {"id=1&data={\"a\":1}", "bad_json", "data"},
        {"data={\"a\":1}&data={\"a\":1}", "bad_json", "data"},
        {"data", "bad_json", "data"},
        {"data=", "bad_json", "data"},
        {"data=%", "bad_json", "data"},
        {"data={}", "bad_json", "data"},
        {"data=%7B%22a%22:1", "bad_json", "data"},
        {"data={\"a\":1}%00", "bad_json", "data"},
        {"data={\"a\":x}", "bad_json", "data"},
        {"data={\"a\":\"x\"}", "bad_value", "a"},
        {"data={\".a\":1}", "bad_key", ".a"},
        {"data=[{\"key\":\"a\",\"value\":1,\"ts\":1}]", "timestamp_out_of_range", "ts"},
    };
    must_refuse_all(sample_read_query, cases);
}

/* However far back samples may lie: there is no hour before 1970. */
static void no_time_before_1970_is_taken(void **state)
{
    (void)state;
    const struct sample_limits early = {.now_ms = 5000, .max_age_ms = 1000000, .max_skew_ms = 0, .max_samples = 1};
    struct sample_list list = {0};
    struct sample_fault fault;
    static const struct { const char *query; enum hf_err err; } cases[] = {
        {"key=a&value=1&ts=0", HF_OK}, {"key=a&value=1&ts=-0.0001", HF_INVALID}, {"key=a&value=1&ts=-1", HF_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(sample_read_query(cases[i].query, strlen(cases[i].query), &early, &list, &fault), cases[i].err);
    assert_string_equal(fault.code, "timestamp_out_of_range");
    assert_string_equal(fault.message, "ts must lie from 1970-01-01T00:00:00Z to 1970-01-01T00:00:05Z, not at \"-1\"");
    sample_list_free(&list);
}

static void the_number_of_samples_is_bounded(void **state)
{
    (void)state;
    char query[4096] = "key=a&value=1";
    for (size_t i = 1; i < test_limits.max_samples; i++)
        strcat(query, ",1");
    struct sample_list list = {0};
    struct sample_fault fault;
    assert_int_equal(sample_read_query(query, strlen(query), &test_limits, &list, &fault), HF_OK);
    assert_int_equal(list.count, test_limits.max_samples);
    /* It is a bound of one request, not of what the list holds. */
    assert_int_equal(sample_read_query(query, strlen(query), &test_limits, &list, &fault), HF_OK);
    assert_int_equal(list.count, 2 * test_limits.max_samples);
    strcat(query, ",1");
    assert_int_equal(sample_read_query(query, strlen(query), &test_limits, &list, &fault), HF_INVALID);
    assert_string_equal(fault.code, "too_many_samples");
    sample_list_free(&list);
}

static void messages_name_the_fault_and_the_range(void **state)
{
    (void)state;
    static const struct { const char *query, *message; } cases[] = {
        {"key=a%22%0A%E9&value=1",
         "a key is 1 to 200 bytes of A-Z a-z 0-9 . _ : -, the first a letter or digit, not \"a\\\"\\x0a\\xe9\""},
        {"key=a&value=1&ts=7", "ts must lie from 2026-10-23T19:00:02.500Z to 2026-11-23T19:10:02.500Z, not at \"7\""},
        {"key=a&value=1&ts=1795460402500", "ts must lie from 2026-10-23T19:00:02.500Z to 2026-11-23T19:10:02.500Z, not at "
                                           "\"1795460402500\"; it is in seconds, not milliseconds"},
        {"data=[{\"key\":\"a\",\"value\":1},{\"key\":\"a\"}]", "item 2 of the array: the member \"value\" is missing"},
        {"data={\"a\" 1}", "not valid JSON: no \":\" after the name of a member at byte 6"},
    };
    struct sample_list list = {0};
    struct sample_fault fault;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(sample_read_query(cases[i].query, strlen(cases[i].query), &test_limits, &list, &fault), HF_INVALID);
        assert_string_equal(fault.message, cases[i].message);
    }
    /* The longest that can be asked for fits, and is cut cleanly where it does not. */
    char query[4096] = "key=";
    for (int i = 0; i < 500; i++)
        strcat(query, "%FF");
    strcat(query, "&value=1");
    assert_int_equal(sample_read_query(query, strlen(query), &test_limits, &list, &fault), HF_INVALID);
    assert_non_null(strstr(fault.message, "\\xff\"..."));
    assert_int_equal(fault.message[strlen(fault.message) - 1], '.');
    sample_list_free(&list);
}

UNIT_TESTS(unit(keys_are_checked), unit(ids_are_checked), unit(times_are_read_exactly),
           unit(every_millisecond_is_read_as_itself), unit(the_list_keeps_its_bytes_and_its_memory),
           unit(queries_are_read), unit(faults_of_queries_are_told), unit(no_time_before_1970_is_taken),
           unit(the_number_of_samples_is_bounded),
           unit(messages_name_the_fault_and_the_range))
