/* SPDX-License-Identifier: Apache-2.0 */
/* One hour or day, with its minutes or hours. */
#include "answer/inside.h"

#include <time.h>

#include "answer/attempt.h"
#include "answer/render.h"
#include "base/utc.h"

#define TORN_WAIT_MS 128 /* the longest of the waits, each twice the one before */

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
    enum hf_err err = series_read(read, &answer->path, &answer->slots, outcome->now_ms, &answer->series, &answer->miss);
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

void answer_series(struct answer *answer, const struct answer_request *request)
{
    struct series_outcome outcome = {.answer = answer, .now_ms = request->now_ms};
    char etag[ETAG_BYTES];
    enum hf_err err = request->no_store;
    if (!(answer->path.kind == PATH_DAY ? layout_day(answer, HF_HOUR_MS) : layout_hour(answer)))
        return;
    if (request->read != NULL) {
        err = read_series(request->read, &outcome);
        if (err != HF_OK)
            return;
    } else if (request->store != NULL)
        err = read_whole(request->store, &outcome, &answer->response.why);
    if (err == HF_OK && outcome.missing) {
        reply_missing(answer, answer->miss);
        return;
    }
    if (err == HF_OK)
        err = etag_of_series(&answer->path, &answer->series, &answer->scratch, etag);
    if (err != HF_OK) {
        reply_fail(answer, err);
        return;
    }
    if (answer->path.format == PATH_CSV)
        render_series_csv(&answer->path, &answer->series, &answer->body);
    else
        render_series_json(&answer->path, &answer->series, &answer->body);
    reply_finish(answer, request, reply_type(answer), answer->series.whole.complete, etag);
}
