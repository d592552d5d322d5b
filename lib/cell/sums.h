/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact sums of samples and of their squares: U. Kulisch's long accumulator.
 *
 * Every finite double is an integer of units of 2^-1074, every square one of
 * units of 2^-2148. Fixed-point integers wide enough for 2^63 - 1 of the largest
 * hold any sum without rounding, so that a sum does not depend on the order.
 */
#ifndef HF_CELL_SUMS_H
#define HF_CELL_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell/buckets.h"

#define SUMS_UNIT (-1074)         /* the sum is in units of 2^SUMS_UNIT; the squares in units of 2^(2 SUMS_UNIT) */
#define SUMS_SUM_LIMBS 34u        /* 1074 + 1024 bits of a double, 63 of the count, and a sign */
#define SUMS_SQUARES_LIMBS 67u    /* twice 1074 + 1024 bits, 63 of the count */
#define SUMS_SPREAD_LIMBS 68u     /* of sums_spread() */

struct sums {
    uint64_t sum[SUMS_SUM_LIMBS]; /* two's complement */
    uint64_t squares[SUMS_SQUARES_LIMBS];
};

/* Add samples: one of each key; or of buckets at shift 0, each as often as it counts. Quickest in the order of keys. */
void sums_add_keys(struct sums *sums, const uint64_t *keys, size_t n);
void sums_add_buckets(struct sums *sums, const struct bucket *buckets, size_t n);
void sums_merge(struct sums *into, const struct sums *from);

/* out (SUMS_SPREAD_LIMBS limbs) = count * squares - sum^2, in units of 2^(2 SUMS_UNIT): count^2 times the variance.
 * False when that is negative, as it can be of sums that were made up. */
bool sums_spread(const struct sums *sums, uint64_t count, uint64_t *out);

/* Whether there can be `count` samples from `min_key` to `max_key`, not all equal, with these sums, as far as the
 * bounds of each sum and of the variance say. */
bool sums_plausible(const struct sums *sums, uint64_t count, uint64_t min_key, uint64_t max_key);

#endif
