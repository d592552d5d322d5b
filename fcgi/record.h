/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FastCGI 1.0 as a responder of one request a connection sees it: records in,
 * records out. No I/O: bytes are fed as they come, in pieces of any size.
 *
 * What a web server never sends is refused: another version or role, a record of
 * another request or of none, a second beginning, names or values that hold a
 * NUL or do not end where their record says. Nothing is allocated for what was
 * merely announced, so that memory is at most twice what came.
 */
#ifndef HF_FCGI_RECORD_H
#define HF_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define RECORD_PARAMS_MAX 262144u      /* bytes of all names and values */
#define RECORD_UNWANTED_MAX (8u << 20) /* of a body past its limit, read so that the web server can finish sending it */

enum record_state {
    RECORD_PARAMS, /* more has to come */
    RECORD_STDIN,  /* the parameters are there, the body is not whole */
    RECORD_WHOLE,  /* all is there, or so much of a body past its limit that no more is wanted */
    RECORD_BAD     /* refused, or no memory */
};

/* One request. All zero, or what record_reset() left, is one of which nothing came. */
struct record_input {
    struct hf_buf params;    /* once they are there: name, NUL, value, NUL, name … */
    struct hf_buf body;      /* of a POST */
    uint64_t body_bytes;     /* that came, kept or not */
    enum record_state state;
    bool begun;
    bool ended;              /* the body came to its end */
    bool wanted;             /* the body is to be kept */
    uint16_t id;             /* of the request */
    unsigned char head[8];   /* of the record that is being read */
    unsigned head_bytes;
    unsigned content_left;
    unsigned padding_left;
};

/* Take the next bytes. A body is kept up to `body_max` bytes; of a longer one, `body_bytes` is greater than that. Bytes after the end
 * of the body are not looked at. Returns the new state. */
enum record_state record_feed(struct record_input *in, size_t body_max, const unsigned char *bytes, size_t len);

/* Once the state is RECORD_STDIN or RECORD_WHOLE: a parameter, the first of that name, or NULL. */
const char *record_param(const struct record_input *in, const char *name);
/* The same of several names, in one walk. */
void record_params(const struct record_input *in, const char *const names[], const char *values[], size_t count);

size_t record_memory(const struct record_input *in); /* bytes allocated */
void record_reset(struct record_input *in);          /* keeps a little memory */
void record_free(struct record_input *in);           /* keeps none */

struct record_part {
    const void *bytes;
    size_t len;
};

/* Append the records of a whole answer: the parts, one after the other, as standard output, and the end of the request. */
void record_put_answer(struct hf_buf *out, uint16_t id, const struct record_part *parts, size_t count);

#endif
