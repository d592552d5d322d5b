/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer/attempt.h"
#include "answer/etag.h"
#include "answer/keys.h"
#include "answer/path.h"
#include "answer/render.h"
#include "answer/series.h"
#include "answer/status.h"

#define TORN_WAIT_MS 128     /* the longest of the waits, each twice the one before */
#define RETRY_AFTER_S 1
#define PREFLIGHT_MAX_AGE_S 86400
#define METHODS "GET, HEAD, OPTIONS"

struct answer {
    const struct hf_conf *conf;
    const struct access *access;
    struct query_path path;
    struct access_grant grant;
    struct series series;
    enum series_miss miss;
    struct keys_page keys;
    struct hf_buf headers, body, scratch;
    struct answer_response response;
};

struct answer *answer_new(const struct hf_conf *conf, const struct access *access)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer != NULL) {
        answer->conf = conf;
        answer->access = access;
    }
    return answer;
}

void answer_free(struct answer **answer)
{
    if (*answer == NULL)
        return;
    series_free(&(*answer)->series);
    keys_free(&(*answer)->keys);
    hf_buf_free(&(*answer)->headers);
    hf_buf_free(&(*answer)->body);
    hf_buf_free(&(*answer)->scratch);
    free(*answer);
    *answer = NULL;
}

/* ---- the pieces of an answer ---- */

static void add_header(struct answer *answer, const char *name, const char *value)
{
    hf_buf_printf(&answer->headers, "%s: %s\r\n", name, value);
}

static void refuse(struct answer *answer, unsigned status, const struct sample_fault *fault)
{
    answer->response.status = status;
    add_header(answer, "Content-Type", "application/json");
    add_header(answer, "Cache-Control", "no-store");
    hf_buf_clear(&answer->body);
    render_error(fault, &answer->body);
}

static void refuse_with(struct answer *answer, unsigned status, const char *code, const char *format, ...)
    HF_PRINTF(4, 5);

