/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting is done here and not by FCGX_Accept_r(): a thread that blocks in that can be neither stopped without a race
 * nor given a time limit, and it exits on a mere want of descriptors. The accepted connection is handed to libfcgi in
 * the state of one kept open from an earlier request, which FCGX_Accept_r() then reads the next request from.
 *
 * The listening socket has a receive timeout, which on Linux bounds accept(): each thread looks at `stopping` that
 * often. Blocking accept() wakes one thread per connection, where poll() would wake all.
 */
#include "loop.h"

#include <errno.h>
#include <fcgiapp.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/num.h"
#include "socket.h"

#define HELD_MAX 1000u
#define DESCRIPTORS_KEPT 64u  /* for the bus, the store, the log */
#define ACCEPT_WAIT_MS 200    /* how soon a thread sees that it is to stop */
#define READ_WAIT_MS 5000     /* for the next bytes of a request; a web server sends without delay */
#define WRITE_WAIT_MS 5000    /* for room to write an answer */
#define WRITE_AT_ONCE 16384u  /* bytes that any socket takes without waiting */
#define STOP_WAIT_MS 2000     /* for requests being read, before they are given up */
#define QUEUE_WAIT_MS 300     /* at a stop, for taking the connections that wait to be accepted */
#define ACCEPT_RETRY_MS 50    /* after accept() failed for want of something */
#define BODY_CHUNK 65536u
#define DRAIN_MAX (8u << 20)  /* of a body that nobody wants, so that the web server can finish sending it */

struct request {
    FCGX_Request fcgx;
    struct loop *loop;
    struct worker *worker; /* whose handler has it now; of no meaning after */
    struct request *next;  /* in the pool */
    enum request_method method;
    bool input_read; /* all that will ever be read of the input was read */
    bool input_done; /* and that was to its proper end */
};

struct worker {
    struct loop *loop;
    pthread_t thread;
    struct hf_buf body;
    pthread_mutex_t lock;
    int reading_fd; /* that a read may block on now, or -1 */
    bool give_up;   /* reads are to fail from now on */
};

struct loop {
    struct loop_options options;
    struct fcgi_socket socket;
    sigset_t stop_signals;
    atomic_bool stopping;
    long long queue_until_ms; /* once stopping */
    struct worker *workers;
    struct request *requests;
    unsigned held_max;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct request *pool;
    unsigned running; /* workers */
    bool begin_failed;
    struct hf_log_limit accept_log;
};

static long long monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_timeout(int fd, int option, long ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, option, &t, sizeof t);
}

/* ---- requests ---- */

/* A free request, waited for. NULL when there is none and the loop stops. */
static struct request *pool_take(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    while (loop->pool == NULL && !atomic_load(&loop->stopping))
        pthread_cond_wait(&loop->changed, &loop->lock);
    struct request *request = loop->pool;
    if (request != NULL)
        loop->pool = request->next;
    pthread_mutex_unlock(&loop->lock);
    return request;
}

static void pool_put(struct loop *loop, struct request *request)
{
    pthread_mutex_lock(&loop->lock);
    request->next = loop->pool;
    loop->pool = request;
    pthread_cond_signal(&loop->changed); /* also where there was one before: whoever is to take that may not have yet */
    pthread_mutex_unlock(&loop->lock);
}

/* Reads of `fd` may block between these two; give_up() ends them. */
static void reading_begin(struct worker *worker, int fd)
{
    pthread_mutex_lock(&worker->lock);
    worker->reading_fd = fd;
    if (worker->give_up)
        shutdown(fd, SHUT_RD);
    pthread_mutex_unlock(&worker->lock);
}

static void reading_end(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->reading_fd = -1;
    pthread_mutex_unlock(&worker->lock);
}

static void give_up(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->give_up = true;
    if (worker->reading_fd >= 0)
        shutdown(worker->reading_fd, SHUT_RD);
    pthread_mutex_unlock(&worker->lock);
}

/* Read and forget what is left of the input, within bounds. */
static void drain(struct request *request)
{
    FCGX_Stream *in = request->fcgx.in;
    char scrap[4096];
    size_t drained = 0;
    reading_begin(request->worker, request->fcgx.ipcFd);
    while (drained < DRAIN_MAX) {
        int got = FCGX_GetStr(scrap, sizeof scrap, in);
        drained += (size_t)got;
        if ((size_t)got < sizeof scrap) {
            request->input_done = FCGX_GetError(in) == 0;
            break;
        }
    }
    reading_end(request->worker);
    request->input_read = true;
}

static enum request_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum request_method method;
    } methods[] = {
        {"GET", REQUEST_GET}, {"HEAD", REQUEST_HEAD}, {"POST", REQUEST_POST}, {"OPTIONS", REQUEST_OPTIONS}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(name, methods[i].name) == 0)
            return methods[i].method;
    return REQUEST_OTHER;
}

