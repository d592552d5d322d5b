/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/status.h"

#include <inttypes.h>
#include <string.h>

#include "answer/attempt.h"
#include "answer/render.h"
#include "base/num.h"
#include "config.h"

#define BEHIND_MAX_MS 60000        /* past which the consumer is behind */
#define REWOUND_TOLD_MS 3600000    /* how long health speaks of a stream that was lost */
#define UNANSWERED_TOLD_MS 15000   /* and of a publish without an answer */
#define STREAM_NEARLY_FULL 95      /* percent; the consumer trims what is folded from 90 on */
#define SPOOL_NEARLY_FULL 80
#define SPOOL_FULL 99              /* nearly no batch fits any more */

/* ---- gather ---- */

static enum hf_err read_once(struct store_read *read, void *context) { return store_read_status(read, context); }

static void look_at_spool(const struct hf_conf *conf, struct status_report *out)
{
    char boot_id[SPOOL_BOOT_BYTES] = "";
    if (conf->collect.spool[0] == '\0')
        return;
    if (conf->collect.durability == CONF_DURABILITY_POWER && spool_boot_id(boot_id, NULL) != HF_OK)
        boot_id[0] = '\0';
    enum hf_err err = spool_survey(conf->collect.spool, boot_id, &out->spool, NULL);
    out->has_spool = err == HF_OK || err == HF_NOTFOUND;
    out->spool_max_bytes = (uint64_t)conf->collect.spool_max_mb << 20;
}

enum hf_err status_gather(const struct hf_conf *conf, struct store *store, enum hf_err no_store, int64_t now_ms,
                          struct status_report *out, struct hf_why *why)
{
    char path[TALLY_PATH_BYTES];
    int64_t some_commits_ms = 3 * conf->consumer.commit_interval_ms;
    *out = (struct status_report){.now_ms = now_ms,
                                  .behind_max_ms = some_commits_ms > BEHIND_MAX_MS ? some_commits_ms : BEHIND_MAX_MS,
                                  .keys_max = (uint64_t)conf->consumer.max_keys};
    out->err = store == NULL ? no_store : attempt_read(store, read_once, &out->status, why);
    if (store != NULL) {
        int64_t for_ms = 0;
        out->trouble = store_trouble(store, &for_ms);
        out->trouble_since_ms = for_ms > 0 ? now_ms - for_ms : 0;
    }
    look_at_spool(conf, out);
    out->has_tally = tally_read(tally_path(conf, path), &out->tally, NULL) == HF_OK;
    return out->err;
}

/* ---- what is wrong ---- */

struct reasons {
    struct status_reason *list;
    unsigned count;
};

static void add(struct reasons *reasons, bool failing, const char *code, const char *message)
{
    reasons->list[reasons->count++] =
        (struct status_reason){code, failing ? STATUS_FAILING : STATUS_DEGRADED, message};
}

static void find_unreadable(enum hf_err err, struct reasons *reasons)
{
    if (err == HF_NOTFOUND)
        add(reasons, true, "no_store", "There is no store yet: the consumer has not been started.");
    else if (err == HF_TIMEOUT || err == HF_AGAIN || err == HF_STALE || err == HF_BUSY)
        add(reasons, true, "store_recovering", "The store is being recovered.");
    else
        add(reasons, true, "store_unreadable", "The store cannot be read; the log of hourfold-query says why.");
}

/* What keeps samples from being folded. Failing, where `late`, or where a person has to act. */
static void find_of_consumer(const struct status_report *report, bool late, struct reasons *reasons)
{
    switch (report->trouble) {
    case STORE_SOUND: break;
    case STORE_UNATTENDED:
        add(reasons, late, "consumer_down", "No consumer runs; answers are as old as as_of says.");
        break;
    case STORE_RECOVERING: add(reasons, late, "store_recovering", "The store is being recovered."); break;
    case STORE_FULL:
        add(reasons, true, "store_full", "The disk of the store is full: new samples wait in the stream until it has room.");
        break;
    case STORE_DAMAGED:
        add(reasons, true, "store_damaged", "The store is damaged; the log of hourfold-consumer names what to run.");
        break;
    case STORE_FAILING:
        add(reasons, true, "store_failing", "The store cannot be written; the log of hourfold-consumer says why.");
        break;
    }
}

