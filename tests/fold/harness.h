/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the fold share: a store in a temporary folder with a fold on
 * it, a stream of messages in memory, and a model that says what the store must
 * hold after them, in the plainest way.
 */
#ifndef HF_TESTS_FOLD_HARNESS_H
#define HF_TESTS_FOLD_HARNESS_H

#include "../unit.h"

#include "base/buf.h"
#include "cell/cell.h"
#include "fold/fold.h"
#include "sample/sample.h"
#include "store/store.h"

/* Noon of a day, so that tests reckon from a whole hour. */
#define NOON_MS INT64_C(1795435200000) /* 2026-11-23T12:00:00Z */

#define assert_ok(call) assert_true_of((call) == HF_OK, "%s: %s", #call, harness_why.text)

extern struct hf_why harness_why;
extern struct store *store;
extern struct fold *fold;
extern struct fold_options fold_options; /* taken by harness_open() */

/* cmocka set-up and tear-down: a fresh folder with an open store and fold, default options; and all of it gone. */
int harness_setup(void **state);
int harness_teardown(void **state);
#define fold_unit(function) cmocka_unit_test_setup_teardown(function, harness_setup, harness_teardown)

void harness_open(void);  /* the fold, and the store where it is closed */
void harness_crash(void); /* forget the fold; what it did not commit is lost */
void harness_close(void); /* and close the store */

/* ---- messages ---- */

struct message {
    uint64_t producer, number;
    size_t count;
    struct sample *samples; /* keys and ids are literals or live as long as the test */
    struct hf_buf bytes;
};

struct sample sample_of(const char *key, double value, int64_t time_ms, const char *id);
/* A sealed batch; the samples are copied. */
struct message *message_new(uint64_t producer, uint64_t number, const struct sample *samples, size_t count);
void message_free(struct message *message);
/* Make it, apply it, free it. */
enum hf_err apply_batch(uint64_t seq, int64_t stored_ms, uint64_t producer, uint64_t number,
                        const struct sample *samples, size_t count);
enum hf_err apply_one(uint64_t seq, int64_t stored_ms, uint64_t number, struct sample sample); /* of producer 7 */

/* ---- what the store holds ---- */

/* The count of a cell, 0 where there is none. */
uint64_t stored_count(enum store_table table, const char *key, uint32_t slot);
bool stored_key(const char *key, uint32_t *first_hour);
struct store_status stored_status(void);

/* ---- the model ---- */

struct model;

struct model *model_new(void);
void model_free(struct model *model);
/* What applying this message does. */
void model_apply(struct model *model, int64_t stored_ms, const struct message *message);
/* The store must hold exactly the model's cells, byte for byte, its keys and its counters. */
void model_check(struct model *model);
uint64_t model_duplicates(const struct model *model);

/* Pseudo-random numbers, the same in every run of the same seed. */
extern uint64_t random_state;
uint64_t random_below(uint64_t bound);

#endif
