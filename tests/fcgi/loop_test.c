/* SPDX-License-Identifier: Apache-2.0 */
/* The FastCGI loop, with a handler in this process and a peer that speaks it byte by byte. */
#include "../unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../fcgi/loop.h"
#include "../bus/server.h"
#include "client.h"

#define BODY_MAX 100000
#define BIG_BYTES 4000000
#define QUEUE_WAIT_MS 2000
#define HELD_MAX 4000

struct rig {
    char dir[64];
    char path[100];
    char address[110];
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool blocked;
    char *big;
    struct request *held[HELD_MAX + 1];
    unsigned held_count;
    enum hf_err run_result;
    atomic_uint begun;
    atomic_uint ended;
    atomic_uint offered; /* to the thread that reads */
    atomic_bool handles; /* it does, or has to be told that it has */
};

static struct rig rig;

/* /hold keeps the request, /block keeps its thread; everything else is echoed: the body of a POST, or the URI. */
static void handle(void *context, void *state, struct request *request)
{
    const char *uri = request_param(request, "REQUEST_URI");
    const char *body = uri;
    size_t len = strlen(uri);
    (void)context;
    assert_non_null(state);
    if (strcmp(uri, "/hold") == 0) {
        pthread_mutex_lock(&rig.lock);
        rig.held[rig.held_count++] = request;
        pthread_mutex_unlock(&rig.lock);
        return;
    }
    if (strcmp(uri, "/block") == 0) {
        pthread_mutex_lock(&rig.lock);
        while (rig.blocked)
            pthread_cond_wait(&rig.changed, &rig.lock);
        pthread_mutex_unlock(&rig.lock);
    }
    if (strcmp(uri, "/big") == 0) {
        request_answer(request, 200, "", rig.big, BIG_BYTES);
        return;
    }
    if (strcmp(uri, "/unread") == 0) {
        request_error(request, 415, "X-More: yes\r\n", "unsupported_type", "a \"quoted\" message", "type");
        return;
    }
    if (strcmp(uri, "/204") == 0) {
        request_answer(request, 204, "", "never sent", 10);
        return;
    }
    if (request_method(request) == REQUEST_POST) {
        enum hf_err err = request_body(request, &body, &len);
        if (err != HF_OK) {
            request_error(request, err == HF_FULL ? 413 : 400, "", "refused", "refused", NULL);
            return;
        }
    }
    request_answer(request, 200, "Content-Type: text/plain\r\n", body, len);
}

static bool handle_at_once(void *context, void *state, struct request *request)
{
    const char *uri = request_param(request, "REQUEST_URI");
    (void)context;
    assert_non_null(state);
    atomic_store(&rig.handles, true);
    atomic_fetch_add(&rig.offered, 1);
    if (strcmp(uri, "/at-once") != 0)
        return false;
    request_answer(request, 200, "", "at once", 7);
    return true;
}

static void handled(void *context, void *state)
{
    (void)context;
    assert_non_null(state);
    assert_true(atomic_exchange(&rig.handles, false));
}

static void shed(void *context, struct request *request)
{
    assert_ptr_equal(context, &rig);
    request_error(request, 503, "", "unavailable", "shed", NULL);
}

static void *thread_begin(void *context)
{
    struct rig *r = context;
    atomic_fetch_add(&r->begun, 1);
    return r;
}

static void thread_end(void *context, void *state)
{
    struct rig *r = context;
    assert_ptr_equal(state, r);
    atomic_fetch_add(&r->ended, 1);
}

static void *run(void *argument)
{
    struct rig *r = argument;
    r->run_result = loop_run(r->loop, NULL);
    return NULL;
}

static struct loop_options options_of(unsigned threads)
{
    return (struct loop_options){.listen = rig.address, .threads = threads, .body_max = BODY_MAX,
                                 .queue_wait_ms = QUEUE_WAIT_MS, .handle = handle, .shed = shed,
                                 .thread_begin = thread_begin, .thread_end = thread_end, .context = &rig};
}

