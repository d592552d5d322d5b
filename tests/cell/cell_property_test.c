/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of cells over random cases, with GNU MP and MPFR as the other way
 * of computing. For each case samples of one kind are made and spread over cells
 * at random, which are merged in random order; then
 *   - the bytes are those of one cell that was given the samples sorted;
 *   - decoding gives back a cell of the same bytes;
 *   - the shift is the smallest that will do, found by counting;
 *   - every order statistic lies in its [low, high], percentiles and median too;
 *   - sum, average and standard deviation are the exact ones, rounded once;
 *   - damaged bytes are refused, or are a cell that encodes to just them.
 *
 * HF_TEST_CASES and HF_TEST_SEED (printed) choose other runs; HF_TEST_SHORT makes it few.
 */
#include "../unit.h"

#ifndef HAVE_MPFR
int main(void)
{
    puts("1..0 # SKIP GNU MPFR was not there when this was built (Debian: libmpfr-dev)");
    return 0;
}
#else

#include <float.h>
#include <math.h>
#include <time.h>

#include <gmp.h>
#include <mpfr.h>

#include "cell/cell.h"

#define CASES 10000u
#define CASES_SHORT 300u

/* ---- random numbers: splitmix64 ---- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static size_t random_below(size_t n) { return (size_t)(random_u64() % n); }

/* In (0, 1). */
static double random_unit(void) { return ((double)(random_u64() >> 11) + 0.5) * 0x1p-53; }

static double random_normal(void)
{
    return sqrt(-2 * log(random_unit())) * cos(6.283185307179586 * random_unit());
}

/* ---- kinds of samples ---- */

