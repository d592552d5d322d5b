/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: batches that the bus did not take, in files of a directory that all
 * collect processes of a machine share. No bus here and no threads: files and
 * records alone. The byte table is in spool.c.
 *
 * A file, <16 hexadecimal digits>.spool, is named after a producer, holds batches
 * of that producer alone, in the order of their numbers, and belongs to the
 * process that has it locked: first to the one that makes it and appends, then,
 * when that one has closed it or died, to whichever claims it to publish what is
 * in it. It is removed by spool_finish() alone. Who stops before, or dies, leaves
 * it to the next, who begins again at its first record: the numbers tell the
 * consumer what it has already.
 *
 * What is damaged costs no more than the records it touches. A file that ends in
 * the middle of a record was cut off by the death of its writer: what is there of
 * the last record was never acknowledged, and is passed over.
 *
 * The locks are those of fcntl(): a process loses the lock of a file by closing
 * any descriptor of it. So one process has one struct spool for a directory and
 * no two descriptors of one file; spool_claim() sees to that.
 *
 * One thread may append to a file (with spool_create(), spool_append(),
 * spool_release()) while another claims, reads and finishes other files, and
 * anyone lists.
 */
#ifndef HF_BUS_SPOOL_H
#define HF_BUS_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SPOOL_BATCH_BYTES_MAX 1048576u /* of the bytes in one record */
#define SPOOL_BOOT_BYTES 40u           /* of a boot id, its NUL included */

struct spool;
struct spool_file; /* locked, until it is released or finished */

/* Use the directory `path`; it is made, mode 0700, when it is missing (its parent has to be there). `max_bytes` bounds the
 * files in it, of all processes together: see spool_append(). HF_INVALID: it is no directory, may not be written, or may be
 * written by everybody; HF_IO; HF_NOMEM. */
HF_MUST_CHECK enum hf_err spool_open(const char *path, uint64_t max_bytes, struct spool **out, struct hf_why *why);
/* All its files have been released or finished. NULL inside is allowed. */
void spool_close(struct spool **spool);

/* ---- append ---- */

/* Make and lock the file of a producer (not 0) that nobody used before. `boot_id` is kept in its header: that of the running
 * system, or "". Files get the access of the directory, less the right to execute. One file at a time may be open for appending.
 * HF_FULL: as for spool_append(); HF_BUSY: there is such a file; HF_IO; HF_NOMEM. */
HF_MUST_CHECK enum hf_err spool_create(struct spool *spool, uint64_t producer, const char *boot_id,
                                       struct spool_file **out, struct hf_why *why);

/* Append one batch of the file's producer, 1 to SPOOL_BATCH_BYTES_MAX bytes, in one piece; its number is greater than that of any
 * before it. HF_OK: it is in the file, whatever process is killed next. HF_FULL: the directory holds `max_bytes`, or the
 * disk, a quota or the file system's largest file is full; HF_IO; HF_NOMEM. A failed append leaves the file as it was, or, where that fails too, with
 * a piece that reading will pass over; further appends are allowed. `max_bytes` is exact for one process. Among several each may take a
 * sixteenth of what is free before it looks again, so that more than 16 can overrun it by that. */
HF_MUST_CHECK enum hf_err spool_append(struct spool_file *file, uint64_t number, const void *bytes, size_t len,
                                       struct hf_why *why);

/* Have what was appended, and the file's name, survive a loss of power. HF_FULL; HF_IO: what was appended since the last HF_OK may be
 * lost then, and asking again would not tell: release the file, and use another. */
HF_MUST_CHECK enum hf_err spool_sync(struct spool_file *file, struct hf_why *why);

/* Close it and let go of the lock: others may claim it. One that was made and never appended to is removed. NULL
 * inside is allowed. */
void spool_release(struct spool_file **file);

/* While it is live, a file holds nothing that waits: what is in it is answered only when the bus has it too. It is not, when it
 * is made, nor once its process has died. */
void spool_set_live(struct spool_file *file, bool live);

/* ---- claim and read ---- */

struct spool_entry {
    uint64_t producer;
    uint64_t bytes;
    int64_t changed_ms; /* Unix time of the last append */
};

