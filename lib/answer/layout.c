/* SPDX-License-Identifier: Apache-2.0 */
/* From the zone and the times of a query to its slots. */
#include "answer/inside.h"

#include "answer/attempt.h"
#include "base/utc.h"

static bool open_zone(struct answer *answer)
{
    const char *name = answer->path.tz;
    hf_zone_free(&answer->zone);
    if (*name == '\0')
        return true;
    enum hf_err err = hf_zone_open(HF_ZONE_DIRECTORY, name, &answer->zone);
    if (err == HF_NOTFOUND)
        reply_refuse_with(answer, 400, "bad_parameter", "tz", "tz: this machine knows no such zone.");
    else if (err == HF_NOMEM)
        reply_fail(answer, err);
    else if (err != HF_OK)
        reply_refuse_with(answer, 400, "bad_parameter", "tz", "tz: the zone's file cannot be read.");
    return err == HF_OK;
}

static bool laid_out(struct answer *answer, enum hf_err err)
{
    size_t most = (size_t)answer->conf->query.max_cells;
    if (err == HF_FULL || (err == HF_OK && answer->slots.cells > most))
        reply_too_many_cells(answer, answer->slots.cells);
    else if (err == HF_NOTFOUND)
        reply_refuse_with(answer, 400, "bad_date", "date", "The clocks of that zone skipped that day.");
    else if (err == HF_INVALID)
        reply_refuse_with(answer, 400, "bad_parameter", "tz", "tz: the zone was no whole number of minutes from UTC then.");
    else if (err != HF_OK)
        reply_fail(answer, err);
    else
        return true;
    return false;
}

bool layout_day(struct answer *answer, int64_t step_ms)
{
    return open_zone(answer) && laid_out(answer, slots_of_day(answer->zone, answer->path.date_ms, step_ms, &answer->slots));
}

bool layout_hour(struct answer *answer)
{
    const struct query_path *path = &answer->path;
    int64_t start_ms = path->date_ms + path->hour * HF_HOUR_MS;
    enum hf_err err = slots_of_range(NULL, start_ms, start_ms + (path->by_minute ? HF_HOUR_MS : 0), HF_MINUTE_MS, SIZE_MAX, &answer->slots);
    if (err == HF_OK && answer->slots.cells + 1 > (size_t)answer->conf->query.max_cells) {
        reply_too_many_cells(answer, answer->slots.cells + 1);
        return false;
    }
    return laid_out(answer, err);
}

static int64_t moment_of(const struct answer *answer, const struct query_time *time, int64_t default_ms)
{
    if (!time->given)
        return default_ms;
    return time->date ? slots_day_start_ms(answer->zone, time->ms) : time->ms;
}

bool layout_range(struct answer *answer, int64_t now_ms, int64_t default_ms, int64_t step_ms)
{
    struct query_path *path = &answer->path;
    if (!open_zone(answer))
        return false;
    int64_t to_ms = moment_of(answer, &path->to, now_ms), from_ms = moment_of(answer, &path->from, to_ms - default_ms);
    if (from_ms >= to_ms) {
        reply_refuse_with(answer, 400, "bad_parameter", path->to.given ? "to" : "from",
                          "Nothing lies between from and to: to is the first moment that is left out.");
        return false;
    }
    size_t most = (size_t)answer->conf->query.max_cells;
    return laid_out(answer, slots_of_range(answer->zone, from_ms, to_ms, step_ms, most, &answer->slots));
}

static enum hf_err read_once(struct store_read *read, void *context) { return store_read_status(read, context); }

enum hf_err read_status(struct answer *answer, const struct answer_request *request, struct store_status *out)
{
    if (request->store == NULL)
        return request->no_store;
    return attempt_read(request->store, read_once, out, &answer->response.why);
}

struct about_key {
    const struct query_path *path;
    struct store_status *status;
    bool known;
};

static enum hf_err read_key_once(struct store_read *read, void *context)
{
    struct about_key *about = context;
    enum hf_err err = store_read_status(read, about->status);
    if (err != HF_OK)
        return err;
    err = store_read_key(read, about->path->key, about->path->key_bytes, NULL);
    about->known = err == HF_OK;
    return err == HF_NOTFOUND ? HF_OK : err;
}

bool read_about_key(struct answer *answer, const struct answer_request *request, struct store_status *out)
{
    struct about_key about = {.path = &answer->path, .status = out};
    enum hf_err err = request->no_store;
    if (request->store != NULL)
        err = attempt_read(request->store, read_key_once, &about, &answer->response.why);
    if (err != HF_OK)
        reply_fail(answer, err);
    else if (!about.known)
        reply_missing(answer, SERIES_UNKNOWN_KEY);
    else if (!slots_kept(&answer->slots, out))
        reply_missing(answer, SERIES_MINUTES_EXPIRED);
    else
        return true;
    return false;
}
