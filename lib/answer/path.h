/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a query, read from the raw REQUEST_URI so that every web server
 * gives the same: a mount prefix taken off, cut at "?", split at "/", and each
 * part percent-decoded once. Every part is checked against its own alphabet,
 * which leaves no way in for empty parts, a decoded "/", NUL, "." and ".." or
 * bytes beyond ASCII; over-long parts are refused.
 */
#ifndef HF_ANSWER_PATH_H
#define HF_ANSWER_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer/globs.h"
#include "answer/stat.h"
#include "base/err.h"
#include "base/zone.h"
#include "sample/sample.h"

enum path_kind {
    PATH_HOUR, PATH_DAY, PATH_SERIES, PATH_SPIKES, PATH_HEATMAP, PATH_PATTERN, PATH_KEYS, PATH_HEALTH, PATH_METRICS,
    PATH_PAGE,   /* for browsers */
    PATH_TO_PAGE /* where one begins that has only the address of the machine */
};
enum path_format { PATH_JSON, PATH_CSV };

#define PATH_LIMIT_DEFAULT 1000u /* keys of one page */
#define PATH_LIMIT_MAX 10000u

struct query_time {
    bool given;
    bool date;  /* a day: its first moment in the zone of the query */
    int64_t ms; /* of a day, as if the zone were UTC */
};

struct query_path {
    enum path_kind kind;
    enum path_format format;
    bool by_minute; /* PATH_HOUR: its minutes too; PATH_SERIES: a step is a minute */
    char key[SAMPLE_KEY_MAX + 1];
    size_t key_bytes;
    struct stat_spec stat;
    int64_t date_ms; /* first millisecond of the day, as if its zone were UTC */
    unsigned hour;   /* PATH_HOUR */
    char tz[HF_ZONE_BYTES]; /* the zone of days and hours; "": UTC */
    struct globs keys;      /* PATH_SERIES; PATH_KEYS, where a pattern was given */
    struct query_time from, to; /* PATH_SERIES, PATH_PATTERN */
    char prefix[SAMPLE_KEY_MAX + 1]; /* PATH_KEYS */
    char after[SAMPLE_KEY_MAX + 1];
    unsigned limit;
    int page; /* PATH_PAGE: its number, of answer/pages.h */
};

/* How many bytes at the start of `uri` are the prefix that the web server mounted the program at, the path of the query
 * following from there ("/key/…"). `mount` is that prefix where it was configured, or NULL: then it is found from the CGI
 * variables SCRIPT_NAME and PATH_INFO, either of which may be NULL. 0 where nothing fits. */
size_t query_path_mount(const char *uri, const char *mount, const char *script_name, const char *path_info);

/* Read `uri` (path and query string, without a mount prefix); `accept` is the Accept header or NULL. HF_INVALID with a
 * fault whose parameter names the part (key, stat, date, hour, or the name of a parameter); HF_NOTFOUND with a fault
 * when no resource has that path. `out` is complete on HF_OK only. */
HF_MUST_CHECK enum hf_err query_path_read(const char *uri, const char *accept, struct query_path *out,
                                          struct sample_fault *fault);

/* Does this Accept header (NULL: absent) want CSV rather than JSON? By quality; at equal quality only when CSV was named
 * and JSON was not. */
bool query_accepts_csv(const char *accept);

/* Does this Accept-Encoding header (NULL: absent) name gzip? */
bool query_accepts_gzip(const char *accept_encoding);

#endif