/* The files that are there, the one that was changed longest ago first, claimed ones included. The list belongs to the
 * caller, who frees it; NULL when it is empty. HF_NOMEM; HF_IO. */
HF_MUST_CHECK enum hf_err spool_list(struct spool *spool, struct spool_entry **out, size_t *count);

/* Lock the file of a producer that no living process has. HF_BUSY: some process has it, maybe this one; HF_NOTFOUND: it is gone;
 * HF_IO: it cannot be opened or is no plain file; HF_NOMEM. One file at a time may be claimed. */
HF_MUST_CHECK enum hf_err spool_claim(struct spool *spool, uint64_t producer, struct spool_file **out,
                                      struct hf_why *why);

struct spool_record {
    uint64_t at; /* where it begins, for spool_read() again */
    uint64_t producer;
    uint64_t number;
    const unsigned char *bytes; /* live until the next call for this file */
    size_t len;
};

/* Read what begins at `*at` in a claimed file (0 is its beginning) and move `*at` behind it. HF_OK: a record. HF_CORRUPT: up to the new
 * `*at` the file is damaged, go on from there. HF_NOTFOUND: nothing more; what lies behind `*at`, if anything, is a
 * record whose writing was cut off. HF_INVALID: the file is of a format that this version does not know. HF_IO; HF_NOMEM. A record is given out
 * only when its checksums are right. */
HF_MUST_CHECK enum hf_err spool_read(struct spool_file *file, uint64_t *at, struct spool_record *record);

uint64_t spool_file_producer(const struct spool_file *file);
uint64_t spool_file_bytes(const struct spool_file *file);

/* Everything in it is where it belongs: remove the file and release it. When spool_read() has met damage in it, it is
 * kept, renamed to <16 digits>.damaged, which nothing here touches again, but which counts for `max_bytes`. HF_IO: it stays, released. */
HF_MUST_CHECK enum hf_err spool_finish(struct spool_file **file, struct hf_why *why);

/* ---- look from outside ---- */

struct spool_survey {
    uint64_t files;         /* in which batches may wait */
    uint64_t bytes;         /* of them */
    uint64_t damaged_files; /* put aside: see spool_finish() */
    uint64_t all_bytes;     /* of all that counts for `max_bytes` */
};

/* How the directory is now. With a `boot_id` that is not "", kept files of another boot wait too. For processes that have no struct spool: it costs those their locks. HF_NOTFOUND: there is none, and so nothing waits; HF_IO. */
HF_MUST_CHECK enum hf_err spool_survey(const char *path, const char *boot_id, struct spool_survey *out,
                                       struct hf_why *why);

/* Call `each` with the producer of every file in which batches may wait. For the same processes, with the same errors. */
HF_MUST_CHECK enum hf_err spool_waiting(const char *path, const char *boot_id, void (*each)(void *context, uint64_t producer),
                                        void *context, struct hf_why *why);

/* Call `each` for all records of those files, as far as they can be read; they may be written or drained meanwhile. It reads all
 * of them. For the same processes; errors as above, and HF_NOMEM. */
typedef void (*spool_record_fn)(void *context, const struct spool_record *record);
HF_MUST_CHECK enum hf_err spool_look(const char *path, spool_record_fn each, void *context, struct hf_why *why);

/* ---- keep ---- */

/* Read the boot id of the running system. HF_INVALID: it cannot be read. */
HF_MUST_CHECK enum hf_err spool_boot_id(char out[SPOOL_BOOT_BYTES], struct hf_why *why);

/* The same for a file, claimed or one's own, that may have to be published once more, because what took it can lose it with the
 * power: rename it to <16 digits>.kept, with `boot_id` in its header, and release it. HF_IO: it stays as it is, released. */
HF_MUST_CHECK enum hf_err spool_keep(struct spool_file **file, const char *boot_id, struct hf_why *why);

/* Look after all kept files: those of another boot than `boot_id` become spool files again, to be claimed; of the others, those kept
 * since before `before_ms` (Unix time) are removed. HF_IO; HF_NOMEM. */
HF_MUST_CHECK enum hf_err spool_tend(struct spool *spool, const char *boot_id, int64_t before_ms);

#endif
