/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fold against the model, over random streams: several producers whose
 * batches come twice and out of order, ids that come again, commits and crashes
 * at random places, and a cache from nothing to plenty. HF_TEST_SEED replays one
 * run; HF_TEST_LONG is the number of runs.
 */
#include "harness.h"

#include "base/utc.h"

enum { PRODUCERS = 4, MESSAGES = 220, RUNS = 6 };

static const char *const keys[] = {"a", "a.b", "checkout.latency", "cpu", "z-9:x"};
static const char *const ids[] = {"1", "2", "3", "order 17", "~"};

struct stored {
    const struct message *message;
    int64_t stored_ms;
};

static struct message *made[MESSAGES];
static struct stored stream[4 * MESSAGES + 1]; /* by sequence, from 1 */
static size_t stream_end;

static struct sample random_sample(int64_t now_ms)
{
    const char *key = keys[random_below(5)];
    const char *id = random_below(5) == 0 ? ids[random_below(5)] : NULL;
    double value = random_below(3) == 0 ? (double)random_below(1000) / 8 - 20 : (double)random_below(50);
    return sample_of(key, value, now_ms - (int64_t)random_below(random_below(4) == 0 ? 3 * HF_HOUR_MS : HF_MINUTE_MS), id);
}

static void make_messages(void)
{
    static uint64_t numbers[PRODUCERS];
    struct sample samples[40];
    memset(numbers, 0, sizeof numbers);
    for (size_t i = 0; i < MESSAGES; i++) {
        size_t count = 1 + random_below(40);
        for (size_t s = 0; s < count; s++)
            samples[s] = random_sample(NOON_MS + (int64_t)i * 40000);
        uint64_t producer = random_below(PRODUCERS);
        made[i] = message_new(UINT64_MAX - producer, ++numbers[producer], samples, count);
    }
}

/* Each message once; many again, soon or late; neighbours exchanged. */
static void make_stream(void)
{
    stream_end = 1;
    for (size_t i = 0; i < MESSAGES; i++) {
        stream[stream_end++].message = made[i];
        while (random_below(4) == 0 && stream_end < 4 * MESSAGES)
            stream[stream_end++].message = made[random_below(5) == 0 ? random_below(i + 1) : i];
    }
    for (size_t swaps = 0; swaps < MESSAGES / 3; swaps++) {
        size_t at = 1 + random_below(stream_end - 1), with = at + random_below(30);
        if (with < stream_end) {
            struct stored kept = stream[at];
            stream[at] = stream[with];
            stream[with] = kept;
        }
    }
    for (size_t seq = 1; seq < stream_end; seq++)
        stream[seq].stored_ms = NOON_MS + (int64_t)seq * 40000;
}

static void random_run(uint64_t seed)
{
    static const size_t caches[] = {0, 5000, 1 << 20};
    random_state = seed * 2654435761u + 1;
    fold_options.cache_bytes = caches[random_below(3)];
    fold_options.limits.id_memory_ms = (int64_t)(1 + random_below(4)) * HF_HOUR_MS / 2;
    uint64_t crashes = 5 + random_below(40), commits = 2 + random_below(20);
    harness_crash();
    harness_open();
    make_messages();
    make_stream();

    for (uint64_t seq = 1; seq < stream_end; seq++) {
        const struct hf_buf *bytes = &stream[seq].message->bytes;
        assert_ok(fold_apply(fold, seq, stream[seq].stored_ms, bytes->data, bytes->len, &harness_why));
        fold_advance(fold, stream[seq].stored_ms);
        if (random_below(commits) == 0)
            assert_ok(fold_commit(fold, &harness_why));
        if (random_below(crashes) == 0) {
            if (random_below(8) == 0)
                harness_close();
            else
                harness_crash();
            harness_open();
            seq = fold_committed(fold)->position;
        }
    }
    assert_ok(fold_commit(fold, &harness_why));
    assert_false(fold_dirty(fold));

    struct model *model = model_new();
    for (size_t seq = 1; seq < stream_end; seq++)
        model_apply(model, stream[seq].stored_ms, stream[seq].message);
    model_check(model);
    assert_int_equal(stored_status().position, stream_end - 1);
    assert_true(model_duplicates(model) > 0);
    model_free(model);
    for (size_t i = 0; i < MESSAGES; i++)
        message_free(made[i]);
}

static void random_test(void **state)
{
    const char *one = getenv("HF_TEST_SEED"), *runs = getenv("HF_TEST_LONG");
    uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    uint64_t count = one != NULL ? 1 : runs != NULL ? strtoull(runs, NULL, 10) : RUNS;
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("# seed %llu\n", (unsigned long long)seed);
        harness_setup(state);
        random_run(seed);
        harness_teardown(state);
    }
}

UNIT_TESTS(unit(random_test))
