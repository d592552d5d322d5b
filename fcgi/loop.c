/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that run the handler, the queue they take requests from, and the program's begin and end. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lend.h"
#include "loop_inner.h"

#define REQUESTS_MAX 4000u    /* more than a web server of the shipped configurations has connections */
#define DESCRIPTORS_KEPT 64u  /* for the bus, the store, the log */

/* ---- the pool, the queue, the mail ---- */

struct request *loop_pool_take(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct request *request = loop->pool;
    if (request != NULL)
        loop->pool = request->next;
    pthread_mutex_unlock(&loop->lock);
    return request;
}

void loop_pool_put(struct loop *loop, struct request *request)
{
    pthread_mutex_lock(&loop->lock);
    request->next = loop->pool;
    loop->pool = request;
    pthread_mutex_unlock(&loop->lock);
}

/* When the first in the queue has waited for half as long as it may, one more would have little hope: better that it knows at once. */
bool loop_enqueue(struct loop *loop, struct request *request)
{
    request->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool taken = loop->queue == NULL || request->whole_ms - loop->queue->whole_ms <= loop->options.queue_wait_ms / 2;
    if (taken) {
        *loop->queue_end = request;
        loop->queue_end = &request->next;
    }
    pthread_mutex_unlock(&loop->lock);
    return taken;
}