/* Read a request's parameters from a new connection. False when it sent none: the connection is then closed. */
static bool request_read(struct worker *worker, struct request *request, int fd)
{
    FCGX_Request *fcgx = &request->fcgx;
    set_timeout(fd, SO_RCVTIMEO, READ_WAIT_MS);
    FCGX_InitRequest(fcgx, -1, 0); /* no listening socket: when this connection fails, FCGX_Accept_r() returns */
    fcgx->ipcFd = fd;
    fcgx->keepConnection = 1; /* or it would be closed before it is read */
    FCGX_Detach(fcgx);        /* close it at once on failure, without waiting for the peer */
    reading_begin(worker, fd);
    bool good = FCGX_Accept_r(fcgx) == 0;
    reading_end(worker);
    if (!good)
        return false;
    fcgx->keepConnection = 0;
    if (FCGX_GetError(fcgx->in) != 0) { /* the parameters broke off: libfcgi takes those that came for all */
        FCGX_Free(fcgx, 1);
        return false;
    }
    request->worker = worker;
    request->method = method_of(request_param(request, "REQUEST_METHOD"));
    request->input_read = request->input_done = false;
    if (request->method != REQUEST_POST) /* without a body its end came with the parameters: nothing is waited for */
        drain(request);
    return true;
}

enum request_method request_method(const struct request *request)
{
    return request->method;
}

const char *request_param_or_null(const struct request *request, const char *name)
{
    return FCGX_GetParam(name, request->fcgx.envp);
}

const char *request_param(const struct request *request, const char *name)
{
    const char *value = request_param_or_null(request, name);
    return value != NULL ? value : "";
}

/* Read up to `limit` bytes and find whether the input ends there. */
static enum hf_err read_input(FCGX_Stream *in, struct hf_buf *body, size_t limit, bool *ended)
{
    hf_buf_clear(body);
    while (body->len < limit) {
        size_t chunk = limit - body->len < BODY_CHUNK ? limit - body->len : BODY_CHUNK;
        if (hf_buf_reserve(body, chunk + 1) != HF_OK)
            return HF_NOMEM;
        int got = FCGX_GetStr((char *)body->data + body->len, (int)chunk, in);
        body->len += (size_t)got;
        if ((size_t)got < chunk)
            break;
    }
    if (hf_buf_reserve(body, 1) != HF_OK)
        return HF_NOMEM;
    body->data[body->len] = '\0';
    *ended = FCGX_GetChar(in) == EOF;
    return FCGX_GetError(in) == 0 ? HF_OK : HF_INVALID;
}

enum hf_err request_body(struct request *request, size_t max, const char **bytes, size_t *len)
{
    struct worker *worker = request->worker;
    const char *announced = request_param(request, "CONTENT_LENGTH");
    bool known = announced[0] != '\0';
    uint64_t length = max;
    if (known && hf_parse_u64(announced, strlen(announced), UINT64_MAX, &length) != HF_OK)
        return HF_INVALID;
    if (length > max)
        return HF_FULL;
    bool ended = false;
    reading_begin(worker, request->fcgx.ipcFd);
    enum hf_err err = read_input(request->fcgx.in, &worker->body, (size_t)length, &ended);
    reading_end(worker);
    if (err != HF_OK)
        return err;
    if (!ended)
        return known ? HF_INVALID : HF_FULL;
    request->input_read = request->input_done = true;
    if (known && worker->body.len != length)
        return HF_INVALID;
    *bytes = (const char *)worker->body.data;
    *len = worker->body.len;
    return HF_OK;
}

static const char *phrase_of(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 503: return "Service Unavailable";
    default: return status < 500 ? "Status" : "Internal Server Error";
    }
}

/* Send what was written, close the connection, give the request back. */
static void request_finish(struct request *request)
{
    /* A connection whose input was read to the end is just closed. Any other is left to libfcgi's lingering close: the
     * reset that unread input causes could overtake the answer. */
    if (!request->input_done)
        FCGX_Attach(&request->fcgx);
    FCGX_Finish_r(&request->fcgx);
    pool_put(request->loop, request);
}

void request_answer(struct request *request, unsigned status, const char *headers, const void *body, size_t len)
{
    FCGX_Stream *out = request->fcgx.out;
    bool bodiless = status == 204 || status == 304;
    if (!request->input_read) /* a POST that is refused unread: its handler answers, on its own thread */
        drain(request);
    if (len > WRITE_AT_ONCE)
        set_timeout(request->fcgx.ipcFd, SO_SNDTIMEO, WRITE_WAIT_MS);
    FCGX_FPrintF(out, "Status: %u %s\r\n", status, phrase_of(status));
    FCGX_PutS(headers, out);
    if (!bodiless)
        FCGX_FPrintF(out, "Content-Length: %lu\r\n", (unsigned long)len);
    FCGX_PutS("\r\n", out);
    if (!bodiless && request->method != REQUEST_HEAD)
        for (const char *at = body; len > 0;) {
            int part = len < INT_MAX ? (int)len : INT_MAX;
            if (FCGX_PutStr(at, part, out) != part)
                break;
            at += part;
            len -= (size_t)part;
        }
    request_finish(request);
}

