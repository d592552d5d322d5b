/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the store share among themselves.
 */
#ifndef HF_STORE_INSIDE_H
#define HF_STORE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/env.h"
#include "store/share.h"
#include "store/store.h"

#define STORE_FORMAT 2u      /* 1 differs in that the status ends after minutes_from; the writer turns it into 2 */
#define STORE_FORMAT_OLDEST 1u
#define STORE_KEY_MAX 255u /* bytes of a key */
#define STORE_CELL_KEY_MAX (4u + STORE_KEY_MAX)

/* One thread's stay inside Berkeley DB. `since_ms` is 0 while it is outside. */
struct watch {
    struct watch *next, *previous;
    _Atomic int64_t since_ms;
    bool waits; /* for commits: that may take longer than a mutex does */
};

/* The thread that looks after a store; see guard.c. */
struct guard {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct watch *watches;
    bool idle, stop;
    bool checks;   /* it looks for dead processes */
    bool watching; /* it runs */
    pthread_t watchdog;
};

struct store {
    char *path; /* absolute */
    enum store_role role;
    uint32_t cache_mb;
    store_lost_fn on_lost;
    void *context;
    struct share *share;
    struct guard guard;

    pthread_mutex_t mutex; /* for the rest */
    struct env *env;       /* of `generation`; NULL before the first */
    uint64_t generation;
    unsigned abandoned;
    _Atomic int64_t looked_ms; /* when this process last looked for dead readers */

    /* the writer's, used by its one thread */
    unsigned char ids_place[STORE_ID_BYTES]; /* where the expiry of ids stopped */
    uint64_t producers_place;                /* and that of producers */
};

struct store_read {
    struct store *store;
    struct env *env;
    DB_TXN *txn; /* NULL: each operation for itself */
    bool panicked; /* the environment has to be recovered */
    const char *damaged; /* the table where damage was found; NULL: none was */
    struct watch watch;
};

struct store_write {
    struct store *store;
    struct env *env;
    DB_TXN *txn;
    DBC *cursor; /* where the last record was put; NULL: none was */
    enum env_table cursor_table;
    bool has_status;
    struct share_mark mark; /* of the status in it */
    int code; /* the first that is no miss */
    struct watch watch;
};

/* ---- join.c: coming to an environment that may be used ---- */

/* Make the regions anew, under writer.lock; leave the environment in `phase`. */
HF_MUST_CHECK enum hf_err join_recover(struct store *store, enum env_mode mode, int64_t wait_ms, enum share_phase phase,
                                       struct hf_why *why);
/* Come in: until join_leave() nobody recovers, and store->env is the current one. The errors of store_read_begin(). */
HF_MUST_CHECK enum hf_err join_enter(struct store *store, struct watch *watch, struct hf_why *why);
/* The same where that waits for nothing, opens nothing and recovers nothing; HF_BUSY where it would. */
HF_MUST_CHECK enum hf_err join_enter_at_once(struct store *store);
void join_leave(struct store *store);
/* Say that somebody died in the environment of this generation. Heeded while no writer lives. */
void join_declare_damaged(struct store *store, uint64_t generation);

/* ---- guard.c: processes that die or hang inside Berkeley DB ---- */

HF_MUST_CHECK enum hf_err guard_start(struct store *store, struct hf_why *why);
/* From now on look for dead processes too: the writer's part, once it has recovered. */
void guard_check_for_dead(struct store *store);
void guard_stop(struct store *store);

void guard_add(struct store *store, struct watch *watch);
void guard_remove(struct store *store, struct watch *watch);
static inline void watch_in(struct watch *watch) { atomic_store_explicit(&watch->since_ms, share_clock_ms(), memory_order_relaxed); }
static inline void watch_out(struct watch *watch) { atomic_store_explicit(&watch->since_ms, 0, memory_order_relaxed); }

/* ---- meta.c ---- */

/* Write the format into a new store, or check it: HF_INVALID. */
HF_MUST_CHECK enum hf_err meta_make_format(struct env *env, struct hf_why *why);
HF_MUST_CHECK enum hf_err meta_check_format(struct env *env, struct hf_why *why);
/* As it is in this environment; all zero in a new store. HF_CORRUPT, HF_IO, … */
HF_MUST_CHECK enum hf_err meta_read_status(struct env *env, struct store_status *out, struct hf_why *why);
void meta_encode_status(const struct store_status *status, struct hf_buf *out);
HF_MUST_CHECK enum hf_err meta_decode_status(const void *bytes, size_t len, struct store_status *out);
extern const char meta_status_key[]; /* in the table meta */

/* ---- keys ---- */

/* slot, big-endian, then the key: a slot's cells lie together, so that a commit of the current hour touches few pages and
 * expiry deletes from one end. Returns the length. */
static inline uint32_t cell_key(unsigned char out[STORE_CELL_KEY_MAX], const char *key, size_t key_bytes, uint32_t slot)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (unsigned char)(slot >> (24 - 8 * i));
    for (size_t i = 0; i < key_bytes; i++)
        out[4 + i] = (unsigned char)key[i];
    return (uint32_t)(4 + key_bytes);
}
static inline uint32_t cell_key_slot(const unsigned char *key)
{
    return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}
static inline enum env_table cell_table(enum store_table table) { return table == STORE_HOURS ? ENV_HOURS : ENV_MINUTES; }

static inline DBT dbt_of(const void *bytes, size_t len)
{
    DBT dbt = {0};
    dbt.data = (void *)(uintptr_t)bytes; /* Berkeley DB does not write to what it is given to look up or to put */
    dbt.size = (u_int32_t)len;
    return dbt;
}

#endif
