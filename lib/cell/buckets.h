/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorted arrays of buckets, and sorted runs of keys that go into them.
 *
 * A bucket's key is the key of its samples (cell/key.h) shifted right by the
 * cell's shift. Keys ascend strictly; counts are at least 1.
 */
#ifndef HF_CELL_BUCKETS_H
#define HF_CELL_BUCKETS_H

#include <stddef.h>
#include <stdint.h>

struct bucket {
    uint64_t key, count;
};

/* Sort keys in place or into `spare` (also of n), by key >> shift or finer. Returns the one that is sorted. `keys`
 * holds the same keys still, in some order. */
uint64_t *keys_sort(uint64_t *keys, uint64_t *spare, size_t n, unsigned shift);

/* Add `each` (1, or -1 to take back) to the bucket of every key that has one. Gather the other keys in `absent`, which
 * has room for n_keys; returns how many buckets that made. `keys` ascend when shifted. */
size_t buckets_count(struct bucket *buckets, size_t n, const uint64_t *keys, size_t n_keys, unsigned shift,
                     uint64_t each, struct bucket *absent);

/* Merge a and b, of one shift, into `out` with room for na + nb. Returns the number of buckets. */
size_t buckets_merge(struct bucket *out, const struct bucket *a, size_t na, const struct bucket *b, size_t nb);

/* The smallest further shift that leaves at most `limit` buckets. */
unsigned buckets_fit(const struct bucket *buckets, size_t n, size_t limit);

/* Shift all keys right and merge neighbours that become one, into `out` with room for n, which may be `buckets`.
 * Returns the number left. */
size_t buckets_coarsen(struct bucket *out, const struct bucket *buckets, size_t n, unsigned shift);

/* The bucket of the rank-th smallest sample (from 1), which there is. */
uint64_t buckets_key_at(const struct bucket *buckets, uint64_t rank);

#endif
