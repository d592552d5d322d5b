/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hourfold-query: answers from the store, over FastCGI. It needs neither NATS
 * nor the consumer nor collect.
 *
 * The store is opened when the first request comes, and tried again while there
 * is none. When it can no longer be used, the process ends, and whoever started
 * it starts another.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access/access.h"
#include "answer/answer.h"
#include "base/cli.h"
#include "base/conf.h"
#include "base/log.h"
#include "loop.h"
#include "store/store.h"

#define OPEN_AGAIN_MS 200 /* between two tries to open the store */
#define LOG_EVERY_MS 10000
#define QUEUE_WAIT_MS 5000 /* the longest a request may wait for a thread */
#define READ_KEPT_MS 10    /* for requests that have come together */
#define SLOW_MS 5          /* for one cell, when it had to be waited for: a disk, or a processor */
#define ASIDE_MS 50        /* for how long threads handle all after that */

struct server {
    const struct cli_program *program;
    struct hf_conf *conf;
    struct access *access;
    struct pages *pages;
    struct loop *loop;

    pthread_mutex_t lock; /* of all below */
    struct store *store;
    enum hf_err no_store;   /* why there is none */
    long long open_next_ms; /* when to try again */
    bool stale;             /* the process is to end without touching the store again */
    struct hf_log_limit log_limit;

    char shed_headers[1200]; /* what answer.c would begin with, and that it is for now */
};

/* One thread's. */
struct worker {
    struct answer *answer;
    struct store_read *read;     /* the reading thread's, while it handles requests */
    long long read_until_ms;
    long long aside_until_ms;
};

static long long clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the store ---- */

static void log_failure(struct server *server, const char *event, enum hf_err err, const char *why)
{
    unsigned long held;
    char quoted[HF_WHY_BYTES];
    if (hf_log_allowed(&server->log_limit, clock_ms(CLOCK_MONOTONIC), LOG_EVERY_MS, &held))
        hf_log(HF_WARNING, event, "outcome=\"%s\" why=%s suppressed=%lu", hf_strerror(err),
               hf_log_quote(why, (unsigned long)strnlen(why, HF_WHY_BYTES), quoted, sizeof quoted), held);
}

static void store_lost(void *context, const char *text)
{
    char quoted[HF_WHY_BYTES];
    (void)context;
    hf_log(HF_ERROR, "store_lost", "why=%s", hf_log_quote(text, (unsigned long)strlen(text), quoted, sizeof quoted));
}

/* The lock is held meanwhile: until the store is open, no other thread could answer either. */
static void open_store(struct server *server)
{
    long long now_ms = clock_ms(CLOCK_MONOTONIC);
    struct store_options options = {.path = server->conf->store.path,
                                    .role = STORE_READER,
                                    .cache_mb = (uint32_t)server->conf->store.cache_mb,
                                    .on_lost = store_lost};
    struct hf_why why = {""};
    if (now_ms < server->open_next_ms)
        return;
    server->open_next_ms = now_ms + OPEN_AGAIN_MS;
    server->no_store = store_open(&options, &server->store, &why);
    if (server->no_store != HF_OK)
        log_failure(server, "store_not_open", server->no_store, why.text);
}

static void get_store(struct server *server, struct answer_request *out)
{
    pthread_mutex_lock(&server->lock);
    if (server->store == NULL)
        open_store(server);
    out->store = server->stale ? NULL : server->store;
    out->no_store = server->stale ? HF_STALE : server->no_store;
    pthread_mutex_unlock(&server->lock);
}

static void note_failure(struct server *server, const struct answer_response *response)
{
    pthread_mutex_lock(&server->lock);
    if (server->store != NULL) /* else opening it has been logged */
        log_failure(server, "read_failed", response->err, response->why.text);
    if (response->err == HF_STALE)
        server->stale = true;
    pthread_mutex_unlock(&server->lock);
    if (response->err == HF_STALE)
        loop_stop(server->loop);
}

/* ---- requests ---- */

static struct answer_request asked_by(const struct server *server, const struct request *request)
{
    static const char *const names[] = {"REQUEST_METHOD", "REQUEST_URI", "HOURFOLD_MOUNT", "SCRIPT_NAME", "PATH_INFO", "HTTP_ACCEPT",
                                        "HTTP_ACCEPT_ENCODING", "HTTP_IF_NONE_MATCH", "HTTP_AUTHORIZATION",
                                        /* what Apache makes of an environment variable that a rewrite rule has set */
                                        "REDIRECT_HTTP_AUTHORIZATION"};
    const char *values[sizeof names / sizeof *names];
    request_params(request, names, values, sizeof names / sizeof *names);
    return (struct answer_request){.method = values[0],
                                   .uri = values[1],
                                   .mount = values[2],
                                   .script_name = values[3],
                                   .path_info = values[4],
                                   .accept = values[5],
                                   .accept_encoding = values[6],
                                   .if_none_match = values[7],
                                   .authorization = values[8] != NULL ? values[8] : values[9],
                                   .pages = server->pages,
                                   .now_ms = clock_ms(CLOCK_REALTIME)};
}

static void answer(struct server *server, struct request *request, const struct answer_response *response)
{
    if (response->err != HF_OK)
        note_failure(server, response);
    request_answer(request, response->status, response->headers, response->body, response->body_bytes);
}

static void handle(void *context, void *state, struct request *request)
{
    struct server *server = context;
    struct worker *worker = state;
    struct answer_request asked = asked_by(server, request);
    get_store(server, &asked);
    answer(server, request, answer_request(worker->answer, &asked));
}

/* ---- on the thread that reads ---- */

static void end_read(void *context, void *state)
{
    struct worker *worker = state;
    (void)context;
    store_read_end(&worker->read);
}

