/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers share; private to this module.
 *
 * A reader is one request being read into a list. Its checks return HF_INVALID
 * with the fault filled in.
 */
#ifndef HF_SAMPLE_READER_H
#define HF_SAMPLE_READER_H

#include "base/buf.h"
#include "base/names.h"
#include "sample/json.h"
#include "sample/sample.h"

struct arena_chunk;

/* One value of a collectd value list and its name; either may be read before the other. */
struct collectd_source {
    double value;
    bool null;
    const char *name; /* in the input, or in `strings` */
    size_t name_bytes;
};

struct sample_memory {
    struct arena_chunk *chunks;  /* of the arena, in the order they are filled */
    struct arena_chunk *current; /* NULL: none filled yet */
    size_t used;                 /* of the current one, in bytes */
    struct hf_buf decoded;       /* parameters of a query string, percent-decoded */
    struct hf_buf strings;       /* JSON strings that had escapes */
    struct hf_names members;     /* names of the JSON objects that are open */
    struct collectd_source *sources;
    size_t source_capacity;
};

struct sample_reader {
    const struct sample_limits *limits;
    struct sample_list *list;
    struct sample_fault *fault;
    size_t first;    /* samples of the list that were there before */
    size_t position; /* of the object in its array, from 1; 0 outside an array */
};

/* Begin a request; see to it that the list has its memory. HF_NOMEM. */
enum hf_err reader_begin(struct sample_reader *reader, const struct sample_limits *limits, struct sample_list *list,
                         struct sample_fault *fault);

/* Write a fault: return HF_INVALID. `parameter` may hold any bytes. */
enum hf_err reader_refuse(struct sample_reader *reader, const char *code, const char *parameter, size_t parameter_bytes,
                          const char *format, ...) HF_PRINTF(5, 6);

/* Write the fault of a parser that gave JSON_BROKEN; return HF_INVALID. JSON_NOMEM gives HF_NOMEM. */
enum hf_err reader_refuse_json(struct sample_reader *reader, const struct json *json, enum json_event event);

#define QUOTE_BYTES 64
/* Write bytes from outside for a person to read, in quotes, printable, cut to fit. Return `out`. */
const char *reader_quote(const char *text, size_t len, char out[QUOTE_BYTES]);

/* A key that is put together from what a request says. */
struct key_text {
    char text[SAMPLE_KEY_MAX];
    size_t len; /* SAMPLE_KEY_MAX + 1 once it does not fit */
};
/* Append bytes, each that is not of the alphabet of keys turned to "_". */
void key_append(struct key_text *key, const char *text, size_t len);

/* What the samples of one key and time have in common. The bytes belong to the list. */
struct sample_head {
    const char *key, *id;
    size_t key_bytes, id_bytes;
    int64_t time_ms;
};

/* Check a key, id or time under the name of the parameter it came in, and keep it in `head`. HF_INVALID, HF_NOMEM. */
enum hf_err reader_key(struct sample_reader *reader, const char *parameter, size_t parameter_bytes, const char *text,
                       size_t len, struct sample_head *head);
enum hf_err reader_id(struct sample_reader *reader, const char *text, size_t len, struct sample_head *head);
enum hf_err reader_time(struct sample_reader *reader, const char *parameter, const char *text, size_t len,
                        struct sample_head *head);

/* Read a value. HF_INVALID. */
enum hf_err reader_value(struct sample_reader *reader, const char *parameter, size_t parameter_bytes, const char *text,
                         size_t len, double *value);

/* Append a sample. HF_INVALID when the request holds too many, HF_NOMEM. */
enum hf_err reader_add(struct sample_reader *reader, const struct sample_head *head, double value);

#endif