static void start_with(const struct loop_options *options)
{
    struct hf_why why = {""};
    assert_true_of(loop_open(options, &rig.loop, &why) == HF_OK, "%s", why.text);
    assert_int_equal(pthread_create(&rig.thread, NULL, run, &rig), 0);
}

static void start(unsigned threads)
{
    struct loop_options options = options_of(threads);
    start_with(&options);
}

static void await_end(void)
{
    pthread_join(rig.thread, NULL);
    assert_int_equal(rig.run_result, HF_OK);
    assert_int_equal(atomic_load(&rig.begun), atomic_load(&rig.ended));
    loop_close(&rig.loop);
    assert_null(rig.loop);
}

static void stop(void)
{
    loop_stop(rig.loop);
    await_end();
}

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    pthread_mutex_init(&rig.lock, NULL);
    pthread_cond_init(&rig.changed, NULL);
    snprintf(rig.dir, sizeof rig.dir, "/tmp/hf-loop-XXXXXX");
    assert_non_null(mkdtemp(rig.dir));
    snprintf(rig.path, sizeof rig.path, "%s/socket", rig.dir);
    snprintf(rig.address, sizeof rig.address, "unix:%s", rig.path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(rig.path);
    rmdir(rig.dir);
    pthread_cond_destroy(&rig.changed);
    pthread_mutex_destroy(&rig.lock);
    return 0;
}

static void must_answer(const struct fcgi_ask *ask, unsigned status, const char *body)
{
    struct fcgi_answer answer;
    fcgi_exchange(rig.path, ask, &answer);
    assert_true_of(answer.status == status, "%s %s: status %u", ask->method, ask->uri, answer.status);
    if (body != NULL)
        assert_string_equal(answer.body, body);
    fcgi_answer_free(&answer);
}

static void get_works(void)
{
    must_answer(&(struct fcgi_ask){.uri = "/x"}, 200, "/x");
}

/* ---- */

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const addresses[] = {"", "unix:", "/tmp/x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
                                            "127.0.0.1:65536", "127.0.0.1:80x", "0.0.0.0:9000", "192.0.2.1:9000",
                                            "[::]:9000", "::1:9000", "[::1]", "localhost:9000", ":9000"};
    struct loop_options options = options_of(1);
    struct loop *loop = NULL;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct hf_why why = {""};
        options.listen = addresses[i];
        assert_true_of(loop_open(&options, &loop, &why) == HF_INVALID, "taken: \"%s\"", addresses[i]);
        assert_true(why.text[0] != '\0');
    }
    options.listen = NULL; /* descriptor 0 of a test is no socket */
    assert_int_equal(loop_open(&options, &loop, NULL), HF_INVALID);
    assert_null(loop);
}

