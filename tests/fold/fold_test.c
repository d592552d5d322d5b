/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fold, one rule at a time. Some functions below it are wrapped by the linker
 * (see local.mk), so that they can be made to fail.
 */
#include "../memory.h"
#include "harness.h"

#include "base/utc.h"

#define HOUR hf_hour_of(NOON_MS)
#define MINUTE hf_minute_of(NOON_MS)

/* ---- failures to order ---- */

static struct {
    int cell_adds;         /* so many succeed, the next fails; -1: all succeed */
    int writes;            /* likewise of cells, which fail with `write_error` */
    int failures;          /* how often that goes on */
    enum hf_err write_error;
} plan = {.cell_adds = -1, .writes = -1};

enum hf_err __real_cell_add(struct cell *cell, double value);
enum hf_err __wrap_cell_add(struct cell *cell, double value);
enum hf_err __wrap_cell_add(struct cell *cell, double value)
{
    return plan.cell_adds >= 0 && plan.cell_adds-- == 0 ? HF_NOMEM : __real_cell_add(cell, value);
}

enum hf_err __real_store_write_cell(struct store_write *write, enum store_table table, const char *key,
                                    size_t key_bytes, uint32_t slot, const void *bytes, size_t len);
enum hf_err __wrap_store_write_cell(struct store_write *write, enum store_table table, const char *key,
                                    size_t key_bytes, uint32_t slot, const void *bytes, size_t len);
enum hf_err __wrap_store_write_cell(struct store_write *write, enum store_table table, const char *key,
                                    size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    if (plan.writes == 0 && plan.failures > 0) {
        plan.failures--;
        return plan.write_error;
    }
    plan.writes -= plan.writes > 0;
    return __real_store_write_cell(write, table, key, key_bytes, slot, bytes, len);
}

static int setup(void **state)
{
    plan.cell_adds = plan.writes = -1;
    memory_plan(MEMORY_ALL_WELL, 0);
    return harness_setup(state);
}
#define planned_unit(function) cmocka_unit_test_setup_teardown(function, setup, harness_teardown)

static void commit(void) { assert_ok(fold_commit(fold, &harness_why)); }

static void reopen(void)
{
    harness_crash();
    harness_open();
}

/* ---- batches ---- */

static void one_batch_is_stored(void **state)
{
    (void)state;
    const struct sample samples[] = {sample_of("a", 1, NOON_MS, NULL), sample_of("a", 2, NOON_MS + 1, NULL),
                                     sample_of("b", 3, NOON_MS + HF_MINUTE_MS, NULL)};
    uint32_t first_hour;
    assert_false(fold_dirty(fold));
    assert_ok(apply_batch(1, NOON_MS + 5, 9, 1, samples, 3));
    assert_true(fold_dirty(fold));
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 0);
    assert_int_equal(fold_committed(fold)->position, 0);
    assert_int_equal(fold_current(fold)->position, 1);
    commit();
    assert_false(fold_dirty(fold));
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 2);
    assert_int_equal(stored_count(STORE_HOURS, "b", HOUR), 1);
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE), 2);
    assert_int_equal(stored_count(STORE_MINUTES, "b", MINUTE + 1), 1);
    assert_true(stored_key("a", &first_hour));
    assert_int_equal(first_hour, HOUR);
    assert_false(stored_key("c", &first_hour));

    struct store_status status = stored_status();
    assert_int_equal(status.position, 1);
    assert_int_equal(status.position_ms, NOON_MS + 5);
    assert_int_equal(status.accepted, 3);
    assert_int_equal(status.folded, 3);
    assert_int_equal(status.keys, 2);
}

