/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of base/options.def as data; for the files of the configuration only.
 */
#ifndef HF_BASE_CONF_TABLE_H
#define HF_BASE_CONF_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum conf_type {
    CONF_STRING, CONF_NAME, CONF_SUBJECT, CONF_ORIGIN, CONF_HASH, CONF_INTEGER, CONF_SIZE, CONF_DURATION, CONF_ENUM
};

struct conf_option {
    const char *section;
    const char *name;
    size_t offset; /* of the field, in struct hf_conf or struct conf_view */
    enum conf_type type;
    const char *fallback; /* the default, as written */
    int64_t min, max;
    const char *unit;
    const char *text;
};

struct conf_section {
    const char *name;
    const char *text;
};

extern const struct conf_option conf_options[];
extern const size_t conf_option_count;
extern const struct conf_option conf_view_options[];
extern const size_t conf_view_option_count;
extern const struct conf_section conf_sections[];
extern const size_t conf_section_count;

/* The longest permitted range as text, NUL included. */
#define CONF_RANGE_TEXT 160

/* Write what the option permits, as in "2 to 256 threads". Return `out`. */
const char *conf_range(const struct conf_option *option, char out[CONF_RANGE_TEXT]);

/* Read a number, or the place of a word in an ENUM's list. HF_INVALID when `value` is none or out of range. For a text,
 * check it and leave `number` as it is. */
HF_MUST_CHECK enum hf_err conf_read_value(const struct conf_option *option, const char *value, int64_t *number);

/* A directory of the installation, known when the library is built. */
struct conf_directory {
    const char *name; /* as in ${name} */
    const char *path;
};

/* The directory that a default begins with, and what comes after it; NULL and all of it where there is none. */
const struct conf_directory *conf_directory_of(const char *fallback, const char **rest);

#endif
