/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hold, batch, finish: requests whose samples wait to be stored by JetStream.
 *
 * The samples of a request go into the open batch, and the request is held. When
 * no other batch is out, the open one is sealed and published; meanwhile the next
 * fills. So a batch is as large as what came while the one before it was on its
 * way: no timer, no size to tune. When a batch is acknowledged, its requests are
 * answered 204, on a thread of their own.
 *
 * Without a spool, a batch without an answer is published again under its number,
 * until its oldest request has waited HOLD_WAIT_MS; its requests are then answered
 * 503, and whether its samples were stored is unknown. A batch that is refused has
 * its requests answered 503 at once.
 *
 * With a spool (collect.spool), a batch that the bus does not take or acknowledge is
 * appended there, and its requests are answered 204; so are the batches after it,
 * until the bus takes batches again. What is in the spool is published in the
 * background. Only when the spool does not take a batch either are its requests
 * answered 503.
 */
#ifndef HF_FCGI_HOLD_H
#define HF_FCGI_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"
#include "loop.h"
#include "sample/sample.h"
#include "tally/tally.h"

#define HOLD_WAIT_MS 4000      /* the longest a request waits for its acknowledgement */
#define HOLD_END_MS 3000       /* the same, when the program ends */
/* The longest from the reading of a request until its samples are in a batch. With what a full row of batches takes until it is
 * acknowledged, a request that is too much is refused in well under a second, and one that is not is taken. */
#define HOLD_ROOM_WAIT_MS 300

struct hold;

struct hold_options {
    const struct hf_conf *conf; /* outlives the hold */
    const char *name;           /* of the program, for the bus */
    struct tally *tally;        /* outlives the hold; counts samples from sealing on, and why held requests were shed */
    unsigned requests_max;      /* that can be held at once */
    /* Answer one held request and let go of it: HF_OK, its samples are stored; HF_FULL, there is no room for them; any
     * other, they are not, as far as is known. On a thread of the hold. */
    void (*answer)(void *context, struct request *request, enum hf_err outcome);
    void *context;
};

/* Connect in the background. HF_INVALID when the configuration of the bus or of the spool cannot be used; HF_NOMEM; HF_IO. */
HF_MUST_CHECK enum hf_err hold_open(const struct hold_options *options, struct hold **out, struct hf_why *why);

/* Wait until samples can be stored, at most `wait_ms`, and log why they cannot. */
bool hold_await_ready(struct hold *hold, int64_t wait_ms);

/* Put the samples (at least one) into the open batch, count them as received, and hold the request. Otherwise than with HF_OK the
 * request stays the caller's, and nothing is counted: HF_AWAY, the bus is away or does not answer; HF_BUSY, there was no room in
 * time, or at once when it may not wait; HF_FULL, they do not fit into any batch; HF_NOMEM. Thread safe. */
HF_MUST_CHECK enum hf_err hold_add(struct hold *hold, const struct sample_list *list, struct request *request, bool may_wait);

/* Publish what is open, wait for what is out at most HOLD_END_MS, answer all, disconnect, free. No hold_add() may run.
 * NULL inside is allowed. */
void hold_close(struct hold **hold);

#endif
