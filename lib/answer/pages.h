/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages for browsers: a fixed list of files, read once and kept in memory, as
 * they are and compressed. No name outside of the list ever reaches the disk.
 */
#ifndef HF_ANSWER_PAGES_H
#define HF_ANSWER_PAGES_H

#include <stddef.h>

#include "answer/etag.h"
#include "base/buf.h"
#include "base/err.h"

#define PAGES_FILE_MAX (1u << 20) /* bytes of one file */

/* Immutable once it is read, so that any number of threads may use it. */
struct pages;

struct page {
    const char *type;    /* Content-Type */
    struct hf_buf plain; /* empty where the file is missing */
    struct hf_buf gzip;  /* the same, compressed; empty where that is no gain */
    char etag[ETAG_BYTES];
};

/* Read the files of `pages`, a directory or "" for none, and those of dygraphs from its own. Files that cannot be read, or are too
 * long, are missing: then `why` names the first. HF_NOMEM. */
HF_MUST_CHECK enum hf_err pages_read(const char *pages, const char *dygraphs, struct pages **out, struct hf_why *why);
void pages_free(struct pages **pages); /* NULL inside is allowed; sets it to NULL */

/* The number of a file on the list, "" being the page itself; -1 where it is not on it. */
int pages_number(const char *name);

/* NULL where the file is missing, or `pages` is NULL. */
const struct page *pages_get(const struct pages *pages, int number);

#endif
