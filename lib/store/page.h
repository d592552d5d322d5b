/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of tables, as they come from the disk.
 *
 * Berkeley DB checks the checksum of a page unless its head is all zero: such a
 * page it takes for a hole of the file, which a crash may leave and recovery
 * fills. Where damage has made it so, records would be missing without a word.
 * So reads go through here: a page with an empty head that is no hole, or a hole
 * outside of recovery, is given a head that the check does not pass over.
 */
#ifndef HF_STORE_PAGE_H
#define HF_STORE_PAGE_H

#include <stdbool.h>

/* A page larger than the kernel's own is not written in one piece: a process killed inside pwrite() leaves half of it. */
#define PAGE_BYTES_OF_TABLES 4096u

/* Have Berkeley DB read through here. Before the first environment is opened. */
void page_use(void);

/* Whether this thread recovers an environment: then holes are permitted. */
void page_set_recovering(bool recovering);

#endif
