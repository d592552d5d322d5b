/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drainer: a thread that publishes what is in spool files that no living
 * process appends to, and removes each when JetStream has acknowledged all of it.
 *
 * It publishes in the order of the file, several records ahead of their
 * acknowledgements, and a record again until it is acknowledged; never so far
 * ahead that the window of numbers that the consumer keeps of a producer could
 * pass over one that is still to come. Live batches are few and large, and are
 * not kept waiting by the little that is out at once.
 */
#ifndef HF_FCGI_DRAIN_H
#define HF_FCGI_DRAIN_H

#include <stdbool.h>

#include "base/err.h"
#include "bus/bus.h"
#include "bus/spool.h"
#include "tally/tally.h"

#define DRAIN_KEEP_MS 300000 /* nats-server of Debian 12 syncs its files every two minutes */

struct drain;

/* Start the thread. Every ticket of the bus is a struct ticket. With a `boot_id` that is not "" (it is not copied), files are kept
 * for DRAIN_KEEP_MS when all of them is acknowledged, and those that were kept before the machine was started are published once
 * more. The tally outlives the drain. HF_NOMEM; HF_IO. */
HF_MUST_CHECK enum hf_err drain_open(struct spool *spool, struct bus *bus, const char *boot_id, struct tally *tally,
                                     struct drain **out, struct hf_why *why);

/* The bus takes batches, or does not for now. Does not block. */
void drain_ready(struct drain *drain, bool ready);

/* There is a file to be looked at. */
void drain_look(struct drain *drain);

/* End the thread; what was not acknowledged stays in its file. Its tickets may be out until the bus is closed. */
void drain_stop(struct drain *drain);

/* After bus_close(). NULL inside is allowed. */
void drain_free(struct drain **drain);

#endif