static void a_socket_is_made_with_care(void **state)
{
    (void)state;
    struct loop_options options = options_of(1);
    struct loop *other = NULL;
    struct stat st;
    int file = open(rig.path, O_CREAT | O_WRONLY, 0600);
    close(file);
    assert_int_equal(loop_open(&options, &other, NULL), HF_INVALID); /* a file in its place stays */
    assert_int_equal(unlink(rig.path), 0);
    start(1);
    assert_int_equal(stat(rig.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(loop_open(&options, &other, NULL), HF_BUSY);
    get_works();
    stop();
    assert_int_equal(stat(rig.path, &st), -1);

    struct fcgi_answer answer; /* a socket that was left behind is replaced */
    char aside[110];
    snprintf(aside, sizeof aside, "%s.aside", rig.path);
    start(1);
    assert_int_equal(link(rig.path, aside), 0);
    stop();
    assert_int_equal(rename(aside, rig.path), 0);
    assert_int_equal(fcgi_connect(rig.path), -1);
    start(1);
    fcgi_exchange(rig.path, &(struct fcgi_ask){.uri = "/y"}, &answer);
    assert_int_equal(answer.status, 200);
    fcgi_answer_free(&answer);
    stop();
}

static void requests_are_answered(void **state)
{
    (void)state;
    char value[256];
    struct fcgi_answer answer;
    start(2);
    get_works();
    fcgi_exchange(rig.path, &(struct fcgi_ask){.method = "HEAD", .uri = "/four"}, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_bytes, 0);
    assert_string_equal(fcgi_header(&answer, "Content-Length:", value), "5");
    assert_string_equal(fcgi_header(&answer, "Content-Type:", value), "text/plain");
    fcgi_answer_free(&answer);
    fcgi_exchange(rig.path, &(struct fcgi_ask){.uri = "/204"}, &answer);
    assert_int_equal(answer.status, 204);
    assert_int_equal(answer.body_bytes, 0);
    assert_null(fcgi_header(&answer, "Content-Length:", value));
    fcgi_answer_free(&answer);
    fcgi_exchange(rig.path, &(struct fcgi_ask){.method = "POST", .uri = "/unread", .body = "unread"}, &answer);
    assert_int_equal(answer.status, 415);
    assert_string_equal(fcgi_header(&answer, "X-More:", value), "yes");
    assert_string_equal(fcgi_header(&answer, "Content-Type:", value), "application/json");
    assert_string_equal(answer.body, "{\"error\":{\"code\":\"unsupported_type\",\"message\":\"a \\\"quoted\\\" message\","
                                     "\"parameter\":\"type\"}}\n");
    fcgi_answer_free(&answer);
    must_answer(&(struct fcgi_ask){.method = "PUT", .uri = "/put", .body = "a body"}, 200, "/put");
    stop();
}

static void bodies_are_exact(void **state)
{
    (void)state;
    char *big = malloc(BODY_MAX + 2);
    memset(big, 'x', BODY_MAX + 1);
    big[BODY_MAX + 1] = '\0';
    start(1);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello"}, 200, "hello");
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p"}, 200, "");
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = "-"}, 200, "hello");
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = ""}, 200, "hello");
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = "4"}, 400, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = "6"}, 400, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = "-5"}, 400, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = "5x"}, 400, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello",
                                   .length = "99999999999999999999"}, 400, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = big, .body_bytes = BODY_MAX}, 200, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = big}, 413, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = big, .length = "-"}, 413, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = big, .body_bytes = BODY_MAX, .length = "-"},
                200, NULL);
    int fd = fcgi_connect(rig.path); /* the client goes away in the middle */
    fcgi_send_unfinished(fd, &(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = "10"});
    shutdown(fd, SHUT_WR);
    struct fcgi_answer answer;
    fcgi_receive(fd, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 400);
    fcgi_answer_free(&answer);
    get_works();
    stop();
    free(big);
}

