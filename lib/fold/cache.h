/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys and cells in memory. A dirty one differs from the store and stays; of
 * the clean ones, those untouched longest go when they pass a bound, and all that
 * nothing was added to for some time: minutes that are over, mostly. Whoever
 * looks a cell up means to add to it, so clean cells are in the order of the
 * commits that cleaned them.
 *
 * A key stays as long as one of its cells does. No store here: the caller loads
 * what is not found, and writes what is dirty.
 */
#ifndef HF_FOLD_CACHE_H
#define HF_FOLD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "cell/cell.h"
#include "fold/table.h"
#include "store/store.h"

struct cached_cell;

struct cached_key {
    UT_hash_handle hh;
    struct cached_cell *last[2];  /* of each store_table, the cell that was looked up last, or NULL: it will be again */
    TAILQ_ENTRY(cached_key) link; /* among the dirty keys */
    uint32_t cells;               /* in memory */
    uint32_t first_hour;          /* as the store has it, or is to have it */
    bool dirty;
    uint8_t bytes;
    char text[]; /* not terminated */
};

struct cached_id { /* no padding: it is hashed as bytes */
    const struct cached_key *key;
    uint32_t slot;
    uint32_t table;
};

struct cached_cell {
    UT_hash_handle hh;
    struct cached_id id;
    struct cached_key *key;
    TAILQ_ENTRY(cached_cell) link; /* among the dirty or the clean ones */
    struct cell *cell;
    size_t memory_bytes; /* of `cell`, when last measured */
    size_t encoded_at;   /* its bytes in the commit under way */
    size_t encoded_bytes;
    int64_t clean_ms; /* when it was written last */
    bool dirty;
};

TAILQ_HEAD(cached_keys, cached_key);
TAILQ_HEAD(cached_cells, cached_cell);

struct cache {
    struct table_secret secret;
    struct cached_key *keys;    /* table */
    struct cached_cell *cells;  /* table */
    struct cached_keys dirty_keys;
    struct cached_cells dirty_cells;
    struct cached_cells clean_cells;
    size_t dirty_key_count;
    size_t dirty_cell_count;
    size_t bytes;       /* of all */
    size_t clean_bytes; /* of the clean cells alone */
};

void cache_init(struct cache *cache, const struct table_secret *secret);
void cache_free(struct cache *cache);

/* NULL: not in memory. */
struct cached_key *cache_find_key(struct cache *cache, const char *text, size_t bytes);
struct cached_cell *cache_find_cell(struct cache *cache, struct cached_key *key, enum store_table table,
                                    uint32_t slot);

/* Add one that is not there. A key belongs to the cache from then on, once it has a cell or is dirty. NULL: no memory. */
struct cached_key *cache_add_key(struct cache *cache, const char *text, size_t bytes, uint32_t first_hour);
/* Takes `*cell` over and sets it to NULL. The new cell is dirty. NULL: no memory, `*cell` stays the caller's. */
struct cached_cell *cache_add_cell(struct cache *cache, struct cached_key *key, enum store_table table, uint32_t slot,
                                   struct cell **cell);

void cache_dirty_key(struct cache *cache, struct cached_key *key);
void cache_dirty_cell(struct cache *cache, struct cached_cell *cell);

/* Account for what the cell has grown by. */
void cache_measure(struct cache *cache, struct cached_cell *cell);

/* All is written: nothing is dirty any more. Forget cells until the clean ones hold at most `most_bytes`, and those that were
 * written last CACHE_KEEP_MS before `now_ms`, on a clock that seldom goes back. */
#define CACHE_KEEP_MS 120000
void cache_settle(struct cache *cache, size_t most_bytes, int64_t now_ms);

/* Forget the clean cells of hours before `before`: the store has deleted them. */
void cache_forget_hours(struct cache *cache, uint32_t before);

#endif
