/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JetStream, as hourfold uses it: one stream, batches published pipelined and
 * acknowledged one by one, delivery in order from a given sequence.
 *
 * A bus connects in the background and again after every loss or refused login,
 * for ever, backed off from 50 ms to 2 s. Make it after any fork(). It starts a
 * thread and several of the NATS library, which inherit the signal mask, and
 * SIGPIPE is ignored from then on. Callbacks come on those threads: they must be
 * short and call no function of the bus but bus_connected().
 */
#ifndef HF_BUS_H
#define HF_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"

struct bus;

struct bus_options {
    const char *name;        /* of the client, as the server shows it */
    const char *url;         /* one or more, comma separated */
    const char *stream;
    const char *subject;
    const char *credentials; /* file, or "" */
    const char *tls_ca;      /* PEM file, or "" */
    unsigned replicas;
    int64_t max_messages;
    int64_t max_age_ms;
    int64_t ack_wait_ms;     /* how long one publish waits for its acknowledgement */
    /* What became of one publish: HF_OK is stored by JetStream; HF_FULL the stream is full; HF_TIMEOUT or
     * HF_AWAY no answer (it may yet be stored: send it again under the same number); HF_IO refused, see
     * `text`. Called exactly once for each bus_publish() that returned HF_OK, maybe before it returns, and at the
     * latest shortly after ack_wait_ms or during bus_close(). NULL for a bus that only reads. */
    void (*on_result)(void *context, void *ticket, enum hf_err result, const char *text);
    /* Connected (true) or lost (false); may be NULL. */
    void (*on_state)(void *context, bool connected);
    void *context;
};

/* What section [bus] says, for the client `name`; the rest 0. Its strings are those of `conf`. */
struct bus_options bus_options_of(const struct hf_conf *conf, const char *name);

/* Start connecting; HF_OK does not mean connected. HF_INVALID for a malformed url or unreadable file; HF_NOMEM;
 * HF_IO. Strings of `options` are copied. */
HF_MUST_CHECK enum hf_err bus_open(const struct bus_options *options, struct bus **out, struct hf_why *why);

/* Wait up to `wait_ms` for acknowledgements still out, then disconnect and free. */
void bus_close(struct bus **bus, int64_t wait_ms);

/* Check what bus_open() would refuse, and do nothing else: a url that is none, a file that cannot be read. HF_INVALID; HF_NOMEM, HF_IO. */
HF_MUST_CHECK enum hf_err bus_check(const struct bus_options *options, struct hf_why *why);

bool bus_connected(const struct bus *bus);

/* ---- the stream ---- */

struct bus_stream {
    int64_t created_ns;  /* a stream made anew differs in it */
    uint64_t first_seq;  /* of the oldest message, or last_seq + 1 when empty */
    uint64_t last_seq;   /* 0 in a new stream */
    uint64_t messages;
    uint64_t bytes;
};

/* Make the stream (file storage, limits, discard new, max_msgs, no max_bytes) or check the one that is there and
 * bring its limits in line. HF_AWAY, HF_TIMEOUT, HF_FULL, HF_IO; HF_INVALID when a stream of that name exists whose subject, storage or
 * discard policy cannot serve. */
HF_MUST_CHECK enum hf_err bus_stream_ensure(struct bus *bus, struct bus_stream *out, struct hf_why *why);
/* HF_NOTFOUND when there is no such stream; HF_AWAY; HF_TIMEOUT, after 2.5 s; HF_IO. */
HF_MUST_CHECK enum hf_err bus_stream_info(struct bus *bus, struct bus_stream *out, struct hf_why *why);

/* The most bytes that the server lets this account keep in streams of files; 0: it tells no limit. HF_AWAY, HF_TIMEOUT, HF_IO. */
HF_MUST_CHECK enum hf_err bus_storage_limit(struct bus *bus, uint64_t *bytes, struct hf_why *why);

/* Delete every message before `seq`. Only ever up to a position that is on disk. */
HF_MUST_CHECK enum hf_err bus_stream_trim(struct bus *bus, uint64_t seq, struct hf_why *why);

/* ---- publish ---- */

/* Send one batch; its bytes are copied before the call returns. HF_AWAY while not connected, or for a while (50 ms to
 * 2 s) after nobody answered for the subject; HF_FULL when 256 are out; HF_NOMEM; HF_IO, it can never be sent: then no
 * result is called. `producer` and `number` make the message id. Thread safe. */
HF_MUST_CHECK enum hf_err bus_publish(struct bus *bus, const void *bytes, size_t len, uint64_t producer,
                                      uint64_t number, void *ticket);

/* ---- deliver ---- */

struct bus_message {
    uint64_t seq;
    int64_t time_ms; /* when JetStream stored it */
    const void *bytes;
    size_t len;
    void *handle;
};

/* Begin delivery of all messages from `seq` on, in order. A second call moves it there. HF_NOTFOUND when there
 * is no such stream; HF_AWAY, HF_TIMEOUT, HF_IO. */
HF_MUST_CHECK enum hf_err bus_deliver_from(struct bus *bus, uint64_t seq, struct hf_why *why);

/* The next message, waited for up to `wait_ms`. HF_TIMEOUT when there is none; HF_AWAY (waited for a
 * connection up to `wait_ms`) or HF_STALE (at once: a gap, silence, or not begun) when delivery must be started again
 * with bus_deliver_from(). One thread at a time, for these two and bus_close(). */
HF_MUST_CHECK enum hf_err bus_next(struct bus *bus, int64_t wait_ms, struct bus_message *out);
void bus_message_free(struct bus_message *message);

#endif
