/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of the producers that were heard of lately. No store here: the
 * caller loads what is not found.
 */
#ifndef HF_FOLD_PRODUCERS_H
#define HF_FOLD_PRODUCERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fold/table.h"
#include "fold/window.h"

struct producer {
    UT_hash_handle hh;
    uint64_t number;
    struct window window;
    size_t encoded_at; /* its bytes in the commit under way */
    size_t encoded_bytes;
    bool dirty;
};

struct producers {
    struct table_secret secret;
    struct producer *table;
    size_t bytes; /* of memory */
};

void producers_init(struct producers *producers, const struct table_secret *secret);
void producers_clear(struct producers *producers); /* forget all */

struct producer *producers_find(const struct producers *producers, uint64_t number); /* NULL: not in memory */
/* Add one that is not there. NULL: no memory. */
struct producer *producers_add(struct producers *producers, uint64_t number, const struct window *window);

/* All is written. Forget all of them if there are more than `most`: they are loaded again at need. */
void producers_settle(struct producers *producers, unsigned most);

#endif
