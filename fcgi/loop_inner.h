/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the loop share: reactor.c reads requests and writes what did not go out at once,
 * loop.c has the threads that run the handler, request.c is what a handler sees. */
#ifndef HF_FCGI_LOOP_INNER_H
#define HF_FCGI_LOOP_INNER_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/log.h"
#include "clock.h"
#include "loop.h"
#include "record.h"
#include "socket.h"

#define WRITE_WAIT_MS 5000 /* for the web server to take an answer */

/* What the reactor does with a connection. */
enum phase { READING, WRITING, LINGERING };

struct request {
    struct loop *loop;
    struct worker *worker;     /* that has taken it up: `input` is there then */
    struct request *next;      /* in the pool, the queue or the mail */
    struct record_input input;
    size_t charged;            /* bytes of loop->input_bytes */
    enum request_method method;
    uint16_t id;
    bool ended;                /* its input was read to the end */
    int fd;
    enum phase phase;
    long long since_ms;        /* when the phase began */
    long long until_ms;        /* when the reactor gives it up */
    long long whole_ms;        /* when all of it had been read; 0 before */
    struct hf_buf out;         /* the answer */
    size_t sent;
};

struct worker {
    struct loop *loop;
    pthread_t thread;
    struct record_input input; /* of the request that the handler has */
};

/* A process that has lent its socket. */
struct lender {
    int link; /* ends when it wants it back */
    int fd;   /* the socket; -1 before it has come */
};

struct loop {
    struct loop_options options;
    struct fcgi_socket socket;
    int meeting;               /* where others come to lend theirs; -1: they do not */
    sigset_t stop_signals;
    atomic_bool stopping;
    bool orphaned;             /* set before `stopping`: who waits to be accepted is not to be served */
    struct worker *workers;
    struct request *requests;
    unsigned requests_max;
    int wake[2];               /* a pipe: written to, it wakes the reactor */
    atomic_size_t input_bytes; /* memory of requests that are being read or queued */

    /* Of the reactor alone: */
    pthread_t reactor;
    struct worker at_once;     /* the reactor, where it handles requests itself */
    void *at_once_state;       /* NULL: it does not */
    bool has_handled;          /* since it last waited */
    struct pollfd *polled;     /* its own, then two for each of `lenders`, then one for each of `connections` */
    struct lender *lenders;
    unsigned lender_count;
    struct request **connections;
    unsigned connection_count;
    bool starved;              /* nothing can be accepted just now */
    long long next_scan_ms;    /* when to look for those whose time is over */
    bool drains;               /* it has seen the stop, which the next two count from */
    long long queue_until_ms;  /* the last moment to accept */
    long long stop_until_ms;   /* the last to read and write */
    struct hf_log_limit accept_log;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct request *pool;
    struct request *queue;     /* read whole, the oldest first */
    struct request **queue_end;
    unsigned idle;             /* workers that wait for the queue */
    struct request *mail;      /* for the reactor: to be written or lingered for */
    bool reactor_runs;         /* it takes mail */
    bool queue_closed;
    bool begin_failed;
};

/* ---- loop.c ---- */

struct request *loop_pool_take(struct loop *loop); /* NULL when there is none */
void loop_pool_put(struct loop *loop, struct request *request);
/* Have a worker take it up, once one is woken. False: there are too many before it. */
bool loop_enqueue(struct loop *loop, struct request *request);
void loop_wake_worker(struct loop *loop);
/* False when the reactor no longer runs. */
bool loop_mail(struct loop *loop, struct request *request);

/* Give the request's input to a thread that takes it up; or back, when it does not. */
void loop_lend(struct worker *worker, struct request *request);
void loop_take_back(struct worker *worker, struct request *request);

/* ---- reactor.c ---- */

HF_MUST_CHECK enum hf_err reactor_open(struct loop *loop, struct hf_why *why);
void reactor_close(struct loop *loop);
void *reactor_main(void *loop);
void reactor_wake(struct loop *loop);

/* ---- request.c ---- */

/* The parameters are there. */
void request_head_read(struct request *request);
/* Send what can be sent without waiting. False when something is left to be sent. */
bool request_send(struct request *request);
/* Close the connection and give the request back. */
void request_drop(struct request *request);
void request_uncharge(struct request *request);

#endif
