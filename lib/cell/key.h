/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: doubles as 64-bit integers of the same order.
 *
 * The magnitude bits of a double (its IEEE 754 bits without the sign) grow with
 * its magnitude. A key is 2^63 plus them, or minus them for a negative number;
 * 0 and -0 are both 2^63. The trailing zero bits of "round" numbers survive,
 * for negative ones too, which the encoding makes use of.
 *
 * Encoding and statistics rely on each operation on doubles being rounded to a double at once.
 */
#ifndef HF_CELL_KEY_H
#define HF_CELL_KEY_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

_Static_assert(FLT_RADIX == 2 && DBL_MANT_DIG == 53 && FLT_EVAL_METHOD == 0, "doubles are not plain IEEE 754");

#define KEY_ZERO (UINT64_C(1) << 63)
#define KEY_MAGNITUDE_MAX UINT64_C(0x7FEFFFFFFFFFFFFF) /* of DBL_MAX */
#define KEY_MIN (KEY_ZERO - KEY_MAGNITUDE_MAX)
#define KEY_MAX (KEY_ZERO + KEY_MAGNITUDE_MAX)

/* `value` is finite. */
static inline uint64_t key_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t minus = 0 - (bits >> 63);
    return KEY_ZERO + (((bits & ~KEY_ZERO) ^ minus) - minus);
}

static inline bool key_is_negative(uint64_t key) { return key < KEY_ZERO; }

static inline uint64_t key_magnitude(uint64_t key)
{
    return key_is_negative(key) ? KEY_ZERO - key : key - KEY_ZERO;
}

static inline double key_value(uint64_t key)
{
    uint64_t bits = key_magnitude(key) | (key_is_negative(key) ? KEY_ZERO : 0);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