void request_error(struct request *request, unsigned status, const char *headers, const char *code,
                   const char *message, const char *parameter)
{
    struct hf_buf body = {0};
    struct hf_buf lines = {0};
    hf_buf_puts(&body, "{\"error\":{\"code\":");
    hf_buf_json_string(&body, code, strlen(code));
    hf_buf_puts(&body, ",\"message\":");
    hf_buf_json_string(&body, message, strlen(message));
    if (parameter != NULL && parameter[0] != '\0') {
        hf_buf_puts(&body, ",\"parameter\":");
        hf_buf_json_string(&body, parameter, strlen(parameter));
    }
    hf_buf_puts(&body, "}}\n");
    hf_buf_puts(&lines, headers);
    hf_buf_puts(&lines, "Content-Type: application/json\r\n");
    hf_buf_u8(&lines, 0);
    if (hf_buf_ok(&body) && hf_buf_ok(&lines))
        request_answer(request, status, (const char *)lines.data, body.data, body.len);
    else
        request_answer(request, status, headers, "", 0);
    hf_buf_free(&body);
    hf_buf_free(&lines);
}

/* ---- threads ---- */

/* The next connection, or -1 when there is none just now. */
static int accept_next(struct loop *loop)
{
    int fd = accept(loop->socket.fd, NULL, NULL);
    if (fd >= 0)
        return fd;
    int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED ||
        atomic_load(&loop->stopping))
        return -1;
    /* Descriptors or memory ran short. That passes; ending would not help. */
    unsigned long held = 0;
    pthread_mutex_lock(&loop->lock);
    bool tell = hf_log_allowed(&loop->accept_log, monotonic_ms(), 10000, &held);
    pthread_mutex_unlock(&loop->lock);
    if (tell)
        hf_log(HF_WARNING, "accept_failed", "error=\"%s\" suppressed=%lu", strerror(error), held);
    nanosleep(&(struct timespec){.tv_nsec = ACCEPT_RETRY_MS * 1000000L}, NULL);
    return -1;
}

/* Whether to accept another connection: until the stop, and then those that had been waiting already. They would be cut off
 * when the socket is closed. */
static bool goes_on(struct loop *loop)
{
    struct pollfd waiting = {.fd = loop->socket.fd, .events = POLLIN};
    if (!atomic_load(&loop->stopping))
        return true;
    return monotonic_ms() < loop->queue_until_ms && poll(&waiting, 1, 0) == 1;
}

