/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <time.h>

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t monotonic_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

int64_t real_ms(void) { return clock_ms(CLOCK_REALTIME); }

void back_off_reset(struct back_off *back_off) { *back_off = (struct back_off){0}; }

void back_off_fail(struct back_off *back_off, int64_t now_ms, int64_t first_ms, int64_t last_ms)
{
    int64_t wait_ms = back_off->wait_ms == 0 ? first_ms : 2 * back_off->wait_ms;
    back_off->wait_ms = wait_ms < last_ms ? wait_ms : last_ms;
    back_off->next_ms = now_ms + back_off->wait_ms;
}
