/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reactor: one thread that accepts connections, reads requests, hands them to
 * the workers when they are whole, and sees to what could not be sent at once and
 * to peers that have to close first. It never waits for any one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lend.h"
#include "loop_inner.h"

#define SCAN_MS 100       /* how exactly time limits are kept */
#define STARVED_MS 5      /* before accept() is tried again */
#define STOPPING_MS 20
#define LINGER_MS 2000    /* for a web server to close, after an answer to a request that it had not sent whole */
#define ACCEPT_AT_ONCE 64 /* before others have their turn */
#define CHUNK_BYTES 65536u
#define WAKE 0
#define LISTEN 1
#define MEETING 2
#define OWN 3 /* entries of `polled` before those of lenders */

/* ---- the table of connections ---- */

static struct pollfd *polled_of(const struct loop *loop, unsigned connection)
{
    return &loop->polled[OWN + 2 * loop->lender_count + connection];
}

static void table_add(struct loop *loop, struct request *request, enum phase phase, long long now, long long wait_ms)
{
    unsigned at = loop->connection_count++;
    request->phase = phase;
    request->since_ms = now;
    request->until_ms = now + wait_ms;
    loop->connections[at] = request;
    *polled_of(loop, at) = (struct pollfd){.fd = request->fd, .events = phase == WRITING ? POLLOUT : POLLIN};
}

static struct request *table_remove(struct loop *loop, unsigned at)
{
    struct request *request = loop->connections[at];
    unsigned last = --loop->connection_count;
    loop->connections[at] = loop->connections[last];
    *polled_of(loop, at) = *polled_of(loop, last);
    return request;
}

static void linger(struct loop *loop, struct request *request, long long now)
{
    shutdown(request->fd, SHUT_WR);
    table_add(loop, request, LINGERING, now, LINGER_MS);
}

/* Give up a connection. One whose parameters are there gets an answer. */
static void give_up(struct loop *loop, unsigned at)
{
    struct request *request = table_remove(loop, at);
    if (request->phase == READING && request->input.state == RECORD_STDIN)
        loop->options.shed(loop->options.context, request);
    else
        request_drop(request);
}

/* Give up the connection that has been in its phase for the longest time, if that is more than its due. */
static bool make_room(struct loop *loop, long long now)
{
    unsigned oldest = 0;
    for (unsigned i = 1; i < loop->connection_count; i++)
        if (loop->connections[i]->since_ms < loop->connections[oldest]->since_ms)
            oldest = i;
    if (loop->connection_count == 0 || loop->connections[oldest]->since_ms + LOOP_PATIENCE_MS > now)
        return false;
    give_up(loop, oldest);
    return true;
}

static void scan(struct loop *loop, long long now)
{
    if (now < loop->next_scan_ms)
        return;
    loop->next_scan_ms = now + SCAN_MS;
    for (unsigned i = loop->connection_count; i-- > 0;)
        if (loop->connections[i]->until_ms <= now)
            give_up(loop, i);
}

/* ---- reading ---- */

static bool handled_at_once(struct loop *loop, struct request *request)
{
    if (loop->at_once_state == NULL || request->input.body_bytes > 0)
        return false;
    loop->has_handled = true;
    loop_lend(&loop->at_once, request);
    size_t charged = request->charged;
    request_uncharge(request);
    if (loop->options.handle_at_once(loop->options.context, loop->at_once_state, request)) {
        record_reset(&loop->at_once.input);
        return true;
    }
    loop_take_back(&loop->at_once, request);
    request->charged = charged;
    atomic_fetch_add(&loop->input_bytes, charged);
    return false;
}

static void end_handling(struct loop *loop)
{
    if (loop->has_handled && loop->options.handled != NULL)
        loop->options.handled(loop->options.context, loop->at_once_state);
    loop->has_handled = false;
}

static void pass_on(struct loop *loop, unsigned at, long long now)
{
    struct request *request = table_remove(loop, at);
    request->ended = request->input.ended;
    request->whole_ms = now;
    if (!handled_at_once(loop, request) && !loop_enqueue(loop, request))
        loop->options.shed(loop->options.context, request);
}

static size_t input_max(const struct loop *loop)
{
    size_t few = 8 * loop->options.body_max; /* four bodies, in buffers that double */
    return few > LOOP_INPUT_MAX ? few : LOOP_INPUT_MAX;
}

