/* SPDX-License-Identifier: Apache-2.0 */
#include "fold/cache.h"

#include <stdlib.h>
#include <string.h>

/* What an entry costs beside its cell: itself, and about as much as the table's buckets and malloc() add. */
enum { ENTRY_OVERHEAD_BYTES = 48 };

static size_t key_bytes_of(const struct cached_key *key)
{
    return sizeof *key + key->bytes + ENTRY_OVERHEAD_BYTES;
}

static size_t cell_bytes_of(const struct cached_cell *cell)
{
    return sizeof *cell + cell->memory_bytes + ENTRY_OVERHEAD_BYTES;
}

void cache_init(struct cache *cache, const struct table_secret *secret)
{
    *cache = (struct cache){.secret = *secret};
    TAILQ_INIT(&cache->dirty_keys);
    TAILQ_INIT(&cache->dirty_cells);
    TAILQ_INIT(&cache->clean_cells);
}

static void remove_key(struct cache *cache, struct cached_key *key)
{
    HASH_DELETE(hh, cache->keys, key);
    cache->bytes -= key_bytes_of(key);
    free(key);
}

/* Remove a clean cell, and its key with its last. */
static void remove_cell(struct cache *cache, struct cached_cell *cell)
{
    struct cached_key *key = cell->key;
    if (key->last[cell->id.table] == cell)
        key->last[cell->id.table] = NULL;
    TAILQ_REMOVE(&cache->clean_cells, cell, link);
    HASH_DELETE(hh, cache->cells, cell);
    cache->bytes -= cell_bytes_of(cell);
    cache->clean_bytes -= cell_bytes_of(cell);
    cell_free(&cell->cell);
    free(cell);
    if (--key->cells == 0 && !key->dirty)
        remove_key(cache, key);
}

void cache_free(struct cache *cache)
{
    struct cached_key *key, *next;
    cache_settle(cache, 0, 0);
    /* A key whose first cell could not be loaded has none. */
    HASH_ITER(hh, cache->keys, key, next)
        remove_key(cache, key);
}

struct cached_key *cache_find_key(struct cache *cache, const char *text, size_t bytes)
{
    struct cached_key *key;
    HASH_FIND_BYHASHVALUE(hh, cache->keys, text, (unsigned)bytes, table_hash(&cache->secret, text, bytes), key);
    return key;
}

struct cached_cell *cache_find_cell(struct cache *cache, struct cached_key *key, enum store_table table, uint32_t slot)
{
    struct cached_id id = {key, slot, (uint32_t)table};
    struct cached_cell *cell = key->last[table];
    if (cell != NULL && cell->id.slot == slot)
        return cell;
    HASH_FIND_BYHASHVALUE(hh, cache->cells, &id, sizeof id, table_hash(&cache->secret, &id, sizeof id), cell);
    if (cell != NULL)
        key->last[table] = cell;
    return cell;
}

struct cached_key *cache_add_key(struct cache *cache, const char *text, size_t bytes, uint32_t first_hour)
{
    struct cached_key *key = calloc(1, sizeof *key + bytes);
    if (key == NULL)
        return NULL;
    key->first_hour = first_hour;
    key->bytes = (uint8_t)bytes;
    memcpy(key->text, text, bytes);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, cache->keys, key->text, bytes, table_hash(&cache->secret, text, bytes), key);
    if (!TABLE_ADDED(key)) {
        free(key);
        return NULL;
    }
    cache->bytes += key_bytes_of(key);
    return key;
}

struct cached_cell *cache_add_cell(struct cache *cache, struct cached_key *key, enum store_table table, uint32_t slot,
                                   struct cell **cell)
{
    struct cached_cell *cached = calloc(1, sizeof *cached);
    if (cached == NULL)
        return NULL;
    cached->id = (struct cached_id){key, slot, (uint32_t)table};
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, cache->cells, &cached->id, sizeof cached->id,
                                table_hash(&cache->secret, &cached->id, sizeof cached->id), cached);
    if (!TABLE_ADDED(cached)) {
        free(cached);
        return NULL;
    }
    cached->key = key;
    cached->cell = *cell;
    cached->memory_bytes = cell_memory_bytes(*cell);
    cached->dirty = true;
    TAILQ_INSERT_TAIL(&cache->dirty_cells, cached, link);
    cache->dirty_cell_count++;
    cache->bytes += cell_bytes_of(cached);
    key->cells++;
    key->last[table] = cached;
    *cell = NULL;
    return cached;
}

void cache_dirty_key(struct cache *cache, struct cached_key *key)
{
    if (key->dirty)
        return;
    key->dirty = true;
    TAILQ_INSERT_TAIL(&cache->dirty_keys, key, link);
    cache->dirty_key_count++;
}

void cache_dirty_cell(struct cache *cache, struct cached_cell *cell)
{
    if (cell->dirty)
        return;
    cell->dirty = true;
    TAILQ_REMOVE(&cache->clean_cells, cell, link);
    TAILQ_INSERT_TAIL(&cache->dirty_cells, cell, link);
    cache->dirty_cell_count++;
    cache->clean_bytes -= cell_bytes_of(cell);
}

void cache_measure(struct cache *cache, struct cached_cell *cell)
{
    size_t now = cell_memory_bytes(cell->cell);
    cache->bytes += now - cell->memory_bytes; /* unsigned: right also when it shrank */
    if (!cell->dirty)
        cache->clean_bytes += now - cell->memory_bytes;
    cell->memory_bytes = now;
}

void cache_settle(struct cache *cache, size_t most_bytes, int64_t now_ms)
{
    struct cached_key *key;
    struct cached_cell *cell;
    while ((key = TAILQ_FIRST(&cache->dirty_keys)) != NULL) {
        TAILQ_REMOVE(&cache->dirty_keys, key, link);
        key->dirty = false;
        if (key->cells == 0)
            remove_key(cache, key);
    }
    TAILQ_FOREACH(cell, &cache->dirty_cells, link) {
        cell->dirty = false;
        cell->clean_ms = now_ms;
        cache->clean_bytes += cell_bytes_of(cell);
    }
    TAILQ_CONCAT(&cache->clean_cells, &cache->dirty_cells, link);
    cache->dirty_key_count = cache->dirty_cell_count = 0;

    while ((cell = TAILQ_FIRST(&cache->clean_cells)) != NULL &&
           (cache->clean_bytes > most_bytes || cell->clean_ms < now_ms - CACHE_KEEP_MS))
        remove_cell(cache, cell);
}

void cache_forget_hours(struct cache *cache, uint32_t before)
{
    struct cached_cell *next;
    for (struct cached_cell *cell = TAILQ_FIRST(&cache->clean_cells); cell != NULL; cell = next) {
        next = TAILQ_NEXT(cell, link);
        if (cell->id.table == STORE_HOURS && cell->id.slot < before)
            remove_cell(cache, cell);
    }
}
