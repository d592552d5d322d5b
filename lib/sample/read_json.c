/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of our own JSON, in three shapes:
 *
 *   {"checkout.latency":[12.5,13.1],"cpu":0.31}             a map of key to values
 *   {"key":"cpu","value":0.31,"ts":1795460402,"id":"a1"}    a sample
 *   [{"key":"cpu","value":0.31},{"key":"cpu","value":0.4}]  samples
 *
 * In a sample, `value` may be an array of numbers too; all of them have its key
 * and time.
 *
 * What tells a sample from a map, a string member "key", may come last in the
 * object. An object is read as a map until that fails, or until such a member
 * comes; in the first case it is looked for in what follows. Where there is
 * one, the object is read again as a sample.
 */
#include <string.h>

#include "sample/reader.h"

static bool is_name(const struct json *json, const char *name)
{
    return json->len == strlen(name) && memcmp(json->text, name, json->len) == 0;
}

static bool failed(enum json_event event) { return event == JSON_BROKEN || event == JSON_NOMEM; }

/* Read a number, or an array of numbers, that begins with `event`. */
static enum hf_err read_values(struct sample_reader *reader, struct json *json, enum json_event event,
                               const char *parameter, size_t parameter_bytes, const struct sample_head *head)
{
    bool array = event == JSON_ARRAY;
    if (array)
        event = json_next(json);
    while (event == JSON_NUMBER) {
        double value;
        enum hf_err err = reader_value(reader, parameter, parameter_bytes, json->text, json->len, &value);
        if (err == HF_OK)
            err = reader_add(reader, head, value);
        if (err != HF_OK || !array)
            return err;
        event = json_next(json);
    }
    if (failed(event))
        return reader_refuse_json(reader, json, event);
    return array && event == JSON_ARRAY_END
               ? HF_OK
               : reader_refuse(reader, "bad_value", parameter, parameter_bytes, "a value is a number or an array of numbers");
}

/* ---- a map ---- */

/* HF_NOTFOUND: it is a sample. */
static enum hf_err read_map(struct sample_reader *reader, struct json *json)
{
    struct sample_head head = {.time_ms = reader->limits->now_ms};
    enum json_event event;
    while ((event = json_next(json)) == JSON_NAME) {
        const char *name = json->text;
        size_t name_bytes = json->len;
        bool is_key = is_name(json, "key");
        enum hf_err err = reader_key(reader, name, name_bytes, name, name_bytes, &head);
        if (err != HF_OK)
            return err;
        event = json_next(json);
        if (is_key && event == JSON_STRING)
            return HF_NOTFOUND;
        err = read_values(reader, json, event, name, name_bytes, &head);
        if (err != HF_OK)
            return err;
    }
    return failed(event) ? reader_refuse_json(reader, json, event) : HF_OK;
}

/* ---- a sample ---- */

/* The event that begins the value of the member "key" of the object that the text is; JSON_END when it has none or is
 * not valid up to there. */
static enum json_event find_key(struct json *json)
{
    enum json_event event;
    json_next(json); /* "{" */
    while ((event = json_next(json)) == JSON_NAME) {
        bool is_key = is_name(json, "key");
        event = json_next(json);
        if (is_key)
            return event;
        if (failed(event = json_skip(json, event)))
            break;
    }
    return event == JSON_NOMEM ? JSON_NOMEM : JSON_END;
}

/* The value of the member `name` (a literal), which begins with `event`. Values go into the list at once, with what of
 * `head` is known. */
static enum hf_err read_member(struct sample_reader *reader, struct json *json, const char *name, enum json_event event,
                               struct sample_head *head)
{
    const bool string = event == JSON_STRING;
    if (failed(event))
        return reader_refuse_json(reader, json, event);
    if (strcmp(name, "value") == 0) {
        size_t before = reader->list->count;
        enum hf_err err = read_values(reader, json, event, name, strlen(name), head);
        if (err == HF_OK && reader->list->count == before)
            err = reader_refuse(reader, "bad_value", name, strlen(name), "the array holds no number");
        return err;
    }
    if (strcmp(name, "ts") == 0)
        return string || event == JSON_NUMBER
                   ? reader_time(reader, name, json->text, json->len, head)
                   : reader_refuse(reader, "bad_timestamp", name, strlen(name), "ts is a number or a string");
    if (strcmp(name, "id") == 0)
        return string ? reader_id(reader, json->text, json->len, head)
                      : reader_refuse(reader, "bad_id", name, strlen(name), "an id is a string");
    return string ? reader_key(reader, name, strlen(name), json->text, json->len, head)
                  : reader_refuse(reader, "bad_key", name, strlen(name), "a key is a string");
}

