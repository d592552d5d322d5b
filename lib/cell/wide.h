/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products and quotients of twice a word: 64 x 64 -> 128 and 128 / 64 -> 64.
 * With the compiler's 128-bit integer where there is one; the portable forms
 * beside them give the same.
 */
#ifndef HF_CELL_WIDE_H
#define HF_CELL_WIDE_H

#include <stdbool.h>
#include <stdint.h>

/* a * b = hi * 2^64 + lo */
static inline void wide_mul_portable(uint64_t a, uint64_t b, uint64_t *hi, uint64_t *lo)
{
    uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
    uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0;
    uint64_t middle = p10 + (p00 >> 32) + (p01 & UINT32_MAX); /* at most (2^32-1)^2 + 2 (2^32-1) < 2^64 */
    *hi = a1 * b1 + (middle >> 32) + (p01 >> 32);
    *lo = middle << 32 | (p00 & UINT32_MAX);
}

/* (hi * 2^64 + lo) / d, for hi < d so that the quotient fits. */
static inline uint64_t wide_div_portable(uint64_t hi, uint64_t lo, uint64_t d, uint64_t *remainder)
{
    uint64_t quotient = 0;
    for (int bit = 63; bit >= 0; bit--) {
        bool carry = hi >> 63;
        hi = hi << 1 | (lo >> bit & 1);
        quotient <<= 1;
        if (carry || hi >= d) {
            hi -= d;
            quotient |= 1;
        }
    }
    *remainder = hi;
    return quotient;
}

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

static inline void wide_mul(uint64_t a, uint64_t b, uint64_t *hi, uint64_t *lo)
{
    wide product = (wide)a * b;
    *hi = (uint64_t)(product >> 64);
    *lo = (uint64_t)product;
}

static inline uint64_t wide_div(uint64_t hi, uint64_t lo, uint64_t d, uint64_t *remainder)
{
    wide dividend = (wide)hi << 64 | lo;
    *remainder = (uint64_t)(dividend % d);
    return (uint64_t)(dividend / d);
}
#else
#define wide_mul wide_mul_portable
#define wide_div wide_div_portable
#endif

/* a + b + *carry, with the new carry (0 or 1) in *carry. */
static inline uint64_t wide_add(uint64_t a, uint64_t b, uint64_t *carry)
{
    uint64_t sum = a + *carry;
    *carry = sum < a;
    sum += b;
    *carry += sum < b;
    return sum;
}

/* a - b - *borrow, likewise. */
static inline uint64_t wide_sub(uint64_t a, uint64_t b, uint64_t *borrow)
{
    uint64_t difference = a - *borrow;
    *borrow = difference > a;
    *borrow += difference < b;
    return difference - b;
}

#endif
