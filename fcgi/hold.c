/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: those of the loop call hold_add(); the sender seals, publishes and
 * answers; the steward sees to the stream after each connection; the bus calls
 * on_result() and on_state(). All meet under one lock, which is never held over
 * I/O. A batch belongs to the sender alone from its sealing on.
 */
#include "hold.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/log.h"
#include "batch/batch.h"
#include "bus/bus.h"

#define BATCHES 8           /* open, on their way, or full and waiting */
#define OUT_MAX 1           /* published at once */
#define ACK_WAIT_MS 1500
#define AGAIN_MS 50         /* before a batch that was not taken is published again */
#define ENSURE_AGAIN_MS 500
#define LOG_EVERY_MS 10000

enum state { FREE, OPEN, WAITING, OUT };

struct held_batch {
    enum state state;
    struct batch_writer *writer;
    struct hf_buf message;      /* sealed under `number`; empty before */
    uint64_t number;
    struct request **requests;
    unsigned count;
    long long since_ms;         /* when the oldest request came */
    long long not_before_ms;    /* when it may be published (again) */
    bool has_result;            /* OUT: what became of it is in `result` */
    enum hf_err result;
};

struct hold {
    struct hold_options options;
    struct bus *bus;
    uint64_t producer;
    pthread_t sender;
    pthread_t steward;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake_sender;
    pthread_cond_t wake_steward;
    pthread_cond_t changed;     /* room, or ready */
    struct held_batch batches[BATCHES];
    struct held_batch *queue[BATCHES]; /* WAITING, the oldest first */
    unsigned queued;
    struct held_batch *open;    /* NULL: the next request opens one */
    unsigned out;
    unsigned held;              /* requests */
    unsigned held_max;
    uint64_t last_number;
    bool connected;
    bool ready;                 /* and the stream is as it has to be */
    bool stalled;               /* but the last publish had no answer in time */
    unsigned connection;        /* counts them */
    bool ending;
    long long end_ms;
    struct hf_log_limit log_limit;
};

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, long long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    return pthread_cond_timedwait(cond, lock, &t);
}

static void log_limited(struct hold *hold, enum hf_level level, const char *event, enum hf_err err, const char *why)
{
    char quoted[HF_WHY_BYTES];
    unsigned long held = 0;
    pthread_mutex_lock(&hold->lock);
    bool allowed = hf_log_allowed(&hold->log_limit, now_ms(), LOG_EVERY_MS, &held);
    pthread_mutex_unlock(&hold->lock);
    if (allowed)
        hf_log(level, event, "outcome=\"%s\" why=%s suppressed=%lu", hf_strerror(err),
               hf_log_quote(why, (unsigned long)strlen(why), quoted, sizeof quoted), held);
}

/* ---- what the bus tells ---- */

static void on_result(void *context, void *ticket, enum hf_err result, const char *text)
{
    struct hold *hold = context;
    struct held_batch *batch = ticket;
    pthread_mutex_lock(&hold->lock);
    batch->result = result;
    batch->has_result = true;
    hold->stalled = result == HF_TIMEOUT;
    if (result == HF_AWAY && hold->connected) { /* connected, but no stream answers */
        hold->ready = false;
        pthread_cond_signal(&hold->wake_steward);
    }
    if (result != HF_OK)
        pthread_cond_broadcast(&hold->changed);
    pthread_cond_signal(&hold->wake_sender);
    pthread_mutex_unlock(&hold->lock);
    if (result != HF_OK)
        log_limited(hold, result == HF_FULL || result == HF_IO ? HF_ERROR : HF_WARNING, "publish_failed", result, text);
}

static void on_state(void *context, bool connected)
{
    struct hold *hold = context;
    pthread_mutex_lock(&hold->lock);
    hold->connected = connected;
    hold->ready = false;
    hold->stalled = false;
    hold->connection++;
    pthread_cond_broadcast(&hold->changed);
    pthread_cond_signal(&hold->wake_steward);
    bool ending = hold->ending;
    pthread_mutex_unlock(&hold->lock);
    if (connected || !ending)
        hf_log(connected ? HF_NOTICE : HF_WARNING, connected ? "bus_connected" : "bus_lost", "%s", "");
}

