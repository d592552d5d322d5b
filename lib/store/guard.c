/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that looks after a store.
 *
 * The mutexes of Berkeley DB's regions are not robust: when a process is killed
 * while it holds one, whoever wants it next waits for ever, and nothing can
 * interrupt the wait. The writer's watchdog looks for such deaths from outside:
 * often while anybody is inside, else seldom, as it then holds nobody up. The net
 * below that is everybody's: a look for calls that do not return. Both end the
 * process: the next writer, or reader where there is none, recovers.
 */
#include "store/inside.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 200
#define TICKS_TO_IDLE 10
#define CHECK_MS 100
#define CHECK_IDLE_MS 500
#define DOOMED_MS 400
#define READER_STUCK_MS 3000
#define WRITER_STUCK_MS 30000 /* it flushes: a slow disk is not a dead mutex */

/* Wait on `wake` for at most `ms`, or without end when negative. With the mutex. */
static void wait_ms(struct guard *guard, int ms)
{
    if (ms < 0) {
        pthread_cond_wait(&guard->wake, &guard->mutex);
        return;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ms * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&guard->wake, &guard->mutex, &t);
}

static void lost(struct store *store, const char *text)
{
    if (store->on_lost != NULL)
        store->on_lost(store->context, text);
    _exit(STORE_LOST_EXIT);
}

/* How long a stay may last before there is no hope for it. A reader need not wait long when nobody lives who could have
 * the mutex: when the writer is dead, or another reader died inside while there is no writer. */
static int64_t patience_ms(struct store *store, const struct watch *watch)
{
    bool without_writer = share_writer(store->share) == 0;
    if (store->role == STORE_READER && without_writer &&
        (share_phase(store->share) == SHARE_RUNNING || share_somebody_died(store->share)))
        return DOOMED_MS;
    return store->role == STORE_WRITER || watch->waits ? WRITER_STUCK_MS : READER_STUCK_MS;
}

/* For how long a stay has lasted that lasts too long; 0 when none does. With the mutex. */
static int64_t overlong_stay(struct store *store)
{
    int64_t now = share_clock_ms();
    for (const struct watch *watch = store->guard.watches; watch != NULL; watch = watch->next) {
        int64_t since = atomic_load_explicit(&watch->since_ms, memory_order_relaxed);
        if (since != 0 && now - since > DOOMED_MS && now - since > patience_ms(store, watch))
            return now - since;
    }
    return 0;
}

static void end_stuck(struct store *store, int64_t stay_ms)
{
    char text[120];
    if (store->role == STORE_READER)
        join_declare_damaged(store, share_generation(store->share));
    snprintf(text, sizeof text, "a call into Berkeley DB has not returned for %lld ms; ending the process",
             (long long)stay_ms);
    lost(store, text);
}

/* Somebody died inside. Berkeley DB could look for that itself (DB_ENV->failchk) and repair some cases; but it looks twice, and
 * who dies in between leaves it to repair what is half changed. */
static void look_for_dead(struct store *store)
{
    if (share_somebody_died(store->share))
        lost(store, "a process died while it read the store; ending this one to recover");
}

/* How long to wait before the next look; negative: until somebody goes inside. With the mutex. */
static int pause_ms(struct store *store, int *quiet)
{
    struct guard *guard = &store->guard;
    if (guard->checks)
        return guard->watches != NULL || share_somebody_inside(store->share) ? CHECK_MS : CHECK_IDLE_MS;
    *quiet = guard->watches == NULL ? *quiet + 1 : 0;
    guard->idle = *quiet > TICKS_TO_IDLE;
    return guard->idle ? -1 : TICK_MS;
}

static void *watchdog(void *argument)
{
    struct store *store = argument;
    struct guard *guard = &store->guard;
    int quiet = 0;
    pthread_mutex_lock(&guard->mutex);
    while (!guard->stop) {
        wait_ms(guard, pause_ms(store, &quiet));
        bool checks = guard->checks;
        int64_t stay_ms = overlong_stay(store);
        pthread_mutex_unlock(&guard->mutex);
        if (stay_ms > 0)
            end_stuck(store, stay_ms);
        if (checks)
            look_for_dead(store);
        pthread_mutex_lock(&guard->mutex);
    }
    pthread_mutex_unlock(&guard->mutex);
    return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(pthread_t *thread, void *(*function)(void *), struct store *store)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(thread, NULL, function, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

enum hf_err guard_start(struct store *store, struct hf_why *why)
{
    struct guard *guard = &store->guard;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&guard->mutex, NULL);
    pthread_cond_init(&guard->wake, &attr);
    pthread_condattr_destroy(&attr);
    int code = start_thread(&guard->watchdog, watchdog, store);
    guard->watching = code == 0;
    return code == 0 ? HF_OK : hf_fail(why, HF_IO, "cannot start a thread: %s", strerror(code));
}

void guard_check_for_dead(struct store *store)
{
    struct guard *guard = &store->guard;
    pthread_mutex_lock(&guard->mutex);
    guard->checks = true;
    guard->idle = false;
    pthread_cond_broadcast(&guard->wake);
    pthread_mutex_unlock(&guard->mutex);
}

void guard_stop(struct store *store)
{
    struct guard *guard = &store->guard;
    pthread_mutex_lock(&guard->mutex);
    guard->stop = true;
    pthread_cond_broadcast(&guard->wake);
    pthread_mutex_unlock(&guard->mutex);
    if (guard->watching)
        pthread_join(guard->watchdog, NULL);
    pthread_cond_destroy(&guard->wake);
    pthread_mutex_destroy(&guard->mutex);
}

void guard_add(struct store *store, struct watch *watch)
{
    struct guard *guard = &store->guard;
    pthread_mutex_lock(&guard->mutex);
    watch->previous = NULL;
    watch->next = guard->watches;
    if (watch->next != NULL)
        watch->next->previous = watch;
    guard->watches = watch;
    if (guard->idle) {
        guard->idle = false;
        pthread_cond_broadcast(&guard->wake);
    }
    pthread_mutex_unlock(&guard->mutex);
}

void guard_remove(struct store *store, struct watch *watch)
{
    struct guard *guard = &store->guard;
    pthread_mutex_lock(&guard->mutex);
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        guard->watches = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    pthread_mutex_unlock(&guard->mutex);
}
