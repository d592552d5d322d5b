/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte chooses. Even: the rest is an encoded cell, which is refused or is
 * the encoding of just that cell, whose statistics make sense. Odd: the rest is
 * doubles, which give the same bytes in one cell and spread over two.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void require_sane(const struct cell_estimate *e, double low, double high)
{
    require(isfinite(e->value) && isfinite(e->low) && isfinite(e->high));
    require(e->low <= e->value && e->value <= e->high);
    require(low <= e->low && e->high <= high);
}

static void require_sane_statistics(struct cell *cell)
{
    struct cell_estimate e, min, max;
    if (cell_count(cell) == 0) {
        require(cell_median(cell, &e) == HF_NOTFOUND);
        return;
    }
    require(cell_min(cell, &min) == HF_OK && cell_max(cell, &max) == HF_OK && min.value <= max.value);
    require(cell_median(cell, &e) == HF_OK);
    require_sane(&e, min.value, max.value);
    require(cell_average(cell, &e) == HF_OK);
    require_sane(&e, min.value, max.value);
    require(cell_stddev(cell, &e) == HF_OK);
    require_sane(&e, 0, DBL_MAX);
    require(cell_sum(cell, &e) == HF_OK);
    require_sane(&e, -DBL_MAX, DBL_MAX);
    double before = min.value;
    for (uint64_t p = 0; p <= 1000; p += 125) {
        require(cell_percentile(cell, p, 1, &e) == HF_OK);
        require_sane(&e, before, max.value);
        before = e.low;
    }
}

static void require_same_bytes(struct cell *cell, const void *bytes, size_t len)
{
    struct hf_buf buf = {0};
    require(cell_encode(cell, &buf) == HF_OK);
    require(buf.len == len && memcmp(buf.data, bytes, len) == 0);
    hf_buf_free(&buf);
}

static void fuzz_decode(const uint8_t *data, size_t size)
{
    struct cell *cell = NULL, *small = NULL;
    enum hf_err err = cell_decode(data, size, CELL_BUCKETS_MAX, &cell);
    require(err == HF_OK || (err == HF_INVALID && cell == NULL));
    if (err != HF_OK)
        return;
    require_same_bytes(cell, data, size);
    require_sane_statistics(cell);

    require(cell_decode(data, size, CELL_BUCKETS_MIN, &small) == HF_OK);
    require(cell_buckets(small) <= CELL_BUCKETS_MIN && cell_count(small) == cell_count(cell));
    require_sane_statistics(small);
    struct hf_buf once = {0};
    require(cell_encode(small, &once) == HF_OK);
    cell_free(&small);
    require(cell_decode(once.data, once.len, CELL_BUCKETS_MIN, &small) == HF_OK);
    require_same_bytes(small, once.data, once.len);
    hf_buf_free(&once);

    uint64_t count = cell_count(cell);
    err = cell_merge(cell, small);
    require(err == (count > (uint64_t)INT64_MAX / 2 ? HF_FULL : HF_OK));
    require_sane_statistics(cell);
    cell_free(&small);
    cell_free(&cell);
}

static void fuzz_add(const uint8_t *data, size_t size)
{
    struct cell *one = cell_new(CELL_BUCKETS_MIN);
    struct cell *left = cell_new(CELL_BUCKETS_MIN), *right = cell_new(CELL_BUCKETS_MIN);
    require(one != NULL && left != NULL && right != NULL);
    uint64_t count = 0;
    for (; size >= sizeof(double); data += sizeof(double), size -= sizeof(double)) {
        double value;
        memcpy(&value, data, sizeof value);
        enum hf_err err = cell_add(one, value);
        require(err == (isfinite(value) ? HF_OK : HF_INVALID));
        if (err != HF_OK)
            continue;
        count++;
        require(cell_add(data[0] & 1 ? left : right, value) == HF_OK);
        if (data[0] & 2)
            (void)cell_shift(right);
    }
    require(cell_merge(left, right) == HF_OK);
    require(cell_count(left) == count && cell_count(one) == count);
    struct hf_buf buf = {0};
    require(cell_encode(one, &buf) == HF_OK);
    require_same_bytes(left, buf.data, buf.len);
    cell_free(&right);
    require(cell_decode(buf.data, buf.len, CELL_BUCKETS_MIN, &right) == HF_OK);
    require_same_bytes(right, buf.data, buf.len);
    require_sane_statistics(one);
    hf_buf_free(&buf);
    cell_free(&one);
    cell_free(&left);
    cell_free(&right);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] % 2 == 0)
        fuzz_decode(data + 1, size - 1);
    else if (size > 0)
        fuzz_add(data + 1, size - 1);
    return 0;
}
