/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that are out are in a ring, in the order of the file. One leaves it when
 * it and all before it are acknowledged. So the oldest in the ring is the lowest
 * number that may still have to be sent, and AHEAD_MAX, far below the consumer's
 * window of 4,096 numbers, bounds how far beyond it another may be published.
 *
 * A slot whose record is out belongs to the bus: its file is released before all
 * results are there only when the program ends.
 */
#include "drain.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "batch/batch.h"
#include "clock.h"
#include "ticket.h"

#define OUT_MAX 64u
#define OUT_BYTES_MAX (1u << 20) /* more than one record only below it */
#define AHEAD_MAX 1024u
#define LOOK_EVERY_MS 3000       /* for files of processes that died */
#define AGAIN_MS 50              /* before a record that found no answer is published again */
#define AGAIN_FULL_MS 500
#define AGAIN_REFUSED_MS 5000
#define LOG_EVERY_MS 10000
#define LEFT_MAX 64u

enum slot_state { SENDING, AGAIN, DONE };

struct slot {
    struct ticket ticket; /* the first */
    struct drain *drain;
    enum slot_state state;
    long long not_before_ms; /* AGAIN */
    uint64_t at;
    uint64_t producer;
    uint64_t number;
    size_t len;
    uint32_t samples;
};

struct drain {
    struct spool *spool;
    struct bus *bus;
    const char *boot_id;
    struct tally *tally;
    pthread_t thread;

    /* Of the thread alone: */
    struct spool_file *file;
    uint64_t at;
    uint64_t records;
    uint64_t damaged;
    bool at_end;             /* nothing more to read */
    enum hf_err read_err;    /* why nothing more can be read before its end, or HF_OK */
    uint64_t left[LEFT_MAX]; /* files that cannot be read */
    unsigned left_count;

    pthread_mutex_t lock;    /* of all below */
    pthread_cond_t wake;
    bool ready;
    bool look;
    bool ending;
    struct slot slots[OUT_MAX];
    unsigned first;
    unsigned used;
    unsigned used_below;     /* read on when fewer are in use: OUT_MAX, or because the next one may not follow these */
    size_t bytes;
    struct hf_log_limit log_limit;
};

static void on_result(struct ticket *ticket, enum hf_err result, const char *text)
{
    struct slot *slot = (struct slot *)ticket;
    struct drain *drain = slot->drain;
    unsigned long held = 0;
    long long now = now_ms();
    ticket_note(drain->tally, result);
    if (result == HF_OK)
        tally_add(drain->tally, TALLY_REPLAYED, 0, slot->samples);
    pthread_mutex_lock(&drain->lock);
    slot->state = result == HF_OK ? DONE : AGAIN;
    slot->not_before_ms = now + (result == HF_FULL ? AGAIN_FULL_MS : result == HF_IO ? AGAIN_REFUSED_MS : AGAIN_MS);
    bool tell = result == HF_IO && hf_log_allowed(&drain->log_limit, now, LOG_EVERY_MS, &held);
    pthread_cond_signal(&drain->wake);
    pthread_mutex_unlock(&drain->lock);
    if (tell) {
        char quoted[HF_WHY_BYTES];
        hf_log(HF_ERROR, "spool_refused", "producer=%016llx number=%llu why=%s suppressed=%lu",
               (unsigned long long)slot->producer, (unsigned long long)slot->number,
               hf_log_quote(text, (unsigned long)strlen(text), quoted, sizeof quoted), held);
    }
}

/* ---- the ring; under the lock ---- */

static struct slot *slot_at(struct drain *drain, unsigned i) { return &drain->slots[(drain->first + i) % OUT_MAX]; }

static void drop_done(struct drain *drain)
{
    while (drain->used > 0 && slot_at(drain, 0)->state == DONE) {
        drain->bytes -= slot_at(drain, 0)->len;
        drain->first = (drain->first + 1) % OUT_MAX;
        drain->used--;
    }
}

static struct slot *first_again(struct drain *drain)
{
    for (unsigned i = 0; i < drain->used; i++)
        if (slot_at(drain, i)->state == AGAIN)
            return slot_at(drain, i);
    return NULL;
}

/* May this record be published before the others are acknowledged? */
static bool may_follow(struct drain *drain, const struct spool_record *record)
{
    if (drain->used == 0)
        return true;
    const struct slot *oldest = slot_at(drain, 0);
    return drain->bytes + record->len <= OUT_BYTES_MAX && record->producer == oldest->producer &&
           record->number > oldest->number && record->number - oldest->number <= AHEAD_MAX;
}

static struct slot *take_slot(struct drain *drain, const struct spool_record *record)
{
    struct slot *slot = slot_at(drain, drain->used++);
    slot->state = SENDING;
    slot->at = record->at;
    slot->producer = record->producer;
    slot->number = record->number;
    slot->len = record->len;
    slot->samples = batch_samples_said(record->bytes, record->len);
    drain->bytes += record->len;
    return slot;
}

