/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fold: batches in, cells out, each sample exactly once.
 *
 * Messages are applied in the order of the stream to cells in memory. A commit
 * writes every dirty cell, the producer windows, the ids, the counters and the
 * position in one transaction; a crash before it loses nothing, because the
 * stream delivers again from the stored position.
 *
 * A batch is known by (producer, number). Per producer the highest number and a
 * window of the 4,096 numbers up to it are kept; a number in the window that was
 * seen, or one below the window, is a duplicate as a whole. A sample with an id
 * is known by a hash of (key, id) for id_memory_ms after it was first folded, in
 * the stream's own time.
 */
#ifndef HF_FOLD_H
#define HF_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct fold;

struct fold_options {
    struct store *store;      /* opened as STORE_WRITER; outlives the fold */
    uint32_t hour_buckets;
    int64_t id_memory_ms;
    int64_t minute_days;      /* 0 keeps for ever */
    int64_t hour_days;        /* likewise */
    size_t cache_bytes;       /* of clean cells kept in memory between commits */
};

/* Load the status. HF_NOMEM, or what store_read_begin() gives. */
HF_MUST_CHECK enum hf_err fold_open(const struct fold_options *options, struct fold **out, struct hf_why *why);
void fold_free(struct fold **fold); /* what was not committed is forgotten */

/* As of the last commit; and with what has been applied since. */
const struct store_status *fold_committed(const struct fold *fold);
const struct store_status *fold_current(const struct fold *fold);
bool fold_dirty(const struct fold *fold); /* anything to commit? */

/* Tell which stream the next messages come from. When it is not the one the position belongs to (`created_ns`
 * differs, or `last_seq` is less than the position), count a rewind, start again at position `first_seq` - 1, and set
 * `*rewound`. When the position has fallen out of the stream at its old end, skip to `first_seq` - 1 and set `*gap` to the
 * number of messages that are gone. */
HF_MUST_CHECK enum hf_err fold_attach(struct fold *fold, int64_t created_ns, uint64_t first_seq, uint64_t last_seq,
                                      bool *rewound, uint64_t *gap);

/* Apply one message. A sequence at or below the position is skipped. A message that is no batch counts as refused,
 * and is HF_OK. HF_NOMEM, HF_CORRUPT (a stored cell does not decode), HF_AGAIN, HF_STALE, HF_IO: the message was not
 * applied, not even in part; all applied before it stands. */
HF_MUST_CHECK enum hf_err fold_apply(struct fold *fold, uint64_t seq, int64_t stored_ms, const void *bytes, size_t len);

/* Say that all messages acknowledged before `as_of_ms` have been applied. Never moves back. */
void fold_advance(struct fold *fold, int64_t as_of_ms);

/* Commit. HF_OK also when there was nothing. On HF_FULL all is kept for the next try; lost races are retried inside.
 * Other failures: HF_NOMEM, HF_STALE, HF_IO. */
HF_MUST_CHECK enum hf_err fold_commit(struct fold *fold, struct hf_why *why);

/* Do a bounded piece of deletion for age, in a transaction of its own. */
HF_MUST_CHECK enum hf_err fold_expire(struct fold *fold, int64_t now_ms, struct hf_why *why);

/* Memory held by cells, in bytes; a caller commits early when it grows past its bound. */
size_t fold_memory_bytes(const struct fold *fold);

#endif
