/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a cell. For the files of cell/ alone.
 *
 * New samples wait as keys in `pending`, and are sorted and counted into the
 * buckets together ("settled") when that is full or when somebody reads. While
 * the shift is 0 the buckets hold every sample, so `sums` is not kept: it comes
 * into being when the shift first grows. Small cells stay small.
 */
#ifndef HF_CELL_CELL_IMPL_H
#define HF_CELL_CELL_IMPL_H

#include <stdint.h>

#include "cell/buckets.h"
#include "cell/cell.h"
#include "cell/sums.h"

struct cell {
    uint64_t count;            /* of all samples, pending ones too; as are the next two */
    uint64_t min_key, max_key; /* UINT64_MAX and 0 when there are none */
    struct bucket *buckets;
    uint64_t *pending;
    struct sums *sums; /* NULL while shift is 0; without the pending samples */
    uint32_t n_buckets, bucket_capacity, max_buckets;
    uint32_t n_pending, pending_capacity;
    unsigned shift;
};

/* Count the pending samples into the buckets, for a reader. HF_NOMEM. */
HF_MUST_CHECK enum hf_err cell_settle(struct cell *cell);

/* The smallest shift at which cell->buckets fit, and sums when that is not 0. HF_NOMEM, nothing changed. */
HF_MUST_CHECK enum hf_err cell_fit(struct cell *cell);

/* The sums of a settled cell: its own, or made in `room`. */
const struct sums *cell_sums(const struct cell *cell, struct sums *room);

#endif
