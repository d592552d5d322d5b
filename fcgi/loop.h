/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FastCGI frame that the two handlers share: a listening socket, one thread
 * that accepts and reads requests, threads that run the handler, and a clean end.
 *
 * A program calls, in this order and from its main thread:
 *
 *     loop_open()    the socket; blocks the stop signals, so that every thread
 *                    made from here on (those of libraries too) inherits that
 *     ...            what the handler needs: connections, threads
 *     loop_run()     serves until SIGTERM, SIGINT, SIGUSR1 or SIGHUP, and what had
 *                    connected before it; no handler runs any more when it returns.
 *                    Ends also when the web server dies that handed the socket over
 *     ...            answer the requests still held
 *     loop_close()
 *
 * A handler gets a request when all of it has been read, so that a slow client
 * costs memory and no thread. It owns the request until request_answer() or
 * request_error(), which is called exactly once, by any thread, before or after
 * the handler returns. A handler that returns without having answered holds the
 * request; its thread goes on with the next one. An answer that the web server
 * does not take at once waits for it without a thread, too.
 *
 * All is bounded: loop_requests_max() connections at once, LOOP_INPUT_MAX bytes of
 * requests being read or waiting for a thread (or what four of the longest take,
 * when that is more), LOOP_HEAD_MS for the parameters of a request and
 * LOOP_BODY_MS for all of it. When there is no room, the request that has been
 * read for the longest time, beyond LOOP_PATIENCE_MS, gives way.
 *
 * Each request has its connection to itself: it is closed after the answer even
 * when the web server would have kept it (FCGI_KEEP_CONN).
 */
#ifndef HF_FCGI_LOOP_H
#define HF_FCGI_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct request;

#define LOOP_INPUT_MAX (64u << 20)
#define LOOP_HEAD_MS 5000
#define LOOP_BODY_MS 75000 /* a little more than the shipped configurations of Apache give a client */
#define LOOP_PATIENCE_MS 1000
#define LOOP_STOP_WAIT_MS 2000

struct loop_options {
    const char *listen; /* "unix:/path" or "127.0.0.1:9000" or "[::1]:9000"; NULL takes descriptor 0 */
    const char *group;  /* what processes have in common that may serve for one another, as lend.h says; NULL: this one serves alone */
    unsigned threads;   /* that run the handler */
    size_t body_max;    /* of the body of a POST */
    int64_t queue_wait_ms; /* the longest a request may wait for a thread; it is shed then, or at once when others wait for half of it */
    int64_t stop_wait_ms;  /* after a stop, for requests that are being read, before they are given up; 0: LOOP_STOP_WAIT_MS */
    /* Serve one request. `state` is what `thread_begin` made for this thread. Parameters and body live until the answer
     * and until the handler returns, whichever comes first. */
    void (*handle)(void *context, void *state, struct request *request);
    /* The same on the thread that reads, for a request without a body, so that no other thread has to be woken; it waits for nothing.
     * False, and nothing is done: a thread is to handle it. NULL: threads handle all. */
    bool (*handle_at_once)(void *context, void *state, struct request *request);
    /* Called there after handle_at_once, once for all that had come, before the thread waits for more. NULL: nothing is. */
    void (*handled)(void *context, void *state);
    /* Answer, before it returns and without waiting for anything, a request that cannot be served for want of time or room. On any
     * thread. Its body may not be asked for. */
    void (*shed)(void *context, struct request *request);
    /* Called on each thread before its first request and after its last; both NULL, or both set. When begin returns
     * NULL, loop_run() fails with HF_NOMEM. */
    void *(*thread_begin)(void *context);
    void (*thread_end)(void *context, void *state);
    void *context;
};

/* Open or take over the listening socket. HF_INVALID: `listen` is malformed or not a loopback address, or it is NULL and
 * descriptor 0 is no listening socket; HF_BUSY: somebody serves there already; HF_AWAY: the web server that handed it over has
 * died; HF_IO; HF_NOMEM. Strings are copied. A
 * Unix socket gets mode 0660; a stale file in its place is replaced.
 *
 * With a group, under mod_fcgid, another process may serve the socket that this one was given. It waits here for as long. HF_OK and
 * `*out` NULL: until a stop signal came, so that there is nothing left to do. */
HF_MUST_CHECK enum hf_err loop_open(const struct loop_options *options, struct loop **out, struct hf_why *why);

/* Serve until a stop signal comes or loop_stop() is called. HF_OK after such a stop; HF_NOMEM or HF_IO when the threads
 * cannot be made. Requests that are being read at the signal have `stop_wait_ms`; after that it gives up what is left of them, and
 * returns as soon as no handler runs. */
HF_MUST_CHECK enum hf_err loop_run(struct loop *loop, struct hf_why *why);

/* Ask loop_run() to end, from any thread. */
void loop_stop(struct loop *loop);
bool loop_stopping(const struct loop *loop);

/* The most connections at once: of requests being read, waiting for a thread, and held. */
unsigned loop_requests_max(const struct loop *loop);

/* Close and free; removes the Unix socket it made. No request may be out. NULL inside is allowed. */
void loop_close(struct loop **loop);

/* ---- a request ---- */

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_POST, REQUEST_OPTIONS, REQUEST_OTHER };

enum request_method request_method(const struct request *request);

/* A CGI parameter ("REQUEST_URI", "HTTP_ACCEPT"), or "" when it is absent; never NULL. */
const char *request_param(const struct request *request, const char *name);

/* The same, but NULL when it is absent. */
const char *request_param_or_null(const struct request *request, const char *name);

/* The same of several names, in one walk over the parameters. */
void request_params(const struct request *request, const char *const names[], const char *values[], size_t count);

/* How long ago all of the request had been read; 0 when it is shed while it is being read. */
int64_t request_age_ms(const struct request *request);

/* The body of a POST. `*bytes` is followed by a NUL. In the handler alone. HF_FULL: it is longer than `body_max`; HF_INVALID: it
 * did not come as announced (the client went away, CONTENT_LENGTH is malformed or differs from what came); HF_NOMEM. Without
 * CONTENT_LENGTH (a chunked body through mod_proxy_fcgi) everything up to the end of input is taken. */
HF_MUST_CHECK enum hf_err request_body(struct request *request, const char **bytes, size_t *len);

/* Answer and let go of the request; it may not be touched afterwards. `headers` are whole lines, each with its "\r\n",
 * or "". Content-Length is added, save for 204 and 304; the body is left out for them and for HEAD. */
void request_answer(struct request *request, unsigned status, const char *headers, const void *body, size_t len);

/* The same with {"error":{"code":…,"message":…,"parameter":…}} for a body, and its Content-Type; `parameter` is left out
 * when "" or NULL. */
void request_error(struct request *request, unsigned status, const char *headers, const char *code,
                   const char *message, const char *parameter);

#endif
