/* SPDX-License-Identifier: Apache-2.0 */
/* The parser against RFC 8259, and the readers of JSON and of collectd's JSON on top of it. */
#include "samples.h"

#include "sample/json.h"

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X200 X50 X50 X50 X50

/* ---- the parser ---- */

/* Parse it all; HF_OK, HF_INVALID or HF_NOMEM. */
static enum hf_err parse(const char *text, size_t len, size_t *offset)
{
    struct hf_buf strings = {0};
    struct hf_names names = {0};
    struct json json;
    enum json_event event;
    char *copy = malloc(len);
    if (len > 0)
        memcpy(copy, text, len);
    json_begin(&json, copy, len, &strings, &names);
    do
        event = json_next(&json);
    while (event != JSON_END && event != JSON_BROKEN && event != JSON_NOMEM);
    assert_int_equal(json_next(&json), event); /* for good */
    *offset = event == JSON_BROKEN ? json_offset(&json) : 0;
    if (event == JSON_BROKEN)
        assert_non_null(json.problem);
    hf_buf_free(&strings);
    hf_names_free(&names);
    free(copy);
    return event == JSON_END ? HF_OK : event == JSON_BROKEN ? HF_INVALID : HF_NOMEM;
}

struct bytes {
    const char *text;
    size_t len;
};
#define BYTES(text) {text, sizeof text - 1}

static void valid_json_is_taken(void **state)
{
    (void)state;
    static const struct bytes cases[] = {
        BYTES("0"), BYTES("-0"), BYTES("-1"), BYTES("10"), BYTES("1.5"), BYTES("-0.0"), BYTES("0.00"), BYTES("1e5"), BYTES("1E5"),
        BYTES("1e+5"), BYTES("1e-5"), BYTES("0e0"), BYTES("0e+1"), BYTES("1.25E-003"), BYTES("123456789012345678901234567890"),
        BYTES("1e400"), BYTES("1e-400"), BYTES("1e99999999999999999999"), BYTES("-0e-0"), BYTES("true"), BYTES("false"), BYTES("null"),
        BYTES("\"\""), BYTES("\"a\""), BYTES(" \t\r\n1 \t\r\n"), BYTES("[]"), BYTES("[ ]"), BYTES("{}"), BYTES("{ }"), BYTES("[[]]"),
        BYTES("[1,2]"), BYTES("[ 1 , 2 ]"), BYTES("[null,true,false,\"\",0,{},[]]"), BYTES("{\"a\":1}"), BYTES(" { \"a\" : 1 } "),
        BYTES("{\"a\":1,\"b\":2}"), BYTES("{\"\":0}"), BYTES("{\"a\":{\"a\":{\"a\":1}}}"), BYTES("[{\"a\":1},{\"a\":1}]"),
        BYTES("{\"a\":{\"b\":1},\"b\":1}"), BYTES("{\"a\":[{\"b\":1},{\"b\":2}],\"b\":1}"), BYTES("{\"a\":1,\"A\":1,\"aa\":1,\"a \":1}"),
        BYTES("{\"a\\u0000b\":1,\"a\\u0000c\":1}"), BYTES("[[[[[[[[]]]]]]]]"), BYTES("[[[[[[[{}]]]]]]]"),
        BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), BYTES("\"\\u0041\\u00e9\\u20AC\\uD834\\uDd1e\""), BYTES("\"\\u0000\""),
        BYTES("\"\\uFFFF\\uffff\\uFFFE\""), BYTES("\"\\ud7ff\\ue000\""), BYTES("\"\\uDBFF\\uDFFF\""), BYTES("\"\\uD800\\uDC00\""),
        BYTES("\"\\\\u1234\""), BYTES("\"\\\\\\u0041\""), BYTES("\"/\""), BYTES("\"\x7f\""), BYTES("\"\xc2\x80\""), BYTES("\"\xdf\xbf\""),
        BYTES("\"\xe0\xa0\x80\""), BYTES("\"\xe2\x82\xac\""), BYTES("\"\xed\x9f\xbf\""), BYTES("\"\xee\x80\x80\""),
        BYTES("\"\xef\xbf\xbf\""), BYTES("\"\xf0\x90\x80\x80\""), BYTES("\"\xf4\x8f\xbf\xbf\""), BYTES("\"\xe2\x80\xa8\xe2\x80\xa9\""),
        BYTES("\"\xef\xbb\xbf\""), BYTES("\"'\""), BYTES("[\"a\\tb\",\"c\"]"),
    };
    size_t offset;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true_of(parse(cases[i].text, cases[i].len, &offset) == HF_OK, "refused at %zu: %s", offset, cases[i].text);
}

