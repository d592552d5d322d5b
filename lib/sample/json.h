/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull parser for JSON, private to this module: RFC 8259 to the letter, and
 * where that leaves a choice, the strict one: valid UTF-8 alone, no lone
 * surrogate, no name twice in an object, bounded depth, nothing before or
 * after the text but white space.
 */
#ifndef HF_SAMPLE_JSON_H
#define HF_SAMPLE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/names.h"
#include "sample/sample.h"

enum json_event {
    JSON_OBJECT,     /* { */
    JSON_OBJECT_END, /* } */
    JSON_ARRAY,      /* [ */
    JSON_ARRAY_END,  /* ] */
    JSON_NAME,       /* of a member; its value comes next */
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_END,    /* of the whole text */
    JSON_BROKEN, /* see `problem`; for good */
    JSON_NOMEM   /* for good */
};

struct json {
    const char *start, *at, *end;
    /* Of a name or string, unescaped: it lies in the input, or in `strings` until the parser is begun anew. Of a number,
     * as it is written. */
    const char *text;
    size_t len;
    const char *problem; /* what was wrong at byte `at`; static */
    bool repeated;       /* it was a member that was there before; `text` is its name */
    struct hf_buf *strings;
    struct hf_names *names;
    int expect;
    enum json_event failure;
    unsigned depth; /* of open objects and arrays */
    struct {
        bool object;
        uint32_t first_name; /* of this object, in `names` */
    } open[SAMPLE_JSON_DEPTH];
};

/* Begin. `strings` and `names` lend their memory until the parser is done with. */
void json_begin(struct json *json, const char *text, size_t len, struct hf_buf *strings, struct hf_names *names);

enum json_event json_next(struct json *json);

/* Pass over the rest of the value that `event` began. Return JSON_BROKEN or JSON_NOMEM on failure, any other event
 * otherwise. */
enum json_event json_skip(struct json *json, enum json_event event);

/* The offset of the offence, counted from 1. */
static inline size_t json_offset(const struct json *json) { return (size_t)(json->at - json->start) + 1; }

#endif