static void old_sequences_are_skipped(void **state)
{
    (void)state;
    assert_ok(apply_one(5, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    assert_ok(apply_one(5, NOON_MS, 2, sample_of("a", 1, NOON_MS, NULL)));
    assert_ok(apply_one(4, NOON_MS, 3, sample_of("a", 1, NOON_MS, NULL)));
    assert_int_equal(fold_current(fold)->folded, 1);
    assert_int_equal(fold_current(fold)->position, 5);
}

static void garbage_is_refused(void **state)
{
    (void)state;
    struct sample sample = sample_of("a", 1, NOON_MS, NULL);
    struct message *message = message_new(9, 1, &sample, 1);
    assert_ok(fold_apply(fold, 1, NOON_MS, "garbage", 7, &harness_why));
    assert_ok(fold_apply(fold, 2, NOON_MS, "", 0, &harness_why));
    message->bytes.data[message->bytes.len / 2] ^= 1;
    assert_ok(fold_apply(fold, 3, NOON_MS, message->bytes.data, message->bytes.len, &harness_why));
    message->bytes.data[message->bytes.len / 2] ^= 1;
    assert_ok(fold_apply(fold, 4, NOON_MS, message->bytes.data, message->bytes.len, &harness_why));
    message_free(message);
    commit();
    struct store_status status = stored_status();
    assert_int_equal(status.refused, 3);
    assert_int_equal(status.accepted, 1);
    assert_int_equal(status.position, 4);
}

static void a_batch_counts_once(void **state)
{
    (void)state;
    const struct sample sample = sample_of("a", 1, NOON_MS, NULL);
    assert_ok(apply_one(1, NOON_MS, 3, sample));
    assert_ok(apply_one(2, NOON_MS, 3, sample));
    commit();
    assert_ok(apply_one(3, NOON_MS, 3, sample));
    reopen(); /* the commit's window is in the store */
    assert_ok(apply_one(3, NOON_MS, 3, sample));
    assert_ok(apply_one(4, NOON_MS, 2, sample)); /* an earlier number that was late */
    assert_ok(apply_batch(5, NOON_MS, 8, 3, &sample, 1)); /* another producer's */
    commit();
    struct store_status status = stored_status();
    assert_int_equal(status.accepted, 5);
    assert_int_equal(status.folded, 3);
    assert_int_equal(status.duplicate, 2);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 3);
}

static void many_producers_are_remembered(void **state)
{
    (void)state;
    enum { PRODUCERS = 6000 }; /* more than stay in memory */
    const struct sample sample = sample_of("a", 1, NOON_MS, NULL);
    for (uint64_t pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < PRODUCERS; i++)
            assert_ok(apply_batch(pass * PRODUCERS + i + 1, NOON_MS, i << 40, 1, &sample, 1));
        commit();
    }
    assert_int_equal(stored_status().duplicate, PRODUCERS);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), PRODUCERS);
}

static void late_is_after_the_hour(void **state)
{
    (void)state;
    const struct sample last = sample_of("a", 1, NOON_MS + HF_HOUR_MS - 1, NULL);
    assert_ok(apply_one(1, NOON_MS + HF_HOUR_MS - 1, 1, last));
    assert_int_equal(fold_current(fold)->late, 0);
    assert_ok(apply_one(2, NOON_MS + HF_HOUR_MS, 2, last));
    assert_int_equal(fold_current(fold)->late, 1);
    assert_ok(apply_one(3, NOON_MS + HF_HOUR_MS, 3, sample_of("a", 1, NOON_MS + HF_HOUR_MS, NULL)));
    assert_int_equal(fold_current(fold)->late, 1);
    assert_ok(apply_one(4, NOON_MS + HF_HOUR_MS, 3, last)); /* a duplicate is not late */
    assert_int_equal(fold_current(fold)->late, 1);
}

static void first_hour_moves_back(void **state)
{
    (void)state;
    uint32_t first_hour;
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    commit();
    assert_ok(apply_one(2, NOON_MS, 2, sample_of("a", 1, NOON_MS - 5 * HF_HOUR_MS, NULL)));
    assert_ok(apply_one(3, NOON_MS, 3, sample_of("a", 1, NOON_MS + 5 * HF_HOUR_MS, NULL)));
    commit();
    assert_true(stored_key("a", &first_hour));
    assert_int_equal(first_hour, HOUR - 5);
    assert_int_equal(stored_status().keys, 1);
}

/* ---- ids ---- */