static void unblock(void)
{
    pthread_mutex_lock(&rig.lock);
    rig.blocked = false;
    pthread_cond_signal(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

static void await_held(unsigned count)
{
    long long until = test_now_ms() + PATIENT_MS;
    unsigned now;
    do {
        pthread_mutex_lock(&rig.lock);
        now = rig.held_count;
        pthread_mutex_unlock(&rig.lock);
        assert_true_of(test_now_ms() < until, "%u held", now);
        test_sleep_ms(1);
    } while (now < count);
}

static void held_requests_are_answered_later(void **state)
{
    (void)state;
    struct fcgi_answer answer;
    int fds[100];
    start(1);
    for (unsigned i = 0; i < 100; i++) {
        fds[i] = fcgi_connect(rig.path);
        assert_true(fcgi_send(fds[i], &(struct fcgi_ask){.uri = "/hold"}));
        await_held(i + 1);
    }
    get_works(); /* the thread is free meanwhile */
    for (unsigned i = 100; i-- > 0;) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        request_answer(rig.held[i], 200, "", text, strlen(text));
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_string_equal(answer.body, text);
        fcgi_answer_free(&answer);
    }
    rig.held_count = 0;
    int fd = fcgi_connect(rig.path); /* one is held over the end of the loop */
    fcgi_send(fd, &(struct fcgi_ask){.uri = "/hold"});
    await_held(1);
    loop_stop(rig.loop);
    pthread_join(rig.thread, NULL);
    assert_true(loop_stopping(rig.loop));
    request_answer(rig.held[0], 204, "", "", 0);
    fcgi_receive(fd, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 204);
    fcgi_answer_free(&answer);
    loop_close(&rig.loop);
}

static void a_peer_that_left_is_no_harm(void **state)
{
    (void)state;
    start(1);
    for (unsigned i = 0; i < 20; i++) {
        int fd = fcgi_connect(rig.path);
        fcgi_send(fd, &(struct fcgi_ask){.uri = "/hold"});
        await_held(i + 1);
        close(fd);
    }
    for (unsigned i = 0; i < 20; i++)
        request_answer(rig.held[i], 200, "", "nobody reads this", 17);
    get_works();
    stop();
}

static void stop_and_await_no_more_connections(void)
{
    struct stat st;
    loop_stop(rig.loop);
    for (long long until = test_now_ms() + PATIENT_MS; stat(rig.path, &st) == 0; test_sleep_ms(1))
        assert_true(test_now_ms() < until);
}

static void accepting_waits_when_too_many_are_held(void **state)
{
    (void)state;
    struct rlimit files;
    struct loop_options options = options_of(2);
    options.stop_wait_ms = PATIENT_MS;
    getrlimit(RLIMIT_NOFILE, &files);
    start_with(&options);
    unsigned most = loop_requests_max(rig.loop);
    struct rlimit more = {files.rlim_max, files.rlim_max};
    setrlimit(RLIMIT_NOFILE, &more);
    assert_true(most <= HELD_MAX);
    int *fds = calloc(most + 2, sizeof *fds);
    for (unsigned i = 0; i < most; i++) {
        fds[i] = fcgi_connect(rig.path);
        assert_true(fcgi_send(fds[i], &(struct fcgi_ask){.uri = "/hold"}));
    }
    await_held(most);
    int waiting = fcgi_connect(rig.path);
    fcgi_send(waiting, &(struct fcgi_ask){.uri = "/x"});
    assert_true(fcgi_silent(waiting, 100));
    struct fcgi_answer answer;
    request_answer(rig.held[0], 204, "", "", 0);
    fcgi_receive(waiting, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 200);
    fcgi_answer_free(&answer);
    fds[most] = fcgi_connect(rig.path);
    fcgi_send(fds[most], &(struct fcgi_ask){.uri = "/hold"});
    await_held(most + 1);
    waiting = fcgi_connect(rig.path);
    fcgi_send(waiting, &(struct fcgi_ask){.uri = "/x"});
    stop_and_await_no_more_connections(); /* but this one is there already */
    assert_true(fcgi_silent(waiting, 100));
    for (unsigned i = 1; i <= most; i++)
        request_answer(rig.held[i], 204, "", "", 0);
    for (unsigned i = 0; i <= most; i++) {
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 204);
        fcgi_answer_free(&answer);
    }
    fcgi_receive(waiting, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 200);
    fcgi_answer_free(&answer);
    await_end();
    free(fds);
    setrlimit(RLIMIT_NOFILE, &files);
}

/* Every place is taken by somebody who says nothing. */
static void when_all_is_full_the_slowest_give_way(void **state)
{
    (void)state;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    start(1);
    unsigned most = loop_requests_max(rig.loop);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){files.rlim_max, files.rlim_max});
    int *fds = calloc(most, sizeof *fds);
    for (unsigned i = 0; i < most; i++)
        fds[i] = fcgi_connect(rig.path);
    long long begin = test_now_ms();
    for (unsigned i = 0; i < 20; i++)
        get_works();
    long long took = test_now_ms() - begin;
    assert_true_of(took < LOOP_HEAD_MS - 1000, "took %lld ms", took); /* sooner than they are given up for their silence */
    for (unsigned i = 0; i < most; i++)
        close(fds[i]);
    stop();
    free(fds);
    setrlimit(RLIMIT_NOFILE, &files);
}

