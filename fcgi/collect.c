/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hourfold-collect: takes samples over FastCGI and answers 204 when JetStream
 * has stored them, or the spool has.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/access.h"
#include "access/address.h"
#include "access/rate.h"
#include "base/cli.h"
#include "base/conf.h"
#include "base/log.h"
#include "clock.h"
#include "hold.h"
#include "loop.h"
#include "route.h"
#include "sample/sample.h"
#include "tally/tally.h"

#define READY_WAIT_MS 2000      /* at the start, before requests are taken: they would only be refused */
#define READY_SPOOL_WAIT_MS 250 /* the same, when there is a spool that they would go to */
#define HEADERS_BYTES 2048
#define PREFLIGHT_S "86400"
#define JOIN_EVERY_MS 5000 /* while the files that are shared cannot be had */

/* What is answered when samples cannot be taken just now. Clients are to come again, not all in the same moment. */
#define RETRY_AFTER "Retry-After: 2\r\n"

struct server {
    const struct cli_program *program;
    struct hf_conf *conf;
    struct access *access;
    struct loop *loop;
    struct hold *hold;
    struct rate *rate; /* NULL: there is no bound */
    struct address_list *proxies;
    struct tally *tally;
    char tally_path[TALLY_PATH_BYTES];
    char rate_path[TALLY_PATH_BYTES + 8];
    _Atomic long long join_ms; /* when to try to join the files; LLONG_MAX: they are joined, or being tried */
    bool join_failed;          /* of the one who tries */
    char headers[1536]; /* of every answer */
};

/* ---- the files that all processes share ---- */

/* Have what is counted shown to others, and rates bounded with them; where that fails, it stops nothing. */
static void join_files(struct server *server, long long now_ms)
{
    struct hf_why why = {""};
    char quoted[HF_WHY_BYTES];
    long long due_ms = atomic_load(&server->join_ms);
    if (now_ms < due_ms || !atomic_compare_exchange_strong(&server->join_ms, &due_ms, LLONG_MAX))
        return;
    enum hf_err err = tally_join(server->tally, server->tally_path, &why);
    if (err == HF_OK && server->rate != NULL)
        err = rate_join(server->rate, server->rate_path, &why);
    if (err != HF_OK && !server->join_failed)
        hf_log(HF_WARNING, "tally_not_joined", "why=%s text=\"samples are taken all the same, and counted when that is mended\"",
               hf_log_quote(why.text, (unsigned long)strlen(why.text), quoted, sizeof quoted));
    /* After a success that comes late, once more: see tally_join(). */
    bool again = err != HF_OK || server->join_failed;
    server->join_failed = err != HF_OK;
    if (again)
        atomic_store(&server->join_ms, now_ms + JOIN_EVERY_MS);
}

static void count_answer(const struct server *server, enum tally_code code)
{
    tally_add(server->tally, TALLY_REQUESTS, code, 1);
}

static void count_refused(const struct server *server, const char *code, uint64_t samples)
{
    tally_add(server->tally, TALLY_RECEIVED, 0, samples);
    tally_add(server->tally, TALLY_REFUSED, tally_code_of(code), samples);
}

/* ---- answers ---- */

/* The headers of every answer, and more. Return `out`. */
static const char *headers_with(const struct server *server, const char *more, char out[HEADERS_BYTES])
{
    snprintf(out, HEADERS_BYTES, "%s%s", server->headers, more);
    return out;
}

static void refuse(const struct server *server, struct request *request, unsigned status, const char *more,
                   const char *code, const char *message, const char *parameter)
{
    char headers[HEADERS_BYTES];
    count_answer(server, tally_code_of(code));
    request_error(request, status, headers_with(server, more, headers), code, message, parameter);
}

static void answer_stored(const struct server *server, struct request *request, enum tally_code code)
{
    count_answer(server, code);
    request_answer(request, 204, server->headers, "", 0);
}

static void answer_unavailable(const struct server *server, struct request *request, enum hf_err why)
{
    bool spool = server->conf->collect.spool[0] != '\0';
    const char *message = why != HF_FULL ? "samples cannot be stored just now; send again later"
                          : spool        ? "there is no room in the spool; send again later"
                                         : "the stream is full; send again later";
    refuse(server, request, 503, RETRY_AFTER, "unavailable", message, "");
}

/* More comes than can be taken. */
static void refuse_excess(const struct server *server, struct request *request)
{
    refuse(server, request, 503, RETRY_AFTER, "unavailable", "more is sent than can be taken; send again later", "");
}

static void shed(void *context, struct request *request)
{
    const struct server *server = context;
    tally_shed(server->tally, TALLY_OVERLOAD, 0);
    refuse_excess(server, request);
}

