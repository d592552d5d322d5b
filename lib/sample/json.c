/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/json.h"

#include <string.h>

/* What may come next. */
enum {
    EXPECT_VALUE,
    EXPECT_FIRST_ITEM, /* of an array: a value or "]" */
    EXPECT_FIRST_NAME, /* of an object: a name or "}" */
    EXPECT_MORE,       /* "," or the end of the object or array */
    EXPECT_END,        /* of the text */
    EXPECT_NOTHING     /* after a failure */
};

void json_begin(struct json *json, const char *text, size_t len, struct hf_buf *strings, struct hf_names *names)
{
    if (len == 0)
        text = ""; /* it may be NULL */
    *json = (struct json){.start = text, .at = text, .end = text + len, .strings = strings, .names = names};
    hf_buf_clear(strings);
    hf_names_cut(names, 0);
}

static enum json_event fail(struct json *json, enum json_event event)
{
    json->expect = EXPECT_NOTHING;
    return json->failure = event;
}

static enum json_event broken(struct json *json, const char *problem)
{
    json->problem = problem;
    return fail(json, JSON_BROKEN);
}

static void skip_space(struct json *json)
{
    while (json->at < json->end && (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t'))
        json->at++;
}

/* ---- strings ---- */

static int hex4(const char *s)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = s[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            v = v << 4 | (lower - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* The code point of the \uXXXX at `at`, or of the surrogate pair that begins there. -1: not valid. */
static int32_t take_code_point(struct json *json)
{
    int32_t c = json->end - json->at >= 6 ? hex4(json->at + 2) : -1;
    if (c < 0 || (c >= 0xDC00 && c <= 0xDFFF))
        return -1;
    if (c < 0xD800 || c > 0xDBFF) {
        json->at += 6;
        return c;
    }
    const char *second = json->at + 6;
    int32_t low = json->end - second >= 6 && second[0] == '\\' && second[1] == 'u' ? hex4(second + 2) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    json->at += 12;
    return 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
}

static size_t encode_utf8(int32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; --i > 0; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00 >> n & 0xF0) | c);
    return n;
}

/* Unescape what stands at "\" into `out`; return the bytes written, 0 when it is not valid. */
static size_t take_escape(struct json *json, char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (json->end - json->at < 2)
        return 0;
    char c = json->at[1];
    if (c == 'u') {
        int32_t point = take_code_point(json);
        return point < 0 ? 0 : encode_utf8(point, out);
    }
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found == NULL)
        return 0;
    json->at += 2;
    out[0] = to[found - from];
    return 1;
}

/* Go on to the next byte that is not plain text: a quote, a backslash, or the end. False at an invalid byte. */
static bool pass_plain(struct json *json)
{
    while (json->at < json->end && *json->at != '"' && *json->at != '\\') {
        unsigned char c = (unsigned char)*json->at;
        size_t n = c >= 0x20 && c < 0x80 ? 1
                   : c < 0x20            ? 0
                                         : hf_utf8_sequence((const unsigned char *)json->at, (size_t)(json->end - json->at));
        if (n == 0)
            return false;
        json->at += n;
    }
    return true;
}

/* Unescape the rest of a string whose plain beginning is at `first`. No string gets longer by unescaping, so room for
 * the whole input, made once, holds all of them, and none moves. */
static bool unescape(struct json *json, const char *first)
{
    struct hf_buf *out = json->strings;
    if (out->len == 0 && hf_buf_reserve(out, (size_t)(json->end - json->start)) != HF_OK) {
        fail(json, JSON_NOMEM);
        return false;
    }
    size_t begin = out->len;
    for (;;) {
        hf_buf_put(out, first, (size_t)(json->at - first));
        if (json->at == json->end || *json->at == '"')
            break;
        char bytes[4];
        size_t n = take_escape(json, bytes);
        if (n == 0) {
            broken(json, "an escape that is not valid");
            return false;
        }
        hf_buf_put(out, bytes, n);
        first = json->at;
        if (!pass_plain(json))
            break;
    }
    json->text = (const char *)out->data + begin;
    json->len = out->len - begin;
    return true;
}

/* Read the string whose opening quote is at `at`. False: the parser has failed. */
static bool take_string(struct json *json)
{
    const char *first = ++json->at;
    bool plain = pass_plain(json);
    json->text = first;
    json->len = (size_t)(json->at - first);
    if (plain && json->at < json->end && *json->at == '\\' && !unescape(json, first))
        return false;
    if (json->at == json->end) {
        broken(json, "the end inside a string");
        return false;
    }
    if (*json->at != '"') {
        broken(json, (unsigned char)*json->at < 0x20 ? "a control character in a string" : "bytes that are not UTF-8");
        return false;
    }
    json->at++;
    return true;
}

/* ---- numbers and words ---- */

static bool pass_digits(struct json *json)
{
    const char *first = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        json->at++;
    return json->at > first;
}

static bool pass_byte(struct json *json, char byte)
{
    if (json->at == json->end || *json->at != byte)
        return false;
    json->at++;
    return true;
}

/* [-](0|1-9 digits)[.digits][e[sign]digits]; what may not follow it is found by the caller. */
static bool pass_number(struct json *json)
{
    pass_byte(json, '-');
    if (!pass_byte(json, '0') && !pass_digits(json))
        return false;
    if (pass_byte(json, '.') && !pass_digits(json))
        return false;
    if (pass_byte(json, 'e') || pass_byte(json, 'E')) {
        if (!pass_byte(json, '-'))
            pass_byte(json, '+');
        return pass_digits(json);
    }
    return true;
}

static enum json_event take_number(struct json *json)
{
    json->text = json->at;
    if (!pass_number(json))
        return broken(json, "a number that is not valid");
    json->len = (size_t)(json->at - json->text);
    return JSON_NUMBER;
}

static enum json_event take_word(struct json *json, const char *word, enum json_event event)
{
    size_t len = strlen(word);
    if ((size_t)(json->end - json->at) < len || memcmp(json->at, word, len) != 0)
        return broken(json, "a word other than true, false and null");
    json->at += len;
    return event;
}

/* ---- structure ---- */

static enum json_event open_container(struct json *json, bool object)
{
    if (json->depth == SAMPLE_JSON_DEPTH)
        return broken(json, "objects and arrays nested too deeply");
    json->at++;
    json->open[json->depth].object = object;
    json->open[json->depth].first_name = json->names->count;
    json->depth++;
    json->expect = object ? EXPECT_FIRST_NAME : EXPECT_FIRST_ITEM;
    return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_event close_container(struct json *json)
{
    json->at++;
    json->depth--;
    hf_names_cut(json->names, json->open[json->depth].first_name);
    json->expect = json->depth == 0 ? EXPECT_END : EXPECT_MORE;
    return json->open[json->depth].object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum json_event take_value(struct json *json)
{
    json->expect = json->depth == 0 ? EXPECT_END : EXPECT_MORE;
    if (json->at == json->end)
        return broken(json, "the end in place of a value");
    switch (*json->at) {
    case '{': return open_container(json, true);
    case '[': return open_container(json, false);
    case '"': return take_string(json) ? JSON_STRING : json->failure;
    case 't': return take_word(json, "true", JSON_TRUE);
    case 'f': return take_word(json, "false", JSON_FALSE);
    case 'n': return take_word(json, "null", JSON_NULL);
    case '-': case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9': return take_number(json);
    default: return broken(json, "a byte that begins no value");
    }
}

static enum json_event take_name(struct json *json)
{
    if (json->at == json->end || *json->at != '"')
        return broken(json, "no name of a member in quotes");
    const char *name = json->at;
    if (!take_string(json))
        return json->failure;
    uint32_t index;
    bool added;
    if (hf_names_add(json->names, json->open[json->depth - 1].first_name, json->text, json->len, &index, &added) != HF_OK)
        return fail(json, JSON_NOMEM);
    if (!added) {
        json->at = name;
        json->repeated = true;
        return broken(json, "a member that was there before");
    }
    skip_space(json);
    if (!pass_byte(json, ':'))
        return broken(json, "no \":\" after the name of a member");
    json->expect = EXPECT_VALUE;
    return JSON_NAME;
}

static enum json_event take_more(struct json *json, bool object)
{
    if (json->at < json->end && *json->at == (object ? '}' : ']'))
        return close_container(json);
    if (!pass_byte(json, ','))
        return broken(json, object ? "no \",\" or \"}\" after a member" : "no \",\" or \"]\" after an item");
    skip_space(json);
    return object ? take_name(json) : take_value(json);
}

enum json_event json_next(struct json *json)
{
    bool object = json->depth > 0 && json->open[json->depth - 1].object;
    skip_space(json);
    switch (json->expect) {
    case EXPECT_FIRST_ITEM:
    case EXPECT_FIRST_NAME:
        if (json->at < json->end && *json->at == (object ? '}' : ']'))
            return close_container(json);
        return object ? take_name(json) : take_value(json);
    case EXPECT_VALUE: return take_value(json);
    case EXPECT_MORE: return take_more(json, object);
    case EXPECT_END: return json->at == json->end ? JSON_END : broken(json, "something after the end");
    default: return json->failure;
    }
}

enum json_event json_skip(struct json *json, enum json_event event)
{
    if (event != JSON_OBJECT && event != JSON_ARRAY)
        return event;
    unsigned outside = json->depth - 1;
    do
        event = json_next(json);
    while (json->depth > outside && event != JSON_BROKEN && event != JSON_NOMEM);
    return event;
}
