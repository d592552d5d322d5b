/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoding of a cell, version 1.
 *
 *   bytes    what
 *   1        version: 1
 *   1        shift s: 0 … 60
 *   varint   n, the number of buckets. 0 for an empty cell, which has s = 0 and ends here
 *   1        form of the keys, f (form.h)
 *              0 … 63   key / 2^f - 2^(63 - s - f) is written: all keys end in f zero bits
 *              64 … 73  the value times 10^(f - 64) is written; only if s = 0
 *   svarint  the first key
 *   varint   the first count, less 1
 *   n - 1 times, for the other buckets in order, of count c and g past the one before:
 *     varint   2 (c - 1)        if g = 1
 *              4 (g - 2) + 1    if g > 1, c = 1 and g - 2 < 2^62
 *              3                otherwise, followed by
 *     varint   c - 1, and
 *     varint   g - 2
 *   only if s > 0:
 *     varint   the minimum's key less the least of the first bucket: < 2^s
 *     varint   the maximum's key less the least of the last bucket: < 2^s
 *     sum      of the samples, in units of 2^-1074
 *     sum      of their squares, in units of 2^-2148
 *
 * A key is that of key.h, shifted right by s. A sum is
 *   varint   2 length + 1 if negative; 0 for zero, which ends here
 *   varint   zero bytes left out at the low end
 *   length   the magnitude, low byte first; neither first nor last byte is zero
 *
 * Varints and svarints are those of base/buf.h. At s = 0 the buckets hold every
 * sample, and all else follows from them.
 *
 * One cell has one encoding, and what is read back is checked for it: nothing
 * left over, the shortest form of each number, the right form of keys, keys
 * ascending in the range of finite doubles, counts adding up to no more than
 * 2^63 - 1, minimum and maximum in the first and the last bucket, sums that
 * such a count of samples between them can have (bounds of the sum, of the
 * sum of squares and of the variance). At s > 0 there were 17 different
 * samples at least, as any cell has room for 16; that a smaller s would not
 * have been enough for the cell's own limit can not be told from the bytes,
 * nor can every sum within those bounds be told from the true one.
 */
#include <stdlib.h>
#include <string.h>

#include "cell/cell_impl.h"
#include "cell/form.h"
#include "cell/key.h"
#include "cell/limbs.h"

#define VERSION 1u
#define BUCKET_MAX_BYTES 21u /* of write_bucket() */
#define SINGLE_LIMIT (UINT64_C(1) << 62)
#define COUNT_MAX ((uint64_t)INT64_MAX)

/* ---- encode ---- */

/* A varint where there is room for it. */
static inline unsigned char *write_varint(unsigned char *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (unsigned char)(v | 0x80);
    *at++ = (unsigned char)v;
    return at;
}

static inline unsigned char *write_bucket(unsigned char *at, uint64_t samples, uint64_t step)
{
    if (step == 1)
        return write_varint(at, (samples - 1) << 1);
    if (samples == 1 && step - 2 < SINGLE_LIMIT)
        return write_varint(at, (step - 2) << 2 | 1);
    *at++ = 3;
    return write_varint(write_varint(at, samples - 1), step - 2);
}

static void put_buckets(struct hf_buf *out, const struct bucket *buckets, size_t n, unsigned shift)
{
    enum { AT_ONCE = 64 };
    const struct form form = form_of(buckets, n, shift);
    uint64_t place = form_place(&form, buckets[0].key);
    hf_buf_u8(out, form.code);
    hf_buf_svarint(out, (int64_t)(place - form.zero));
    hf_buf_varint(out, buckets[0].count - 1);
    for (size_t i = 1; i < n;) {
        if (hf_buf_reserve(out, AT_ONCE * BUCKET_MAX_BYTES) != HF_OK)
            return;
        unsigned char *at = out->data + out->len;
        size_t end = n - i > AT_ONCE ? i + AT_ONCE : n;
        for (; i < end; i++) {
            uint64_t before = place;
            place = form_place(&form, buckets[i].key);
            at = write_bucket(at, buckets[i].count, place - before);
        }
        out->len = (size_t)(at - out->data);
    }
}

