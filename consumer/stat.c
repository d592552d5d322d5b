/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "answer/status.h"
#include "base/utc.h"
#include "batch/batch.h"
#include "tool.h"

enum { JSON };                                    /* the options */

struct figures {
    struct status_report report;
    bool has_samples;         /* those in the spool were counted */
    uint64_t spool_samples;
    struct bus_stream stream;
    bool heard;               /* the stream's state is known */
    uint64_t data_bytes, log_bytes, env_bytes;
};

static void count_record(void *context, const struct spool_record *record)
{
    *(uint64_t *)context += batch_samples_said(record->bytes, record->len);
}

static void look_at_spool(const struct hf_conf *conf, struct figures *figures)
{
    enum hf_err err = HF_OK;
    if (figures->report.has_spool && figures->report.spool.files > 0)
        err = spool_look(conf->collect.spool, count_record, &figures->spool_samples, NULL);
    figures->has_samples = figures->report.has_spool && err == HF_OK;
}

static uint64_t folder_bytes(const char *path, const char *name)
{
    char file[4096 + 300];
    struct stat info;
    uint64_t bytes = 0;
    snprintf(file, sizeof file, "%s/%s", path, name);
    DIR *dir = opendir(file);
    if (dir == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        snprintf(file, sizeof file, "%s/%s/%s", path, name, entry->d_name);
        if (stat(file, &info) == 0 && S_ISREG(info.st_mode))
            bytes += (uint64_t)info.st_blocks * 512; /* regions and logs have holes */
    }
    closedir(dir);
    return bytes;
}

/* Messages of the stream that are not folded yet. */
static uint64_t lag_of(const struct figures *figures)
{
    uint64_t last = figures->stream.last_seq, position = figures->report.status.position;
    return last > position ? last - position : 0;
}

static const char *same_stream(const struct figures *figures)
{
    bool other = figures->report.status.stream_created_ns != 0 &&
                 figures->report.status.stream_created_ns != figures->stream.created_ns;
    return other || figures->stream.last_seq < figures->report.status.position ? "another than was folded" : "";
}

/* The state in one word, and the codes of what is wrong between two texts each. */
static void print_reasons(const struct figures *f, const char *before, const char *after, const char *between)
{
    struct status_reason reasons[STATUS_REASONS_MAX];
    unsigned count = status_reasons(&f->report, reasons);
    for (unsigned i = 0; i < count; i++)
        printf("%s%s%s%s", i > 0 ? between : "", before, reasons[i].code, after);
}

static const char *health_of(const struct figures *f)
{
    struct status_reason reasons[STATUS_REASONS_MAX];
    unsigned count = status_reasons(&f->report, reasons);
    return count == 0 ? "ok" : reasons[0].severity == STATUS_FAILING ? "failing: " : "degraded: ";
}

static uint64_t sum_of(const struct figures *f, enum tally_family family)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < tally_about[family].count; i++)
        sum += f->report.tally.counts[family][i];
    return sum;
}

static void print_collect_text(const struct figures *f, const struct hf_conf *conf)
{
    const struct spool_survey *spool = &f->report.spool;
    if (conf->collect.spool[0] == '\0')
        printf("spool       none\n");
    else if (!f->report.has_spool)
        printf("spool       unknown: it cannot be read\n");
    else
        printf("spool       %llu files, %llu bytes, %llu samples wait; %.1f of %.1f MiB are used\n",
               (unsigned long long)spool->files, (unsigned long long)spool->bytes, (unsigned long long)f->spool_samples,
               (double)spool->all_bytes / 1048576, (double)f->report.spool_max_bytes / 1048576);
    if (!f->report.has_tally) {
        printf("collect     unknown: there are no counters\n");
        return;
    }
    printf("collect     %llu accepted, %llu refused, %llu shed of %llu samples received\n",
           (unsigned long long)sum_of(f, TALLY_ACCEPTED), (unsigned long long)sum_of(f, TALLY_REFUSED),
           (unsigned long long)sum_of(f, TALLY_SHED), (unsigned long long)sum_of(f, TALLY_RECEIVED));
}

static void print_collect_json(const struct figures *f)
{
    const struct spool_survey *spool = &f->report.spool;
    if (f->report.has_spool)
        printf(",\"spool\":{\"files\":%llu,\"bytes\":%llu,\"all_bytes\":%llu,\"max_bytes\":%llu,\"samples\":",
               (unsigned long long)spool->files, (unsigned long long)spool->bytes, (unsigned long long)spool->all_bytes,
               (unsigned long long)f->report.spool_max_bytes);
    if (!f->report.has_spool)
        printf(",\"spool\":null");
    else if (f->has_samples)
        printf("%llu}", (unsigned long long)f->spool_samples);
    else
        printf("null}");
    if (!f->report.has_tally)
        printf(",\"collect\":null");
    else
        printf(",\"collect\":{\"received\":%llu,\"accepted\":%llu,\"refused\":%llu,\"shed\":%llu,\"uncertain\":%llu,"
               "\"sent\":%llu}",
               (unsigned long long)sum_of(f, TALLY_RECEIVED), (unsigned long long)sum_of(f, TALLY_ACCEPTED),
               (unsigned long long)sum_of(f, TALLY_REFUSED), (unsigned long long)sum_of(f, TALLY_SHED),
               (unsigned long long)sum_of(f, TALLY_UNCERTAIN), (unsigned long long)sum_of(f, TALLY_SENT));
}

