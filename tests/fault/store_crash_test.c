/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer is killed before, within and after its calls that change a file
 * of the store, recovery included, and each of them fails: afterwards every
 * commit that was done is there, queries find counters and cells that agree, and
 * the consumer goes on to exactly what it would have come to without the fault.
 *
 * HF_TEST_FULL=1 tries all calls, otherwise some, chosen by HF_TEST_SEED.
 */
#include "../unit.h"

#include <time.h>

#include "stream.h"

enum { SHORT_RUNS = 9, MOST_S = 60 };

static struct stream_ledger *ledger;
static char root[64];
static uint64_t whole; /* the sum of what the store holds without a fault */
static unsigned long all_calls, open_calls, runs, killed_twice;
static unsigned long long seed;
static bool full;

static void begin(void)
{
    fault_make_folder(root, sizeof root, "store_crash_test");
    memset(ledger, 0, sizeof *ledger);
    snprintf(ledger->path, sizeof ledger->path, "%s/store", root);
}

static enum fault_end run(bool (*what)(void *), enum fault_how how, unsigned long at)
{
    return fault_run(&ledger->board, what, ledger, root, how, at, MOST_S);
}

/* What was done to the store, for a message. */
static char story[256];

/* Queries first, while no consumer is there; then the consumer again. */
static void check_the_end(void)
{
    assert_true_of(run(stream_look, FAULT_NONE, 0) == FAULT_ENDED, "%s, then read: %s", story, ledger->board.text);
    assert_true_of(run(stream_fold, FAULT_NONE, 0) == FAULT_ENDED, "%s, then: %s", story, ledger->board.text);
    assert_true_of(ledger->sum == whole, "%s: the store holds something else", story);
    assert_true_of(run(stream_look, FAULT_NONE, 0) == FAULT_ENDED, "%s, at the end: %s", story, ledger->board.text);
    fault_remove_folder(root);
    runs++;
}

static void kill_at(enum fault_how how, unsigned long at, enum fault_how again, unsigned long again_at)
{
    begin();
    assert_true_of(run(stream_fold, how, at) == FAULT_KILLED, "%s at call %lu: %s", fault_names[how], at,
                   ledger->board.text);
    int len = snprintf(story, sizeof story, "%s at call %lu (%s)", fault_names[how], at, ledger->board.call);
    if (again != FAULT_NONE) {
        enum fault_end end = run(stream_fold, again, again_at);
        snprintf(story + len, sizeof story - (size_t)len, ", again %s at %lu (%s)", fault_names[again], again_at,
                 ledger->board.call);
        assert_true_of(end == FAULT_KILLED || end == FAULT_ENDED, "%s: %s", story, ledger->board.text);
        killed_twice += end == FAULT_KILLED;
    }
    check_the_end();
}

/* A fault that does not kill: the consumer goes on, or ends and is started again. */
static void fail_at(enum fault_how how, unsigned long at)
{
    begin();
    enum fault_end end = run(stream_fold, how, at);
    snprintf(story, sizeof story, "%s at call %lu (%s)", fault_names[how], at, ledger->board.call);
    assert_true_of(end == FAULT_ENDED || end == FAULT_AGAIN, "%s: %s", story, ledger->board.text);
    if (end == FAULT_ENDED)
        assert_true_of(ledger->sum == whole, "%s: the store holds something else", story);
    check_the_end();
}

static unsigned long any_call(void) { return 1 + (unsigned long)(fault_random(&seed) % all_calls); }

static void killed_at_each_call(void **state)
{
    (void)state;
    runs = 0;
    kill_at(FAULT_KILL_BEFORE, open_calls + 1, FAULT_NONE, 0); /* what comes first is the flush after two commits */
    for (unsigned long at = 1; at <= (full ? all_calls : SHORT_RUNS); at++)
        for (int how = FAULT_KILL_BEFORE; how <= FAULT_KILL_AFTER; how++)
            if (full || at % 3 == (unsigned long)how % 3)
                kill_at((enum fault_how)how, full ? at : any_call(), FAULT_NONE, 0);
    print_message("# => %lu calls, %lu runs\n", all_calls, runs);
}

/* The recovery that follows a kill is killed too: at each of its calls after some kills, at any after others. */
static void killed_again_in_recovery(void **state)
{
    (void)state;
    runs = killed_twice = 0;
    unsigned long tries = full ? 12 : 3, most = full ? 1000 : 2;
    for (unsigned long i = 0; i < tries; i++) {
        unsigned long first = any_call(), calls = most;
        for (unsigned long at = 1; at <= calls; at++) {
            enum fault_how how = (enum fault_how)(FAULT_KILL_BEFORE + fault_random(&seed) % 3);
            unsigned long again_at = full ? at : 1 + (unsigned long)(fault_random(&seed) % 40);
            kill_at(FAULT_KILL_BEFORE, first, how, again_at);
            unsigned long again_calls = atomic_load(&ledger->open_calls);
            if (full && again_calls + 2 < calls)
                calls = again_calls + 2;
        }
    }
    print_message("# => %lu runs, %lu killed twice\n", runs, killed_twice);
}

static void each_call_fails(void **state)
{
    (void)state;
    runs = 0;
    for (unsigned long at = 1; at <= (full ? all_calls : SHORT_RUNS); at++)
        for (int how = FAULT_NO_SPACE; how <= FAULT_SHORT; how++)
            if (full || at % 3 == (unsigned long)how % 3)
                fail_at((enum fault_how)how, full ? at : any_call());
    print_message("# => %lu runs\n", runs);
}

static int set_up(void **state)
{
    (void)state;
    ledger = fault_share(sizeof *ledger);
    stream_prepare(STREAM_VARIED);
    begin();
    enum fault_end end = run(stream_fold, FAULT_NONE, 0);
    all_calls = atomic_load(&ledger->board.calls);
    open_calls = atomic_load(&ledger->open_calls);
    whole = ledger->sum;
    printf("# without a fault: %s, %lu calls, %lu of them to open; %u hours, %u minutes, %u keys\n",
           end == FAULT_ENDED ? "good" : ledger->board.text, all_calls, open_calls,
           ledger->counts[0], ledger->counts[1], ledger->counts[2]);
    fault_remove_folder(root);
    return end == FAULT_ENDED && ledger->counts[0] > 0 && ledger->counts[1] > 0 && ledger->counts[2] > 0 ? 0 : -1;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {unit(killed_at_each_call), unit(killed_again_in_recovery),
                                              unit(each_call_fails)};
    full = fault_number("HF_TEST_FULL", 0) != 0;
    seed = fault_number("HF_TEST_SEED", (unsigned long long)time(NULL));
    cmocka_set_message_output(CM_OUTPUT_TAP);
    printf("# HF_TEST_SEED=%llu\n", seed);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