/* ---- the steward ---- */

/* Say why there is no connection. */
static void log_away(struct hold *hold)
{
    struct bus_stream stream;
    struct hf_why why = {""};
    if (!bus_connected(hold->bus) && bus_stream_info(hold->bus, &stream, &why) == HF_AWAY)
        log_limited(hold, HF_WARNING, "bus_away", HF_AWAY, why.text);
}

/* Wait for something to do; say from time to time that there is no connection. */
static void steward_wait(struct hold *hold)
{
    if (hold->connected)
        pthread_cond_wait(&hold->wake_steward, &hold->lock);
    else if (wait_until(&hold->wake_steward, &hold->lock, now_ms() + LOG_EVERY_MS) == ETIMEDOUT) {
        pthread_mutex_unlock(&hold->lock);
        log_away(hold);
        pthread_mutex_lock(&hold->lock);
    }
}

static void *steward_main(void *argument)
{
    struct hold *hold = argument;
    struct bus_stream stream;
    struct hf_why why;
    pthread_mutex_lock(&hold->lock);
    while (!hold->ending) {
        if (!hold->connected || hold->ready) {
            steward_wait(hold);
            continue;
        }
        unsigned connection = hold->connection;
        pthread_mutex_unlock(&hold->lock);
        why.text[0] = '\0';
        enum hf_err err = bus_stream_ensure(hold->bus, &stream, &why);
        if (err != HF_OK)
            log_limited(hold, HF_ERROR, "stream_not_ready", err, why.text);
        pthread_mutex_lock(&hold->lock);
        if (err == HF_OK && connection == hold->connection) {
            hold->ready = true;
            pthread_cond_broadcast(&hold->changed);
            pthread_cond_signal(&hold->wake_sender);
        } else if (err != HF_OK && !hold->ending) {
            wait_until(&hold->wake_steward, &hold->lock, now_ms() + ENSURE_AGAIN_MS);
        }
    }
    pthread_mutex_unlock(&hold->lock);
    return NULL;
}

bool hold_await_ready(struct hold *hold, int64_t wait_ms)
{
    long long until = now_ms() + wait_ms;
    pthread_mutex_lock(&hold->lock);
    while (!hold->ready && wait_until(&hold->changed, &hold->lock, until) != ETIMEDOUT)
        continue;
    bool ready = hold->ready;
    pthread_mutex_unlock(&hold->lock);
    if (!ready)
        log_away(hold);
    return ready;
}

/* ---- adding; under the lock ---- */

static bool has_work(const struct hold *hold)
{
    for (unsigned i = 0; i < BATCHES; i++)
        if (hold->batches[i].state != FREE && hold->batches[i].count > 0)
            return true;
    return false;
}

/* Whether a request may be held. When the bus does not answer, those that wait already find out when it does again; one more
 * would only wait in vain. */
static bool takes(const struct hold *hold)
{
    return hold->ready && !(hold->stalled && has_work(hold));
}

/* Have an open batch. False when none is free. */
static bool open_batch(struct hold *hold)
{
    for (unsigned i = 0; i < BATCHES && hold->open == NULL; i++)
        if (hold->batches[i].state == FREE) {
            hold->open = &hold->batches[i];
            hold->open->state = OPEN;
        }
    return hold->open != NULL;
}

/* Wait until there is an open batch, and a request more may be held. */
static enum hf_err await_room(struct hold *hold, long long until_ms)
{
    for (;;) {
        if (!takes(hold))
            return HF_AWAY;
        if (hold->held < hold->held_max && open_batch(hold))
            return HF_OK;
        if (wait_until(&hold->changed, &hold->lock, until_ms) == ETIMEDOUT)
            return HF_BUSY;
    }
}

