/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of a cell: order statistics from its buckets, moments from its exact sums. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "cell/cell_impl.h"
#include "cell/key.h"
#include "cell/limbs.h"
#include "cell/wide.h"

/* Settle, and tell whether there is anything to read. */
static enum hf_err open_to_read(struct cell *cell)
{
    return cell->count == 0 ? HF_NOTFOUND : cell_settle(cell);
}

static void give_exact(struct cell_estimate *out, double value)
{
    *out = (struct cell_estimate){value, value, value, true};
}

/* ---- order statistics ---- */

/* The rank-th smallest sample: the ends of its bucket, no further than minimum and maximum, and the key in the middle,
 * which is the mean within one exponent and about the geometric mean across several. */
static struct cell_estimate sample_of_rank(const struct cell *cell, uint64_t rank)
{
    uint64_t low, high;
    if (rank == 1)
        low = high = cell->min_key;
    else if (rank == cell->count)
        low = high = cell->max_key;
    else {
        low = buckets_key_at(cell->buckets, rank) << cell->shift;
        high = low | ((UINT64_C(1) << cell->shift) - 1);
        low = low < cell->min_key ? cell->min_key : low;
        high = high > cell->max_key ? cell->max_key : high;
    }
    return (struct cell_estimate){key_value(low + (high - low) / 2), key_value(low), key_value(high), low == high};
}

/* (a + b) / 2, rounded once. A sum so small that half of it is subnormal is exact; one that could overflow is made of
 * halves, which are exact. */
static double mean_of(double a, double b)
{
    return fabs(a) < DBL_MAX / 2 && fabs(b) < DBL_MAX / 2 ? (a + b) / 2 : a / 2 + b / 2;
}

enum hf_err cell_min(struct cell *cell, struct cell_estimate *out)
{
    if (cell->count == 0)
        return HF_NOTFOUND;
    give_exact(out, key_value(cell->min_key));
    return HF_OK;
}

enum hf_err cell_max(struct cell *cell, struct cell_estimate *out)
{
    if (cell->count == 0)
        return HF_NOTFOUND;
    give_exact(out, key_value(cell->max_key));
    return HF_OK;
}

enum hf_err cell_median(struct cell *cell, struct cell_estimate *out)
{
    enum hf_err err = open_to_read(cell);
    if (err != HF_OK)
        return err;
    struct cell_estimate a = sample_of_rank(cell, cell->count / 2 + cell->count % 2);
    if (cell->count % 2 == 0) {
        /* Rounding keeps order, so the bounds hold for the rounded mean. */
        struct cell_estimate b = sample_of_rank(cell, cell->count / 2 + 1);
        a.value = mean_of(a.value, b.value);
        a.low = mean_of(a.low, b.low);
        a.high = mean_of(a.high, b.high);
        a.exact = a.low == a.high;
    }
    *out = a;
    return HF_OK;
}

enum hf_err cell_percentile(struct cell *cell, uint64_t numerator, unsigned decimals, struct cell_estimate *out)
{
    if (decimals > CELL_DECIMALS_MAX)
        return HF_INVALID;
    uint64_t denominator = 100;
    for (unsigned i = 0; i < decimals; i++)
        denominator *= 10;
    if (numerator > denominator)
        return HF_INVALID;
    enum hf_err err = open_to_read(cell);
    if (err != HF_OK)
        return err;

    /* The high word of the product is less than the denominator, because numerator / denominator <= 1. */
    uint64_t hi, lo, remainder;
    wide_mul(numerator, cell->count, &hi, &lo);
    uint64_t rank = wide_div(hi, lo, denominator, &remainder);
    rank += remainder > 0;
    *out = sample_of_rank(cell, rank == 0 ? 1 : rank);
    return HF_OK;
}

/* ---- moments ---- */

enum hf_err cell_sum(struct cell *cell, struct cell_estimate *out)
{
    enum hf_err err = open_to_read(cell);
    if (err != HF_OK)
        return err;
    struct sums room;
    uint64_t magnitude[SUMS_SUM_LIMBS];
    bool negative = limbs_magnitude(magnitude, cell_sums(cell, &room)->sum, SUMS_SUM_LIMBS);
    double sum = limbs_to_double(magnitude, SUMS_SUM_LIMBS, SUMS_UNIT, false);
    bool overflow = isinf(sum);
    if (overflow)
        sum = DBL_MAX;
    give_exact(out, negative ? -sum : sum);
    out->exact = !overflow;
    return HF_OK;
}

enum hf_err cell_average(struct cell *cell, struct cell_estimate *out)
{
    enum hf_err err = open_to_read(cell);
    if (err != HF_OK)
        return err;
    /* A limb below the unit holds what decides how a subnormal result rounds: a remainder shows in it, as that is at
     * least 1 / count, and the count is less than 2^63. */
    struct sums room;
    uint64_t quotient[1 + SUMS_SUM_LIMBS] = {0};
    bool negative = limbs_magnitude(quotient + 1, cell_sums(cell, &room)->sum, SUMS_SUM_LIMBS);
    limbs_div_word(quotient, 1 + SUMS_SUM_LIMBS, cell->count);
    double average = limbs_to_double(quotient, 1 + SUMS_SUM_LIMBS, SUMS_UNIT - 64, false);
    give_exact(out, negative ? -average : average);
    return HF_OK;
}

/*
 * With the sum S1, the sum of squares S2 and the count n, the standard deviation is sqrt(n S2 - S1^2) / n
 * = sqrt(N / n^2). For R = floor(sqrt(floor(N 4^k / n^2))) it is R / 2^k and less than 1 / 2^k more. k is such
 * that the quotient has 124 to 128 bits and R 62 to 64, more than the 54 that rounding needs.
 */
static double stddev_of(const uint64_t *spread, uint64_t n)
{
    long length = (long)limbs_bit_length(spread, SUMS_SPREAD_LIMBS);
    if (length == 0)
        return 0;
    long length_n2 = 2 * (long)limbs_bit_length(&n, 1); /* of n^2, or one more, or two more for n = 1 */
    long twice_k = 124 + length_n2 - length;
    twice_k += twice_k & 1;
    uint64_t quotient[4];
    bool inexact = limbs_shift(quotient, 4, spread, SUMS_SPREAD_LIMBS, twice_k);
    inexact |= limbs_div_word(quotient, 4, n) != 0;
    inexact |= limbs_div_word(quotient, 4, n) != 0;
    bool exact_root;
    uint64_t root = limbs_square_root(quotient[1], quotient[0], &exact_root);
    return limbs_to_double(&root, 1, (int)(SUMS_UNIT - twice_k / 2), inexact || !exact_root);
}

enum hf_err cell_stddev(struct cell *cell, struct cell_estimate *out)
{
    enum hf_err err = open_to_read(cell);
    if (err != HF_OK)
        return err;
    struct sums room;
    uint64_t spread[SUMS_SPREAD_LIMBS];
    bool possible = sums_spread(cell_sums(cell, &room), cell->count, spread);
    assert(possible); /* by Cauchy and Schwarz; decoding refuses sums for which it is not */
    (void)possible;
    give_exact(out, stddev_of(spread, cell->count));
    return HF_OK;
}
