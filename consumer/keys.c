/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

static enum hf_err show(void *context, const char *key, size_t key_bytes)
{
    struct hf_buf *line = context;
    hf_buf_put(line, key, key_bytes);
    hf_buf_u8(line, '\n');
    return tool_print(line);
}

static int run(struct tool *tool)
{
    struct hf_why why = {""};
    struct hf_buf line = {0};
    int code = tool_open_store(tool);
    if (code >= 0)
        return code;
    enum hf_err err = tool_each_key(tool, tool->operand, show, &line, &why);
    hf_buf_free(&line);
    return err == HF_OK ? CLI_DONE : tool_store_failed(tool, err, &why);
}

const struct tool_command keys_command = {
    .name = "keys",
    .operand = "[PATTERN]",
    .summary = "list the known keys",
    .text = "List the known keys in byte order, one a line: all, or those that match PATTERN, in which * stands\n"
            "for any run of bytes and ? for one. Quote it from the shell.\n",
    .needs_conf = true,
    .run = run,
};
