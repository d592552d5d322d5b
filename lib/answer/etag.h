/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entity tags. They are weak: two answers that differ in as_of alone have the
 * same one.
 */
#ifndef HF_ANSWER_ETAG_H
#define HF_ANSWER_ETAG_H

#include <stdbool.h>
#include <stddef.h>

#include "answer/path.h"
#include "answer/series.h"
#include "base/err.h"

#define ETAG_BYTES 37 /* W/"32 hexadecimal digits" and NUL */

/* The tag of some bytes. */
void etag_of_bytes(const void *bytes, size_t len, char etag[ETAG_BYTES]);

/* The tag of a series: of everything that either rendering shows, save as_of. `scratch` is working memory. HF_NOMEM. */
HF_MUST_CHECK enum hf_err etag_of_series(const struct query_path *path, const struct series *series,
                                         struct hf_buf *scratch, char etag[ETAG_BYTES]);

/* Whether an If-None-Match header (NULL: absent) names the tag, compared weakly (RFC 9110, 13.1.2). */
bool etag_matches(const char *if_none_match, const char *etag);

#endif
