/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tally: what all hourfold-collect of a machine counted, in one small file
 * that each of them maps.
 *
 * Processes come, are killed and go; the counters stay, also over a restart of
 * the machine. A count is one relaxed atomic addition: what was added before a
 * process was killed is there. The file is a page, allocated when it is made, so
 * that a disk that fills up later harms nobody. Its layout is in tally.c.
 *
 * A count that cannot reach the file stops nothing: a tally counts in memory of
 * its own until it has joined the file, and takes what it has there with it.
 *
 * To count something new: a family (or a label of one) at the end of its list
 * here and in tally.c, and tally_add() where it happens; /-/metrics shows all.
 */
#ifndef HF_TALLY_H
#define HF_TALLY_H

#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"

/* The place of each is its place in the file: new ones go to the end. */
enum tally_family {
    TALLY_REQUESTS,      /* by enum tally_code: answered so */
    TALLY_RECEIVED,      /* samples read from requests: = accepted + refused + shed, and those under way */
    TALLY_ACCEPTED,      /* samples answered 204; counted before the answer goes out */
    TALLY_REFUSED,       /* samples of requests that were at fault, by enum tally_code, as far as they were read */
    TALLY_SHED,          /* samples that could not be taken, by enum tally_stage */
    TALLY_REQUESTS_SHED, /* requests likewise, those included whose samples were not read */
    TALLY_SENT,          /* samples of batches that were sealed: counted before the bus or the spool can have them */
    TALLY_PUBLISHED,     /* of the accepted, those that JetStream acknowledged first */
    TALLY_SPOOLED,       /* and those that the spool took first */
    TALLY_REPLAYED,      /* samples published from the spool and acknowledged by JetStream */
    TALLY_UNCERTAIN,     /* of the shed, those that had been sent: they may be stored all the same */
    TALLY_SPOOL_DAMAGED, /* damaged places met in spool files */
    TALLY_STARTS,        /* processes that began to serve */
    TALLY_ENDS,          /* processes that ended in order */
    TALLY_DROPPED,       /* values of beacons that could not be, by enum tally_drop; no samples were made of them */
    TALLY_FAMILIES
};

/* What a request was answered: with 204, or a code of the contract. */
enum tally_code {
    TALLY_OK,        /* 204: its samples are kept */
    TALLY_EMPTY,     /* 204: it had none */
    TALLY_PREFLIGHT, /* 204: OPTIONS */
    TALLY_BAD_KEY,
    TALLY_BAD_VALUE,
    TALLY_BAD_TIMESTAMP,
    TALLY_TIMESTAMP_OUT_OF_RANGE,
    TALLY_BAD_ID,
    TALLY_BAD_JSON,
    TALLY_MISSING_PARAMETER,
    TALLY_TOO_MANY_SAMPLES,
    TALLY_UNAUTHORIZED,
    TALLY_FORBIDDEN,
    TALLY_NOT_FOUND,
    TALLY_METHOD_NOT_ALLOWED,
    TALLY_TOO_LARGE,
    TALLY_UNSUPPORTED_TYPE,
    TALLY_TOO_MANY_REQUESTS,
    TALLY_UNAVAILABLE,
    TALLY_OTHER, /* any other code */
    TALLY_CODES
};

/* Where a request was shed. */
enum tally_stage {
    TALLY_RATE,         /* its sender sends more than collect.rate */
    TALLY_OVERLOAD,     /* before it was read */
    TALLY_ROOM,         /* no room among the requests that wait */
    TALLY_BUS,          /* JetStream is away or did not answer in time, and there is no spool */
    TALLY_STREAM_FULL,  /* the stream is full, and there is no spool */
    TALLY_SPOOL_FULL,   /* the spool is full: its bound, or its disk */
    TALLY_SPOOL_FAILED, /* the spool cannot be written */
    TALLY_MEMORY,       /* no memory */
    TALLY_STAGES
};

/* Why a value of a beacon was dropped: as enum sample_drop has it. */
enum tally_drop { TALLY_NOT_A_NUMBER, TALLY_NEGATIVE, TALLY_EPOCH, TALLY_TOO_HIGH, TALLY_BAD_NAME, TALLY_DROPS };

/* Points in time: the latest of any process, in ms since the Unix epoch; 0 is never. */
enum tally_moment {
    TALLY_LAST_REQUEST,    /* a request with samples came */
    TALLY_LAST_ACK,        /* JetStream acknowledged a batch */
    TALLY_LAST_UNANSWERED, /* JetStream did not answer a publish in time, though connected */
    TALLY_MOMENTS
};

#define TALLY_LABELS 24 /* room in the file for each family */

/* What is known of each family, for whoever shows it. */
struct tally_about {
    const char *name;          /* of the Prometheus metric */
    const char *help;
    const char *label;         /* NULL: it is one number, under index 0 */
    const char *const *values; /* of the label, by index */
    unsigned first;            /* of them that it can have */
    unsigned count;            /* of them; 1 where there is no label */
};
extern const struct tally_about tally_about[TALLY_FAMILIES];

/* ---- where it is ---- */

#define TALLY_PATH_BYTES 4200

/* Write the path of the file that the configuration means. Return `out`. */
const char *tally_path(const struct hf_conf *conf, char out[TALLY_PATH_BYTES]);

/* ---- count ---- */

struct tally;

struct tally *tally_new(void); /* counts in memory of its own. NULL: no memory */
void tally_free(struct tally **tally); /* NULL inside is allowed */

/* Count in the file from now on: make it, where it is missing, and add what was counted so far. May be called again until it is HF_OK,
 * and once more some time after that, for what other threads were adding at that moment. HF_NOTFOUND: no such directory; HF_INVALID: the
 * file is no tally, or of another version: remove it; HF_FULL: no room on the disk; HF_IO: permission, or else. One thread at a time. */
HF_MUST_CHECK enum hf_err tally_join(struct tally *tally, const char *path, struct hf_why *why);

/* All below are thread safe and never block. `index` is 0, or an enum tally_code, tally_stage or tally_drop. */
void tally_add(struct tally *tally, enum tally_family family, unsigned index, uint64_t n);
/* One request, with so many samples that were read, is shed. */
void tally_shed(struct tally *tally, enum tally_stage stage, uint64_t samples);
void tally_note(struct tally *tally, enum tally_moment moment, int64_t now_ms);
/* The enum tally_code of a code in words, or TALLY_OTHER. */
enum tally_code tally_code_of(const char *code);

/* ---- read ---- */

struct tally_values {
    uint64_t counts[TALLY_FAMILIES][TALLY_LABELS];
    int64_t moments[TALLY_MOMENTS];
};

/* Look at the file. HF_NOTFOUND: there is none, or it is just being made; HF_INVALID: no tally, or of another version; HF_IO. */
HF_MUST_CHECK enum hf_err tally_read(const char *path, struct tally_values *out, struct hf_why *why);

#endif
