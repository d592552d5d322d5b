/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page of the known keys, of those that the asker may see.
 */
#ifndef HF_ANSWER_KEYS_H
#define HF_ANSWER_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "access/access.h"
#include "answer/path.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

struct keys_page {
    struct hf_buf text; /* the keys one after the other, each terminated */
    size_t count;
    bool more;        /* there are further ones */
    const char *last; /* of this page, inside `text`; NULL when it is empty */
};

/* Fill `page` (all zero or of an earlier call) with the keys that a PATH_KEYS asks for. Makes reads of its own, each of a
 * bounded number of keys: between two of them keys may be added. Lost races are tried again. HF_STALE, HF_TIMEOUT,
 * HF_AGAIN, HF_CORRUPT, HF_IO, HF_NOMEM. */
HF_MUST_CHECK enum hf_err keys_read(struct store *store, const struct query_path *path,
                                    const struct access_grant *grant, struct keys_page *page, struct hf_why *why);

void keys_free(struct keys_page *page);

#endif