static void an_id_counts_once(void **state)
{
    (void)state;
    const struct sample samples[] = {
        sample_of("a", 1, NOON_MS, "x"), sample_of("a", 2, NOON_MS, "x"), sample_of("b", 3, NOON_MS, "x"),
        sample_of("a", 4, NOON_MS, "y"), sample_of("a", 5, NOON_MS, NULL), sample_of("a", 5, NOON_MS, NULL),
        sample_of("ax", 6, NOON_MS, "y"), /* together the same bytes as the next */
        sample_of("a", 7, NOON_MS, "xy")};
    assert_ok(apply_batch(1, NOON_MS, 7, 1, samples, 8));
    assert_int_equal(fold_current(fold)->folded, 7);
    commit();
    assert_ok(apply_batch(2, NOON_MS, 7, 2, samples, 8)); /* of the store */
    assert_int_equal(fold_current(fold)->folded, 9);      /* the two without id */
    assert_ok(apply_batch(3, NOON_MS, 7, 2, samples, 8)); /* the batch is known as a whole */
    commit();
    assert_int_equal(stored_status().accepted, 24);
    assert_int_equal(stored_status().folded, 9);
    assert_int_equal(stored_status().duplicate, 15);
}

static void an_id_is_forgotten_in_time(void **state)
{
    (void)state;
    const int64_t memory_ms = fold_options.limits.id_memory_ms;
    const struct sample sample = sample_of("a", 1, NOON_MS, "x");
    for (int committed = 0; committed < 2; committed++) {
        uint64_t folded = fold_current(fold)->folded, seq = fold_current(fold)->position;
        int64_t stored_ms = NOON_MS + committed * 10 * memory_ms;
        assert_ok(apply_one(seq + 1, stored_ms, seq + 1, sample));
        if (committed)
            commit();
        assert_ok(apply_one(seq + 2, stored_ms + memory_ms - 1, seq + 2, sample));
        assert_int_equal(fold_current(fold)->folded, folded + 1);
        assert_ok(apply_one(seq + 3, stored_ms + memory_ms, seq + 3, sample)); /* counts, from then on again */
        assert_int_equal(fold_current(fold)->folded, folded + 2);
        if (committed)
            commit();
        assert_ok(apply_one(seq + 4, stored_ms + 2 * memory_ms - 1, seq + 4, sample));
        assert_int_equal(fold_current(fold)->folded, folded + 2);
        assert_ok(apply_one(seq + 5, stored_ms - memory_ms, seq + 5, sample)); /* a clock that went back */
        assert_int_equal(fold_current(fold)->folded, folded + 2);
    }
}

/* ---- keys ---- */

static void further_keys_overflow(void **state)
{
    (void)state;
    struct fold_limits limits = fold_options.limits;
    limits.max_keys = 2;
    fold_set_limits(fold, &limits);
    const struct sample samples[] = {sample_of("a", 1, NOON_MS, NULL), sample_of("b", 1, NOON_MS, NULL),
                                     sample_of("c", 1, NOON_MS, NULL), sample_of("d", 1, NOON_MS, "x"),
                                     sample_of("e", 1, NOON_MS, "x"), sample_of("a", 1, NOON_MS, NULL)};
    assert_ok(apply_batch(1, NOON_MS, 7, 1, samples, 6));
    commit();
    reopen();
    fold_set_limits(fold, &limits);
    assert_ok(apply_batch(2, NOON_MS, 7, 2, samples, 6));
    commit();
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 4);
    assert_int_equal(stored_count(STORE_HOURS, "b", HOUR), 2);
    assert_int_equal(stored_count(STORE_HOURS, FOLD_OVERFLOW_KEY, HOUR), 4); /* c twice, d and e once: ids */
    assert_int_equal(stored_count(STORE_MINUTES, FOLD_OVERFLOW_KEY, MINUTE), 4);
    assert_false(stored_key("c", NULL));
    assert_int_equal(stored_status().keys, 3);

    limits.max_keys = 4;
    fold_set_limits(fold, &limits);
    assert_ok(apply_batch(3, NOON_MS, 7, 3, samples, 6));
    commit();
    assert_int_equal(stored_count(STORE_HOURS, "c", HOUR), 1);
    assert_int_equal(stored_status().keys, 4);
}

static void little_memory_is_enough(void **state)
{
    (void)state;
    enum { KEYS = 400, ROUNDS = 5 };
    fold_options.cache_bytes = 20000;
    reopen();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < KEYS; i++) {
            char key[8];
            snprintf(key, sizeof key, "k%u", i);
            assert_ok(apply_one(round * KEYS + i + 1, NOON_MS, round * KEYS + i + 1, sample_of(key, i, NOON_MS, NULL)));
        }
        assert_true(fold_memory_bytes(fold) > 2 * fold_options.cache_bytes);
        commit();
        assert_true(fold_memory_bytes(fold) < 2 * fold_options.cache_bytes);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(stored_count(STORE_HOURS, key, HOUR), ROUNDS);
    }
}