/* Close the open batch: it waits to be published. */
static void close_open(struct hold *hold)
{
    hold->open->state = WAITING;
    hold->queue[hold->queued++] = hold->open;
    hold->open = NULL;
}

static enum hf_err add(struct hold *hold, const struct sample_list *list, struct request *request)
{
    long long now = now_ms();
    for (;;) {
        enum hf_err err = await_room(hold, now + HOLD_ROOM_WAIT_MS);
        if (err != HF_OK)
            return err;
        struct held_batch *batch = hold->open;
        err = batch_add(batch->writer, list);
        if (err == HF_OK) {
            if (batch->count == 0)
                batch->since_ms = now;
            batch->requests[batch->count++] = request;
            hold->held++;
            return HF_OK;
        }
        if (err != HF_FULL || batch->count == 0)
            return err;
        close_open(hold);
    }
}

enum hf_err hold_add(struct hold *hold, const struct sample_list *list, struct request *request)
{
    pthread_mutex_lock(&hold->lock);
    enum hf_err err = add(hold, list, request);
    if (err == HF_OK && hold->out < OUT_MAX)
        pthread_cond_signal(&hold->wake_sender);
    pthread_mutex_unlock(&hold->lock);
    return err;
}

/* ---- the sender ---- */

/* Answer all requests of a batch that nobody else can reach, and return how many. Not under the lock. */
static unsigned answer_all(struct hold *hold, struct held_batch *batch, enum hf_err outcome)
{
    unsigned count = batch->count;
    for (unsigned i = 0; i < count; i++)
        hold->options.answer(hold->options.context, batch->requests[i], outcome);
    batch->count = 0;
    return count;
}

/* Under the lock. */
static void recycle(struct held_batch *batch)
{
    batch_writer_reset(batch->writer);
    hf_buf_clear(&batch->message);
    batch->number = 0;
    batch->not_before_ms = 0;
    batch->state = FREE;
}

static void unqueue_first(struct hold *hold)
{
    hold->queued--;
    memmove(hold->queue, hold->queue + 1, hold->queued * sizeof *hold->queue);
}

/* When a batch has waited long enough. */
static long long due_ms(const struct hold *hold, const struct held_batch *batch)
{
    long long due = batch->since_ms + HOLD_WAIT_MS;
    return hold->ending && due > hold->end_ms ? hold->end_ms : due;
}

/* A batch that the bus did not take, or did not acknowledge in time: what becomes of it is decided here alone. Nothing
 * else may take it in this version, so it waits at the head of the queue to be published again, while its time lasts. */
static void not_taken(struct hold *hold, struct held_batch *batch, long long now)
{
    batch->state = WAITING;
    batch->not_before_ms = now + AGAIN_MS;
    memmove(hold->queue + 1, hold->queue, hold->queued * sizeof *hold->queue);
    hold->queue[0] = batch;
    hold->queued++;
}

/* A batch whose fate is decided, to be answered outside of the lock. */
struct decided {
    struct held_batch *batch;
    enum hf_err outcome;
};

/* Look at the batches that are out and have a result. */
static unsigned take_results(struct hold *hold, long long now, struct decided decided[BATCHES])
{
    unsigned n = 0;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct held_batch *batch = &hold->batches[i];
        if (batch->state != OUT || !batch->has_result)
            continue;
        hold->out--;
        batch->has_result = false;
        enum hf_err result = batch->result;
        if (batch->count > 0 && (result == HF_TIMEOUT || result == HF_AWAY) && now < due_ms(hold, batch)) {
            not_taken(hold, batch, now);
        } else {
            batch->state = WAITING; /* and in no queue */
            decided[n++] = (struct decided){batch, result};
        }
    }
    return n;
}

