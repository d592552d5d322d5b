/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most requests a second of one client address (of an IPv6 /64 together): a
 * second's worth at once, and then one at a time at that rate.
 *
 * What is known of addresses is in one table of fixed size that all processes of
 * a machine share: see rate_join(). No lock is held, so that a process may be
 * killed at any moment.
 */
#ifndef HF_ACCESS_RATE_H
#define HF_ACCESS_RATE_H

#include <stdint.h>

#include "access/address.h"
#include "base/err.h"

struct rate;

/* `per_second` is 1 to 1,000,000,000. The table is of this process alone at first. HF_NOMEM; HF_IO: no source of random numbers. */
HF_MUST_CHECK enum hf_err rate_new(uint64_t per_second, struct rate **out);
void rate_free(struct rate **rate); /* NULL inside is allowed */

/* Use the table in a file from now on; it is made where it is missing. What this process knew is forgotten. The errors are those of
 * mapped_open(); it may be called again then. One thread at a time. */
HF_MUST_CHECK enum hf_err rate_join(struct rate *rate, const char *path, struct hf_why *why);

/* A request comes from an address. 0: it may pass, and is counted. Otherwise it may not, and one may in so many ms. `now_ns` is of a clock that
 * never goes back and is the same for all processes (CLOCK_MONOTONIC; 0 is the start of the machine). Thread safe. */
int64_t rate_take(struct rate *rate, const struct address *address, int64_t now_ns);

#endif