static void invalid_json_is_refused(void **state)
{
    (void)state;
    static const struct bytes cases[] = {
        /* nothing, or not only */
        BYTES(""), BYTES(" "), BYTES("\n"), BYTES("\0"), BYTES("1\0"), BYTES("[]\0"), BYTES("[]x"), BYTES("[][]"), BYTES("1 2"), BYTES("{}}"),
        BYTES("[]]"), BYTES("1,"), BYTES(",1"), BYTES("[1]#"), BYTES("{}//"), BYTES("\xef\xbb\xbf{}"), BYTES("\xef\xbb\xbf"), BYTES("\xff\xfe{\0}\0"),
        BYTES("\xe2\x81\xa0{}"), BYTES("\v1"), BYTES("\f1"), BYTES("\xa0""1"), BYTES("\xc2\xa0""1"), BYTES("\x1e{}"), BYTES("1\v"),
        /* words */
        BYTES("nul"), BYTES("nulll"), BYTES("True"), BYTES("TRUE"), BYTES("tru"), BYTES("fals"), BYTES("n"), BYTES("t"), BYTES("f"),
        BYTES("undefined"), BYTES("NaN"), BYTES("nan"), BYTES("-NaN"), BYTES("Infinity"), BYTES("-Infinity"), BYTES("inf"), BYTES("None"),
        BYTES("[nul]"), BYTES("[truefalse]"), BYTES("abc"), BYTES("'a'"), BYTES("\\u0031"), BYTES("*"), BYTES("<a>"), BYTES("nu\0l"),
        /* numbers */
        BYTES("-"), BYTES("+"), BYTES("+1"), BYTES("--1"), BYTES("-+1"), BYTES("- 1"), BYTES("01"), BYTES("-01"), BYTES("00"), BYTES("-00"),
        BYTES("00.5"), BYTES("1."), BYTES("-1."), BYTES(".5"), BYTES("-.5"), BYTES("."), BYTES("1..5"), BYTES("1.5."), BYTES("1.5.2"),
        BYTES("1.e5"), BYTES("0.e1"), BYTES("1e"), BYTES("1E"), BYTES("1e+"), BYTES("1e-"), BYTES("1e+-5"), BYTES("1ee5"), BYTES("1e5.5"),
        BYTES("1e5e5"), BYTES("e5"), BYTES("0x10"), BYTES("0X1"), BYTES("0b1"), BYTES("0o7"), BYTES("1_000"), BYTES("1,000"), BYTES("1 000"),
        BYTES("1f"), BYTES("1.0f"), BYTES("1L"), BYTES("1a"), BYTES("-a"), BYTES("-true"), BYTES("1e1 1"), BYTES("\xd9\xa1"),
        BYTES("\xef\xbc\x91"), BYTES("[1.]"), BYTES("[1e]"), BYTES("[-]"), BYTES("[1+2]"), BYTES("[0 1]"), BYTES("1\0001"),
        /* strings */
        BYTES("\""), BYTES("\"a"), BYTES("\"\\\""), BYTES("\"\\"), BYTES("a\""), BYTES("\"a\"\""), BYTES("\"\n\""), BYTES("\"\t\""), BYTES("\"\r\""),
        BYTES("\"\0\""), BYTES("\"\x1f\""), BYTES("\"a\\\n\""), BYTES("\"\\a\""), BYTES("\"\\x41\""), BYTES("\"\\'\""), BYTES("\"\\0\""),
        BYTES("\"\\v\""), BYTES("\"\\ \""), BYTES("\"\\U0041\""), BYTES("\"\\\0\""), BYTES("\"\\\xc3\xa9\""), BYTES("\"\\u\""), BYTES("\"\\u0\""),
        BYTES("\"\\u00\""), BYTES("\"\\u004\""), BYTES("\"\\u004"), BYTES("\"\\u0041"), BYTES("\"\\u004g\""), BYTES("\"\\u00 41\""),
        BYTES("\"\\u-041\""), BYTES("\"\\u+041\""), BYTES("\"\\u{41}\""), BYTES("\"\\u0x41\""),
        /* surrogates */
        BYTES("\"\\uD800\""), BYTES("\"\\uDBFF\""), BYTES("\"\\uDC00\""), BYTES("\"\\uDFFF\""), BYTES("\"\\uD800a\""), BYTES("\"\\uD800\\n\""),
        BYTES("\"\\uD800\\u\""), BYTES("\"\\uD800\\uD\""), BYTES("\"\\uD800\\uD800\""), BYTES("\"\\uD800\\u0041\""), BYTES("\"\\uD800\\\""),
        BYTES("\"\\uDC00\\uD800\""), BYTES("\"\\uD800\\uDC0\""), BYTES("\"\\uD800\\uDC00\\uDC00\""), BYTES("\"\\uD800\\uD800\\uDC00\""),
        BYTES("\"\\uD800\\uDC00"), BYTES("\"\\uD800"), BYTES("\"\\uD800uDC00\""), BYTES("\"\\uD800\\xDC00\""),
        /* UTF-8 */
        BYTES("\"\x80\""), BYTES("\"\xbf\""), BYTES("\"\xc0\x80\""), BYTES("\"\xc0\xaf\""), BYTES("\"\xc1\xbf\""), BYTES("\"\xc2\""),
        BYTES("\"\xc2\x7f\""), BYTES("\"\xc2\xc0\""), BYTES("\"\xc3"), BYTES("\"\xe0\x80\x80\""), BYTES("\"\xe0\x9f\xbf\""),
        BYTES("\"\xe2\x82\""), BYTES("\"\xe2\x82"), BYTES("\"\xe2\x28\xa1\""), BYTES("\"\xe2\x82\x28\""), BYTES("\"\xed\xa0\x80\""),
        BYTES("\"\xed\xbf\xbf\""), BYTES("\"\xed\xa0\x81\xed\xb0\x80\""), BYTES("\"\xf0\x80\x80\x80\""), BYTES("\"\xf0\x8f\xbf\xbf\""),
        BYTES("\"\xf0\x90\x80\""), BYTES("\"\xf4\x90\x80\x80\""), BYTES("\"\xf5\x80\x80\x80\""), BYTES("\"\xf8\x88\x80\x80\x80\""),
        BYTES("\"\xfc\x84\x80\x80\x80\x80\""), BYTES("\"\xfe\""), BYTES("\"\xff\""), BYTES("\"a\xff\\n\""), BYTES("\"\\n\xff\""),
        BYTES("\"\\u0041\x80\""), BYTES("[\xff]"), BYTES("{\"\xff\":1}"), BYTES("[\xc3\xa9]"), BYTES("\"\xc3\\n\""),
        /* arrays */
        BYTES("["), BYTES("]"), BYTES("[1"), BYTES("[1,"), BYTES("[1,]"), BYTES("[,]"), BYTES("[,1]"), BYTES("[1,,2]"), BYTES("[1,,]"), BYTES("[1 2]"),
        BYTES("[1;2]"), BYTES("[1:2]"), BYTES("[1}"), BYTES("[\"a\""), BYTES("[\"a\":1]"), BYTES("[\"a\" \"b\"]"), BYTES("[[]"), BYTES("[]["), BYTES("[1]]"),
        BYTES("[*]"), BYTES("[a]"), BYTES("[#1]"), BYTES("[/**/1]"), BYTES("[1,\n\"a\""), BYTES("[\0]"), BYTES("[1\0]"), BYTES("[\f]"), BYTES("[-]"),
        BYTES("[\"\xc3\xa9\"\xc3\xa9]"), BYTES("[{]"), BYTES("[{}"), BYTES("[{},"),
        /* objects */
        BYTES("{"), BYTES("}"), BYTES("{]"), BYTES("{\"a\""), BYTES("{\"a\":"), BYTES("{\"a\":1"), BYTES("{\"a\":1,"), BYTES("{\"a\":1,}"), BYTES("{,}"),
        BYTES("{,\"a\":1}"), BYTES("{\"a\":1,,\"b\":2}"), BYTES("{\"a\"}"), BYTES("{\"a\":}"), BYTES("{\"a\",1}"), BYTES("{\"a\" 1}"),
        BYTES("{\"a\"::1}"), BYTES("{\"a\":1 \"b\":2}"), BYTES("{\"a\":1;\"b\":2}"), BYTES("{\"a\":1:2}"), BYTES("{\"a\"=1}"), BYTES("{:1}"),
        BYTES("{a:1}"), BYTES("{'a':1}"), BYTES("{1:1}"), BYTES("{null:1}"), BYTES("{true:1}"), BYTES("{[]:1}"), BYTES("{{}:1}"), BYTES("{1}"),
        BYTES("{\"a\":1]"), BYTES("{\"a\":1}}"), BYTES("{\"a\":1}{"), BYTES("{\"a\":1/*b*/}"), BYTES("{\"a\":1}//b"), BYTES("{/**/\"a\":1}"),
        BYTES("{\"a\":tru}"), BYTES("{\"a\":01}"), BYTES("{\"a\":\"b"), BYTES("{\"a\":'b'}"), BYTES("{\"a\":\"b\" \"c\"}"), BYTES("{\"a"), BYTES("{\"a\\"),
        BYTES("{\"a\":{}"), BYTES("{\"a\":[}"), BYTES("{\"a\":[]"), BYTES("{\"a\" : 1 x}"), BYTES("{\"a\":1\0}"), BYTES("{\0\"a\":1}"), BYTES("{...}"),
        /* a member twice */
        BYTES("{\"a\":1,\"a\":1}"), BYTES("{\"a\":1,\"b\":2,\"a\":3}"), BYTES("{\"\":1,\"\":1}"), BYTES("{\"a\":1,\"\\u0061\":1}"),
        BYTES("{\"\\u0061\":1,\"a\":1}"), BYTES("{\"a\\/\":1,\"a/\":1}"), BYTES("{\"\xc3\xa9\":1,\"\\u00e9\":1}"),
        BYTES("{\"\\ud834\\udd1e\":1,\"\xf0\x9d\x84\x9e\":1}"), BYTES("[{\"a\":1,\"a\":1}]"), BYTES("{\"b\":{\"a\":1,\"a\":2}}"),
        BYTES("{\"a\":{\"a\":1},\"b\":{\"a\":2},\"a\":3}"), BYTES("{\"a\":[{\"a\":1},{\"a\":2}],\"a\":3}"), BYTES("{\"a\\u0000\":1,\"a\\u0000\":1}"),
        /* depth */
        BYTES("[[[[[[[[[]]]]]]]]]"), BYTES("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}"), BYTES("[[[[[[[[{"), BYTES("[[[[[[[[["),
        BYTES("{\"a\":[{\"a\":[{\"a\":[{\"a\":[{"),
    };
    size_t offset;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true_of(parse(cases[i].text, cases[i].len, &offset) == HF_INVALID, "taken: %s", cases[i].text);
        assert_true_of(offset >= 1 && offset <= cases[i].len + 1, "%s: offset %zu", cases[i].text, offset);
    }
}

