/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory ends at each allocation of the way from a request to the bus and the
 * spool, and of the way out of the spool: whatever was answered as stored is in
 * the stream in the end, once.
 *
 * The bus is a made-up one, which takes batches or does not.
 */
#include "../memory.h"
#include "../unit.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "../../fcgi/hold.h"
#include "../../fcgi/ticket.h"
#include "batch/batch.h"
#include "bus/bus.h"

enum { REQUESTS = 12, LIVE = 6, PUBLISHED_MAX = 64, MESSAGE_MAX = 4096, DEADLINE_MS = 8000 };

static char folder[64];
static struct hf_conf *conf;
static struct tally *tally;
static struct sample_list lists[REQUESTS];

/* ---- the bus ---- */

struct bus {
    struct bus_options options;
};

static struct bus the_bus;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static bool takes;
static struct published {
    uint64_t producer, number;
    unsigned char bytes[MESSAGE_MAX];
    size_t len;
} published[PUBLISHED_MAX];
static unsigned published_count;

enum hf_err bus_open(const struct bus_options *options, struct bus **out, struct hf_why *why)
{
    (void)why;
    the_bus.options = *options;
    *out = &the_bus;
    options->on_state(options->context, true);
    return HF_OK;
}

void bus_close(struct bus **bus, int64_t wait_ms)
{
    (void)wait_ms;
    *bus = NULL;
}

bool bus_connected(const struct bus *bus) { return bus != NULL; }

enum hf_err bus_stream_ensure(struct bus *bus, struct bus_stream *out, struct hf_why *why)
{
    (void)bus, (void)why;
    *out = (struct bus_stream){.created_ns = 1};
    return HF_OK;
}

enum hf_err bus_stream_info(struct bus *bus, struct bus_stream *out, struct hf_why *why)
{
    return bus_stream_ensure(bus, out, why);
}

static bool keep(const void *bytes, size_t len, uint64_t producer, uint64_t number)
{
    bool kept = takes;
    for (unsigned i = 0; kept && i < published_count; i++)
        if (published[i].producer == producer && published[i].number == number) /* as the consumer does */
            return published[i].len == len && memcmp(published[i].bytes, bytes, len) == 0;
    if (kept) {
        if (published_count == PUBLISHED_MAX || len > MESSAGE_MAX)
            abort();
        struct published *one = &published[published_count++];
        one->producer = producer;
        one->number = number;
        one->len = len;
        memcpy(one->bytes, bytes, len);
    }
    return kept;
}

enum hf_err bus_publish(struct bus *bus, const void *bytes, size_t len, uint64_t producer, uint64_t number, void *ticket)
{
    pthread_mutex_lock(&mutex);
    bool kept = keep(bytes, len, producer, number);
    pthread_mutex_unlock(&mutex);
    if (!kept)
        return HF_AWAY;
    bus->options.on_result(bus->options.context, ticket, HF_OK, "");
    return HF_OK;
}

/* ---- requests ---- */

static struct asked {
    bool held;
    unsigned answers;
    enum hf_err outcome;
} asked[REQUESTS];

/* The loop's, of which there is none here. */
int64_t request_age_ms(const struct request *request)
{
    (void)request;
    return 0;
}

static void on_answer(void *context, struct request *request, enum hf_err outcome)
{
    struct asked *one = (struct asked *)(void *)request;
    (void)context;
    pthread_mutex_lock(&mutex);
    one->answers++;
    one->outcome = outcome;
    pthread_mutex_unlock(&mutex);
}

static void set_takes(bool now)
{
    pthread_mutex_lock(&mutex);
    takes = now;
    pthread_mutex_unlock(&mutex);
}

static void nap(void)
{
    struct timespec t = {0, 500000};
    nanosleep(&t, NULL);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool all_answered(void)
{
    bool all = true;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < REQUESTS; i++)
        all &= !asked[i].held || asked[i].answers > 0;
    pthread_mutex_unlock(&mutex);
    return all;
}

static void ask(struct hold *hold, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        asked[i].held = hold_add(hold, &lists[i], (struct request *)(void *)&asked[i], true) == HF_OK;
    for (int64_t until = now_ms() + DEADLINE_MS; !all_answered() && now_ms() < until;)
        nap();
    assert_true(all_answered());
}

/* ---- what is in the stream ---- */

/* How often the sample of a request is there: each has a value of its own. */
static void count_samples(unsigned counts[REQUESTS])
{
    struct batch_reader *reader = batch_reader_new();
    const struct batch *batch;
    struct sample sample;
    uint32_t key;
    assert_non_null(reader);
    memset(counts, 0, REQUESTS * sizeof *counts);
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < published_count; i++) {
        assert_int_equal(batch_open(reader, published[i].bytes, published[i].len, &batch), HF_OK);
        while (batch_next(reader, &sample, &key) == HF_OK)
            counts[(unsigned)sample.value]++;
    }
    pthread_mutex_unlock(&mutex);
    batch_reader_free(&reader);
}

