/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <string.h>
#include <time.h>

enum {
    INFO_INTERVAL_MS = 1000,
    INFO_QUIET_MS = 2000, /* where nothing came since the look before */
    ATTACH_FIRST_MS = 50,
    ATTACH_LAST_MS = 2000,
    AWAY_LOG_AFTER_MS = 3000,
    AWAY_LOG_EVERY_MS = 60000,
    STUCK_KEEP_MS = 10000,
    SLEEP_MS = 100,       /* at most, where no message can wake us */
    MESSAGES_AT_ONCE = 64 /* between two looks at the clock */
};

/* The stream is trimmed when more than NEARLY_FULL of 100 parts of it are in use, down to TRIMMED. */
enum { NEARLY_FULL = 90, TRIMMED = 80 };

void feed_on_state(void *context, bool connected)
{
    struct consumer *consumer = context;
    if (connected)
        atomic_store(&consumer->reconnected, true);
}

static void sleep_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    if (ms > 0)
        nanosleep(&pause, NULL);
}

/* ---- how the bus is found ---- */

static enum store_bus bus_of(enum hf_err err)
{
    switch (err) {
    case HF_OK: return STORE_BUS_WELL;
    case HF_AWAY: return STORE_BUS_AWAY;
    case HF_TIMEOUT: return STORE_BUS_STUCK;
    default: return STORE_BUS_UNFIT;
    }
}

/* Put down what came of asking it. */
static void bus_is(struct consumer *consumer, enum hf_err err)
{
    struct store_view *view = &consumer->view;
    enum store_bus was = view->bus;
    int64_t now_ms = monotonic_ms();
    if (err == HF_TIMEOUT)
        consumer->stuck_ms = now_ms;
    if (was == STORE_BUS_STUCK && err == HF_AWAY && now_ms - consumer->stuck_ms < STUCK_KEEP_MS)
        return; /* one that is stuck is also lost and connected to anew from time to time */
    view->bus = bus_of(err);
    if (was == STORE_BUS_UNKNOWN || (was == STORE_BUS_WELL) != (err == HF_OK))
        view->since_ms = real_ms();
    if (view->bus == STORE_BUS_STUCK && was != STORE_BUS_STUCK)
        hf_log(HF_ERROR, "bus_stuck", "text=\"nats-server is connected but answers no JetStream request; if its disk is or "
                                      "was full, it must be restarted\"");
}

/* ---- as of ---- */

static void reach_aim(struct consumer *consumer)
{
    if (consumer->aim.as_of_ms != 0 && fold_current(consumer->fold)->position >= consumer->aim.position) {
        fold_advance(consumer->fold, consumer->aim.as_of_ms);
        consumer->aim.as_of_ms = 0;
    }
}

/* ---- attach ---- */

/* Try again later, and say so when it has been going on for some seconds: connecting takes its time. */
static void attach_failed(struct consumer *consumer, enum hf_err err, const char *text)
{
    unsigned long held;
    char quoted[HF_WHY_BYTES];
    int64_t now_ms = monotonic_ms();
    bus_is(consumer, err);
    back_off_fail(&consumer->attach, now_ms, ATTACH_FIRST_MS, ATTACH_LAST_MS);
    if (consumer->away_ms == 0)
        consumer->away_ms = now_ms;
    if (now_ms - consumer->away_ms >= AWAY_LOG_AFTER_MS &&
        hf_log_allowed(&consumer->bus_log, now_ms, AWAY_LOG_EVERY_MS, &held))
        hf_log(err == HF_INVALID ? HF_ERROR : HF_WARNING, "bus_away", "url=%s text=%s",
               consumer->conf->bus.url, hf_log_quote(text, strlen(text), quoted, sizeof quoted));
}

/* The stream is not what it was at the position `was`. */
static void note_rewind(struct consumer *consumer, uint64_t was)
{
    consumer->view.rewound_ms = real_ms();
    consumer->aim.as_of_ms = 0;
    hf_log(HF_ERROR, "stream_rewound",
           "position=%llu first=%llu last=%llu text=\"the stream was lost, made anew or restored from a copy: messages "
           "it had lost cannot be folded any more; reading all it has, batches known already count once\"",
           (unsigned long long)was, (unsigned long long)consumer->stream.first_seq,
           (unsigned long long)consumer->stream.last_seq);
}

/* From where to deliver: the message at the position comes once more, where it is known, to be recognised. */
static uint64_t first_to_deliver(const struct consumer *consumer)
{
    const struct store_status *status = fold_current(consumer->fold);
    bool there = status->position_ms != 0 && status->position >= consumer->stream.first_seq;
    return there ? status->position : status->position + 1;
}