/* As the consumer finds it, and collect. */
static void find_of_bus(const struct status_report *report, bool late, struct reasons *reasons)
{
    const int64_t *moments = report->tally.moments;
    switch (report->trouble == STORE_UNATTENDED ? STORE_BUS_UNKNOWN : report->status.view.bus) {
    case STORE_BUS_UNKNOWN:
    case STORE_BUS_WELL: break;
    case STORE_BUS_AWAY:
        add(reasons, late, "bus_away", "The consumer has no connection to JetStream; it folds on when that is back.");
        break;
    case STORE_BUS_STUCK:
        add(reasons, true, "bus_stuck",
            "nats-server is connected but answers no JetStream request; if its disk is or was full it must be restarted.");
        break;
    case STORE_BUS_UNFIT:
        add(reasons, true, "stream_unfit", "The stream cannot be used or made; the log of hourfold-consumer says why.");
        break;
    }
    if (report->has_tally && moments[TALLY_LAST_UNANSWERED] > moments[TALLY_LAST_ACK] &&
        report->now_ms - moments[TALLY_LAST_UNANSWERED] < UNANSWERED_TOLD_MS)
        add(reasons, late, "publish_unanswered", "JetStream does not acknowledge what collect publishes.");
}

static void find_of_stream(const struct status_report *report, struct reasons *reasons)
{
    const struct store_view *view = &report->status.view;
    if (view->bus == STORE_BUS_WELL && view->messages_max > 0 && view->messages >= view->messages_max)
        add(reasons, !report->has_spool, "stream_full",
            "The stream is full of messages that are not folded: it takes no more samples until the consumer has caught up.");
    else if (view->bus == STORE_BUS_WELL && view->messages_max >= 100 &&
             view->messages >= view->messages_max / 100 * STREAM_NEARLY_FULL)
        add(reasons, false, "stream_nearly_full", "The stream is nearly full of messages that are not folded.");
    if (view->rewound_ms != 0 && report->now_ms - view->rewound_ms < REWOUND_TOLD_MS)
        add(reasons, false, "stream_rewound",
            "Within the last hour the stream was lost, made anew or restored from a copy: what only it had is lost.");
}

static void find_of_keys(const struct status_report *report, struct reasons *reasons)
{
    if (report->keys_max > 0 && report->status.keys >= report->keys_max)
        add(reasons, false, "keys_full",
            "There are as many keys as consumer.max_keys permits: samples of further ones are counted under the key overflow.");
}

static void find_of_spool(const struct status_report *report, bool late, struct reasons *reasons)
{
    const struct spool_survey *spool = &report->spool;
    uint64_t percent = report->spool_max_bytes / 100;
    if (!report->has_spool)
        return;
    if (spool->all_bytes >= percent * SPOOL_FULL)
        add(reasons, true, "spool_full", "The spool is full: samples are refused while the bus does not take them.");
    else if (spool->all_bytes >= percent * SPOOL_NEARLY_FULL)
        add(reasons, false, "spool_nearly_full", "The spool is nearly full.");
    if (spool->files > 0)
        add(reasons, late, "spool_in_use", "Samples wait in the spool until the bus takes them.");
    if (spool->damaged_files > 0)
        add(reasons, false, "spool_damaged", "Damaged files were put aside in the spool, for a person to look at and remove.");
}

static void sort_gravest_first(struct status_reason *list, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        for (unsigned j = i; j > 0 && list[j].severity > list[j - 1].severity; j--) {
            struct status_reason other = list[j];
            list[j] = list[j - 1];
            list[j - 1] = other;
        }
}

