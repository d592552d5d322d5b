/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prepared stream of messages, and a life of the consumer that folds it: the
 * same in each run, so that a fault can be put at any of its calls.
 */
#ifndef HF_TESTS_FAULT_STREAM_H
#define HF_TESTS_FAULT_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

enum stream_kind {
    STREAM_VARIED, /* hours come and go */
    STREAM_STEADY  /* every key in each message, all in one hour: tables keep their size, and are larger than the cache */
};

/* What is known from outside of the lives of the consumer; it begins with the board. */
struct stream_ledger {
    struct fault_board board;
    _Atomic uint64_t position;       /* of the last commit that was done */
    _Atomic unsigned long open_calls; /* how many the opening of the store took */
    uint64_t sum;                    /* of all that the store holds */
    uint64_t folded_to;              /* its position */
    bool wrong;                      /* what was read without an error contradicts itself */
    unsigned counts[5];              /* hours, minutes, keys, ids, producers */
    char path[80];                   /* of the store */
};

/* Make the messages; before anything else, in the parent. Another kind replaces them. */
void stream_prepare(enum stream_kind kind);
uint64_t stream_messages(void); /* how many there are */

/* Fold what the store has not got yet, with commits, flushes, checkpoints and expiry as the consumer does them, and
 * sum up what it holds then. Exits with FAULT_AGAIN_CODE where the consumer would end to be started again. `context` is the
 * ledger; these are for fault_run(). */
bool stream_fold(void *context);

/* Read the store as queries do: nothing committed is missing, and its counters agree with its cells. */
bool stream_look(void *context);

#endif
