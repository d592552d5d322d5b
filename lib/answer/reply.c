/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of an answer: refusals, failures, and what is said of a body. */
#include "answer/inside.h"

#include <stdarg.h>
#include <stdio.h>

#include "answer/etag.h"
#include "answer/render.h"

#define RETRY_AFTER_S 1

void reply_header(struct answer *answer, const char *name, const char *value)
{
    hf_buf_printf(&answer->headers, "%s: %s\r\n", name, value);
}

void reply_refuse(struct answer *answer, unsigned status, const struct sample_fault *fault)
{
    answer->response.status = status;
    reply_header(answer, "Content-Type", "application/json");
    reply_header(answer, "Cache-Control", "no-store");
    hf_buf_clear(&answer->body);
    render_error(fault, &answer->body);
}

void reply_refuse_with(struct answer *answer, unsigned status, const char *code, const char *parameter, const char *format, ...)
{
    struct sample_fault fault = {.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(fault.message, sizeof fault.message, format, args);
    va_end(args);
    snprintf(fault.parameter, sizeof fault.parameter, "%s", parameter);
    reply_refuse(answer, status, &fault);
}

void reply_too_many_cells(struct answer *answer, size_t cells)
{
    reply_refuse_with(answer, 400, "too_many_cells", "", "This would read %zu cells or more; query.max_cells permits %lld.", cells,
                      (long long)answer->conf->query.max_cells);
}

static void refuse_for_now(struct answer *answer, const char *message)
{
    hf_buf_printf(&answer->headers, "Retry-After: %d\r\n", RETRY_AFTER_S);
    reply_refuse_with(answer, 503, "unavailable", "", "%s", message);
}

void reply_fail(struct answer *answer, enum hf_err err)
{
    answer->response.err = err;
    switch (err) {
    case HF_NOTFOUND: refuse_for_now(answer, "There is no store yet: nothing has been collected."); break;
    case HF_AGAIN:
    case HF_TIMEOUT:
    case HF_BUSY:
    case HF_STALE: refuse_for_now(answer, "The store is busy or being recovered; try again."); break;
    case HF_FULL: refuse_for_now(answer, "The disk of the store is full, so that it cannot be recovered."); break;
    case HF_NOMEM: refuse_for_now(answer, "Out of memory; try again."); break;
    default: reply_refuse_with(answer, 500, "internal_error", "", "The store cannot be read; the server's log says why."); break;
    }
}

void reply_finish(struct answer *answer, const struct answer_request *request, const char *type, bool complete,
                   const char *etag)
{
    bool views = !access_open(answer->access), same = etag_matches(request->if_none_match, etag);
    answer->response.status = same ? 304 : 200;
    if (same)
        hf_buf_clear(&answer->body);
    else
        reply_header(answer, "Content-Type", type);
    reply_header(answer, "ETag", etag);
    reply_header(answer, "Vary", views ? "Accept, Authorization" : "Accept");
    if (complete)
        hf_buf_printf(&answer->headers, "Cache-Control: %smax-age=%d\r\n", views ? "private, " : "", ANSWER_MAX_AGE_S);
    else
        reply_header(answer, "Cache-Control", "no-store");
}

const char *reply_type(const struct answer *answer)
{
    return answer->path.format == PATH_CSV ? "text/csv; charset=utf-8" : "application/json";
}

void reply_missing(struct answer *answer, enum series_miss miss)
{
    switch (miss) {
    case SERIES_UNKNOWN_KEY:
        reply_refuse_with(answer, 404, "unknown_key", "", "No sample of this key has ever been counted.");
        break;
    case SERIES_NO_SAMPLES:
        reply_refuse_with(answer, 404, "no_samples", "", "This key has no samples in that hour.");
        break;
    case SERIES_MINUTES_EXPIRED:
        reply_refuse_with(answer, 404, "minutes_expired", "",
                    "Minutes of that time are no longer kept (store.minute_days).");
        break;
    }
}

void reply_finish_bytes(struct answer *answer, const struct answer_request *request, const char *type)
{
    char etag[ETAG_BYTES];
    etag_of_bytes(answer->body.data, answer->body.len, etag);
    reply_finish(answer, request, type, false, etag);
}

void reply_finish_body(struct answer *answer, const struct answer_request *request, bool complete, size_t tagged_bytes)
{
    char etag[ETAG_BYTES];
    etag_of_bytes(answer->body.data, tagged_bytes, etag);
    reply_finish(answer, request, reply_type(answer), complete, etag);
}
