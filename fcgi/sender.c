/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender: what becomes of batches.
 *
 * Without a spool, a batch that the bus did not take is published again, until its
 * time is over.
 *
 * With one, the hold is in one of two modes. Live, a batch is published and
 * acknowledged before the next one is. When the bus does not take one, goes away,
 * or leaves one without an answer for SPOOL_AFTER_MS, the hold begins to spool:
 * that batch and all after it are appended to one file, under the producer and the
 * numbers that they have or would have had. When the steward finds that the bus
 * takes batches again, the hold lets go of the file and is live under a producer
 * that is new. So no producer's batches are published by two threads or processes
 * at once, out of the order of their numbers, but for the one that was out when
 * the bus was lost: it is the first in the file, and may be in the stream already
 * or get there late, under the same number.
 *
 * A number is never used for a second batch: whatever became of the first, it
 * may have been stored.
 *
 * With collect.durability = power, each batch is in the file and on the disk
 * before it is published, in either mode. Live, the file is put away every
 * ROTATE_MS, when all of it is acknowledged, and kept for a while: see drain.h.
 */
#include "hold_inner.h"

#include <sodium.h>
#include <string.h>

#define AGAIN_MS 50        /* before a batch that was not taken is published again, without a spool */
#define SPOOL_AFTER_MS 300 /* without an acknowledgement */
#define ROTATE_MS 60000
#define CROWD_MS 2         /* from the result of one batch to the publishing of the next, while more requests are expected */
#define CROWDS_FULL 64     /* batches, before a larger crowd is expected */
#define GATHER_MS 5        /* of requests, for one batch of the spool: there is nothing else that it would wait for */

uint64_t hold_new_producer(void)
{
    uint64_t producer;
    do
        randombytes_buf(&producer, sizeof producer);
    while (producer == 0);
    return producer;
}

/* A batch whose fate is decided, to be answered outside of the lock. */
struct decided {
    struct held_batch *batch;
    enum hf_err outcome;
    bool by_spool; /* and not by the bus */
};

static enum tally_stage stage_of(const struct hold *hold, const struct decided *decided)
{
    bool power = hold->boot_id[0] != '\0', timeout = decided->outcome == HF_TIMEOUT;
    if (decided->outcome == HF_NOMEM)
        return TALLY_MEMORY;
    if (decided->outcome == HF_FULL || (timeout && decided->batch->no_room))
        return hold->spool != NULL ? TALLY_SPOOL_FULL : TALLY_STREAM_FULL;
    bool spool = decided->by_spool || (hold->spool != NULL && timeout) || (power && !decided->batch->aside);
    return spool ? TALLY_SPOOL_FAILED : TALLY_BUS;
}

/* Before the answers go out: what is answered has been counted, whatever process is killed when. */
static void count_decided(const struct hold *hold, const struct decided *decided)
{
    struct tally *tally = hold->options.tally;
    uint64_t samples = batch_samples(decided->batch->writer);
    if (decided->outcome == HF_OK) {
        tally_add(tally, decided->by_spool ? TALLY_SPOOLED : TALLY_PUBLISHED, 0, samples);
        tally_add(tally, TALLY_ACCEPTED, 0, samples);
        return;
    }
    enum tally_stage stage = stage_of(hold, decided);
    tally_add(tally, TALLY_SHED, stage, samples);
    tally_add(tally, TALLY_REQUESTS_SHED, stage, decided->batch->count);
    if (decided->batch->uncertain)
        tally_add(tally, TALLY_UNCERTAIN, 0, samples);
}

