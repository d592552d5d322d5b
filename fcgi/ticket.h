/* SPDX-License-Identifier: Apache-2.0 */
/* What is handed to bus_publish() as a ticket: whom its result is for. The first member of what waits for it. */
#ifndef HF_FCGI_TICKET_H
#define HF_FCGI_TICKET_H

#include "base/err.h"

struct ticket {
    /* On a thread of the bus. */
    void (*on_result)(struct ticket *ticket, enum hf_err result, const char *text);
};

#endif