/* Every text of five characters of those that matter (seven with HF_TEST_FULL), against a grammar written another way.
 * Spaces at the ends cover the shorter ones. */
static const char *grammar_value(const char *s, int depth);

static const char *grammar_space(const char *s) { return s + strspn(s, " \n"); }

static const char *grammar_number(const char *s)
{
    s += *s == '-';
    size_t whole = strspn(s, "0123456789");
    if (whole == 0 || (whole > 1 && *s == '0'))
        return NULL;
    s += whole;
    if (*s == '.') {
        size_t n = strspn(s + 1, "0123456789");
        if (n == 0)
            return NULL;
        s += 1 + n;
    }
    if (*s == 'e') {
        s += 1 + (s[1] == '-');
        size_t n = strspn(s, "0123456789");
        return n == 0 ? NULL : s + n;
    }
    return s;
}

static const char *grammar_string(const char *s)
{
    for (s++; *s != '"'; s++)
        if (*s == '\0' || *s == '\n' || (*s == '\\' && (*++s == '\0' || strchr("\"\\b", *s) == NULL)))
            return NULL;
    return s + 1;
}

static const char *grammar_list(const char *s, int depth, bool object)
{
    const char close = object ? '}' : ']';
    s = grammar_space(s + 1);
    if (*s == close)
        return s + 1;
    for (;; s++) {
        s = grammar_space(s);
        if (object) {
            if (*s != '"' || (s = grammar_string(s)) == NULL || *(s = grammar_space(s)) != ':')
                return NULL;
            s++;
        }
        if ((s = grammar_value(s, depth)) == NULL)
            return NULL;
        if (*s == close)
            return s + 1;
        if (*s != ',')
            return NULL;
    }
}

static const char *grammar_value(const char *s, int depth)
{
    s = grammar_space(s);
    if (*s == '"')
        s = grammar_string(s);
    else if (*s == '[' || *s == '{')
        s = depth == SAMPLE_JSON_DEPTH ? NULL : grammar_list(s, depth + 1, *s == '{');
    else
        s = grammar_number(s);
    return s == NULL ? NULL : grammar_space(s);
}

