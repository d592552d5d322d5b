/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cell.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell_impl.h"
#include "cell/key.h"

#define COUNT_MAX ((uint64_t)INT64_MAX)
#define PENDING_START 4u
/* Settling walks over all buckets; half as many pending samples keep a sample's share small, and the memory too. */
#define PENDING_MIN 16u
#define PENDING_MAX 1024u
#define PENDING_KEPT 32u /* of a cell that has been read, which may be the last for long */
#define MALLOC_OVERHEAD_BYTES 8u

/* ---- allocate ---- */

struct cell *cell_new(uint32_t max_buckets)
{
    assert(max_buckets >= CELL_BUCKETS_MIN && max_buckets <= CELL_BUCKETS_MAX);
    struct cell *cell = calloc(1, sizeof *cell);
    if (cell == NULL)
        return NULL;
    cell->max_buckets = max_buckets;
    cell->min_key = UINT64_MAX;
    return cell;
}

void cell_free(struct cell **cell)
{
    if (*cell == NULL)
        return;
    free((*cell)->buckets);
    free((*cell)->pending);
    free((*cell)->sums);
    free(*cell);
    *cell = NULL;
}

size_t cell_memory_bytes(const struct cell *cell)
{
    size_t bytes = sizeof *cell + MALLOC_OVERHEAD_BYTES;
    if (cell->buckets != NULL)
        bytes += cell->bucket_capacity * sizeof *cell->buckets + MALLOC_OVERHEAD_BYTES;
    if (cell->pending != NULL)
        bytes += cell->pending_capacity * sizeof *cell->pending + MALLOC_OVERHEAD_BYTES;
    if (cell->sums != NULL)
        bytes += sizeof *cell->sums + MALLOC_OVERHEAD_BYTES;
    return bytes;
}

static enum hf_err reserve_buckets(struct cell *cell, size_t n)
{
    if (n <= cell->bucket_capacity)
        return HF_OK;
    size_t capacity = (n + n / 4 + 3) / 4 * 4;
    if (capacity > cell->max_buckets)
        capacity = cell->max_buckets;
    struct bucket *buckets = realloc(cell->buckets, capacity * sizeof *buckets);
    if (buckets == NULL)
        return HF_NOMEM;
    cell->buckets = buckets;
    cell->bucket_capacity = (uint32_t)capacity;
    return HF_OK;
}

/* ---- settle ---- */

/* Have cell->sums where a cell of `shift` keeps them. `*made` is new ones, or NULL. */
static enum hf_err make_sums(const struct cell *cell, unsigned shift, struct sums **made)
{
    *made = NULL;
    if (shift == 0 || cell->sums != NULL)
        return HF_OK;
    *made = calloc(1, sizeof **made);
    if (*made == NULL)
        return HF_NOMEM;
    sums_add_buckets(*made, cell->buckets, cell->n_buckets);
    return HF_OK;
}

enum hf_err cell_fit(struct cell *cell)
{
    if (cell->n_buckets <= cell->max_buckets)
        return HF_OK;
    unsigned further = buckets_fit(cell->buckets, cell->n_buckets, cell->max_buckets);
    struct sums *made;
    if (make_sums(cell, cell->shift + further, &made) != HF_OK)
        return HF_NOMEM;
    if (made != NULL)
        cell->sums = made;
    cell->n_buckets = (uint32_t)buckets_coarsen(cell->buckets, cell->buckets, cell->n_buckets, further);
    cell->shift += further;
    return HF_OK;
}

/* Merge the cell's buckets with others of `shift` into `merged`, which has room for both twice, at the smallest shift
 * that will do: `*common`. Returns the number. */
static size_t merge_to_fit(struct bucket *merged, const struct cell *cell, const struct bucket *others, size_t n,
                           unsigned shift, unsigned *common)
{
    const struct bucket *own = cell->buckets;
    size_t n_own = cell->n_buckets;
    struct bucket *coarse = merged + n_own + n;
    *common = shift > cell->shift ? shift : cell->shift;
    if (*common > cell->shift) {
        n_own = buckets_coarsen(coarse, own, n_own, *common - cell->shift);
        own = coarse;
    } else if (*common > shift) {
        n = buckets_coarsen(coarse, others, n, *common - shift);
        others = coarse;
    }
    size_t n_merged = buckets_merge(merged, own, n_own, others, n);
    if (n_merged > cell->max_buckets) {
        unsigned further = buckets_fit(merged, n_merged, cell->max_buckets);
        n_merged = buckets_coarsen(merged, merged, n_merged, further);
        *common += further;
    }
    return n_merged;
}