/* A minute that is over does not stay in memory until others need the room. */
static void what_is_not_in_use_is_forgotten(void **state)
{
    (void)state;
    fold_advance(fold, NOON_MS);
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("old", 1, NOON_MS, NULL)));
    assert_ok(apply_one(2, NOON_MS, 2, sample_of("used", 1, NOON_MS, NULL)));
    commit();
    size_t both = fold_memory_bytes(fold);
    fold_advance(fold, NOON_MS + 60000);
    assert_ok(apply_one(3, NOON_MS, 3, sample_of("used", 1, NOON_MS, NULL)));
    commit();
    assert_int_equal(fold_memory_bytes(fold), both);
    fold_advance(fold, NOON_MS + 150000);
    commit();
    size_t one = fold_memory_bytes(fold);
    assert_true(one < both);
    fold_advance(fold, NOON_MS + 190000);
    commit();
    assert_true(fold_memory_bytes(fold) < one);
    size_t none = fold_memory_bytes(fold);
    assert_ok(apply_one(4, NOON_MS, 4, sample_of("old", 1, NOON_MS, NULL)));
    commit();
    assert_true(fold_memory_bytes(fold) > none);
    assert_ok(apply_one(5, NOON_MS + 320000, 4, sample_of("old", 1, NOON_MS, NULL))); /* a batch that came before */
    commit();
    assert_int_equal(fold_memory_bytes(fold), none);
    assert_int_equal(stored_count(STORE_HOURS, "old", HOUR), 2);
    assert_int_equal(stored_count(STORE_HOURS, "used", HOUR), 2);
}

static void a_commit_tells_how_much_it_writes(void **state)
{
    (void)state;
    assert_int_equal(fold_dirty_records(fold), 0);
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("k", 1, NOON_MS, NULL)));
    assert_int_equal(fold_dirty_records(fold), 3); /* the key, its hour, its minute */
    assert_ok(apply_one(2, NOON_MS, 2, sample_of("k", 1, NOON_MS, "a")));
    assert_ok(apply_one(3, NOON_MS, 3, sample_of("k", 1, NOON_MS, "b")));
    assert_ok(apply_one(4, NOON_MS, 4, sample_of("k", 1, NOON_MS, "b")));
    assert_int_equal(fold_dirty_records(fold), 5); /* and two ids */
    commit();
    assert_int_equal(fold_dirty_records(fold), 0);
    assert_ok(apply_one(5, NOON_MS, 5, sample_of("k", 1, NOON_MS, NULL)));
    assert_int_equal(fold_dirty_records(fold), 2);
}

/* ---- which stream ---- */

static void a_stream_goes_on(void **state)
{
    (void)state;
    uint64_t missing = 1;
    assert_int_equal(fold_attach(fold, 1000, 1, 0, &missing), FOLD_SAME);
    assert_int_equal(missing, 0);
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    assert_ok(apply_one(2, NOON_MS, 2, sample_of("a", 1, NOON_MS, NULL)));
    commit();
    reopen();
    assert_int_equal(fold_attach(fold, 1000, 1, 2, &missing), FOLD_SAME);
    assert_int_equal(fold_attach(fold, 1000, 3, 2, &missing), FOLD_SAME); /* emptied behind us */
    assert_int_equal(fold_current(fold)->position, 2);
    assert_int_equal(fold_current(fold)->rewinds, 0);
}

static void a_gap_is_counted(void **state)
{
    (void)state;
    uint64_t missing;
    assert_int_equal(fold_attach(fold, 1000, 1, 5, &missing), FOLD_SAME);
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    assert_int_equal(fold_attach(fold, 1000, 2, 5, &missing), FOLD_SAME);
    assert_int_equal(fold_attach(fold, 1000, 3, 5, &missing), FOLD_GAP);
    assert_int_equal(missing, 1);
    assert_int_equal(fold_attach(fold, 1000, 5, 5, &missing), FOLD_GAP);
    assert_int_equal(missing, 2);
    assert_int_equal(fold_current(fold)->position, 4);
    assert_ok(apply_one(5, NOON_MS, 4, sample_of("a", 1, NOON_MS, NULL)));
    commit();
    assert_int_equal(stored_status().position, 5);
    assert_int_equal(stored_status().rewinds, 0);
}

