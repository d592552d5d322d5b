/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bus/bus.h"
#include "proxy.h"
#include "server.h"

#define TICKETS 20000
#define PRODUCER UINT64_C(0x1122334455667788)

/* What became of each publish, by its number. */
struct record {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned results[TICKETS]; /* how many came */
    enum hf_err last[TICKETS];
    /* Atomic, since a test may look at them while more can come. */
    atomic_uint accepted; /* publishes that returned HF_OK */
    atomic_uint resolved;
    atomic_uint connects;
    atomic_uint losses;
    char text[200];
};

static struct record record = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_result(void *context, void *ticket, enum hf_err result, const char *text)
{
    struct record *r = context;
    pthread_mutex_lock(&r->lock);
    r->results[(uintptr_t)ticket]++;
    r->last[(uintptr_t)ticket] = result;
    r->resolved++;
    snprintf(r->text, sizeof r->text, "%s", text);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void on_state(void *context, bool connected)
{
    struct record *r = context;
    pthread_mutex_lock(&r->lock);
    r->connects += connected;
    r->losses += !connected;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void record_clear(void)
{
    memset(record.results, 0, sizeof record.results);
    record.accepted = record.resolved = record.connects = record.losses = 0;
}

static struct bus_options options_of(const char *url)
{
    return (struct bus_options){.name = "test", .url = url, .stream = "TEST", .subject = "test.samples",
                                .credentials = "", .tls_ca = "", .replicas = 1, .max_messages = 1000000,
                                .max_age_ms = 3600000, .ack_wait_ms = 2000, .on_result = on_result,
                                .on_state = on_state, .context = &record};
}

static struct bus *open_bus(const struct bus_options *options)
{
    struct hf_why why = {{0}};
    struct bus *bus = NULL;
    record_clear();
    assert_true_of(bus_open(options, &bus, &why) == HF_OK, "%s", why.text);
    return bus;
}

/* Wait for a condition on the record. */
#define await(condition)                                                                       \
    do {                                                                                       \
        long long until_ = test_now_ms() + PATIENT_MS;                                         \
        pthread_mutex_lock(&record.lock);                                                      \
        while (!(condition) && test_now_ms() < until_) {                                       \
            pthread_mutex_unlock(&record.lock);                                                \
            test_sleep_ms(2);                                                                  \
            pthread_mutex_lock(&record.lock);                                                  \
        }                                                                                      \
        bool holds_ = (condition);                                                             \
        pthread_mutex_unlock(&record.lock);                                                    \
        assert_true_of(holds_, "in vain: %s", #condition);                                     \
    } while (0)

/* Make the stream, trying again while the server comes up. */
static struct bus_stream ensure(struct bus *bus)
{
    struct bus_stream stream = {0};
    struct hf_why why = {{0}};
    long long until = test_now_ms() + PATIENT_MS;
    enum hf_err err;
    while ((err = bus_stream_ensure(bus, &stream, &why)) != HF_OK && test_now_ms() < until)
        test_sleep_ms(10);
    assert_true_of(err == HF_OK, "%s", why.text);
    return stream;
}

static struct bus_stream info(struct bus *bus)
{
    struct bus_stream stream = {0};
    struct hf_why why = {{0}};
    assert_true_of(bus_stream_info(bus, &stream, &why) == HF_OK, "%s", why.text);
    return stream;
}

static enum hf_err publish(struct bus *bus, uintptr_t number)
{
    char text[32];
    int len = snprintf(text, sizeof text, "message %lu", (unsigned long)number);
    enum hf_err err = bus_publish(bus, text, (size_t)len, PRODUCER, number, (void *)number);
    if (err == HF_OK) {
        pthread_mutex_lock(&record.lock);
        record.accepted++;
        pthread_mutex_unlock(&record.lock);
    }
    return err;
}

/* Publish `first` to `last` whatever happens, each again under its number until it is stored. */
static void publish_all(struct bus *bus, uintptr_t first, uintptr_t last)
{
    for (uintptr_t n = first; n <= last; n++) {
        unsigned before = record.results[n];
        enum hf_err err;
        while ((err = publish(bus, n)) == HF_FULL || err == HF_AWAY)
            test_sleep_ms(1);
        assert_int_equal(err, HF_OK);
        if (n % 50 == 0 || n == last) /* some in flight, but not all */
            await(record.results[n] > before);
    }
    for (uintptr_t n = first; n <= last; n++)
        while (record.last[n] != HF_OK || record.results[n] == 0) {
            unsigned before = record.results[n];
            if (publish(bus, n) == HF_OK)
                await(record.results[n] > before);
            else
                test_sleep_ms(1);
        }
}

static unsigned long number_of(const struct bus_message *message)
{
    char text[32] = {0};
    unsigned long n = 0;
    assert_true(message->len < sizeof text);
    memcpy(text, message->bytes, message->len);
    assert_int_equal(sscanf(text, "message %lu", &n), 1);
    return n;
}

static struct server server;

static int setup(void **state)
{
    (void)state;
    server_make(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

static void what_is_published_is_stored_once_and_told_once(void **state)
{
    (void)state;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    struct bus_stream stream = ensure(bus);
    assert_int_equal(stream.messages, 0);
    assert_int_equal(stream.first_seq, 1);
    assert_int_equal(stream.last_seq, 0);
    assert_true(stream.created_ns > 0);
    publish_all(bus, 1, 1000);
    await(record.resolved == record.accepted);
    for (size_t n = 1; n <= 1000; n++)
        assert_int_equal(record.results[n], 1);
    assert_int_equal(publish(bus, 1000), HF_OK); /* under its number again */
    await(record.resolved == record.accepted);
    assert_int_equal(record.last[1000], HF_OK);
    stream = info(bus);
    assert_int_equal(stream.messages, 1000);
    assert_int_equal(stream.last_seq, 1000);
    assert_true(ensure(bus).created_ns == stream.created_ns);
    bus_close(&bus, 1000);
    assert_null(bus);
}

static void no_more_than_so_many_are_out(void **state)
{
    (void)state;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    ensure(bus);
    server_pause(&server);
    uintptr_t n = 0;
    enum hf_err err;
    while ((err = publish(bus, ++n)) == HF_OK)
        assert_true(n < 10000);
    assert_int_equal(err, HF_FULL);
    assert_int_equal(record.resolved, 0);
    kill(server.pid, SIGCONT);
    await(record.resolved == record.accepted);
    for (uintptr_t i = 1; i < n; i++)
        assert_true(record.results[i] == 1 && record.last[i] == HF_OK);
    assert_int_equal(record.results[n], 0);
    bus_close(&bus, 1000);
}

static void a_bus_connects_when_the_server_comes(void **state)
{
    (void)state;
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    struct bus_stream stream;
    struct hf_why why = {{0}};
    assert_false(bus_connected(bus));
    assert_int_equal(publish(bus, 1), HF_AWAY);
    assert_int_equal(bus_stream_ensure(bus, &stream, &why), HF_AWAY);
    assert_non_null(strstr(why.text, "not connected"));
    server_start(&server);
    await(record.connects == 1);
    assert_true(bus_connected(bus));
    ensure(bus);
    server_kill(&server, SIGTERM);
    await(record.losses == 1);
    assert_int_equal(publish(bus, 1), HF_AWAY);
    server_start(&server);
    await(record.connects == 2);
    publish_all(bus, 1, 10);
    bus_close(&bus, 1000);
    assert_int_equal(record.losses, 2);
}

static void a_refused_login_is_tried_again(void **state)
{
    (void)state;
    server.auth = "somebody:secret";
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    struct bus_stream stream;
    struct hf_why why = {{0}};
    long long until = test_now_ms() + 1000; /* several attempts */
    while (test_now_ms() < until) {
        assert_int_equal(bus_stream_info(bus, &stream, &why), HF_AWAY);
        test_sleep_ms(10);
    }
    assert_true_of(strstr(why.text, "uthorization") != NULL, "%s", why.text);
    server_kill(&server, SIGTERM);
    server.auth = NULL;
    server_start(&server);
    ensure(bus);
    bus_close(&bus, 1000);
}

static void a_login_is_given(void **state)
{
    (void)state;
    char url[128];
    server.auth = "somebody:secret";
    server_start(&server);
    snprintf(url, sizeof url, "nats://127.0.0.1:1,nats://somebody:secret@127.0.0.1:%d", server.port);
    struct bus_options options = options_of(url);
    struct bus *bus = open_bus(&options);
    ensure(bus);
    bus_close(&bus, 1000);
}

static void bad_urls_and_files_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {"",  ",", "http://127.0.0.1", "nats://", "nats://:4222", "nats://a b:4222",
                                       "nats://ok:4222,nats://"};
    struct bus *bus = NULL;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct hf_why why = {{0}};
        struct bus_options options = options_of(urls[i]);
        assert_true_of(bus_open(&options, &bus, &why) == HF_INVALID, "taken: \"%s\"", urls[i]);
        assert_true(why.text[0] != '\0');
    }
    struct bus_options options = options_of("nats://127.0.0.1:4222");
    options.credentials = "/nonexistent/file";
    assert_int_equal(bus_open(&options, &bus, NULL), HF_INVALID);
    options.credentials = "";
    options.tls_ca = "/dev/null";
    assert_int_equal(bus_open(&options, &bus, NULL), HF_INVALID);
    assert_null(bus);
}

static void without_an_answer_a_publish_times_out(void **state)
{
    (void)state;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    options.ack_wait_ms = 300;
    struct bus *bus = open_bus(&options);
    ensure(bus);
    server_pause(&server);
    long long begin = test_now_ms();
    assert_int_equal(publish(bus, 1), HF_OK);
    await(record.resolved == 1);
    long long took = test_now_ms() - begin;
    assert_int_equal(record.last[1], HF_TIMEOUT);
    assert_true_of(took >= 300 && took < 1500, "took %lld ms", took);
    kill(server.pid, SIGCONT); /* the acknowledgement that comes now is nobody's */
    publish_all(bus, 1, 20);
    assert_int_equal(record.results[1], 2);
    assert_int_equal(info(bus).messages, 20);
    bus_close(&bus, 1000);
    assert_int_equal(record.resolved, record.accepted);
}

static void a_late_acknowledgement_is_nobodys(void **state)
{
    (void)state;
    enum { SLOTS = 256 }; /* every slot is used twice, so that the late ones name slots in use */
    server_start(&server);
    struct bus_options options = options_of(server.url);
    options.ack_wait_ms = 500;
    options.max_messages = SLOTS;
    struct bus *bus = open_bus(&options);
    ensure(bus);
    server_pause(&server);
    for (uintptr_t n = 1; n <= SLOTS; n++)
        assert_int_equal(publish(bus, n), HF_OK);
    await(record.resolved == SLOTS);
    for (uintptr_t n = SLOTS + 1; n <= 2 * SLOTS; n++)
        assert_int_equal(publish(bus, n), HF_OK);
    kill(server.pid, SIGCONT); /* the first are stored now, and the others find the stream full */
    await(record.resolved == 2 * SLOTS);
    unsigned full = 0;
    for (uintptr_t n = 1; n <= 2 * SLOTS; n++) {
        assert_int_equal(record.results[n], 1);
        assert_int_not_equal(record.last[n], HF_OK);
        full += record.last[n] == HF_FULL;
    }
    assert_true(full > 0 && full <= SLOTS);
    assert_int_equal(info(bus).messages, SLOTS);
    bus_close(&bus, 1000);
}

static void a_lost_acknowledgement_is_made_good(void **state)
{
    (void)state;
    struct proxy proxy;
    server_start(&server);
    proxy_start(&proxy, &server);
    struct bus_options options = options_of(proxy.url);
    options.ack_wait_ms = 300;
    struct bus *bus = open_bus(&options);
    ensure(bus);
    proxy_lose(&proxy, "\"seq\":1", 1);
    assert_int_equal(publish(bus, 1), HF_OK);
    await(record.resolved == 1);
    assert_int_equal(record.last[1], HF_TIMEOUT);
    assert_int_equal(proxy_lost(&proxy), 1);
    assert_int_equal(info(bus).messages, 1); /* though it was stored */
    publish_all(bus, 1, 1);
    assert_int_equal(info(bus).messages, 1);
    bus_close(&bus, 1000);
    proxy_stop(&proxy);
}

static void a_lost_message_is_noticed(void **state)
{
    (void)state;
    static const unsigned long lost[] = {7, 20}; /* in the middle, and the last */
    struct proxy proxy;
    struct hf_why why = {{0}};
    struct bus_message message;
    server_start(&server);
    proxy_start(&proxy, &server);
    struct bus_options options = options_of(proxy.url);
    struct bus *bus = open_bus(&options);
    ensure(bus);
    publish_all(bus, 1, 20);
    for (size_t i = 0; i < 2; i++) {
        char text[32];
        snprintf(text, sizeof text, "message %lu\r", lost[i]);
        proxy_lose(&proxy, text, 1);
        assert_int_equal(bus_deliver_from(bus, 1, &why), HF_OK);
        for (uint64_t seq = 1; seq < lost[i]; seq++) {
            assert_int_equal(bus_next(bus, 5000, &message), HF_OK);
            assert_int_equal(message.seq, seq);
            bus_message_free(&message);
        }
        assert_int_equal(bus_next(bus, 3000, &message), HF_STALE);
        assert_int_equal(proxy_lost(&proxy), 1);
        assert_int_equal(bus_deliver_from(bus, lost[i], &why), HF_OK);
        for (uint64_t seq = lost[i]; seq <= 20; seq++) {
            assert_int_equal(bus_next(bus, 5000, &message), HF_OK);
            assert_int_equal(message.seq, seq);
            bus_message_free(&message);
        }
    }
    bus_close(&bus, 0);
    proxy_stop(&proxy);
}

static void closing_gives_every_result(void **state)
{
    (void)state;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    options.ack_wait_ms = 60000;
    struct bus *bus = open_bus(&options);
    ensure(bus);
    server_pause(&server);
    for (uintptr_t n = 1; n <= 20; n++)
        assert_int_equal(publish(bus, n), HF_OK);
    bus_close(&bus, 50);
    for (uintptr_t n = 1; n <= 20; n++)
        assert_true(record.results[n] == 1 && record.last[n] == HF_AWAY);
    assert_int_equal(record.losses, 1);
}

static void a_full_stream_refuses_and_keeps(void **state)
{
    (void)state;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    options.max_messages = 50;
    struct bus *bus = open_bus(&options);
    ensure(bus);
    publish_all(bus, 1, 50);
    assert_int_equal(publish(bus, 51), HF_OK);
    await(record.results[51] == 1);
    assert_int_equal(record.last[51], HF_FULL);
    assert_true_of(strstr(record.text, "maximum messages exceeded") != NULL, "%s", record.text);
    struct bus_stream stream = info(bus);
    assert_int_equal(stream.messages, 50);
    assert_int_equal(stream.first_seq, 1);

    struct hf_why why = {{0}};
    assert_int_equal(bus_stream_trim(bus, 41, &why), HF_OK);
    stream = info(bus);
    assert_int_equal(stream.first_seq, 41);
    assert_int_equal(stream.messages, 10);
    publish_all(bus, 51, 60);
    assert_int_equal(bus_stream_trim(bus, info(bus).last_seq + 1, &why), HF_OK);
    stream = info(bus);
    assert_int_equal(stream.messages, 0);
    assert_int_equal(stream.first_seq, stream.last_seq + 1);
    bus_close(&bus, 1000);

    options.max_messages = 70; /* a limit changed in the configuration reaches the stream */
    bus = open_bus(&options);
    ensure(bus);
    publish_all(bus, 101, 170);
    assert_int_equal(publish(bus, 171), HF_OK);
    await(record.results[171] == 1);
    assert_int_equal(record.last[171], HF_FULL);
    bus_close(&bus, 1000);
}

static void a_stream_that_cannot_serve_is_refused(void **state)
{
    (void)state;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    ensure(bus);
    bus_close(&bus, 0);
    options.subject = "other.samples";
    bus = open_bus(&options);
    struct bus_stream stream;
    struct hf_why why = {{0}};
    await(record.connects == 1);
    assert_int_equal(bus_stream_ensure(bus, &stream, &why), HF_INVALID);
    assert_true_of(strstr(why.text, "stream TEST exists") != NULL, "%s", why.text);
    assert_int_equal(bus_stream_info(bus, &stream, &why), HF_OK);
    bus_close(&bus, 0);
    options.stream = "NONE";
    bus = open_bus(&options);
    await(record.connects == 1);
    assert_int_equal(bus_stream_info(bus, &stream, &why), HF_NOTFOUND);
    bus_close(&bus, 0);
}

static void without_a_stream_publishing_backs_off(void **state)
{
    (void)state;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    await(record.connects == 1);
    unsigned long tries = 0;
    for (long long until = test_now_ms() + 1000; test_now_ms() < until || tries <= 1000; tries++) {
        enum hf_err err = publish(bus, 1);
        assert_true(err == HF_OK || err == HF_AWAY);
        if (err == HF_OK)
            await(record.resolved == record.accepted);
    }
    assert_true_of(record.accepted >= 2 && record.accepted <= 20, "%u publishes went out", record.accepted);
    assert_int_equal(record.last[1], HF_AWAY);
    ensure(bus);
    publish_all(bus, 1, 10);
    assert_int_equal(info(bus).messages, 10);
    bus_close(&bus, 1000);
}

static void results_come_once_through_kills(void **state)
{
    (void)state;
    enum { ROUNDS = 5, EACH = 1000 };
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    ensure(bus);
    unsigned failed = 0;
    for (uintptr_t round = 0; round < ROUNDS; round++) {
        uintptr_t first = round * EACH + 1;
        for (uintptr_t n = first; n < first + EACH / 2; n++) /* many in flight when it dies */
            while (publish(bus, n) == HF_FULL)
                test_sleep_ms(1);
        server_kill(&server, SIGKILL);
        await(record.losses == round + 1 && record.resolved == record.accepted);
        for (uintptr_t n = first; n < first + EACH / 2; n++)
            failed += record.results[n] == 1 && record.last[n] == HF_AWAY;
        server_start(&server);
        publish_all(bus, first, first + EACH - 1);
        await(record.resolved == record.accepted);
    }
    assert_true_of(failed > 0, "no publish was in flight at any kill");

    unsigned char *seen = calloc(ROUNDS * EACH + 1, 1);
    struct hf_why why = {{0}};
    uint64_t messages = info(bus).messages;
    assert_int_equal(bus_deliver_from(bus, 1, &why), HF_OK);
    for (uint64_t i = 1; i <= messages; i++) {
        struct bus_message message;
        assert_int_equal(bus_next(bus, 5000, &message), HF_OK);
        seen[number_of(&message)] = 1;
        bus_message_free(&message);
    }
    for (size_t n = 1; n <= ROUNDS * EACH; n++)
        assert_true_of(seen[n], "acknowledged message %zu is not in the stream", n);
    free(seen);
    bus_close(&bus, 1000);
}

static void *publish_in_background(void *argument)
{
    publish_all(argument, 1, 10000);
    return NULL;
}

static void delivery_is_in_order_through_kills(void **state)
{
    (void)state;
    struct hf_why why = {{0}};
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *writer = open_bus(&options);
    options.on_result = NULL;
    options.on_state = NULL;
    struct bus *reader = NULL;
    assert_int_equal(bus_open(&options, &reader, &why), HF_OK);
    ensure(writer);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, publish_in_background, writer), 0);

    uint64_t position = 0;
    unsigned kills = 0;
    unsigned begun = 0;
    unsigned long distinct = 0;
    unsigned char *seen = calloc(10001, 1);
    long long until = test_now_ms() + PATIENT_MS;
    while (distinct < 10000) {
        struct bus_message message;
        enum hf_err err = bus_next(reader, 1000, &message);
        assert_true_of(test_now_ms() < until, "stuck at %lu", (unsigned long)position);
        if (err == HF_AWAY || err == HF_STALE) {
            begun += bus_deliver_from(reader, position + 1, &why) == HF_OK;
            continue;
        }
        if (err == HF_TIMEOUT)
            continue;
        assert_int_equal(err, HF_OK);
        assert_true_of(message.seq == position + 1, "sequence %lu after %lu", (unsigned long)message.seq,
                       (unsigned long)position);
        assert_true(message.time_ms > INT64_C(1600000000000));
        position = message.seq;
        unsigned long n = number_of(&message);
        distinct += !seen[n];
        seen[n] = 1;
        bus_message_free(&message);
        if (kills < 5 && position >= 1500 * (kills + 1)) {
            server_kill(&server, SIGKILL);
            server_start(&server);
            kills++;
        }
    }
    assert_int_equal(kills, 5);
    assert_true_of(begun >= 6, "delivery was begun %u times", begun);
    pthread_join(thread, NULL);
    assert_int_equal(info(writer).last_seq, position);
    free(seen);
    bus_close(&reader, 0);
    bus_close(&writer, 1000);
}

static void delivery_moves_and_waits(void **state)
{
    (void)state;
    struct hf_why why = {{0}};
    struct bus_message message;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    ensure(bus);
    assert_int_equal(bus_next(bus, 0, &message), HF_STALE); /* not begun */
    publish_all(bus, 1, 30);
    assert_int_equal(bus_deliver_from(bus, 11, &why), HF_OK);
    for (uint64_t seq = 11; seq <= 30; seq++) {
        assert_int_equal(bus_next(bus, 5000, &message), HF_OK);
        assert_int_equal(message.seq, seq);
        bus_message_free(&message);
    }
    long long begin = test_now_ms();
    assert_int_equal(bus_next(bus, 100, &message), HF_TIMEOUT);
    assert_true(test_now_ms() - begin >= 100);
    assert_int_equal(bus_deliver_from(bus, 29, &why), HF_OK);
    assert_int_equal(bus_next(bus, 5000, &message), HF_OK);
    assert_int_equal(message.seq, 29);
    bus_message_free(&message);
    bus_close(&bus, 0);
}

static void a_silent_delivery_is_broken_off(void **state)
{
    (void)state;
    struct hf_why why = {{0}};
    struct bus_message message;
    server_start(&server);
    struct bus_options options = options_of(server.url);
    struct bus *bus = open_bus(&options);
    ensure(bus);
    assert_int_equal(bus_deliver_from(bus, 1, &why), HF_OK);
    assert_int_equal(bus_next(bus, 2200, &message), HF_TIMEOUT); /* heartbeats keep it */
    server_pause(&server);
    assert_int_equal(bus_next(bus, 10000, &message), HF_STALE);
    kill(server.pid, SIGCONT);
    assert_int_equal(bus_deliver_from(bus, 1, &why), HF_OK);
    bus_close(&bus, 0);
}

#define with_server(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        with_server(what_is_published_is_stored_once_and_told_once),
        with_server(no_more_than_so_many_are_out),
        with_server(a_bus_connects_when_the_server_comes),
        with_server(a_refused_login_is_tried_again),
        with_server(a_login_is_given),
        cmocka_unit_test(bad_urls_and_files_are_refused),
        with_server(without_an_answer_a_publish_times_out),
        with_server(a_late_acknowledgement_is_nobodys),
        with_server(a_lost_acknowledgement_is_made_good),
        with_server(a_lost_message_is_noticed),
        with_server(closing_gives_every_result),
        with_server(a_full_stream_refuses_and_keeps),
        with_server(a_stream_that_cannot_serve_is_refused),
        with_server(without_a_stream_publishing_backs_off),
        with_server(results_come_once_through_kills),
        with_server(delivery_is_in_order_through_kills),
        with_server(delivery_moves_and_waits),
        with_server(a_silent_delivery_is_broken_off),
    };
    if (!server_available()) {
        printf("1..0 # SKIP nats-server is not installed (Debian: nats-server)\n");
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
