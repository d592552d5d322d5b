/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/inside.h"
#include "answer/render.h"
#include "answer/status.h"

#define BODY_KEPT_BYTES (4u << 20) /* of memory, from one request to the next */
#define PREFLIGHT_MAX_AGE_S 86400
#define METHODS "GET, HEAD, OPTIONS"

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
    hf_zone_free(&(*answer)->zone);
    slots_free(&(*answer)->slots);
    series_free(&(*answer)->series);
    keys_free(&(*answer)->keys);
    hf_buf_free(&(*answer)->headers);
    hf_buf_free(&(*answer)->body);
    hf_buf_free(&(*answer)->scratch);
    free(*answer);
    *answer = NULL;
}

/* ---- what may be asked ---- */

static bool may_see(const struct access_grant *grant, const struct query_path *path)
{
    switch (path->kind) {
    case PATH_HOUR:
    case PATH_DAY:
    case PATH_PATTERN: return access_stat(grant, path->key, path->key_bytes, path->stat.name);
    case PATH_SERIES: return access_any_stat(grant, path->stat.name); /* and then each key by itself */
    case PATH_SPIKES:
        return access_stat(grant, path->key, path->key_bytes, "max") && access_stat(grant, path->key, path->key_bytes, "p99");
    case PATH_HEATMAP: return access_stat(grant, path->key, path->key_bytes, "all"); /* as every percentile can be read off it */
    case PATH_KEYS: return access_any(grant);
    case PATH_HEALTH:
    case PATH_METRICS:
    case PATH_PAGE:
    case PATH_TO_PAGE: break;
    }
    return true;
}

/* The same words whatever the key: they must not tell whether it exists. */
static bool permitted(struct answer *answer, const char *authorization)
{
    answer->grant = access_check(answer->access, authorization);
    if (may_see(&answer->grant, &answer->path))
        return true;
    if (answer->grant.known) {
        reply_refuse_with(answer, 403, "forbidden", "", "The view of this token does not hold this key and statistic.");
        return false;
    }
    reply_header(answer, "WWW-Authenticate", "Bearer realm=\"hourfold\"");
    reply_refuse_with(answer, 401, "unauthorized", "", "A token of a view is needed, as \"Authorization: Bearer TOKEN\".");
    return false;
}

/* ---- answers ---- */

static void answer_keys(struct answer *answer, const struct answer_request *request)
{
    struct query_path *path = &answer->path;
    struct keys_query query = {.globs = &path->keys, .after = path->after, .limit = path->limit};
    enum hf_err err = request->no_store;
    bool match = path->keys.count > 0;
    if (!match)
        snprintf(path->keys.text, sizeof path->keys.text, "%s*", path->prefix);
    if ((match || globs_read(&path->keys)) && request->store != NULL)
        err = keys_read(request->store, &query, &answer->grant, &answer->keys, &answer->response.why);
    if (err != HF_OK) {
        reply_fail(answer, err);
        return;
    }
    /* A page that is not full goes on behind its last key: behind the last key looked at would name one that may not be seen. */
    answer->keys.more |= answer->keys.gave_up;
    if (answer->keys.more && answer->keys.count == 0) {
        reply_refuse_with(answer, 400, "too_many_keys", match ? "match" : "prefix",
                          "None of %u keys may be seen or match; ask for those that begin with something more.", KEYS_LOOKED_AT_MAX);
        return;
    }
    if (answer->path.format == PATH_CSV)
        render_keys_csv(&answer->keys, &answer->body);
    else
        render_keys_json(&answer->keys, &answer->body);
    reply_finish_bytes(answer, request, reply_type(answer));
}

static void answer_health(struct answer *answer, const struct answer_request *request)
{
    struct status_report report;
    answer->response.err = status_gather(answer->conf, request->store, request->no_store, request->now_ms, &report,
                                         &answer->response.why);
    if (status_render_health(&report, &answer->body)) {
        reply_finish_bytes(answer, request, "application/json");
        return;
    }
    answer->response.status = 503;
    reply_header(answer, "Content-Type", "application/json");
    reply_header(answer, "Cache-Control", "no-store");
}