/* Count the memory of a request. When there is too much of it in all, some request gives way: the slowest, or else this one. */
static void charge(struct loop *loop, unsigned at, long long now)
{
    struct request *request = loop->connections[at];
    size_t bytes = record_memory(&request->input);
    if (bytes == request->charged)
        return;
    size_t before = atomic_fetch_add(&loop->input_bytes, bytes - request->charged);
    size_t after = before + bytes - request->charged;
    request->charged = bytes;
    if (after > input_max(loop) && !make_room(loop, now))
        give_up(loop, at);
}

/* Read what has come. The entry at `at` may be another's afterwards. */
static void receive(struct loop *loop, unsigned at, long long now)
{
    unsigned char bytes[CHUNK_BYTES];
    struct request *request = loop->connections[at];
    struct record_input *in = &request->input;
    enum record_state before = in->state;
    ssize_t n = recv(request->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n > 0)
        record_feed(in, loop->options.body_max, bytes, (size_t)n);
    if (before == RECORD_PARAMS && (in->state == RECORD_STDIN || in->state == RECORD_WHOLE)) {
        request_head_read(request);
        request->until_ms = request->since_ms + LOOP_BODY_MS;
    }
    if (in->state == RECORD_WHOLE || (n <= 0 && in->state == RECORD_STDIN)) /* the client of the web server may have gone */
        pass_on(loop, at, now);
    else if (in->state == RECORD_BAD || n <= 0)
        request_drop(table_remove(loop, at));
    else
        charge(loop, at, now);
}

static void discard(struct loop *loop, unsigned at)
{
    char scrap[CHUNK_BYTES];
    ssize_t n = recv(loop->connections[at]->fd, scrap, sizeof scrap, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        request_drop(table_remove(loop, at));
}

static void send_more(struct loop *loop, unsigned at, long long now)
{
    struct request *request = loop->connections[at];
    size_t before = request->sent;
    if (!request_send(request)) {
        if (request->sent > before)
            request->until_ms = now + WRITE_WAIT_MS;
        return;
    }
    table_remove(loop, at);
    if (request->ended)
        request_drop(request);
    else
        linger(loop, request, now);
}

/* See to all that poll() found ready, the last first: those that leave make room for ones that were seen to. */
static void attend(struct loop *loop, long long now)
{
    for (unsigned i = loop->connection_count; i-- > 0;) {
        if (i >= loop->connection_count || polled_of(loop, i)->revents == 0)
            continue;
        polled_of(loop, i)->revents = 0;
        switch (loop->connections[i]->phase) {
        case READING: receive(loop, i, now); break;
        case WRITING: send_more(loop, i, now); break;
        case LINGERING: discard(loop, i); break;
        }
    }
}

/* ---- accepting ---- */

/* A free request. When there is none, one that has been read for long gives way. */
static struct request *take_request(struct loop *loop, long long now)
{
    struct request *request = loop_pool_take(loop);
    return request == NULL && make_room(loop, now) ? loop_pool_take(loop) : request;
}

static void accept_failed(struct loop *loop, int error, long long now)
{
    unsigned long held = 0;
    bool refuses = error == EINVAL && atomic_load(&loop->stopping); /* as an orphaned socket is made to */
    if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED || refuses)
        return;
    /* Descriptors or memory ran short. That passes; ending would not help. */
    loop->starved = true;
    if (hf_log_allowed(&loop->accept_log, now, 10000, &held))
        hf_log(HF_WARNING, "accept_failed", "error=\"%s\" suppressed=%lu", strerror(error), held);
}

/* Take up to `most` connections that wait at the listening socket `fd`. Return how many. */
static unsigned accept_some(struct loop *loop, int fd, unsigned most, long long now)
{
    unsigned taken = 0;
    for (; taken < most; taken++) {
        struct request *request = take_request(loop, now);
        if (request == NULL) {
            loop->starved = true;
            break;
        }
        request->fd = accept(fd, NULL, NULL);
        if (request->fd < 0) {
            accept_failed(loop, errno, now);
            loop_pool_put(loop, request);
            break;
        }
        request->whole_ms = 0;
        request->ended = false;
        request->sent = 0;
        table_add(loop, request, READING, now, LOOP_HEAD_MS);
        receive(loop, loop->connection_count - 1, now);
    }
    return taken;
}

/* ---- lenders ---- */

