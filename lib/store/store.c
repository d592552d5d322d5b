/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing, and what the writer does beside transactions.
 */
#define _XOPEN_SOURCE 700 /* realpath() */
#include "store/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/region.h"

#define OWN_WAIT_MS 5000     /* a reader that recovers gives writer.lock back within that */
#define EXCLUDE_WAIT_MS 10000
#define POLL_MS 5

/* ---- open ---- */

static enum hf_err new_store(const struct store_options *options, struct store **out, struct hf_why *why)
{
    if (options->role == STORE_WRITER && mkdir(options->path, 0770) != 0 && errno != EEXIST)
        return hf_fail(why, HF_IO, "%s: %s", options->path, strerror(errno));
    char *path = realpath(options->path, NULL);
    if (path == NULL && errno == ENOENT)
        return hf_fail(why, HF_NOTFOUND, "no store in %s yet: hourfold-consumer makes it at its first start", options->path);
    if (path == NULL)
        return hf_fail(why, HF_IO, "%s: %s", options->path, strerror(errno));
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        free(path);
        return hf_fail(why, HF_NOMEM, "out of memory");
    }
    store->path = path;
    store->role = options->role;
    store->cache_mb = options->cache_mb;
    store->on_lost = options->on_lost;
    store->context = options->context;
    pthread_mutex_init(&store->mutex, NULL);
    *out = store;
    return HF_OK;
}

static void free_store(struct store *store)
{
    share_close(&store->share);
    pthread_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
}

/* Become the owner. A reader may hold writer.lock for as long as it recovers; another writer holds it for good. */
static enum hf_err own(struct store *store, struct hf_why *why)
{
    int64_t begin = share_clock_ms();
    for (;;) {
        pid_t owner = 0;
        enum hf_err err = share_own(store->share, &owner);
        if (err == HF_IO)
            return hf_fail(why, HF_IO, "cannot lock %s/writer.lock: %s", store->path, strerror(errno));
        if (err == HF_OK)
            return HF_OK;
        if (owner != 0 && owner == share_writer(store->share))
            return hf_fail(why, HF_BUSY, "process %ld already writes the store %s", (long)owner, store->path);
        if (share_clock_ms() - begin > OWN_WAIT_MS)
            return hf_fail(why, HF_BUSY, "process %ld is recovering the store %s; try again", (long)owner, store->path);
        struct timespec t = {0, POLL_MS * 1000000L};
        nanosleep(&t, NULL);
    }
}

static enum hf_err open_writer(struct store *store, struct hf_why *why)
{
    enum hf_err err = own(store, why);
    if (err != HF_OK)
        return err;
    share_set_writer(store->share);
    err = join_recover(store, ENV_MAKE, EXCLUDE_WAIT_MS, SHARE_RUNNING, why);
    if (err == HF_OK)
        err = meta_make_format(store->env, why);
    if (err == HF_OK) {
        guard_check_for_dead(store);
    } else {
        share_set_trouble(store->share, SHARE_RECOVERY, err);
        share_set_phase(store->share, SHARE_DAMAGED);
        env_abandon(&store->env);
        share_disown(store->share);
    }
    return err;
}

/* Join now what can be joined, to tell at once what is wrong. A recovery under way is not. */
static enum hf_err open_reader(struct store *store, struct hf_why *why)
{
    struct store_read *read;
    enum hf_err err = store_read_begin(store, &read, why);
    if (err == HF_OK)
        store_read_end(&read);
    return err == HF_TIMEOUT || err == HF_AGAIN ? HF_OK : err;
}

enum hf_err store_open(const struct store_options *options, struct store **out, struct hf_why *why)
{
    struct store *store = NULL;
    enum hf_err err = new_store(options, &store, why);
    if (err != HF_OK)
        return err;
    err = share_open(store->path, store->role == STORE_WRITER, &store->share, why);
    if (err != HF_OK) {
        free_store(store);
        return err;
    }
    err = guard_start(store, why);
    if (err == HF_OK)
        err = store->role == STORE_WRITER ? open_writer(store, why) : open_reader(store, why);
    if (err != HF_OK) {
        guard_stop(store);
        env_abandon(&store->env);
        free_store(store);
        return err;
    }
    *out = store;
    return HF_OK;
}

