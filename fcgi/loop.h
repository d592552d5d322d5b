/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FastCGI frame that the two handlers share: a listening socket, threads
 * that accept and read requests, the answer to each, and a clean end.
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
 * A handler owns its request until request_answer() or request_error(), which
 * is called exactly once, by any thread, before or after the handler returns.
 * A handler that returns without having answered holds the request; its thread
 * goes on with the next one. At most loop_held_max() requests are out at once:
 * then accepting waits, and connections queue up in the kernel.
 *
 * Each request has its connection to itself: it is closed after the answer even
 * when the web server would have kept it (FCGI_KEEP_CONN), because a kept
 * connection would pin a thread.
 */
#ifndef HF_FCGI_LOOP_H
#define HF_FCGI_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct loop;
struct request;

struct loop_options {
    const char *listen; /* "unix:/path" or "127.0.0.1:9000" or "[::1]:9000"; NULL takes descriptor 0 */
    unsigned threads;   /* that accept and run the handler */
    /* Serve one request. `state` is what `thread_begin` made for this thread. Parameters and body live until the answer
     * and until the handler returns, whichever comes first. */
    void (*handle)(void *context, void *state, struct request *request);
    /* Called on each thread before its first request and after its last; both NULL, or both set. When begin returns
     * NULL, loop_run() fails with HF_NOMEM. */
    void *(*thread_begin)(void *context);
    void (*thread_end)(void *context, void *state);
    void *context;
};

/* Open or take over the listening socket. HF_INVALID: `listen` is malformed or not a loopback address, or it is NULL and
 * descriptor 0 is no listening socket; HF_BUSY: somebody serves there already; HF_AWAY: the web server that handed it over has
 * died; HF_IO; HF_NOMEM. Strings are copied. A
 * Unix socket gets mode 0660; a stale file in its place is replaced. */
HF_MUST_CHECK enum hf_err loop_open(const struct loop_options *options, struct loop **out, struct hf_why *why);

/* Serve until a stop signal comes or loop_stop() is called. HF_OK after such a stop; HF_NOMEM or HF_IO when the threads
 * cannot be made. Returns within about 3 seconds of the signal: requests being read then are given up. */
HF_MUST_CHECK enum hf_err loop_run(struct loop *loop, struct hf_why *why);

/* Ask loop_run() to end, from any thread. */
void loop_stop(struct loop *loop);
bool loop_stopping(const struct loop *loop);

/* The most requests that can be held at once. */
unsigned loop_held_max(const struct loop *loop);

/* Close and free; removes the Unix socket it made. No request may be out. NULL inside is allowed. */
void loop_close(struct loop **loop);

/* ---- a request ---- */

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_POST, REQUEST_OPTIONS, REQUEST_OTHER };

enum request_method request_method(const struct request *request);

/* A CGI parameter ("REQUEST_URI", "HTTP_ACCEPT"), or "" when it is absent; never NULL. */
const char *request_param(const struct request *request, const char *name);

/* The same, but NULL when it is absent. */
const char *request_param_or_null(const struct request *request, const char *name);

/* Read the whole body of a POST, at most `max` bytes. `*bytes` is followed by a NUL and belongs to the thread: it lives until the
 * handler returns. Once per request, in the handler alone. HF_FULL: the body is longer than `max`; HF_INVALID: it did not
 * come as announced (the client went away, CONTENT_LENGTH is malformed or differs from what came); HF_NOMEM. Without
 * CONTENT_LENGTH (a chunked body through mod_proxy_fcgi) everything up to the end of input is taken. */
HF_MUST_CHECK enum hf_err request_body(struct request *request, size_t max, const char **bytes, size_t *len);

/* Answer and let go of the request; it may not be touched afterwards. A POST whose body was not read is answered on its
 * handler's thread alone. `headers` are whole lines, each with its "\r\n",
 * or "". Content-Length is added, save for 204 and 304; the body is left out for them and for HEAD. */
void request_answer(struct request *request, unsigned status, const char *headers, const void *body, size_t len);

/* The same with {"error":{"code":…,"message":…,"parameter":…}} for a body, and its Content-Type; `parameter` is left out
 * when "" or NULL. */
void request_error(struct request *request, unsigned status, const char *headers, const char *code,
                   const char *message, const char *parameter);

#endif
