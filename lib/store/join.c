/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery, and how readers live through it.
 *
 * A process killed inside Berkeley DB may leave a mutex locked for ever, so the
 * regions are thrown away and made anew from log and tables whenever a writer
 * opens, and whenever a reader finds that somebody died and no writer lives.
 * That may only happen while nobody is inside: hence access.lock, which a
 * reader holds during a read and not between two of them.
 *
 * Each recovery begins a generation. A reader that comes in and finds a new one
 * lets go of the environment it knew and opens the one that is there now.
 */
#include "store/inside.h"

#include <time.h>

#define WAIT_MS 2000     /* how long a read waits for a recovery */
#define POLL_MS 3
#define LOOK_MS 100      /* how often a process looks for dead readers while there is no writer */
#define ABANDON_MOST 8u  /* each leaves some memory behind; then the process had better begin anew */

static void nap(void)
{
    struct timespec t = {0, POLL_MS * 1000000L};
    nanosleep(&t, NULL);
}

/* Every commit that was done has to be there, and nothing that was not. */
static enum hf_err check_recovered(struct store *store, enum env_mode mode, struct hf_why *why)
{
    struct share_mark least = share_least(store->share);
    struct store_status status;
    enum hf_err err = meta_check_format(store->env, why);
    if (err == HF_NOTFOUND && mode == ENV_MAKE)
        return HF_OK; /* it is being made */
    if (err == HF_OK)
        err = meta_read_status(store->env, &status, why);
    if (err != HF_OK)
        return err;
    err = env_check_log(store->env, atomic_load(share_written(store->share)), why);
    if (err == HF_OK && (status.accepted < least.accepted || status.expired < least.expired || status.as_of_ms < least.as_of_ms))
        err = HF_CORRUPT;
    if (err != HF_CORRUPT)
        return err;
    return hf_fail(why, HF_CORRUPT,
                   "%.100s/log: commits that were done are gone; " STORE_DAMAGE_ADVICE
                   "; where older files were put back by hand, remove %.100s/state",
                   store->path, store->path);
}

enum hf_err join_recover(struct store *store, enum env_mode mode, int64_t wait_ms, enum share_phase phase,
                         struct hf_why *why)
{
    share_set_phase(store->share, SHARE_RECOVERING);
    enum hf_err err = share_exclude(store->share, wait_ms, why);
    if (err != HF_OK)
        return err;
    share_new_generation(store->share);
    for (enum share_work work = 0; work < SHARE_WORKS; work++)
        share_set_trouble(store->share, work, HF_OK);
    pthread_mutex_lock(&store->mutex);
    if (store->env != NULL) {
        env_abandon(&store->env);
        store->abandoned++;
    }
    err = env_open(store->path, store->cache_mb, mode, &store->env, why);
    if (err == HF_OK && (err = check_recovered(store, mode, why)) != HF_OK)
        env_close(&store->env);
    if (err == HF_OK) {
        env_note_pages(store->env, share_written(store->share));
        store->generation = share_generation(store->share);
        share_set_phase(store->share, phase);
    } else
        share_set_trouble(store->share, SHARE_RECOVERY, err);
    pthread_mutex_unlock(&store->mutex);
    share_admit(store->share);
    return err;
}

static bool usable(struct store *store)
{
    enum share_phase phase = share_phase(store->share);
    return share_of_this_boot(store->share) &&
           (phase == SHARE_CLOSED || (phase == SHARE_RUNNING && share_writer(store->share) != 0));
}

/* Whether the regions were left to themselves since they were closed. Pages in them have no checksums: what lay in a file,
 * and not in the memory of some process, is not trusted. */
static bool at_rest(struct store *store)
{
    if (share_phase(store->share) != SHARE_CLOSED)
        return false;
    pthread_mutex_lock(&store->mutex);
    bool joined = store->env != NULL;
    pthread_mutex_unlock(&store->mutex);
    return !joined && share_alone(store->share);
}

/* Whether somebody began to recover, or means to. */
static bool closing_in(struct store *store)
{
    enum share_phase phase = share_phase(store->share);
    return phase != SHARE_CLOSED && phase != SHARE_RUNNING;
}

/* Recover in place of a writer that is not there. HF_BUSY: somebody else is at it. */
static enum hf_err take_over(struct store *store, struct hf_why *why)
{
    pid_t owner;
    enum hf_err err = share_own(store->share, &owner);
    if (err != HF_OK)
        return err;
    if (share_phase(store->share) == SHARE_NEW)
        err = hf_fail(why, HF_NOTFOUND, "no store in %s yet: hourfold-consumer is making it", store->path);
    else if (!usable(store) || at_rest(store))
        err = join_recover(store, ENV_RECOVER, WAIT_MS, SHARE_CLOSED, why);
    share_disown(store->share);
    return err;
}

