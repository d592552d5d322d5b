/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: a Berkeley DB environment with one writer (the consumer) and any
 * number of readers (query processes, the operator's tool), each of which may
 * be killed at any moment.
 *
 * Files below the store's path:
 *   writer.lock  locked (fcntl) by the one writer for as long as it lives
 *   access.lock  locked shared by a reader during each read, exclusively by
 *                whoever runs recovery
 *   state        a mapped page: generation, and running / recovering / closed
 *   env/ data/ log/   regions, tables and write-ahead log of Berkeley DB
 *
 * Only one process at a time recovers, under both locks, while nobody reads: the
 * writer whenever it opens; a reader when it finds that the writer died and
 * none has come back, since queries have to work while the consumer is down.
 * Readers compare the generation at the start of every read; when it has
 * changed, they leave the old environment and join the new one.
 *
 * An open store has threads of its own: open it after fork(). A thread that
 * waits for a mutex of a process that was killed cannot be interrupted, so when
 * the store finds one it ends the process: see store_lost_fn.
 *
 * Tables: hours and minutes (big-endian slot, key -> encoded cell), keys (key ->
 * first hour), ids, producers, meta. Cell bytes are opaque here.
 *
 * Slots are hours or minutes since the Unix epoch (base/utc.h).
 */
#ifndef HF_STORE_H
#define HF_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct store;

/* What to do about damage, after a word on what is damaged. */
#define STORE_DAMAGE_ADVICE \
    "stored bytes are damaged: see what `hourfold verify` says; `hourfold restore --replace BACKUP` puts a backup in their place"

enum store_role { STORE_READER, STORE_WRITER };
enum store_table { STORE_HOURS, STORE_MINUTES };

#define STORE_ID_BYTES 16 /* a hash of key and sample id */

/* Called on a thread of the store when this process can no longer be saved: a process died while it read (the writer looks
 * every 100 ms while anybody is inside, else twice a second), or a call into Berkeley DB does not return (for 3 s; 30 s for the
 * writer, and for reads that wait for it).
 * It may write a last line to the log, and must not take locks that other threads may hold. When it returns, or is
 * NULL, the store calls _exit(STORE_LOST_EXIT). Started again, the process or another one recovers. */
typedef void (*store_lost_fn)(void *context, const char *text);
#define STORE_LOST_EXIT 75 /* EX_TEMPFAIL */

struct store_options {
    const char *path;
    enum store_role role;
    uint32_t cache_mb; /* the same in all processes: whoever recovers makes the cache */
    store_lost_fn on_lost;
    void *context;
};

/* How the writer finds the bus. */
enum store_bus {
    STORE_BUS_UNKNOWN, /* it has not said */
    STORE_BUS_WELL,
    STORE_BUS_AWAY,    /* not connected, or JetStream is not there */
    STORE_BUS_STUCK,   /* connected, but JetStream does not answer in time */
    STORE_BUS_UNFIT    /* the stream cannot be used, or not be made */
};

struct store_view {
    int64_t seen_ms;       /* when the writer last looked; 0 before the first */
    enum store_bus bus;
    int64_t since_ms;      /* since when the bus is well, or is not */
    int64_t rewound_ms;    /* when the stream was last found lost, rewound or made anew; 0: never */
    uint64_t waiting;      /* messages behind the position, when the stream was last heard of */
    uint64_t messages;     /* in the stream */
    uint64_t messages_max;
};

/* What one transaction says of the whole: kept in `meta`, written with every commit. */
struct store_status {
    uint64_t position;          /* sequence of the last message folded; 0 before the first */
    int64_t position_ms;        /* when JetStream stored that message; another time at its sequence tells of another stream */
    int64_t stream_created_ns;  /* of the stream it belongs to; 0 before the first */
    int64_t as_of_ms;           /* every sample acknowledged before this moment is in; 0 before the first */
    uint64_t accepted;          /* samples in all valid batches read; = folded + duplicate */
    uint64_t folded;            /* samples counted into cells */
    uint64_t duplicate;         /* samples of batches, or with ids, seen before */
    uint64_t late;              /* of the folded: arrived after their hour had ended */
    uint64_t refused;           /* messages that were not a valid batch */
    uint64_t expired;           /* samples of hour cells deleted for age */
    uint64_t keys;              /* distinct keys */
    uint64_t rewinds;           /* times the stream was found lost, rewound or made anew */
    uint32_t minutes_from;      /* every hour from this one on has all its minute cells; those before are expiring */
    uint64_t repeated;          /* of the duplicates: samples of batches that had come before as a whole */
    struct store_view view;
};

/* Open. The writer recovers first and makes what is missing. HF_BUSY: another writer has it (its pid is in `why`), or a
 * thousand processes use it;
 * HF_NOTFOUND: a reader found no store there yet; HF_INVALID: a format this version does not know; HF_CORRUPT, with the
 * command to run; HF_IO, HF_FULL, HF_NOMEM. */
HF_MUST_CHECK enum hf_err store_open(const struct store_options *options, struct store **out, struct hf_why *why);
/* Close cleanly; the writer makes a checkpoint. NULL inside is allowed. */
void store_close(struct store **store);

/* ---- how it fares (both roles, thread safe) ---- */

/* What keeps the store from being kept up, as far as its processes have found out. */
enum store_trouble {
    STORE_SOUND,
    STORE_UNATTENDED, /* no writer lives */
    STORE_RECOVERING, /* the writer is about to be ready */
    STORE_FULL,       /* no room on its disk: what is stored can be read, new samples wait in the stream */
    STORE_DAMAGED,    /* stored bytes are damaged */
    STORE_FAILING     /* it cannot be written for another reason: see the writer's log */
};

/* It looks into no table, so it answers at once in any state of the store. What the last writer failed at stays, while nobody
 * has recovered after it. `for_ms` (may be NULL): since when, 0 where that is not known. */
enum store_trouble store_trouble(const struct store *store, int64_t *for_ms);
/* In a few words of English, as in "disk full"; static, never NULL. */
const char *store_trouble_text(enum store_trouble trouble);

/* How many records one transaction may write, at the least: each may lie on a page of its own, and pages are locked until
 * the end. One that needs more locks than there are fails with HF_NOMEM, and Berkeley DB may not survive its abort. */
#define STORE_WRITES_MOST 1500000u

/* ---- read (both roles, thread safe over different reads) ---- */

/* A read sees the last commit, and of a commit under way each record either as it was or as it will be: every record is
 * whole, none is older than the status that was read before it. So read the status first, then what it stands for. Should
 * that commit fail, its samples are folded again later: what was seen was true already.
 *
 * A read never waits for a commit. End it within milliseconds: while it lasts nobody can recover, and who tries kills
 * this process after half a second. */
struct store_read;

/* HF_STALE: this store can no longer be used, end the process; HF_TIMEOUT: recovery is under way, try later; HF_NOTFOUND: there
 * is no store yet. */
HF_MUST_CHECK enum hf_err store_read_begin(struct store *store, struct store_read **out, struct hf_why *why);
/* The same, without waiting for anybody. HF_BUSY: store_read_begin() would have to wait, to recover, or to join what another process
 * recovered; HF_NOMEM. */
HF_MUST_CHECK enum hf_err store_read_begin_at_once(struct store *store, struct store_read **out);
/* The same, but of one committed state as a whole. It waits for the commit under way, and the next one waits for it:
 * for checks, not for queries. HF_AGAIN is to be expected from it. */
HF_MUST_CHECK enum hf_err store_read_begin_consistent(struct store *store, struct store_read **out, struct hf_why *why);
void store_read_end(struct store_read **read);

/* All below: HF_AGAIN when the read must be ended and begun anew, HF_STALE, HF_CORRUPT, HF_IO, HF_NOMEM. The functions they
 * call hold up nobody but a recovery. */

/* What was found damaged in this read, for a person: which file, and what to do. HF_OK when nothing was. */
enum hf_err store_read_why(const struct store_read *read, struct hf_why *why);

/* The cell's bytes, into `out` (cleared first). HF_NOTFOUND. */
HF_MUST_CHECK enum hf_err store_read_cell(struct store_read *read, enum store_table table, const char *key,
                                          size_t key_bytes, uint32_t slot, struct hf_buf *out);

/* Whether the key was ever seen: HF_OK or HF_NOTFOUND. `first_hour` may be NULL. */
HF_MUST_CHECK enum hf_err store_read_key(struct store_read *read, const char *key, size_t key_bytes,
                                         uint32_t *first_hour);

/* Known keys in byte order that begin with `prefix` and come after `after` (either may be ""), until `each`
 * returns false. */
typedef bool (*store_key_fn)(void *context, const char *key, size_t key_bytes);
HF_MUST_CHECK enum hf_err store_read_keys(struct store_read *read, const char *prefix, const char *after,
                                          store_key_fn each, void *context);

/* The cells of one key in a range of slots, both ends included, in order, until `each` returns false. */
typedef bool (*store_cell_fn)(void *context, uint32_t slot, const void *bytes, size_t len);
HF_MUST_CHECK enum hf_err store_read_range(struct store_read *read, enum store_table table, const char *key,
                                           size_t key_bytes, uint32_t first, uint32_t last, store_cell_fn each,
                                           void *context);

/* All cells in order of slot, then key: those after (first, after) and up to the slot `last`, until `each` returns false. With
 * `after_bytes` 0 it begins with the first cell of the slot `first`. A long walk gives way to a recovery with HF_AGAIN, so
 * `each` must return within 100 ms. */
typedef bool (*store_each_fn)(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes,
                              size_t len);
HF_MUST_CHECK enum hf_err store_read_cells(struct store_read *read, enum store_table table, uint32_t first,
                                           const char *after, size_t after_bytes, uint32_t last, store_each_fn each,
                                           void *context);

/* HF_NOTFOUND when that producer never wrote; `out` gets the bytes that store_write_producer() was given. */
HF_MUST_CHECK enum hf_err store_read_producer(struct store_read *read, uint64_t producer, struct hf_buf *out);

/* When this id was seen first. HF_NOTFOUND. */
HF_MUST_CHECK enum hf_err store_read_id(struct store_read *read, const unsigned char id[STORE_ID_BYTES],
                                        int64_t *seen_ms);

/* Read `most` ids and producers, to see whether they can be read, and how many there are: from `place` on, all zero at first,
 * until place->end. They wait for a commit under way. */
struct store_place {
    bool producers, end;
    uint32_t key_bytes;
    unsigned char key[STORE_ID_BYTES];
    uint64_t ids, producer_count; /* seen so far */
};
HF_MUST_CHECK enum hf_err store_read_others(struct store_read *read, unsigned most, struct store_place *place);

HF_MUST_CHECK enum hf_err store_read_status(struct store_read *read, struct store_status *out);

/* ---- write (the writer, one thread) ---- */

struct store_write; /* one transaction */

/* See that there is room for the locks of a transaction that writes so many records. HF_FULL: try later; HF_IO. */
HF_MUST_CHECK enum hf_err store_write_prepare(struct store *store, size_t records, struct hf_why *why);

HF_MUST_CHECK enum hf_err store_write_begin(struct store *store, struct store_write **out, struct hf_why *why);

/* HF_AGAIN: abort, then do the whole transaction again. HF_FULL: no room on the disk; abort, try later. Other than
 * HF_OK and these: HF_STALE and HF_IO, end the process. */
HF_MUST_CHECK enum hf_err store_write_cell(struct store_write *write, enum store_table table, const char *key,
                                           size_t key_bytes, uint32_t slot, const void *bytes, size_t len);
HF_MUST_CHECK enum hf_err store_write_key(struct store_write *write, const char *key, size_t key_bytes,
                                          uint32_t first_hour);
HF_MUST_CHECK enum hf_err store_write_id(struct store_write *write, const unsigned char id[STORE_ID_BYTES],
                                         int64_t seen_ms);
HF_MUST_CHECK enum hf_err store_write_producer(struct store_write *write, uint64_t producer, const void *bytes,
                                               size_t len);
HF_MUST_CHECK enum hf_err store_write_status(struct store_write *write, const struct store_status *status);

/* What failed first in this transaction, for a person, before it is aborted; HF_OK when nothing did. */
HF_MUST_CHECK enum hf_err store_write_why(const struct store_write *write, struct hf_why *why);

/* Commit (written to the log, not synced) or undo. Both free the transaction and set it to NULL. */
HF_MUST_CHECK enum hf_err store_write_commit(struct store_write **write, struct hf_why *why);
void store_write_abort(struct store_write **write);

/* Force what was committed to the disk. What was committed before this call is safe after it. */
HF_MUST_CHECK enum hf_err store_sync(struct store *store, struct hf_why *why);

/* Write dirty pages back and drop log files that are no longer needed. Every few seconds. */
HF_MUST_CHECK enum hf_err store_checkpoint(struct store *store, struct hf_why *why);

/* ---- backups (without opening the store) ---- */

/* Copy the store in the directory `from`, which may be in use, to the new directory `to`: a store of its own, of one
 * committed state, recovered, its tables checked; to be opened by a reader of this process. Nobody waits for it. HF_AGAIN:
 * the store changed too fast, begin anew; HF_CORRUPT: so too, or the store is damaged; HF_NOTFOUND: no store there; HF_FULL,
 * HF_IO, HF_NOMEM. After a failure store_remove() what there is. */
HF_MUST_CHECK enum hf_err store_copy(const char *from, const char *to, uint32_t cache_mb, struct hf_why *why);
/* Leave of a closed copy its tables and log alone, data/ and log/, bring them to the disk, and give it the name `backup`,
 * which nothing has. HF_IO, HF_FULL. */
HF_MUST_CHECK enum hf_err store_pack(const char *copy, const char *backup, struct hf_why *why);
/* Remove a copy or a backup: what hourfold put there and nothing else. */
void store_remove(const char *copy);

/* Whether there is a store in `path`, and may be replaced. HF_BUSY: a consumer runs it; HF_INVALID: there is none, but a
 * folder of another that it would replace, or it cannot be understood; HF_IO. */
HF_MUST_CHECK enum hf_err store_may_replace(const char *path, bool *exists, struct hf_why *why);
/* Make a packed copy in the directory STORE_RESTORING of `path` the store of `path`, whatever was there before: at once,
 * readers follow. HF_BUSY and HF_TIMEOUT: somebody uses it; HF_FULL, HF_IO. Once begun, it is finished, though others die. */
#define STORE_RESTORING "restoring"
HF_MUST_CHECK enum hf_err store_replace(const char *path, struct hf_why *why);

/* ---- maintain (the writer, inside a transaction) ---- */

/* Delete up to `most` entries whose slot (or time) lies before the bound; `*deleted` counts them. `each` (may be NULL) sees
 * every cell before it goes; false ends the call. Ids are looked at in turn, from where the last call stopped, and no
 * more than 16 times `most` of them, so that each call is short. */
HF_MUST_CHECK enum hf_err store_expire_cells(struct store_write *write, enum store_table table, uint32_t before,
                                             unsigned most, store_cell_fn each, void *context, unsigned *deleted);
HF_MUST_CHECK enum hf_err store_expire_ids(struct store_write *write, int64_t before_ms, unsigned most,
                                           unsigned *deleted);

/* Look at up to `most` producers and delete those that `old` returns true for. Resumes and wraps round likewise. */
typedef bool (*store_producer_fn)(void *context, uint64_t producer, const void *bytes, size_t len);
HF_MUST_CHECK enum hf_err store_expire_producers(struct store_write *write, store_producer_fn old, void *context,
                                                 unsigned most, unsigned *deleted);

#endif