static void answer_metrics(struct answer *answer, const struct answer_request *request)
{
    struct status_report report;
    answer->response.err = status_gather(answer->conf, request->store, request->no_store, request->now_ms, &report,
                                         &answer->response.why);
    status_render_metrics(&report, &answer->body);
    reply_finish_bytes(answer, request, "text/plain; version=0.0.4; charset=utf-8");
}

static bool takes_one_cell(const struct query_path *path) { return path->kind == PATH_HOUR && !path->by_minute; }

static void answer_get(struct answer *answer, const struct answer_request *request)
{
    struct sample_fault fault = {0};
    const char *uri = request->uri != NULL ? request->uri : "";
    uri += query_path_mount(uri, request->mount, request->script_name, request->path_info);
    enum hf_err err = query_path_read(uri, request->accept, &answer->path, &fault);
    if (err != HF_OK) {
        reply_refuse(answer, err == HF_NOTFOUND ? 404 : 400, &fault);
        return;
    }
    if (!permitted(answer, request->authorization))
        return;
    if (request->read != NULL && !takes_one_cell(&answer->path))
        return;
    switch (answer->path.kind) {
    case PATH_HOUR:
    case PATH_DAY: answer_series(answer, request); break;
    case PATH_SERIES: answer_rows(answer, request); break;
    case PATH_SPIKES: answer_spikes(answer, request); break;
    case PATH_HEATMAP: answer_heatmap(answer, request); break;
    case PATH_PATTERN: answer_pattern(answer, request); break;
    case PATH_KEYS: answer_keys(answer, request); break;
    case PATH_HEALTH: answer_health(answer, request); break;
    case PATH_METRICS: answer_metrics(answer, request); break;
    case PATH_PAGE: answer_page(answer, request); break;
    case PATH_TO_PAGE: answer_to_page(answer); break;
    }
}

/* OPTIONS: what a browser asks before a request with a header of its own. */
static void answer_options(struct answer *answer)
{
    answer->response.status = 204;
    reply_header(answer, "Allow", METHODS);
    reply_header(answer, "Access-Control-Allow-Methods", METHODS);
    reply_header(answer, "Access-Control-Allow-Headers", "Authorization, Accept, If-None-Match");
    hf_buf_printf(&answer->headers, "Access-Control-Max-Age: %d\r\n", PREFLIGHT_MAX_AGE_S);
}

static void refuse_method(struct answer *answer)
{
    reply_header(answer, "Allow", METHODS);
    reply_refuse_with(answer, 405, "method_not_allowed", "", "Permitted are " METHODS ".");
}

const struct answer_response *answer_request(struct answer *answer, const struct answer_request *request)
{
    const char *method = request->method != NULL ? request->method : "";
    hf_buf_clear(&answer->headers);
    if (answer->body.capacity > BODY_KEPT_BYTES)
        hf_buf_free(&answer->body);
    hf_buf_clear(&answer->body);
    answer->response = (struct answer_response){.err = HF_OK};
    reply_header(answer, "X-Content-Type-Options", "nosniff");
    if (*answer->conf->query.cors_origin != '\0')
        reply_header(answer, "Access-Control-Allow-Origin", answer->conf->query.cors_origin);

    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        answer_get(answer, request);
    else if (strcmp(method, "OPTIONS") == 0)
        answer_options(answer);
    else
        refuse_method(answer);

    hf_buf_u8(&answer->headers, 0);
    if (hf_buf_ok(&answer->headers) && hf_buf_ok(&answer->body)) {
        answer->response.headers = (const char *)answer->headers.data;
        if (answer->response.body == NULL) {
            answer->response.body = answer->body.data;
            answer->response.body_bytes = answer->body.len;
        }
    } else {
        answer->response.status = 503;
        answer->response.err = HF_NOMEM;
        answer->response.body_bytes = 0;
        answer->response.headers = "Cache-Control: no-store\r\n";
    }
    return &answer->response;
}
