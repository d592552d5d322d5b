/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, and waiting until it. */
#ifndef HF_FCGI_CLOCK_H
#define HF_FCGI_CLOCK_H

#include <pthread.h>
#include <time.h>

static inline long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Make a condition for wait_until(). */
static inline void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static inline int wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, long long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    return pthread_cond_timedwait(cond, lock, &t);
}

#endif