/* ---- close ---- */

static void close_writer(struct store *store)
{
    bool sound = store_checkpoint(store, NULL) == HF_OK;
    if (sound)
        env_close(&store->env);
    else
        env_abandon(&store->env);
    share_set_phase(store->share, sound ? SHARE_CLOSED : SHARE_DAMAGED);
    share_disown(store->share);
}

static void close_reader(struct store *store)
{
    struct watch watch = {0};
    guard_add(store, &watch);
    /* Closing goes through the regions' mutexes: only inside, and only in the environment that is there now. */
    if (share_enter(store->share) == HF_OK) {
        watch_in(&watch);
        if (share_phase(store->share) != SHARE_RECOVERING && store->generation == share_generation(store->share))
            env_close(&store->env);
        watch_out(&watch);
        share_leave(store->share);
    }
    env_abandon(&store->env);
    guard_remove(store, &watch);
}

void store_close(struct store **store)
{
    struct store *gone = *store;
    *store = NULL;
    if (gone == NULL)
        return;
    if (gone->role == STORE_READER)
        close_reader(gone);
    guard_stop(gone);
    if (gone->role == STORE_WRITER)
        close_writer(gone);
    free_store(gone);
}

/* ---- durability ---- */

enum hf_err store_sync(struct store *store, struct hf_why *why)
{
    struct watch watch = {0};
    guard_add(store, &watch);
    env_forget();
    watch_in(&watch);
    int code = store->env->handle->log_flush(store->env->handle, NULL);
    watch_out(&watch);
    guard_remove(store, &watch);
    share_set_trouble(store->share, SHARE_SYNC, env_error(code));
    if (code == 0)
        share_note_sync(store->share);
    if (code == 0 && !store->env->reserved) /* for want of room */
        store->env->reserved = region_take_reserve(store->path);
    return code == 0 ? HF_OK : env_fail(why, code, "flushing the log of the store");
}

enum hf_err store_checkpoint(struct store *store, struct hf_why *why)
{
    DB_ENV *handle = store->env->handle;
    env_forget();
    int code = handle->txn_checkpoint(handle, 0, 0, 0);
    if (code == 0)
        code = handle->log_archive(handle, NULL, DB_ARCH_REMOVE);
    share_set_trouble(store->share, SHARE_CHECKPOINT, env_error(code));
    return code == 0 ? HF_OK : env_fail(why, code, "writing a checkpoint of the store");
}

/* ---- trouble ---- */

enum store_trouble store_trouble(const struct store *store, int64_t *for_ms)
{
    int64_t since_ms = 0;
    bool attended = share_writer(store->share) != 0;
    enum hf_err err = share_of_this_boot(store->share) ? share_trouble(store->share, &since_ms) : HF_OK;
    if (for_ms != NULL)
        *for_ms = err == HF_OK ? 0 : share_clock_ms() - since_ms;
    switch (err) {
    case HF_OK: break;
    case HF_FULL: return STORE_FULL;
    case HF_CORRUPT: return STORE_DAMAGED;
    default: return STORE_FAILING;
    }
    if (!attended)
        return STORE_UNATTENDED;
    return share_phase(store->share) == SHARE_RUNNING ? STORE_SOUND : STORE_RECOVERING;
}

const char *store_trouble_text(enum store_trouble trouble)
{
    switch (trouble) {
    case STORE_SOUND: return "none";
    case STORE_UNATTENDED: return "no consumer runs";
    case STORE_RECOVERING: return "being recovered";
    case STORE_FULL: return "disk full";
    case STORE_DAMAGED: return "damaged";
    case STORE_FAILING: break;
    }
    return "cannot be written";
}