static void short_texts_agree_with_the_grammar(void **state)
{
    (void)state;
    static const char alphabet[] = "[]{},:\"\\-.0 1e\nb";
    const size_t letters = sizeof alphabet - 1;
    const int length = getenv("HF_TEST_FULL") != NULL ? 7 : 5;
    struct hf_buf strings = {0};
    struct hf_names names = {0};
    size_t total = 1, accepted = 0;
    for (int i = 0; i < length; i++)
        total *= letters;
    for (size_t n = 0; n < total; n++) {
        char text[16];
        size_t rest = n;
        for (int i = 0; i < length; i++, rest /= letters)
            text[i] = alphabet[rest % letters];
        text[length] = '\0';
        struct json json;
        enum json_event event;
        json_begin(&json, text, (size_t)length, &strings, &names);
        do
            event = json_next(&json);
        while (event != JSON_END && event != JSON_BROKEN);
        const char *end = grammar_value(text, 0);
        bool valid = end != NULL && *end == '\0';
        /* Within so few characters no member can be repeated. */
        assert_true_of((event == JSON_END) == valid, "%s: %s", event == JSON_END ? "taken" : "refused", text);
        accepted += valid;
    }
    assert_true(accepted > 1000);
    hf_buf_free(&strings);
    hf_names_free(&names);
}

/* What strings and numbers are handed on as. */
static void texts_are_unescaped(void **state)
{
    (void)state;
    static const char text[] = "{\"a\\u0062c\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"d\":\"x\\u00e9\\u20ac\\uD834\\uDD1Ey\\u0000z\",\"e\":\"plain\","
                               "\"f\":-1.50e+3}";
    static const struct { enum json_event event; const char *text; size_t len; } expected[] = {
#define EVENT(event, text) {event, text, sizeof text - 1}
        EVENT(JSON_OBJECT, ""), EVENT(JSON_NAME, "abc"), EVENT(JSON_STRING, "\"\\/\b\f\n\r\t"), EVENT(JSON_NAME, "d"),
        EVENT(JSON_STRING, "x\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9ey\0z"), EVENT(JSON_NAME, "e"), EVENT(JSON_STRING, "plain"),
        EVENT(JSON_NAME, "f"), EVENT(JSON_NUMBER, "-1.50e+3"), EVENT(JSON_OBJECT_END, ""), EVENT(JSON_END, "")};
#undef EVENT
    struct hf_buf strings = {0};
    struct hf_names names = {0};
    struct json json;
    json_begin(&json, text, sizeof text - 1, &strings, &names);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(json_next(&json), expected[i].event);
        if (expected[i].len > 0) {
            assert_int_equal(json.len, expected[i].len);
            assert_memory_equal(json.text, expected[i].text, expected[i].len);
        }
    }
    hf_buf_free(&strings);
    hf_names_free(&names);
}

static void values_are_skipped_whole(void **state)
{
    (void)state;
    static const char text[] = "[{\"a\":[1,{\"b\":2}],\"c\":{}},\"x\",[[]],7]";
    struct hf_buf strings = {0};
    struct hf_names names = {0};
    struct json json;
    json_begin(&json, text, sizeof text - 1, &strings, &names);
    assert_int_equal(json_next(&json), JSON_ARRAY);
    assert_int_equal(json_skip(&json, json_next(&json)), JSON_OBJECT_END);
    assert_int_equal(json_skip(&json, json_next(&json)), JSON_STRING);
    assert_int_equal(json_skip(&json, json_next(&json)), JSON_ARRAY_END);
    assert_int_equal(json_next(&json), JSON_NUMBER);
    assert_int_equal(json_next(&json), JSON_ARRAY_END);
    json_begin(&json, "[[1,2", 5, &strings, &names);
    json_next(&json);
    assert_int_equal(json_skip(&json, json_next(&json)), JSON_BROKEN);
    hf_buf_free(&strings);
    hf_names_free(&names);
}

/* A member that comes again is found among very many, and in time that does not grow with their square. */
static void many_members_stay_cheap(void **state)
{
    (void)state;
    const int count = 200000;
    struct hf_buf text = {0};
    hf_buf_u8(&text, '{');
    for (int i = 0; i < count; i++)
        hf_buf_printf(&text, "%s\"k%d\":{\"k0\":%d}", i == 0 ? "" : ",", i, i);
    hf_buf_puts(&text, "}");
    size_t offset, whole = text.len;
    assert_int_equal(parse((char *)text.data, text.len, &offset), HF_OK);
    for (int again = 0; again < count; again += count / 4 + 1) {
        text.len = whole - 1;
        hf_buf_printf(&text, ",\"k%d\":0}", again);
        assert_int_equal(parse((char *)text.data, text.len, &offset), HF_INVALID);
        assert_int_equal(offset, whole + 1);
    }
    hf_buf_free(&text);
}

/* ---- the reader of our JSON ---- */