/* The stream was lost: what is delivered again under new sequences is known, what is new is not. */
static void nothing_doubles_after(int64_t created_ns, uint64_t last_seq)
{
    enum { BATCHES = 50 };
    uint64_t missing;
    const struct sample sample = sample_of("a", 1, NOON_MS, NULL);
    assert_int_equal(fold_attach(fold, 1000, 1, 0, &missing), FOLD_SAME);
    for (uint64_t n = 1; n <= BATCHES; n++)
        assert_ok(apply_batch(n, NOON_MS, n % 3, n, &sample, 1));
    commit();
    reopen();
    assert_int_equal(fold_attach(fold, created_ns, 1, last_seq, &missing), FOLD_REWOUND);
    assert_int_equal(fold_current(fold)->position, 0);
    uint64_t seq = 0;
    for (uint64_t n = BATCHES; n > BATCHES / 2; n--) /* in another order, too */
        assert_ok(apply_batch(++seq, NOON_MS, n % 3, n, &sample, 1));
    assert_ok(apply_batch(++seq, NOON_MS, 1, BATCHES + 11, &sample, 1));
    commit();
    struct store_status status = stored_status();
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), BATCHES + 1);
    assert_int_equal(status.rewinds, 1);
    assert_int_equal(status.position, seq);
    assert_int_equal(status.stream_created_ns, created_ns);
    assert_int_equal(status.accepted, status.folded + status.duplicate);
    assert_int_equal(status.duplicate, BATCHES / 2);
}

static void a_stream_made_anew_doubles_nothing(void **state)
{
    (void)state;
    nothing_doubles_after(2000, 80);
}

static void a_rewound_stream_doubles_nothing(void **state)
{
    (void)state;
    nothing_doubles_after(1000, 49);
}

static void an_overtaken_rewind_is_recognised(void **state)
{
    (void)state;
    uint64_t missing;
    assert_int_equal(fold_attach(fold, 1000, 1, 0, &missing), FOLD_SAME);
    assert_true(fold_recognises(fold, 1, NOON_MS));
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    assert_ok(apply_one(2, NOON_MS + 7, 2, sample_of("a", 1, NOON_MS, NULL)));
    commit();
    reopen();
    assert_int_equal(fold_attach(fold, 1000, 1, 9, &missing), FOLD_SAME);
    assert_true(fold_recognises(fold, 2, NOON_MS + 7));
    assert_true(fold_recognises(fold, 3, NOON_MS + 8));
    assert_false(fold_recognises(fold, 2, NOON_MS + 8));
    fold_rewind(fold, 1);
    assert_int_equal(fold_current(fold)->position, 0);
    assert_int_equal(fold_current(fold)->rewinds, 1);
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    assert_ok(apply_one(2, NOON_MS + 8, 3, sample_of("a", 1, NOON_MS, NULL)));
    assert_int_equal(fold_current(fold)->folded, 3);
    assert_int_equal(fold_current(fold)->duplicate, 1);
}

static void as_of_never_moves_back(void **state)
{
    (void)state;
    fold_advance(fold, NOON_MS);
    fold_advance(fold, NOON_MS - 1);
    assert_int_equal(fold_current(fold)->as_of_ms, NOON_MS);
    assert_true(fold_dirty(fold));
    commit();
    fold_advance(fold, NOON_MS);
    assert_false(fold_dirty(fold));
    assert_int_equal(stored_status().as_of_ms, NOON_MS);
}

/* ---- failures ---- */