/* Give up batches whose time is over: the open one, those waiting, and (its requests alone) one that is out. */
static unsigned take_overdue(struct hold *hold, long long now, struct decided decided[BATCHES])
{
    unsigned n = 0;
    if (hold->open != NULL && hold->open->count > 0 && due_ms(hold, hold->open) <= now)
        close_open(hold);
    while (hold->queued > 0 && due_ms(hold, hold->queue[0]) <= now) {
        decided[n++] = (struct decided){hold->queue[0], HF_TIMEOUT};
        unqueue_first(hold);
    }
    for (unsigned i = 0; i < BATCHES; i++) {
        struct held_batch *batch = &hold->batches[i];
        if (batch->state == OUT && batch->count > 0 && due_ms(hold, batch) <= now)
            decided[n++] = (struct decided){batch, HF_TIMEOUT};
    }
    return n;
}

/* The batch to publish now, or NULL. */
static struct held_batch *take_next(struct hold *hold, long long now)
{
    if (!hold->ready || hold->out >= OUT_MAX)
        return NULL;
    if (hold->queued == 0 && hold->open != NULL && hold->open->count > 0)
        close_open(hold);
    if (hold->queued == 0 || hold->queue[0]->not_before_ms > now)
        return NULL;
    struct held_batch *batch = hold->queue[0];
    unqueue_first(hold);
    batch->state = OUT;
    batch->has_result = false;
    if (batch->number == 0)
        batch->number = ++hold->last_number;
    hold->out++;
    return batch;
}

/* Seal a batch, unless it was before, and publish it. Not under the lock. */
static void publish(struct hold *hold, struct held_batch *batch)
{
    enum hf_err err = HF_OK;
    if (batch->message.len == 0)
        err = batch_seal(batch->writer, hold->producer, batch->number, &batch->message);
    if (err == HF_OK)
        err = bus_publish(hold->bus, batch->message.data, batch->message.len, hold->producer, batch->number, batch);
    if (err == HF_OK)
        return;
    pthread_mutex_lock(&hold->lock);
    batch->has_result = true;
    batch->result = err == HF_FULL ? HF_AWAY : err; /* of bus_publish() it means that too many are out */
    pthread_mutex_unlock(&hold->lock);
}

/* When the sender has to look again, or -1: not before it is told to. */
static long long next_look(const struct hold *hold)
{
    long long next = -1;
    for (unsigned i = 0; i < BATCHES; i++) {
        const struct held_batch *batch = &hold->batches[i];
        if (batch->state == FREE || batch->count == 0)
            continue;
        long long at = due_ms(hold, batch);
        if (batch->state == WAITING && hold->ready && hold->out < OUT_MAX && batch->not_before_ms < at)
            at = batch->not_before_ms;
        if (next < 0 || at < next)
            next = at;
    }
    return next;
}

static void *sender_main(void *argument)
{
    struct hold *hold = argument;
    struct decided decided[2 * BATCHES];
    pthread_mutex_lock(&hold->lock);
    for (;;) {
        long long now = now_ms();
        unsigned n = take_results(hold, now, decided);
        n += take_overdue(hold, now, decided + n);
        struct held_batch *next = take_next(hold, now);
        if (next == NULL && n == 0) {
            if (hold->ending && !has_work(hold))
                break;
            long long until = next_look(hold);
            if (until < 0)
                pthread_cond_wait(&hold->wake_sender, &hold->lock);
            else
                wait_until(&hold->wake_sender, &hold->lock, until);
            continue;
        }
        pthread_mutex_unlock(&hold->lock);
        if (next != NULL) /* first, so that it is on its way while the others are answered */
            publish(hold, next);
        unsigned answered = 0;
        for (unsigned i = 0; i < n; i++)
            answered += answer_all(hold, decided[i].batch, decided[i].outcome);
        pthread_mutex_lock(&hold->lock);
        hold->held -= answered;
        for (unsigned i = 0; i < n; i++)
            if (decided[i].batch->state != OUT) /* one that is out is still known to the bus */
                recycle(decided[i].batch);
        if (n > 0)
            pthread_cond_broadcast(&hold->changed);
    }
    pthread_mutex_unlock(&hold->lock);
    return NULL;
}

/* ---- open and close ---- */