static void put_sum(struct hf_buf *out, const uint64_t *magnitude, size_t n, bool negative)
{
    size_t length = (limbs_bit_length(magnitude, n) + 7) / 8, zeros = 0;
    if (length == 0) {
        hf_buf_varint(out, 0);
        return;
    }
    while ((magnitude[zeros / 8] >> zeros % 8 * 8 & 0xFF) == 0)
        zeros++;
    hf_buf_varint(out, 2 * (length - zeros) + negative);
    hf_buf_varint(out, zeros);
    for (size_t i = zeros; i < length; i++)
        hf_buf_u8(out, (uint8_t)(magnitude[i / 8] >> i % 8 * 8));
}

enum hf_err cell_encode(struct cell *cell, struct hf_buf *out)
{
    if (cell_settle(cell) != HF_OK)
        return HF_NOMEM;
    const uint32_t n = cell->n_buckets;
    const unsigned shift = cell->shift;
    hf_buf_u8(out, VERSION);
    hf_buf_u8(out, (uint8_t)shift);
    hf_buf_varint(out, n);
    if (n > 0)
        put_buckets(out, cell->buckets, n, shift);
    if (shift > 0) {
        uint64_t magnitude[SUMS_SUM_LIMBS];
        bool negative = limbs_magnitude(magnitude, cell->sums->sum, SUMS_SUM_LIMBS);
        hf_buf_varint(out, cell->min_key - (cell->buckets[0].key << shift));
        hf_buf_varint(out, cell->max_key - (cell->buckets[n - 1].key << shift));
        put_sum(out, magnitude, SUMS_SUM_LIMBS, negative);
        put_sum(out, cell->sums->squares, SUMS_SQUARES_LIMBS, false);
    }
    return hf_buf_ok(out) ? HF_OK : HF_NOMEM;
}

/* ---- decode ---- */

/* hf_cur_varint(), with its commonest cases here: one byte, and two. */
static inline uint64_t get_varint(struct hf_cur *cur)
{
    const unsigned char *at = cur->at;
    if (cur->failed || cur->end - at < 2)
        return hf_cur_varint(cur);
    if (at[0] < 0x80) {
        cur->at++;
        return at[0];
    }
    if (at[1] == 0 || at[1] >= 0x80)
        return hf_cur_varint(cur);
    cur->at += 2;
    return (uint64_t)(at[0] & 0x7F) | (uint64_t)at[1] << 7;
}

/* One bucket but the first. False for a needlessly long one; the cursor tells what else can fail. */
static inline bool read_bucket(struct hf_cur *cur, uint64_t *samples, uint64_t *step)
{
    uint64_t word = get_varint(cur);
    if ((word & 1) == 0) {
        *samples = (word >> 1) + 1;
        *step = 1;
        return true;
    }
    if ((word & 2) == 0) {
        *samples = 1;
        *step = (word >> 2) + 2;
        return true;
    }
    uint64_t less_one = get_varint(cur), less_two = get_varint(cur);
    *samples = less_one + 1;
    *step = less_two + 2;
    return word == 3 && less_one < COUNT_MAX && less_two < UINT64_MAX - 1 && (less_one > 0 || less_two >= SINGLE_LIMIT);
}

/* Read n buckets, n > 0, into `cell`, which has room for them, and count their samples. */
static bool get_buckets(struct hf_cur *cur, struct cell *cell, uint32_t n)
{
    struct form form;
    if (!form_of_code(hf_cur_u8(cur), cell->shift, &form))
        return false;
    uint64_t place = (uint64_t)hf_cur_svarint(cur) + form.zero, less_one = hf_cur_varint(cur);
    if (place > form.most || less_one >= COUNT_MAX)
        return false;
    cell->buckets[0] = (struct bucket){place, less_one + 1};
    cell->count = less_one + 1;
    for (uint32_t i = 1; i < n; i++) {
        uint64_t samples, step;
        if (!read_bucket(cur, &samples, &step) || step > form.most - place || samples > COUNT_MAX - cell->count)
            return false;
        place += step;
        cell->buckets[i] = (struct bucket){place, samples};
        cell->count += samples;
    }
    cell->n_buckets = n;
    form_keys(&form, cell->buckets, n);
    return hf_cur_ok(cur) && form_is_right(&form, cell->buckets, n, cell->shift);
}

