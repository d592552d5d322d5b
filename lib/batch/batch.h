/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The batch: the message on the bus. Many samples of one producer under one
 * number; version 1, with a table of keys, so that a key is written once. The
 * byte table is in batch.c.
 *
 * Samples are encoded as they are added; sealing puts the pieces together. There
 * is one encoding of any list of samples, and reading refuses every other.
 */
#ifndef HF_BATCH_H
#define HF_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "sample/sample.h"

#define BATCH_BYTES_MAX 1000000u   /* of a sealed batch: below NATS's default payload limit of 1 MiB */
#define BATCH_SAMPLES_MAX 500000u

/* ---- write ---- */

struct batch_writer; /* an open batch */

struct batch_writer *batch_writer_new(void); /* NULL: no memory */
void batch_writer_free(struct batch_writer **writer);
void batch_writer_reset(struct batch_writer *writer); /* empty again; keeps its memory */

/* Add all of a request's samples, checked as the readers of sample/sample.h do, or none. HF_FULL when the sealed batch would pass BATCH_BYTES_MAX or
 * BATCH_SAMPLES_MAX: seal it, start another. (Into an empty batch, HF_FULL means that the request is too
 * large for any.) HF_NOMEM. The list may be reset afterwards. */
HF_MUST_CHECK enum hf_err batch_add(struct batch_writer *writer, const struct sample_list *list);

size_t batch_samples(const struct batch_writer *writer);

/* Write the finished message, at most BATCH_BYTES_MAX bytes, into `out` (cleared first). `producer` is the
 * random number of the collect process, `number` counts its batches from 1. HF_INVALID for an empty batch or
 * number 0; HF_NOMEM. The writer is unchanged. */
HF_MUST_CHECK enum hf_err batch_seal(const struct batch_writer *writer, uint64_t producer, uint64_t number,
                                     struct hf_buf *out);

/* ---- read ---- */

struct batch_key {
    const char *text; /* inside the message, not terminated; a valid key */
    uint8_t bytes;
};

struct batch {
    uint64_t producer;
    uint64_t number;
    uint32_t key_count;
    uint32_t sample_count;
    const struct batch_key *keys; /* all different */
};

struct batch_reader; /* reused from message to message */

struct batch_reader *batch_reader_new(void); /* NULL: no memory */
void batch_reader_free(struct batch_reader **reader);

/* Check the whole message: checksum, lengths, keys, every sample. HF_INVALID when it is not exactly what
 * batch_seal() writes; HF_NOMEM. On HF_OK `*batch` lives, as the message must, until the next call. */
HF_MUST_CHECK enum hf_err batch_open(struct batch_reader *reader, const void *bytes, size_t len,
                                     const struct batch **batch);

/* How many samples a message says it has, without checking any of it; 0 when it does not say. */
uint32_t batch_samples_said(const void *bytes, size_t len);

/* The next sample of the opened batch, in the order they were added; its key is keys[key_index]. HF_NOTFOUND
 * after the last. */
HF_MUST_CHECK enum hf_err batch_next(struct batch_reader *reader, struct sample *sample, uint32_t *key_index);

#endif
