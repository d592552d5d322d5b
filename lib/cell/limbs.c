/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/limbs.h"

#include <math.h>
#include <string.h>

#include "cell/wide.h"

#define SHIFTED_MAX 4 /* limbs that a value of 3 spreads over */

/* out = v * 2^bit for bit < 64. */
static void spread(uint64_t out[SHIFTED_MAX], const uint64_t *v, size_t nv, unsigned bit)
{
    uint64_t below = 0;
    for (size_t i = 0; i < nv; i++) {
        out[i] = v[i] << bit | below;
        below = bit == 0 ? 0 : v[i] >> (64 - bit);
    }
    out[nv] = below;
}

void limbs_add_at(uint64_t *a, size_t n, const uint64_t *v, size_t nv, unsigned bit)
{
    uint64_t shifted[SHIFTED_MAX], carry = 0;
    size_t at = bit / 64;
    spread(shifted, v, nv, bit % 64);
    for (size_t i = 0; i <= nv && at < n; i++, at++)
        a[at] = wide_add(a[at], shifted[i], &carry);
    for (; carry != 0 && at < n; at++)
        carry = ++a[at] == 0;
}

void limbs_sub_at(uint64_t *a, size_t n, const uint64_t *v, size_t nv, unsigned bit)
{
    uint64_t shifted[SHIFTED_MAX], borrow = 0;
    size_t at = bit / 64;
    spread(shifted, v, nv, bit % 64);
    for (size_t i = 0; i <= nv && at < n; i++, at++)
        a[at] = wide_sub(a[at], shifted[i], &borrow);
    for (; borrow != 0 && at < n; at++)
        borrow = a[at]-- == 0;
}

void limbs_add(uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++)
        a[i] = wide_add(a[i], b[i], &carry);
}

bool limbs_sub(uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < n; i++)
        a[i] = wide_sub(a[i], b[i], &borrow);
    return borrow != 0;
}

bool limbs_magnitude(uint64_t *out, const uint64_t *a, size_t n)
{
    bool negative = limbs_is_negative(a, n);
    uint64_t minus = negative ? UINT64_MAX : 0, carry = negative;
    for (size_t i = 0; i < n; i++)
        out[i] = wide_add(a[i] ^ minus, 0, &carry);
    return negative;
}

/* The limbs up to the highest that is not zero. */
static size_t used(const uint64_t *a, size_t n)
{
    while (n > 0 && a[n - 1] == 0)
        n--;
    return n;
}

bool limbs_is_zero(const uint64_t *a, size_t n) { return used(a, n) == 0; }

size_t limbs_bit_length(const uint64_t *a, size_t n)
{
    n = used(a, n);
    if (n == 0)
        return 0;
    size_t bits = 0;
    for (uint64_t top = a[n - 1]; top != 0; top >>= 1)
        bits++;
    return (n - 1) * 64 + bits;
}

void limbs_mul_word(uint64_t *out, const uint64_t *a, size_t n, uint64_t b)
{
    uint64_t above = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t hi, lo, carry = 0;
        wide_mul(a[i], b, &hi, &lo);
        out[i] = wide_add(lo, above, &carry);
        above = hi + carry;
    }
    out[n] = above;
}

void limbs_square(uint64_t *out, const uint64_t *a, size_t n)
{
    size_t high = used(a, n), low = 0;
    while (low < high && a[low] == 0)
        low++;
    memset(out, 0, 2 * n * sizeof *out);
    for (size_t i = low; i < high; i++) {
        uint64_t above = 0;
        for (size_t j = low; j < high; j++) {
            uint64_t hi, lo, carry = 0;
            wide_mul(a[i], a[j], &hi, &lo);
            lo = wide_add(lo, above, &carry);
            hi += carry;
            carry = 0;
            out[i + j] = wide_add(out[i + j], lo, &carry);
            above = hi + carry;
        }
        out[i + high] = above;
    }
}

uint64_t limbs_div_word(uint64_t *a, size_t n, uint64_t d)
{
    uint64_t remainder = 0;
    for (size_t i = used(a, n); i-- > 0;)
        a[i] = wide_div(remainder, a[i], d, &remainder);
    return remainder;
}

/* 64 bits from bit `at` up; bits outside the limbs are zero. */
static uint64_t bits_from(const uint64_t *a, size_t n, long at)
{
    long limb = at >= 0 ? at / 64 : -((63 - at) / 64);
    unsigned bit = (unsigned)(at - limb * 64);
    uint64_t low = limb >= 0 && (size_t)limb < n ? a[limb] : 0;
    uint64_t high = limb + 1 >= 0 && (size_t)(limb + 1) < n ? a[limb + 1] : 0;
    return bit == 0 ? low : low >> bit | high << (64 - bit);
}

/* Whether any bit below bit `at` is set. */
static bool any_below(const uint64_t *a, size_t n, long at)
{
    for (size_t i = 0; i < n && (long)i * 64 < at; i++) {
        long bits = at - (long)i * 64;
        if ((bits >= 64 ? a[i] : a[i] & ((UINT64_C(1) << bits) - 1)) != 0)
            return true;
    }
    return false;
}

bool limbs_shift(uint64_t *out, size_t nout, const uint64_t *a, size_t n, long shift)
{
    for (size_t i = 0; i < nout; i++)
        out[i] = bits_from(a, n, (long)i * 64 - shift);
    return any_below(a, n, -shift);
}

uint64_t limbs_square_root(uint64_t hi, uint64_t lo, bool *exact)
{
    uint64_t root = 0, square_hi = 0, square_lo = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t trial = root | UINT64_C(1) << bit, trial_hi, trial_lo;
        wide_mul(trial, trial, &trial_hi, &trial_lo);
        if (trial_hi < hi || (trial_hi == hi && trial_lo <= lo)) {
            root = trial;
            square_hi = trial_hi;
            square_lo = trial_lo;
        }
    }
    *exact = square_hi == hi && square_lo == lo;
    return root;
}

double limbs_to_double(const uint64_t *a, size_t n, int unit, bool sticky)
{
    enum { PRECISION = 53, SUBNORMAL_UNIT = -1074 };
    long length = (long)limbs_bit_length(a, n);
    if (length == 0)
        return 0;

    /* The unit of the last place of the result, and the bits below it. */
    long last = length - PRECISION + unit;
    if (last < SUBNORMAL_UNIT)
        last = SUBNORMAL_UNIT;
    long drop = last - unit;
    if (drop <= 0) {
        last = unit;
        drop = 0;
    }
    uint64_t mantissa = bits_from(a, n, drop);
    if (drop > 0) {
        bool half = bits_from(a, n, drop - 1) & 1;
        bool rest = sticky || any_below(a, n, drop - 1);
        if (half && (rest || (mantissa & 1)))
            mantissa++;
    }
    return ldexp((double)mantissa, (int)last);
}