static void json_is_read(void **state)
{
    (void)state;
    static const struct accept_case cases[] = {
        /* maps */
        {"{\"checkout.latency\":[12.5,13.1],\"cpu\":0.31}", "checkout.latency=12.5 checkout.latency=13.1 cpu=0.31"},
        {"{\"a\":1}", "a=1"},
        {" { \"a\" : [ 1 , 2 ] } ", "a=1 a=2"},
        {"{\"a\":-0,\"b\":-0.0,\"c\":0e5}", "a=0 b=0 c=0"},
        {"{\"a\":[],\"b\":1}", "b=1"},
        {"{\"a\":1e-400}", "a=0"},
        {"{\"a\":1.7976931348623157e308}", "a=1.7976931348623157e308"},
        {"{\"a\":0.1,\"b\":123456789012345678}", "a=0.1 b=1.2345678901234568e17"},
        {"{\"\\u0061\\u002eb\":1}", "a.b=1"},
        {"{\"" X200 "\":1}", X200 "=1"},
        {"{\"a\":1,\"A\":2,\"collect.a\":3}", "a=1 A=2 collect.a=3"},
        /* maps whose keys are the names of a sample */
        {"{\"key\":1}", "key=1"},
        {"{\"key\":[1,2],\"value\":3}", "key=1 key=2 value=3"},
        {"{\"value\":1}", "value=1"},
        {"{\"value\":1,\"ts\":5,\"id\":7}", "value=1 ts=5 id=7"},
        {"{\"data\":1,\"key\":2}", "data=1 key=2"},
        /* a sample */
        {"{\"key\":\"cpu\",\"value\":0.31}", "cpu=0.31"},
        {"{\"value\":0.31,\"key\":\"cpu\"}", "cpu=0.31"},
        {"{\"id\":\"a1\",\"ts\":1795460402,\"value\":0.31,\"key\":\"cpu\"}", "cpu=0.31@1795460402000#a1"},
        {"{\"key\":\"cpu\",\"value\":[1,2,3]}", "cpu=1 cpu=2 cpu=3"},
        {"{\"value\":[1,2],\"ts\":1795460402,\"key\":\"cpu\"}", "cpu=1@1795460402000 cpu=2@1795460402000"},
        {"{\"key\":\"cpu\",\"value\":[1],\"id\":\"x\"}", "cpu=1#x"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":1795460402.0019}", "a=1@1795460402001"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":1.795460402E9}", "a=1@1795460402000"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":\"1795460402.25\"}", "a=1@1795460402250"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":\"2026-11-23T19:00:02.25Z\"}", "a=1@1795460402250"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":\"2026-11-23T20:00:02+01:00\"}", "a=1@1795460402000"},
        {"{\"key\":\"a\",\"value\":1,\"id\":\"\\u0041 \\\"~\"}", "a=1#A \"~"},
        {"{\"\\u006bey\":\"\\u0061\",\"v\\u0061lue\":1}", "a=1"},
        {"{\"key\":\"key\",\"value\":1}", "key=1"},
        /* samples */
        {"[{\"key\":\"a\",\"value\":1}]", "a=1"},
        {"[{\"key\":\"a\",\"value\":1},{\"value\":2,\"key\":\"b\",\"id\":\"x\"}]", "a=1 b=2#x"},
        {"[ {\"key\":\"a\",\"value\":[1,2]} , {\"key\":\"a\",\"value\":3,\"ts\":1795460402} ]", "a=1 a=2 a=3@1795460402000"},
        {"[{\"key\":\"a\",\"value\":1,\"ts\":1795460402},{\"key\":\"a\",\"value\":2}]", "a=1@1795460402000 a=2"},
        {"[{\"key\":\"a\",\"value\":1,\"id\":\"x\"},{\"key\":\"a\",\"value\":2}]", "a=1#x a=2"},
    };
    must_accept_all(sample_read_json, cases);
}

