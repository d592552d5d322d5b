/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of what collectd's write_http sends with Format "JSON", an array
 * of value lists:
 *
 *   [{"values":[0.5,null],"dstypes":["derive","derive"],"dsnames":["rx","tx"],
 *     "time":1795460402.131,"interval":10.000,"host":"web-3","plugin":"interface",
 *     "plugin_instance":"eth0","type":"if_octets","type_instance":"","meta":{…}}]
 *
 * Each value becomes a sample of the key
 * <host>.<plugin>[-<instance>].<type>[-<instance>].<dsname>. A null stands for
 * what collectd does not know (NaN; a rate after only one reading). Members
 * that are not needed are passed over: plugins put what they like into "meta".
 */
#include <stdlib.h>
#include <string.h>

#include "sample/reader.h"

enum { HOST, PLUGIN, PLUGIN_INSTANCE, TYPE, TYPE_INSTANCE, STRINGS, VALUES = STRINGS, DSNAMES, TIME, MEMBERS };

static const struct {
    const char *name;
    bool required;
} members[MEMBERS] = {
    [HOST] = {"host", true}, [PLUGIN] = {"plugin", true}, [PLUGIN_INSTANCE] = {"plugin_instance", false},
    [TYPE] = {"type", true}, [TYPE_INSTANCE] = {"type_instance", false}, [VALUES] = {"values", true},
    [DSNAMES] = {"dsnames", true}, [TIME] = {"time", false}};

struct value_list {
    bool given[MEMBERS];
    struct {
        const char *text;
        size_t len;
    } strings[STRINGS];
    size_t values, dsnames; /* how many; they are in the memory of the list */
    struct sample_head head;
};

static enum hf_err refuse(struct sample_reader *reader, const char *code, int member, const char *problem)
{
    return reader_refuse(reader, code, members[member].name, strlen(members[member].name), "%s %s", members[member].name,
                         problem);
}

static bool failed(enum json_event event) { return event == JSON_BROKEN || event == JSON_NOMEM; }

/* ---- a value list as it is parsed ---- */

/* The place of the next value or name, number `index`. HF_INVALID when there are more than a request may hold. */
static enum hf_err source_at(struct sample_reader *reader, size_t index, struct collectd_source **source)
{
    struct sample_memory *memory = reader->list->memory;
    if (index >= reader->limits->max_samples)
        return reader_refuse(reader, "too_many_samples", "", 0, "a request holds at most %zu samples",
                             reader->limits->max_samples);
    if (index == memory->source_capacity) {
        size_t capacity = index == 0 ? 16 : index * 2;
        struct collectd_source *sources = realloc(memory->sources, capacity * sizeof *sources);
        if (sources == NULL)
            return HF_NOMEM;
        memory->sources = sources;
        memory->source_capacity = capacity;
    }
    *source = &memory->sources[index];
    return HF_OK;
}

static enum hf_err read_value(struct sample_reader *reader, const struct json *json, enum json_event event,
                              struct collectd_source *source)
{
    source->null = event == JSON_NULL;
    if (event == JSON_NUMBER)
        return reader_value(reader, "values", strlen("values"), json->text, json->len, &source->value);
    return source->null ? HF_OK : refuse(reader, "bad_value", VALUES, "holds numbers and null alone");
}

static enum hf_err read_dsname(struct sample_reader *reader, const struct json *json, enum json_event event,
                               struct collectd_source *source)
{
    if (event != JSON_STRING)
        return refuse(reader, "bad_json", DSNAMES, "holds strings alone");
    source->name = json->text;
    source->name_bytes = json->len;
    return HF_OK;
}

/* Read `values` or `dsnames`, which begins with `event`. */
static enum hf_err read_array(struct sample_reader *reader, struct json *json, int member, enum json_event event,
                              size_t *count)
{
    if (event != JSON_ARRAY)
        return refuse(reader, "bad_json", member, "is an array");
    *count = 0;
    while ((event = json_next(json)) != JSON_ARRAY_END) {
        if (failed(event))
            return reader_refuse_json(reader, json, event);
        struct collectd_source *source = NULL;
        enum hf_err err = source_at(reader, *count, &source);
        if (err == HF_OK)
            err = (member == VALUES ? read_value : read_dsname)(reader, json, event, source);
        if (err != HF_OK)
            return err;
        ++*count;
    }
    return HF_OK;
}