static void a_message_is_applied_whole_or_not_at_all(void **state)
{
    (void)state;
    const struct sample samples[] = {sample_of("a", 1, NOON_MS, "1"), sample_of("b", 2, NOON_MS, "2"),
                                     sample_of("c", 3, NOON_MS, NULL)};
    assert_ok(apply_one(1, NOON_MS, 1, samples[0]));
    commit();
    for (int adds = 0; adds < 4; adds++) { /* one of a is a duplicate */
        plan.cell_adds = adds;
        assert_int_equal(apply_batch(2, NOON_MS, 7, 2, samples, 3), HF_NOMEM);
        assert_int_equal(apply_one(3, NOON_MS, 3, samples[0]), HF_NOMEM);
        assert_int_equal(fold_commit(fold, &harness_why), HF_NOMEM);
        reopen();
        assert_int_equal(fold_current(fold)->position, 1);
        assert_int_equal(fold_current(fold)->folded, 1);
    }
    assert_ok(apply_batch(2, NOON_MS, 7, 2, samples, 3));
    commit();
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 1);
    assert_int_equal(stored_count(STORE_HOURS, "b", HOUR), 1);
    assert_int_equal(stored_count(STORE_HOURS, "c", HOUR), 1);
    assert_int_equal(stored_status().accepted, 4);
}

/* Fold two messages and commit, with the nth allocation failing. What is left behind must be right whatever n is. */
static bool fold_with_failure(struct message *const messages[2], int nth)
{
    struct fold *mine = NULL;
    memory_plan(MEMORY_ONE, (unsigned long)nth + 1);
    enum hf_err err = fold_open(&fold_options, &mine, NULL);
    for (uint64_t i = 0; i < 2 && err == HF_OK; i++)
        err = fold_apply(mine, i + 1, NOON_MS, messages[i]->bytes.data, messages[i]->bytes.len, NULL);
    if (err == HF_OK)
        err = fold_commit(mine, NULL);
    bool failed = memory_failed();
    memory_plan(MEMORY_ALL_WELL, 0);
    if (mine != NULL && err == HF_NOMEM && fold_dirty(mine) && fold_current(mine)->position == 2)
        err = fold_commit(mine, &harness_why); /* all was kept, or else all is refused */
    else
        assert_int_equal(err, failed ? HF_NOMEM : HF_OK);
    fold_free(&mine);
    uint64_t position = stored_status().position;
    assert_true(position == 0 || position == 2);
    assert_true((err == HF_OK) == (position == 2));
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), position);
    assert_int_equal(stored_count(STORE_HOURS, "b", HOUR), position);
    return failed;
}

static void memory_may_end_anywhere(void **state)
{
    const struct sample samples[] = {sample_of("a", 1, NOON_MS, "1"), sample_of("b", 2, NOON_MS, NULL)};
    const struct sample more[] = {sample_of("a", 3, NOON_MS, "2"), sample_of("b", 4, NOON_MS, "2"),
                                  sample_of("a", 5, NOON_MS, "1")};
    struct message *messages[2] = {message_new(7, 1, samples, 2), message_new(8, 1, more, 3)};
    int nth = 0;
    while (fold_with_failure(messages, nth)) {
        if (stored_status().position == 2) { /* begin anew */
            harness_teardown(state);
            harness_setup(state);
        }
        nth++;
    }
    assert_true_of(nth > 20, "only %d allocations", nth);
    message_free(messages[0]);
    message_free(messages[1]);
}

static void lost_races_are_tried_again(void **state)
{
    (void)state;
    plan.writes = 1;
    plan.failures = 5;
    plan.write_error = HF_AGAIN;
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    commit();
    assert_int_equal(plan.failures, 0);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 1);
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE), 1);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, "x")));
    plan.writes = 1;
    plan.failures = 2;
    plan.write_error = HF_FULL;
    assert_int_equal(fold_commit(fold, &harness_why), HF_FULL);
    assert_true(fold_dirty(fold));
    assert_int_equal(stored_status().position, 0);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 0);
    assert_ok(apply_one(2, NOON_MS, 2, sample_of("a", 1, NOON_MS, "x")));
    assert_ok(apply_one(3, NOON_MS, 3, sample_of("b", 1, NOON_MS, NULL)));
    assert_int_equal(fold_commit(fold, &harness_why), HF_FULL);
    commit();
    assert_int_equal(stored_status().position, 3);
    assert_int_equal(stored_status().duplicate, 1);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 1);
    assert_int_equal(stored_count(STORE_HOURS, "b", HOUR), 1);
}

static void write_raw(enum store_table table, const char *key, uint32_t slot, const char *bytes)
{
    struct store_write *write;
    assert_ok(store_write_begin(store, &write, &harness_why));
    assert_ok(__real_store_write_cell(write, table, key, strlen(key), slot, bytes, strlen(bytes)));
    assert_ok(store_write_commit(&write, &harness_why));
}

