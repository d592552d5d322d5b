/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copy the store, check the copy, and only then give it its name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utc.h"
#include "tool.h"

enum { ATTEMPTS = 3, PATH_BYTES = 4096 };

/* DIR without slashes at the end, and the name that the copy has until it is good. -1 to go on, or an exit code. */
static int name_copy(const struct tool *tool, char backup[PATH_BYTES], char copy[PATH_BYTES])
{
    struct stat st;
    if (tool->operand == NULL || *tool->operand == '\0')
        return tool_fail(tool, CLI_USAGE, "name the directory to make");
    size_t len = strlen(tool->operand);
    while (len > 1 && tool->operand[len - 1] == '/')
        len--;
    if ((size_t)snprintf(backup, PATH_BYTES, "%.*s", (int)len, tool->operand) >= PATH_BYTES ||
        (size_t)snprintf(copy, PATH_BYTES, "%s.partial", backup) >= PATH_BYTES)
        return tool_fail(tool, CLI_FAILED, "%.200s...: the name is too long", tool->operand);
    if (stat(copy, &st) == 0)
        return tool_fail(tool, CLI_FAILED, "%s is left from a backup that was interrupted, if none is under way: remove it", copy);
    if (stat(backup, &st) == 0)
        return tool_fail(tool, CLI_FAILED, "%s is there already", backup);
    return errno == ENOENT ? -1 : tool_fail(tool, CLI_FAILED, "%s: %s", backup, strerror(errno));
}

/* Open the copy and verify it like any store. */
static int verify(struct tool *tool, const char *copy, struct store_status *status)
{
    tool->store_path = copy;
    int code = tool_open_store(tool);
    if (code < 0)
        code = tool_verify(tool, status);
    store_close(&tool->store);
    return code;
}

/* -1: it may be good when it is done again; else an exit code. */
static int attempt(struct tool *tool, const char *copy, struct store_status *status)
{
    struct hf_why why = {""};
    enum hf_err err = store_copy(tool->conf->store.path, copy, (uint32_t)tool->conf->store.cache_mb, &why);
    int code = CLI_FAILED;
    if (err == HF_OK)
        code = verify(tool, copy, status);
    else
        tool_fail(tool, CLI_FAILED, "%s", why.text);
    if (code == CLI_DONE)
        return code;
    store_remove(copy);
    return err == HF_OK || err == HF_AGAIN || err == HF_CORRUPT || err == HF_STALE ? -1 : code;
}

static int publish(struct tool *tool, const char *copy, const char *backup, const struct store_status *status)
{
    struct hf_why why = {""};
    char time[HF_UTC_TEXT];
    if (store_pack(copy, backup, &why) != HF_OK) {
        store_remove(copy);
        return tool_fail(tool, CLI_FAILED, "%s", why.text);
    }
    printf("backup of %s, as of %s, at position %llu: %s\n", tool->conf->store.path,
           status->as_of_ms == 0 ? "its beginning" : hf_format_utc(status->as_of_ms, time),
           (unsigned long long)status->position, backup);
    return CLI_DONE;
}

static int run(struct tool *tool)
{
    char backup[PATH_BYTES], copy[PATH_BYTES];
    struct store_status status = {0};
    int code = name_copy(tool, backup, copy);
    if (code < 0)
        code = tool_open_store(tool); /* to tell what is wrong with it, if anything is */
    store_close(&tool->store);
    for (int tries = 0; code < 0 && tries < ATTEMPTS; tries++)
        code = attempt(tool, copy, &status);
    if (code < 0)
        return tool_fail(tool, CLI_FAILED, "no good copy could be made, and none was kept: see what hourfold verify says of the store");
    return code == CLI_DONE ? publish(tool, copy, backup, &status) : code;
}

const struct tool_command backup_command = {
    .name = "backup",
    .operand = "DIR",
    .summary = "copy the store, also while it is in use",
    .text = "Copy the store into the new directory DIR, recover and verify the copy, bring it to the disk, and only then\n"
            "give it its name; until then it is DIR.partial. The consumer and queries go on meanwhile. Exit with 1, and leave\n"
            "nothing, when no good copy can be made.\n",
    .needs_conf = true,
    .run = run,
};
