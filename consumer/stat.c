/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/utc.h"
#include "tool.h"

enum { JSON };                                    /* the options */

struct figures {
    struct store_status status;
    int64_t now_ms;
    struct bus_stream stream;
    bool heard;               /* the stream's state is known */
    enum store_trouble trouble;
    uint64_t data_bytes, log_bytes, env_bytes;
};

static enum hf_err read_status(void *context, struct store_read *read)
{
    return store_read_status(read, context);
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
    uint64_t last = figures->stream.last_seq, position = figures->status.position;
    return last > position ? last - position : 0;
}

static const char *same_stream(const struct figures *figures)
{
    bool other = figures->status.stream_created_ns != 0 &&
                 figures->status.stream_created_ns != figures->stream.created_ns;
    return other || figures->stream.last_seq < figures->status.position ? "another than was folded" : "";
}

static void print_text(const struct figures *f, const char *path)
{
    char time[HF_UTC_TEXT];
    const struct store_status *s = &f->status;
    printf("store       %s\n", path);
    printf("trouble     %s\n", store_trouble_text(f->trouble));
    printf("position    %llu\n", (unsigned long long)s->position);
    if (s->as_of_ms == 0)
        printf("as of       never\n");
    else
        printf("as of       %s, %.1f s ago\n", hf_format_utc(s->as_of_ms, time), (double)(f->now_ms - s->as_of_ms) / 1000);
    if (!f->heard)
        printf("lag         unknown: the bus does not answer\n");
    else if (*same_stream(f) != '\0')
        printf("lag         unknown: the stream is %s\n", same_stream(f));
    else
        printf("lag         %llu of %llu messages\n", (unsigned long long)lag_of(f),
               (unsigned long long)f->stream.messages);
    printf("accepted    %llu\n", (unsigned long long)s->accepted);
    printf("folded      %llu\n", (unsigned long long)s->folded);
    printf("duplicate   %llu\n", (unsigned long long)s->duplicate);
    printf("late        %llu\n", (unsigned long long)s->late);
    printf("expired     %llu\n", (unsigned long long)s->expired);
    printf("refused     %llu messages\n", (unsigned long long)s->refused);
    printf("keys        %llu\n", (unsigned long long)s->keys);
    printf("rewinds     %llu\n", (unsigned long long)s->rewinds);
    printf("size        %.1f MiB of tables, %.1f MiB of log, %.1f MiB of regions\n", (double)f->data_bytes / 1048576,
           (double)f->log_bytes / 1048576, (double)f->env_bytes / 1048576);
}

static void print_json(const struct figures *f)
{
    char time[HF_UTC_TEXT];
    const struct store_status *s = &f->status;
    printf("{\"trouble\":\"%s\",\"position\":%llu", store_trouble_text(f->trouble), (unsigned long long)s->position);
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
    enum hf_err err = tool_read(tool, read_status, &figures.status, &why);
    if (err != HF_OK)
        return tool_store_failed(tool, err, &why);
    figures.trouble = store_trouble(tool->store, NULL);
    clock_gettime(CLOCK_REALTIME, &now);
    figures.now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    figures.data_bytes = folder_bytes(tool->conf->store.path, "data");
    figures.log_bytes = folder_bytes(tool->conf->store.path, "log");
    figures.env_bytes = folder_bytes(tool->conf->store.path, "env");
    if (tool->values[JSON] != NULL)
        print_json(&figures);
    else
        print_text(&figures, tool->conf->store.path);
    return CLI_DONE;
}

const struct tool_command stat_command = {
    .name = "stat",
    .operand = "",
    .summary = "show how far the store is, what was counted, how large it is",
    .text = "Show what keeps the store from being kept up (\"none\", \"no consumer runs\", \"disk full\" ...), the position\n"
            "in the stream, the time up to which every acknowledged sample is in the store, how many messages wait\n"
            "(when the bus answers within a second), the counters, and the size on disk.\n",
    .options = {{"--json", NULL, "as one JSON object"}},
    .needs_conf = true,
    .run = run,
};
