/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: those of the loop call hold_add(); the sender (sender.c) seals,
 * publishes, spools and answers; the steward sees to the stream after each
 * connection; the drainer (drain.c) publishes what is in the spool; the bus calls
 * on_result() and on_state(). All meet under one lock, which is never held over
 * I/O. A batch belongs to the sender alone from its sealing on.
 */
#include "hold_inner.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACK_WAIT_MS 1500
#define ENSURE_AGAIN_MS 500
#define TRY_AGAIN_MS 1000 /* to publish into a stream that was full */
#define LOG_EVERY_MS 10000
#define AT_ONCE (-1) /* in place of a time until when to wait */

void hold_log_limited(struct hold *hold, enum hf_level level, const char *event, enum hf_err err, const char *why)
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

void hold_set_ready(struct hold *hold, bool ready)
{
    hold->ready = ready;
    if (ready || hold->spool != NULL) /* what was to be published goes to the spool */
        pthread_cond_signal(&hold->wake_sender);
    if (!ready)
        pthread_cond_signal(&hold->wake_steward);
    pthread_cond_broadcast(&hold->changed);
    if (hold->drain != NULL)
        drain_ready(hold->drain, ready);
}

/* ---- what the bus tells ---- */

static void on_result(void *context, void *ticket_in, enum hf_err result, const char *text)
{
    struct ticket *ticket = ticket_in;
    (void)context;
    ticket->on_result(ticket, result, text);
}

static void on_batch_result(struct ticket *ticket, enum hf_err result, const char *text)
{
    struct held_batch *batch = (struct held_batch *)ticket;
    struct hold *hold = batch->hold;
    ticket_note(hold->options.tally, result);
    pthread_mutex_lock(&hold->lock);
    batch->result = result;
    batch->has_result = true;
    hold->stalled = result == HF_TIMEOUT;
    if (result == HF_AWAY && hold->connected) /* connected, but no stream answers */
        hold_set_ready(hold, false);
    if (result != HF_OK)
        pthread_cond_broadcast(&hold->changed);
    pthread_cond_signal(&hold->wake_sender);
    pthread_mutex_unlock(&hold->lock);
    if (result != HF_OK)
        hold_log_limited(hold, result == HF_FULL || result == HF_IO ? HF_ERROR : HF_WARNING, "publish_failed", result, text);
}