void join_declare_damaged(struct store *store, uint64_t generation)
{
    pid_t owner;
    if (share_own(store->share, &owner) != HF_OK)
        return;
    if (share_phase(store->share) == SHARE_CLOSED && share_generation(store->share) == generation)
        share_set_phase(store->share, SHARE_DAMAGED);
    share_disown(store->share);
}

/* Open the environment of this generation in place of the one before. Called inside, with the mutex. */
static enum hf_err renew(struct store *store, struct hf_why *why)
{
    uint64_t generation = share_generation(store->share);
    if (store->env != NULL && store->generation != generation) {
        env_abandon(&store->env);
        store->abandoned++;
    }
    if (store->abandoned > ABANDON_MOST)
        return hf_fail(why, HF_STALE, "the store was recovered %u times: begin this process anew", store->abandoned);
    if (store->env != NULL)
        return HF_OK;
    enum hf_err err = env_open(store->path, store->cache_mb, ENV_JOIN, &store->env, why);
    if (err != HF_OK)
        return err;
    if ((err = meta_check_format(store->env, why)) != HF_OK)
        env_close(&store->env);
    else {
        env_note_pages(store->env, share_written(store->share));
        store->generation = generation;
    }
    return err;
}

/* A writer finds out by itself who died inside. Where there is none, readers look, from outside. */
static void look_for_dead(struct store *store)
{
    if (share_phase(store->share) != SHARE_CLOSED)
        return;
    uint64_t generation = share_generation(store->share);
    int64_t now = share_clock_ms();
    int64_t before = atomic_load(&store->looked_ms);
    if (now - before >= LOOK_MS && atomic_compare_exchange_strong(&store->looked_ms, &before, now) &&
        share_somebody_died(store->share))
        join_declare_damaged(store, generation);
}

/* HF_BUSY: not now, but soon. */
static enum hf_err try_enter(struct store *store, struct watch *watch, struct hf_why *why)
{
    look_for_dead(store);
    enum hf_err err = usable(store) && !at_rest(store) ? HF_OK : take_over(store, why);
    if (err == HF_OK)
        err = share_enter(store->share);
    if (err != HF_OK)
        return err;
    if (closing_in(store)) {
        share_leave(store->share);
        return HF_BUSY;
    }
    watch_in(watch);
    pthread_mutex_lock(&store->mutex);
    err = renew(store, why);
    bool lost = store->abandoned > ABANDON_MOST;
    pthread_mutex_unlock(&store->mutex);
    watch_out(watch);
    uint64_t generation = share_generation(store->share);
    if (err != HF_OK)
        share_leave(store->share);
    if ((err == HF_STALE || err == HF_NOTFOUND) && !lost) {
        join_declare_damaged(store, generation);
        err = HF_BUSY;
    }
    return err;
}

enum hf_err join_enter(struct store *store, struct watch *watch, struct hf_why *why)
{
    if (store->role == STORE_WRITER)
        return HF_OK; /* while it lives nobody else recovers */
    int64_t begin = share_clock_ms();
    for (;;) {
        enum hf_err err = try_enter(store, watch, why);
        if (err == HF_BUSY && share_phase(store->share) == SHARE_NEW)
            return hf_fail(why, HF_NOTFOUND, "no store in %s yet: hourfold-consumer is making it", store->path);
        if (err != HF_BUSY)
            return err;
        if (share_clock_ms() - begin > WAIT_MS)
            return hf_fail(why, HF_TIMEOUT, "the store %s is being recovered; try again", store->path);
        nap();
    }
}

/* Whether the environment of this generation is open. Who opens it has the mutex for as long as that takes. */
static bool is_current(struct store *store)
{
    if (pthread_mutex_trylock(&store->mutex) != 0)
        return false;
    bool current = store->env != NULL && store->generation == share_generation(store->share);
    pthread_mutex_unlock(&store->mutex);
    return current;
}

enum hf_err join_enter_at_once(struct store *store)
{
    if (store->role == STORE_WRITER)
        return HF_OK;
    look_for_dead(store);
    if (!usable(store) || share_enter(store->share) != HF_OK)
        return HF_BUSY;
    if (!closing_in(store) && is_current(store))
        return HF_OK;
    share_leave(store->share);
    return HF_BUSY;
}

void join_leave(struct store *store)
{
    if (store->role != STORE_WRITER)
        share_leave(store->share);
}