/* Those of connections, which follow, make room for `by` entries more. */
static void move_polled(struct loop *loop, int by)
{
    struct pollfd *first = polled_of(loop, 0);
    memmove(first + by, first, loop->connection_count * sizeof *first);
}

static void add_lender(struct loop *loop, long long now)
{
    int link = lend_accept(loop->meeting);
    if (link < 0) {
        accept_failed(loop, errno, now);
        return;
    }
    if (loop->lender_count == LENDERS_MAX) {
        lend_refuse(link);
        return;
    }
    move_polled(loop, 2);
    struct pollfd *polled = &loop->polled[OWN + 2 * loop->lender_count];
    polled[0] = (struct pollfd){.fd = link, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = -1, .events = POLLIN};
    loop->lenders[loop->lender_count++] = (struct lender){.link = link, .fd = -1};
}

static void remove_lender(struct loop *loop, unsigned at)
{
    struct lender *gone = &loop->lenders[at], *last = &loop->lenders[loop->lender_count - 1];
    close(gone->link);
    if (gone->fd >= 0)
        close(gone->fd);
    *gone = *last;
    memcpy(&loop->polled[OWN + 2 * at], &loop->polled[OWN + 2 * (loop->lender_count - 1)], 2 * sizeof *loop->polled);
    move_polled(loop, -2);
    loop->lender_count--;
}

/* The one at `at` has sent its socket, or takes it back. Who had connected to that is served before. */
static void hear_lender(struct loop *loop, unsigned at, long long now)
{
    struct lender *lender = &loop->lenders[at];
    if (lender->fd < 0 && (lender->fd = lend_receive(lender->link)) >= 0) {
        loop->polled[OWN + 2 * at + 1].fd = lender->fd;
        return;
    }
    if (lender->fd >= 0)
        accept_some(loop, lender->fd, ACCEPT_AT_ONCE, now);
    remove_lender(loop, at);
}

/* See to those that poll() found ready. One connection of each at a time: mod_fcgid makes no more. */
static void attend_lenders(struct loop *loop, long long now)
{
    bool more = loop->polled[MEETING].revents != 0;
    for (unsigned i = loop->lender_count; i-- > 0;) {
        const struct pollfd *polled = &loop->polled[OWN + 2 * i];
        if (polled[1].revents != 0)
            accept_some(loop, loop->lenders[i].fd, 1, now);
        if (polled[0].revents != 0)
            hear_lender(loop, i, now);
    }
    if (more)
        add_lender(loop, now);
}

/* Whoever has lent a socket looks for another to serve it, or serves. Who waits at it is not to be refused by us. */
static void give_back_all(struct loop *loop)
{
    while (loop->lender_count > 0)
        remove_lender(loop, loop->lender_count - 1);
    if (loop->meeting >= 0)
        close(loop->meeting);
    loop->meeting = -1;
}

/* ---- the thread ---- */

static void take_mail(struct loop *loop, long long now)
{
    char scrap[64];
    while (read(loop->wake[0], scrap, sizeof scrap) == sizeof scrap)
        continue;
    pthread_mutex_lock(&loop->lock);
    struct request *mail = loop->mail;
    loop->mail = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (mail != NULL) {
        struct request *request = mail;
        mail = request->next;
        if (request->phase == WRITING)
            table_add(loop, request, WRITING, now, WRITE_WAIT_MS);
        else
            linger(loop, request, now);
    }
}

/* After the stop: whether those that had connected before it are served. They would be cut off when the socket is closed. */
static bool all_served(const struct loop *loop, unsigned accepted, long long now)
{
    bool all_accepted = (accepted == 0 && !loop->starved) || now >= loop->queue_until_ms;
    return now >= loop->stop_until_ms || (loop->connection_count == 0 && all_accepted);
}

/* From when the reactor has come to it: its thread may have had to wait for its turn. Some of the time is for accepting: a web server
 * may go on making connections. */
static void drain(struct loop *loop, long long now)
{
    for (unsigned i = 0; i < loop->lender_count && !loop->orphaned; i++) /* its lender may be stopped with us */
        if (loop->lenders[i].fd >= 0)
            accept_some(loop, loop->lenders[i].fd, ACCEPT_AT_ONCE, now);
    give_back_all(loop);
    loop->drains = true;
    loop->queue_until_ms = now + (loop->orphaned ? 0 : loop->options.stop_wait_ms / 4);
    loop->stop_until_ms = now + loop->options.stop_wait_ms;
}