static void hold_free(struct hold *hold)
{
    for (unsigned i = 0; i < BATCHES; i++) {
        batch_writer_free(&hold->batches[i].writer);
        hf_buf_free(&hold->batches[i].message);
        free(hold->batches[i].requests);
    }
    pthread_cond_destroy(&hold->wake_sender);
    pthread_cond_destroy(&hold->wake_steward);
    pthread_cond_destroy(&hold->changed);
    pthread_mutex_destroy(&hold->lock);
    free(hold);
}

static struct hold *hold_new(const struct hold_options *options)
{
    struct hold *hold = calloc(1, sizeof *hold);
    if (hold == NULL)
        return NULL;
    hold->options = *options;
    /* A few fewer than there are, so that requests can be taken and refused while these wait. */
    unsigned spare = (unsigned)options->conf->collect.threads;
    hold->held_max = options->requests_max > 2 * spare ? options->requests_max - spare : spare;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&hold->wake_sender, &monotonic);
    pthread_cond_init(&hold->wake_steward, &monotonic);
    pthread_cond_init(&hold->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&hold->lock, NULL);
    for (unsigned i = 0; i < BATCHES; i++) {
        struct held_batch *batch = &hold->batches[i];
        batch->writer = batch_writer_new();
        batch->requests = calloc(options->requests_max, sizeof(struct request *));
        if (batch->writer == NULL || batch->requests == NULL) {
            hold_free(hold);
            return NULL;
        }
    }
    return hold;
}

static enum hf_err connect_bus(struct hold *hold, struct hf_why *why)
{
    const struct hf_conf *conf = hold->options.conf;
    struct bus_options options = {.name = hold->options.name,
                                  .url = conf->bus.url,
                                  .stream = conf->bus.stream,
                                  .subject = conf->bus.subject,
                                  .credentials = conf->bus.credentials,
                                  .tls_ca = conf->bus.tls_ca,
                                  .replicas = (unsigned)conf->bus.replicas,
                                  .max_messages = conf->bus.max_messages,
                                  .max_age_ms = conf->bus.max_age_ms,
                                  .ack_wait_ms = ACK_WAIT_MS,
                                  .on_result = on_result,
                                  .on_state = on_state,
                                  .context = hold};
    return bus_open(&options, &hold->bus, why);
}

/* End the threads that run and wait for them. */
static void end_threads(struct hold *hold, bool sender)
{
    pthread_mutex_lock(&hold->lock);
    hold->ending = true;
    hold->end_ms = now_ms() + HOLD_END_MS;
    pthread_cond_signal(&hold->wake_sender);
    pthread_cond_signal(&hold->wake_steward);
    pthread_mutex_unlock(&hold->lock);
    if (sender)
        pthread_join(hold->sender, NULL);
    pthread_join(hold->steward, NULL);
}

enum hf_err hold_open(const struct hold_options *options, struct hold **out, struct hf_why *why)
{
    if (sodium_init() < 0)
        return hf_fail(why, HF_IO, "no source of random numbers");
    struct hold *hold = hold_new(options);
    if (hold == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    randombytes_buf(&hold->producer, sizeof hold->producer);
    enum hf_err err = connect_bus(hold, why);
    if (err != HF_OK) {
        hold_free(hold);
        return err;
    }
    int failure = pthread_create(&hold->steward, NULL, steward_main, hold);
    if (failure == 0 && (failure = pthread_create(&hold->sender, NULL, sender_main, hold)) != 0)
        end_threads(hold, false);
    if (failure != 0) {
        bus_close(&hold->bus, 0);
        hold_free(hold);
        return hf_fail(why, HF_IO, "cannot start a thread: %s", strerror(failure));
    }
    *out = hold;
    return HF_OK;
}

void hold_close(struct hold **hold_in)
{
    struct hold *hold = *hold_in;
    if (hold == NULL)
        return;
    end_threads(hold, true);
    bus_close(&hold->bus, 0);
    hold_free(hold);
    *hold_in = NULL;
}