static void serve(struct worker *worker, void *state)
{
    struct loop *loop = worker->loop;
    struct request *request = NULL;
    while (goes_on(loop) && (request != NULL || (request = pool_take(loop)) != NULL)) {
        int fd = accept_next(loop);
        if (fd < 0 || !request_read(worker, request, fd))
            continue;
        struct request *given = request;
        request = NULL; /* it is the handler's now, and may be gone before the handler returns */
        loop->options.handle(loop->options.context, state, given);
    }
    if (request != NULL)
        pool_put(loop, request);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct loop *loop = worker->loop;
    const struct loop_options *options = &loop->options;
    void *state = options->thread_begin != NULL ? options->thread_begin(options->context) : NULL;
    bool failed = options->thread_begin != NULL && state == NULL;
    if (!failed) {
        serve(worker, state);
        if (options->thread_end != NULL)
            options->thread_end(options->context, state);
    }
    pthread_mutex_lock(&loop->lock);
    loop->begin_failed |= failed;
    loop->running--;
    pthread_cond_broadcast(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
    if (failed)
        loop_stop(loop);
    return NULL;
}

/* Wait until no worker runs, at most `wait_ms`. */
static void await_workers(struct loop *loop, long long wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    pthread_mutex_lock(&loop->lock);
    while (loop->running > 0 && pthread_cond_timedwait(&loop->changed, &loop->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&loop->lock);
}

static void stop_workers(struct loop *loop, unsigned started)
{
    bool orphaned = fcgi_socket_orphaned(&loop->socket);
    fcgi_socket_unlink(&loop->socket);
    pthread_mutex_lock(&loop->lock);
    loop->queue_until_ms = monotonic_ms() + (orphaned ? 0 : QUEUE_WAIT_MS);
    atomic_store(&loop->stopping, true);
    pthread_cond_broadcast(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
    if (orphaned)
        fcgi_socket_refuse(&loop->socket);
    await_workers(loop, STOP_WAIT_MS);
    for (unsigned i = 0; i < started; i++)
        give_up(&loop->workers[i]);
    for (unsigned i = 0; i < started; i++)
        pthread_join(loop->workers[i].thread, NULL);
}

enum hf_err loop_run(struct loop *loop, struct hf_why *why)
{
    unsigned started = 0;
    int failure = 0;
    for (; started < loop->options.threads; started++) {
        pthread_mutex_lock(&loop->lock);
        loop->running++;
        pthread_mutex_unlock(&loop->lock);
        failure = pthread_create(&loop->workers[started].thread, NULL, worker_main, &loop->workers[started]);
        if (failure != 0) {
            pthread_mutex_lock(&loop->lock);
            loop->running--;
            pthread_mutex_unlock(&loop->lock);
            break;
        }
    }
    int signal_number;
    if (failure == 0)
        sigwait(&loop->stop_signals, &signal_number);
    stop_workers(loop, started);
    fcgi_socket_close(&loop->socket); /* now, so that nobody connects in vain while the program ends */
    if (failure != 0)
        return hf_fail(why, HF_IO, "cannot start a thread: %s", strerror(failure));
    return loop->begin_failed ? hf_fail(why, HF_NOMEM, "no memory for a thread") : HF_OK;
}

void loop_stop(struct loop *loop)
{
    (void)loop;
    kill(getpid(), SIGTERM); /* which is blocked, and waited for in loop_run() */
}

bool loop_stopping(const struct loop *loop)
{
    return atomic_load(&loop->stopping);
}

unsigned loop_held_max(const struct loop *loop)
{
    return loop->held_max;
}

/* ---- open and close ---- */

/* As many as descriptors allow, after asking for as many as are permitted. */
static unsigned held_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 1;
    rlim_t wanted = HELD_MAX + DESCRIPTORS_KEPT;
    if (files.rlim_cur < wanted && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
            getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted)
        return HELD_MAX;
    return files.rlim_cur > DESCRIPTORS_KEPT ? (unsigned)(files.rlim_cur - DESCRIPTORS_KEPT) : 1;
}

static void block_signals(struct loop *loop)
{
    sigemptyset(&loop->stop_signals);
    sigaddset(&loop->stop_signals, SIGTERM);
    sigaddset(&loop->stop_signals, SIGINT);
    sigaddset(&loop->stop_signals, SIGUSR1);
    sigaddset(&loop->stop_signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &loop->stop_signals, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL); /* after FCGX_Init(), which installs a handler */
}

static struct loop *loop_new(const struct loop_options *options)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->options = *options;
    loop->options.listen = NULL;
    loop->held_max = held_limit();
    if (loop->held_max < options->threads)
        loop->held_max = options->threads;
    loop->workers = calloc(options->threads, sizeof *loop->workers);
    loop->requests = calloc(loop->held_max, sizeof *loop->requests);
    if (loop->workers == NULL || loop->requests == NULL) {
        free(loop->workers);
        free(loop->requests);
        free(loop);
        return NULL;
    }
    for (unsigned i = 0; i < loop->held_max; i++) {
        loop->requests[i].loop = loop;
        loop->requests[i].next = loop->pool;
        loop->pool = &loop->requests[i];
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&loop->lock, NULL);
    for (unsigned i = 0; i < options->threads; i++) {
        loop->workers[i].loop = loop;
        loop->workers[i].reading_fd = -1;
        pthread_mutex_init(&loop->workers[i].lock, NULL);
    }
    return loop;
}

static void loop_free(struct loop *loop)
{
    for (unsigned i = 0; i < loop->options.threads; i++) {
        hf_buf_free(&loop->workers[i].body);
        pthread_mutex_destroy(&loop->workers[i].lock);
    }
    pthread_cond_destroy(&loop->changed);
    pthread_mutex_destroy(&loop->lock);
    free(loop->workers);
    free(loop->requests);
    free(loop);
}

enum hf_err loop_open(const struct loop_options *options, struct loop **out, struct hf_why *why)
{
    struct loop *loop = loop_new(options);
    if (loop == NULL || FCGX_Init() != 0) {
        if (loop != NULL)
            loop_free(loop);
        return hf_fail(why, HF_NOMEM, "no memory");
    }
    enum hf_err err = fcgi_socket_open(options->listen, &loop->socket, why);
    if (err != HF_OK) {
        loop_free(loop);
        return err;
    }
    set_timeout(loop->socket.fd, SO_RCVTIMEO, ACCEPT_WAIT_MS);
    block_signals(loop);
    *out = loop;
    return HF_OK;
}

void loop_close(struct loop **loop)
{
    if (*loop == NULL)
        return;
    fcgi_socket_close(&(*loop)->socket);
    loop_free(*loop);
    *loop = NULL;
}