/* Have a read that no other thread or process is waited for. One read serves all requests that have come together: beginning one takes
 * three system calls. */
static bool begin_read(struct server *server, struct worker *worker, long long now_ms)
{
    if (worker->read != NULL && now_ms < worker->read_until_ms)
        return true;
    store_read_end(&worker->read);
    if (pthread_mutex_trylock(&server->lock) != 0)
        return false;
    struct store *store = server->stale ? NULL : server->store;
    pthread_mutex_unlock(&server->lock);
    worker->read_until_ms = now_ms + READ_KEPT_MS;
    return store != NULL && store_read_begin_at_once(store, &worker->read) == HF_OK;
}

/* A query of one cell takes less time than waking a thread for it. But its page may have to come from the disk, and then the others
 * that come had better go to the threads. */
static bool handle_at_once(void *context, void *state, struct request *request)
{
    struct server *server = context;
    struct worker *worker = state;
    long long begin_ms = clock_ms(CLOCK_MONOTONIC);
    if (begin_ms < worker->aside_until_ms || !begin_read(server, worker, begin_ms))
        return false;
    struct answer_request asked = asked_by(server, request);
    asked.read = worker->read;
    const struct answer_response *response = answer_request(worker->answer, &asked);
    bool done = response->status != 0;
    if (done)
        answer(server, request, response);
    long long end_ms = clock_ms(CLOCK_MONOTONIC);
    if (end_ms - begin_ms >= SLOW_MS)
        worker->aside_until_ms = end_ms + ASIDE_MS;
    if (!done)
        store_read_end(&worker->read);
    return done;
}

static void shed(void *context, struct request *request)
{
    const struct server *server = context;
    request_error(request, 503, server->shed_headers, "unavailable", "too many requests wait; ask again later", "");
}

static void *worker_begin(void *context)
{
    struct server *server = context;
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker != NULL && (worker->answer = answer_new(server->conf, server->access)) == NULL) {
        free(worker);
        worker = NULL;
    }
    return worker;
}

static void worker_end(void *context, void *state)
{
    struct worker *worker = state;
    (void)context;
    answer_free(&worker->answer);
    free(worker);
}

/* ---- the program ---- */

static int serve(struct server *server)
{
    struct hf_why why = {""};
    hf_log(HF_NOTICE, "started", "store=%s threads=%lld", server->conf->store.path,
           (long long)server->conf->query.threads);
    enum hf_err err = loop_run(server->loop, &why);
    if (server->stale) {
        hf_log(HF_NOTICE, "ended", "reason=store_stale");
        _exit(CLI_FAILED);
    }
    store_close(&server->store);
    if (err != HF_OK)
        return cli_fail(server->program, CLI_FAILED, "%s", why.text);
    hf_log(HF_NOTICE, "ended", "reason=signal");
    return CLI_DONE;
}

static void make_shed_headers(struct server *server)
{
    const char *origin = server->conf->query.cors_origin;
    int len = snprintf(server->shed_headers, sizeof server->shed_headers,
                       "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nRetry-After: 2\r\n");
    if (*origin != '\0')
        snprintf(server->shed_headers + len, sizeof server->shed_headers - (size_t)len, "Access-Control-Allow-Origin: %s\r\n", origin);
}

/* Without them everything else works. */
static enum hf_err read_pages(struct server *server)
{
    struct hf_why why;
    char quoted[HF_WHY_BYTES];
    enum hf_err err = pages_read(server->conf->query.pages, server->conf->query.dygraphs, &server->pages, &why);
    if (err == HF_OK && why.text[0] != '\0')
        hf_log(HF_WARNING, "pages_incomplete", "why=%s",
               hf_log_quote(why.text, (unsigned long)strlen(why.text), quoted, sizeof quoted));
    return err;
}

static int run(struct server *server, const struct cli_args *args)
{
    struct hf_why why = {""};
    struct loop_options options = {.listen = args->socket,
                                   .threads = (unsigned)server->conf->query.threads,
                                   .queue_wait_ms = QUEUE_WAIT_MS,
                                   .handle = handle,
                                   .handle_at_once = handle_at_once,
                                   .handled = end_read,
                                   .shed = shed,
                                   .thread_begin = worker_begin,
                                   .thread_end = worker_end,
                                   .context = server};
    int code = CLI_FAILED;
    make_shed_headers(server);
    if (access_new(server->conf, &server->access, &why) != HF_OK)
        return cli_fail(server->program, CLI_USAGE, "%s", why.text);
    if (read_pages(server) != HF_OK) {
        access_free(&server->access);
        return cli_fail(server->program, CLI_FAILED, "%s", hf_strerror(HF_NOMEM));
    }
    enum hf_err err = loop_open(&options, &server->loop, &why);
    if (err != HF_OK)
        code = cli_fail(server->program, err == HF_INVALID ? CLI_USAGE : CLI_FAILED, "%s", why.text);
    else
        code = serve(server);
    loop_close(&server->loop);
    pages_free(&server->pages);
    access_free(&server->access);
    return code;
}

int main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "hourfold-query",
        .letters = "cslv",
        .operands = "",
        .text = "Answers the statistics of keys, hours and minutes over FastCGI, from the store alone.\n",
        .sections = "store query view"};
    struct server server = {.program = &program, .lock = PTHREAD_MUTEX_INITIALIZER, .no_store = HF_NOTFOUND};
    struct cli_args args;
    int code = cli_parse(&program, argc, argv, &args);
    if (code < 0)
        code = cli_conf(&program, &args, &server.conf);
    if (code >= 0)
        return code;
    code = run(&server, &args);
    conf_free(&server.conf);
    return code;
}
