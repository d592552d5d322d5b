/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "answer/status.h"
#include "base/num.h"
#include "config.h"

static void put_head(const char *name, const char *type, const char *help, struct hf_buf *out)
{
    hf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_counter(const char *name, const char *help, uint64_t v, struct hf_buf *out)
{
    put_head(name, "counter", help, out);
    hf_buf_printf(out, "%s %" PRIu64 "\n", name, v);
}

static void put_gauge(const char *name, const char *help, uint64_t v, struct hf_buf *out)
{
    put_head(name, "gauge", help, out);
    hf_buf_printf(out, "%s %" PRIu64 "\n", name, v);
}

static void put_time(const char *name, const char *help, int64_t time_ms, struct hf_buf *out)
{
    char text[HF_DOUBLE_TEXT];
    put_head(name, "gauge", help, out);
    hf_buf_printf(out, "%s %s\n", name, hf_format_double((double)time_ms / 1000, text));
}

static void put_store(const struct store_status *status, struct hf_buf *out)
{
    put_counter("hourfold_samples_accepted_total", "Samples in all valid batches read: folded and duplicate.",
                status->accepted, out);
    put_counter("hourfold_samples_folded_total", "Samples counted into cells.", status->folded, out);
    put_counter("hourfold_samples_duplicate_total", "Samples that came again and were not counted.", status->duplicate, out);
    put_counter("hourfold_samples_repeated_total", "Of the duplicate samples, those of batches that came again as a whole.",
                status->repeated, out);
    put_counter("hourfold_samples_late_total", "Folded samples that came after their hour had ended.", status->late, out);
    put_counter("hourfold_samples_expired_total", "Samples of hours that were deleted for their age.", status->expired, out);
    put_counter("hourfold_refused_messages_total", "Messages on the stream that were no valid batch.", status->refused, out);
    put_counter("hourfold_stream_rewinds_total", "Times the stream was found lost, rewound or made anew.", status->rewinds,
                out);
    put_gauge("hourfold_keys", "Distinct keys.", status->keys, out);
    put_gauge("hourfold_position", "Sequence of the last message folded.", status->position, out);
    put_time("hourfold_as_of_timestamp_seconds",
             "Every sample acknowledged before this time is in the answers; 0 before the first commit.", status->as_of_ms, out);
}

static void put_health(const struct status_report *report, struct hf_buf *out)
{
    struct status_reason reasons[STATUS_REASONS_MAX];
    unsigned count = status_reasons(report, reasons);
    put_gauge("hourfold_failing", "Whether /-/health answers 503 (1) or 200 (0).",
              count > 0 && reasons[0].severity == STATUS_FAILING, out);
    if (count == 0)
        return;
    put_head("hourfold_health_reason", "gauge", "What /-/health names as a reason; always 1.", out);
    for (unsigned i = 0; i < count; i++)
        hf_buf_printf(out, "hourfold_health_reason{code=\"%s\"} 1\n", reasons[i].code);
}

/* As the consumer last found it. */
static void put_bus(const struct store_view *view, struct hf_buf *out)
{
    put_gauge("hourfold_bus_up", "Whether the consumer finds JetStream well (1) or not (0).", view->bus == STORE_BUS_WELL, out);
    put_time("hourfold_bus_seen_timestamp_seconds", "When the consumer last looked; 0 before the first time.", view->seen_ms,
             out);
    put_gauge("hourfold_stream_waiting_messages", "Messages of the stream that are not folded yet.", view->waiting, out);
    put_gauge("hourfold_stream_messages", "Messages in the stream.", view->messages, out);
    put_gauge("hourfold_stream_max_messages", "The most messages the stream may hold.", view->messages_max, out);
}

static void put_spool(const struct status_report *report, struct hf_buf *out)
{
    put_gauge("hourfold_spool_files", "Files of the spool in which samples wait for the bus.", report->spool.files, out);
    put_gauge("hourfold_spool_bytes", "Bytes of these files.", report->spool.bytes, out);
    put_gauge("hourfold_spool_damaged_files", "Damaged files put aside in the spool.", report->spool.damaged_files, out);
    put_gauge("hourfold_spool_used_bytes", "Bytes of all files in the spool.", report->spool.all_bytes, out);
    put_gauge("hourfold_spool_max_bytes", "The most bytes the spool may take.", report->spool_max_bytes, out);
}

static void put_family(const struct tally_about *about, const uint64_t counts[TALLY_LABELS], struct hf_buf *out)
{
    put_head(about->name, "counter", about->help, out);
    for (unsigned i = about->first; i < about->count; i++)
        if (about->label == NULL)
            hf_buf_printf(out, "%s %" PRIu64 "\n", about->name, counts[i]);
        else
            hf_buf_printf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", about->name, about->label, about->values[i], counts[i]);
}

static void put_tally(const struct tally_values *tally, struct hf_buf *out)
{
    for (unsigned i = 0; i < TALLY_FAMILIES; i++)
        put_family(&tally_about[i], tally->counts[i], out);
    put_time("hourfold_collect_last_request_timestamp_seconds", "When collect last got a request for samples; 0 is never.",
             tally->moments[TALLY_LAST_REQUEST], out);
    put_time("hourfold_collect_last_ack_timestamp_seconds", "When JetStream last acknowledged a batch of collect; 0 is never.",
             tally->moments[TALLY_LAST_ACK], out);
    put_time("hourfold_collect_last_unanswered_timestamp_seconds",
             "When JetStream last left a batch of collect without an answer; 0 is never.",
             tally->moments[TALLY_LAST_UNANSWERED], out);
}

void status_render_metrics(const struct status_report *report, struct hf_buf *out)
{
    put_head("hourfold_build_info", "gauge", "Version of the program that answers; always 1.", out);
    hf_buf_puts(out, "hourfold_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
    put_gauge("hourfold_store_up", "Whether the store could be read (1) or not (0).", report->err == HF_OK, out);
    put_gauge("hourfold_collect_up", "Whether the counters of collect could be read (1) or not (0).", report->has_tally, out);
    put_health(report, out);
    if (report->err == HF_OK) {
        put_store(&report->status, out);
        put_bus(&report->status.view, out);
    }
    if (report->has_spool)
        put_spool(report, out);
    if (report->has_tally)
        put_tally(&report->tally, out);
}