static void attach(struct consumer *consumer)
{
    struct hf_why why = {""};
    uint64_t missing, was = fold_current(consumer->fold)->position;
    if (!bus_connected(consumer->bus)) {
        attach_failed(consumer, HF_AWAY, "not connected; folding goes on when it is back");
        return;
    }
    enum hf_err err = bus_stream_ensure(consumer->bus, &consumer->stream, &why);
    if (err != HF_OK) {
        attach_failed(consumer, err, why.text);
        return;
    }
    enum fold_attached attached = fold_attach(consumer->fold, consumer->stream.created_ns, consumer->stream.first_seq,
                                              consumer->stream.last_seq, &missing);
    if (attached == FOLD_REWOUND)
        note_rewind(consumer, was);
    else if (attached == FOLD_GAP)
        hf_log(was == 0 ? HF_WARNING : HF_ERROR, "stream_gap",
               "position=%llu first=%llu missing=%llu text=\"messages are gone from the stream that were never folded\"",
               (unsigned long long)was, (unsigned long long)consumer->stream.first_seq, (unsigned long long)missing);
    err = bus_storage_limit(consumer->bus, &consumer->storage_bytes, &why);
    if (err != HF_OK) {
        attach_failed(consumer, err, why.text);
        return;
    }
    err = bus_deliver_from(consumer->bus, first_to_deliver(consumer), &why);
    if (err != HF_OK) {
        attach_failed(consumer, err, why.text);
        return;
    }
    consumer->attached = true;
    bus_is(consumer, HF_OK);
    consumer->looked_ms = 0;
    consumer->away_ms = 0;
    back_off_reset(&consumer->attach);
    consumer->bus_log = (struct hf_log_limit){0};
    hf_log(HF_NOTICE, consumer->ready ? "attached" : "ready", "stream=%s position=%llu first=%llu last=%llu",
           consumer->conf->bus.stream, (unsigned long long)fold_current(consumer->fold)->position,
           (unsigned long long)consumer->stream.first_seq, (unsigned long long)consumer->stream.last_seq);
    consumer->ready = true;
}

static void detach(struct consumer *consumer, enum hf_err err)
{
    consumer->attached = false;
    hf_log(HF_INFO, "detached", "text=\"%s\"", err == HF_AWAY ? "the connection was lost" : "delivery broke off");
}

/* ---- take ---- */

static enum hf_err apply(struct consumer *consumer, const struct bus_message *message, int64_t now_ms)
{
    struct hf_why why = {""};
    if (!fold_recognises(consumer->fold, message->seq, message->time_ms)) {
        note_rewind(consumer, message->seq);
        fold_rewind(consumer->fold, consumer->stream.first_seq);
        consumer->attached = false; /* and so from the beginning */
        return HF_OK;
    }
    enum hf_err err = fold_apply(consumer->fold, message->seq, message->time_ms, message->bytes, message->len, &why);
    if (err != HF_OK) {
        char text[HF_WHY_BYTES];
        hf_log(HF_ERROR, "fold_failed", "seq=%llu text=%s", (unsigned long long)message->seq,
               hf_log_quote(why.text, strlen(why.text), text, sizeof text));
        return err;
    }
    /* What comes through a spool comes later than it was acknowledged: then it takes a look at the spool to tell. A server
     * whose clock runs ahead must not make us promise anything for the time to come. */
    if (consumer->conf->collect.spool[0] == '\0')
        fold_advance(consumer->fold, message->time_ms < now_ms ? message->time_ms : now_ms);
    reach_aim(consumer);
    return HF_OK;
}

/* Take what is there, up to MESSAGES_AT_ONCE; wait up to `wait_ms` for the first. */
static enum hf_err take(struct consumer *consumer, int64_t wait_ms)
{
    int64_t now_ms = 0;
    for (int i = 0; i < MESSAGES_AT_ONCE && consumer->attached && !fold_full(consumer); i++) {
        struct bus_message message;
        enum hf_err err = bus_next(consumer->bus, i == 0 ? wait_ms : 0, &message);
        if (err == HF_TIMEOUT)
            return HF_OK;
        if (err != HF_OK) {
            detach(consumer, err);
            return HF_OK;
        }
        if (i == 0)
            now_ms = real_ms();
        err = apply(consumer, &message, now_ms);
        bus_message_free(&message);
        if (err != HF_OK)
            return err;
    }
    return HF_OK;
}

enum hf_err feed(struct consumer *consumer, int64_t until_ms)
{
    int64_t now_ms = monotonic_ms();
    if (atomic_exchange(&consumer->reconnected, false))
        consumer->attached = false;
    if (!consumer->attached && now_ms >= consumer->attach.next_ms) {
        attach(consumer);
        now_ms = monotonic_ms();
    }
    int64_t wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    if (consumer->attached && !fold_full(consumer))
        return take(consumer, wait_ms);
    if (!consumer->attached && consumer->attach.next_ms - now_ms < wait_ms)
        wait_ms = consumer->attach.next_ms - now_ms;
    sleep_ms(wait_ms < SLEEP_MS ? wait_ms : SLEEP_MS);
    return HF_OK;
}

