/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer's state, shared by its files:
 *   consumer.c  start, signals, the loop, the end
 *   feed.c      the stream's side: attach to it, take messages, keep it from filling up
 *   upkeep.c    the store's side: commit, sync, checkpoint, expire
 * All run on the main thread.
 *
 * Functions that return an enum hf_err return HF_OK when the loop may go on, and
 * else what ends the process after it was logged.
 */
#ifndef HF_CONSUMER_DAEMON_H
#define HF_CONSUMER_DAEMON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "bus/bus.h"
#include "bus/spool.h"
#include "clock.h"
#include "fold/cover.h"
#include "fold/fold.h"
#include "store/store.h"

#define MEMORY_MOST_BYTES ((size_t)512 << 20)  /* of the fold: past it, commit early; and take no more when that fails */
#define RECORDS_MOST (STORE_WRITES_MOST / 4)   /* of one commit, likewise; what one message adds past it has to fit too */
/* Of clean cells between commits: what is in use again and again, an hour and a minute of each key, is to fit, or each sample has
 * to read them anew. With few keys it is less: the cache forgets what is not in use. */
#define MEMORY_CACHE_BYTES ((size_t)384 << 20)

struct consumer {
    const struct hf_conf *conf; /* as it was at the start */
    int64_t commit_interval_ms;
    struct store *store;
    struct fold *fold;
    struct bus *bus;

    /* The stream's side. */
    atomic_bool reconnected; /* set on a NATS thread */
    bool attached;           /* messages are being delivered */
    bool ready;              /* and were so at least once */
    struct bus_stream stream; /* as last heard */
    uint64_t storage_bytes;   /* what the server lets us keep in it; 0: as much as we like */
    struct store_view view;   /* of the bus, for others to see */
    int64_t stuck_ms;         /* when it was last found stuck */
    struct back_off attach;
    int64_t away_ms;         /* since when attaching fails; 0: it does not */
    int64_t looked_ms;       /* when it last looked at the stream, 0: look at once; all such times are of the monotonic clock */
    uint64_t looked_position; /* and where it was then */
    struct {
        uint64_t position;   /* once this is reached, */
        int64_t as_of_ms;    /* all that was acknowledged before this is in; 0: nothing is waited for */
    } aim;
    char boot_id[SPOOL_BOOT_BYTES]; /* collect.durability = power; otherwise "" */
    struct cover cover;      /* of the spool */
    bool spool_told;         /* the log knows that it cannot be read */

    /* The store's side. */
    int64_t commit_ms;
    bool commit_failed; /* the last one did, and everything is kept */
    struct back_off commit;
    int64_t sync_ms;
    uint64_t synced_position;
    int64_t checkpoint_ms;
    bool checkpoint_due; /* something was committed since the last */
    int64_t expire_ms;

    struct hf_log_limit bus_log;
    struct hf_log_limit commit_log;
    struct hf_log_limit expire_log;
};

/* ---- feed.c ---- */

/* For struct bus_options. */
void feed_on_state(void *context, bool connected);

/* Attach if that is to be done, then take messages until `until_ms` or until something else is due. Returns at the
 * latest then. */
enum hf_err feed(struct consumer *consumer, int64_t until_ms);

/* Once a second, or every other where nothing comes, look at the spool and ask how the stream is: does all we know still hold, have
 * we read it all, is it nearly full? And put down what is found. */
void feed_look(struct consumer *consumer, int64_t now_ms);

/* ---- upkeep.c ---- */

/* Whether the fold holds as much as it may: in memory, or for one commit. */
bool fold_full(const struct consumer *consumer);

/* Plan what comes at intervals: opening the store has just made a checkpoint, and there is time to expire. */
void upkeep_begin(struct consumer *consumer, int64_t now_ms);

/* Do what is due at `now_ms`. */
enum hf_err upkeep(struct consumer *consumer, int64_t now_ms);

/* When something is due next. */
int64_t upkeep_next(const struct consumer *consumer);

/* Commit, sync: at the end. True when all is on the disk. */
bool upkeep_finish(struct consumer *consumer);

#endif
