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
 *
 * A fold that fails in the middle of a message is finished: it refuses
 * everything after with the same error, and so writes nothing of that message.
 * The caller frees it and replays the stream from the stored position.
 *
 * Not thread safe.
 */
#ifndef HF_FOLD_H
#define HF_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

#define FOLD_OVERFLOW_KEY "overflow"

struct fold;

/* What may change while it runs. */
struct fold_limits {
    int64_t id_memory_ms;
    int64_t minute_days; /* 0 keeps for ever */
    int64_t hour_days;   /* likewise */
    uint64_t max_keys;   /* once that many are known, samples of further keys are folded under FOLD_OVERFLOW_KEY */
};

struct fold_options {
    struct store *store; /* opened as STORE_WRITER; outlives the fold */
    uint32_t hour_buckets;
    size_t cache_bytes;  /* of clean cells kept in memory between commits, at most; see cache.h */
    struct fold_limits limits;
};

/* Load the status. HF_NOMEM, or what store_read_begin() gives. */
HF_MUST_CHECK enum hf_err fold_open(const struct fold_options *options, struct fold **out, struct hf_why *why);
void fold_free(struct fold **fold); /* what was not committed is forgotten */
void fold_set_limits(struct fold *fold, const struct fold_limits *limits);

/* As of the last commit; and with what has been applied since. */
const struct store_status *fold_committed(const struct fold *fold);
const struct store_status *fold_current(const struct fold *fold);
bool fold_dirty(const struct fold *fold); /* anything to commit? */

/* ---- which stream ---- */

enum fold_attached {
    FOLD_SAME,    /* the stream of the position, which goes on there */
    FOLD_GAP,     /* messages after the position are gone: the position was moved to the oldest there is */
    FOLD_REWOUND  /* another stream, or an older state of it: the position was moved to its beginning */
};

/* Tell which stream the next messages come from. It is another when `created_ns` differs or `last_seq` lies before the
 * position; counts a rewind then. `*missing` is the number of messages of a FOLD_GAP, else 0. */
enum fold_attached fold_attach(struct fold *fold, int64_t created_ns, uint64_t first_seq, uint64_t last_seq,
                               uint64_t *missing);

/* A stream that was lost in part and has grown past the position again looks the same to fold_attach(). Deliver the
 * message at the position once more, if the stream has it, and ask whether it is the one that was folded. True for any other
 * sequence. When false: fold_rewind(), and deliver from there. */
bool fold_recognises(const struct fold *fold, uint64_t seq, int64_t stored_ms);
void fold_rewind(struct fold *fold, uint64_t first_seq);

/* ---- apply ---- */

/* Apply one message. A sequence at or below the position is skipped. A message that is no batch counts as refused,
 * and is HF_OK. HF_NOMEM, HF_CORRUPT (a stored cell does not decode), HF_AGAIN, HF_STALE, HF_IO: the fold is finished. */
HF_MUST_CHECK enum hf_err fold_apply(struct fold *fold, uint64_t seq, int64_t stored_ms, const void *bytes, size_t len,
                                     struct hf_why *why);

/* Have the next commit write how the bus is found. */
void fold_view(struct fold *fold, const struct store_view *view);

/* Say that all messages acknowledged before `as_of_ms` have been applied. Never moves back. */
void fold_advance(struct fold *fold, int64_t as_of_ms);

/* ---- write ---- */

/* Commit. HF_OK also when there was nothing. Lost races are retried inside. HF_FULL, HF_NOMEM, HF_AGAIN: nothing was
 * written and all is kept for the next try. HF_STALE, HF_IO: end the process. */
HF_MUST_CHECK enum hf_err fold_commit(struct fold *fold, struct hf_why *why);

/* Commit, then delete a bounded number of cells, ids and producers for their age as of as_of_ms, the stream's time: a
 * stream that is read late must find the ids it needs. `*more`: there was more than that to delete. Errors as above;
 * HF_CORRUPT: an old cell does not decode, nothing was deleted. */
HF_MUST_CHECK enum hf_err fold_expire(struct fold *fold, bool *more, struct hf_why *why);

/* Memory held, in bytes; a caller commits early when it grows past its bound. */
size_t fold_memory_bytes(const struct fold *fold);

/* Cells, keys and ids that the next commit writes; a caller commits well before they are STORE_WRITES_MOST. */
size_t fold_dirty_records(const struct fold *fold);

#endif