static void faults_of_json_are_told(void **state)
{
    (void)state;
    static const struct refuse_case cases[] = {
        /* no sample */
        {"{}", "bad_json", ""},
        {"[]", "bad_json", ""},
        {"{\"a\":[]}", "bad_json", ""},
        {"{\"a\":[],\"b\":[]}", "bad_json", ""},
        {"", "bad_json", ""},
        {"1", "bad_json", ""},
        {"\"a\"", "bad_json", ""},
        {"null", "bad_json", ""},
        {"true", "bad_json", ""},
        {"[1]", "bad_json", ""},
        {"[[]]", "bad_json", ""},
        {"[null]", "bad_json", ""},
        {"[{\"key\":\"a\",\"value\":1},2]", "bad_json", ""},
        {"[{\"key\":\"a\",\"value\":1},[]]", "bad_json", ""},
        /* broken */
        {"{\"a\":1", "bad_json", ""},
        {"{\"a\":1}x", "bad_json", ""},
        {"{\"a\":1}{\"b\":1}", "bad_json", ""},
        {"{\"a\":[1,]}", "bad_json", ""},
        {"{\"a\":NaN}", "bad_json", ""},
        {"{\"a\":Infinity}", "bad_json", ""},
        {"{\"a\":01}", "bad_json", ""},
        {"{\"a\":1.}", "bad_json", ""},
        {"{\"a\":+1}", "bad_json", ""},
        {"{\"a\":0x10}", "bad_json", ""},
        {"{'a':1}", "bad_json", ""},
        {"\xef\xbb\xbf{\"a\":1}", "bad_json", ""},
        {"{\"\xc0\xaf\":1}", "bad_json", ""},
        {"{\"key\":\"a\",\"value\":1", "bad_json", ""},
        {"{\"key\":\"a\",\"value\":1}}", "bad_json", ""},
        {"[{\"key\":\"a\",\"value\":1},]", "bad_json", ""},
        {"[{\"key\":\"a\",\"value\":1}]]", "bad_json", ""},
        {"{\"key\":\"\\ud800\",\"value\":1}", "bad_json", ""},
        /* a member twice */
        {"{\"a\":1,\"a\":2}", "bad_json", "a"},
        {"{\"a\":[],\"a\":2}", "bad_json", "a"},
        {"{\"a\":1,\"\\u0061\":2}", "bad_json", "a"},
        {"{\"key\":\"a\",\"key\":\"a\",\"value\":1}", "bad_json", "key"},
        {"{\"key\":\"a\",\"value\":1,\"v\\u0061lue\":1}", "bad_json", "value"},
        {"{\"key\":1,\"key\":\"a\"}", "bad_json", "key"},
        {"[{\"key\":\"a\",\"value\":1,\"ts\":1795460402,\"ts\":1795460402}]", "bad_json", "ts"},
        /* keys */
        {"{\"\":1}", "bad_key", ""},
        {"{\".a\":1}", "bad_key", ".a"},
        {"{\"collect\":1}", "bad_key", "collect"},
        {"{\"a b\":1}", "bad_key", "a b"},
        {"{\"a/b\":1}", "bad_key", "a/b"},
        {"{\"\xc3\xa9\":1}", "bad_key", "\\xc3\\xa9"},
        {"{\"a\\u0000\":1}", "bad_key", "a\\x00"},
        {"{\"a\\\"\":1}", "bad_key", "a\\\""},
        {"{\"" X200 "x\":1}", "bad_key", X50 X10 "xxx"},
        {"{\"key\":\"\",\"value\":1}", "bad_key", "key"},
        {"{\"key\":\"a b\",\"value\":1}", "bad_key", "key"},
        {"{\"key\":\"collect\",\"value\":1}", "bad_key", "key"},
        {"[{\"key\":7,\"value\":1}]", "bad_key", "key"},
        {"[{\"key\":null,\"value\":1}]", "bad_key", "key"},
        {"[{\"key\":[\"a\"],\"value\":1}]", "bad_key", "key"},
        /* values */
        {"{\"a\":\"1\"}", "bad_value", "a"},
        {"{\"a\":null}", "bad_value", "a"},
        {"{\"a\":true}", "bad_value", "a"},
        {"{\"a\":{}}", "bad_value", "a"},
        {"{\"a\":{\"b\":1}}", "bad_value", "a"},
        {"{\"a\":[[1]]}", "bad_value", "a"},
        {"{\"a\":[1,null]}", "bad_value", "a"},
        {"{\"a\":[1,\"2\"]}", "bad_value", "a"},
        {"{\"a\":1e309}", "bad_value", "a"},
        {"{\"a\":[1,-1e309]}", "bad_value", "a"},
        {"{\"key\":{}}", "bad_value", "key"},
        {"{\"key\":null}", "bad_value", "key"},
        {"{\"key\":\"a\",\"value\":\"1\"}", "bad_value", "value"},
        {"{\"key\":\"a\",\"value\":null}", "bad_value", "value"},
        {"{\"key\":\"a\",\"value\":[]}", "bad_value", "value"},
        {"{\"key\":\"a\",\"value\":[1,[]]}", "bad_value", "value"},
        {"{\"key\":\"a\",\"value\":1e999}", "bad_value", "value"},
        {"{\"value\":{},\"key\":\"a\"}", "bad_value", "value"},
        {"[{\"value\":true,\"key\":\"a\"}]", "bad_value", "value"},
        /* times */
        {"{\"key\":\"a\",\"value\":1,\"ts\":null}", "bad_timestamp", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":\"\"}", "bad_timestamp", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":\"now\"}", "bad_timestamp", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":[1795460402]}", "bad_timestamp", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":\"2026-11-23\"}", "bad_timestamp", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":1}", "timestamp_out_of_range", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":-1795460402}", "timestamp_out_of_range", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":1795461002.501}", "timestamp_out_of_range", "ts"},
        {"{\"key\":\"a\",\"value\":1,\"ts\":1e400}", "timestamp_out_of_range", "ts"},
        {"{\"ts\":\"x\",\"key\":\"a\",\"value\":1}", "bad_timestamp", "ts"},
        /* ids */
        {"{\"key\":\"a\",\"value\":1,\"id\":7}", "bad_id", "id"},
        {"{\"key\":\"a\",\"value\":1,\"id\":null}", "bad_id", "id"},
        {"{\"key\":\"a\",\"value\":1,\"id\":\"\"}", "bad_id", "id"},
        {"{\"key\":\"a\",\"value\":1,\"id\":\"\\n\"}", "bad_id", "id"},
        {"{\"key\":\"a\",\"value\":1,\"id\":\"\xc3\xa9\"}", "bad_id", "id"},
        {"{\"key\":\"a\",\"value\":1,\"id\":\"" X50 X10 "xxxxx\"}", "bad_id", "id"},
        {"{\"key\":\"a\",\"value\":[1,2],\"id\":\"x\"}", "bad_id", "id"},
        /* members */
        {"{\"key\":\"a\"}", "missing_parameter", "value"},
        {"[{\"value\":1}]", "missing_parameter", "key"},
        {"[{\"cpu\":1}]", "bad_json", "cpu"},
        {"[{}]", "missing_parameter", "key"},
        {"[{\"key\":\"a\",\"value\":1},{\"key\":\"b\"}]", "missing_parameter", "value"},
        {"[{\"key\":\"a\",\"value\":1},{\"value\":2}]", "missing_parameter", "key"},
        {"{\"key\":\"a\",\"value\":1,\"unit\":\"ms\"}", "bad_json", "unit"},
        {"{\"unit\":\"ms\",\"key\":\"a\",\"value\":1}", "bad_json", "unit"},
        {"{\"unit\":1,\"key\":\"a\",\"value\":1}", "bad_json", "unit"},
        {"{\"key\":\"a\",\"value\":1,\"Value\":2}", "bad_json", "Value"},
        {"{\"key\":\"a\",\"value\":1,\"b\\u00e9\":2}", "bad_json", "b\\xc3\\xa9"},
        {"{\"key\":\"a\",\"value\":1,\"\":2}", "bad_json", ""},
    };
    must_refuse_all(sample_read_json, cases);
    must_refuse_bytes(sample_read_json, "{\"a\":1}\0", 8, "bad_json", "");
}

static void long_numbers_are_refused(void **state)
{
    (void)state;
    struct hf_buf text = {0};
    for (int digits = 1199; digits <= 1202; digits++) {
        hf_buf_clear(&text);
        hf_buf_puts(&text, "{\"a\":0.");
        for (int i = 2; i < digits; i++)
            hf_buf_u8(&text, '1');
        hf_buf_puts(&text, "}");
        if (digits <= 1200)
            must_accept_bytes(sample_read_json, (char *)text.data, text.len, "a=0.1111111111111111");
        else
            must_refuse_bytes(sample_read_json, (char *)text.data, text.len, "bad_value", "a");
    }
    hf_buf_free(&text);
}

static void the_number_of_samples_is_bounded(void **state)
{
    (void)state;
    static const char *const shapes[][3] = {
        {"{\"a\":[", "1", "]}"}, {"[", "{\"key\":\"a\",\"value\":1}", "]"}, {"{\"value\":[", "1", "],\"key\":\"a\"}"}};
    struct hf_buf text = {0};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t count = test_limits.max_samples; count <= test_limits.max_samples + 1; count++) {
            hf_buf_clear(&text);
            hf_buf_puts(&text, shapes[s][0]);
            for (size_t i = 0; i < count; i++)
                hf_buf_printf(&text, "%s%s", i == 0 ? "" : ",", shapes[s][1]);
            hf_buf_puts(&text, shapes[s][2]);
            struct sample_list list = {0};
            struct sample_fault fault;
            enum hf_err err = read_copy(sample_read_json, (char *)text.data, text.len, &list, &fault);
            assert_int_equal(err, count > test_limits.max_samples ? HF_INVALID : HF_OK);
            if (err == HF_OK)
                assert_int_equal(list.count, count);
            else
                assert_string_equal(fault.code, "too_many_samples");
            sample_list_free(&list);
        }
    hf_buf_free(&text);
}