static void bad_records_are_no_harm(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned char bytes[40];
        size_t len;
    } attacks[] = {
        {"wrong version", {2, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 16},
        {"http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27},
        {"unknown role", {1, 1, 0, 1, 0, 8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0}, 16},
        {"short begin", {1, 1, 0, 1, 0, 4, 0, 0, 0, 1, 0, 0}, 12},
        {"no request id", {1, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 16},
        {"stdin first", {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0}, 24},
        {"parameters that break off", {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
                                       1, 4, 0, 1, 0, 6, 0, 0, 1, 3, 'A', 'a', 'b', 'c', 9, 9, 9, 9, 9, 9, 9, 9}, 38},
        {"a name without value", {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
                                  1, 4, 0, 1, 0, 2, 0, 0, 5, 5, 1, 4, 0, 1, 0, 0, 0, 0}, 34},
    };
    start(1);
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        int fd = fcgi_connect(rig.path);
        assert_int_equal(send(fd, attacks[i].bytes, attacks[i].len, MSG_NOSIGNAL), attacks[i].len);
        assert_true_of(fcgi_closes(fd, LOOP_HEAD_MS - 1000), "%s: not closed", attacks[i].name);
        close(fd);
        get_works();
    }
    stop();
}

static void slow_peers_cost_no_thread(void **state)
{
    (void)state;
    enum { PEERS = 100 };
    int fds[3 * PEERS];
    start(1);
    for (unsigned i = 0; i < PEERS; i++) {
        fds[3 * i] = fcgi_connect(rig.path); /* silent */
        fds[3 * i + 1] = fcgi_connect(rig.path);
        assert_int_equal(send(fds[3 * i + 1], "\1\1\0\1\0\10\0\0", 8, MSG_NOSIGNAL), 8);
        fds[3 * i + 2] = fcgi_connect(rig.path);
        fcgi_send_unfinished(fds[3 * i + 2], &(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello"});
    }
    long long begin = test_now_ms();
    for (unsigned i = 0; i < 50; i++)
        get_works();
    long long took = test_now_ms() - begin;
    assert_true_of(took < LOOP_HEAD_MS, "took %lld ms", took); /* and not once any of them was given up */
    for (unsigned i = 0; i < PEERS; i++) { /* who has told what is wanted may take longer than who has not */
        struct fcgi_answer answer;
        assert_true(fcgi_closes(fds[3 * i], 8000));
        assert_true(fcgi_closes(fds[3 * i + 1], 8000));
        assert_true(fcgi_silent(fds[3 * i + 2], 0));
        fcgi_finish(fds[3 * i + 2]);
        fcgi_receive(fds[3 * i + 2], PATIENT_MS, &answer);
        assert_string_equal(answer.body, "hello");
        fcgi_answer_free(&answer);
        close(fds[3 * i]);
        close(fds[3 * i + 1]);
    }
    assert_true(test_now_ms() - begin < 10000);
    stop();
}

static void who_takes_an_answer_slowly_costs_no_thread(void **state)
{
    (void)state;
    struct fcgi_answer answer;
    start(1);
    rig.big = malloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        rig.big[i] = (char)('a' + i % 23);
    int slow = fcgi_connect(rig.path);
    fcgi_send(slow, &(struct fcgi_ask){.uri = "/big"});
    for (unsigned i = 0; i < 50; i++)
        get_works();
    fcgi_receive(slow, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_bytes, BIG_BYTES);
    assert_memory_equal(answer.body, rig.big, BIG_BYTES);
    fcgi_answer_free(&answer);
    int gone = fcgi_connect(rig.path);
    fcgi_send(gone, &(struct fcgi_ask){.uri = "/big"});
    get_works();
    close(gone);
    get_works();
    stop();
    free(rig.big);
}

static void who_waited_too_long_is_shed(void **state)
{
    (void)state;
    int fds[20];
    struct fcgi_answer answer;
    start(1);
    rig.blocked = true;
    int blocking = fcgi_connect(rig.path);
    fcgi_send(blocking, &(struct fcgi_ask){.uri = "/block"});
    for (unsigned i = 0; i < 20; i++) {
        fds[i] = fcgi_connect(rig.path);
        fcgi_send(fds[i], &(struct fcgi_ask){.method = "POST", .uri = "/x", .body = "lost"});
    }
    assert_true(fcgi_silent(fds[0], QUEUE_WAIT_MS + 100));
    must_answer(&(struct fcgi_ask){.uri = "/x"}, 503, NULL); /* at once: it would wait in vain as these do */
    unblock();
    fcgi_receive(blocking, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 200);
    fcgi_answer_free(&answer);
    for (unsigned i = 0; i < 20; i++) {
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 503);
        fcgi_answer_free(&answer);
    }
    get_works();
    stop();
}

/* Bodies that are never finished, more than may be kept: the oldest give way, once they have had their time. */
static void slow_bodies_are_bounded(void **state)
{
    (void)state;
    enum { PEERS = 40, BYTES = 4000000 }; /* in buffers of 4 MiB */
    int fds[PEERS];
    char *body = calloc(1, BYTES);
    struct loop_options options = options_of(1);
    options.body_max = BYTES;
    start_with(&options);
    unsigned shed_count = 0;
    for (unsigned i = 0; i < PEERS; i++) {
        fds[i] = fcgi_connect(rig.path);
        fcgi_send_unfinished(fds[i], &(struct fcgi_ask){.method = "POST", .uri = "/p", .body = body, .body_bytes = BYTES,
                                                        .length = "5000000"});
        get_works();
    }
    for (unsigned i = 0; i < PEERS; i++) {
        if (fcgi_silent(fds[i], 0)) {
            close(fds[i]);
            continue;
        }
        struct fcgi_answer answer;
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 503);
        fcgi_answer_free(&answer);
        shed_count++;
    }
    assert_in_range(shed_count, PEERS - LOOP_INPUT_MAX / (4 << 20), PEERS - 10);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/p", .body = body, .body_bytes = BYTES}, 200, NULL);
    stop();
    free(body);
}

static void it_stops_while_a_body_trickles(void **state)
{
    (void)state;
    struct loop_options options = options_of(1);
    options.stop_wait_ms = 500;
    start_with(&options);
    int fd = fcgi_connect(rig.path);
    fcgi_send_unfinished(fd, &(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello", .length = "10"});
    get_works();
    long long begin = test_now_ms();
    stop();
    long long took = test_now_ms() - begin;
    assert_true_of(took >= options.stop_wait_ms && took < 4000, "took %lld ms", took);
    close(fd);
}

static unsigned held_now(void)
{
    pthread_mutex_lock(&rig.lock);
    unsigned count = rig.held_count;
    pthread_mutex_unlock(&rig.lock);
    return count;
}

static void who_connected_before_the_stop_is_served(void **state)
{
    (void)state;
    int fds[20];
    struct loop_options options = options_of(1);
    options.stop_wait_ms = PATIENT_MS;
    start_with(&options);
    int slow = fcgi_connect(rig.path);
    fcgi_send_unfinished(slow, &(struct fcgi_ask){.method = "POST", .uri = "/p", .body = "hello"});
    for (unsigned i = 0; i < 20; i++)
        fds[i] = fcgi_connect(rig.path);
    get_works();
    stop_and_await_no_more_connections();
    for (unsigned i = 0; i < 20; i++) /* at once: they have LOOP_HEAD_MS from when they were accepted */
        fcgi_send(fds[i], &(struct fcgi_ask){.uri = "/x"});
    fcgi_finish(slow);
    struct fcgi_answer answer;
    fcgi_receive(slow, PATIENT_MS, &answer);
    assert_string_equal(answer.body, "hello");
    fcgi_answer_free(&answer);
    for (unsigned i = 0; i < 20; i++) {
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 200);
        fcgi_answer_free(&answer);
    }
    await_end();
}

static void await_handled(unsigned offered)
{
    for (long long until = test_now_ms() + PATIENT_MS; atomic_load(&rig.handles);) {
        assert_true(test_now_ms() < until);
        test_sleep_ms(1);
    }
    assert_int_equal(atomic_load(&rig.offered), offered);
}

static void who_reads_handles_what_it_can(void **state)
{
    (void)state;
    struct loop_options options = options_of(1);
    options.handle_at_once = handle_at_once;
    options.handled = handled;
    rig.blocked = true;
    start_with(&options);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/at-once", .body = "read by a thread"}, 200, "read by a thread");
    await_handled(0);
    int blocked = fcgi_connect(rig.path); /* the one thread */
    fcgi_send(blocked, &(struct fcgi_ask){.uri = "/block"});
    for (unsigned i = 0; i < 20; i++)
        must_answer(&(struct fcgi_ask){.uri = "/at-once"}, 200, "at once");
    int waits = fcgi_connect(rig.path);
    fcgi_send(waits, &(struct fcgi_ask){.uri = "/more"});
    must_answer(&(struct fcgi_ask){.uri = "/at-once"}, 200, "at once");
    await_handled(23);
    unblock();
    struct fcgi_answer answer;
    fcgi_receive(waits, PATIENT_MS, &answer);
    assert_string_equal(answer.body, "/more");
    fcgi_answer_free(&answer);
    fcgi_receive(blocked, PATIENT_MS, &answer);
    assert_string_equal(answer.body, "/block");
    fcgi_answer_free(&answer);
    stop();
    assert_int_equal(atomic_load(&rig.begun), 2); /* one for the thread, one for who reads */
}

static void without_descriptors_it_waits(void **state)
{
    (void)state;
    enum { PEERS = 4 };
    struct rlimit files;
    int fds[PEERS];
    unsigned sent = 0;
    start(1);
    getrlimit(RLIMIT_NOFILE, &files);
    for (unsigned i = 0; i < PEERS; i++)
        fds[i] = fcgi_socket();
    struct rlimit none = {(rlim_t)fds[PEERS - 1] + 1, files.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* One or two more are taken: accept() has set a descriptor aside. */
    do {
        assert_true(fcgi_connect_with(fds[sent], rig.path));
        fcgi_send(fds[sent++], &(struct fcgi_ask){.uri = "/hold"});
        for (long long until = test_now_ms() + 500; held_now() < sent && test_now_ms() < until;)
            test_sleep_ms(2);
    } while (held_now() == sent && sent < PEERS);
    assert_true_of(held_now() < sent, "%u requests were taken", sent);
    setrlimit(RLIMIT_NOFILE, &files);
    await_held(sent);
    for (unsigned i = 0; i < sent; i++) {
        struct fcgi_answer answer;
        request_answer(rig.held[i], 204, "", "", 0);
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 204);
        fcgi_answer_free(&answer);
    }
    for (unsigned i = sent; i < PEERS; i++)
        close(fds[i]);
    stop();
}

#define in_folder(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        in_folder(bad_addresses_are_refused),
        in_folder(a_socket_is_made_with_care),
        in_folder(requests_are_answered),
        in_folder(bodies_are_exact),
        in_folder(held_requests_are_answered_later),
        in_folder(a_peer_that_left_is_no_harm),
        in_folder(bad_records_are_no_harm),
        in_folder(who_reads_handles_what_it_can),
        in_folder(slow_peers_cost_no_thread),
        in_folder(who_takes_an_answer_slowly_costs_no_thread),
        in_folder(who_waited_too_long_is_shed),
        in_folder(slow_bodies_are_bounded),
        in_folder(it_stops_while_a_body_trickles),
        in_folder(who_connected_before_the_stop_is_served),
        /* Those that need descriptors as they are (valgrind has a limit of its own), and many. */
        in_folder(without_descriptors_it_waits),
        in_folder(accepting_waits_when_too_many_are_held),
        in_folder(when_all_is_full_the_slowest_give_way),
    };
    size_t count = sizeof tests / sizeof *tests;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    if (getenv("HF_TEST_SHORT") != NULL || files.rlim_max < 2 * HELD_MAX + 100) {
        count -= 3;
        printf("# left out: the tests that run out of descriptors\n");
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
