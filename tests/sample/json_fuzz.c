/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of JSON, and the parser alone. json-c is laxer than RFC 8259 in
 * several ways, but nothing that we take may be refused by it.
 */
#include "fuzz.h"

#include <json-c/json.h>

#include "sample/json.h"

static bool parser_takes(const char *text, size_t len)
{
    static struct hf_buf strings;
    static struct hf_names names;
    struct json json;
    enum json_event event;
    json_begin(&json, text, len, &strings, &names);
    do {
        event = json_next(&json);
        must(json.at >= json.start && json.at <= json.end && json.depth <= SAMPLE_JSON_DEPTH);
        if (event == JSON_NAME || event == JSON_STRING) {
            const unsigned char *s = (const unsigned char *)json.text;
            for (size_t n, at = 0; at < json.len; at += n)
                must((n = hf_utf8_sequence(s + at, json.len - at)) > 0);
        }
    } while (event != JSON_END && event != JSON_BROKEN && event != JSON_NOMEM);
    must(event != JSON_NOMEM && json_next(&json) == event);
    must(event != JSON_END || (json.depth == 0 && names.count == 0));
    return event == JSON_END;
}

static bool json_c_takes(const char *text, size_t len)
{
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    char *copy = malloc(len + 1); /* it wants the NUL after a number at the end */
    must(tokener != NULL && copy != NULL);
    memcpy(copy, text, len);
    copy[len] = '\0';
    struct json_object *object = json_tokener_parse_ex(tokener, copy, (int)len + 1);
    bool taken = json_tokener_get_error(tokener) == json_tokener_success;
    json_object_put(object);
    json_tokener_free(tokener);
    free(copy);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool taken = parser_takes((const char *)data, size);
    if (taken)
        must(json_c_takes((const char *)data, size));
    if (check_reader(sample_read_json, data, size) == HF_OK)
        must(taken);
    return 0;
}