/* ---- one file; not under the lock ---- */

static void publish(struct drain *drain, struct slot *slot, const struct spool_record *record)
{
    enum hf_err err = bus_publish(drain->bus, record->bytes, record->len, record->producer, record->number, slot);
    if (err != HF_OK) /* of bus_publish(), HF_FULL means that too many are out */
        on_result(&slot->ticket, err == HF_FULL ? HF_AWAY : err, hf_strerror(err));
}

static void publish_again(struct drain *drain, struct slot *slot)
{
    struct spool_record record;
    uint64_t at = slot->at;
    enum hf_err err = spool_read(drain->file, &at, &record);
    if (err == HF_OK)
        publish(drain, slot, &record);
    else /* it was there before: try again, rather than to lose it */
        on_result(&slot->ticket, HF_IO, hf_strerror(err));
}

/* Read on, and publish what was read, if it may follow. */
static void publish_next(struct drain *drain)
{
    struct spool_record record;
    uint64_t at = drain->at;
    enum hf_err err = spool_read(drain->file, &at, &record);
    if (err == HF_CORRUPT) {
        hf_log(HF_ERROR, "spool_damaged", "producer=%016llx from=%llu to=%llu",
               (unsigned long long)spool_file_producer(drain->file), (unsigned long long)drain->at, (unsigned long long)at);
        drain->damaged++;
        tally_add(drain->tally, TALLY_SPOOL_DAMAGED, 0, 1);
        drain->at = at;
        return;
    }
    if (err != HF_OK) {
        drain->at_end = true;
        drain->read_err = err != HF_NOTFOUND ? err : HF_OK;
        return;
    }
    pthread_mutex_lock(&drain->lock);
    struct slot *slot = may_follow(drain, &record) ? take_slot(drain, &record) : NULL;
    drain->used_below = slot != NULL ? OUT_MAX : drain->used;
    pthread_mutex_unlock(&drain->lock);
    if (slot == NULL)
        return;
    drain->at = at;
    drain->records++;
    publish(drain, slot, &record);
}

enum action { END, SEND_AGAIN, READ_ON };

/* Wait until there is something to do for the file. */
static enum action await_action(struct drain *drain, struct slot **again)
{
    enum action action = END;
    pthread_mutex_lock(&drain->lock);
    for (;;) {
        drop_done(drain);
        *again = first_again(drain);
        if (drain->ending || (drain->used == 0 && drain->at_end))
            break;
        if (drain->ready && *again != NULL && (*again)->not_before_ms <= now_ms()) {
            (*again)->state = SENDING;
            action = SEND_AGAIN;
            break;
        }
        if (drain->ready && *again == NULL && !drain->at_end && (drain->used < drain->used_below || drain->used == 0)) {
            action = READ_ON;
            break;
        }
        if (drain->ready && *again != NULL)
            wait_until(&drain->wake, &drain->lock, (*again)->not_before_ms);
        else
            pthread_cond_wait(&drain->wake, &drain->lock);
    }
    pthread_mutex_unlock(&drain->lock);
    return action;
}

/* All of the file is published, or all that can be read. */
static void end_file(struct drain *drain)
{
    struct hf_why why = {""};
    char quoted[HF_WHY_BYTES];
    unsigned long long producer = spool_file_producer(drain->file), bytes = spool_file_bytes(drain->file);
    unsigned long long rest = bytes - drain->at;
    if (drain->read_err != HF_OK) {
        spool_release(&drain->file);
        if (drain->read_err != HF_NOMEM && drain->left_count < LEFT_MAX) /* memory comes back: then it is tried again */
            drain->left[drain->left_count++] = producer;
        hf_log(HF_ERROR, "spool_unreadable", "producer=%016llx at=%llu outcome=\"%s\"", producer,
               (unsigned long long)drain->at, hf_strerror(drain->read_err));
        return;
    }
    enum hf_err err = drain->boot_id[0] != '\0' ? spool_keep(&drain->file, drain->boot_id, &why)
                                               : spool_finish(&drain->file, &why);
    if (err != HF_OK)
        hf_log(HF_ERROR, "spool_not_removed", "producer=%016llx why=%s", producer,
               hf_log_quote(why.text, (unsigned long)strlen(why.text), quoted, sizeof quoted));
    hf_log(HF_NOTICE, "spool_drained", "producer=%016llx batches=%llu bytes=%llu damaged=%llu cut_off=%llu", producer,
           (unsigned long long)drain->records, bytes, (unsigned long long)drain->damaged, rest);
}

