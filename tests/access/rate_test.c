/* SPDX-License-Identifier: Apache-2.0 */
/* The most requests a second of one client, by a clock of the test's own. */
#include "../unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../child.h"
#include "access/rate.h"

#define SECOND INT64_C(1000000000)
#define START (1000 * SECOND)

static struct address numbered(uint32_t n)
{
    char text[32];
    struct address made;
    snprintf(text, sizeof text, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
    assert_true(address_parse(text, strlen(text), &made));
    return made;
}

static struct address address(const char *text)
{
    struct address made;
    assert_true(address_parse(text, strlen(text), &made));
    return made;
}

static struct rate *rate_of(uint64_t per_second)
{
    struct rate *rate = NULL;
    assert_int_equal(rate_new(per_second, &rate), HF_OK);
    return rate;
}

/* How many of `n` requests pass at one moment. */
static unsigned passing(struct rate *rate, const struct address *from, unsigned n, int64_t now_ns)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < n; i++)
        passed += rate_take(rate, from, now_ns) == 0;
    return passed;
}

static void a_seconds_worth_passes_at_once(void **state)
{
    (void)state;
    static const unsigned rates[] = {1, 2, 3, 7, 10, 1000, 99999};
    struct address a = numbered(1);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct rate *rate = rate_of(rates[i]);
        int64_t step = (SECOND + rates[i] - 1) / rates[i];
        assert_int_equal(passing(rate, &a, rates[i] + 100, START), rates[i]);
        assert_int_equal(passing(rate, &a, 10, START + step - 1), 0);
        assert_int_equal(passing(rate, &a, 10, START + step), 1);
        assert_int_equal(passing(rate, &a, rates[i] + 100, START + 10 * SECOND), rates[i]);
        rate_free(&rate);
        assert_null(rate);
    }
}

static void it_says_when_to_come_again(void **state)
{
    (void)state;
    struct rate *rate = rate_of(10);
    struct address a = numbered(1);
    assert_int_equal(passing(rate, &a, 10, START), 10);
    assert_int_equal(rate_take(rate, &a, START), 100);
    assert_int_equal(rate_take(rate, &a, START + 30500000), 70); /* never too early */
    assert_int_equal(rate_take(rate, &a, START + SECOND / 10), 0);
    rate_free(&rate);
}

/* Ten times the rate for 100 seconds: what passes is the burst and the rate. */
static void over_time_the_rate_passes(void **state)
{
    (void)state;
    struct rate *rate = rate_of(50);
    struct address a = numbered(1), other = numbered(2);
    unsigned passed = 0;
    for (int64_t t = 0; t < 100 * SECOND; t += SECOND / 500) {
        passed += rate_take(rate, &a, START + t) == 0;
        if (t % (SECOND / 50) == 0) /* who keeps to the rate never meets it */
            assert_int_equal(rate_take(rate, &other, START + t), 0);
    }
    assert_in_range(passed, 50 + 99 * 50, 50 + 100 * 50);
    rate_free(&rate);
}

static void addresses_are_told_apart(void **state)
{
    (void)state;
    struct rate *rate = rate_of(5);
    struct address a = address("2001:db8:1:2::1"), b = address("2001:db8:1:2:ffff::9"), c = address("2001:db8:1:3::1");
    assert_int_equal(passing(rate, &a, 9, START), 5);
    assert_int_equal(passing(rate, &b, 9, START), 0); /* the same /64 */
    assert_int_equal(passing(rate, &c, 9, START), 5);
    for (uint32_t i = 0; i < 1000; i++) {
        struct address v4 = numbered(i);
        assert_int_equal(passing(rate, &v4, 9, START), 5);
    }
    rate_free(&rate);
}

/* Many more addresses than there is room for: who sends too much is not forgotten for them, and they are let in. */
static void who_sends_too_much_is_remembered(void **state)
{
    (void)state;
    struct rate *rate = rate_of(100);
    struct address a = address("203.0.113.9");
    unsigned passed = 0, others = 0;
    for (uint32_t i = 0; i < 500000; i++) { /* in five seconds */
        int64_t now = START + (int64_t)i * 10000;
        struct address other = numbered(i);
        passed += rate_take(rate, &a, now) == 0;
        others += rate_take(rate, &other, now) == 0;
    }
    assert_in_range(passed, 590, 601);
    assert_int_equal(others, 500000);
    rate_free(&rate);
}

static void another_start_of_the_machine_begins_anew(void **state)
{
    (void)state;
    struct rate *rate = rate_of(10);
    struct address a = numbered(1);
    assert_int_equal(passing(rate, &a, 20, START), 10);
    assert_int_equal(passing(rate, &a, 20, 5 * SECOND), 10); /* the clock began at 0 again */
    rate_free(&rate);
}

#define THREADS 4

struct hammer {
    struct rate *rate;
    struct address from;
    atomic_uint passed;
};

static void *hammer(void *argument)
{
    struct hammer *h = argument;
    for (unsigned i = 0; i < 20000; i++)
        if (rate_take(h->rate, &h->from, START) == 0)
            atomic_fetch_add(&h->passed, 1);
    return NULL;
}

static void threads_count_exactly(void **state)
{
    (void)state;
    struct hammer h = {.rate = rate_of(5000), .from = numbered(1)};
    pthread_t threads[THREADS];
    assert_int_equal(rate_take(h.rate, &h.from, START), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &h), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&h.passed), 4999);
    rate_free(&h.rate);
}

static void processes_share_a_table(void **state)
{
    (void)state;
    char dir[] = "/tmp/hf-rate-XXXXXX";
    char path[64];
    struct stat info;
    struct hf_why why = {""};
    struct address a = numbered(1);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/none/rate", dir);
    struct rate *rate = rate_of(10);
    assert_int_equal(rate_join(rate, path, &why), HF_NOTFOUND);
    assert_int_equal(passing(rate, &a, 20, START), 10); /* it limits all the same */
    snprintf(path, sizeof path, "%s/rate", dir);
    assert_int_equal(rate_join(rate, path, &why), HF_OK);
    assert_int_equal(rate_join(rate, path, &why), HF_OK);
    assert_int_equal(passing(rate, &a, 4, START), 4);
    pid_t child = test_fork();
    if (child == 0) {
        struct rate *other = NULL;
        if (rate_new(10, &other) != HF_OK || rate_join(other, path, NULL) != HF_OK)
            _exit(100);
        _exit((int)passing(other, &a, 20, START));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 6); /* killed or not, what it counted stays */
    assert_int_equal(passing(rate, &a, 20, START), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 128 + 524288);
    rate_free(&rate);
    FILE *file = fopen(path, "r+");
    fputs("SOMETHING ELSE", file);
    fclose(file);
    rate = rate_of(10);
    assert_int_equal(rate_join(rate, path, &why), HF_INVALID);
    assert_non_null(strstr(why.text, "remove it"));
    rate_free(&rate);
    unlink(path);
    rmdir(dir);
}

UNIT_TESTS(unit(a_seconds_worth_passes_at_once), unit(it_says_when_to_come_again), unit(over_time_the_rate_passes),
           unit(addresses_are_told_apart), unit(who_sends_too_much_is_remembered),
           unit(another_start_of_the_machine_begins_anew), unit(threads_count_exactly), unit(processes_share_a_table))
