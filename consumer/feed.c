/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <string.h>
#include <time.h>

enum {
    INFO_INTERVAL_MS = 1000,
    ATTACH_FIRST_MS = 50,
    ATTACH_LAST_MS = 2000,
    AWAY_LOG_AFTER_MS = 3000,
    AWAY_LOG_EVERY_MS = 60000,
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

/* ---- attach ---- */

/* Try again later, and say so when it has been going on for some seconds: connecting takes its time. */
static void attach_failed(struct consumer *consumer, enum hf_err err, const char *text)
{
    unsigned long held;
    char quoted[HF_WHY_BYTES];
    int64_t now_ms = monotonic_ms();
    back_off_fail(&consumer->attach, now_ms, ATTACH_FIRST_MS, ATTACH_LAST_MS);
    if (consumer->away_ms == 0)
        consumer->away_ms = now_ms;
    if (now_ms - consumer->away_ms >= AWAY_LOG_AFTER_MS &&
        hf_log_allowed(&consumer->bus_log, now_ms, AWAY_LOG_EVERY_MS, &held))
        hf_log(err == HF_INVALID ? HF_ERROR : HF_WARNING, "bus_away", "url=%s text=%s",
               consumer->conf->bus.url, hf_log_quote(text, strlen(text), quoted, sizeof quoted));
}

static void log_rewind(const struct consumer *consumer, uint64_t was)
{
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
        log_rewind(consumer, was);
    else if (attached == FOLD_GAP)
        hf_log(was == 0 ? HF_WARNING : HF_ERROR, "stream_gap",
               "position=%llu first=%llu missing=%llu text=\"messages are gone from the stream that were never folded\"",
               (unsigned long long)was, (unsigned long long)consumer->stream.first_seq, (unsigned long long)missing);
    err = bus_deliver_from(consumer->bus, first_to_deliver(consumer), &why);
    if (err != HF_OK) {
        attach_failed(consumer, err, why.text);
        return;
    }
    consumer->attached = true;
    consumer->info_ms = 0;
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
        log_rewind(consumer, message->seq);
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
    /* A server whose clock runs ahead must not make us promise anything for the time to come. */
    fold_advance(consumer->fold, message->time_ms < now_ms ? message->time_ms : now_ms);
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

static void trim(struct consumer *consumer)
{
    const struct bus_stream *stream = &consumer->stream;
    uint64_t most = (uint64_t)consumer->conf->bus.max_messages;
    struct hf_why why = {""};
    if (stream->messages < most / 100 * NEARLY_FULL)
        return;
    uint64_t before = stream->first_seq + (stream->messages - most / 100 * TRIMMED);
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

void feed_look(struct consumer *consumer, int64_t now_ms)
{
    if (!consumer->attached || now_ms < consumer->info_ms)
        return;
    consumer->info_ms = now_ms + INFO_INTERVAL_MS;
    int64_t asked_ms = real_ms();
    struct bus_stream now;
    const struct store_status *status = fold_current(consumer->fold);
    enum hf_err err = bus_stream_info(consumer->bus, &now, NULL);
    if (err != HF_OK && err != HF_NOTFOUND)
        return; /* bus_next() tells soon enough what is wrong */
    if (err == HF_NOTFOUND || now.created_ns != consumer->stream.created_ns || now.last_seq < status->position) {
        consumer->attached = false;
        return;
    }
    consumer->stream = now;
    if (now.last_seq == status->position)
        fold_advance(consumer->fold, asked_ms);
    trim(consumer);
}