static bool all_there(void)
{
    unsigned counts[REQUESTS];
    bool all = true;
    count_samples(counts);
    for (unsigned i = 0; i < REQUESTS; i++) {
        bool stored = asked[i].held && asked[i].outcome == HF_OK;
        assert_true_of(asked[i].answers == asked[i].held, "request %u is answered %u times", i, asked[i].answers);
        assert_true_of(counts[i] <= 1, "request %u counts %u times", i, counts[i]);
        all &= !stored || counts[i] == 1;
    }
    return all;
}

/* ---- the life of two processes ---- */

static enum hf_err open_hold(struct hold **hold)
{
    struct hf_why why = {""};
    struct hold_options options = {.conf = conf, .name = "test", .tally = tally, .requests_max = 64, .answer = on_answer};
    enum hf_err err = hold_open(&options, hold, &why);
    assert_true(err == HF_OK || (err == HF_NOMEM && memory_failed()));
    return err;
}

static bool spool_is_empty(void)
{
    unsigned files = 0;
    DIR *list = opendir(conf->collect.spool);
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;)
        files += strstr(entry->d_name, ".spool") != NULL;
    if (list != NULL)
        closedir(list);
    return files == 0;
}

/* Some requests while the bus takes batches, and some while it does not. */
static void first_process(void)
{
    struct hold *hold = NULL;
    set_takes(true);
    if (open_hold(&hold) != HF_OK)
        return;
    (void)hold_await_ready(hold, 1000);
    ask(hold, 0, LIVE);
    set_takes(false);
    ask(hold, LIVE, REQUESTS);
    hold_close(&hold);
}

/* It finds what is in the spool. */
static void second_process(void)
{
    struct hold *hold = NULL;
    set_takes(true);
    if (open_hold(&hold) != HF_OK)
        return;
    (void)hold_await_ready(hold, 1000);
    for (int64_t until = now_ms() + DEADLINE_MS; !memory_failed() && !spool_is_empty() && now_ms() < until;)
        nap(); /* as far as where memory ends */
    for (int64_t until = now_ms() + 200; memory_failed() && !spool_is_empty() && now_ms() < until;)
        nap();
    memory_pause();
    for (int64_t until = now_ms() + DEADLINE_MS; !(spool_is_empty() && all_there()) && now_ms() < until;)
        nap();
    assert_true(spool_is_empty());
    hold_close(&hold);
}

static void live(void *drains)
{
    memset(asked, 0, sizeof asked);
    published_count = 0;
    if (*(const bool *)drains) { /* memory ends in the second one */
        unsigned long nth = memory_nth();
        enum memory_plan plan = memory_planned();
        memory_plan(MEMORY_ALL_WELL, 0);
        first_process();
        memory_plan(plan, nth);
        second_process();
        bool failed = memory_failed();
        memory_pause();
        if (failed)
            second_process();
    } else {
        first_process();
        memory_pause();
        second_process();
    }
    assert_true_of(all_there(), "something that was answered is missing");
}

static void what_was_answered_is_there(void **state)
{
    (void)state;
    static bool drains[] = {false, true};
    unsigned long first = memory_each(live, &drains[0]), second = memory_each(live, &drains[1]);
    print_message("# => %lu allocations until all is in stream and spool, %lu until the spool is drained\n", first, second);
    assert_true(first > 20 && second > 20);
}

static int set_up(void **state)
{
    (void)state;
    char text[200];
    struct hf_why why;
    struct sample_fault fault;
    struct sample_limits limits = {.now_ms = INT64_C(1795460402500), .max_age_ms = 1000000, .max_skew_ms = 600000, .max_samples = 10};
    strcpy(folder, "/tmp/hold_memory_test.XXXXXX");
    if (sodium_init() < 0 || mkdtemp(folder) == NULL)
        return -1;
    int len = snprintf(text, sizeof text, "[collect]\nspool = %s/spool\nthreads = 1\n", folder);
    if (conf_parse(text, (size_t)len, "conf", &conf, &why) != HF_OK || (tally = tally_new()) == NULL)
        return -1;
    for (unsigned i = 0; i < REQUESTS; i++) {
        len = snprintf(text, sizeof text, "key=k%u&value=%u", i, i);
        if (sample_read_query(text, (size_t)len, &limits, &lists[i], &fault) != HF_OK)
            return -1;
    }
    return freopen("/dev/null", "w", stderr) == NULL ? -1 : 0; /* each failure is logged */
}

static int tear_down(void **state)
{
    (void)state;
    char path[100];
    for (unsigned i = 0; i < REQUESTS; i++)
        sample_list_free(&lists[i]);
    tally_free(&tally);
    conf_free(&conf);
    snprintf(path, sizeof path, "%s/spool", folder);
    rmdir(path);
    return rmdir(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {unit(what_was_answered_is_there)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
