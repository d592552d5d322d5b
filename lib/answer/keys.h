/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The known keys that match, of those that the asker may see: a page of them.
 */
#ifndef HF_ANSWER_KEYS_H
#define HF_ANSWER_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "access/access.h"
#include "answer/globs.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#define KEYS_LOOKED_AT_MAX 100000u /* for one page */

struct keys_query {
    const struct globs *globs;
    const char *after; /* keys that come after this one; "": all */
    size_t limit;      /* of the page */
    const char *stat;  /* only keys of which the asker may see this statistic; NULL: any */
};

struct keys_page {
    struct hf_buf text; /* the keys one after the other, each terminated */
    size_t count;
    bool more;        /* there are further ones */
    bool gave_up;     /* KEYS_LOOKED_AT_MAX keys were looked at before it was full: there may be further ones */
    const char *last; /* of this page, inside `text`; NULL when it is empty */
};

/* Fill `page` (all zero or of an earlier call), in byte order. Makes reads of its own, each of a bounded number of keys: between
 * two of them keys may be added. Lost races are tried again. HF_STALE, HF_TIMEOUT, HF_AGAIN, HF_CORRUPT, HF_IO, HF_NOMEM. */
HF_MUST_CHECK enum hf_err keys_read(struct store *store, const struct keys_query *query, const struct access_grant *grant,
                                    struct keys_page *page, struct hf_why *why);

void keys_free(struct keys_page *page);

#endif
