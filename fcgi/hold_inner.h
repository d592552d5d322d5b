/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of hold share: hold.c takes requests and watches the bus, sender.c decides what becomes of batches. */
#ifndef HF_FCGI_HOLD_INNER_H
#define HF_FCGI_HOLD_INNER_H

#include <pthread.h>

#include "base/buf.h"
#include "base/log.h"
#include "batch/batch.h"
#include "bus/bus.h"
#include "bus/spool.h"
#include "clock.h"
#include "drain.h"
#include "hold.h"
#include "ticket.h"

#define HOLD_BATCHES 8       /* open, on their way, or full and waiting */
#define HOLD_OUT_MAX 1       /* published at once */

enum batch_state { FREE, OPEN, WAITING, OUT };

struct held_batch {
    struct ticket ticket;       /* the first */
    struct hold *hold;
    enum batch_state state;
    struct batch_writer *writer;
    struct hf_buf message;      /* sealed under `number`; empty before */
    uint64_t number;
    struct request **requests;
    unsigned count;
    long long since_ms;         /* when the oldest request came */
    long long not_before_ms;    /* when it may be published (again) */
    long long published_ms;
    bool aside;                 /* it is in the spool */
    bool sent;                  /* the bus or the spool was to have it: it is counted so */
    bool uncertain;             /* and may have it, whatever it says */
    bool no_room;               /* the spool did not take it while it is OUT */
    bool has_result;            /* OUT: what became of it is in `result` */
    enum hf_err result;
};

/* A batch that the bus did not take, for the steward to find out whether it does now. */
struct trial {
    struct hf_buf message;
    uint64_t producer;
    uint64_t number;
    bool wanted;
};

struct hold {
    struct hold_options options;
    struct bus *bus;
    struct spool *spool; /* NULL: there is none, and so no `drain` */
    struct drain *drain;
    char boot_id[SPOOL_BOOT_BYTES]; /* collect.durability = power; otherwise "" */
    pthread_t sender;
    pthread_t steward;

    /* Of the sender alone: */
    uint64_t producer;
    struct spool_file *file; /* of `producer`, or NULL: nothing of it is in the spool */
    long long file_since_ms;
    bool told;               /* the log knows that batches go to the spool */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake_sender;
    pthread_cond_t wake_steward;
    pthread_cond_t changed;     /* room, or ready */
    struct held_batch batches[HOLD_BATCHES];
    struct held_batch *queue[HOLD_BATCHES]; /* WAITING, the oldest first */
    unsigned queued;
    struct held_batch *open;    /* NULL: the next request opens one */
    unsigned out;
    unsigned held;              /* requests */
    unsigned held_max;
    uint64_t last_number;
    bool connected;
    bool ready;                 /* and the stream is as it has to be */
    bool stalled;               /* but the last publish had no answer in time */
    bool spooling;              /* batches go to the spool, none is published */
    long long gather_until_ms;  /* see hold_gathers() */
    unsigned crowd;             /* requests that are expected to come for one batch; 0 at first */
    unsigned full_crowds;       /* batches in a row that got as many */
    unsigned connection;        /* counts them */
    struct trial trial;
    bool ending;
    long long end_ms;
    struct hf_log_limit log_limit;
};

void hold_log_limited(struct hold *hold, enum hf_level level, const char *event, enum hf_err err, const char *why);

/* ---- under the lock ---- */

bool hold_has_work(const struct hold *hold);      /* requests without an answer */
void hold_close_open(struct hold *hold);          /* close the open batch: it waits to be published */
void hold_set_ready(struct hold *hold, bool ready);
/* Whether the open batch waits a little for more requests: where many clients send, others are on their way already. */
bool hold_gathers(const struct hold *hold, long long now);

/* ---- the sender ---- */

uint64_t hold_new_producer(void); /* a number that nobody had */
void hold_close_file(struct hold *hold); /* when the sender has ended */

void *hold_sender_main(void *hold);

#endif
