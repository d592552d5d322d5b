/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/sums.h"

#include <string.h>

#include "cell/key.h"
#include "cell/limbs.h"
#include "cell/wide.h"

/*
 * Samples of one sign and exponent are added up as integers of their mantissas
 * and go into the long accumulators together. 128 and 192 bits hold 2^63 - 1
 * mantissas of 53 bits and squares of 106.
 */
struct run {
    bool negative;
    unsigned exponent; /* biased, as in the double */
    uint64_t sum[2];
    uint64_t squares[3];
};

static void run_flush(struct run *run, struct sums *sums)
{
    /* The exponent field 0 (subnormal) and 1 share a unit. */
    unsigned unit = run->exponent == 0 ? 0 : run->exponent - 1;
    if (run->negative)
        limbs_sub_at(sums->sum, SUMS_SUM_LIMBS, run->sum, 2, unit);
    else
        limbs_add_at(sums->sum, SUMS_SUM_LIMBS, run->sum, 2, unit);
    limbs_add_at(sums->squares, SUMS_SQUARES_LIMBS, run->squares, 3, 2 * unit);
    *run = (struct run){0};
}

static inline void run_add_mantissa(struct run *run, uint64_t mantissa, uint64_t count)
{
    uint64_t hi, lo, square_hi, square_lo, carry = 0;
    wide_mul(mantissa, count, &hi, &lo);
    run->sum[0] = wide_add(run->sum[0], lo, &carry);
    run->sum[1] += hi + carry;

    wide_mul(mantissa, mantissa, &square_hi, &square_lo);
    carry = 0;
    wide_mul(square_lo, count, &hi, &lo);
    run->squares[0] = wide_add(run->squares[0], lo, &carry);
    run->squares[1] = wide_add(run->squares[1], hi, &carry);
    run->squares[2] += carry;
    carry = 0;
    wide_mul(square_hi, count, &hi, &lo);
    run->squares[1] = wide_add(run->squares[1], lo, &carry);
    run->squares[2] += hi + carry;
}

static inline void run_add(struct run *run, struct sums *sums, uint64_t key, uint64_t count)
{
    uint64_t magnitude = key_magnitude(key);
    unsigned exponent = (unsigned)(magnitude >> 52);
    bool negative = key_is_negative(key);
    if (exponent != run->exponent || negative != run->negative) {
        run_flush(run, sums);
        run->exponent = exponent;
        run->negative = negative;
    }
    uint64_t fraction = magnitude & ((UINT64_C(1) << 52) - 1);
    run_add_mantissa(run, fraction | (uint64_t)(exponent != 0) << 52, count);
}

void sums_add_keys(struct sums *sums, const uint64_t *keys, size_t n)
{
    struct run run = {0};
    for (size_t i = 0; i < n; i++)
        run_add(&run, sums, keys[i], 1);
    run_flush(&run, sums);
}

void sums_add_buckets(struct sums *sums, const struct bucket *buckets, size_t n)
{
    struct run run = {0};
    for (size_t i = 0; i < n; i++)
        run_add(&run, sums, buckets[i].key, buckets[i].count);
    run_flush(&run, sums);
}

void sums_merge(struct sums *into, const struct sums *from)
{
    limbs_add(into->sum, from->sum, SUMS_SUM_LIMBS);
    limbs_add(into->squares, from->squares, SUMS_SQUARES_LIMBS);
}

bool sums_spread(const struct sums *sums, uint64_t count, uint64_t *out)
{
    uint64_t magnitude[SUMS_SUM_LIMBS], square[2 * SUMS_SUM_LIMBS];
    limbs_magnitude(magnitude, sums->sum, SUMS_SUM_LIMBS);
    limbs_square(square, magnitude, SUMS_SUM_LIMBS);
    limbs_mul_word(out, sums->squares, SUMS_SQUARES_LIMBS, count);
    return !limbs_sub(out, square, SUMS_SPREAD_LIMBS);
}

bool sums_plausible(const struct sums *sums, uint64_t count, uint64_t min_key, uint64_t max_key)
{
    struct bucket least = {min_key, count}, most = {max_key, count};
    struct bucket largest = key_magnitude(min_key) > key_magnitude(max_key) ? least : most;
    struct sums low = {0}, high = {0}, bound = {0};
    uint64_t spread[SUMS_SPREAD_LIMBS];

    sums_add_buckets(&low, &least, 1);
    sums_add_buckets(&high, &most, 1);
    sums_add_buckets(&bound, &largest, 1);
    limbs_sub(high.sum, sums->sum, SUMS_SUM_LIMBS);
    uint64_t sum[SUMS_SUM_LIMBS];
    memcpy(sum, sums->sum, sizeof sum);
    limbs_sub(sum, low.sum, SUMS_SUM_LIMBS);
    return !limbs_is_negative(sum, SUMS_SUM_LIMBS) && !limbs_is_negative(high.sum, SUMS_SUM_LIMBS) &&
           !limbs_sub(bound.squares, sums->squares, SUMS_SQUARES_LIMBS) && sums_spread(sums, count, spread) &&
           !limbs_is_zero(spread, SUMS_SPREAD_LIMBS);
}