static void print_text(const struct figures *f, const struct hf_conf *conf)
{
    char time[HF_UTC_TEXT];
    const struct store_status *s = &f->report.status;
    printf("store       %s\n", conf->store.path);
    printf("health      %s", health_of(f));
    print_reasons(f, "", "", ", ");
    printf("\n");
    printf("trouble     %s\n", store_trouble_text(f->report.trouble));
    printf("position    %llu\n", (unsigned long long)s->position);
    if (s->as_of_ms == 0)
        printf("as of       never\n");
    else
        printf("as of       %s, %.1f s ago\n", hf_format_utc(s->as_of_ms, time), (double)(f->report.now_ms - s->as_of_ms) / 1000);
    if (!f->heard)
        printf("lag         unknown: the bus does not answer\n");
    else if (*same_stream(f) != '\0')
        printf("lag         unknown: the stream is %s\n", same_stream(f));
    else
        printf("lag         %llu of %llu messages\n", (unsigned long long)lag_of(f),
               (unsigned long long)f->stream.messages);
    printf("accepted    %llu\n", (unsigned long long)s->accepted);
    printf("folded      %llu\n", (unsigned long long)s->folded);
    printf("duplicate   %llu, %llu of them in batches that came again\n", (unsigned long long)s->duplicate,
           (unsigned long long)s->repeated);
    printf("late        %llu\n", (unsigned long long)s->late);
    printf("expired     %llu\n", (unsigned long long)s->expired);
    printf("refused     %llu messages\n", (unsigned long long)s->refused);
    printf("keys        %llu\n", (unsigned long long)s->keys);
    printf("rewinds     %llu\n", (unsigned long long)s->rewinds);
    print_collect_text(f, conf);
    printf("size        %.1f MiB of tables, %.1f MiB of log, %.1f MiB of regions\n", (double)f->data_bytes / 1048576,
           (double)f->log_bytes / 1048576, (double)f->env_bytes / 1048576);
}

static void print_json(const struct figures *f)
{
    char time[HF_UTC_TEXT];
    const struct store_status *s = &f->report.status;
    printf("{\"reasons\":[");
    print_reasons(f, "\"", "\"", ",");
    printf("],\"trouble\":\"%s\",\"position\":%llu", store_trouble_text(f->report.trouble), (unsigned long long)s->position);
    if (s->as_of_ms == 0)
        printf(",\"as_of\":null");
    else
        printf(",\"as_of\":\"%s\"", hf_format_utc(s->as_of_ms, time));
    if (!f->heard || *same_stream(f) != '\0')
        printf(",\"lag\":null");
    else
        printf(",\"lag\":%llu", (unsigned long long)lag_of(f));
    if (f->heard)
        printf(",\"stream\":{\"first\":%llu,\"last\":%llu,\"messages\":%llu,\"bytes\":%llu}",
               (unsigned long long)f->stream.first_seq, (unsigned long long)f->stream.last_seq,
               (unsigned long long)f->stream.messages, (unsigned long long)f->stream.bytes);
    else
        printf(",\"stream\":null");
    printf(",\"accepted\":%llu,\"folded\":%llu,\"duplicate\":%llu,\"late\":%llu,\"expired\":%llu,\"refused\":%llu,"
           "\"keys\":%llu,\"rewinds\":%llu",
           (unsigned long long)s->accepted, (unsigned long long)s->folded, (unsigned long long)s->duplicate,
           (unsigned long long)s->late, (unsigned long long)s->expired, (unsigned long long)s->refused,
           (unsigned long long)s->keys, (unsigned long long)s->rewinds);
    printf(",\"repeated\":%llu", (unsigned long long)s->repeated);
    print_collect_json(f);
    printf(",\"bytes\":{\"data\":%llu,\"log\":%llu,\"env\":%llu}}\n", (unsigned long long)f->data_bytes,
           (unsigned long long)f->log_bytes, (unsigned long long)f->env_bytes);
}

static int run(struct tool *tool)
{
    struct hf_why why = {""};
    struct figures figures = {0};
    struct timespec now;
    figures.heard = tool_ask_stream(tool, &figures.stream);
    int code = tool_open_store(tool);
    if (code >= 0)
        return code;
    clock_gettime(CLOCK_REALTIME, &now);
    enum hf_err err = status_gather(tool->conf, tool->store, HF_OK, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                                    &figures.report, &why);
    if (err != HF_OK)
        return tool_store_failed(tool, err, &why);
    look_at_spool(tool->conf, &figures);
    figures.data_bytes = folder_bytes(tool->conf->store.path, "data");
    figures.log_bytes = folder_bytes(tool->conf->store.path, "log");
    figures.env_bytes = folder_bytes(tool->conf->store.path, "env");
    if (tool->values[JSON] != NULL)
        print_json(&figures);
    else
        print_text(&figures, tool->conf);
    return CLI_DONE;
}

const struct tool_command stat_command = {
    .name = "stat",
    .operand = "",
    .summary = "show how far the store is, what was counted, how large it is",
    .text = "Show what keeps the store from being kept up (\"none\", \"no consumer runs\", \"disk full\" ...), the position\n"
            "in the stream, the time up to which every acknowledged sample is in the store, how many messages wait\n"
            "(when the bus answers within a second), the counters, those of hourfold-collect too, what lies in its\n"
            "spool, and the size on disk. \"health\" is that of hourfold-query(8).\n",
    .options = {{"--json", NULL, "as one JSON object"}},
    .needs_conf = true,
    .run = run,
};
