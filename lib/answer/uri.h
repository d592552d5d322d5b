/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raw text of a request: pieces of it, and percent-encoding.
 */
#ifndef HF_ANSWER_URI_H
#define HF_ANSWER_URI_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes inside the request. */
struct span {
    const char *at;
    size_t len;
};

/* The bytes of the path, which ends at "?" or "#". */
size_t uri_path_bytes(const char *uri);

/* Cut what stands before the first `separator` off `*rest`, which becomes empty after the last. */
struct span span_cut(struct span *rest, char separator);

/* The byte at `*at`, decoded; moves past it. -1 for an escape that is none. */
int uri_byte(const char **at, const char *end);

/* Decode into `out` of `room` bytes, terminated; false when it does not fit, is malformed or holds a NUL. `form`: as in a
 * query string, where "+" is a space. */
bool uri_decode(struct span raw, bool form, char *out, size_t room, size_t *len);

#endif