static bool get_sum(struct hf_cur *cur, uint64_t *magnitude, size_t n, bool *negative)
{
    uint64_t header = hf_cur_varint(cur), length = header / 2;
    *negative = header & 1;
    if (length == 0)
        return hf_cur_ok(cur) && header == 0;
    uint64_t zeros = hf_cur_varint(cur);
    if (zeros >= 8 * n || length > 8 * n - zeros)
        return false;
    const unsigned char *bytes = hf_cur_bytes(cur, (size_t)length);
    if (bytes == NULL || bytes[0] == 0 || bytes[length - 1] == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        size_t at = (size_t)zeros + i;
        magnitude[at / 8] |= (uint64_t)bytes[i] << at % 8 * 8;
    }
    return true;
}

static bool get_sums(struct hf_cur *cur, struct sums *sums)
{
    uint64_t magnitude[SUMS_SUM_LIMBS] = {0};
    bool negative, never;
    if (!get_sum(cur, magnitude, SUMS_SUM_LIMBS, &negative) || limbs_is_negative(magnitude, SUMS_SUM_LIMBS) ||
        !get_sum(cur, sums->squares, SUMS_SQUARES_LIMBS, &never) || never)
        return false;
    if (negative)
        limbs_sub(sums->sum, magnitude, SUMS_SUM_LIMBS);
    else
        limbs_add(sums->sum, magnitude, SUMS_SUM_LIMBS);
    return true;
}

/* Whether at least 17 samples can differ at one shift less. This keeps the shift itself to 60. */
static bool had_to_shift(const struct cell *cell)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < cell->n_buckets && most <= CELL_BUCKETS_MIN; i++)
        most += cell->buckets[i].count > 1 ? 2 : 1;
    return most > CELL_BUCKETS_MIN;
}

/* What follows the buckets at a shift of more than 0. cell->sums is all zero. */
static bool get_beside(struct hf_cur *cur, struct cell *cell)
{
    const unsigned shift = cell->shift;
    uint64_t above_first = hf_cur_varint(cur), above_last = hf_cur_varint(cur);
    if (!hf_cur_ok(cur) || above_first >> shift != 0 || above_last >> shift != 0)
        return false;
    cell->min_key = (cell->buckets[0].key << shift) + above_first;
    cell->max_key = (cell->buckets[cell->n_buckets - 1].key << shift) + above_last;
    return cell->min_key >= KEY_MIN && cell->max_key <= KEY_MAX && had_to_shift(cell) && get_sums(cur, cell->sums) &&
           sums_plausible(cell->sums, cell->count, cell->min_key, cell->max_key);
}

static enum hf_err get_cell(struct hf_cur *cur, struct cell *cell)
{
    unsigned version = hf_cur_u8(cur);
    cell->shift = hf_cur_u8(cur);
    uint64_t n = hf_cur_varint(cur);
    if (!hf_cur_ok(cur) || version != VERSION)
        return HF_INVALID;
    if (n == 0)
        return cell->shift == 0 ? HF_OK : HF_INVALID;
    /* Each bucket takes a byte at least, which bounds what is allocated. */
    if (n > CELL_BUCKETS_MAX || n > hf_cur_left(cur))
        return HF_INVALID;

    cell->buckets = malloc(n * sizeof *cell->buckets);
    if (cell->buckets == NULL)
        return HF_NOMEM;
    cell->bucket_capacity = (uint32_t)n;
    if (!get_buckets(cur, cell, (uint32_t)n))
        return HF_INVALID;
    if (cell->shift > 0) {
        cell->sums = calloc(1, sizeof *cell->sums);
        if (cell->sums == NULL)
            return HF_NOMEM;
        return get_beside(cur, cell) ? HF_OK : HF_INVALID;
    }
    cell->min_key = cell->buckets[0].key;
    cell->max_key = cell->buckets[n - 1].key;
    return cell->min_key >= KEY_MIN && cell->max_key <= KEY_MAX ? HF_OK : HF_INVALID;
}

enum hf_err cell_decode(const void *bytes, size_t len, uint32_t max_buckets, struct cell **out)
{
    struct cell *cell = cell_new(max_buckets);
    if (cell == NULL)
        return HF_NOMEM;
    struct hf_cur cur = hf_cur_of(bytes, len);
    enum hf_err err = get_cell(&cur, cell);
    if (err == HF_OK && hf_cur_left(&cur) > 0)
        err = HF_INVALID;
    if (err == HF_OK)
        err = cell_fit(cell);
    if (err != HF_OK) {
        cell_free(&cell);
        return err;
    }
    *out = cell;
    return HF_OK;
}