/* ---- look ---- */

/* How many messages the stream may hold, as large as those are that it has. */
static uint64_t most_messages(const struct consumer *consumer)
{
    const struct bus_stream *stream = &consumer->stream;
    uint64_t most = (uint64_t)consumer->conf->bus.max_messages;
    uint64_t bytes = (uint64_t)consumer->conf->bus.max_mb << 20;
    if (consumer->storage_bytes > 0 && consumer->storage_bytes < bytes)
        bytes = consumer->storage_bytes;
    if (stream->messages == 0 || stream->bytes < stream->messages)
        return most;
    uint64_t fit = bytes / (stream->bytes / stream->messages);
    return fit < most ? fit : most;
}

static void trim(struct consumer *consumer)
{
    const struct bus_stream *stream = &consumer->stream;
    uint64_t most = most_messages(consumer);
    struct hf_why why = {""};
    if (stream->messages < most * NEARLY_FULL / 100)
        return;
    uint64_t before = stream->first_seq + (stream->messages - most * TRIMMED / 100);
    if (before > consumer->synced_position)
        before = consumer->synced_position; /* the message at the position stays, to be recognised */
    if (before <= stream->first_seq)
        return;
    enum hf_err err = bus_stream_trim(consumer->bus, before, &why);
    hf_log(err == HF_OK ? HF_WARNING : HF_ERROR, "stream_trimmed",
           "messages=%llu most=%llu before=%llu result=\"%s\" text=\"the stream was nearly full: it keeps less behind "
           "the position than bus.max_age\"",
           (unsigned long long)stream->messages, (unsigned long long)most, (unsigned long long)before,
           hf_strerror(err));
}

/* Up to when all that was acknowledged has come into the stream by now, the spool's share included; 0: not known. */
static int64_t covered(struct consumer *consumer)
{
    const char *path = consumer->conf->collect.spool;
    struct hf_why why = {""};
    char quoted[HF_WHY_BYTES];
    int64_t now_ms = real_ms();
    if (path[0] == '\0')
        return now_ms;
    cover_begin(&consumer->cover);
    enum hf_err err = spool_waiting(path, consumer->boot_id, cover_file, &consumer->cover, &why);
    if (err == HF_IO && !consumer->spool_told)
        hf_log(HF_WARNING, "spool_unseen", "why=%s text=\"as_of does not cover what waits there\"",
               hf_log_quote(why.text, strlen(why.text), quoted, sizeof quoted));
    consumer->spool_told = err == HF_IO;
    return cover_end(&consumer->cover, now_ms);
}

/* Everything acknowledged before `asked_ms` is in the stream, up to `last_seq`: it is folded once the position is there. */
static void aim_for(struct consumer *consumer, uint64_t last_seq, int64_t asked_ms)
{
    if (consumer->aim.as_of_ms == 0 && asked_ms > fold_current(consumer->fold)->as_of_ms) {
        consumer->aim.position = last_seq;
        consumer->aim.as_of_ms = asked_ms;
    }
    reach_aim(consumer);
}

static void look_at_stream(struct consumer *consumer)
{
    int64_t covered_ms = covered(consumer); /* found before the stream is asked */
    struct bus_stream now;
    const struct store_status *status = fold_current(consumer->fold);
    enum hf_err err = bus_stream_info(consumer->bus, &now, NULL);
    if (err == HF_NOTFOUND ||
        (err == HF_OK && (now.created_ns != consumer->stream.created_ns || now.last_seq < status->position))) {
        consumer->attached = false;
        return;
    }
    if (err != HF_OK) { /* bus_next() tells soon enough whether delivery goes on */
        bus_is(consumer, err);
        return;
    }
    bus_is(consumer, HF_OK);
    consumer->stream = now;
    aim_for(consumer, now.last_seq, covered_ms);
    trim(consumer);
}

void feed_look(struct consumer *consumer, int64_t now_ms)
{
    uint64_t position = fold_current(consumer->fold)->position;
    bool quiet = consumer->view.bus == STORE_BUS_WELL && consumer->stream.last_seq == position && consumer->looked_position == position;
    if (consumer->looked_ms != 0 && now_ms - consumer->looked_ms < (quiet ? INFO_QUIET_MS : INFO_INTERVAL_MS))
        return;
    consumer->looked_ms = now_ms;
    consumer->looked_position = position;
    if (consumer->attached)
        look_at_stream(consumer);
    if (consumer->view.bus == STORE_BUS_UNKNOWN) /* the first attempt to attach is yet to come */
        return;
    uint64_t last = consumer->stream.last_seq;
    consumer->view.seen_ms = real_ms();
    consumer->view.waiting = last > position ? last - position : 0;
    consumer->view.messages = consumer->stream.messages;
    consumer->view.messages_max = most_messages(consumer);
    fold_view(consumer->fold, &consumer->view);
}
