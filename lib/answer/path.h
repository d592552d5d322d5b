/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a query, read from the raw REQUEST_URI so that every web server
 * gives the same: cut at "?", a mount prefix taken off, split at "/", and each
 * part percent-decoded once. Empty parts, decoded "/", NUL, "." and "..", and
 * over-long parts are refused.
 */
#ifndef HF_ANSWER_PATH_H
#define HF_ANSWER_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer/stat.h"
#include "base/err.h"
#include "sample/sample.h"

enum path_kind { PATH_HOUR, PATH_DAY, PATH_KEYS, PATH_HEALTH, PATH_METRICS };
enum path_format { PATH_JSON, PATH_CSV };

struct query_path {
    enum path_kind kind;
    enum path_format format;
    bool by_minute;
    char key[SAMPLE_KEY_MAX + 1];
    size_t key_bytes;
    struct stat_spec stat;
    int64_t date_ms; /* first millisecond of the day */
    unsigned hour;   /* PATH_HOUR */
    char prefix[SAMPLE_KEY_MAX + 1]; /* PATH_KEYS */
    char after[SAMPLE_KEY_MAX + 1];
    unsigned limit;
};

/* Read `uri` (path and query string). `mount` is the prefix the web server mounted the program at ("" or "/stats"),
 * `accept` the Accept header or NULL. HF_INVALID with a fault whose parameter names the part (key, stat, date, hour, by,
 * format, prefix, after, limit); HF_NOTFOUND with a fault when no resource has that many parts. */
HF_MUST_CHECK enum hf_err query_path_read(const char *uri, const char *mount, const char *accept,
                                          struct query_path *out, struct sample_fault *fault);

#endif
