/* SPDX-License-Identifier: Apache-2.0 */
/* What is handed to bus_publish() as a ticket: whom its result is for. The first member of what waits for it. */
#ifndef HF_FCGI_TICKET_H
#define HF_FCGI_TICKET_H

#include <time.h>

#include "base/err.h"
#include "tally/tally.h"

struct ticket {
    /* On a thread of the bus. */
    void (*on_result)(struct ticket *ticket, enum hf_err result, const char *text);
};

/* Tell the tally whether JetStream answers. */
static inline void ticket_note(struct tally *tally, enum hf_err result)
{
    struct timespec now;
    if (result != HF_OK && result != HF_TIMEOUT)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    tally_note(tally, result == HF_OK ? TALLY_LAST_ACK : TALLY_LAST_UNANSWERED,
               (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

#endif