/* Answer all requests of a batch that nobody else can reach, and return how many. Not under the lock. */
static unsigned answer_all(struct hold *hold, const struct decided *decided)
{
    struct held_batch *batch = decided->batch;
    unsigned count = batch->count;
    if (count > 0)
        count_decided(hold, decided);
    for (unsigned i = 0; i < count; i++)
        hold->options.answer(hold->options.context, batch->requests[i], decided->outcome);
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
    batch->aside = false;
    batch->sent = false;
    batch->uncertain = false;
    batch->no_room = false;
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

/* ---- the two modes; under the lock ---- */

/* `batch`, if any, is one that the bus did not take. */
static void begin_spooling(struct hold *hold, const struct held_batch *batch)
{
    if (hold->spooling)
        return;
    hold->spooling = true;
    if (batch != NULL && batch->message.len > 0) {
        struct trial *trial = &hold->trial;
        hf_buf_clear(&trial->message);
        hf_buf_put(&trial->message, batch->message.data, batch->message.len);
        trial->producer = hold->producer;
        trial->number = batch->number;
        trial->wanted = hf_buf_ok(&trial->message);
    }
    if (hold->ready)
        hold_set_ready(hold, false);
}

static struct held_batch *first_out(struct hold *hold)
{
    for (unsigned i = 0; i < HOLD_BATCHES; i++)
        if (hold->batches[i].state == OUT && hold->batches[i].count > 0)
            return &hold->batches[i];
    return NULL;
}

/* Live, look whether the bus still is as it has to be. */
static void check_bus(struct hold *hold, long long now)
{
    if (hold->spool == NULL || hold->spooling)
        return;
    struct held_batch *out = first_out(hold);
    if (hold->ready ? out != NULL && !out->has_result && out->published_ms + SPOOL_AFTER_MS <= now : hold_has_work(hold))
        begin_spooling(hold, out);
}

/* Those that have numbers of this producer go to the spool first. */
static bool may_go_live(const struct hold *hold)
{
    return hold->spooling && hold->ready && hold->out == 0 && (hold->queued == 0 || hold->queue[0]->number == 0);
}

/* A batch that the bus did not take, or did not acknowledge in time, waits at the head of the queue: with a spool, to be put there,
 * without one, to be published again while its time lasts. */
static void not_taken(struct hold *hold, struct held_batch *batch, long long now)
{
    batch->state = WAITING;
    batch->not_before_ms = now + AGAIN_MS;
    memmove(hold->queue + 1, hold->queue, hold->queued * sizeof *hold->queue);
    hold->queue[0] = batch;
    hold->queued++;
    if (hold->spool != NULL)
        begin_spooling(hold, batch);
}

/* Is it time for another file of what is acknowledged? */
static bool may_rotate(const struct hold *hold, long long now)
{
    return hold->boot_id[0] != '\0' && !hold->spooling && hold->out == 0 && hold->file != NULL &&
           hold->file_since_ms + ROTATE_MS <= now;
}

/* ---- what becomes of batches; under the lock ---- */

/* Look at the batches that are out and have a result. */
static unsigned take_results(struct hold *hold, long long now, struct decided decided[HOLD_BATCHES])
{
    unsigned n = 0;
    for (unsigned i = 0; i < HOLD_BATCHES; i++) {
        struct held_batch *batch = &hold->batches[i];
        if (batch->state != OUT || !batch->has_result)
            continue;
        hold->out--;
        hold->gather_until_ms = now + CROWD_MS;
        batch->has_result = false;
        enum hf_err result = batch->result;
        bool again = hold->spool != NULL
                         ? result == HF_TIMEOUT || result == HF_AWAY || result == HF_FULL
                         : (result == HF_TIMEOUT || result == HF_AWAY) && now < due_ms(hold, batch);
        if (batch->count > 0 && again) {
            not_taken(hold, batch, now);
        } else {
            batch->state = WAITING; /* and in no queue */
            decided[n++] = (struct decided){batch, result, false};
        }
    }
    return n;
}

/* Give up batches whose time is over: the open one, those waiting, and (its requests alone) one that is out. */
static unsigned take_overdue(struct hold *hold, long long now, struct decided decided[HOLD_BATCHES])
{
    unsigned n = 0;
    if (hold->open != NULL && hold->open->count > 0 && due_ms(hold, hold->open) <= now)
        hold_close_open(hold);
    while (hold->queued > 0 && due_ms(hold, hold->queue[0]) <= now) {
        decided[n++] = (struct decided){hold->queue[0], HF_TIMEOUT, false};
        unqueue_first(hold);
    }
    for (unsigned i = 0; i < HOLD_BATCHES; i++) {
        struct held_batch *batch = &hold->batches[i];
        if (batch->state == OUT && batch->count > 0 && due_ms(hold, batch) <= now)
            decided[n++] = (struct decided){batch, HF_TIMEOUT, false};
    }
    return n;
}

static void give_number(struct hold *hold, struct held_batch *batch)
{
    if (batch->number == 0)
        batch->number = ++hold->last_number;
}

/* The batches to put into the spool now, in order: one that is out, those that wait, and the open one. */
static unsigned take_aside(struct hold *hold, long long now, struct held_batch *aside[HOLD_BATCHES])
{
    unsigned n = 0;
    struct held_batch *out = first_out(hold);
    if (out != NULL && !out->no_room && !out->has_result)
        aside[n++] = out;
    if (hold->open != NULL && hold->open->count > 0 && (hold->ending || hold->open->since_ms + GATHER_MS <= now))
        hold_close_open(hold);
    for (; hold->queued > 0; unqueue_first(hold)) {
        give_number(hold, hold->queue[0]);
        aside[n++] = hold->queue[0];
    }
    return n;
}

/*
 * A batch costs every part of the system as much as some tens of requests do, and where the processors are busy its result
 * comes soonest when nobody else is served: then batches become small and many, and use up what requests need. So a batch that
 * was not alone in coming is given CROWD_MS, or until as many requests have come as are known to. Those who send one after
 * the other never wait: a batch of one expects no more, and those that get fewer than expected learn it.
 */
bool hold_gathers(const struct hold *hold, long long now)
{
    unsigned count = hold->open != NULL ? hold->open->count : 0;
    return hold->crowd > 1 && count < hold->crowd && now < hold->gather_until_ms && !hold->ending;
}

/* Learn from a batch that is published how many to expect for the next. */
static void learn_crowd(struct hold *hold, unsigned count)
{
    unsigned expected = hold->crowd;
    if (count == expected)
        hold->full_crowds++;
    else
        hold->full_crowds = 0;
    if (count < expected)
        hold->crowd = count > expected * 3 / 4 ? count : expected * 3 / 4;
    else if (count > 1 && (count > expected || hold->full_crowds == CROWDS_FULL))
        hold->crowd = 2 * count;
}

/* The batch to publish now, or NULL. */
static struct held_batch *take_next(struct hold *hold, long long now)
{
    if (!hold->ready || hold->spooling || hold->out >= HOLD_OUT_MAX)
        return NULL;
    if (hold->queued == 0 && hold->open != NULL && hold->open->count > 0 && !hold_gathers(hold, now))
        hold_close_open(hold);
    if (hold->queued == 0 || hold->queue[0]->not_before_ms > now)
        return NULL;
    struct held_batch *batch = hold->queue[0];
    unqueue_first(hold);
    batch->state = OUT;
    batch->has_result = false;
    batch->no_room = false;
    batch->published_ms = now;
    learn_crowd(hold, batch->count);
    give_number(hold, batch);
    hold->out++;
    return batch;
}

/* ---- files and the bus; not under the lock ---- */

static enum hf_err seal(struct hold *hold, struct held_batch *batch)
{
    return batch->message.len > 0 ? HF_OK
                                  : batch_seal(batch->writer, hold->producer, batch->number, &batch->message);
}

/* Somebody else may have the batch from now on. */
static void count_sent(const struct hold *hold, struct held_batch *batch)
{
    if (!batch->sent)
        tally_add(hold->options.tally, TALLY_SENT, 0, batch_samples(batch->writer));
    batch->sent = true;
}

static enum hf_err open_file(struct hold *hold, struct hf_why *why)
{
    if (hold->file != NULL)
        return HF_OK;
    enum hf_err err = spool_create(hold->spool, hold->producer, hold->boot_id, &hold->file, why);
    hold->file_since_ms = now_ms();
    return err;
}

/* The disk may not have what was appended last, and will not tell again: leave the file to the drainers. Numbers go on, so that
 * those that batches have already stay their own. */
static void abandon_file(struct hold *hold)
{
    spool_release(&hold->file);
    hold->producer = hold_new_producer();
}

/* Seal a batch, unless it was before, and append it to the spool, unless it is there. `live`: it is answered only when the bus has
 * it too. */
static enum hf_err put_aside(struct hold *hold, struct held_batch *batch, bool live)
{
    struct hf_why why = {""};
    enum hf_err err = batch->aside ? HF_OK : seal(hold, batch);
    if (err == HF_OK && !batch->aside)
        err = open_file(hold, &why);
    if (err == HF_OK && hold->file != NULL) /* without one, the file that has it was abandoned, and so is not live */
        spool_set_live(hold->file, live);
    if (batch->aside)
        return HF_OK;
    if (err == HF_OK) {
        count_sent(hold, batch);
        err = spool_append(hold->file, batch->number, batch->message.data, batch->message.len, &why);
    }
    if (err == HF_OK && hold->boot_id[0] != '\0') {
        err = spool_sync(hold->file, &why);
        if (err != HF_OK) {
            batch->uncertain = true;
            abandon_file(hold);
        }
    }
    batch->aside = err == HF_OK;
    if (err != HF_OK)
        hold_log_limited(hold, HF_ERROR, "spool_failed", err, why.text);
    return err;
}

static void publish(struct hold *hold, struct held_batch *batch)
{
    enum hf_err err = seal(hold, batch);
    if (err == HF_OK && hold->boot_id[0] != '\0' && put_aside(hold, batch, true) != HF_OK)
        err = HF_IO; /* refused, and not to be tried again */
    if (err == HF_OK) {
        count_sent(hold, batch);
        batch->uncertain = true;
        err = bus_publish(hold->bus, batch->message.data, batch->message.len, hold->producer, batch->number, batch);
        if (err == HF_OK)
            return;
    }
    pthread_mutex_lock(&hold->lock);
    batch->has_result = true;
    batch->result = err == HF_FULL ? HF_AWAY : err; /* of bus_publish() it means that too many are out */
    pthread_mutex_unlock(&hold->lock);
}

static void keep_file(struct hold *hold)
{
    struct hf_why why = {""};
    enum hf_err err = spool_keep(&hold->file, hold->boot_id, &why);
    if (err != HF_OK)
        hold_log_limited(hold, HF_ERROR, "spool_failed", err, why.text);
}

void hold_close_file(struct hold *hold)
{
    if (hold->file != NULL && hold->boot_id[0] != '\0' && !hold->spooling)
        keep_file(hold);
    else
        spool_release(&hold->file);
}

/* Let go of the file, for any drainer, and publish under a producer of whom nothing is in the spool. */
static void go_live(struct hold *hold)
{
    bool used = hold->file != NULL;
    hold->told = false;
    if (used) {
        hf_log(HF_NOTICE, "spooled", "producer=%016llx bytes=%llu", (unsigned long long)hold->producer,
               (unsigned long long)spool_file_bytes(hold->file));
        spool_release(&hold->file);
        drain_look(hold->drain);
        hold->producer = hold_new_producer();
    }
    pthread_mutex_lock(&hold->lock);
    if (used)
        hold->last_number = 0;
    hold->spooling = false;
    pthread_mutex_unlock(&hold->lock);
}

/* When the sender has to look again, or -1: not before it is told to. */
static long long next_look(const struct hold *hold)
{
    long long next = -1;
    for (unsigned i = 0; i < HOLD_BATCHES; i++) {
        const struct held_batch *batch = &hold->batches[i];
        if (batch->state == FREE || batch->count == 0)
            continue;
        long long at = due_ms(hold, batch);
        if (batch->state == WAITING && hold->ready && hold->out < HOLD_OUT_MAX && batch->not_before_ms < at)
            at = batch->not_before_ms;
        if (hold->spooling && batch->state == OPEN)
            at = batch->since_ms + GATHER_MS;
        if (hold->spool != NULL && !hold->spooling && batch->state == OUT && batch->published_ms + SPOOL_AFTER_MS < at)
            at = batch->published_ms + SPOOL_AFTER_MS;
        if (next < 0 || at < next)
            next = at;
    }
    bool gathers = hold->ready && !hold->spooling && hold->out < HOLD_OUT_MAX && hold_gathers(hold, now_ms());
    return gathers && (next < 0 || hold->gather_until_ms < next) ? hold->gather_until_ms : next;
}

/* What one round of the sender is to do. */
struct work {
    struct decided decided[3 * HOLD_BATCHES];
    unsigned decisions;
    struct held_batch *aside[HOLD_BATCHES];
    unsigned asides;
    struct held_batch *next; /* to publish, or NULL */
    bool go_live;
    bool rotate;
};

/* Find it. False when there is nothing. Under the lock. */
static bool find_work(struct hold *hold, struct work *work)
{
    long long now = now_ms();
    work->asides = 0;
    work->decisions = take_results(hold, now, work->decided);
    check_bus(hold, now);
    work->go_live = may_go_live(hold);
    if (hold->spooling && !work->go_live)
        work->asides = take_aside(hold, now, work->aside);
    work->decisions += take_overdue(hold, now, work->decided + work->decisions);
    work->rotate = may_rotate(hold, now);
    work->next = take_next(hold, now);
    return work->decisions > 0 || work->asides > 0 || work->next != NULL || work->go_live || work->rotate;
}

/* Do it. Return how many requests were answered. Not under the lock. */
static unsigned do_work(struct hold *hold, struct work *work)
{
    unsigned answered = 0;
    if (work->go_live)
        go_live(hold);
    if (work->rotate) {
        keep_file(hold);
        hold->producer = hold_new_producer();
    }
    if (work->next != NULL) /* first, so that it is on its way while the others are answered */
        publish(hold, work->next);
    if (work->asides > 0 && !hold->told) {
        hf_log(HF_WARNING, "spooling", "producer=%016llx", (unsigned long long)hold->producer);
        hold->told = true;
    }
    for (unsigned i = 0; i < work->asides; i++) {
        struct held_batch *batch = work->aside[i];
        enum hf_err err = put_aside(hold, batch, false);
        if (err != HF_OK && batch->state == OUT) /* it may yet be acknowledged */
            batch->no_room = true;
        else
            work->decided[work->decisions++] = (struct decided){batch, err, true};
    }
    for (unsigned i = 0; i < work->decisions; i++)
        answered += answer_all(hold, &work->decided[i]);
    return answered;
}

void *hold_sender_main(void *argument)
{
    struct hold *hold = argument;
    struct work work;
    pthread_mutex_lock(&hold->lock);
    for (;;) {
        if (!find_work(hold, &work)) {
            if (hold->ending && !hold_has_work(hold))
                break;
            long long until = next_look(hold);
            if (until < 0)
                pthread_cond_wait(&hold->wake_sender, &hold->lock);
            else
                wait_until(&hold->wake_sender, &hold->lock, until);
            continue;
        }
        pthread_mutex_unlock(&hold->lock);
        unsigned answered = do_work(hold, &work);
        pthread_mutex_lock(&hold->lock);
        hold->held -= answered;
        for (unsigned i = 0; i < work.decisions; i++)
            if (work.decided[i].batch->state != OUT) /* one that is out is still known to the bus */
                recycle(work.decided[i].batch);
        if (work.decisions > 0)
            pthread_cond_broadcast(&hold->changed);
    }
    pthread_mutex_unlock(&hold->lock);
    return NULL;
}
