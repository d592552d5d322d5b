/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the fold share; no other module includes it.
 */
#ifndef HF_FOLD_INNER_H
#define HF_FOLD_INNER_H

#include "base/buf.h"
#include "batch/batch.h"
#include "fold/cache.h"
#include "fold/fold.h"
#include "fold/ids.h"
#include "fold/producers.h"

enum {
    FOLD_RETRIES = 12,             /* of a read or transaction that lost a race */
    FOLD_READS_AT_ONCE = 256,      /* records of one store_read, which is to be short */
    FOLD_PRODUCERS_IN_MEMORY = 4096,
    FOLD_EXPIRE_AT_ONCE = 2000,    /* records of each table */
    FOLD_PRODUCER_DAYS = 90        /* a producer not heard of for so long is forgotten */
};

/* The cells that the samples of one key of the message at hand go to. */
struct fold_aim {
    struct cached_key *key;
    struct cached_cell *hour;
    struct cached_cell *minute;
};

struct fold {
    struct fold_options options;
    struct store_status committed;
    struct store_status current;
    bool dirty;
    enum hf_err failed; /* HF_OK, or the error that finished this fold */

    struct batch_reader *reader;
    struct fold_aim *aims; /* by key index */
    size_t aim_capacity;

    struct cache cache;
    struct producers producers;
    struct ids ids;

    struct store_read *read; /* NULL when none is open */
    unsigned reads;          /* made in it */
    struct hf_buf record;    /* the record read last */
    struct hf_buf encoded;   /* the records of the commit under way */
};

/* Wait before the next try: 1, 2, 4 … 64 ms. */
void fold_back_off(unsigned tries);

/* ---- load.c: find in memory, or else in the store ---- */

/* Errors: HF_NOMEM, HF_CORRUPT, HF_AGAIN (after FOLD_RETRIES), HF_STALE, HF_IO; `why` says on what. */

/* The producer, with an empty window when it is new. */
enum hf_err fold_load_producer(struct fold *fold, uint64_t number, struct producer **out, struct hf_why *why);

/* The key to fold under: its own, made when it is new, or the overflow key. */
enum hf_err fold_load_key(struct fold *fold, const char *text, uint8_t bytes, uint32_t hour, struct cached_key **out,
                          struct hf_why *why);

/* The cell, now dirty. */
enum hf_err fold_load_cell(struct fold *fold, struct cached_key *key, enum store_table table, uint32_t slot,
                           struct cached_cell **out, struct hf_why *why);

/* When the id was seen first. HF_NOTFOUND. */
enum hf_err fold_load_id(struct fold *fold, const unsigned char hash[STORE_ID_BYTES], int64_t *seen_ms,
                         struct hf_why *why);

enum hf_err fold_load_status(struct fold *fold, struct store_status *out, struct hf_why *why);

/* After the last load of a message. */
void fold_end_read(struct fold *fold);

#endif
