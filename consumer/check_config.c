/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "access/access.h"
#include "tool.h"

/* The file itself was checked on the way here. */
static int run(struct tool *tool)
{
    struct hf_why why = {""};
    struct access *access;
    enum hf_err err = access_new(tool->conf, &access, &why);
    if (err != HF_OK)
        return tool_fail(tool, err == HF_INVALID ? CLI_USAGE : CLI_FAILED, "%s", why.text);
    access_free(&access);
    printf("configuration: good\n");
    return CLI_DONE;
}

const struct tool_command check_config_command = {
    .name = "check-config",
    .operand = "",
    .summary = "read the configuration, say what is wrong with it",
    .text = "Read the configuration as the programs do: the file, and what the environment overrides. Say what\n"
            "is wrong in one line and exit with 2, or exit with 0. Nothing else is done.\n",
    .needs_conf = true,
    .run = run,
};
