/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text, in one place. Every reader uses the whole string or fails,
 * and leaves its output untouched on failure. The C locale is assumed: no
 * program of ours calls setlocale().
 */
#ifndef HF_BASE_NUM_H
#define HF_BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HF_DOUBLE_TEXT 32 /* bytes that hold any double as text, NUL included */

/* Read a finite decimal number as strtod() does: leading white space and a sign, digits with an optional
 * point, an optional exponent. HF_INVALID for an empty string, trailing bytes, hexadecimal, NaN, infinity,
 * a magnitude beyond DBL_MAX, or more than 1,200 bytes. A magnitude below the smallest double becomes 0,
 * and -0 becomes 0. The result is correctly rounded. `text` need not be terminated. */
HF_MUST_CHECK enum hf_err hf_parse_double(const char *text, size_t len, double *out);

/* Read decimal digits alone, without sign or space, up to `max`. HF_INVALID otherwise. */
HF_MUST_CHECK enum hf_err hf_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *out);

/* Write `v` (finite) in the shortest form that reads back to the same bits; valid as a JSON number.
 * Return `text`. */
const char *hf_format_double(double v, char text[HF_DOUBLE_TEXT]);

#endif
