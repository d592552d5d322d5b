/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of bus share.
 *
 * A link is one connection, from its making to its loss; it is never mended. The
 * keeper, a thread of the bus, makes a link, watches over it and, when it is lost,
 * makes the next. (The library's own reconnecting gives up for ever after two
 * refused logins, keeps publishes in a buffer that nobody sees, and leaves those
 * in flight without a result.)
 */
#ifndef HF_BUS_INTERNAL_H
#define HF_BUS_INTERNAL_H

#include <nats/nats.h>
#include <pthread.h>

#include "bus/bus.h"

#define BUS_OUT_MAX 256u           /* publishes without a result */
#define BUS_CONNECT_MS 2000        /* for one server to answer */
#define BUS_REQUEST_MS 5000        /* for JetStream to answer a request */
#define BUS_INFO_MS 2500           /* the same, for how the stream is: who asks has more to do than to wait */
#define BUS_BACKOFF_MIN_MS 50
#define BUS_BACKOFF_MAX_MS 2000
#define BUS_HEARTBEAT_MS 2000      /* of a delivery that has nothing to deliver */

struct link {
    struct bus *bus;
    natsConnection *nc;
    jsCtx *js;
    natsSubscription *acks;
    char inbox[64]; /* acknowledgements come to <inbox>.<slot>.<turn> */
    /* Under the lock of the bus: */
    unsigned users;  /* the last one frees it */
    bool closed;     /* the connection is, and its last callback has run */
    bool acks_ended; /* no acknowledgement will come any more */
};

/* One publish without a result. */
struct slot {
    uint32_t turn; /* how often the slot was used: the answer to an earlier use is not taken for this one's */
    bool taken;
    void *ticket;
    long long deadline_ms;
};

struct delivery {
    struct link *link; /* NULL: not begun, or broken off */
    natsSubscription *sub;
    uint64_t received;   /* the consumer's own count of messages, without gaps */
    long long heard_ms;  /* when anything came */
};

struct bus {
    struct bus_options options; /* with strings of its own */
    natsOptions *nats;
    pthread_t keeper;
    struct delivery delivery;   /* of the thread that calls bus_next() */

    pthread_mutex_t lock;       /* of all below; never held over a call of the library that does I/O */
    pthread_cond_t changed;
    pthread_cond_t wake_keeper;
    struct link *link;          /* NULL while not connected */
    unsigned links;             /* made and not yet freed */
    bool closing;
    struct slot slots[BUS_OUT_MAX];
    unsigned out;               /* taken slots */
    unsigned next_slot;
    long long refuse_until_ms;  /* nobody answered a publish: try no other before */
    unsigned refusals;          /* in a row */
    uint64_t random;
    char error[HF_WHY_BYTES];   /* the last of the connection */
};

long long bus_now_ms(void); /* monotonic */
struct timespec bus_timespec(long long monotonic_ms);

/* 50 ms, doubled with each of `attempts`, to 2 s; then a random part of it, at least half. Under the lock. */
long long bus_backoff_ms(struct bus *bus, unsigned attempts);

/* Translate a status of the library and, where it is not 0, JetStream's error code. */
enum hf_err bus_error(natsStatus status, jsErrCode code);
enum hf_err bus_fail(struct hf_why *why, const char *what, natsStatus status, jsErrCode code);

/* ---- links ---- */

/* Connect. Only the keeper does. */
enum hf_err link_open(struct bus *bus, struct link **out, struct hf_why *why);
/* The current link, to be given back with link_put(), or NULL. */
struct link *link_take(struct bus *bus, struct hf_why *why);
void link_put(struct link *link);

/* ---- publishing ---- */

/* Give every publish without a result that one. */
void publish_fail_all(struct bus *bus, enum hf_err result, const char *text);
/* Give HF_TIMEOUT to those whose time is over. Return when the next is due, or -1. */
long long publish_expire(struct bus *bus, long long now_ms);
/* The handler of acknowledgements; closure is the link. */
void publish_on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure);

/* ---- delivery ---- */

void delivery_end(struct bus *bus);

#endif