static enum hf_err read_member(struct sample_reader *reader, struct json *json, int member, struct value_list *vl)
{
    enum json_event event = json_next(json);
    if (failed(event))
        return reader_refuse_json(reader, json, event);
    vl->given[member] = true;
    switch (member) {
    case VALUES: return read_array(reader, json, member, event, &vl->values);
    case DSNAMES: return read_array(reader, json, member, event, &vl->dsnames);
    case TIME:
        return event == JSON_NUMBER ? reader_time(reader, "time", json->text, json->len, &vl->head)
                                    : refuse(reader, "bad_timestamp", TIME, "is a number");
    default:
        if (event != JSON_STRING)
            return refuse(reader, "bad_json", member, "is a string");
        if (members[member].required && json->len == 0)
            return refuse(reader, "bad_key", member, "is empty");
        vl->strings[member].text = json->text;
        vl->strings[member].len = json->len;
        return HF_OK;
    }
}

/* Read the object whose "{" has been read. */
static enum hf_err read_members(struct sample_reader *reader, struct json *json, struct value_list *vl)
{
    enum json_event event;
    while ((event = json_next(json)) == JSON_NAME) {
        int member = 0;
        while (member < MEMBERS &&
               (strlen(members[member].name) != json->len || memcmp(members[member].name, json->text, json->len) != 0))
            member++;
        if (member < MEMBERS) {
            enum hf_err err = read_member(reader, json, member, vl);
            if (err != HF_OK)
                return err;
        } else if (failed(event = json_skip(json, json_next(json))))
            break;
    }
    return failed(event) ? reader_refuse_json(reader, json, event) : HF_OK;
}

/* ---- a value list as samples ---- */

static void append_string(struct key_text *key, const char *separator, const struct value_list *vl, int member)
{
    if (vl->strings[member].len > 0) {
        key_append(key, separator, strlen(separator));
        key_append(key, vl->strings[member].text, vl->strings[member].len);
    }
}

static enum hf_err check_members(struct sample_reader *reader, const struct value_list *vl)
{
    for (int member = 0; member < MEMBERS; member++)
        if (members[member].required && !vl->given[member])
            return refuse(reader, "missing_parameter", member, "is missing");
    return vl->values == vl->dsnames ? HF_OK : refuse(reader, "bad_json", DSNAMES, "has not the length of values");
}

static enum hf_err add_value(struct sample_reader *reader, const struct collectd_source *source, struct key_text key,
                             struct sample_head *head)
{
    if (source->name_bytes == 0)
        return refuse(reader, "bad_key", DSNAMES, "holds an empty name");
    key_append(&key, ".", 1);
    key_append(&key, source->name, source->name_bytes);
    if (key.len > SAMPLE_KEY_MAX)
        return reader_refuse(reader, "bad_key", "", 0, "the key of host, plugin, type and dsname is longer than %d bytes",
                             SAMPLE_KEY_MAX);
    enum hf_err err = reader_key(reader, "host", strlen("host"), key.text, key.len, head);
    if (err == HF_OK && !source->null)
        err = reader_add(reader, head, source->value);
    return err;
}

static enum hf_err add_values(struct sample_reader *reader, struct value_list *vl)
{
    enum hf_err err = check_members(reader, vl);
    struct key_text key = {.len = 0};
    append_string(&key, "", vl, HOST);
    append_string(&key, ".", vl, PLUGIN);
    append_string(&key, "-", vl, PLUGIN_INSTANCE);
    append_string(&key, ".", vl, TYPE);
    append_string(&key, "-", vl, TYPE_INSTANCE);
    for (size_t i = 0; err == HF_OK && i < vl->values; i++)
        err = add_value(reader, &reader->list->memory->sources[i], key, &vl->head);
    return err;
}

/* ---- the whole ---- */

static enum hf_err read_value_lists(struct sample_reader *reader, struct json *json)
{
    enum json_event event;
    while ((event = json_next(json)) == JSON_OBJECT) {
        reader->position++;
        struct value_list vl = {.head = {.time_ms = reader->limits->now_ms}};
        enum hf_err err = read_members(reader, json, &vl);
        if (err == HF_OK)
            err = add_values(reader, &vl);
        if (err != HF_OK)
            return err;
    }
    reader->position = 0;
    if (event == JSON_ARRAY_END)
        event = json_next(json);
    else if (!failed(event))
        return reader_refuse(reader, "bad_json", "", 0, "the array must hold collectd's value lists alone");
    return event == JSON_END ? HF_OK : reader_refuse_json(reader, json, event);
}

enum hf_err sample_read_collectd(const char *text, size_t len, const struct sample_limits *limits,
                                 struct sample_list *list, struct sample_fault *fault)
{
    struct sample_reader reader;
    struct json json;
    enum hf_err err = reader_begin(&reader, limits, list, fault);
    if (err != HF_OK)
        return err;
    json_begin(&json, text, len, &list->memory->strings, &list->memory->members);
    enum json_event event = json_next(&json);
    if (event == JSON_ARRAY)
        return read_value_lists(&reader, &json);
    return failed(event) ? reader_refuse_json(&reader, &json, event)
                         : reader_refuse(&reader, "bad_json", "", 0, "the JSON must be an array of collectd's value lists");
}
