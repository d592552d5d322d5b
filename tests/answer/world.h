/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of answers ask about: a store in a temporary folder, filled
 * through cells and the store alone, and the samples that went into it.
 */
#ifndef HF_TESTS_ANSWER_WORLD_H
#define HF_TESTS_ANSWER_WORLD_H

#include "../unit.h"

#include <math.h>
#include <strings.h>
#include <unistd.h>

#include <json.h>

#include "access/access.h"
#include "answer/answer.h"
#include "answer/stat.h"
#include "base/num.h"
#include "base/utc.h"
#include "cell/cell.h"
#include "store/store.h"

#define DAY "2026-11-23"
#define DAY_MS INT64_C(1795392000000)
#define AS_OF_MS (DAY_MS + 19 * HF_HOUR_MS + 2000)
#define KEY "checkout.latency"
#define HOUR_BUCKETS 2048
#define MINUTES_FROM (DAY_MS / HF_HOUR_MS) /* every hour of the day has its minutes */

#define ok(call) assert_true_of((call) == HF_OK, "%s: %s", #call, why.text)

extern char folder[64];
extern struct hf_why why;
extern const struct store_status world_status;

/* ---- samples ---- */

struct one {
    int64_t time_ms;
    double value;
};

extern struct one *samples;
extern size_t sample_count;

extern uint64_t random_state; /* xorshift64 */
double random_unit(void); /* in [0, 1); the same numbers in every run */
int compare_doubles(const void *a, const void *b); /* for qsort() */
void add_sample_at(int64_t time_ms, double value);
void make_samples(void); /* of several hours of DAY */
/* The samples of [from, to), sorted; the caller frees. */
double *values_of(int64_t from_ms, int64_t to_ms, size_t *count);

/* ---- the store ---- */

int make_folder(void);
int remove_folder(void);
struct store *open_store(enum store_role role);
/* The cell of the samples of one slot, if there are any. */
void write_slot(struct store_write *write, enum store_table table, const char *key, int64_t start_ms, int64_t width_ms,
                uint32_t buckets);
/* The samples under KEY; one sample of 1 under each of some other keys, in hour 3 of the day. */
void write_world(void);

#endif
