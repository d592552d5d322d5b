/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding, version 1:
 *   u8       1
 *   varint   highest number seen, at least 1
 *   svarint  last_ms
 *   then, from the highest number downwards, as often as there are gaps:
 *   varint   how many numbers were seen in a row, at least 1
 *   varint   how many below them are missing, at least 1
 * What remains of the window below the last gap was seen. Normally nothing is
 * missing, and the encoding ends after last_ms.
 */
#include "fold/window.h"

#include <string.h>

enum { WINDOW_VERSION = 1 };

static bool bit_of(const struct window *window, uint64_t number)
{
    unsigned bit = (unsigned)(number % FOLD_WINDOW);
    return window->seen[bit / 64] >> bit % 64 & 1;
}

static void set_bit(struct window *window, uint64_t number, bool seen)
{
    unsigned bit = (unsigned)(number % FOLD_WINDOW);
    uint64_t mask = UINT64_C(1) << bit % 64;
    if (seen)
        window->seen[bit / 64] |= mask;
    else
        window->seen[bit / 64] &= ~mask;
}

/* How many numbers the window holds: those from 1 on, at most FOLD_WINDOW of them. */
static uint64_t width_of(const struct window *window)
{
    return window->highest < FOLD_WINDOW ? window->highest : FOLD_WINDOW;
}

bool window_seen(const struct window *window, uint64_t number)
{
    if (number > window->highest)
        return false;
    return window->highest - number >= width_of(window) || bit_of(window, number);
}

void window_mark(struct window *window, uint64_t number, int64_t stored_ms)
{
    if (number > window->highest) {
        if (number - window->highest >= FOLD_WINDOW)
            memset(window->seen, 0, sizeof window->seen);
        else
            for (uint64_t skipped = window->highest + 1; skipped < number; skipped++)
                set_bit(window, skipped, false);
        window->highest = number;
    }
    set_bit(window, number, true);
    window->last_ms = stored_ms;
}

/* The length of the run of equal bits that begins `offset` below the highest number. */
static uint64_t run_at(const struct window *window, uint64_t offset, bool seen)
{
    uint64_t end = offset;
    while (end < width_of(window) && bit_of(window, window->highest - end) == seen)
        end++;
    return end - offset;
}

void window_encode(const struct window *window, struct hf_buf *out)
{
    hf_buf_u8(out, WINDOW_VERSION);
    hf_buf_varint(out, window->highest);
    hf_buf_svarint(out, window->last_ms);
    for (uint64_t offset = 0; offset < width_of(window);) {
        uint64_t seen = run_at(window, offset, true);
        uint64_t missing = run_at(window, offset + seen, false);
        if (missing > 0) {
            hf_buf_varint(out, seen);
            hf_buf_varint(out, missing);
        }
        offset += seen + missing;
    }
}

enum hf_err window_decode(const void *bytes, size_t len, struct window *out)
{
    struct hf_cur cur = hf_cur_of(bytes, len);
    struct window window = {0};
    if (hf_cur_u8(&cur) != WINDOW_VERSION)
        return HF_INVALID;
    window.highest = hf_cur_varint(&cur);
    window.last_ms = hf_cur_svarint(&cur);
    if (!hf_cur_ok(&cur) || window.highest == 0)
        return HF_INVALID;

    uint64_t width = width_of(&window), offset = 0;
    memset(window.seen, 0xFF, sizeof window.seen);
    while (hf_cur_left(&cur) > 0) {
        uint64_t seen = hf_cur_varint(&cur), missing = hf_cur_varint(&cur);
        if (!hf_cur_ok(&cur) || seen == 0 || missing == 0 || seen > width - offset ||
            missing > width - offset - seen)
            return HF_INVALID;
        offset += seen;
        for (uint64_t end = offset + missing; offset < end; offset++)
            set_bit(&window, window.highest - offset, false);
    }
    *out = window;
    return HF_OK;
}
