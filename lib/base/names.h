/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of byte strings, numbered 0, 1, 2 … in the order they came.
 *
 * The hash is SipHash under a random key of the set's own, so that nobody
 * outside can choose strings that collide. Names go only from the end, as
 * nested scopes do; the memory stays for the next use.
 */
#ifndef HF_BASE_NAMES_H
#define HF_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HF_NAMES_HASH_KEY_BYTES 16

struct hf_name {
    const char *text; /* the caller's; not terminated */
    uint32_t len;
    uint32_t hash; /* once it is in the table */
    uint32_t next; /* older name of the same bucket; or a mark that it is not in the table */
};

/* All zero is an empty set. `list` may move when a name is added. */
struct hf_names {
    struct hf_name *list;
    uint32_t count;
    uint32_t capacity;
    uint32_t *buckets;     /* newest name of each */
    uint32_t bucket_count; /* a power of two */
    unsigned char hash_key[HF_NAMES_HASH_KEY_BYTES];
};

void hf_names_free(struct hf_names *names); /* and make it empty */

/* Find `text` among the names numbered `from` and above, or else add it; `*index` is its number, `*added` says which.
 * The bytes are not copied: they must stay until the name is cut off. Scopes nest: before a smaller `from` is used again,
 * what was added under a larger one must be cut off. HF_NOMEM. */
HF_MUST_CHECK enum hf_err hf_names_add(struct hf_names *names, uint32_t from, const char *text, size_t len,
                                       uint32_t *index, bool *added);

/* Forget all names from number `count` on. */
void hf_names_cut(struct hf_names *names, uint32_t count);

#endif