unsigned status_reasons(const struct status_report *report, struct status_reason out[STATUS_REASONS_MAX])
{
    struct reasons reasons = {.list = out};
    const struct store_status *status = &report->status;
    bool late = report->now_ms - status->as_of_ms > report->behind_max_ms;
    if (report->err != HF_OK) {
        find_unreadable(report->err, &reasons);
    } else {
        find_of_consumer(report, late, &reasons);
        find_of_bus(report, late, &reasons);
        find_of_stream(report, &reasons);
        find_of_keys(report, &reasons);
    }
    find_of_spool(report, report->err == HF_OK && late, &reasons);
    sort_gravest_first(out, reasons.count);
    bool cause = reasons.count > 0 && out[0].severity == STATUS_FAILING;
    if (report->err == HF_OK && status->as_of_ms == 0 && status->position == 0 && !cause)
        add(&reasons, true, "never_committed", "The consumer has not committed anything yet.");
    else if (report->err == HF_OK && late && !cause)
        add(&reasons, true, "consumer_behind", "The consumer is behind; answers are as old as as_of says.");
    sort_gravest_first(out, reasons.count);
    return reasons.count;
}

/* ---- health ---- */

static void put_count(const char *name, uint64_t v, struct hf_buf *out)
{
    hf_buf_printf(out, ",\"%s\":%" PRIu64, name, v);
}

static void put_time(const char *name, int64_t time_ms, struct hf_buf *out)
{
    hf_buf_printf(out, ",\"%s\":", name);
    if (time_ms != 0)
        render_time(time_ms, out);
    else
        hf_buf_puts(out, "null");
}

static void put_status(const struct status_report *report, struct hf_buf *out)
{
    static const char *const buses[] = {"unknown", "well", "away", "stuck", "unfit"};
    const struct store_status *status = &report->status;
    const struct store_view *view = &status->view;
    char text[HF_DOUBLE_TEXT];
    put_time("as_of", status->as_of_ms, out);
    hf_buf_printf(out, ",\"behind_s\":%s",
                  status->as_of_ms == 0 ? "null" : hf_format_double((double)(report->now_ms - status->as_of_ms) / 1000, text));
    put_count("waiting", view->waiting, out);
    put_count("position", status->position, out);
    put_count("keys", status->keys, out);
    put_count("accepted", status->accepted, out);
    put_count("folded", status->folded, out);
    put_count("duplicate", status->duplicate, out);
    put_count("repeated", status->repeated, out);
    put_count("late", status->late, out);
    put_count("refused", status->refused, out);
    put_count("expired", status->expired, out);
    put_count("rewinds", status->rewinds, out);
    hf_buf_printf(out, ",\"bus\":{\"state\":\"%s\"", buses[view->bus]);
    put_time("since", view->since_ms, out);
    put_time("seen", view->seen_ms, out);
    put_count("messages", view->messages, out);
    put_count("max_messages", view->messages_max, out);
    put_time("rewound", view->rewound_ms, out);
    hf_buf_puts(out, "}");
}

static void put_spool(const struct status_report *report, struct hf_buf *out)
{
    if (!report->has_spool) {
        hf_buf_puts(out, ",\"spool\":null");
        return;
    }
    hf_buf_printf(out, ",\"spool\":{\"files\":%" PRIu64, report->spool.files);
    put_count("bytes", report->spool.bytes, out);
    put_count("all_bytes", report->spool.all_bytes, out);
    put_count("max_bytes", report->spool_max_bytes, out);
    hf_buf_puts(out, "}");
}

bool status_render_health(const struct status_report *report, struct hf_buf *out)
{
    struct status_reason reasons[STATUS_REASONS_MAX];
    unsigned count = status_reasons(report, reasons);
    bool failing = count > 0 && reasons[0].severity == STATUS_FAILING;
    hf_buf_printf(out, "{\"status\":\"%s\",\"reasons\":[", failing ? "failing" : count > 0 ? "degraded" : "ok");
    for (unsigned i = 0; i < count; i++)
        hf_buf_printf(out, "%s{\"code\":\"%s\",\"severity\":\"%s\",\"message\":\"%s\"}", i > 0 ? "," : "", reasons[i].code,
                      reasons[i].severity == STATUS_FAILING ? "failing" : "degraded", reasons[i].message);
    hf_buf_puts(out, "],\"version\":\"" PACKAGE_VERSION "\"");
    if (report->err == HF_OK)
        put_status(report, out);
    put_spool(report, out);
    hf_buf_puts(out, "}\n");
    return !failing;
}
