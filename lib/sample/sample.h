/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples, and the readers of every form in which a request carries them.
 *
 * A reader takes a whole request or nothing: it appends to a list and stops at
 * the first offence, which it describes in a `struct sample_fault`. The list
 * then holds what came before the offence; the caller resets it.
 *
 * The list owns all bytes its samples point to, and keeps its memory over a
 * reset: in a steady state a request allocates nothing.
 */
#ifndef HF_SAMPLE_H
#define HF_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SAMPLE_KEY_MAX 200 /* bytes */
#define SAMPLE_KEY_RESERVED "collect"
#define SAMPLE_ID_MAX 64   /* bytes */
#define SAMPLE_JSON_DEPTH 8

struct sample {
    const char *key; /* not terminated; lives until the list is reset */
    const char *id;  /* likewise; NULL without an id */
    double value;    /* finite; never -0 */
    int64_t time_ms;
    uint8_t key_bytes;
    uint8_t id_bytes;
};

/* What was wrong with a request, in the words of the contract. */
struct sample_fault {
    const char *code;    /* static: "bad_key", "bad_value", … */
    char parameter[64];  /* the parameter or JSON member at fault, escaped and cut; or "" */
    char message[256];   /* one sentence that names the fault and what is permitted; printable ASCII */
};

struct sample_limits {
    int64_t now_ms;       /* time of receipt, given to samples without one */
    int64_t max_age_ms;   /* how far before now a sample's time may lie */
    int64_t max_skew_ms;  /* how far after now */
    size_t max_samples;   /* of one request */
};

struct sample_list {
    struct sample *samples;
    size_t count;
    size_t capacity;
    struct sample_memory *memory; /* the bytes of keys and ids, and what the readers work with */
};

void sample_list_init(struct sample_list *list); /* all zero is initialised too */
void sample_list_reset(struct sample_list *list); /* empty again; keeps its memory */
void sample_list_free(struct sample_list *list);  /* and makes it empty */

/* Whether these bytes are a key: 1 to 200 of A-Z a-z 0-9 . _ : -, the first a letter or digit, and not the
 * reserved word "collect". */
bool sample_key_valid(const char *key, size_t len);
/* Whether these bytes are an id: 1 to 64 of printable ASCII, space to tilde. */
bool sample_id_valid(const char *id, size_t len);

/* Read Unix seconds (decimal, a fraction and an exponent allowed, as exactly as they are written) or RFC 3339 into
 * milliseconds, rounded down. Seconds outside the years 0 to 9999 give HF_UTC_MIN_MS or HF_UTC_MAX_MS, which no range
 * check lets pass. HF_INVALID for anything else, or more than 1,200 bytes. */
HF_MUST_CHECK enum hf_err sample_parse_time(const char *text, size_t len, int64_t *time_ms);

/* All readers: HF_OK, HF_INVALID with `*fault`, or HF_NOMEM. Samples are in the order of the request. */

/* key=K&value=V[,V…][&ts=T][&id=I], or data=JSON; percent-encoded, "+" is a space. Other parameters are
 * ignored; one of these twice is refused. An id with several values is refused. `query` may be NULL if `len` is 0. */
HF_MUST_CHECK enum hf_err sample_read_query(const char *query, size_t len, const struct sample_limits *limits,
                                            struct sample_list *list, struct sample_fault *fault);

/* The three shapes of the contract: an object of key to number or array of numbers; one sample object, whose value may
 * be an array of numbers too; an array of sample objects. Strictly RFC 8259, strict UTF-8, no repeated member, depth
 * SAMPLE_JSON_DEPTH. A sample object with a member that it cannot have is refused, and so is a text without any
 * sample. A string member "key" tells a sample object from a map, wherever it stands. */
HF_MUST_CHECK enum hf_err sample_read_json(const char *text, size_t len, const struct sample_limits *limits,
                                           struct sample_list *list, struct sample_fault *fault);

/* collectd's write_http with Format "JSON": key <host>.<plugin>[-instance].<type>[-instance].<dsname>, bytes
 * outside the key alphabet turned to "_", byte by byte; the host must begin with a letter or digit. Null values are
 * skipped, so the list may stay empty; members that are not needed are passed over. */
HF_MUST_CHECK enum hf_err sample_read_collectd(const char *text, size_t len, const struct sample_limits *limits,
                                               struct sample_list *list, struct sample_fault *fault);

/* What a form is made of; either part may be empty. */
struct sample_form {
    const char *query, *body; /* NULL where there are no bytes */
    size_t query_bytes, body_bytes;
    const char *referer; /* the header; NULL or "" without one */
};

/* Why a value of a beacon was not taken. */
enum sample_drop {
    SAMPLE_DROP_NOT_A_NUMBER,
    SAMPLE_DROP_NEGATIVE,
    SAMPLE_DROP_EPOCH,     /* a point in time where a duration belongs */
    SAMPLE_DROP_TOO_LARGE,
    SAMPLE_DROP_BAD_NAME,  /* of a timer: none, or too long */
    SAMPLE_DROPS
};

/* A beacon of boomerang: keys <site>.<metric> or <site>.<initiator>.<metric>, bytes outside the key alphabet turned to "_"; the site is
 * the parameter of that name, or the host of pgu, u or the referer, in lower case. The id is a hash of rt.si, pid and n; without
 * pid or n there is none. Values that cannot be are dropped, counted in `dropped`, so the list may stay empty, as it does for an
 * early beacon, which is followed by one with the same. A parameter that we read and that is given twice is refused. */
HF_MUST_CHECK enum hf_err sample_read_boomerang(const struct sample_form *form, const struct sample_limits *limits,
                                                struct sample_list *list, struct sample_fault *fault,
                                                uint32_t dropped[SAMPLE_DROPS]);

#endif