void loop_wake_worker(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    if (loop->queue != NULL && loop->idle > 0)
        pthread_cond_signal(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
}

/* The next request, waited for. NULL when there will be none. */
static struct request *dequeue(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->idle++;
    while (loop->queue == NULL && !loop->queue_closed)
        pthread_cond_wait(&loop->changed, &loop->lock);
    loop->idle--;
    struct request *request = loop->queue;
    if (request != NULL && (loop->queue = request->next) == NULL)
        loop->queue_end = &loop->queue;
    if (loop->queue != NULL && loop->idle > 0)
        pthread_cond_signal(&loop->changed); /* the reactor wakes one for all that it has read at once */
    pthread_mutex_unlock(&loop->lock);
    return request;
}

bool loop_mail(struct loop *loop, struct request *request)
{
    pthread_mutex_lock(&loop->lock);
    bool taken = loop->reactor_runs;
    if (taken) {
        request->next = loop->mail;
        loop->mail = request;
    }
    pthread_mutex_unlock(&loop->lock);
    if (taken)
        reactor_wake(loop);
    return taken;
}

/* ---- workers ---- */

static void swap_input(struct worker *worker, struct request *request)
{
    struct record_input given = request->input;
    request->input = worker->input;
    worker->input = given;
}

void loop_lend(struct worker *worker, struct request *request)
{
    swap_input(worker, request);
    request->worker = worker;
}

void loop_take_back(struct worker *worker, struct request *request)
{
    swap_input(worker, request);
    request->worker = NULL;
}

static void serve(struct worker *worker, void *state, struct request *request)
{
    const struct loop_options *options = &worker->loop->options;
    if (request_age_ms(request) > options->queue_wait_ms) {
        options->shed(options->context, request);
        return;
    }
    loop_lend(worker, request);
    request_uncharge(request);
    options->handle(options->context, state, request); /* it may be gone before the handler returns */
    record_reset(&worker->input);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct loop *loop = worker->loop;
    const struct loop_options *options = &loop->options;
    void *state = options->thread_begin != NULL ? options->thread_begin(options->context) : NULL;
    bool failed = options->thread_begin != NULL && state == NULL;
    if (!failed) {
        for (struct request *request; (request = dequeue(loop)) != NULL;)
            serve(worker, state, request);
        if (options->thread_end != NULL)
            options->thread_end(options->context, state);
    }
    if (failed) {
        pthread_mutex_lock(&loop->lock);
        loop->begin_failed = true;
        pthread_mutex_unlock(&loop->lock);
        loop_stop(loop);
    }
    return NULL;
}

/* Start all threads. Return 0, or why one could not be. */
static int start_threads(struct loop *loop, unsigned *started)
{
    int failure = 0;
    for (; *started < loop->options.threads && failure == 0; *started += failure == 0)
        failure = pthread_create(&loop->workers[*started].thread, NULL, worker_main, &loop->workers[*started]);
    loop->reactor_runs = failure == 0;
    if (failure == 0 && (failure = pthread_create(&loop->reactor, NULL, reactor_main, loop)) != 0)
        loop->reactor_runs = false;
    return failure;
}

static void stop_threads(struct loop *loop, bool reactor, unsigned workers)
{
    fcgi_socket_unlink(&loop->socket);
    loop->orphaned = fcgi_socket_orphaned(&loop->socket);
    atomic_store(&loop->stopping, true);
    if (loop->orphaned)
        fcgi_socket_refuse(&loop->socket);
    reactor_wake(loop);
    if (reactor)
        pthread_join(loop->reactor, NULL);
    pthread_mutex_lock(&loop->lock);
    loop->queue_closed = true;
    pthread_cond_broadcast(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
    for (unsigned i = 0; i < workers; i++)
        pthread_join(loop->workers[i].thread, NULL);
}

enum hf_err loop_run(struct loop *loop, struct hf_why *why)
{
    unsigned workers = 0;
    int signal_number;
    int failure = start_threads(loop, &workers);
    if (failure == 0)
        sigwait(&loop->stop_signals, &signal_number);
    stop_threads(loop, failure == 0, workers);
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

unsigned loop_requests_max(const struct loop *loop)
{
    return loop->requests_max;
}

/* ---- open and close ---- */

/* As many as descriptors allow beside `kept`, after asking for as many as are permitted. */
static unsigned requests_limit(unsigned kept)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 1;
    rlim_t wanted = REQUESTS_MAX + kept;
    if (files.rlim_cur < wanted && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
            getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted)
        return REQUESTS_MAX;
    return files.rlim_cur > kept ? (unsigned)(files.rlim_cur - kept) : 1;
}

static void block_signals(sigset_t *stop)
{
    sigemptyset(stop);
    sigaddset(stop, SIGTERM);
    sigaddset(stop, SIGINT);
    sigaddset(stop, SIGUSR1);
    sigaddset(stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, stop, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

/* Too few descriptors for one request of each lender: everybody serves alone. */
static int meeting_with_room(int meeting)
{
    if (meeting < 0 || requests_limit(DESCRIPTORS_KEPT + 2 * LENDERS_MAX) >= LENDERS_MAX)
        return meeting;
    close(meeting);
    return -1;
}

/* Takes both sockets over, when there is one to return. */
static struct loop *loop_new(const struct loop_options *options, const struct fcgi_socket *socket, int meeting)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->options = *options;
    loop->options.listen = loop->options.group = NULL;
    if (loop->options.stop_wait_ms == 0)
        loop->options.stop_wait_ms = LOOP_STOP_WAIT_MS;
    loop->wake[0] = loop->wake[1] = -1;
    loop->requests_max = requests_limit(DESCRIPTORS_KEPT + (meeting >= 0 ? 2 * LENDERS_MAX : 0));
    loop->workers = calloc(options->threads, sizeof *loop->workers);
    loop->requests = calloc(loop->requests_max, sizeof *loop->requests);
    if (loop->workers == NULL || loop->requests == NULL) {
        free(loop->workers);
        free(loop->requests);
        free(loop);
        return NULL;
    }
    for (unsigned i = loop->requests_max; i-- > 0;) {
        loop->requests[i].loop = loop;
        loop->requests[i].next = loop->pool;
        loop->pool = &loop->requests[i];
    }
    for (unsigned i = 0; i < options->threads; i++)
        loop->workers[i].loop = loop;
    loop->at_once.loop = loop;
    loop->queue_end = &loop->queue;
    init_cond(&loop->changed);
    pthread_mutex_init(&loop->lock, NULL);
    loop->socket = *socket;
    loop->meeting = meeting;
    return loop;
}

static void loop_free(struct loop *loop)
{
    fcgi_socket_close(&loop->socket);
    reactor_close(loop);
    for (unsigned i = 0; i < loop->options.threads; i++)
        record_free(&loop->workers[i].input);
    record_free(&loop->at_once.input);
    for (unsigned i = 0; i < loop->requests_max; i++) {
        record_free(&loop->requests[i].input);
        hf_buf_free(&loop->requests[i].out);
    }
    pthread_cond_destroy(&loop->changed);
    pthread_mutex_destroy(&loop->lock);
    free(loop->workers);
    free(loop->requests);
    free(loop);
}

/* False: a stop signal came while another process served. */
static bool socket_is_left(const struct loop_options *options, const struct fcgi_socket *socket, const sigset_t *stop, int *meeting)
{
    *meeting = -1;
    if (options->group == NULL || !lend_wanted(socket->fd))
        return true;
    if (lend(socket->fd, options->group, stop, meeting) == LEND_SERVE)
        return true;
    if (fcgi_socket_orphaned(socket))
        fcgi_socket_refuse(socket);
    return false;
}

static enum hf_err open_with(const struct loop_options *options, struct fcgi_socket *socket, struct loop **out, struct hf_why *why)
{
    sigset_t stop;
    int meeting;
    block_signals(&stop);
    if (!socket_is_left(options, socket, &stop, &meeting)) {
        fcgi_socket_close(socket);
        *out = NULL;
        return HF_OK;
    }
    meeting = meeting_with_room(meeting);
    struct loop *loop = loop_new(options, socket, meeting);
    if (loop == NULL) {
        fcgi_socket_close(socket);
        if (meeting >= 0)
            close(meeting);
        return hf_fail(why, HF_NOMEM, "no memory");
    }
    loop->stop_signals = stop;
    enum hf_err err = reactor_open(loop, why);
    if (err == HF_OK)
        *out = loop;
    else
        loop_free(loop);
    return err;
}

enum hf_err loop_open(const struct loop_options *options, struct loop **out, struct hf_why *why)
{
    struct fcgi_socket socket;
    enum hf_err err = fcgi_socket_open(options->listen, &socket, why);
    return err == HF_OK ? open_with(options, &socket, out, why) : err;
}

void loop_close(struct loop **loop)
{
    if (*loop == NULL)
        return;
    loop_free(*loop);
    *loop = NULL;
}
