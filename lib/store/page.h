/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of tables, on their way from and to the disk: what Berkeley DB does not
 * look at itself.
 *
 * It checks the checksum of a page unless its head is all zero: such a page it
 * takes for a hole of the file, which a crash may leave and recovery fills. Where
 * damage has made it so, records would be missing without a word. So a page with an empty
 * head that is no hole, or a hole outside of recovery, is given a head that the
 * check does not pass over; and a hole that recovery met has to be filled
 * after it.
 *
 * And it takes a damaged record in its last log file for the end of the log. A
 * page that was written since then may hold what was never committed, and there
 * is nothing left to undo it with. So it is noted how far into the log the pages
 * go that were written.
 */
#ifndef HF_STORE_PAGE_H
#define HF_STORE_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* A page larger than the kernel's own is not written in one piece: a process killed inside pwrite() leaves half of it. */
#define PAGE_BYTES_OF_TABLES 4096u

/* Have Berkeley DB read and write through here. Before the first environment is opened. */
void page_use(void);

/* The first page of a table says whether it has a checksum itself, and what else there is to a table. What is damaged there is
 * believed by those that look into it, up to how much memory to take: so this comes before them. 0 when it is that of one of ours, or
 * there is none yet; DB_CHKSUM_FAIL otherwise. */
int page_check_first(const char *file);

/* The same for a file of the log: its head says how long it is, and is believed before its checksum is looked at. */
int page_check_log(const char *file);

/* ---- holes ---- */

/* The holes that this thread meets while it recovers are permitted, and go into `holes` (empty at first, freed by the caller), until
 * this is called with NULL. */
void page_watch_holes(struct hf_buf *holes);
/* When it has recovered: 0, DB_CHKSUM_FAIL when one of the file `fd` still is a hole, ENOMEM. */
int page_check_holes(const struct hf_buf *holes, int fd);

/* ---- log sequence numbers ---- */

/* From now on note of each page that this process writes into the file `fd` how far into the log it goes, as file << 32 | offset: `*where`
 * never falls. For `owner`, until page_forget(). */
void page_note(const void *owner, int fd, _Atomic uint64_t *where);
void page_forget(const void *owner);

#endif
