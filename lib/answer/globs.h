/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys a query means: a list of patterns with commas between them, where "*"
 * stands for any run of bytes and "?" for one. A pattern without either is a key.
 */
#ifndef HF_ANSWER_GLOBS_H
#define HF_ANSWER_GLOBS_H

#include <stdbool.h>
#include <stddef.h>

#define GLOBS_MAX 32u
#define GLOBS_BYTES_MAX 2048u /* of the list as text */

struct glob {
    size_t at, bytes; /* in the text of the list */
    size_t literal;   /* bytes before the first wildcard */
};

struct globs {
    char text[GLOBS_BYTES_MAX + 1];
    struct glob list[GLOBS_MAX]; /* in byte order of what stands before the first wildcard, a key before a pattern */
    size_t count;
};

/* Read the list in `globs->text`, which is terminated. False when it is empty, too long, or has a pattern that is empty or
 * holds other bytes than those of keys and wildcards. */
bool globs_read(struct globs *globs);

bool globs_match(const struct globs *globs, const char *key, size_t key_bytes);

static inline bool glob_is_key(const struct glob *glob) { return glob->literal == glob->bytes; }

#endif
