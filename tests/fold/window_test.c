/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "fold/window.h"

/* Encode, decode, and check that nothing changed; give back the number of bytes. */
static size_t round_trip(const struct window *window)
{
    struct hf_buf bytes = {0}, again = {0};
    struct window back;
    window_encode(window, &bytes);
    assert_true(hf_buf_ok(&bytes));
    assert_int_equal(window_decode(bytes.data, bytes.len, &back), HF_OK);
    assert_true(back.highest == window->highest);
    assert_true(back.last_ms == window->last_ms);
    for (uint64_t below = 0; below < FOLD_WINDOW + 2 && below <= window->highest; below++)
        assert_int_equal(window_seen(&back, window->highest - below), window_seen(window, window->highest - below));
    window_encode(&back, &again);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);

    /* No proper beginning of it that ends inside a field, and nothing longer, is another encoding of it. */
    hf_buf_u8(&bytes, 1);
    assert_int_equal(window_decode(bytes.data, bytes.len, &back), HF_INVALID);
    size_t len = again.len;
    hf_buf_free(&bytes);
    hf_buf_free(&again);
    return len;
}

static void in_order_test(void **state)
{
    (void)state;
    struct window window = {0};
    assert_true(window_seen(&window, 0));
    for (uint64_t n = 1; n <= 3 * FOLD_WINDOW; n++) {
        assert_false(window_seen(&window, n));
        window_mark(&window, n, 1000);
        assert_true(window_seen(&window, n));
        assert_false(window_seen(&window, n + 1));
    }
    assert_true(window_seen(&window, 0));
    assert_true(window_seen(&window, 1));
    assert_true(round_trip(&window) <= 6);
}

static void lower_edge_test(void **state)
{
    (void)state;
    const uint64_t high = 3 * FOLD_WINDOW + 7;
    struct window window = {0};
    window_mark(&window, high, 1);
    assert_true(window_seen(&window, high));
    assert_false(window_seen(&window, high - 1));
    assert_false(window_seen(&window, high - FOLD_WINDOW + 1)); /* the lowest in the window */
    assert_true(window_seen(&window, high - FOLD_WINDOW));      /* the first below it */
    assert_true(window_seen(&window, 1));

    window_mark(&window, high - FOLD_WINDOW + 1, 2);
    assert_true(window_seen(&window, high - FOLD_WINDOW + 1));
    assert_false(window_seen(&window, high - FOLD_WINDOW + 2));
    assert_true(window.highest == high);
    assert_true(window.last_ms == 2);
    assert_int_equal(round_trip(&window), 1 + 2 + 1 + 1 + 2);

    /* One higher: the lowest falls out, its bit is the new number's. */
    window_mark(&window, high + 1, 3);
    assert_true(window_seen(&window, high - FOLD_WINDOW + 1));
    assert_false(window_seen(&window, high - FOLD_WINDOW + 2));
    assert_true(window_seen(&window, high));
    round_trip(&window);
}

static void small_numbers_test(void **state)
{
    (void)state;
    /* Below FOLD_WINDOW the window ends at 1. */
    struct window window = {0};
    window_mark(&window, FOLD_WINDOW, 1);
    assert_false(window_seen(&window, 1));
    assert_true(window_seen(&window, 0));
    round_trip(&window);
    window_mark(&window, FOLD_WINDOW + 1, 1);
    assert_true(window_seen(&window, 1));
    assert_false(window_seen(&window, 2));
    round_trip(&window);

    window = (struct window){0};
    window_mark(&window, 5, 1);
    window_mark(&window, 1, 1);
    assert_true(window_seen(&window, 1));
    assert_false(window_seen(&window, 2));
    assert_false(window_seen(&window, 4));
    round_trip(&window);
}