static void on_state(void *context, bool connected)
{
    struct hold *hold = context;
    pthread_mutex_lock(&hold->lock);
    hold->connected = connected;
    hold->stalled = false;
    hold->connection++;
    hold_set_ready(hold, false);
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
        hold_log_limited(hold, HF_WARNING, "bus_away", HF_AWAY, why.text);
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

struct attempt {
    struct ticket ticket; /* the first */
    struct hold *hold;
    bool has_result;
    enum hf_err result;
};

static void on_attempt_result(struct ticket *ticket, enum hf_err result, const char *text)
{
    struct attempt *attempt = (struct attempt *)ticket;
    if (result != HF_OK)
        hold_log_limited(attempt->hold, HF_WARNING, "publish_failed", result, text);
    ticket_note(attempt->hold->options.tally, result);
    pthread_mutex_lock(&attempt->hold->lock);
    attempt->result = result;
    attempt->has_result = true;
    pthread_cond_broadcast(&attempt->hold->changed);
    pthread_mutex_unlock(&attempt->hold->lock);
}

/* That a stream can be asked about does not mean that it takes batches. So the batch for which the hold began to use the
 * spool is published again, under its number: the spool has it too, and it counts once. */
static enum hf_err try_stream(struct hold *hold, struct trial *trial)
{
    struct attempt attempt = {.ticket.on_result = on_attempt_result, .hold = hold};
    pthread_mutex_lock(&hold->lock);
    if (hold->trial.wanted) {
        struct trial last = *trial;
        *trial = hold->trial;
        hold->trial = last;
        hold->trial.wanted = false;
    }
    pthread_mutex_unlock(&hold->lock);
    if (!trial->wanted)
        return HF_OK;
    enum hf_err err = bus_publish(hold->bus, trial->message.data, trial->message.len, trial->producer, trial->number,
                                  &attempt);
    if (err != HF_OK)
        return err;
    pthread_mutex_lock(&hold->lock);
    while (!attempt.has_result) /* which comes by itself */
        pthread_cond_wait(&hold->changed, &hold->lock);
    pthread_mutex_unlock(&hold->lock);
    return attempt.result == HF_IO ? HF_OK : attempt.result; /* refused for itself alone: others may be taken */
}

static enum hf_err see_to_stream(struct hold *hold, struct trial *trial)
{
    struct bus_stream stream;
    struct hf_why why = {""};
    enum hf_err err = bus_stream_ensure(hold->bus, &stream, &why);
    if (err != HF_OK)
        hold_log_limited(hold, HF_ERROR, "stream_not_ready", err, why.text);
    return err != HF_OK || hold->spool == NULL ? err : try_stream(hold, trial);
}

static void *steward_main(void *argument)
{
    struct hold *hold = argument;
    struct trial trial = {0};
    pthread_mutex_lock(&hold->lock);
    while (!hold->ending) {
        if (!hold->connected || hold->ready) {
            steward_wait(hold);
            continue;
        }
        unsigned connection = hold->connection;
        pthread_mutex_unlock(&hold->lock);
        enum hf_err err = see_to_stream(hold, &trial);
        pthread_mutex_lock(&hold->lock);
        if (err == HF_OK && connection == hold->connection) {
            trial.wanted = false;
            hold_set_ready(hold, true);
        } else if (err != HF_OK && !hold->ending) {
            wait_until(&hold->wake_steward, &hold->lock, now_ms() + (err == HF_FULL ? TRY_AGAIN_MS : ENSURE_AGAIN_MS));
        }
    }
    pthread_mutex_unlock(&hold->lock);
    hf_buf_free(&trial.message);
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

bool hold_has_work(const struct hold *hold)
{
    for (unsigned i = 0; i < HOLD_BATCHES; i++)
        if (hold->batches[i].state != FREE && hold->batches[i].count > 0)
            return true;
    return false;
}

/* Whether a request may be held. When the bus does not answer, those that wait already find out when it does again; one more
 * would only wait in vain. With a spool, it goes there. */
static bool takes(const struct hold *hold)
{
    return hold->spool != NULL || (hold->ready && !(hold->stalled && hold_has_work(hold)));
}

/* Have an open batch. False when none is free. */
static bool open_batch(struct hold *hold)
{
    for (unsigned i = 0; i < HOLD_BATCHES && hold->open == NULL; i++)
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
        if (until_ms == AT_ONCE || wait_until(&hold->changed, &hold->lock, until_ms) == ETIMEDOUT)
            return HF_BUSY;
    }
}

void hold_close_open(struct hold *hold)
{
    hold->open->state = WAITING;
    hold->queue[hold->queued++] = hold->open;
    hold->open = NULL;
}

static enum hf_err add(struct hold *hold, const struct sample_list *list, struct request *request, bool may_wait)
{
    long long now = now_ms();
    for (;;) {
        enum hf_err err = await_room(hold, may_wait ? now + HOLD_ROOM_WAIT_MS - request_age_ms(request) : AT_ONCE);
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
        hold_close_open(hold);
    }
}

enum hf_err hold_add(struct hold *hold, const struct sample_list *list, struct request *request, bool may_wait)
{
    pthread_mutex_lock(&hold->lock);
    enum hf_err err = add(hold, list, request, may_wait);
    if (err == HF_OK) /* now, before anybody can answer it */
        tally_add(hold->options.tally, TALLY_RECEIVED, 0, list->count);
    /* While it gathers, the sender looks again by itself. */
    if (err == HF_OK &&
        (hold->spooling || (hold->out < HOLD_OUT_MAX && (hold->queued > 0 || !hold_gathers(hold, now_ms())))))
        pthread_cond_signal(&hold->wake_sender);
    pthread_mutex_unlock(&hold->lock);
    return err;
}

/* ---- open and close ---- */

static void hold_free(struct hold *hold)
{
    for (unsigned i = 0; i < HOLD_BATCHES; i++) {
        batch_writer_free(&hold->batches[i].writer);
        hf_buf_free(&hold->batches[i].message);
        free(hold->batches[i].requests);
    }
    hf_buf_free(&hold->trial.message);
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
    hold->held_max = (options->requests_max + 1) / 2; /* so that others can be read and refused while these wait */
    init_cond(&hold->wake_sender);
    init_cond(&hold->wake_steward);
    init_cond(&hold->changed);
    pthread_mutex_init(&hold->lock, NULL);
    for (unsigned i = 0; i < HOLD_BATCHES; i++) {
        struct held_batch *batch = &hold->batches[i];
        batch->ticket.on_result = on_batch_result;
        batch->hold = hold;
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
    struct bus_options options = bus_options_of(hold->options.conf, hold->options.name);
    options.ack_wait_ms = ACK_WAIT_MS;
    options.on_result = on_result;
    options.on_state = on_state;
    options.context = hold;
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

static enum hf_err open_spool(struct hold *hold, struct hf_why *why)
{
    const struct hf_conf *conf = hold->options.conf;
    if (conf->collect.durability == CONF_DURABILITY_POWER) {
        enum hf_err err = spool_boot_id(hold->boot_id, why);
        if (err != HF_OK)
            return err;
    }
    if (conf->collect.spool[0] == '\0')
        return HF_OK;
    return spool_open(conf->collect.spool, (uint64_t)conf->collect.spool_max_mb << 20, &hold->spool, why);
}

static enum hf_err start_drain(struct hold *hold, struct hf_why *why)
{
    struct drain *drain;
    if (hold->spool == NULL)
        return HF_OK;
    enum hf_err err = drain_open(hold->spool, hold->bus, hold->boot_id, hold->options.tally, &drain, why);
    if (err != HF_OK)
        return err;
    pthread_mutex_lock(&hold->lock);
    hold->drain = drain;
    drain_ready(drain, hold->ready);
    pthread_mutex_unlock(&hold->lock);
    return HF_OK;
}

static enum hf_err start_threads(struct hold *hold, struct hf_why *why)
{
    int failure = pthread_create(&hold->steward, NULL, steward_main, hold);
    if (failure == 0 && (failure = pthread_create(&hold->sender, NULL, hold_sender_main, hold)) != 0)
        end_threads(hold, false);
    return failure == 0 ? HF_OK : hf_fail(why, HF_IO, "cannot start a thread: %s", strerror(failure));
}

/* Close what is open; the sender and the steward have ended. */
static void close_all(struct hold *hold)
{
    if (hold->drain != NULL)
        drain_stop(hold->drain);
    bus_close(&hold->bus, 0);
    drain_free(&hold->drain);
    hold_close_file(hold);
    spool_close(&hold->spool);
    hold_free(hold);
}

enum hf_err hold_open(const struct hold_options *options, struct hold **out, struct hf_why *why)
{
    if (sodium_init() < 0)
        return hf_fail(why, HF_IO, "no source of random numbers");
    struct hold *hold = hold_new(options);
    if (hold == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    hold->producer = hold_new_producer();
    enum hf_err err = open_spool(hold, why);
    if (err == HF_OK)
        err = connect_bus(hold, why);
    if (err == HF_OK)
        err = start_drain(hold, why);
    if (err == HF_OK)
        err = start_threads(hold, why);
    if (err == HF_OK)
        *out = hold;
    else
        close_all(hold);
    return err;
}

void hold_close(struct hold **hold)
{
    if (*hold == NULL)
        return;
    end_threads(*hold, true);
    close_all(*hold);
    *hold = NULL;
}
