/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of answering: what the files that answer one kind of query share. Each
 * takes a request whose path is read and permitted, and either refuses or appends a
 * body and finishes.
 */
#ifndef HF_ANSWER_INSIDE_H
#define HF_ANSWER_INSIDE_H

#include "answer/answer.h"
#include "answer/etag.h"
#include "answer/keys.h"
#include "answer/pages.h"
#include "answer/path.h"
#include "answer/series.h"
#include "answer/slots.h"

struct answer {
    const struct hf_conf *conf;
    const struct access *access;
    struct query_path path;
    struct access_grant grant;
    struct hf_zone *zone; /* of the path; NULL is UTC */
    struct slots slots;
    struct series series;
    enum series_miss miss;
    struct keys_page keys;
    struct hf_buf headers, body, scratch;
    struct answer_response response;
};

/* ---- the pieces of an answer ---- */

void reply_header(struct answer *answer, const char *name, const char *value);

/* Refuse with a document that says why. */
void reply_refuse(struct answer *answer, unsigned status, const struct sample_fault *fault);
void reply_refuse_with(struct answer *answer, unsigned status, const char *code, const char *parameter, const char *format, ...)
    HF_PRINTF(5, 6);
void reply_too_many_cells(struct answer *answer, size_t cells);
void reply_missing(struct answer *answer, enum series_miss miss);

/* The store, or memory, failed. What it said is for the log alone. */
void reply_fail(struct answer *answer, enum hf_err err);

/* Finish a 200: its type, how it may be cached, its tag; or make it the 304 that the client has it already. */
void reply_finish(struct answer *answer, const struct answer_request *request, const char *type, bool complete,
                  const char *etag);
const char *reply_type(const struct answer *answer); /* of the path's format */
/* With the tag of the first bytes of the body, and the type of the path's format. */
void reply_finish_body(struct answer *answer, const struct answer_request *request, bool complete, size_t tagged_bytes);
void reply_finish_bytes(struct answer *answer, const struct answer_request *request, const char *type);

/* ---- what is asked about ---- */

/* Lay out answer->slots: the hours (or minutes) of the path's day, or of its time from `from` to `to`, which without values are now
 * and `default_ms` before it. False when it was refused: what cannot be, or more cells than a query may read. */
bool layout_day(struct answer *answer, int64_t step_ms);
bool layout_hour(struct answer *answer); /* the minutes of an hour of UTC if the path wants them */
bool layout_range(struct answer *answer, int64_t now_ms, int64_t default_ms, int64_t step_ms);

/* The status of the store, to be read before the cells. What store_read_begin() and store_read_status() give, or why there is
 * no store. */
HF_MUST_CHECK enum hf_err read_status(struct answer *answer, const struct answer_request *request, struct store_status *out);

/* The same, and whether the path's key is known and the minutes of answer->slots are kept; false when that was refused, or
 * reading failed. */
bool read_about_key(struct answer *answer, const struct answer_request *request, struct store_status *out);

/* ---- the kinds of queries ---- */

void answer_series(struct answer *answer, const struct answer_request *request);
void answer_rows(struct answer *answer, const struct answer_request *request);
void answer_spikes(struct answer *answer, const struct answer_request *request);
void answer_heatmap(struct answer *answer, const struct answer_request *request);
void answer_pattern(struct answer *answer, const struct answer_request *request);
void answer_page(struct answer *answer, const struct answer_request *request);
void answer_to_page(struct answer *answer);

#endif
