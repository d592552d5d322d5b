/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops are written so that what the data decides at random (which of
 * two arrays is next) is arithmetic and not a branch; a mispredicted branch costs
 * more than all the rest of a step.
 */
#include "cell/buckets.h"

#include <stdbool.h>

/* ---- keys ---- */

#define INSERTION_SORT_MAX 24u
#define DIGIT_BITS 7u
#define DIGITS (1u << DIGIT_BITS)

static void insertion_sort(uint64_t *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        size_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

static void sort_by_digit(uint64_t *to, const uint64_t *from, size_t n, unsigned shift)
{
    size_t place[DIGITS] = {0}, total = 0;
    for (size_t i = 0; i < n; i++)
        place[from[i] >> shift & (DIGITS - 1)]++;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        size_t count = place[digit];
        place[digit] = total;
        total += count;
    }
    for (size_t i = 0; i < n; i++)
        to[place[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

uint64_t *keys_sort(uint64_t *keys, uint64_t *spare, size_t n, unsigned shift)
{
    if (n <= INSERTION_SORT_MAX) {
        insertion_sort(keys, n);
        return keys;
    }
    /* Bits that are the same in all keys need no pass. */
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= keys[i] ^ keys[0];
    differ = differ >> shift << shift;
    while (differ != 0) {
        while ((differ >> shift & 1) == 0)
            shift++;
        sort_by_digit(spare, keys, n, shift);
        uint64_t *sorted = spare;
        spare = keys;
        keys = sorted;
        if (shift + DIGIT_BITS > 63)
            break;
        shift += DIGIT_BITS;
        differ = differ >> shift << shift;
    }
    return keys;
}

/* ---- buckets ---- */

static inline uint64_t only_if(bool condition, uint64_t v) { return v & (0 - (uint64_t)condition); }

static size_t gather(struct bucket *absent, size_t m, uint64_t key)
{
    if (m > 0 && absent[m - 1].key == key) {
        absent[m - 1].count++;
        return m;
    }
    absent[m] = (struct bucket){key, 1};
    return m + 1;
}

/* The bucket of `key`, or some other one if there is none. n > 0. */
static struct bucket *search(struct bucket *buckets, size_t n, uint64_t key)
{
    while (n > 1) {
        size_t half = n / 2;
        buckets = buckets[half - 1].key < key ? buckets + half : buckets;
        n -= half;
    }
    return buckets;
}

static size_t count_by_search(struct bucket *buckets, size_t n, const uint64_t *keys, size_t n_keys, unsigned shift,
                              uint64_t each, struct bucket *absent)
{
    size_t m = 0;
    for (size_t j = 0; j < n_keys; j++) {
        uint64_t key = keys[j] >> shift;
        struct bucket *bucket = search(buckets, n, key);
        if (bucket->key == key)
            bucket->count += each;
        else
            m = gather(absent, m, key);
    }
    return m;
}

static size_t count_by_merge(struct bucket *buckets, size_t n, const uint64_t *keys, size_t n_keys, unsigned shift,
                             uint64_t each, struct bucket *absent)
{
    size_t i = 0, j = 0, m = 0;
    while (i < n && j < n_keys) {
        uint64_t key = keys[j] >> shift;
        if (buckets[i].key > key) { /* rare once a cell has seen its range */
            m = gather(absent, m, key);
            j++;
            continue;
        }
        bool here = buckets[i].key == key;
        buckets[i].count += only_if(here, each);
        i += !here;
        j += here;
    }
    for (; j < n_keys; j++)
        m = gather(absent, m, keys[j] >> shift);
    return m;
}

size_t buckets_count(struct bucket *buckets, size_t n, const uint64_t *keys, size_t n_keys, unsigned shift,
                     uint64_t each, struct bucket *absent)
{
    /* A search costs about as much as walking over a dozen buckets. */
    if (n_keys * 12 < n)
        return count_by_search(buckets, n, keys, n_keys, shift, each, absent);
    return count_by_merge(buckets, n, keys, n_keys, shift, each, absent);
}

size_t buckets_merge(struct bucket *out, const struct bucket *a, size_t na, const struct bucket *b, size_t nb)
{
    size_t n = 0, i = 0, j = 0;
    while (i < na && j < nb) {
        bool take_a = a[i].key <= b[j].key, take_b = b[j].key <= a[i].key;
        out[n].key = take_a ? a[i].key : b[j].key;
        out[n].count = only_if(take_a, a[i].count) + only_if(take_b, b[j].count);
        n++;
        i += take_a;
        j += take_b;
    }
    while (i < na)
        out[n++] = a[i++];
    while (j < nb)
        out[n++] = b[j++];
    return n;
}

static unsigned bit_length(uint64_t v)
{
    unsigned bits = 0;
    for (unsigned step = 32; step > 0; step /= 2)
        if (v >> step != 0) {
            v >>= step;
            bits += step;
        }
    return bits + (v != 0);
}

unsigned buckets_fit(const struct bucket *buckets, size_t n, size_t limit)
{
    /* Neighbours become one at the shift that drops the highest bit they differ in. */
    size_t joins[65] = {0};
    for (size_t i = 1; i < n; i++)
        joins[bit_length(buckets[i].key ^ buckets[i - 1].key)]++;
    unsigned shift = 0;
    while (n > limit)
        n -= joins[++shift];
    return shift;
}

size_t buckets_coarsen(struct bucket *out, const struct bucket *buckets, size_t n, unsigned shift)
{
    struct bucket last = {UINT64_MAX, 0}; /* no finite double has this key */
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = buckets[i].key >> shift;
        bool same = key == last.key;
        left += !same;
        last = (struct bucket){key, buckets[i].count + only_if(same, last.count)};
        out[left - 1] = last;
    }
    return left;
}

uint64_t buckets_key_at(const struct bucket *buckets, uint64_t rank)
{
    while (buckets->count < rank)
        rank -= buckets++->count;
    return buckets->key;
}
