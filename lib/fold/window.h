/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of one producer: which of its batch numbers were folded.
 *
 * Kept are the highest number and one bit for each of the FOLD_WINDOW numbers up
 * to it. A number below them counts as seen: publishes overlap and are retried,
 * but never by that many.
 */
#ifndef HF_FOLD_WINDOW_H
#define HF_FOLD_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define FOLD_WINDOW 4096u

/* All zero is a producer of whom nothing was seen. */
struct window {
    uint64_t highest;                 /* 0: none yet */
    int64_t last_ms;                  /* when its last batch was stored, in the stream's time */
    uint64_t seen[FOLD_WINDOW / 64];  /* bit (number mod FOLD_WINDOW); only numbers in the window have a meaning */
};

/* Was this number folded, or is it too old to tell? Numbers begin at 1; 0 counts as seen. */
bool window_seen(const struct window *window, uint64_t number);

/* Note a number that window_seen() said no to. */
void window_mark(struct window *window, uint64_t number, int64_t stored_ms);

/* Append the encoding, version 1 (byte table in window.c). */
void window_encode(const struct window *window, struct hf_buf *out);

/* HF_INVALID for anything that window_encode() would not have written. */
HF_MUST_CHECK enum hf_err window_decode(const void *bytes, size_t len, struct window *out);

#endif
