/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ids first seen since the last commit; the earlier ones are in the store.
 */
#ifndef HF_FOLD_IDS_H
#define HF_FOLD_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fold/table.h"
#include "store/store.h"

struct fresh_id {
    UT_hash_handle hh;
    int64_t seen_ms;
    unsigned char hash[STORE_ID_BYTES];
};

struct ids {
    struct table_secret secret;
    struct fresh_id *table;
    size_t bytes; /* of memory */
};

void ids_init(struct ids *ids, const struct table_secret *secret);
void ids_clear(struct ids *ids); /* forget all */

/* BLAKE2b-128 of (length of the key, key, id): what an id is known by. */
void ids_hash(const char *key, uint8_t key_bytes, const char *id, uint8_t id_bytes, unsigned char out[STORE_ID_BYTES]);

/* NULL when it was not seen since the last commit. */
const struct fresh_id *ids_find(const struct ids *ids, const unsigned char hash[STORE_ID_BYTES]);

/* Add one, or move the time of one that is there. HF_NOMEM. */
HF_MUST_CHECK enum hf_err ids_add(struct ids *ids, const unsigned char hash[STORE_ID_BYTES], int64_t seen_ms);

/* Bring the table into the order of the hashes. */
void ids_sort(struct ids *ids);

#endif
