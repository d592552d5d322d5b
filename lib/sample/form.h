/* SPDX-License-Identifier: Apache-2.0 */
/*
 * application/x-www-form-urlencoded, as in query strings and in the bodies of
 * forms; private to this module.
 */
#ifndef HF_SAMPLE_FORM_H
#define HF_SAMPLE_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Bytes that lie elsewhere; `text` is NULL where there are none. */
struct slice {
    const char *text;
    size_t len;
};

/* A slice may hold any byte, NUL too. */
static inline bool slice_is(struct slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.text, text, slice.len) == 0;
}

/* Decode into `out`, which has room for `in.len` bytes; "+" is a space. False: a "%" without two hexadecimal digits. */
bool form_decode(struct slice in, char *out, size_t *out_len);

/* A name decoded into `room`; empty when it is too long for `bytes` while still encoded, or malformed. */
struct slice form_name(struct slice encoded, char *room, size_t bytes);

/* Take the next name and value, still encoded, off the front of `rest`; of "name" alone the value is empty. False at the end. */
bool form_next(struct slice *rest, struct slice *name, struct slice *value);

#endif
