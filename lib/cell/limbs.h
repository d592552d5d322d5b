/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers of a fixed number of 64-bit limbs, lowest first: what the exact sums
 * and the statistics of them need, and no more. All are natural numbers, except
 * where two's complement is spoken of. The caller provides all memory.
 */
#ifndef HF_CELL_LIMBS_H
#define HF_CELL_LIMBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a += v * 2^bit, or a -= it; modulo 2^(64 n), so that two's complement works. nv is at most 3. */
void limbs_add_at(uint64_t *a, size_t n, const uint64_t *v, size_t nv, unsigned bit);
void limbs_sub_at(uint64_t *a, size_t n, const uint64_t *v, size_t nv, unsigned bit);

/* a += b, a -= b, both of n limbs; modulo 2^(64 n). limbs_sub() is true when a < b as natural numbers. */
void limbs_add(uint64_t *a, const uint64_t *b, size_t n);
bool limbs_sub(uint64_t *a, const uint64_t *b, size_t n);

/* out = |a| of two's complement. True when a < 0. */
bool limbs_magnitude(uint64_t *out, const uint64_t *a, size_t n);

static inline bool limbs_is_negative(const uint64_t *a, size_t n) { return a[n - 1] >> 63; }
bool limbs_is_zero(const uint64_t *a, size_t n);

/* Bits without leading zeros; 0 for 0. */
size_t limbs_bit_length(const uint64_t *a, size_t n);

/* out (n + 1 limbs) = a * b. */
void limbs_mul_word(uint64_t *out, const uint64_t *a, size_t n, uint64_t b);
/* out (2 n limbs) = a * a. */
void limbs_square(uint64_t *out, const uint64_t *a, size_t n);
/* a = floor(a / d); returns the remainder. d > 0. */
uint64_t limbs_div_word(uint64_t *a, size_t n, uint64_t d);
/* out = floor(a * 2^shift), which fits in nout limbs. True when bits were dropped that were not all zero. */
bool limbs_shift(uint64_t *out, size_t nout, const uint64_t *a, size_t n, long shift);
/* floor(sqrt(hi * 2^64 + lo)); *exact tells whether that is the root. */
uint64_t limbs_square_root(uint64_t hi, uint64_t lo, bool *exact);

/* a * 2^unit, plus something less than 2^unit if `sticky`, rounded once to the nearest double, ties to even;
 * infinity beyond the range. */
double limbs_to_double(const uint64_t *a, size_t n, int unit, bool sticky);

#endif
