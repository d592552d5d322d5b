/* SPDX-License-Identifier: Apache-2.0 */
#include "../memory.h"
#include "../unit.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "cell/cell.h"
#include "cell/key.h"
#include "cell/limbs.h"
#include "cell/wide.h"

/* ---- helpers ---- */

static struct cell *new_cell(uint32_t max_buckets)
{
    struct cell *cell = cell_new(max_buckets);
    assert_non_null(cell);
    return cell;
}

static void add(struct cell *cell, double value) { assert_int_equal(cell_add(cell, value), HF_OK); }

static struct cell *cell_of(uint32_t max_buckets, const double *value, size_t n)
{
    struct cell *cell = new_cell(max_buckets);
    for (size_t i = 0; i < n; i++)
        add(cell, value[i]);
    return cell;
}
#define CELL_OF(...) \
    cell_of(2048, (const double[]){__VA_ARGS__}, sizeof(const double[]){__VA_ARGS__} / sizeof(double))

static struct hf_buf encoded(struct cell *cell)
{
    struct hf_buf buf = {0};
    assert_int_equal(cell_encode(cell, &buf), HF_OK);
    return buf;
}

static void assert_same_bytes(const struct hf_buf *a, const struct hf_buf *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

static struct cell *decoded(const struct hf_buf *buf)
{
    struct cell *cell = NULL;
    assert_int_equal(cell_decode(buf->data, buf->len, CELL_BUCKETS_MAX, &cell), HF_OK);
    return cell;
}

/* Encode, decode, encode: the same bytes, the same count and ends. */
static void must_round_trip(struct cell *cell)
{
    struct hf_buf a = encoded(cell);
    struct cell *again = decoded(&a);
    struct hf_buf b = encoded(again);
    assert_same_bytes(&a, &b);
    assert_int_equal(cell_count(again), cell_count(cell));
    assert_int_equal(cell_buckets(again), cell_buckets(cell));
    assert_int_equal(cell_shift(again), cell_shift(cell));
    if (cell_count(cell) > 0) {
        struct cell_estimate x, y;
        cell_min(cell, &x);
        cell_min(again, &y);
        assert_true(x.value == y.value);
        cell_max(cell, &x);
        cell_max(again, &y);
        assert_true(x.value == y.value);
        cell_sum(cell, &x);
        cell_sum(again, &y);
        assert_true(x.value == y.value);
    }
    cell_free(&again);
    hf_buf_free(&a);
    hf_buf_free(&b);
}

static uint64_t random_state;

static double random_unit(void)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static double log_normal(void)
{
    double normal = sqrt(-2 * log(random_unit())) * cos(6.283185307179586 * random_unit());
    return round(1000 * exp(3 + 0.8 * normal)) / 1000;
}

/* ---- arithmetic ---- */

static void wide_forms_agree(void **state)
{
    (void)state;
    static const uint64_t edges[] = {0, 1, 2, 3, UINT32_MAX - 1, UINT32_MAX, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1,
                                     UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX, 10000000000000000000u};
    enum { EDGES = sizeof edges / sizeof *edges };
    for (size_t i = 0; i < EDGES; i++)
        for (size_t j = 0; j < EDGES; j++) {
            uint64_t a = edges[i], b = edges[j], hi, lo, hi2, lo2, rest, rest2;
            wide_mul(a, b, &hi, &lo);
            wide_mul_portable(a, b, &hi2, &lo2);
            assert_true(hi == hi2 && lo == lo2);
            if (b == 0)
                continue;
            for (size_t k = 0; k < EDGES; k++) {
                uint64_t high = a % b, low = edges[k];
                assert_int_equal(wide_div(high, low, b, &rest), wide_div_portable(high, low, b, &rest2));
                assert_int_equal(rest, rest2);
                assert_true(rest < b);
            }
        }
}

static void limbs_round_once(void **state)
{
    (void)state;
    const uint64_t bit53 = UINT64_C(1) << 53;
    static const uint64_t top[2] = {0, UINT64_C(1) << 63};
    struct {
        uint64_t a[2];
        int unit;
        bool sticky;
        double expected;
    } cases[] = {
        {{0, 0}, 0, true, 0},
        {{bit53, 0}, 0, false, 0x1p53},
        {{bit53 + 1, 0}, 0, false, 0x1p53},         /* a tie, to the even one below */
        {{bit53 + 1, 0}, 0, true, 0x1p53 + 2},      /* just above the tie */
        {{bit53 + 3, 0}, 0, false, 0x1p53 + 4},     /* a tie, to the even one above */
        {{UINT64_MAX, 0}, 0, false, 0x1p64},        /* carries into a new bit */
        {{1, 0}, -1074, false, 0x1p-1074},
        {{1, 0}, -1075, false, 0},                  /* half of the smallest: a tie, to 0 */
        {{1, 0}, -1075, true, 0x1p-1074},
        {{3, 0}, -1075, false, 0x1p-1073},          /* 1.5 of the smallest, to 2 of them */
        {{1, 0}, -1076, true, 0},
        {{bit53 - 1, 0}, -1075, false, 0x1p-1022},  /* subnormal rounds up to normal */
        {{top[0], top[1]}, 896, false, 0x1p1023},
        {{UINT64_MAX, UINT64_MAX}, 896, false, INFINITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true_of(limbs_to_double(cases[i].a, 2, cases[i].unit, cases[i].sticky) == cases[i].expected, "case %zu",
                       i);
}

static void keys_keep_order(void **state)
{
    (void)state;
    static const double ascending[] = {-DBL_MAX, -2, -1, -DBL_MIN, -0x1p-1074, 0, 0x1p-1074, DBL_MIN, 1, 2, DBL_MAX};
    for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
        assert_true(key_value(key_of(ascending[i])) == ascending[i]);
        assert_true(i == 0 || key_of(ascending[i - 1]) < key_of(ascending[i]));
    }
    assert_int_equal(key_of(-0.0), KEY_ZERO);
    assert_int_equal(key_of(DBL_MAX), KEY_MAX);
    assert_int_equal(key_of(-DBL_MAX), KEY_MIN);
}

/* ---- statistics ---- */

typedef enum hf_err statistic(struct cell *, struct cell_estimate *);

static void must_be(struct cell *cell, statistic *of, double expected, bool exact)
{
    struct cell_estimate e;
    assert_int_equal(of(cell, &e), HF_OK);
    assert_true_of(e.value == expected && e.low == expected && e.high == expected, "%.17g [%.17g, %.17g] for %.17g",
                   e.value, e.low, e.high, expected);
    assert_int_equal(e.exact, exact);
}

static void moments_of_a_few(void **state)
{
    (void)state;
    struct {
        struct cell *cell;
        double sum, average, stddev;
    } cases[] = {
        {CELL_OF(2, 4, 4, 4, 5, 5, 7, 9), 40, 5, 2},
        {CELL_OF(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1), 1, 0.1, 0},
        {CELL_OF(1e308, -1e308), 0, 0, 1e308},
        {CELL_OF(1e16, 1, -1e16), 1, 1.0 / 3, 8164965809277260.0},
        {CELL_OF(DBL_MAX, -DBL_MAX), 0, 0, DBL_MAX},
        {CELL_OF(0, 0x1p-1074), 0x1p-1074, 0, 0},                         /* 1/2 of the smallest: ties to 0 */
        {CELL_OF(0, 0x1p-1074, 0x1p-1074), 0x1p-1073, 0x1p-1074, 0},      /* 2/3; sqrt(2)/3 */
        {CELL_OF(-0x1p-1074, -0x1p-1074, 0, 0x1p-1073), 0, 0, 0x1p-1074}, /* sqrt(6/4) = 1.22 of it */
        {CELL_OF(-0.0), 0, 0, 0},
        {CELL_OF(-3, -1), -4, -2, 1},
        {CELL_OF(1, 1 + 0x1p-52), 2, 1, 0x1p-53}, /* the average is a tie */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        must_be(cases[i].cell, cell_sum, cases[i].sum, true);
        must_be(cases[i].cell, cell_average, cases[i].average, true);
        must_be(cases[i].cell, cell_stddev, cases[i].stddev, true);
        cell_free(&cases[i].cell);
    }
}

/* Standard deviations just past the middle between two doubles, where the even one is below: whatever is dropped on the
 * way must count. The squares of 2, 3 and 6 add up to that of 7. */
static void stddev_rounds_up_past_ties(void **state)
{
    (void)state;
    const double k = 1930114126015927; /* 7 k has 54 bits and is 2 even + 1 */
    const double even = 6755399441055744;
    for (int scale = 0; scale < 1000; scale++) {
        double x = ldexp(2 * k, scale - 1074), y = ldexp(3 * k, scale - 1074), z = ldexp(6 * k, scale - 1074);
        struct cell *tie = CELL_OF(x, -x, y, -y, z, -z, 0, 0), *past = CELL_OF(x, -x, y, -y, z, -z, 0, 0x1p-1074);
        must_be(tie, cell_stddev, ldexp(even, scale - 1074), true);
        for (int doublings = 0; doublings < 3; doublings++) {
            must_be(past, cell_stddev, ldexp(even + 1, scale - 1074), true);
            assert_int_equal(cell_merge(past, past), HF_OK);
        }
        cell_free(&tie);
        cell_free(&past);
    }
    /* sqrt(8451) / 4 and sqrt(43236) / 4: after 53 bits of the root come a 1 and ten 0 */
    struct cell *a = CELL_OF(0, 0, 3, 54), *b = CELL_OF(0, 0, 93, 113);
    must_be(a, cell_stddev, 0x1.6fb79fd6e0429p+4, true);
    must_be(b, cell_stddev, 0x1.9fdd886b151a7p+5, true);
    cell_free(&a);
    cell_free(&b);
}

static void sum_overflows_visibly(void **state)
{
    (void)state;
    struct cell *up = CELL_OF(DBL_MAX, DBL_MAX, 1), *down = CELL_OF(-DBL_MAX, -DBL_MAX, -DBL_MAX);
    must_be(up, cell_sum, DBL_MAX, false);
    must_be(down, cell_sum, -DBL_MAX, false);
    must_be(down, cell_average, -DBL_MAX, true);
    must_be(down, cell_stddev, 0, true);
    must_be(up, cell_max, DBL_MAX, true);
    add(up, -DBL_MAX);
    must_be(up, cell_sum, DBL_MAX, true); /* DBL_MAX + 1, which rounds to it */
    cell_free(&up);
    cell_free(&down);
}

static void medians_of_a_few(void **state)
{
    (void)state;
    struct {
        struct cell *cell;
        double median;
    } cases[] = {
        {CELL_OF(3, 1, 2), 2},
        {CELL_OF(4, 1, 2, 3), 2.5},
        {CELL_OF(7), 7},
        {CELL_OF(DBL_MAX, DBL_MAX), DBL_MAX},
        {CELL_OF(-DBL_MAX, DBL_MAX), 0},
        {CELL_OF(DBL_MAX / 2, DBL_MAX), DBL_MAX * 0.75},
        {CELL_OF(0, 0x1p-1074), 0},
        {CELL_OF(0x1p-1074, 0x1p-1073), 0x1p-1073}, /* 1.5 of the smallest ties to 2 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        must_be(cases[i].cell, cell_median, cases[i].median, true);
        cell_free(&cases[i].cell);
    }
}

static void must_be_percentile(struct cell *cell, uint64_t numerator, unsigned decimals, double expected)
{
    struct cell_estimate e;
    assert_int_equal(cell_percentile(cell, numerator, decimals, &e), HF_OK);
    assert_true_of(e.exact && e.value == expected, "%llu / 10^%u: %.17g", (unsigned long long)numerator, decimals,
                   e.value);
}

static void percentiles_are_nearest_ranks(void **state)
{
    (void)state;
    struct cell *cell = new_cell(2048);
    struct cell_estimate e;
    for (int i = 1; i <= 1000; i++)
        add(cell, i);
    must_be_percentile(cell, 0, 0, 1);
    must_be_percentile(cell, 1, 1, 1);
    must_be_percentile(cell, 101, 3, 2); /* 1.01 of 1000 rounds up */
    must_be_percentile(cell, 50, 0, 500);
    must_be_percentile(cell, 5001, 2, 501);
    must_be_percentile(cell, 999, 1, 999);
    must_be_percentile(cell, 9999, 2, 1000);
    must_be_percentile(cell, 100, 0, 1000);
    must_be_percentile(cell, UINT64_C(10000000000000000000), 17, 1000);
    must_be_percentile(cell, UINT64_C(9900000000000000001), 17, 991);
    assert_int_equal(cell_percentile(cell, 101, 0, &e), HF_INVALID);
    assert_int_equal(cell_percentile(cell, UINT64_C(10000000000000000001), 17, &e), HF_INVALID);
    assert_int_equal(cell_percentile(cell, 0, 18, &e), HF_INVALID);
    cell_free(&cell);
}

/* 2^62 ones and nearly as many twos: ranks past 2^53, products past 2^64. */
static void ranks_of_huge_counts(void **state)
{
    (void)state;
    struct cell *cell = CELL_OF(1, 2), *two = CELL_OF(2), *one = CELL_OF(1);
    for (int i = 0; i < 61; i++)
        assert_int_equal(cell_merge(cell, cell), HF_OK); /* 2^61 of each */
    must_be_percentile(cell, 50, 0, 1);
    must_be_percentile(cell, UINT64_C(5000000000000000001), 17, 2);
    must_be(cell, cell_median, 1.5, true);
    assert_int_equal(cell_merge(cell, two), HF_OK);
    must_be(cell, cell_median, 2, true);
    must_be_percentile(cell, 50, 0, 2);
    must_be_percentile(cell, UINT64_C(4999999999999999999), 17, 2); /* of 2^62 + 1: 2^61 + 0.04 */
    must_be_percentile(cell, UINT64_C(4999999999999999998), 17, 1);
    assert_int_equal(cell_merge(cell, one), HF_OK);
    must_be(cell, cell_median, 1.5, true);
    must_be(cell, cell_average, 1.5, true);
    must_be(cell, cell_stddev, 0.5, true);
    must_be(cell, cell_sum, 1.5 * 0x1p62, true);
    cell_free(&cell);
    cell_free(&one);
    cell_free(&two);
}

/* Of a cell that is not exact, the ends are; and values are in the middle of what is known. */
static void coarse_values_are_in_the_middle(void **state)
{
    (void)state;
    struct cell *cell = new_cell(16);
    struct cell_estimate e;
    for (int i = 0; i < 1000; i++)
        add(cell, 1000 + i);
    must_be_percentile(cell, 0, 0, 1000);
    must_be_percentile(cell, 100, 0, 1999);
    for (uint64_t p = 1; p < 100; p++) {
        assert_int_equal(cell_percentile(cell, p, 0, &e), HF_OK);
        assert_false(e.exact);
        assert_true(fabs(e.value - (e.low + e.high) / 2) < 1e-9 * e.value);
        assert_true(e.high - e.low < 130); /* 1024 / 16 a bucket below 1024; 2048 / 16 above */
        assert_true(e.low >= 1000 && e.high <= 1999);
    }
    assert_int_equal(cell_median(cell, &e), HF_OK);
    assert_true(!e.exact && e.low <= 1499.5 && 1499.5 <= e.high);
    cell_free(&cell);
}

/* The minimum is the last of its bucket, so the lower of the two middle samples is known and the upper is not. */
static void median_of_known_and_unknown(void **state)
{
    (void)state;
    struct cell *cell = new_cell(16);
    struct cell_estimate e;
    const uint64_t one = key_of(1);
    for (uint64_t i = 0; i < 17; i++)
        add(cell, key_value(one + 31 + 16 * i));
    for (int i = 0; i < 15; i++)
        add(cell, key_value(one + 31));
    assert_int_equal(cell_shift(cell), 5);
    assert_int_equal(cell_percentile(cell, 50, 0, &e), HF_OK);
    assert_true(e.exact && e.value == key_value(one + 31));
    assert_int_equal(cell_median(cell, &e), HF_OK);
    assert_false(e.exact);
    assert_true(e.low == key_value(one + 32) && e.high == key_value(one + 47)); /* 31.5 ties to even */
    cell_free(&cell);
}

static void integers_stay_exact(void **state)
{
    (void)state;
    struct cell *cell = new_cell(2048);
    struct cell_estimate e;
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < 2048; i++)
            add(cell, (i * 1031) % 2048 - 1000);
    assert_int_equal(cell_buckets(cell), 2048);
    assert_int_equal(cell_shift(cell), 0);
    for (uint64_t rank = 1; rank <= 5 * 2048; rank += 7)
        for (uint64_t more = 0; more < 2; more++) {
            /* The last percentile of 9 decimals up to that rank, and the first past it. */
            uint64_t numerator = rank * UINT64_C(100000000000) / 10240 + more;
            assert_int_equal(cell_percentile(cell, numerator, 9, &e), HF_OK);
            uint64_t at = (numerator * 10240 + UINT64_C(99999999999)) / UINT64_C(100000000000);
            assert_true(e.exact && e.value == (double)((at - 1) / 5) - 1000);
        }
    must_be(cell, cell_median, 23.5, true);
    must_round_trip(cell);
    add(cell, 0.5);
    assert_true(cell_shift(cell) > 0);
    assert_true(cell_buckets(cell) <= 2048);
    cell_free(&cell);
}

/* ---- adding and merging ---- */

static void only_finite_samples(void **state)
{
    (void)state;
    struct cell *cell = CELL_OF(1);
    assert_int_equal(cell_add(cell, NAN), HF_INVALID);
    assert_int_equal(cell_add(cell, INFINITY), HF_INVALID);
    assert_int_equal(cell_add(cell, -INFINITY), HF_INVALID);
    assert_int_equal(cell_count(cell), 1);
    must_be(cell, cell_max, 1, true);
    cell_free(&cell);
}

static void minus_zero_is_zero(void **state)
{
    (void)state;
    struct cell *minus = CELL_OF(-0.0, 0.0), *plus = CELL_OF(0.0, 0.0);
    struct hf_buf a = encoded(minus), b = encoded(plus);
    struct cell_estimate e;
    assert_same_bytes(&a, &b);
    cell_min(minus, &e);
    assert_false(signbit(e.value));
    hf_buf_free(&a);
    hf_buf_free(&b);
    cell_free(&minus);
    cell_free(&plus);
}

static void count_ends_at_int64_max(void **state)
{
    (void)state;
    struct cell *cell = new_cell(16), *power = CELL_OF(1);
    for (int i = 0; i < 63; i++) {
        assert_int_equal(cell_merge(cell, power), HF_OK);
        if (i < 62)
            assert_int_equal(cell_merge(power, power), HF_OK);
    }
    assert_int_equal(cell_count(cell), INT64_MAX);
    struct hf_buf before = encoded(cell);
    assert_int_equal(cell_add(cell, 1), HF_FULL);
    assert_int_equal(cell_merge(cell, power), HF_FULL);
    assert_int_equal(cell_merge(power, cell), HF_FULL);
    struct hf_buf after = encoded(cell);
    assert_same_bytes(&before, &after);
    must_be(cell, cell_average, 1, true);
    must_be(cell, cell_sum, 0x1p63, true);
    must_round_trip(cell);
    hf_buf_free(&before);
    hf_buf_free(&after);
    cell_free(&cell);
    cell_free(&power);
}

/* A coarse cell into a fine one and the other way; cells with different limits. */
static void merge_keeps_own_limit(void **state)
{
    (void)state;
    struct cell *fine = new_cell(2048), *coarse = new_cell(16), *empty = new_cell(16), *again = new_cell(16);
    for (int i = 0; i < 1000; i++) {
        add(fine, i);
        add(coarse, i);
        add(again, i);
    }
    assert_int_equal(cell_shift(fine), 0);
    unsigned shift = cell_shift(coarse);
    assert_true(shift > 0);
    struct hf_buf before = encoded(coarse);

    /* What the finer cell adds is shifted; it lands in the buckets that are there. */
    assert_int_equal(cell_merge(coarse, fine), HF_OK);
    assert_int_equal(cell_merge(again, again), HF_OK);
    struct hf_buf a = encoded(coarse), b = encoded(again);
    assert_same_bytes(&a, &b);

    struct cell *original = decoded(&before);
    assert_int_equal(cell_merge(fine, original), HF_OK);
    assert_int_equal(cell_shift(fine), shift);
    must_be(fine, cell_sum, 999000, true);
    must_be(fine, cell_stddev, sqrt(999999.0 / 12), true);
    must_round_trip(fine);

    assert_int_equal(cell_merge(fine, empty), HF_OK);
    assert_int_equal(cell_merge(empty, coarse), HF_OK);
    hf_buf_free(&b);
    b = encoded(empty);
    assert_same_bytes(&a, &b);
    hf_buf_free(&a);
    hf_buf_free(&b);
    hf_buf_free(&before);
    cell_free(&fine);
    cell_free(&coarse);
    cell_free(&empty);
    cell_free(&again);
    cell_free(&original);
}

/* ---- encoding ---- */

static void bytes_stay(void **state)
{
    (void)state;
    struct {
        struct cell *cell;
        const char *bytes;
        size_t len;
    } cases[] = {
#define BYTES(text) (text), sizeof(text) - 1
        {new_cell(16), BYTES("\x01\x00\x00")},
        {CELL_OF(0), BYTES("\x01\x00\x01\x40\x00\x00")},
        {CELL_OF(12.5), BYTES("\x01\x00\x01\x41\xFA\x01\x00")},
        {CELL_OF(-12.5, -12.5), BYTES("\x01\x00\x01\x41\xF9\x01\x01")},
        /* 3 decimals; two of the one after, one 100 on, and two 2 on from there */
        {CELL_OF(1.5, 1.501, 1.501, 1.601, 1.603, 1.603),
         BYTES("\x01\x00\x04\x43\xB8\x17\x00\x02\x89\x03\x03\x01\x00")},
        {CELL_OF(0x1p60, 0x3p60), BYTES("\x01\x00\x02\x33\xEC\x21\x00\x05")}, /* too large for decimals: 51 zero bits */
        {CELL_OF(0x1p-1074), BYTES("\x01\x00\x01\x00\x02\x00")},
        {CELL_OF(-DBL_MAX, DBL_MAX),
         BYTES("\x01\x00\x02\x00\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xEF\xFF\x01\x00\x03\x00"
               "\xFC\xFF\xFF\xFF\xFF\xFF\xFF\xEF\xFF\x01")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hf_buf buf = encoded(cases[i].cell);
        if (buf.len != cases[i].len || memcmp(buf.data, cases[i].bytes, buf.len) != 0) {
            for (size_t j = 0; j < buf.len; j++)
                print_error("%02X ", buf.data[j]);
            fail_msg("case %zu", i);
        }
        must_round_trip(cases[i].cell);
        hf_buf_free(&buf);
        cell_free(&cases[i].cell);
    }
}

/* 17 neighbours into 16 buckets: s = 1, with ends and sums written. */
static void bytes_stay_when_coarse(void **state)
{
    (void)state;
    static const char bytes[] = "\x01\x01\x09\x00\x00\x01\x02\x02\x02\x02\x02\x02\x02\x00" /* buckets */
                                "\x00\x00"                                                 /* ends */
                                "\x02\x00\x88"                                             /* 136 */
                                "\x04\x00\xD8\x05";                                        /* 1496 */
    struct cell *cell = new_cell(16);
    for (int i = 0; i <= 16; i++)
        add(cell, i * 0x1p-1074);
    struct hf_buf buf = encoded(cell);
    assert_int_equal(buf.len, sizeof bytes - 1);
    assert_memory_equal(buf.data, bytes, buf.len);
    must_round_trip(cell);
    hf_buf_free(&buf);
    cell_free(&cell);
}

static void must_refuse(const unsigned char *bytes, size_t len, const char *what)
{
    struct cell *cell = NULL;
    unsigned char *copy = malloc(len + (len == 0)); /* to the byte, for sanitizers */
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    assert_true_of(cell_decode(copy, len, 2048, &cell) == HF_INVALID, "taken: %s", what);
    assert_null(cell);
    free(copy);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *what;
    } cases[] = {
        {BYTES(""), "nothing"},
        {BYTES("\x02\x00\x00"), "version"},
        {BYTES("\x00\x00\x00"), "version"},
        {BYTES("\x01\x01\x00"), "empty but shifted"},
        {BYTES("\x01\x00\x00\x00"), "too long"},
        {BYTES("\x01\x00\x80\x00"), "long form of a varint"},
        {BYTES("\x01\x00\x01\x40\x00"), "no count"},
        {BYTES("\x01\x00\x01\x40\x00\x00\x00"), "too long"},
        {BYTES("\x01\x3D\x01\x00\x00\x00"), "shift too large"},
        {BYTES("\x01\x00\x01\x4A\x00\x00"), "form unknown"},
        {BYTES("\x01\x00\x01\x41\x00\x00"), "0 has no decimals"},
        {BYTES("\x01\x00\x01\x41\x14\x00"), "1.0 has no decimals"},
        {BYTES("\x01\x00\x01\x34\xFE\x0F\x00"), "1.0 has a form as decimal"},
        {BYTES("\x01\x00\x01\x3F\x00\x00"), "0 has a form as decimal"},
        {BYTES("\x01\x00\x01\x32\x80\x8F\x01\x00"), "more zero bits"},
        {BYTES("\x01\x00\x01\x00\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00"), "NaN"},
        {BYTES("\x01\x00\x01\x34\xFE\x1F\x00"), "infinity and beyond"},
        {BYTES("\x01\x00\x01\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00"), "-NaN"},
        {BYTES("\x01\x00\x01\x40\x80\x80\x9A\xA6\xEA\xAF\xE3\x03\x00"), "10^15 is too large for a decimal"},
        {BYTES("\x01\x00\x02\x40\x00\x00\x03\x00\x00"), "single in the long form"},
        {BYTES("\x01\x00\x02\x40\x00\x00\x07\x01\x00"), "long form with something in it"},
        {BYTES("\x01\x00\x02\x40\x00\x00\x03\x01\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "step overflows"},
        {BYTES("\x01\x00\x02\x40\x00\x00\x03\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "step overflows"},
        {BYTES("\x01\x00\x02\x40\x00\x00\x03\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00"), "count overflows"},
        {BYTES("\x01\x00\x01\x40\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), "count of 2^63"},
        {BYTES("\x01\x00\x01\x40\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "count of 2^64"},
        {BYTES("\x01\x00\x02\x40\x00\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x00"), "sum of counts is 2^63"},
        {BYTES("\x01\x00\xFF\xFF\x03\x40\x00\x00"), "more buckets than bytes"},
        {BYTES("\x01\x00\xFF\xFF\xFF\xFF\x0F\x40\x00\x00"), "more buckets than bytes"},
        {BYTES("\x01\x00\x02\x40\x00\x00"), "fewer buckets than said"},
    };
    memory_plan(MEMORY_ALL_WELL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        must_refuse((const unsigned char *)cases[i].bytes, cases[i].len, cases[i].what);
    assert_true(memory_largest() <= 1024);
}

static void buckets_are_limited(void **state)
{
    (void)state;
    struct hf_buf buf = {0};
    struct cell *cell = NULL;
    for (uint32_t n = CELL_BUCKETS_MAX; n <= CELL_BUCKETS_MAX + 1; n++) {
        hf_buf_clear(&buf);
        hf_buf_put(&buf, "\x01\x00", 2);
        hf_buf_varint(&buf, n);
        hf_buf_put(&buf, "\x40\x00\x00", 3); /* 0, once; then 1, 2, 3 …, once each */
        for (uint32_t i = 1; i < n; i++)
            hf_buf_u8(&buf, 0);
        enum hf_err expected = n > CELL_BUCKETS_MAX ? HF_INVALID : HF_OK;
        assert_int_equal(cell_decode(buf.data, buf.len, CELL_BUCKETS_MAX, &cell), expected);
        if (expected == HF_OK)
            must_round_trip(cell);
        cell_free(&cell);
    }
    hf_buf_free(&buf);
}

/* The coarse cell of bytes_stay_when_coarse(), with one part made wrong. */
static void inconsistent_sums_are_refused(void **state)
{
    (void)state;
#define FF_5 "\xFF\xFF\xFF\xFF\xFF"
#define FF_30 FF_5 FF_5 FF_5 FF_5 FF_5 FF_5
#define NEARLY_2_TO_2176 FF_30 FF_30 FF_30 FF_30 FF_30 FF_30 FF_30 FF_30 FF_30 "\xFF"
#define BUCKETS "\x01\x01\x09\x00\x00\x01\x02\x02\x02\x02\x02\x02\x02\x00"
    static const struct {
        const char *bytes;
        size_t len;
        const char *what;
    } cases[] = {
        {BYTES(BUCKETS "\x02\x00\x02\x00\x88\x04\x00\xD8\x05"), "minimum outside its bucket"},
        {BYTES(BUCKETS "\x00\x02\x02\x00\x88\x04\x00\xD8\x05"), "maximum outside its bucket"},
        {BYTES(BUCKETS "\x00\x00\x03\x00\x88\x04\x00\xD8\x05"), "sum less than the minimum permits"},
        {BYTES(BUCKETS "\x00\x00\x04\x00\x11\x01\x04\x00\xD8\x05"), "sum more than the maximum permits"},
        {BYTES(BUCKETS "\x00\x00\x02\x00\x88\x05\x00\xD8\x05"), "squares negative"},
        {BYTES(BUCKETS "\x00\x00\x02\x00\x88\x04\x00\x40\x04"), "variance 0"}, /* 17 * 1088 = 136^2 */
        {BYTES(BUCKETS "\x00\x00\x02\x00\x88\x04\x00\x3F\x04"), "variance negative"},
        {BYTES(BUCKETS "\x00\x00\x02\x00\x88\x04\x00\x01\x11"), "squares more than the maximum permits"}, /* 4353 */
        {BYTES(BUCKETS "\x00\x00\x02\x00\x88\x06\x00\xD8\x05\x00"), "needless byte"},
        {BYTES(BUCKETS "\x00\x00\x04\x00\x00\x88\x04\x00\xD8\x05"), "needless low byte"},
        {BYTES(BUCKETS "\x00\x00\x02\xFF\x04\x88\x04\x00\xD8\x05"), "sum too large"},
        {BYTES(BUCKETS "\x00\x00\x02\x8F\x02\x88\x04\x00\xD8\x05"), "sum takes the sign bit"},
        {BYTES(BUCKETS "\x00\x00\xA1\x04\x00\x78" NEARLY_2_TO_2176 "\x04\x00\xD8\x05"), "136 by way of an overflow"},
        {BYTES(BUCKETS "\x00\x00\x01\x04\x00\xD8\x05"), "minus 0"},
        {BYTES(BUCKETS "\x00\x00\x02\x00\x88\x04\x00\xD8"), "short"},
        {BYTES(BUCKETS "\x00\x00\x02\x00\x88\x04\x00\xD8\x05\x00"), "long"},
        {BYTES("\x01\x01\x08\x00\x02\x03\x02\x02\x02\x02\x02\x02\x02\x00\x00\x02\x00\x88\x04\x00\xD8\x05"),
         "16 samples at most differ"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        must_refuse((const unsigned char *)cases[i].bytes, cases[i].len, cases[i].what);

    /* The least and the most squares that the bounds permit are taken: 1089, and 4352 = 17 * 16^2. */
    static const char least[] = BUCKETS "\x00\x00\x02\x00\x88\x04\x00\x41\x04";
    static const char most[] = BUCKETS "\x00\x00\x02\x00\x88\x02\x01\x11";
    struct cell *cell = NULL;
    assert_int_equal(cell_decode(least, sizeof least - 1, 2048, &cell), HF_OK);
    must_be(cell, cell_stddev, 0, true); /* sqrt(17 * 1089 - 136^2) / 17 of the smallest double */
    cell_free(&cell);
    assert_int_equal(cell_decode(most, sizeof most - 1, 2048, &cell), HF_OK);
    must_be(cell, cell_stddev, 14 * 0x1p-1074, true); /* sqrt(17 * 4352 - 136^2) / 17 = 13.9 of it */
    cell_free(&cell);
}

/* Counts around every power of two, in the first and a later bucket, at s = 0 and above. */
static void counts_round_trip(void **state)
{
    (void)state;
    struct cell *exact = CELL_OF(1, 2, 9), *coarse = new_cell(16), *one = CELL_OF(1), *nine = CELL_OF(9);
    for (int i = 0; i < 20; i++)
        add(coarse, 1 + i);
    struct cell *cells[] = {exact, coarse};
    for (size_t c = 0; c < 2; c++) {
        for (int power = 0; power < 58; power++) {
            must_round_trip(cells[c]);
            struct hf_buf buf = encoded(cells[c]);
            struct cell *more = decoded(&buf);
            for (int i = 0; i < 3; i++) {
                assert_int_equal(cell_merge(more, i % 2 == 0 ? one : nine), HF_OK);
                must_round_trip(more);
            }
            cell_free(&more);
            hf_buf_free(&buf);
            assert_int_equal(cell_merge(cells[c], cells[c]), HF_OK);
        }
    }
    cell_free(&exact);
    cell_free(&coarse);
    cell_free(&one);
    cell_free(&nine);
}

static void must_round_trip_keys(uint64_t a, uint64_t b)
{
    if (a < KEY_MIN || b > KEY_MAX || a > b)
        return;
    struct cell *cell = CELL_OF(key_value(a), key_value(b));
    must_round_trip(cell);
    add(cell, key_value(b));
    must_round_trip(cell);
    cell_free(&cell);
}

/* Keys and steps between keys around every power of two. */
static void keys_round_trip(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (uint64_t off = 0; off < 5; off++) {
            uint64_t edge = (UINT64_C(1) << bit) + off - 2;
            must_round_trip_keys(KEY_MIN, KEY_MIN + edge);
            must_round_trip_keys(KEY_MAX - edge, KEY_MAX);
            must_round_trip_keys(KEY_ZERO, KEY_ZERO + edge);
            must_round_trip_keys(KEY_ZERO - edge, KEY_ZERO);
            must_round_trip_keys(KEY_ZERO + (edge & ~KEY_ZERO), KEY_MAX);
        }
}

/* Decimals around every power of two and ten, of either sign, up to and past the largest that are written as such. */
static void decimals_round_trip(void **state)
{
    (void)state;
    static const double powers[] = {1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};
    for (size_t d = 0; d < sizeof powers / sizeof *powers; d++)
        for (int edge = 0; edge < 75; edge++)
            for (int off = -2; off <= 2; off++) {
                double integer = (edge < 55 ? ldexp(1, edge) : pow(10, edge - 55)) + off;
                double value = integer / powers[d];
                struct cell *cell = CELL_OF(value, -value, (integer + 3) / powers[d], 0.5);
                must_round_trip(cell);
                cell_free(&cell);
                cell = CELL_OF(-value, 0.5);
                must_round_trip(cell);
                cell_free(&cell);
            }
}

/* How far minimum and maximum are above the least of their buckets, around every power of two. */
static void ends_round_trip(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 50; bit++)
        for (uint64_t off = 0; off < 3; off++) {
            uint64_t edge = (UINT64_C(1) << bit) + off - 1;
            struct cell *cell = new_cell(16);
            for (uint64_t i = 1; i <= 17; i++)
                add(cell, key_value(KEY_ZERO + (i << 52) + edge));
            assert_true(cell_shift(cell) > 52);
            must_round_trip(cell);
            cell_free(&cell);
        }
}

/* Sums of every length, with zero bytes at the low end and without. */
static void sums_round_trip(void **state)
{
    (void)state;
    for (int exponent = -1070; exponent <= 1020; exponent += 3)
        for (int sign = -1; sign <= 1; sign += 2) {
            struct cell *cell = new_cell(16);
            for (int i = 0; i < 18; i++)
                add(cell, sign * ldexp(1 + i / 16.0, exponent));
            assert_true(cell_shift(cell) > 0);
            must_round_trip(cell);
            add(cell, DBL_MAX);
            must_round_trip(cell);
            add(cell, -DBL_MAX);
            must_round_trip(cell);
            for (int i = 0; i < 50; i++)
                assert_int_equal(cell_merge(cell, cell), HF_OK);
            must_round_trip(cell);
            cell_free(&cell);
        }
}

/* ---- size ---- */

static void cells_are_small(void **state)
{
    (void)state;
    struct cell *cell = new_cell(2048);
    random_state = 1;
    add(cell, log_normal());
    struct hf_buf buf = encoded(cell);
    assert_true(buf.len <= 16);
    for (int i = 0; i < 5; i++) {
        add(cell, log_normal());
        cell_buckets(cell);
    }
    assert_true(cell_memory_bytes(cell) <= 300);

    for (int i = 0; i < 100000; i++)
        add(cell, log_normal());
    hf_buf_clear(&buf);
    assert_int_equal(cell_encode(cell, &buf), HF_OK);
    assert_true_of(buf.len <= 4500, "%zu bytes", buf.len);
    assert_true(cell_memory_bytes(cell) <= 2048 * 16 + 2000);
    must_round_trip(cell);
    hf_buf_free(&buf);
    cell_free(&cell);
}

/* ---- memory ---- */

struct steps {
    struct cell *cell, *other;
    size_t done;
};

/* Adds and merges that pass every place where a cell allocates. On failure a step is not done at all. */
static enum hf_err go_on(struct steps *steps)
{
    for (; steps->done < 300; steps->done++) {
        double value = (double)(steps->done * 7919 % 1000) / 8;
        bool merge = steps->done % 150 == 5 || steps->done == 299;
        enum hf_err err = merge ? cell_merge(steps->cell, steps->other) : cell_add(steps->cell, value);
        if (err != HF_OK)
            return err;
    }
    return HF_OK;
}

static void out_of_memory_changes_nothing(void **state)
{
    (void)state;
    struct steps straight = {new_cell(64), new_cell(32), 0}, failing = straight;
    for (int i = 0; i < 100; i++)
        add(straight.other, i * 1.25);
    assert_int_equal(go_on(&straight), HF_OK);
    struct hf_buf expected = encoded(straight.cell);

    unsigned failures = 0;
    for (unsigned long after = 0;; after++) {
        failing.cell = new_cell(64);
        failing.done = 0;
        memory_plan(MEMORY_ONE, after + 1);
        enum hf_err err = go_on(&failing);
        bool failed = memory_failed();
        memory_plan(MEMORY_ALL_WELL, 0);
        if (failed) {
            failures++;
            assert_int_equal(err, HF_NOMEM);
            assert_int_equal(go_on(&failing), HF_OK);
        }
        struct hf_buf bytes = encoded(failing.cell);
        assert_same_bytes(&expected, &bytes);
        hf_buf_free(&bytes);
        cell_free(&failing.cell);
        if (!failed)
            break;
    }
    assert_true_of(failures > 10, "%u failures", failures);
    hf_buf_free(&expected);
    cell_free(&straight.cell);
    cell_free(&straight.other);
}

static void out_of_memory_is_told(void **state)
{
    (void)state;
    struct cell *cell = new_cell(16), *out = NULL;
    for (int i = 0; i < 40; i++)
        add(cell, i);
    struct hf_buf bytes = encoded(cell);
    unsigned long after = 0;
    for (enum hf_err err = HF_NOMEM; err != HF_OK; after++) {
        memory_plan(MEMORY_ONE, after + 1);
        err = cell_decode(bytes.data, bytes.len, 16, &out);
        memory_plan(MEMORY_ALL_WELL, 0);
        assert_true(err == HF_OK || (err == HF_NOMEM && out == NULL));
    }
    assert_int_equal(after, 4); /* the cell, its buckets, its sums, and the time nothing failed */
    cell_free(&out);

    struct hf_buf nowhere = {0};
    struct cell_estimate e;
    add(cell, 41);
    memory_plan(MEMORY_ONE, 1);
    assert_int_equal(cell_new(16) == NULL, 1);
    memory_plan(MEMORY_ONE, 1);
    assert_int_equal(cell_encode(cell, &nowhere), HF_NOMEM);
    memory_plan(MEMORY_ALL_WELL, 0);
    hf_buf_free(&nowhere);
    add(cell, 1e9);
    memory_plan(MEMORY_ONE, 1);
    assert_int_equal(cell_median(cell, &e), HF_NOMEM);
    memory_plan(MEMORY_ALL_WELL, 0);
    assert_int_equal(cell_median(cell, &e), HF_OK);
    hf_buf_free(&bytes);
    cell_free(&cell);
    cell_free(&cell); /* NULL by now */
}

/* Bands hold the samples that belong in them, save for as many as are said to be uncertain; for none while all is exact. */
static void bands_count_samples(void **state)
{
    (void)state;
    static const double edges[] = {-50, -10, 0, 0.5, 1, 20, 60};
    enum { BANDS = 6, SAMPLES = 3000 };
    static const uint32_t limits[] = {16, 64, 4096};
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        struct cell *cell = new_cell(limits[l]);
        uint64_t expected[BANDS] = {0}, counts[BANDS], uncertain, off = 0, total = 0;
        for (int i = 0; i < SAMPLES; i++) {
            double v = i == 0 ? -50 : i == 1 ? 60 : i < 100 ? edges[i % BANDS] : -50 + 110 * random_unit() * random_unit();
            add(cell, v);
            for (int b = 0; b < BANDS; b++)
                expected[b] += v >= edges[b] && (v < edges[b + 1] || (b == BANDS - 1 && v <= edges[b + 1]));
        }
        assert_int_equal(cell_bands(cell, edges, BANDS, counts, &uncertain), HF_OK);
        for (int b = 0; b < BANDS; b++) {
            off += counts[b] > expected[b] ? counts[b] - expected[b] : expected[b] - counts[b];
            total += counts[b];
        }
        assert_int_equal(total, SAMPLES);
        assert_true(off <= 2 * uncertain);
        assert_int_equal(uncertain == 0, limits[l] == 4096);
        cell_free(&cell);
    }
    /* The outer bands take in what lies beyond. */
    struct cell *cell = CELL_OF(-100, 100);
    uint64_t counts[BANDS], uncertain;
    assert_int_equal(cell_bands(cell, edges, BANDS, counts, &uncertain), HF_OK);
    assert_true(counts[0] == 1 && counts[BANDS - 1] == 1 && uncertain == 0);
    cell_free(&cell);
}

UNIT_TESTS(unit(bands_count_samples), unit(wide_forms_agree), unit(limbs_round_once), unit(keys_keep_order), unit(moments_of_a_few),
           unit(stddev_rounds_up_past_ties), unit(sum_overflows_visibly), unit(medians_of_a_few),
           unit(percentiles_are_nearest_ranks), unit(ranks_of_huge_counts),
           unit(coarse_values_are_in_the_middle), unit(median_of_known_and_unknown),
           unit(integers_stay_exact), unit(only_finite_samples), unit(minus_zero_is_zero),
           unit(count_ends_at_int64_max), unit(merge_keeps_own_limit), unit(bytes_stay),
           unit(bytes_stay_when_coarse), unit(other_bytes_are_refused), unit(buckets_are_limited),
           unit(inconsistent_sums_are_refused), unit(counts_round_trip), unit(keys_round_trip),
           unit(decimals_round_trip), unit(ends_round_trip), unit(sums_round_trip),
           unit(cells_are_small), unit(out_of_memory_changes_nothing), unit(out_of_memory_is_told))