static void refuse_with(struct answer *answer, unsigned status, const char *code, const char *format, ...)
{
    struct sample_fault fault = {.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(fault.message, sizeof fault.message, format, args);
    va_end(args);
    refuse(answer, status, &fault);
}

static void refuse_for_now(struct answer *answer, const char *message)
{
    hf_buf_printf(&answer->headers, "Retry-After: %d\r\n", RETRY_AFTER_S);
    refuse_with(answer, 503, "unavailable", "%s", message);
}

/* The store, or memory, failed. What it said is for the log alone. */
static void fail(struct answer *answer, enum hf_err err)
{
    answer->response.err = err;
    switch (err) {
    case HF_NOTFOUND: refuse_for_now(answer, "There is no store yet: nothing has been collected."); break;
    case HF_AGAIN:
    case HF_TIMEOUT:
    case HF_BUSY:
    case HF_STALE: refuse_for_now(answer, "The store is busy or being recovered; try again."); break;
    case HF_NOMEM: refuse_for_now(answer, "Out of memory; try again."); break;
    default: refuse_with(answer, 500, "internal_error", "The store cannot be read; the server's log says why."); break;
    }
}

/* ---- what may be asked ---- */

/* The same words whatever the key: they must not tell whether it exists. */
static bool permitted(struct answer *answer, const char *authorization)
{
    const struct query_path *path = &answer->path;
    answer->grant = access_check(answer->access, authorization);
    bool ok = path->kind == PATH_HEALTH || path->kind == PATH_METRICS ||
              (path->kind == PATH_KEYS ? access_any(&answer->grant)
                                       : access_stat(&answer->grant, path->key, path->key_bytes, path->stat.name));
    if (ok)
        return true;
    if (answer->grant.known) {
        refuse_with(answer, 403, "forbidden", "The view of this token does not hold this key and statistic.");
        return false;
    }
    add_header(answer, "WWW-Authenticate", "Bearer realm=\"hourfold\"");
    refuse_with(answer, 401, "unauthorized", "A token of a view is needed, as \"Authorization: Bearer TOKEN\".");
    return false;
}

static bool affordable(struct answer *answer)
{
    unsigned cells = series_cells(&answer->path);
    if (cells <= answer->conf->query.max_cells)
        return true;
    refuse_with(answer, 400, "too_many_cells", "This would read %u cells; query.max_cells permits %lld.", cells,
                (long long)answer->conf->query.max_cells);
    return false;
}

/* ---- answers ---- */

/* Finish a 200: its type, how it may be cached, its tag; or make it the 304 that the client has it already. */
static void finish(struct answer *answer, const struct answer_request *request, const char *type, bool complete,
                   const char *etag)
{
    bool views = !access_open(answer->access), same = etag_matches(request->if_none_match, etag);
    answer->response.status = same ? 304 : 200;
    if (same)
        hf_buf_clear(&answer->body);
    else
        add_header(answer, "Content-Type", type);
    add_header(answer, "ETag", etag);
    add_header(answer, "Vary", views ? "Accept, Authorization" : "Accept");
    if (complete)
        hf_buf_printf(&answer->headers, "Cache-Control: %smax-age=%d\r\n", views ? "private, " : "", ANSWER_MAX_AGE_S);
    else
        add_header(answer, "Cache-Control", "no-store");
}

static const char *type_of(enum path_format format)
{
    return format == PATH_CSV ? "text/csv; charset=utf-8" : "application/json";
}

static void refuse_missing(struct answer *answer)
{
    switch (answer->miss) {
    case SERIES_UNKNOWN_KEY:
        refuse_with(answer, 404, "unknown_key", "No sample of this key has ever been counted.");
        break;
    case SERIES_NO_SAMPLES:
        refuse_with(answer, 404, "no_samples", "This key has no samples in that hour.");
        break;
    case SERIES_MINUTES_EXPIRED:
        refuse_with(answer, 404, "minutes_expired",
                    "The minutes of that hour are no longer kept (store.minute_days); the hour itself is.");
        break;
    }
}

/* A miss is an outcome here, apart from the HF_NOTFOUND of a store that is not there. */
struct series_outcome {
    struct answer *answer;
    int64_t now_ms;
    bool missing;
};

static enum hf_err read_series(struct store_read *read, void *context)
{
    struct series_outcome *outcome = context;
    struct answer *answer = outcome->answer;
    enum hf_err err = series_read(read, &answer->path, outcome->now_ms, &answer->series, &answer->miss);
    outcome->missing = err == HF_NOTFOUND;
    return outcome->missing ? HF_OK : err;
}

/* Read, and where that met a commit between an hour and its minutes, look again until it is written, for a while: it takes
 * milliseconds, or a few hundred of them with very many keys. Then both are told as they are. */
static enum hf_err read_whole(struct store *store, struct series_outcome *outcome, struct hf_why *why)
{
    enum hf_err err = attempt_read(store, read_series, outcome, why);
    for (long wait_ms = 1; wait_ms <= TORN_WAIT_MS; wait_ms *= 2) {
        if (err != HF_OK || outcome->missing || !outcome->answer->series.torn)
            break;
        nanosleep(&(struct timespec){.tv_nsec = wait_ms * 1000000}, NULL);
        err = attempt_read(store, read_series, outcome, why);
    }
    return err;
}

static void answer_series(struct answer *answer, const struct answer_request *request)
{
    struct series_outcome outcome = {.answer = answer, .now_ms = request->now_ms};
    char etag[ETAG_BYTES];
    enum hf_err err = request->no_store;
    if (!affordable(answer))
        return;
    if (request->store != NULL)
        err = read_whole(request->store, &outcome, &answer->response.why);
    if (err == HF_OK && outcome.missing) {
        refuse_missing(answer);
        return;
    }
    if (err == HF_OK)
        err = etag_of_series(&answer->path, &answer->series, &answer->scratch, etag);
    if (err != HF_OK) {
        fail(answer, err);
        return;
    }
    if (answer->path.format == PATH_CSV)
        render_series_csv(&answer->path, &answer->series, &answer->body);
    else
        render_series_json(&answer->path, &answer->series, &answer->body);
    finish(answer, request, type_of(answer->path.format), answer->series.whole.complete, etag);
}

static void finish_bytes(struct answer *answer, const struct answer_request *request, const char *type)
{
    char etag[ETAG_BYTES];
    etag_of_bytes(answer->body.data, answer->body.len, etag);
    finish(answer, request, type, false, etag);
}

static void answer_keys(struct answer *answer, const struct answer_request *request)
{
    enum hf_err err = request->no_store;
    if (request->store != NULL)
        err = keys_read(request->store, &answer->path, &answer->grant, &answer->keys, &answer->response.why);
    if (err != HF_OK) {
        fail(answer, err);
        return;
    }
    if (answer->path.format == PATH_CSV)
        render_keys_csv(&answer->keys, &answer->body);
    else
        render_keys_json(&answer->keys, &answer->body);
    finish_bytes(answer, request, type_of(answer->path.format));
}

static void answer_health(struct answer *answer, const struct answer_request *request)
{
    struct status_report report;
    answer->response.err = status_gather(answer->conf, request->store, request->no_store, request->now_ms, &report,
                                         &answer->response.why);
    if (status_render_health(&report, &answer->body)) {
        finish_bytes(answer, request, "application/json");
        return;
    }
    answer->response.status = 503;
    add_header(answer, "Content-Type", "application/json");
    add_header(answer, "Cache-Control", "no-store");
}

static void answer_metrics(struct answer *answer, const struct answer_request *request)
{
    struct status_report report;
    answer->response.err = status_gather(answer->conf, request->store, request->no_store, request->now_ms, &report,
                                         &answer->response.why);
    status_render_metrics(&report, &answer->body);
    finish_bytes(answer, request, "text/plain; version=0.0.4; charset=utf-8");
}

static void answer_get(struct answer *answer, const struct answer_request *request)
{
    struct sample_fault fault = {0};
    const char *uri = request->uri != NULL ? request->uri : "";
    uri += query_path_mount(uri, request->mount, request->script_name, request->path_info);
    enum hf_err err = query_path_read(uri, request->accept, &answer->path, &fault);
    if (err != HF_OK) {
        refuse(answer, err == HF_NOTFOUND ? 404 : 400, &fault);
        return;
    }
    if (!permitted(answer, request->authorization))
        return;
    switch (answer->path.kind) {
    case PATH_HOUR:
    case PATH_DAY: answer_series(answer, request); break;
    case PATH_KEYS: answer_keys(answer, request); break;
    case PATH_HEALTH: answer_health(answer, request); break;
    case PATH_METRICS: answer_metrics(answer, request); break;
    }
}

/* OPTIONS: what a browser asks before a request with a header of its own. */
static void answer_options(struct answer *answer)
{
    answer->response.status = 204;
    add_header(answer, "Allow", METHODS);
    add_header(answer, "Access-Control-Allow-Methods", METHODS);
    add_header(answer, "Access-Control-Allow-Headers", "Authorization, Accept, If-None-Match");
    hf_buf_printf(&answer->headers, "Access-Control-Max-Age: %d\r\n", PREFLIGHT_MAX_AGE_S);
}

static void refuse_method(struct answer *answer)
{
    add_header(answer, "Allow", METHODS);
    refuse_with(answer, 405, "method_not_allowed", "Permitted are " METHODS ".");
}

const struct answer_response *answer_request(struct answer *answer, const struct answer_request *request)
{
    const char *method = request->method != NULL ? request->method : "";
    hf_buf_clear(&answer->headers);
    hf_buf_clear(&answer->body);
    answer->response = (struct answer_response){.err = HF_OK};
    add_header(answer, "X-Content-Type-Options", "nosniff");
    if (*answer->conf->query.cors_origin != '\0')
        add_header(answer, "Access-Control-Allow-Origin", answer->conf->query.cors_origin);

    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        answer_get(answer, request);
    else if (strcmp(method, "OPTIONS") == 0)
        answer_options(answer);
    else
        refuse_method(answer);

    hf_buf_u8(&answer->headers, 0);
    if (hf_buf_ok(&answer->headers) && hf_buf_ok(&answer->body)) {
        answer->response.headers = (const char *)answer->headers.data;
        answer->response.body = answer->body.data;
        answer->response.body_bytes = answer->body.len;
    } else {
        answer->response.status = 503;
        answer->response.err = HF_NOMEM;
        answer->response.headers = "Cache-Control: no-store\r\n";
    }
    return &answer->response;
}