static void a_damaged_cell_stops_the_fold(void **state)
{
    (void)state;
    write_raw(STORE_MINUTES, "a", MINUTE, "nonsense");
    assert_int_equal(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)), HF_CORRUPT);
    assert_non_null(strstr(harness_why.text, "key a"));
    assert_int_equal(fold_commit(fold, &harness_why), HF_CORRUPT);
    assert_int_equal(stored_status().position, 0);
}

/* ---- age ---- */

static void expire_all(void)
{
    bool more;
    do
        assert_ok(fold_expire(fold, &more, &harness_why));
    while (more);
}

static void minutes_expire_by_whole_hours(void **state)
{
    (void)state;
    struct fold_limits limits = fold_options.limits;
    limits.minute_days = 1;
    fold_set_limits(fold, &limits);
    for (unsigned m = 0; m < 120; m++)
        assert_ok(apply_one(m + 1, NOON_MS, m + 1, sample_of("a", m, NOON_MS + m * HF_MINUTE_MS, NULL)));
    fold_advance(fold, NOON_MS + HF_DAY_MS + HF_HOUR_MS - 1); /* one ms before the first hour's minutes are too old */
    expire_all();
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE), 1);
    fold_advance(fold, NOON_MS + HF_DAY_MS + HF_HOUR_MS);
    assert_int_equal(fold_current(fold)->minutes_from, HOUR + 1);
    expire_all();
    for (unsigned m = 0; m < 120; m++)
        assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE + m), m >= 60);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 60);
    assert_int_equal(stored_status().expired, 0);

    /* What comes too late for its minute goes to the hour alone; and no cell comes back from memory. */
    assert_ok(apply_one(121, NOON_MS + 2 * HF_DAY_MS, 121, sample_of("a", 1, NOON_MS + 3, NULL)));
    assert_ok(apply_one(122, NOON_MS + 2 * HF_DAY_MS, 122, sample_of("a", 1, NOON_MS + HF_HOUR_MS, NULL)));
    commit();
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE), 0);
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE + 60), 2);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 61);

    /* A longer memory does not make them whole again. */
    limits.minute_days = 100;
    fold_set_limits(fold, &limits);
    fold_advance(fold, NOON_MS + 3 * HF_DAY_MS);
    assert_ok(apply_one(123, NOON_MS + 2 * HF_DAY_MS, 123, sample_of("a", 1, NOON_MS, NULL)));
    commit();
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE), 0);
}

static void expired_hours_are_counted(void **state)
{
    (void)state;
    struct fold_limits limits = fold_options.limits;
    limits.hour_days = 2;
    fold_set_limits(fold, &limits);
    for (unsigned h = 0; h < 10; h++)
        assert_ok(apply_one(h + 1, NOON_MS, h + 1, sample_of("a", h, NOON_MS + h * HF_HOUR_MS, NULL)));
    fold_advance(fold, NOON_MS + 2 * HF_DAY_MS + 3 * HF_HOUR_MS);
    expire_all();
    assert_int_equal(stored_status().expired, 3);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR + 2), 0);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR + 3), 1);

    /* A sample older than that is folded, and goes in its turn; the old count does not come back with it. */
    assert_ok(apply_one(11, NOON_MS, 11, sample_of("a", 1, NOON_MS, NULL)));
    commit();
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 1);
    expire_all();
    assert_int_equal(stored_status().expired, 4);
    assert_int_equal(stored_status().folded, 11);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 0);
    assert_true(stored_key("a", NULL));
}

static void a_damaged_hour_does_not_expire(void **state)
{
    (void)state;
    bool more;
    struct fold_limits limits = fold_options.limits;
    limits.hour_days = 2;
    fold_set_limits(fold, &limits);
    write_raw(STORE_HOURS, "b", HOUR, "nonsense");
    assert_ok(apply_one(1, NOON_MS, 1, sample_of("a", 1, NOON_MS, NULL)));
    fold_advance(fold, NOON_MS + 9 * HF_DAY_MS);
    assert_int_equal(fold_expire(fold, &more, &harness_why), HF_CORRUPT);
    assert_int_equal(stored_status().expired, 0);
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 1);
    assert_ok(apply_one(2, NOON_MS, 2, sample_of("a", 1, NOON_MS, NULL))); /* folding goes on */
    commit();
    assert_int_equal(stored_count(STORE_HOURS, "a", HOUR), 2);
}

