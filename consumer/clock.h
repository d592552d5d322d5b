/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer's clocks, and how long it waits between tries.
 */
#ifndef HF_CONSUMER_CLOCK_H
#define HF_CONSUMER_CLOCK_H

#include <stdint.h>

int64_t monotonic_ms(void); /* for intervals: never set back */
int64_t real_ms(void);      /* since the Unix epoch */

/* Waits between tries of what fails, doubled from the first to the last. All zero: nothing has failed. */
struct back_off {
    int64_t wait_ms;
    int64_t next_ms; /* of the monotonic clock: not before */
};

void back_off_reset(struct back_off *back_off);
void back_off_fail(struct back_off *back_off, int64_t now_ms, int64_t first_ms, int64_t last_ms);

#endif
