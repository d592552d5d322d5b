/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may see and send what: views and tokens of the configuration.
 *
 * With no view, everything may be seen. With views, a query is allowed when the
 * presented token belongs to a view (or the view is public) whose keys match
 * and whose statistics hold the one asked for. Tokens are compared as SHA-256,
 * in constant time, with every view's, so that time tells nothing.
 */
#ifndef HF_ACCESS_H
#define HF_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/err.h"

struct access;

/* HF_INVALID with `why`: a pattern, statistic or hash that cannot be, or a view without keys; HF_IO: no libsodium; HF_NOMEM.
 * Copies what it keeps. */
HF_MUST_CHECK enum hf_err access_new(const struct hf_conf *conf, struct access **out, struct hf_why *why);
void access_free(struct access **access);

/* What one request may do; a small value, valid as long as its struct access. */
struct access_grant {
    const struct access *access;
    unsigned char views[32]; /* bit n: view n is open to it (at most 256 views) */
    bool presented;          /* a token came with the request */
    bool known;              /* and it is a token of some view */
};

/* `authorization` is the header's value, or NULL: only "Bearer TOKEN" counts. */
struct access_grant access_check(const struct access *access, const char *authorization);

bool access_open(const struct access *access); /* no views: all is open to all */
/* May anything be seen? False when every view needs a token that the request did not bring. */
bool access_any(const struct access_grant *grant);
/* May this key be seen at all (for listings)? */
bool access_key(const struct access_grant *grant, const char *key, size_t key_bytes);
/* Where to look for the keys that may be seen: each of them begins with one of the texts that this gives, one a call, in byte order
 * and none the beginning of another. `prefix` holds the one before, or, with `first`, nothing yet. False after the
 * last. */
#define ACCESS_PREFIX_BYTES 256
bool access_next_prefix(const struct access_grant *grant, bool first, char prefix[ACCESS_PREFIX_BYTES]);
/* May this statistic of this key be seen? `stat` is its canonical name. A view whose list has "all" or "*" holds every
 * statistic; "all" itself needs one of them. */
bool access_stat(const struct access_grant *grant, const char *key, size_t key_bytes, const char *stat);

/* May this statistic of any key at all be seen? */
bool access_any_stat(const struct access_grant *grant, const char *stat);

/* May the bearer send samples? True for everybody when collect.token_sha256 is not set. */
bool access_send(const struct access *access, const char *authorization);

/* Does the glob `pattern` ("*" any run of bytes, "?" one byte) match all of `text`? Linear time in practice: no
 * backtracking beyond the last star. */
bool access_glob(const char *pattern, size_t pattern_bytes, const char *text, size_t text_bytes);

#define ACCESS_TOKEN_BYTES 44 /* of a token as text, NUL included */
#define ACCESS_HASH_BYTES 65  /* of its SHA-256 in hexadecimal, NUL included */
/* Make a random token and its hash; for `hourfold token`. HF_IO when there is no randomness. */
HF_MUST_CHECK enum hf_err access_token_new(char token[ACCESS_TOKEN_BYTES], char hash[ACCESS_HASH_BYTES]);

#endif
