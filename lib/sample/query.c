/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of query strings (application/x-www-form-urlencoded):
 *
 *   key=checkout.latency&value=12.5,13.1&ts=1795460402.25&id=a%2Fb
 *   data=%7B%22cpu%22%3A0.31%7D
 *
 * First the parameters are found, still encoded, then each is decoded and
 * checked.
 */
#include <string.h>

#include "sample/form.h"
#include "sample/reader.h"

enum { KEY, VALUE, TS, ID, DATA, PARAMETERS };

static const struct {
    const char *name;
    const char *code; /* of a fault in it */
} parameters[PARAMETERS] = {
    {"key", "bad_key"}, {"value", "bad_value"}, {"ts", "bad_timestamp"}, {"id", "bad_id"}, {"data", "bad_json"}};

/* Which of our parameters has this name, encoded as it may be? PARAMETERS for none. */
static int parameter_of(struct slice name)
{
    char decoded[3 * 5]; /* "value", every byte of it encoded */
    struct slice plain = form_name(name, decoded, sizeof decoded);
    int which = 0;
    while (which < PARAMETERS && !slice_is(plain, parameters[which].name))
        which++;
    return which;
}

static enum hf_err refuse(struct sample_reader *reader, int which, const char *problem)
{
    return reader_refuse(reader, parameters[which].code, parameters[which].name, strlen(parameters[which].name), "%s %s",
                         parameters[which].name, problem);
}

static enum hf_err find_parameters(struct sample_reader *reader, struct slice query, struct slice found[PARAMETERS])
{
    struct slice name, value;
    while (form_next(&query, &name, &value)) {
        int which = parameter_of(name);
        if (which == PARAMETERS)
            continue;
        if (found[which].text != NULL)
            return refuse(reader, which, "is given twice");
        found[which] = value;
    }
    return HF_OK;
}

/* Replace a parameter's text by its decoded form, which lies in the list's memory. */
static enum hf_err decode_parameter(struct sample_reader *reader, int which, struct slice *parameter)
{
    struct hf_buf *decoded = &reader->list->memory->decoded; /* room for all was made before */
    char *out = (char *)decoded->data + decoded->len;
    size_t len;
    if (!form_decode(*parameter, out, &len))
        return refuse(reader, which, "has a \"%\" that two hexadecimal digits do not follow");
    decoded->len += len;
    *parameter = (struct slice){out, len};
    return HF_OK;
}

static enum hf_err check_presence(struct sample_reader *reader, const struct slice found[PARAMETERS])
{
    bool any = false;
    for (int which = 0; which < DATA; which++)
        any = any || found[which].text != NULL;
    if (found[DATA].text != NULL)
        return any ? refuse(reader, DATA, "takes the place of key, value, ts and id, and cannot stand beside them")
                   : HF_OK;
    for (int which = KEY; which <= VALUE; which++)
        if (found[which].text == NULL)
            return reader_refuse(reader, "missing_parameter", parameters[which].name, strlen(parameters[which].name),
                                 any ? "%s is missing" : "%s is missing; a request needs key and value, or data",
                                 parameters[which].name);
    return HF_OK;
}

/* value=12.5,13.1,9 */
static enum hf_err add_values(struct sample_reader *reader, struct slice values, const struct sample_head *head)
{
    const char *at = values.text, *end = at + values.len;
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        double value;
        enum hf_err err = reader_value(reader, "value", 5, at, (size_t)((comma == NULL ? end : comma) - at), &value);
        if (err == HF_OK && comma != NULL && head->id != NULL)
            err = refuse(reader, ID, "names one sample, and value is a list");
        if (err == HF_OK)
            err = reader_add(reader, head, value);
        if (err != HF_OK || comma == NULL)
            return err;
        at = comma + 1;
    }
}

static enum hf_err read_sample(struct sample_reader *reader, struct slice found[PARAMETERS])
{
    struct sample_head head = {.time_ms = reader->limits->now_ms};
    for (int which = 0; which < DATA; which++) {
        struct slice *p = &found[which];
        enum hf_err err = HF_OK;
        if (p->text == NULL)
            continue;
        if ((err = decode_parameter(reader, which, p)) != HF_OK)
            return err;
        if (which == KEY)
            err = reader_key(reader, "key", 3, p->text, p->len, &head);
        else if (which == TS)
            err = reader_time(reader, "ts", p->text, p->len, &head);
        else if (which == ID)
            err = reader_id(reader, p->text, p->len, &head);
        if (err != HF_OK)
            return err;
    }
    return add_values(reader, found[VALUE], &head);
}

enum hf_err sample_read_query(const char *query, size_t len, const struct sample_limits *limits,
                              struct sample_list *list, struct sample_fault *fault)
{
    struct sample_reader reader;
    struct slice found[PARAMETERS] = {0};
    if (len == 0)
        query = ""; /* it may be NULL */
    enum hf_err err = reader_begin(&reader, limits, list, fault);
    if (err == HF_OK)
        err = find_parameters(&reader, (struct slice){query, len}, found);
    if (err == HF_OK)
        err = check_presence(&reader, found);
    if (err != HF_OK)
        return err;

    hf_buf_clear(&list->memory->decoded);
    if (hf_buf_reserve(&list->memory->decoded, len) != HF_OK)
        return HF_NOMEM;
    if (found[DATA].text == NULL)
        return read_sample(&reader, found);
    if ((err = decode_parameter(&reader, DATA, &found[DATA])) != HF_OK)
        return err;
    err = sample_read_json(found[DATA].text, found[DATA].len, limits, list, fault);
    if (err == HF_INVALID && fault->parameter[0] == '\0')
        strcpy(fault->parameter, "data");
    return err;
}