static int poll_timeout(const struct loop *loop, bool stopping)
{
    return loop->starved ? STARVED_MS : stopping ? STOPPING_MS : loop->connection_count > 0 ? SCAN_MS : -1;
}

/* Give up what is left; no more mail is taken from now on. */
static void end(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->reactor_runs = false;
    pthread_mutex_unlock(&loop->lock);
    take_mail(loop, now_ms());
    while (loop->connection_count > 0)
        request_drop(table_remove(loop, loop->connection_count - 1));
}

/* Say what poll() is to look at. Return how much that is. */
static unsigned prepare(struct loop *loop, bool listens)
{
    loop->polled[WAKE] = (struct pollfd){.fd = loop->wake[0], .events = POLLIN};
    loop->polled[LISTEN] = (struct pollfd){.fd = listens ? loop->socket.fd : -1, .events = POLLIN};
    loop->polled[MEETING] = (struct pollfd){.fd = listens ? loop->meeting : -1, .events = POLLIN};
    for (unsigned i = 0; i < loop->lender_count; i++)
        loop->polled[OWN + 2 * i + 1].fd = listens ? loop->lenders[i].fd : -1;
    return OWN + 2 * loop->lender_count + loop->connection_count;
}

/* Wait for something to happen, and see to it. Return how many connections were accepted. */
static unsigned turn(struct loop *loop, bool stopping)
{
    if (stopping && !loop->drains)
        drain(loop, now_ms());
    bool listens = !loop->starved && !stopping; /* which is looked after anyway then */
    int ready = poll(loop->polled, prepare(loop, listens), poll_timeout(loop, stopping));
    long long now = now_ms();
    bool accepts = loop->starved || stopping || (ready > 0 && loop->polled[LISTEN].revents != 0);
    if (ready > 0)
        attend(loop, now);
    if (ready > 0 && loop->polled[WAKE].revents != 0)
        take_mail(loop, now);
    loop->starved = false;
    accepts = accepts && !(stopping && now >= loop->queue_until_ms);
    unsigned accepted = accepts ? accept_some(loop, loop->socket.fd, ACCEPT_AT_ONCE, now) : 0;
    if (ready > 0)
        attend_lenders(loop, now);
    end_handling(loop);
    loop_wake_worker(loop);
    scan(loop, now);
    return accepted;
}

void *reactor_main(void *argument)
{
    struct loop *loop = argument;
    const struct loop_options *options = &loop->options;
    if (options->handle_at_once != NULL) /* without memory for it, threads handle all */
        loop->at_once_state = options->thread_begin(options->context);
    for (;;) {
        bool stopping = atomic_load(&loop->stopping); /* before the last look at the socket */
        unsigned accepted = turn(loop, stopping);
        if (stopping && all_served(loop, accepted, now_ms()))
            break;
    }
    end(loop);
    if (loop->at_once_state != NULL)
        options->thread_end(options->context, loop->at_once_state);
    return NULL;
}

void reactor_wake(struct loop *loop)
{
    ssize_t n = write(loop->wake[1], "", 1); /* a full pipe will wake it as well */
    (void)n;
}

static bool unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

enum hf_err reactor_open(struct loop *loop, struct hf_why *why)
{
    loop->polled = calloc(OWN + 2 * LENDERS_MAX + loop->requests_max, sizeof *loop->polled);
    loop->connections = calloc(loop->requests_max, sizeof(struct request *));
    loop->lenders = calloc(LENDERS_MAX, sizeof *loop->lenders);
    if (loop->polled == NULL || loop->connections == NULL || loop->lenders == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    if (pipe(loop->wake) != 0) {
        loop->wake[0] = loop->wake[1] = -1;
        return hf_fail(why, HF_IO, "pipe: %s", strerror(errno));
    }
    for (unsigned i = 0; i < 2; i++)
        fcntl(loop->wake[i], F_SETFD, FD_CLOEXEC);
    if (!unblock(loop->wake[0]) || !unblock(loop->wake[1]) || !unblock(loop->socket.fd))
        return hf_fail(why, HF_IO, "fcntl: %s", strerror(errno));
    return HF_OK;
}

void reactor_close(struct loop *loop)
{
    if (loop->lenders != NULL)
        give_back_all(loop);
    for (unsigned i = 0; i < 2; i++)
        if (loop->wake[i] >= 0)
            close(loop->wake[i]);
    free(loop->polled);
    free(loop->connections);
    free(loop->lenders);
}