/* Bring in buckets of `shift`. If the cell had no sums and now keeps them, they hold what it had before. */
static enum hf_err bring_in(struct cell *cell, const struct bucket *others, size_t n, unsigned shift)
{
    struct bucket *merged = malloc(2 * (cell->n_buckets + n) * sizeof *merged);
    if (merged == NULL)
        return HF_NOMEM;
    unsigned common;
    size_t n_merged = merge_to_fit(merged, cell, others, n, shift, &common);
    struct sums *made;
    enum hf_err err = make_sums(cell, common, &made);
    if (err == HF_OK)
        err = reserve_buckets(cell, n_merged);
    if (err == HF_OK) {
        memcpy(cell->buckets, merged, n_merged * sizeof *merged);
        cell->n_buckets = (uint32_t)n_merged;
        cell->shift = common;
        if (made != NULL)
            cell->sums = made;
    } else
        free(made);
    free(merged);
    return err;
}

static enum hf_err settle(struct cell *cell)
{
    if (cell->n_pending == 0)
        return HF_OK;
    uint64_t spare[PENDING_MAX];
    struct bucket absent[PENDING_MAX];
    const size_t n = cell->n_pending;
    const unsigned shift = cell->shift;
    const bool had_sums = cell->sums != NULL;

    const uint64_t *keys = keys_sort(cell->pending, spare, n, shift);
    size_t n_absent = buckets_count(cell->buckets, cell->n_buckets, keys, n, shift, 1, absent);
    if (n_absent > 0 && bring_in(cell, absent, n_absent, shift) != HF_OK) { /* pending they stay, in whatever order */
        buckets_count(cell->buckets, cell->n_buckets, keys, n, shift, UINT64_MAX, absent);
        return HF_NOMEM;
    }
    if (had_sums)
        sums_add_keys(cell->sums, keys, n);
    else if (cell->sums != NULL) /* shift was 0: the absent are whole keys, and the others were counted before */
        sums_add_buckets(cell->sums, absent, n_absent);
    cell->n_pending = 0;
    return HF_OK;
}

enum hf_err cell_settle(struct cell *cell)
{
    enum hf_err err = settle(cell);
    if (err == HF_OK && cell->pending_capacity > PENDING_KEPT) {
        free(cell->pending);
        cell->pending = NULL;
        cell->pending_capacity = 0;
    }
    return err;
}

const struct sums *cell_sums(const struct cell *cell, struct sums *room)
{
    if (cell->sums != NULL)
        return cell->sums;
    *room = (struct sums){0};
    sums_add_buckets(room, cell->buckets, cell->n_buckets);
    return room;
}

/* ---- modify ---- */

static enum hf_err make_room(struct cell *cell)
{
    uint32_t most = cell->n_buckets / 2;
    most = most < PENDING_MIN ? PENDING_MIN : most > PENDING_MAX ? PENDING_MAX : most;
    if (cell->pending_capacity >= most)
        return settle(cell);

    uint32_t capacity = cell->pending_capacity == 0 ? PENDING_START : 2 * cell->pending_capacity;
    if (capacity > most)
        capacity = most;
    uint64_t *pending = realloc(cell->pending, capacity * sizeof *pending);
    if (pending == NULL)
        return HF_NOMEM;
    cell->pending = pending;
    cell->pending_capacity = capacity;
    return HF_OK;
}

enum hf_err cell_add(struct cell *cell, double value)
{
    if (!isfinite(value))
        return HF_INVALID;
    if (cell->count == COUNT_MAX)
        return HF_FULL;
    if (cell->n_pending == cell->pending_capacity && make_room(cell) != HF_OK)
        return HF_NOMEM;
    uint64_t key = key_of(value);
    cell->pending[cell->n_pending++] = key;
    cell->count++;
    cell->min_key = key < cell->min_key ? key : cell->min_key;
    cell->max_key = key > cell->max_key ? key : cell->max_key;
    return HF_OK;
}

enum hf_err cell_merge(struct cell *into, struct cell *from)
{
    if (from->count > COUNT_MAX - into->count)
        return HF_FULL;
    if (from->count == 0)
        return HF_OK;
    if (settle(into) != HF_OK || settle(from) != HF_OK ||
        bring_in(into, from->buckets, from->n_buckets, from->shift) != HF_OK)
        return HF_NOMEM;
    /* `from` may be `into` itself: its buckets have doubled by now, and sums, if there are any, double here. */
    if (into->sums != NULL && from->sums != NULL)
        sums_merge(into->sums, from->sums);
    else if (into->sums != NULL)
        sums_add_buckets(into->sums, from->buckets, from->n_buckets);
    into->count += from->count;
    into->min_key = from->min_key < into->min_key ? from->min_key : into->min_key;
    into->max_key = from->max_key > into->max_key ? from->max_key : into->max_key;
    return HF_OK;
}

/* ---- read ---- */

uint64_t cell_count(const struct cell *cell) { return cell->count; }

/* Without memory to settle, these two tell of the samples settled so far. */
uint32_t cell_buckets(struct cell *cell)
{
    (void)!cell_settle(cell);
    return cell->n_buckets;
}

unsigned cell_shift(struct cell *cell)
{
    (void)!cell_settle(cell);
    return cell->shift;
}
