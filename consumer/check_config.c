/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access/access.h"
#include "access/address.h"
#include "bus/bus.h"
#include "bus/spool.h"
#include "tool.h"

static enum hf_err check_views(const struct hf_conf *conf, struct hf_why *why)
{
    struct access *access = NULL;
    enum hf_err err = access_new(conf, &access, why);
    access_free(&access);
    return err;
}

static enum hf_err check_proxies(const struct hf_conf *conf, struct hf_why *why)
{
    struct address_list *proxies = NULL;
    struct hf_why fault = {""};
    enum hf_err err = address_list_new(conf->collect.proxies, &proxies, &fault);
    address_list_free(&proxies);
    return err == HF_OK ? HF_OK : hf_fail(why, err, "collect.proxies: %s", fault.text);
}

static enum hf_err check_bus(const struct hf_conf *conf, struct hf_why *why)
{
    const struct bus_options options = bus_options_of(conf, "hourfold");
    return bus_check(&options, why);
}

/* A directory that is there is opened as hourfold-collect does, which changes nothing; one that is not must be possible to make. */
static enum hf_err check_spool(const struct hf_conf *conf, struct hf_why *why)
{
    const char *path = conf->collect.spool;
    struct spool *spool = NULL;
    if (path[0] == '\0')
        return HF_OK;
    if (access(path, F_OK) == 0 || errno != ENOENT) {
        enum hf_err err = spool_open(path, (uint64_t)conf->collect.spool_max_mb << 20, &spool, why);
        spool_close(&spool);
        return err;
    }
    const char *slash = strrchr(path, '/');
    char parent[4096] = ".";
    if (slash != NULL)
        snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (access(parent, W_OK | X_OK) != 0)
        return hf_fail(why, HF_INVALID, "cannot make the spool directory %s: %s", path, strerror(errno));
    return HF_OK;
}

/* The file itself was checked on the way here; this is what the programs make of it at their start. */
static int run(struct tool *tool)
{
    struct hf_why why = {""};
    enum hf_err err = check_views(tool->conf, &why);
    if (err == HF_OK)
        err = check_proxies(tool->conf, &why);
    if (err == HF_OK)
        err = check_bus(tool->conf, &why);
    if (err == HF_OK)
        err = check_spool(tool->conf, &why);
    if (err != HF_OK)
        return tool_fail(tool, err == HF_INVALID ? CLI_USAGE : CLI_FAILED, "%s", why.text);
    printf("configuration: good\n");
    return CLI_DONE;
}

const struct tool_command check_config_command = {
    .name = "check-config",
    .operand = "",
    .summary = "read the configuration, say what is wrong with it",
    .text = "Read the configuration as the programs do: the file, what the environment overrides, and whether the files\n"
            "and directories that are named can be used; run it as the user that they run as. Say what is wrong in one\n"
            "line and exit with 2, or exit with 0. Nothing else is done.\n",
    .needs_conf = true,
    .run = run,
};