static bool stored_id(void)
{
    /* As seen from outside: does the same id count again? Asked of a fold that is thrown away. */
    uint64_t folded = fold_current(fold)->folded, seq = fold_current(fold)->position;
    assert_ok(apply_one(seq + 1, NOON_MS, seq + 1, sample_of("a", 1, NOON_MS, "x")));
    bool counted = fold_current(fold)->folded > folded;
    reopen();
    return !counted;
}

static void ids_and_producers_expire(void **state)
{
    (void)state;
    const struct sample sample = sample_of("a", 1, NOON_MS, "x");
    assert_ok(apply_one(1, NOON_MS, 1, sample));
    fold_advance(fold, NOON_MS + fold_options.limits.id_memory_ms);
    expire_all();
    assert_true(stored_id());
    fold_advance(fold, NOON_MS + fold_options.limits.id_memory_ms + 1);
    expire_all();
    assert_false(stored_id());

    assert_ok(apply_one(2, NOON_MS, 1, sample));
    assert_int_equal(fold_current(fold)->duplicate, 1); /* the batch is known for longer */
    fold_advance(fold, NOON_MS + 90 * HF_DAY_MS);
    expire_all();
    assert_ok(apply_one(3, NOON_MS, 1, sample));
    assert_int_equal(fold_current(fold)->duplicate, 2);
    fold_advance(fold, NOON_MS + 90 * HF_DAY_MS + 1);
    expire_all();
    assert_ok(apply_one(4, NOON_MS, 1, sample));
    assert_int_equal(fold_current(fold)->duplicate, 2);
}

static void much_expires_in_pieces(void **state)
{
    (void)state;
    enum { MINUTES = 5000, AT_ONCE = 500 };
    struct sample samples[AT_ONCE];
    bool more;
    for (uint64_t batch = 0; batch < MINUTES / AT_ONCE; batch++) {
        for (uint64_t i = 0; i < AT_ONCE; i++)
            samples[i] = sample_of("a", 1, NOON_MS + (int64_t)(batch * AT_ONCE + i) * HF_MINUTE_MS, NULL);
        assert_ok(apply_batch(batch + 1, NOON_MS, 7, batch + 1, samples, AT_ONCE));
    }
    fold_advance(fold, NOON_MS + 100 * HF_DAY_MS);
    assert_ok(fold_expire(fold, &more, &harness_why));
    assert_true(more);
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE + MINUTES - 1), 1);
    expire_all();
    assert_int_equal(stored_count(STORE_MINUTES, "a", MINUTE + MINUTES - 1), 0);
    assert_int_equal(stored_status().folded, MINUTES);
}

UNIT_TESTS(planned_unit(one_batch_is_stored), planned_unit(old_sequences_are_skipped),
           planned_unit(garbage_is_refused), planned_unit(a_batch_counts_once),
           planned_unit(many_producers_are_remembered), planned_unit(late_is_after_the_hour),
           planned_unit(first_hour_moves_back), planned_unit(an_id_counts_once),
           planned_unit(an_id_is_forgotten_in_time), planned_unit(further_keys_overflow),
           planned_unit(little_memory_is_enough), planned_unit(what_is_not_in_use_is_forgotten),
           planned_unit(a_commit_tells_how_much_it_writes),
           planned_unit(a_stream_goes_on), planned_unit(a_gap_is_counted),
           planned_unit(a_stream_made_anew_doubles_nothing), planned_unit(a_rewound_stream_doubles_nothing),
           planned_unit(an_overtaken_rewind_is_recognised), planned_unit(as_of_never_moves_back),
           planned_unit(a_message_is_applied_whole_or_not_at_all), planned_unit(memory_may_end_anywhere),
           planned_unit(lost_races_are_tried_again), planned_unit(a_full_disk_loses_nothing),
           planned_unit(a_damaged_cell_stops_the_fold), planned_unit(minutes_expire_by_whole_hours),
           planned_unit(expired_hours_are_counted), planned_unit(a_damaged_hour_does_not_expire),
           planned_unit(ids_and_producers_expire), planned_unit(much_expires_in_pieces))