static double any_finite(void)
{
    double value;
    do {
        uint64_t bits = random_u64();
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static double signed_normal(void) { return 1000 * random_normal(); }
static double tiny(void) { return ldexp(random_normal(), -1000 - (int)random_below(30)); }
static double subnormal(void) { return ldexp((double)(random_u64() >> (12 + random_below(52))), -1074); }
static double huge(void) { return ldexp(random_normal(), 1010 + (int)random_below(8)); }
static double largest(void) { return random_below(2) ? DBL_MAX : random_below(2) ? -DBL_MAX : DBL_MAX / 4; }
static double integer(void) { return (double)random_below(1000); }
static double signed_integer(void) { return (double)random_below(4001) - 2000; }
static double wide_integer(void) { return (double)(random_u64() >> (1 + random_below(63))); }
static double decimal(void) { return (double)random_below(10000000) / 1000; }
static double money(void) { return (double)((int64_t)random_below(2000000) - 1000000) / 100; }
static double log_normal(void) { return round(1000 * exp(3 + 0.8 * random_normal())) / 1000; }
static double log_normal_full(void) { return exp(3 + 2 * random_normal()); }
static double pareto(void) { return 1 / random_unit(); }
static double zeros(void) { return random_below(2) ? 0.0 : -0.0; }
static double cancelling(void) { return (random_below(2) ? 1 : -1) * ldexp(1, (int)random_below(120)); }
static double close_together(void) { return 1e9 + (double)random_below(100000) * 0x1p-23; }
static double equal_now;
static double equal(void) { return equal_now; }

static const struct kind {
    const char *name;
    double (*make)(void);
} kinds[] = {
    {"any finite", any_finite},
    {"signed", signed_normal},
    {"tiny", tiny},
    {"subnormal", subnormal},
    {"huge", huge},
    {"largest", largest},
    {"integer", integer},
    {"signed integer", signed_integer},
    {"wide integer", wide_integer},
    {"decimal", decimal},
    {"money", money},
    {"log-normal", log_normal},
    {"log-normal, all digits", log_normal_full},
    {"Pareto", pareto},
    {"zeros", zeros},
    {"cancelling", cancelling},
    {"close together", close_together},
    {"equal", equal},
    {"mixed", NULL},
};
#define KINDS (sizeof kinds / sizeof *kinds)

struct samples {
    const char *name;
    double *value; /* sorted; -0 is 0 */
    size_t n;
    uint32_t max_buckets;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mostly few samples, sometimes many. */
static size_t random_size(unsigned number)
{
    if (number % 1000 == 999)
        return 20000 + random_below(80001);
    switch (random_below(20)) {
    case 0:
        return random_below(8000);
    case 1:
    case 2:
        return random_below(2000);
    case 3:
    case 4:
    case 5:
    case 6:
        return random_below(300);
    default:
        return random_below(40);
    }
}

static struct samples make_samples(unsigned number)
{
    static const uint32_t limits[] = {16, 17, 64, 256, 2048};
    struct samples s = {.n = random_size(number), .max_buckets = limits[random_below(5)]};
    const struct kind *kind = &kinds[number % KINDS];
    s.name = kind->name;
    s.value = malloc((s.n + 1) * sizeof *s.value);
    assert_non_null(s.value);
    equal_now = any_finite();
    for (size_t i = 0; i < s.n; i++) {
        double v = (kind->make ? kind : &kinds[random_below(KINDS - 1)])->make();
        s.value[i] = v == 0 ? 0 : v;
    }
    qsort(s.value, s.n, sizeof *s.value, compare);
    return s;
}

static void shuffle(double *value, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = random_below(i);
        double swap = value[i - 1];
        value[i - 1] = value[j];
        value[j] = swap;
    }
}

/* ---- cells ---- */

static struct hf_buf encoded(struct cell *cell)
{
    struct hf_buf buf = {0};
    assert_int_equal(cell_encode(cell, &buf), HF_OK);
    return buf;
}

static struct cell *cell_of_sorted(const struct samples *s)
{
    struct cell *cell = cell_new(s->max_buckets);
    assert_non_null(cell);
    for (size_t i = 0; i < s->n; i++)
        assert_int_equal(cell_add(cell, s->value[i]), HF_OK);
    return cell;
}

/* The same samples shuffled, split and merged, with reads and detours through bytes in between. */
static struct cell *cell_of_pieces(const struct samples *s)
{
    enum { PIECES = 6 };
    size_t pieces = 1 + random_below(PIECES);
    struct cell *piece[PIECES];
    double *value = malloc((s->n + 1) * sizeof *value);
    assert_non_null(value);
    memcpy(value, s->value, s->n * sizeof *value);
    shuffle(value, s->n);
    for (size_t i = 0; i < pieces; i++)
        assert_non_null(piece[i] = cell_new(s->max_buckets));
    for (size_t i = 0; i < s->n; i++) {
        struct cell *to = piece[random_below(pieces)];
        assert_int_equal(cell_add(to, value[i]), HF_OK);
        if (random_below(500) == 0)
            cell_buckets(to);
    }
    free(value);

    while (pieces > 1) {
        size_t from = random_below(pieces), to = random_below(pieces - 1);
        to += to >= from;
        if (random_below(3) == 0) {
            struct hf_buf buf = encoded(piece[from]);
            cell_free(&piece[from]);
            assert_int_equal(cell_decode(buf.data, buf.len, s->max_buckets, &piece[from]), HF_OK);
            hf_buf_free(&buf);
        }
        assert_int_equal(cell_merge(piece[to], piece[from]), HF_OK);
        cell_free(&piece[from]);
        piece[from] = piece[--pieces];
    }
    return piece[0];
}

/* ---- checks ---- */

static uint64_t key_of_value(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t sign = UINT64_C(1) << 63;
    return bits & sign ? sign - (bits & ~sign) : sign + bits;
}

static size_t distinct_at(const struct samples *s, unsigned shift)
{
    size_t n = s->n > 0;
    for (size_t i = 1; i < s->n; i++)
        n += key_of_value(s->value[i]) >> shift != key_of_value(s->value[i - 1]) >> shift;
    return n;
}

static void check_shift(const struct samples *s, struct cell *cell)
{
    unsigned shift = cell_shift(cell);
    assert_int_equal(cell_buckets(cell), distinct_at(s, shift));
    assert_true(cell_buckets(cell) <= s->max_buckets);
    if (shift > 0)
        assert_true(distinct_at(s, shift - 1) > s->max_buckets);
}

static void check_estimate(const struct cell_estimate *e, double truth)
{
    assert_true(isfinite(e->low) && isfinite(e->high) && isfinite(e->value));
    assert_true(e->low <= truth && truth <= e->high);
    assert_true(e->low <= e->value && e->value <= e->high);
    assert_true(e->exact == (e->low == e->high));
    if (e->exact)
        assert_true(e->value == truth);
}

/* Nearest rank in GNU MP. */
static size_t rank_of(uint64_t numerator, unsigned decimals, size_t n)
{
    mpz_t rank, denominator;
    mpz_init_set_ui(rank, numerator);
    mpz_init(denominator);
    mpz_mul_ui(rank, rank, n);
    mpz_ui_pow_ui(denominator, 10, decimals + 2);
    mpz_cdiv_q(rank, rank, denominator);
    size_t result = mpz_get_ui(rank);
    mpz_clears(rank, denominator, NULL);
    return result == 0 ? 1 : result;
}

static void check_percentile(const struct samples *s, struct cell *cell, uint64_t numerator, unsigned decimals)
{
    struct cell_estimate e;
    assert_int_equal(cell_percentile(cell, numerator, decimals, &e), HF_OK);
    check_estimate(&e, s->value[rank_of(numerator, decimals, s->n) - 1]);
    if (cell_shift(cell) == 0)
        assert_true(e.exact);
}

static void check_order(const struct samples *s, struct cell *cell)
{
    struct cell_estimate e;
    cell_min(cell, &e);
    assert_true(e.exact && e.value == s->value[0]);
    cell_max(cell, &e);
    assert_true(e.exact && e.value == s->value[s->n - 1]);

    /* All ranks of small cells: (rank - 1/2) / n rounds up to it; random ones of large cells. */
    enum { DECIMALS = 12 };
    size_t checks = s->n < 300 ? s->n : 100;
    for (size_t i = 0; i < checks; i++) {
        size_t rank = s->n < 300 ? i : random_below(s->n);
        uint64_t numerator = (uint64_t)(((double)rank + 0.5) / (double)s->n * 1e14);
        check_percentile(s, cell, numerator, DECIMALS);
    }
    assert_int_equal(cell_percentile(cell, 0, 0, &e), HF_OK);
    assert_true(e.exact && e.value == s->value[0]);
    assert_int_equal(cell_percentile(cell, 100, 0, &e), HF_OK);
    assert_true(e.exact && e.value == s->value[s->n - 1]);
    check_percentile(s, cell, random_below(101), 0);
    check_percentile(s, cell, random_below(1000000001), 7);
    check_percentile(s, cell, random_u64() % UINT64_C(10000000000000000001), 17);

    assert_int_equal(cell_median(cell, &e), HF_OK);
    double a = s->value[(s->n - 1) / 2], b = s->value[s->n / 2];
    mpfr_t mean;
    mpfr_init2(mean, 2200);
    mpfr_set_d(mean, a, MPFR_RNDN);
    mpfr_add_d(mean, mean, b, MPFR_RNDN);
    mpfr_div_ui(mean, mean, 2, MPFR_RNDN);
    check_estimate(&e, mpfr_get_d(mean, MPFR_RNDN));
    mpfr_clear(mean);
    if (cell_shift(cell) == 0)
        assert_true(e.exact);
}

static void check_moment(enum hf_err (*of)(struct cell *, struct cell_estimate *), struct cell *cell, mpfr_t truth)
{
    struct cell_estimate e;
    assert_int_equal(of(cell, &e), HF_OK);
    double expected = mpfr_get_d(truth, MPFR_RNDN);
    bool overflow = isinf(expected);
    if (overflow)
        expected = expected > 0 ? DBL_MAX : -DBL_MAX;
    assert_true(e.value == expected && e.low == expected && e.high == expected);
    assert_true(e.exact == !overflow);
}

/* Exact integers in units of 2^-1074, and a quotient and a root with far more digits than any tie could have. */
static void check_moments(const struct samples *s, struct cell *cell)
{
    enum { SUM_BITS = 2200, SQUARE_BITS = 4400, ROOT_BITS = 9000 };
    mpfr_t sum, squares, v, truth;
    mpfr_inits2(SQUARE_BITS, sum, squares, v, (mpfr_ptr)NULL);
    mpfr_init2(truth, ROOT_BITS);
    mpfr_set_zero(sum, 1);
    mpfr_set_zero(squares, 1);
    for (size_t i = 0; i < s->n; i++) {
        mpfr_set_d(v, s->value[i], MPFR_RNDN);
        mpfr_add(sum, sum, v, MPFR_RNDN);
        mpfr_sqr(v, v, MPFR_RNDN);
        mpfr_add(squares, squares, v, MPFR_RNDN);
    }
    check_moment(cell_sum, cell, sum);
    mpfr_div_ui(truth, sum, s->n, MPFR_RNDN);
    check_moment(cell_average, cell, truth);

    mpfr_mul_ui(squares, squares, s->n, MPFR_RNDN);
    mpfr_sqr(truth, sum, MPFR_RNDN);
    mpfr_sub(truth, squares, truth, MPFR_RNDN);
    mpfr_sqrt(truth, truth, MPFR_RNDN);
    mpfr_div_ui(truth, truth, s->n, MPFR_RNDN);
    check_moment(cell_stddev, cell, truth);

    /* Doubling all counts, half the time as far as they go, changes neither average nor standard deviation. */
    unsigned most = 0;
    while ((uint64_t)s->n << most < UINT64_C(1) << 62)
        most++;
    unsigned doublings = random_below(2) ? most : (unsigned)random_below(most + 1);
    for (unsigned i = 0; i < doublings; i++)
        assert_int_equal(cell_merge(cell, cell), HF_OK);
    check_moment(cell_stddev, cell, truth);
    mpfr_mul_2ui(sum, sum, doublings, MPFR_RNDN);
    check_moment(cell_sum, cell, sum);
    mpfr_div_2ui(sum, sum, doublings, MPFR_RNDN);
    mpfr_div_ui(truth, sum, s->n, MPFR_RNDN);
    check_moment(cell_average, cell, truth);
    mpfr_clears(sum, squares, v, truth, (mpfr_ptr)NULL);
}

static void check_damaged(const unsigned char *bytes, size_t len)
{
    struct cell *cell = NULL;
    enum hf_err err = cell_decode(bytes, len, CELL_BUCKETS_MAX, &cell);
    if (err != HF_OK) {
        assert_int_equal(err, HF_INVALID);
        assert_null(cell);
        return;
    }
    struct hf_buf again = encoded(cell);
    assert_int_equal(again.len, len);
    assert_memory_equal(again.data, bytes, len);
    struct cell_estimate e, least, most;
    if (cell_count(cell) > 0) {
        cell_min(cell, &least);
        cell_max(cell, &most);
        cell_average(cell, &e);
        assert_true(least.value <= e.value && e.value <= most.value);
        cell_stddev(cell, &e);
        assert_true(e.value >= 0 && e.value <= DBL_MAX);
        cell_median(cell, &e);
        check_estimate(&e, e.value);
    }
    hf_buf_free(&again);
    cell_free(&cell);
}

static void check_damage(const struct hf_buf *buf)
{
    struct cell *cell = NULL;
    /* malloc()ed to the byte, so that a sanitizer sees a read past the end */
    for (unsigned i = 0; i < 4; i++) {
        size_t cut = random_below(buf->len);
        unsigned char *bytes = malloc(cut + 1);
        assert_non_null(bytes);
        memcpy(bytes, buf->data, cut);
        assert_int_equal(cell_decode(bytes, cut, CELL_BUCKETS_MAX, &cell), HF_INVALID);
        bytes[cut] = 0;
        free(bytes);
    }
    for (unsigned i = 0; i < 8; i++) {
        unsigned char *bytes = malloc(buf->len + 1);
        assert_non_null(bytes);
        memcpy(bytes, buf->data, buf->len);
        bytes[buf->len] = (unsigned char)random_u64();
        if (i == 0)
            assert_int_equal(cell_decode(bytes, buf->len + 1, CELL_BUCKETS_MAX, &cell), HF_INVALID);
        for (size_t flips = 1 + random_below(3); flips > 0; flips--) {
            /* Half of them in the beginning or the sums at the end, where few of the bytes are. */
            size_t at = random_below(buf->len), few = buf->len < 12 ? buf->len : 12;
            at = i % 4 == 1 ? random_below(few) : i % 4 == 3 ? buf->len - 1 - random_below(few) : at;
            bytes[at] ^= (unsigned char)(1u << random_below(8));
        }
        check_damaged(bytes, buf->len);
        free(bytes);
    }
}

static void check_empty(struct cell *cell)
{
    struct cell_estimate e;
    assert_int_equal(cell_count(cell), 0);
    assert_int_equal(cell_min(cell, &e), HF_NOTFOUND);
    assert_int_equal(cell_max(cell, &e), HF_NOTFOUND);
    assert_int_equal(cell_sum(cell, &e), HF_NOTFOUND);
    assert_int_equal(cell_average(cell, &e), HF_NOTFOUND);
    assert_int_equal(cell_stddev(cell, &e), HF_NOTFOUND);
    assert_int_equal(cell_median(cell, &e), HF_NOTFOUND);
    assert_int_equal(cell_percentile(cell, 50, 0, &e), HF_NOTFOUND);
}

static void check_bytes(const struct samples *s, struct cell *pieces)
{
    struct cell *sorted = cell_of_sorted(s), *decoded;
    struct hf_buf a = encoded(sorted), b = encoded(pieces);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_int_equal(cell_decode(a.data, a.len, s->max_buckets, &decoded), HF_OK);
    struct hf_buf c = encoded(decoded);
    assert_int_equal(a.len, c.len);
    assert_memory_equal(a.data, c.data, a.len);

    /* Into a smaller limit: the same as if it had been smaller all the time. */
    struct samples fewer = *s;
    fewer.max_buckets = 16;
    cell_free(&sorted);
    cell_free(&decoded);
    sorted = cell_of_sorted(&fewer);
    assert_int_equal(cell_decode(a.data, a.len, 16, &decoded), HF_OK);
    hf_buf_free(&b);
    hf_buf_free(&c);
    b = encoded(sorted);
    c = encoded(decoded);
    assert_int_equal(b.len, c.len);
    assert_memory_equal(b.data, c.data, b.len);

    check_damage(&a);
    cell_free(&sorted);
    cell_free(&decoded);
    hf_buf_free(&a);
    hf_buf_free(&b);
    hf_buf_free(&c);
}

static void check_case(unsigned number)
{
    struct samples s = make_samples(number);
    struct cell *cell = cell_of_pieces(&s);
    assert_int_equal(cell_count(cell), s.n);
    check_bytes(&s, cell);
    if (s.n == 0)
        check_empty(cell);
    else {
        check_shift(&s, cell);
        check_order(&s, cell);
        check_moments(&s, cell);
    }
    cell_free(&cell);
    free(s.value);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static uint64_t seed;
static unsigned case_now;

static int tell_case(void **state)
{
    (void)state;
    print_message("# seed %llu, last case %u (%s)\n", (unsigned long long)seed, case_now, kinds[case_now % KINDS].name);
    return 0;
}

static void properties_test(void **state)
{
    (void)state;
    uint64_t cases = from_environment("HF_TEST_CASES", getenv("HF_TEST_SHORT") != NULL ? CASES_SHORT : CASES);
    seed = from_environment("HF_TEST_SEED", (uint64_t)time(NULL));
    for (case_now = 0; case_now < cases; case_now++) {
        random_state = seed + case_now * UINT64_C(0xD1B54A32D192ED03);
        check_case(case_now);
    }
    mpfr_free_cache();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(properties_test, tell_case)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
