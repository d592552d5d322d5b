/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outcomes, shared by every module.
 *
 * Every function that can fail returns an `enum hf_err`. On any value other
 * than HF_OK the outputs are left as they were, unless the function says
 * otherwise. Foreign codes (Berkeley DB, NATS, errno) are translated in one
 * function of the module that wraps that library and go no further.
 *
 * Where a person has to act on a failure, the function also takes a
 * `struct hf_why` and writes one line of plain text into it: what failed, on
 * what, and what to do. Passing NULL is allowed.
 */
#ifndef HF_BASE_ERR_H
#define HF_BASE_ERR_H

enum hf_err {
    HF_OK = 0,
    HF_NOMEM,    /* no memory; nothing was changed */
    HF_INVALID,  /* malformed input: bytes from outside, or an option out of range */
    HF_NOTFOUND, /* an expected miss */
    HF_AGAIN,    /* lost a race (deadlock, lock not granted): roll back and try again */
    HF_TIMEOUT,  /* no answer within the time allowed */
    HF_AWAY,     /* the other side is not connected */
    HF_FULL,     /* a limit was reached: stream, disk, buffer, queue */
    HF_BUSY,     /* somebody else holds it */
    HF_STALE,    /* the store was recovered or lost under us: reopen it */
    HF_CORRUPT,  /* stored bytes are not what was written */
    HF_IO        /* the operating system or a library failed; see hf_why */
};

#define HF_WHY_BYTES 512

struct hf_why {
    char text[HF_WHY_BYTES];
};

#if defined(__GNUC__)
#define HF_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define HF_MUST_CHECK __attribute__((warn_unused_result))
#else
#define HF_PRINTF(fmt, first)
#define HF_MUST_CHECK
#endif

/* A short English text for the outcome; static, never NULL. */
const char *hf_strerror(enum hf_err err);

/* Write a message into `why` (cut to fit, always terminated); do nothing if it is NULL. Return `err`,
 * so that a failing function can end with `return hf_fail(why, HF_IO, "...")`. */
enum hf_err hf_fail(struct hf_why *why, enum hf_err err, const char *format, ...) HF_PRINTF(3, 4);

#endif