static void jump_test(void **state)
{
    (void)state;
    /* A jump of less than, exactly, and more than the window, and to the end of the numbers. */
    for (int64_t by = -1; by <= 1; by++) {
        struct window window = {0};
        for (uint64_t n = 1; n <= 10; n++)
            window_mark(&window, n, 1);
        uint64_t to = 10 + (uint64_t)((int64_t)FOLD_WINDOW + by);
        window_mark(&window, to, 2);
        for (uint64_t n = 11; n < to; n++)
            assert_int_equal(window_seen(&window, n), n <= to - FOLD_WINDOW);
        assert_true(window_seen(&window, 10));
        assert_true(window_seen(&window, to));
        round_trip(&window);
    }
    struct window window = {0};
    window_mark(&window, 1, 1);
    window_mark(&window, UINT64_MAX, INT64_MAX);
    assert_true(window_seen(&window, UINT64_MAX));
    assert_false(window_seen(&window, UINT64_MAX - 1));
    assert_false(window_seen(&window, UINT64_MAX - FOLD_WINDOW + 1));
    assert_true(window_seen(&window, UINT64_MAX - FOLD_WINDOW));
    round_trip(&window);
    window_mark(&window, UINT64_MAX - 1, INT64_MIN);
    round_trip(&window);
}

/* Against a plain array of what was marked. */
static void random_test(void **state)
{
    (void)state;
    enum { NUMBERS = 40000 };
    static bool marked[NUMBERS];
    struct window window = {0};
    uint64_t high = 0, random = 88172645463325252u;
    for (int step = 0; step < 100000; step++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint64_t span = random % 100 == 0 ? 3 * FOLD_WINDOW : 40;
        uint64_t low = high > span ? high - span : 0;
        uint64_t number = low + (random >> 20) % (high - low + 4);
        if (number == 0 || number >= NUMBERS)
            continue;
        bool expect = number <= high && (marked[number] || high - number >= FOLD_WINDOW);
        assert_int_equal(window_seen(&window, number), expect);
        if (!expect) {
            window_mark(&window, number, step);
            marked[number] = true;
            high = number > high ? number : high;
        }
        if (step % 2000 == 0 && high > 0)
            round_trip(&window);
    }
    assert_true(high > 2 * FOLD_WINDOW);
    round_trip(&window);
}

static void worst_case_size_test(void **state)
{
    (void)state;
    struct window window = {0};
    for (uint64_t n = 2; n <= 4 * FOLD_WINDOW; n += 2)
        window_mark(&window, n, 1);
    assert_true(round_trip(&window) <= FOLD_WINDOW + 8);
}

static void refuse_test(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        unsigned char bytes[12];
        size_t len;
    } cases[] = {
        {"empty", {0}, 0},
        {"version 0", {0, 5, 0}, 3},
        {"version 2", {2, 5, 0}, 3},
        {"no number", {1}, 1},
        {"highest is 0", {1, 0, 0}, 3},
        {"no time", {1, 5}, 2},
        {"run of none seen", {1, 5, 0, 0, 1}, 5},
        {"run of none missing", {1, 5, 0, 1, 0}, 5},
        {"half a pair", {1, 5, 0, 1}, 4},
        {"past the window's end", {1, 5, 0, 1, 5}, 5},
        {"seen past the window's end", {1, 5, 0, 6, 1}, 5},
        {"second pair past the end", {1, 5, 0, 1, 3, 1, 1}, 7},
        {"a sum that overflows", {1, 5, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, 12},
        {"a varint with a needless byte", {1, 0x85, 0, 0}, 4},
    };
    struct window untouched = {.highest = 77};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true_of(window_decode(cases[i].bytes, cases[i].len, &untouched) == HF_INVALID, "%s", cases[i].what);
        assert_true(untouched.highest == 77);
    }
    static const unsigned char good[] = {1, 5, 0, 1, 4};
    assert_int_equal(window_decode(good, sizeof good, &untouched), HF_OK);
    assert_false(window_seen(&untouched, 1));
}

UNIT_TESTS(unit(in_order_test), unit(lower_edge_test), unit(small_numbers_test), unit(jump_test), unit(random_test),
           unit(worst_case_size_test), unit(refuse_test))