/* A reader appends; what it had to read twice is in the list once. */
static void samples_are_appended(void **state)
{
    (void)state;
    struct sample_list list = {0};
    struct sample_fault fault;
    struct hf_buf got = {0};
    static const char *const texts[] = {"{\"z\":1}", "{\"value\":[2,3],\"key\":\"z\"}", "[{\"key\":\"z\",\"value\":4}]", "{\"z\":[5]}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(read_copy(sample_read_json, texts[i], strlen(texts[i]), &list, &fault), HF_OK);
    list_to_text(&list, &got);
    assert_string_equal((char *)got.data, "z=1 z=2 z=3 z=4 z=5");
    hf_buf_free(&got);
    sample_list_free(&list);
}

/* ---- collectd ---- */

#define CPU "\"dstypes\":[\"gauge\"],\"dsnames\":[\"value\"],\"time\":1795460402.131,\"interval\":10.000,\"host\":\"web-3\"," \
            "\"plugin\":\"cpu\",\"plugin_instance\":\"0\",\"type\":\"percent\",\"type_instance\":\"user\""
#define VL(host, plugin, pi, type, ti) \
    "[{\"values\":[1],\"dstypes\":[\"gauge\"],\"dsnames\":[\"value\"],\"host\":\"" host "\",\"plugin\":\"" plugin \
    "\",\"plugin_instance\":\"" pi "\",\"type\":\"" type "\",\"type_instance\":\"" ti "\"}]"

static void collectd_is_read(void **state)
{
    (void)state;
    static const struct accept_case cases[] = {
        {"[{\"values\":[7.25]," CPU "}]", "web-3.cpu-0.percent-user.value=7.25@1795460402131"},
        {"[{\"values\":[null]," CPU "}]", ""},
        {"[]", ""},
        {" [ ] ", ""},
        {"[{\"values\":[],\"dsnames\":[],\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", ""},
        {"[{\"values\":[1.5,null,3],\"dstypes\":[\"gauge\",\"gauge\",\"gauge\"],\"dsnames\":[\"shortterm\",\"midterm\",\"longterm\"],"
         "\"time\":1795460402.131,\"interval\":10.000,\"host\":\"h\",\"plugin\":\"load\",\"plugin_instance\":\"\","
         "\"type\":\"load\",\"type_instance\":\"\"}]",
         "h.load.load.shortterm=1.5@1795460402131 h.load.load.longterm=3@1795460402131"},
        {"[{\"values\":[1]," CPU "},{\"values\":[2]," CPU ",\"meta\":{\"a\":\"b\",\"network:received\":true,\"c\":[1,{\"d\":null}]}}]",
         "web-3.cpu-0.percent-user.value=1@1795460402131 web-3.cpu-0.percent-user.value=2@1795460402131"},
        {"[{\"new\":{\"x\":[]},\"values\":[18446744073709551615]," CPU "}]",
         "web-3.cpu-0.percent-user.value=1.8446744073709552e19@1795460402131"},
        {"[{\"values\":[-9223372036854775808]," CPU "}]", "web-3.cpu-0.percent-user.value=-9.223372036854776e18@1795460402131"},
        {"[{\"values\":[1e+20]," CPU "}]", "web-3.cpu-0.percent-user.value=1e20@1795460402131"},
        /* what is not there */
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "h.p.t.v=1"},
        {VL("h", "p", "", "t", ""), "h.p.t.value=1"},
        {VL("h", "p", "i", "t", ""), "h.p-i.t.value=1"},
        {VL("h", "p", "", "t", "i"), "h.p.t-i.value=1"},
        /* members in another order */
        {"[{\"dsnames\":[\"v\",\"w\"],\"type\":\"t\",\"plugin\":\"p\",\"host\":\"h\",\"values\":[1,2]}]", "h.p.t.v=1 h.p.t.w=2"},
        /* the alphabet */
        {VL("web-3.example.org", "df", "var-lib", "df_complex", "used"), "web-3.example.org.df-var-lib.df_complex-used.value=1"},
        {VL("h", "disk", "sda/1", "x y", "a\\\"b"), "h.disk-sda_1.x_y-a_b.value=1"},
        {VL("h", "p", "\xc3\xa9", "t", "\\u00e9\\n"), "h.p-__.t-___.value=1"},
        {VL("fe80::1", "p", "", "t", ""), "fe80::1.p.t.value=1"},
        {VL("h", "p", "\\u0000", "t", "%"), "h.p-_.t-_.value=1"},
        {VL("9", "p", "", "t", ""), "9.p.t.value=1"},
        {VL("h", "p", X50 X50 X50, "t", X10 X10 X10 "xxxxxxx"), "h.p-" X50 X50 X50 ".t-" X10 X10 X10 "xxxxxxx.value=1"}, /* 200 */
    };
    must_accept_all(sample_read_collectd, cases);
}

