/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "access/access.h"
#include "tool.h"

static int run(struct tool *tool)
{
    char token[ACCESS_TOKEN_BYTES], hash[ACCESS_HASH_BYTES];
    enum hf_err err = access_token_new(token, hash);
    if (err != HF_OK)
        return tool_fail(tool, CLI_FAILED, "no random numbers: %s", hf_strerror(err));
    printf("token: %s\ntoken_sha256 = %s\n", token, hash);
    return CLI_DONE;
}

const struct tool_command token_command = {
    .name = "token",
    .operand = "",
    .summary = "make a random token and the line of configuration that admits it",
    .text = "Print a new random token, for whoever is to have it, and below it the line that admits it: for a\n"
            "[view NAME] section, or for [collect]. The configuration holds the hash alone; the token is not\n"
            "kept anywhere.\n",
    .needs_conf = false,
    .run = run,
};
