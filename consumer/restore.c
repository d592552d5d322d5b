/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Put a backup in the place of the store.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utc.h"
#include "tool.h"

enum { REPLACE };            /* the options */
enum { PATH_BYTES = 4096 };

/* Whether it may be done at all. -1 to go on, or an exit code. */
static int look(const struct tool *tool)
{
    const char *path = tool->conf->store.path;
    char file[PATH_BYTES];
    struct hf_why why = {""};
    struct stat st;
    bool exists;
    if (tool->operand == NULL || *tool->operand == '\0')
        return tool_fail(tool, CLI_USAGE, "name the backup");
    if ((size_t)snprintf(file, sizeof file, "%s/data", tool->operand) >= sizeof file || stat(file, &st) != 0)
        return tool_fail(tool, CLI_FAILED, "%.1000s is no backup: it has no directory data", tool->operand);
    enum hf_err err = store_may_replace(path, &exists, &why);
    if (err != HF_OK)
        return tool_fail(tool, CLI_FAILED, "%s", why.text);
    if (exists && tool->values[REPLACE] == NULL)
        return tool_fail(tool, CLI_FAILED, "there is a store in %s: with --replace it is removed for that of the backup", path);
    if (mkdir(path, 0770) != 0 && errno != EEXIST)
        return tool_fail(tool, CLI_FAILED, "%s: %s", path, strerror(errno));
    return -1;
}

/* Copy the backup below the store's directory and verify it there. */
static int bring(struct tool *tool, const char *copy, const char *restoring, struct store_status *status)
{
    struct hf_why why = {""};
    store_remove(copy); /* of a restore that was interrupted */
    store_remove(restoring);
    int code = -1;
    if (store_copy(tool->operand, copy, (uint32_t)tool->conf->store.cache_mb, &why) != HF_OK)
        code = tool_fail(tool, CLI_FAILED, "%s", why.text);
    tool->store_path = copy;
    if (code < 0)
        code = tool_open_store(tool);
    if (code < 0)
        code = tool_verify(tool, status);
    store_close(&tool->store);
    if (code == CLI_DONE && store_pack(copy, restoring, &why) != HF_OK)
        code = tool_fail(tool, CLI_FAILED, "%s", why.text);
    return code;
}

/* Whether the stream reaches back to the backup. */
static void tell_stream(const struct tool *tool, const struct store_status *status)
{
    struct bus_stream stream;
    if (!tool_ask_stream(tool, &stream))
        printf("the bus does not answer: hourfold-consumer will say whether the stream reaches back to there\n");
    else if (stream.created_ns != status->stream_created_ns || stream.last_seq < status->position)
        printf("the stream is another than this was made of: hourfold-consumer will read all of it\n");
    else if (stream.first_seq > status->position + 1)
        printf("MESSAGES ARE MISSING: the stream begins with %llu, the backup ends with %llu\n",
               (unsigned long long)stream.first_seq, (unsigned long long)status->position);
    else
        printf("the stream reaches back to there: hourfold-consumer will fold %llu messages\n",
               (unsigned long long)(stream.last_seq - status->position));
}

static int run(struct tool *tool)
{
    char copy[PATH_BYTES], restoring[PATH_BYTES], time[HF_UTC_TEXT];
    struct store_status status = {0};
    struct hf_why why = {""};
    const char *path = tool->conf->store.path;
    int code = look(tool);
    if (code >= 0)
        return code;
    snprintf(copy, sizeof copy, "%s/copying", path);
    snprintf(restoring, sizeof restoring, "%s/" STORE_RESTORING, path);
    code = bring(tool, copy, restoring, &status);
    if (code == CLI_DONE && store_replace(path, &why) != HF_OK)
        code = tool_fail(tool, CLI_FAILED, "%s", why.text);
    if (code != CLI_DONE) {
        store_remove(copy);
        store_remove(restoring);
        return code;
    }
    printf("restored %s, as of %s, at position %llu\n", path,
           status.as_of_ms == 0 ? "its beginning" : hf_format_utc(status.as_of_ms, time), (unsigned long long)status.position);
    tell_stream(tool, &status);
    return CLI_DONE;
}

const struct tool_command restore_command = {
    .name = "restore",
    .operand = "DIR",
    .summary = "put a backup in the place of the store",
    .text = "Copy the backup DIR into the directory of the store, recover and verify that copy, and put it in the place of\n"
            "the store; DIR stays as it is. Stop the consumer first. Queries go on with what is stored then. Started again, the\n"
            "consumer folds what has come since, as far as the stream reaches back.\n",
    .options = {{"--replace", NULL, "remove the store that is there"}},
    .needs_conf = true,
    .run = run,
};