static void faults_of_collectd_are_told(void **state)
{
    (void)state;
    static const struct refuse_case cases[] = {
        {"", "bad_json", ""},
        {"{}", "bad_json", ""},
        {"1", "bad_json", ""},
        {"[1]", "bad_json", ""},
        {"[[]]", "bad_json", ""},
        {"[{\"values\":[1]," CPU "},null]", "bad_json", ""},
        {"[{\"values\":[1]," CPU "}", "bad_json", ""},
        {"[{\"values\":[1]," CPU "}]]", "bad_json", ""},
        {"[{\"values\":[1]," CPU "},]", "bad_json", ""},
        {"{\"values\":[1]," CPU "}", "bad_json", ""},
        {"[{\"values\":[nan]," CPU "}]", "bad_json", ""},
        {"[{\"values\":[1]," CPU ",\"meta\":{\"a\":nan}}]", "bad_json", ""},
        {"[{\"values\":[1]," CPU ",\"meta\":{\"a\":1,\"a\":1}}]", "bad_json", "a"},
        {"[{\"values\":[1],\"values\":[1]," CPU "}]", "bad_json", "values"},
        {"[{\"values\":[1]," CPU ",\"x\":[[[[[[[[]]]]]]]]}]", "bad_json", ""},
        {"[{}]", "missing_parameter", "host"},
        {"[{" CPU "}]", "missing_parameter", "values"},
        {"[{\"values\":[1],\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "missing_parameter", "dsnames"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"plugin\":\"p\",\"type\":\"t\"}]", "missing_parameter", "host"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"host\":\"h\",\"type\":\"t\"}]", "missing_parameter", "plugin"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"host\":\"h\",\"plugin\":\"p\"}]", "missing_parameter", "type"},
        {"[{\"values\":[null],\"dsnames\":[\"v\"],\"host\":\"h\",\"plugin\":\"p\"}]", "missing_parameter", "type"},
        {"[{\"labels\":{\"alertname\":\"x\"},\"annotations\":{},\"startsAt\":\"2026-11-23T19:00:02Z\"}]", "missing_parameter", "host"},
        {"[{\"values\":[1,2]," CPU "}]", "bad_json", "dsnames"},
        {"[{\"values\":[]," CPU "}]", "bad_json", "dsnames"},
        {"[{\"values\":[1,null]," CPU "}]", "bad_json", "dsnames"},
        {"[{\"values\":1," CPU "}]", "bad_json", "values"},
        {"[{\"values\":null," CPU "}]", "bad_json", "values"},
        {"[{\"values\":[\"1\"]," CPU "}]", "bad_value", "values"},
        {"[{\"values\":[[1]]," CPU "}]", "bad_value", "values"},
        {"[{\"values\":[true]," CPU "}]", "bad_value", "values"},
        {"[{\"values\":[1e309]," CPU "}]", "bad_value", "values"},
        {"[{\"values\":[1],\"dsnames\":[1],\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "bad_json", "dsnames"},
        {"[{\"values\":[1],\"dsnames\":[null],\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "bad_json", "dsnames"},
        {"[{\"values\":[1],\"dsnames\":[\"\"],\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "bad_key", "dsnames"},
        {"[{\"values\":[1],\"dsnames\":\"v\",\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "bad_json", "dsnames"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"host\":1,\"plugin\":\"p\",\"type\":\"t\"}]", "bad_json", "host"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"host\":\"h\",\"plugin\":null,\"type\":\"t\"}]", "bad_json", "plugin"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"host\":\"h\",\"plugin\":\"p\",\"plugin_instance\":0,\"type\":\"t\"}]", "bad_json",
         "plugin_instance"},
        {VL("", "p", "", "t", ""), "bad_key", "host"},
        {VL("h", "", "", "t", ""), "bad_key", "plugin"},
        {VL("h", "p", "", "", ""), "bad_key", "type"},
        {VL(".h", "p", "", "t", ""), "bad_key", "host"},
        {VL("_h", "p", "", "t", ""), "bad_key", "host"},
        {VL("-h", "p", "", "t", ""), "bad_key", "host"},
        {VL("\xc3\xa9", "p", "", "t", ""), "bad_key", "host"},
        {VL(" h", "p", "", "t", ""), "bad_key", "host"},
        {VL("h", "p", X50 X50 X50, "t", X10 X10 X10 "xxxxxxxx"), "bad_key", ""}, /* 201 */
        {VL(X200 X200, "p", "", "t", ""), "bad_key", ""},
        {VL("h", "p", X200, X200, X200), "bad_key", ""},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"time\":1.5,\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "timestamp_out_of_range",
         "time"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"time\":1795461002.501,\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]",
         "timestamp_out_of_range", "time"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"time\":\"1795460402\",\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "bad_timestamp",
         "time"},
        {"[{\"values\":[1],\"dsnames\":[\"v\"],\"time\":null,\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"}]", "bad_timestamp", "time"},
    };
    must_refuse_all(sample_read_collectd, cases);
}

static void the_values_of_collectd_are_bounded(void **state)
{
    (void)state;
    struct hf_buf text = {0};
    for (int null = 0; null <= 1; null++)
        for (size_t count = test_limits.max_samples; count <= test_limits.max_samples + 1; count++) {
            hf_buf_clear(&text);
            hf_buf_puts(&text, "[{\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\",\"values\":[");
            for (size_t i = 0; i < count; i++)
                hf_buf_printf(&text, "%s%s", i == 0 ? "" : ",", null ? "null" : "1");
            hf_buf_puts(&text, "],\"dsnames\":[");
            for (size_t i = 0; i < count; i++)
                hf_buf_printf(&text, "%s\"n%zu\"", i == 0 ? "" : ",", i);
            hf_buf_puts(&text, "]}]");
            struct sample_list list = {0};
            struct sample_fault fault;
            enum hf_err err = read_copy(sample_read_collectd, (char *)text.data, text.len, &list, &fault);
            assert_int_equal(err, count > test_limits.max_samples ? HF_INVALID : HF_OK);
            if (err == HF_OK)
                assert_int_equal(list.count, null ? 0 : count);
            else
                assert_string_equal(fault.code, "too_many_samples");
            sample_list_free(&list);
        }
    hf_buf_free(&text);
}

UNIT_TESTS(unit(valid_json_is_taken), unit(invalid_json_is_refused), unit(short_texts_agree_with_the_grammar),
           unit(texts_are_unescaped), unit(values_are_skipped_whole), unit(many_members_stay_cheap), unit(json_is_read),
           unit(faults_of_json_are_told), unit(long_numbers_are_refused), unit(the_number_of_samples_is_bounded),
           unit(samples_are_appended), unit(collectd_is_read), unit(faults_of_collectd_are_told),
           unit(the_values_of_collectd_are_bounded))