/* The answer to a held request. */
static void answer_held(void *context, struct request *request, enum hf_err outcome)
{
    if (outcome == HF_OK)
        answer_stored(context, request, TALLY_OK);
    else
        answer_unavailable(context, request, outcome);
}

static const char *methods_of(enum route route)
{
    return route == ROUTE_COLLECTD ? "POST, OPTIONS" : "GET, POST, OPTIONS";
}

static void answer_preflight(const struct server *server, struct request *request, enum route route)
{
    char more[256];
    char headers[HEADERS_BYTES];
    count_answer(server, TALLY_PREFLIGHT);
    snprintf(more, sizeof more,
             "Allow: %s\r\n"
             "Access-Control-Allow-Methods: %s\r\n"
             "Access-Control-Allow-Headers: Authorization, Content-Type\r\n"
             "Access-Control-Max-Age: " PREFLIGHT_S "\r\n",
             methods_of(route), methods_of(route));
    request_answer(request, 204, headers_with(server, more, headers), "", 0);
}

/* ---- requests ---- */

/* False when the request was answered: its sender has sent too many. */
static bool rate_permits(const struct server *server, struct request *request)
{
    struct timespec now;
    char more[64];
    char message[128];
    if (server->rate == NULL)
        return true;
    struct address sender = address_of_client(server->proxies, request_param(request, "REMOTE_ADDR"),
                                              request_param_or_null(request, "HTTP_X_FORWARDED_FOR"));
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t wait_ms = rate_take(server->rate, &sender, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    if (wait_ms == 0)
        return true;
    tally_shed(server->tally, TALLY_RATE, 0);
    snprintf(more, sizeof more, "Retry-After: %lld\r\n", (long long)(wait_ms + 999) / 1000);
    snprintf(message, sizeof message, "one address may send %lld requests a second; send again later",
             (long long)server->conf->collect.rate);
    refuse(server, request, 429, more, "too_many_requests", message, "");
    return false;
}

/* False when the request was answered: that method is not for that route. */
static bool method_fits(const struct server *server, struct request *request, enum route route)
{
    char allow[64];
    enum request_method method = request_method(request);
    if (method == REQUEST_POST || (method == REQUEST_GET && route != ROUTE_COLLECTD))
        return true;
    snprintf(allow, sizeof allow, "Allow: %s\r\n", methods_of(route));
    refuse(server, request, 405, allow, "method_not_allowed", "this resource takes the methods of the Allow header", "");
    return false;
}

/* False when the request was answered: its sender may not send. */
static bool sender_may(const struct server *server, struct request *request)
{
    const char *authorization = request_param_or_null(request, "HTTP_AUTHORIZATION");
    if (authorization == NULL) /* what Apache makes of a variable that a rewrite rule has set */
        authorization = request_param_or_null(request, "REDIRECT_HTTP_AUTHORIZATION");
    if (access_send(server->access, authorization))
        return true;
    struct access_grant grant = access_check(server->access, authorization);
    if (grant.known)
        refuse(server, request, 403, "", "forbidden", "this token may not send samples", "");
    else
        refuse(server, request, 401, "WWW-Authenticate: Bearer\r\n", "unauthorized",
               "sending samples needs Authorization: Bearer TOKEN", "");
    return false;
}

/* Reading failed. Without a list, it was the body that could not be had. */
static void answer_unread(const struct server *server, struct request *request, enum hf_err err,
                          const struct sample_fault *fault, const struct sample_list *list)
{
    uint64_t samples = list == NULL ? 0 : list->count;
    if (err == HF_INVALID) {
        count_refused(server, fault->code, samples + 1); /* those before the offence, and the offending one */
        refuse(server, request, 400, "", fault->code, fault->message, fault->parameter);
    } else {
        tally_add(server->tally, TALLY_RECEIVED, 0, samples);
        tally_shed(server->tally, TALLY_MEMORY, samples);
        answer_unavailable(server, request, err);
    }
}

/* Have the body of a POST. False when the request was answered: it has none that can be read. */
static bool take_body(const struct server *server, struct request *request, enum route route, const char **body, size_t *len)
{
    bool form = route == ROUTE_BOOMERANG;
    const char *type = request_param(request, "CONTENT_TYPE");
    if (!(form ? route_type_is_form(type) : route_type_is_json(type))) {
        refuse(server, request, 415, "", "unsupported_type",
               form ? "a beacon is a form, sent as application/x-www-form-urlencoded or text/plain"
                    : "a body is JSON, sent as application/json or text/plain", "");
        return false;
    }
    if (!route_encoding_is_none(request_param(request, "HTTP_CONTENT_ENCODING"))) {
        refuse(server, request, 415, "Accept-Encoding: identity\r\n", "unsupported_type",
               "send the body without Content-Encoding, not compressed", "");
        return false;
    }
    enum hf_err err = request_body(request, body, len);
    if (err == HF_FULL)
        refuse(server, request, 413, "", "too_large", "the body is longer than collect.max_body", "");
    else if (err == HF_INVALID)
        refuse(server, request, 400, "", "bad_json", "the body did not come whole", "");
    else if (err != HF_OK)
        answer_unread(server, request, err, NULL, NULL);
    return err == HF_OK;
}

static void count_dropped(const struct server *server, const uint32_t dropped[SAMPLE_DROPS])
{
    _Static_assert((int)TALLY_DROPS == SAMPLE_DROPS && (int)TALLY_BAD_NAME == SAMPLE_DROP_BAD_NAME, "the same reasons");
    for (unsigned i = 0; i < SAMPLE_DROPS; i++)
        if (dropped[i] > 0)
            tally_add(server->tally, TALLY_DROPPED, i, dropped[i]);
}

/* Read the samples of a request. False when the request was answered: it has none that can be read. `dropped` gets the values of a beacon
 * that were. */
static bool read_samples(const struct server *server, struct request *request, enum route route, struct sample_form form,
                         const struct sample_limits *limits, struct sample_list *list, uint32_t dropped[SAMPLE_DROPS])
{
    struct sample_fault fault;
    bool post = request_method(request) == REQUEST_POST;
    enum hf_err err;
    if (post && !take_body(server, request, route, &form.body, &form.body_bytes))
        return false;
    if (route == ROUTE_BOOMERANG)
        err = sample_read_boomerang(&form, limits, list, &fault, dropped);
    else if (route == ROUTE_COLLECTD)
        err = sample_read_collectd(form.body, form.body_bytes, limits, list, &fault);
    else if (post)
        err = sample_read_json(form.body, form.body_bytes, limits, list, &fault);
    else
        err = sample_read_query(form.query, form.query_bytes, limits, list, &fault);
    if (err != HF_OK)
        answer_unread(server, request, err, &fault, list);
    return err == HF_OK;
}

/* Hold the request until its samples are stored, or answer why that cannot be. False: it would have to wait first, and may not. */
static bool keep(const struct server *server, struct request *request, const struct sample_list *list, bool may_wait)
{
    if (list->count == 0) { /* a report of collectd, or a beacon, without a value */
        answer_stored(server, request, TALLY_EMPTY);
        return true;
    }
    uint64_t samples = list->count;
    enum hf_err err = hold_add(server->hold, list, request, may_wait);
    if (err == HF_BUSY && !may_wait)
        return false;
    if (err != HF_OK)
        tally_add(server->tally, TALLY_RECEIVED, 0, samples);
    if (err == HF_FULL) {
        tally_add(server->tally, TALLY_REFUSED, TALLY_TOO_LARGE, samples);
        refuse(server, request, 413, "", "too_large", "the samples of one request take more than the 1,000,000 bytes of a message; send fewer at once", "");
    } else if (err == HF_BUSY) {
        tally_shed(server->tally, TALLY_ROOM, samples);
        refuse_excess(server, request);
    } else if (err != HF_OK) {
        tally_shed(server->tally, err == HF_AWAY ? TALLY_BUS : TALLY_MEMORY, samples);
        answer_unavailable(server, request, err);
    }
    return true;
}

/* Read a request and keep its samples, or answer why not. False: it would have to wait for room, and may not. */
static bool take(struct server *server, struct request *request, struct sample_list *list, bool may_wait)
{
    const char *query;
    size_t query_bytes;
    struct timespec now;
    enum route route = route_of(request_param(request, "REQUEST_URI"), &query, &query_bytes);
    if (route == ROUTE_NONE) {
        refuse(server, request, 404, "", "not_found", "there is /collect, /collect/collectd and /collect/boomerang", "");
        return true;
    }
    if (request_method(request) == REQUEST_OPTIONS) {
        answer_preflight(server, request, route);
        return true;
    }
    if (!rate_permits(server, request) || !method_fits(server, request, route) || !sender_may(server, request))
        return true;
    clock_gettime(CLOCK_REALTIME, &now);
    struct sample_limits limits = {.now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                                   .max_age_ms = server->conf->collect.max_age_ms,
                                   .max_skew_ms = server->conf->collect.max_skew_ms,
                                   .max_samples = (size_t)server->conf->collect.max_samples};
    join_files(server, now_ms());
    tally_note(server->tally, TALLY_LAST_REQUEST, limits.now_ms);
    sample_list_reset(list);
    struct sample_form form = {
        .query = query, .query_bytes = query_bytes, .referer = request_param_or_null(request, "HTTP_REFERER")};
    uint32_t dropped[SAMPLE_DROPS] = {0};
    bool done = !read_samples(server, request, route, form, &limits, list, dropped) || keep(server, request, list, may_wait);
    if (done)
        count_dropped(server, dropped);
    return done;
}

static void handle(void *context, void *state, struct request *request)
{
    (void)take(context, request, state, true);
}

/* Where senders are bounded, a request that was taken up twice would count twice. */
static bool handle_at_once(void *context, void *state, struct request *request)
{
    struct server *server = context;
    return server->rate == NULL && take(server, request, state, false);
}

static void *worker_begin(void *context)
{
    (void)context;
    struct sample_list *list = malloc(sizeof *list);
    if (list != NULL)
        sample_list_init(list);
    return list;
}

static void worker_end(void *context, void *state)
{
    (void)context;
    sample_list_free(state);
    free(state);
}

/* ---- the program ---- */

static void make_headers(struct server *server)
{
    const char *origin = server->conf->collect.cors_origin;
    int len = snprintf(server->headers, sizeof server->headers, "Cache-Control: no-store\r\n");
    if (origin[0] != '\0')
        snprintf(server->headers + len, sizeof server->headers - (size_t)len,
                 "Access-Control-Allow-Origin: %s\r\n%s", origin, strcmp(origin, "*") == 0 ? "" : "Vary: Origin\r\n");
}

static int serve(struct server *server)
{
    struct hf_why why = {""};
    struct hold_options options = {.conf = server->conf,
                                   .name = server->program->name,
                                   .tally = server->tally,
                                   .requests_max = loop_requests_max(server->loop),
                                   .answer = answer_held,
                                   .context = server};
    enum hf_err err = hold_open(&options, &server->hold, &why);
    if (err != HF_OK)
        return cli_fail(server->program, err == HF_INVALID ? CLI_USAGE : CLI_FAILED, "%s", why.text);
    bool spool = server->conf->collect.spool[0] != '\0';
    join_files(server, now_ms());
    tally_add(server->tally, TALLY_STARTS, 0, 1);
    hold_await_ready(server->hold, spool ? READY_SPOOL_WAIT_MS : READY_WAIT_MS);
    hf_log(HF_NOTICE, "started", "threads=%lld", (long long)server->conf->collect.threads);
    err = loop_run(server->loop, &why);
    hold_close(&server->hold);
    if (err != HF_OK)
        return cli_fail(server->program, CLI_FAILED, "%s", why.text);
    tally_add(server->tally, TALLY_ENDS, 0, 1);
    hf_log(HF_NOTICE, "ended", "reason=signal");
    return CLI_DONE;
}

/* What the configuration asks for. */
static enum hf_err make_parts(struct server *server, struct hf_why *why)
{
    const struct hf_conf *conf = server->conf;
    struct hf_why fault = {""};
    enum hf_err err = access_new(conf, &server->access, why);
    if (err != HF_OK)
        return err;
    err = address_list_new(conf->collect.proxies, &server->proxies, &fault);
    if (err != HF_OK)
        return hf_fail(why, err, "collect.proxies: %s", fault.text);
    if (conf->collect.rate > 0 && (err = rate_new((uint64_t)conf->collect.rate, &server->rate)) != HF_OK)
        return hf_fail(why, err, "collect.rate: %s", hf_strerror(err));
    server->tally = tally_new();
    if (server->tally == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    tally_path(conf, server->tally_path);
    snprintf(server->rate_path, sizeof server->rate_path, "%s.rate", server->tally_path);
    return HF_OK;
}

static int run(struct server *server, const struct cli_args *args)
{
    struct hf_why why = {""};
    char group[CONF_DIGEST_TEXT];
    struct loop_options options = {.listen = args->socket,
                                   .group = conf_digest(server->conf, group),
                                   .threads = (unsigned)server->conf->collect.threads,
                                   .body_max = (size_t)server->conf->collect.max_body,
                                   .queue_wait_ms = HOLD_ROOM_WAIT_MS,
                                   .handle = handle,
                                   .handle_at_once = handle_at_once,
                                   .shed = shed,
                                   .thread_begin = worker_begin,
                                   .thread_end = worker_end,
                                   .context = server};
    int code;
    make_headers(server);
    enum hf_err err = make_parts(server, &why);
    if (err == HF_OK)
        err = loop_open(&options, &server->loop, &why);
    if (err != HF_OK)
        code = cli_fail(server->program, err == HF_INVALID ? CLI_USAGE : CLI_FAILED, "%s", why.text);
    else
        code = server->loop != NULL ? serve(server) : CLI_DONE;
    loop_close(&server->loop);
    access_free(&server->access);
    rate_free(&server->rate);
    address_list_free(&server->proxies);
    tally_free(&server->tally);
    return code;
}

int main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "hourfold-collect",
        .letters = "cslv",
        .operands = "",
        .text = "Takes metric samples over FastCGI and publishes them to NATS JetStream.\n",
        .sections = "bus collect"};
    struct server server = {.program = &program};
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