/* Give the samples from number `begin` on what came with them. */
static enum hf_err complete(struct sample_reader *reader, size_t begin, const struct sample_head *head)
{
    struct sample_list *list = reader->list;
    if (head->key == NULL || list->count == begin) {
        const char *missing = head->key == NULL ? "key" : "value";
        return reader_refuse(reader, "missing_parameter", missing, strlen(missing), "the member \"%s\" is missing",
                             missing);
    }
    if (head->id != NULL && list->count - begin > 1)
        return reader_refuse(reader, "bad_id", "id", 2, "id names one sample, and value is an array of several");
    for (size_t i = begin; i < list->count; i++) {
        struct sample *sample = &list->samples[i];
        sample->key = head->key;
        sample->key_bytes = (uint8_t)head->key_bytes;
        sample->id = head->id;
        sample->id_bytes = (uint8_t)head->id_bytes;
        sample->time_ms = head->time_ms;
    }
    return HF_OK;
}

static enum hf_err read_sample(struct sample_reader *reader, struct json *json)
{
    static const char *const names[] = {"key", "value", "ts", "id"};
    const size_t name_count = sizeof names / sizeof *names;
    struct sample_head head = {.time_ms = reader->limits->now_ms};
    const size_t begin = reader->list->count;
    enum json_event event;
    while ((event = json_next(json)) == JSON_NAME) {
        size_t which = 0;
        while (which < name_count && !is_name(json, names[which]))
            which++;
        if (which == name_count)
            return reader_refuse(reader, "bad_json", json->text, json->len,
                                 "unknown member; a sample has key and value, and may have ts and id");
        enum hf_err err = read_member(reader, json, names[which], json_next(json), &head);
        if (err != HF_OK)
            return err;
    }
    return failed(event) ? reader_refuse_json(reader, json, event) : complete(reader, begin, &head);
}

/* ---- the whole ---- */

static enum hf_err read_samples(struct sample_reader *reader, struct json *json)
{
    enum json_event event;
    while ((event = json_next(json)) == JSON_OBJECT) {
        reader->position++;
        enum hf_err err = read_sample(reader, json);
        if (err != HF_OK)
            return err;
    }
    reader->position = 0;
    if (failed(event))
        return reader_refuse_json(reader, json, event);
    return event == JSON_ARRAY_END
               ? HF_OK
               : reader_refuse(reader, "bad_json", "", 0, "an array must hold sample objects alone");
}

static enum hf_err read_end(struct sample_reader *reader, struct json *json)
{
    enum json_event event = json_next(json);
    if (event != JSON_END)
        return reader_refuse_json(reader, json, event);
    return reader->list->count > reader->first ? HF_OK : reader_refuse(reader, "bad_json", "", 0, "the JSON holds no sample");
}

static enum hf_err read_object(struct sample_reader *reader, struct json *json)
{
    const size_t len = (size_t)(json->end - json->start);
    enum hf_err err = read_map(reader, json);
    if (err == HF_INVALID) {
        json_begin(json, json->start, len, json->strings, json->names);
        enum json_event event = find_key(json);
        if (event == JSON_NOMEM)
            return HF_NOMEM;
        if (event == JSON_STRING)
            err = HF_NOTFOUND;
    }
    if (err != HF_NOTFOUND)
        return err;
    reader->list->count = reader->first;
    json_begin(json, json->start, len, json->strings, json->names);
    json_next(json);
    return read_sample(reader, json);
}

enum hf_err sample_read_json(const char *text, size_t len, const struct sample_limits *limits, struct sample_list *list,
                             struct sample_fault *fault)
{
    struct sample_reader reader;
    struct json json;
    enum hf_err err = reader_begin(&reader, limits, list, fault);
    if (err != HF_OK)
        return err;
    json_begin(&json, text, len, &list->memory->strings, &list->memory->members);
    enum json_event event = json_next(&json);
    if (event == JSON_OBJECT)
        err = read_object(&reader, &json);
    else if (event == JSON_ARRAY)
        err = read_samples(&reader, &json);
    else if (failed(event))
        err = reader_refuse_json(&reader, &json, event);
    else
        err = reader_refuse(&reader, "bad_json", "", 0, "the JSON must be an object or an array");
    return err == HF_OK ? read_end(&reader, &json) : err;
}
