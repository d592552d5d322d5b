/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell: the histogram of one key and one hour or minute. Exact while it can be.
 *
 * A double is mapped to a 64-bit integer of the same order: 2^63 plus the bits
 * of its IEEE 754 magnitude, or minus them for a negative number. A bucket is
 * that integer shifted right by the cell's shift s. At s = 0 a bucket is one
 * value and every order statistic is exact. When more buckets are in use than
 * the cell allows, s grows by one and neighbours merge, until they fit. Buckets
 * of every s nest, so cells of different s merge.
 *
 * Beside the buckets stand count, minimum, maximum, and the exact sums of the
 * samples and of their squares, each kept as one long fixed-point integer over
 * the double's whole range (U. Kulisch's long accumulator), so that average and
 * standard deviation are the exact ones, rounded once.
 *
 * A cell is a function of the multiset of its samples and of its bucket limit
 * alone: any order, any split over cells and any order of merges gives the same
 * encoded bytes.
 *
 * Not thread safe. Functions that only read take a non-const cell where they
 * may settle pending samples inside it; what they return does not depend on it.
 */
#ifndef HF_CELL_H
#define HF_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CELL_BUCKETS_MIN 16u
#define CELL_BUCKETS_MAX 65536u
#define CELL_MINUTE_BUCKETS 256u
#define CELL_DECIMALS_MAX 17u /* of a percentile: 100 * 10^17 is less than 2^64 */

struct cell;

/* A statistic with what is known of it: the true one lies in [low, high], `value` too. `exact` is
 * low == high == value. All three are finite. */
struct cell_estimate {
    double value, low, high;
    bool exact;
};

/* ---- allocate ---- */

/* An empty cell of at most `max_buckets` (CELL_BUCKETS_MIN … CELL_BUCKETS_MAX, an assertion). NULL: no memory. */
struct cell *cell_new(uint32_t max_buckets);
void cell_free(struct cell **cell); /* NULL inside is allowed; sets it to NULL */
/* Bytes of memory the cell holds at present. */
size_t cell_memory_bytes(const struct cell *cell);

/* ---- modify ---- */

/* Add one sample; -0 counts as 0. HF_INVALID for NaN and infinities; HF_NOMEM; HF_FULL when the count would
 * pass 2^63 - 1. The cell is unchanged on failure. */
HF_MUST_CHECK enum hf_err cell_add(struct cell *cell, double value);

/* Add all samples of `from`, which may be `into` itself. `into` keeps its own bucket limit. Both are unchanged on
 * failure: HF_NOMEM; HF_FULL as above. */
HF_MUST_CHECK enum hf_err cell_merge(struct cell *into, struct cell *from);

/* ---- read ---- */

uint64_t cell_count(const struct cell *cell);
/* Buckets in use, and the shift s: 0 … 60, where 0 means that all is exact. Without memory to settle what is pending,
 * these tell of the samples settled so far. */
uint32_t cell_buckets(struct cell *cell);
unsigned cell_shift(struct cell *cell);

/* Each gives HF_NOTFOUND for an empty cell, HF_NOMEM, or HF_OK with `*out`. Minimum, maximum, sum, average and standard
 * deviation are the exact ones rounded to the nearest double; so are the mean of two samples that makes a median and
 * its bounds. A sum that rounds to more than DBL_MAX is given as DBL_MAX of its sign with `exact` false. */
enum hf_err cell_min(struct cell *cell, struct cell_estimate *out);
enum hf_err cell_max(struct cell *cell, struct cell_estimate *out);
enum hf_err cell_sum(struct cell *cell, struct cell_estimate *out);
enum hf_err cell_average(struct cell *cell, struct cell_estimate *out);
/* Of the population: sqrt(sum((x - average)^2) / count), correctly rounded from the exact sums. */
enum hf_err cell_stddev(struct cell *cell, struct cell_estimate *out);
/* The middle sample, or the mean of the two middle ones of an even count. */
enum hf_err cell_median(struct cell *cell, struct cell_estimate *out);
/* Nearest rank: the ceil(percent / 100 * count)-th smallest sample, at least the first. `percent` is
 * numerator / 10^decimals, so that the rank is exact arithmetic (p99.9 is 999, 1). HF_INVALID for more than 100
 * percent or more than CELL_DECIMALS_MAX decimals. */
enum hf_err cell_percentile(struct cell *cell, uint64_t numerator, unsigned decimals, struct cell_estimate *out);

/* Count the samples by band: those in [edges[i], edges[i + 1]) in counts[i], `bands` of them, edges ascending; the first and the last
 * band take in what lies beyond. A bucket that reaches over an edge counts where its middle is, which is what an order statistic
 * gives for its samples; `*uncertain` is how many samples such buckets hold. HF_NOMEM. */
HF_MUST_CHECK enum hf_err cell_bands(struct cell *cell, const double *edges, size_t bands, uint64_t *counts, uint64_t *uncertain);

/* ---- encode ---- */

/* Append the encoding, version 1 (byte table in encode.c). HF_NOMEM. */
HF_MUST_CHECK enum hf_err cell_encode(struct cell *cell, struct hf_buf *out);

/* Make a cell of `max_buckets` from exactly `len` bytes. HF_INVALID for anything that cell_encode() would not
 * have written: short, long, unordered, overflowing, inconsistent, unknown version (encode.c says what cannot be told
 * from the bytes). More buckets than `max_buckets` are merged as if that had been the limit from the start. HF_NOMEM.
 * The caller frees. */
HF_MUST_CHECK enum hf_err cell_decode(const void *bytes, size_t len, uint32_t max_buckets, struct cell **out);

#endif
