/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to its answer: status, header lines and body. Everything of
 * hourfold-query that is neither FastCGI nor the opening of the store.
 *
 * The order of the checks: method, path (400, 404), views (401, 403), cost (400),
 * store (503, 404). A request that a view does not permit is so refused before
 * the store is read, and in the same words whether or not the key exists.
 *
 * Caching: an answer about an hour or day that is complete may be kept for
 * ANSWER_MAX_AGE_S, since late samples may still come; anything else is no-store.
 * Every 200 has a weak ETag, which as_of alone does not change.
 */
#ifndef HF_ANSWER_ANSWER_H
#define HF_ANSWER_ANSWER_H

#include <stdint.h>

#include "access/access.h"
#include "answer/pages.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "store/store.h"

#define ANSWER_MAX_AGE_S 60

/* One thread's answering: its working memory, reused from request to request. */
struct answer;

/* Both outlive it. NULL: no memory. */
struct answer *answer_new(const struct hf_conf *conf, const struct access *access);
void answer_free(struct answer **answer); /* NULL inside is allowed; sets it to NULL */

/* A request, as CGI gives it. Any string may be NULL when it was absent. */
struct answer_request {
    const char *method;        /* REQUEST_METHOD */
    const char *uri;           /* REQUEST_URI: raw path and query string */
    const char *mount;         /* the configured mount prefix; NULL finds it from the two below */
    const char *script_name;   /* SCRIPT_NAME */
    const char *path_info;     /* PATH_INFO */
    const char *accept;        /* Accept */
    const char *accept_encoding; /* Accept-Encoding */
    const char *authorization; /* Authorization */
    const char *if_none_match; /* If-None-Match */
    struct store *store;       /* or NULL: then `no_store` says why there is none */
    enum hf_err no_store;      /* HF_NOTFOUND: none was made yet; or what store_open() failed with */
    struct store_read *read;   /* or NULL. With it only what takes one cell is answered, from this read, and nothing is waited for */
    const struct pages *pages; /* for browsers; NULL: none */
    int64_t now_ms;
};

/* The answer; lives until the next call. `headers` are whole lines, each with "\r\n", terminated; Content-Length is not
 * among them. The body is also there for HEAD; it is empty for 204 and 304. */
struct answer_response {
    unsigned status; /* 0: what was asked takes more than `read` is for, or reading failed: ask without it */
    const char *headers;
    const void *body;
    size_t body_bytes;
    enum hf_err err;   /* what went wrong with the store or with memory, for the log; HF_STALE: end the process */
    struct hf_why why; /* and what the store said of it, or "" */
};

const struct answer_response *answer_request(struct answer *answer, const struct answer_request *request);

#endif