/* Publish what is in the claimed file. */
static void drain_file(struct drain *drain)
{
    struct slot *again;
    drain->at = drain->records = drain->damaged = 0;
    drain->at_end = false;
    drain->read_err = HF_OK;
    drain->used_below = OUT_MAX;
    for (;;) {
        enum action action = await_action(drain, &again);
        if (action == SEND_AGAIN)
            publish_again(drain, again);
        else if (action == READ_ON)
            publish_next(drain);
        else
            break;
    }
    pthread_mutex_lock(&drain->lock);
    bool ending = drain->ending;
    pthread_mutex_unlock(&drain->lock);
    if (ending)
        spool_release(&drain->file);
    else
        end_file(drain);
}

/* ---- all files ---- */

static bool was_left(const struct drain *drain, uint64_t producer)
{
    for (unsigned i = 0; i < drain->left_count; i++)
        if (drain->left[i] == producer)
            return true;
    return false;
}

/* Give back what was kept before the machine was started, remove what was kept long enough. */
static void tend(struct drain *drain)
{
    struct timespec now;
    if (drain->boot_id[0] == '\0')
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    enum hf_err err = spool_tend(drain->spool, drain->boot_id, (int64_t)now.tv_sec * 1000 - DRAIN_KEEP_MS);
    if (err != HF_OK)
        hf_log(HF_ERROR, "spool_not_tended", "outcome=\"%s\"", hf_strerror(err));
}

static void drain_all(struct drain *drain)
{
    struct spool_entry *entries = NULL;
    size_t count = 0;
    struct hf_why why;
    char quoted[HF_WHY_BYTES];
    enum hf_err err = spool_list(drain->spool, &entries, &count);
    if (err != HF_OK)
        hf_log(HF_ERROR, "spool_not_listed", "outcome=\"%s\"", hf_strerror(err));
    for (size_t i = 0; i < count && err == HF_OK; i++) {
        if (was_left(drain, entries[i].producer))
            continue;
        why.text[0] = '\0';
        enum hf_err claimed = spool_claim(drain->spool, entries[i].producer, &drain->file, &why);
        if (claimed == HF_OK)
            drain_file(drain);
        else if (claimed != HF_BUSY && claimed != HF_NOTFOUND)
            hf_log(HF_ERROR, "spool_not_claimed", "why=%s",
                   hf_log_quote(why.text, (unsigned long)strlen(why.text), quoted, sizeof quoted));
    }
    free(entries);
}

/* Wait until it is time to look for files. False when the program ends. */
static bool await_look(struct drain *drain)
{
    long long next = now_ms() + LOOK_EVERY_MS;
    pthread_mutex_lock(&drain->lock);
    while (!drain->ending && !(drain->ready && (drain->look || now_ms() >= next))) {
        if (drain->ready)
            wait_until(&drain->wake, &drain->lock, next);
        else
            pthread_cond_wait(&drain->wake, &drain->lock);
    }
    drain->look = false;
    bool ending = drain->ending;
    pthread_mutex_unlock(&drain->lock);
    return !ending;
}

static void *drain_main(void *argument)
{
    struct drain *drain = argument;
    while (await_look(drain)) {
        tend(drain);
        drain_all(drain);
    }
    return NULL;
}

/* ---- for the others ---- */

void drain_ready(struct drain *drain, bool ready)
{
    pthread_mutex_lock(&drain->lock);
    drain->look |= ready && !drain->ready;
    drain->ready = ready;
    pthread_cond_signal(&drain->wake);
    pthread_mutex_unlock(&drain->lock);
}

void drain_look(struct drain *drain)
{
    pthread_mutex_lock(&drain->lock);
    drain->look = true;
    pthread_cond_signal(&drain->wake);
    pthread_mutex_unlock(&drain->lock);
}

enum hf_err drain_open(struct spool *spool, struct bus *bus, const char *boot_id, struct tally *tally,
                       struct drain **out, struct hf_why *why)
{
    struct drain *drain = calloc(1, sizeof *drain);
    if (drain == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    drain->spool = spool;
    drain->bus = bus;
    drain->boot_id = boot_id;
    drain->tally = tally;
    for (unsigned i = 0; i < OUT_MAX; i++) {
        drain->slots[i].ticket.on_result = on_result;
        drain->slots[i].drain = drain;
    }
    init_cond(&drain->wake);
    pthread_mutex_init(&drain->lock, NULL);
    int failure = pthread_create(&drain->thread, NULL, drain_main, drain);
    if (failure != 0) {
        drain_free(&drain);
        return hf_fail(why, HF_IO, "cannot start a thread: %s", strerror(failure));
    }
    *out = drain;
    return HF_OK;
}

void drain_stop(struct drain *drain)
{
    pthread_mutex_lock(&drain->lock);
    drain->ending = true;
    pthread_cond_signal(&drain->wake);
    pthread_mutex_unlock(&drain->lock);
    pthread_join(drain->thread, NULL);
}

void drain_free(struct drain **drain)
{
    if (*drain != NULL) {
        pthread_cond_destroy(&(*drain)->wake);
        pthread_mutex_destroy(&(*drain)->lock);
    }
    free(*drain);
    *drain = NULL;
}
