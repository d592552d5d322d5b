/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/status.h"

#include <inttypes.h>
#include <string.h>

#include "answer/attempt.h"
#include "answer/render.h"
#include "base/num.h"
#include "config.h"

static enum hf_err read_once(struct store_read *read, void *context) { return store_read_status(read, context); }

enum hf_err status_read(struct store *store, enum hf_err no_store, struct store_status *out, struct hf_why *why)
{
    return store == NULL ? no_store : attempt_read(store, read_once, out, why);
}

/* ---- health ---- */

struct reason {
    const char *code;
    const char *message;
};

static bool find_reason(enum hf_err err, const struct store_status *status, int64_t now_ms, int64_t behind_max_ms,
                        struct reason *out)
{
    if (err == HF_NOTFOUND)
        *out = (struct reason){"no_store", "There is no store yet: the consumer has not been started."};
    else if (err == HF_TIMEOUT || err == HF_AGAIN || err == HF_STALE || err == HF_BUSY)
        *out = (struct reason){"store_recovering", "The store is being recovered."};
    else if (err != HF_OK)
        *out = (struct reason){"store_unreadable", "The store cannot be read; the log of hourfold-query says why."};
    else if (status->as_of_ms == 0)
        *out = (struct reason){"never_committed", "The consumer has not committed anything yet."};
    else if (now_ms - status->as_of_ms > behind_max_ms)
        *out = (struct reason){"consumer_behind", "The consumer is down or behind; answers are as old as as_of says."};
    else
        return false;
    return true;
}

static void put_count(const char *name, uint64_t v, struct hf_buf *out)
{
    hf_buf_printf(out, ",\"%s\":%" PRIu64, name, v);
}

bool status_render_health(enum hf_err err, const struct store_status *status, int64_t now_ms, int64_t behind_max_ms,
                          struct hf_buf *out)
{
    struct reason reason;
    bool failing = find_reason(err, status, now_ms, behind_max_ms, &reason);
    hf_buf_printf(out, "{\"status\":\"%s\",\"reasons\":[", failing ? "failing" : "ok");
    if (failing)
        hf_buf_printf(out, "{\"code\":\"%s\",\"message\":\"%s\"}", reason.code, reason.message);
    hf_buf_puts(out, "],\"version\":\"" PACKAGE_VERSION "\"");
    if (err == HF_OK) {
        hf_buf_puts(out, ",\"as_of\":");
        render_time(status->as_of_ms, out);
        put_count("position", status->position, out);
        put_count("keys", status->keys, out);
        put_count("accepted", status->accepted, out);
        put_count("folded", status->folded, out);
        put_count("duplicate", status->duplicate, out);
        put_count("late", status->late, out);
        put_count("refused", status->refused, out);
        put_count("expired", status->expired, out);
        put_count("rewinds", status->rewinds, out);
    }
    hf_buf_puts(out, "}\n");
    return !failing;
}

/* ---- metrics ---- */

static void put_head(const char *name, const char *type, const char *help, struct hf_buf *out)
{
    hf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_metric(const char *name, const char *type, const char *help, uint64_t v, struct hf_buf *out)
{
    put_head(name, type, help, out);
    hf_buf_printf(out, "%s %" PRIu64 "\n", name, v);
}

void status_render_metrics(enum hf_err err, const struct store_status *status, struct hf_buf *out)
{
    char text[HF_DOUBLE_TEXT];
    put_head("hourfold_build_info", "gauge", "Version of the program that answers; always 1.", out);
    hf_buf_puts(out, "hourfold_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
    put_metric("hourfold_store_up", "gauge", "Whether the store could be read (1) or not (0).", err == HF_OK, out);
    if (err != HF_OK)
        return;
    put_metric("hourfold_samples_accepted_total", "counter", "Samples in all valid batches read: folded and duplicate.",
               status->accepted, out);
    put_metric("hourfold_samples_folded_total", "counter", "Samples counted into cells.", status->folded, out);
    put_metric("hourfold_samples_duplicate_total", "counter", "Samples that came again and were not counted.",
               status->duplicate, out);
    put_metric("hourfold_samples_late_total", "counter", "Folded samples that came after their hour had ended.",
               status->late, out);
    put_metric("hourfold_samples_expired_total", "counter", "Samples of hours that were deleted for their age.",
               status->expired, out);
    put_metric("hourfold_refused_messages_total", "counter", "Messages on the stream that were no valid batch.",
               status->refused, out);
    put_metric("hourfold_stream_rewinds_total", "counter", "Times the stream was found lost, rewound or made anew.",
               status->rewinds, out);
    put_metric("hourfold_keys", "gauge", "Distinct keys.", status->keys, out);
    put_metric("hourfold_position", "gauge", "Sequence of the last message folded.", status->position, out);
    put_head("hourfold_as_of_timestamp_seconds", "gauge",
             "Every sample acknowledged before this time is in the answers; 0 before the first commit.", out);
    hf_buf_printf(out, "hourfold_as_of_timestamp_seconds %s\n",
                  hf_format_double((double)status->as_of_ms / 1000, text));
}
