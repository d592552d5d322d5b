/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hourfold: the operator's tool.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static const struct tool_command *const commands[] = {
    &backup_command,  &check_config_command, &decode_command, &export_command, &keys_command,
    &restore_command, &stat_command,         &token_command,  &verify_command,
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static struct cli_program program = {
    .name = "hourfold",
    .letters = "c",
    .operands = "COMMAND ...",
    .sections = "",
};

static const struct tool_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* The text of --help, with the list of commands. */
static void write_text(struct hf_buf *text)
{
    hf_buf_puts(text, "Look at hourfold's store and configuration; back it up and restore it.\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        hf_buf_printf(text, "  %-13s %s\n", commands[i]->name, commands[i]->summary);
    hf_buf_puts(text, "\n\"hourfold COMMAND --help\" tells more of one.\n");
    hf_buf_u8(text, '\0');
}

/* ---- one command's help and options ---- */

static int print_command_help(const struct tool_command *command)
{
    printf("usage: %s [-c FILE] %s", program.name, command->name);
    for (size_t i = 0; i < TOOL_OPTIONS_MAX && command->options[i].name != NULL; i++)
        printf(" [%s%s%s]", command->options[i].name, command->options[i].argument == NULL ? "" : " ",
               command->options[i].argument == NULL ? "" : command->options[i].argument);
    printf("%s%s\n\n%s", *command->operand == '\0' ? "" : " ", command->operand, command->text);
    for (size_t i = 0; i < TOOL_OPTIONS_MAX && command->options[i].name != NULL; i++) {
        char option[40];
        snprintf(option, sizeof option, "%s %s", command->options[i].name,
                 command->options[i].argument == NULL ? "" : command->options[i].argument);
        printf("%s  %-16s %s\n", i == 0 ? "\n" : "", option, command->options[i].text);
    }
    return cli_flush(&program);
}

int tool_fail(const struct tool *tool, int code, const char *format, ...)
{
    char text[HF_WHY_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return cli_fail(&program, code, "%s: %s", tool->command->name, text);
}

static int wrong_usage(const struct tool *tool, const char *what, const char *which)
{
    return tool_fail(tool, CLI_USAGE, "%s%s (see %s %s --help)", what, which, program.name, tool->command->name);
}

/* Where the value of this option goes; `*argument` says whether it takes one. NULL: there is none such. */
static const char **find_option(struct tool *tool, const char *word, size_t len, bool *argument)
{
    if (len == 2 && memcmp(word, "-c", 2) == 0) {
        *argument = true;
        return &tool->conf_path;
    }
    for (size_t i = 0; i < TOOL_OPTIONS_MAX && tool->command->options[i].name != NULL; i++) {
        const struct tool_option *option = &tool->command->options[i];
        if (strlen(option->name) == len && memcmp(option->name, word, len) == 0) {
            *argument = option->argument != NULL;
            return &tool->values[i];
        }
    }
    return NULL;
}

/* Take one word, or an option with its argument in the next. -1 to go on, or an exit code. */
static int take_word(struct tool *tool, char ***word)
{
    const char *text = *(*word)++;
    if (text[0] != '-' || text[1] == '\0') {
        if (*tool->command->operand == '\0' || tool->operand != NULL)
            return wrong_usage(tool, "unexpected argument ", text);
        tool->operand = text;
        return -1;
    }
    if (strcmp(text, "--help") == 0)
        return print_command_help(tool->command);
    const char *equals = text[1] == '-' ? strchr(text, '=') : NULL;
    bool argument;
    const char **value = find_option(tool, text, equals == NULL ? strlen(text) : (size_t)(equals - text), &argument);
    if (value == NULL || (equals != NULL && !argument))
        return wrong_usage(tool, "unknown option ", text);
    if (!argument)
        *value = "";
    else if (equals != NULL)
        *value = equals + 1;
    else if (**word == NULL)
        return wrong_usage(tool, "missing argument of ", text);
    else
        *value = *(*word)++;
    return -1;
}

static int run_command(struct tool *tool, char **words)
{
    int code = -1;
    while (code < 0 && *words != NULL)
        code = take_word(tool, &words);
    if (code >= 0)
        return code;
    struct cli_args args = {.conf_path = tool->conf_path};
    if (tool->command->needs_conf)
        code = cli_conf(&program, &args, &tool->conf);
    if (code >= 0)
        return code;
    if (tool->conf != NULL)
        tool->store_path = tool->conf->store.path;
    code = tool->command->run(tool);
    store_close(&tool->store);
    conf_free(&tool->conf);
    int flushed = cli_flush(&program);
    return code != CLI_DONE ? code : flushed;
}

/* "hourfold help [COMMAND]" */
static int run_help(char **words)
{
    if (words[0] == NULL) {
        static char name[] = "hourfold", help[] = "--help";
        char *const as_option[] = {name, help, NULL};
        struct cli_args args;
        optind = 1; /* getopt() begins anew */
        return cli_parse(&program, 2, (char **)as_option, &args);
    }
    if (words[1] != NULL)
        return cli_fail(&program, CLI_USAGE, "help takes one command (see %s --help)", program.name);
    const struct tool_command *command = find_command(words[0]);
    if (command == NULL)
        return cli_fail(&program, CLI_USAGE, "unknown command %s (see %s --help)", words[0], program.name);
    return print_command_help(command);
}

static int run(int argc, char **argv)
{
    struct cli_args args;
    int code = cli_parse(&program, argc, argv, &args);
    if (code >= 0)
        return code;
    if (args.operand_count == 0)
        return cli_fail(&program, CLI_USAGE, "a command is needed (see %s --help)", program.name);
    if (strcmp(args.operands[0], "help") == 0)
        return run_help(args.operands + 1);
    struct tool tool = {
        .program = &program, .command = find_command(args.operands[0]), .conf_path = args.conf_path};
    if (tool.command == NULL)
        return cli_fail(&program, CLI_USAGE, "unknown command %s (see %s --help)", args.operands[0], program.name);
    return run_command(&tool, args.operands + 1);
}

int main(int argc, char **argv)
{
    struct hf_buf text = {0};
    write_text(&text);
    if (!hf_buf_ok(&text))
        return cli_fail(&program, CLI_FAILED, "no memory");
    program.text = (const char *)text.data;
    int code = run(argc, argv);
    hf_buf_free(&text);
    return code;
}
