/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static const struct {
    char letter;
    const char *argument, *text;
} options[] = {
    {'c', " FILE", "read this configuration; without it, the file that HOURFOLD_CONF names,\n"
                   "             or " HF_SYSCONFDIR "/hourfold.conf"},
    {'s', " SOCKET", "listen here, unix:/path or 127.0.0.1:9000; without it, on descriptor 0"},
    {'l', "", "log to syslog instead of standard error"},
    {'v', "", "log progress too"},
};
#define OPTION_COUNT (sizeof options / sizeof *options)

static bool takes(const struct cli_program *program, char letter) { return strchr(program->letters, letter) != NULL; }

int cli_fail(const struct cli_program *program, int code, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
    fprintf(stderr, "%s: %s\n", program->name, line);
    return code;
}

int cli_flush(const struct cli_program *program)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_DONE;
    return cli_fail(program, CLI_FAILED, "standard output: %s", errno == 0 ? "write failed" : strerror(errno));
}

static int print_help(const struct cli_program *program)
{
    printf("usage: %s", program->name);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (takes(program, options[i].letter))
            printf(" [-%c%s]", options[i].letter, options[i].argument);
    printf("%s%s\n\n%s\n", *program->operands == '\0' ? "" : " ", program->operands, program->text);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (takes(program, options[i].letter))
            printf("  -%c%-8s %s\n", options[i].letter, options[i].argument, options[i].text);
    printf("  --help     print this\n  --version  print the version\n");
    if (*program->sections != '\0') {
        printf("\nOptions of the configuration, with their defaults and what is permitted; see hourfold.conf(5):\n");
        conf_print_help(stdout, program->sections);
    }
    return cli_flush(program);
}

static int wrong_usage(const struct cli_program *program, const char *what, const char *which)
{
    return cli_fail(program, CLI_USAGE, "%s%s (see %s --help)", what, which, program->name);
}

/* "--help" reaches getopt() as the option "-" with the argument "help". */
static int take_long(const struct cli_program *program, const char *name)
{
    if (strcmp(name, "help") == 0)
        return print_help(program);
    if (strcmp(name, "version") == 0) {
        printf("%s %s\n", program->name, PACKAGE_VERSION);
        return cli_flush(program);
    }
    return wrong_usage(program, "unknown option --", name);
}

static int take_letter(const struct cli_program *program, int letter, struct cli_args *out)
{
    char which[3] = {'-', (char)optopt, '\0'};
    if (letter == '-')
        return take_long(program, optarg);
    if (letter == ':')
        return wrong_usage(program, "missing argument of ", which);
    if (letter == '?' || !takes(program, (char)letter)) {
        which[1] = (char)(letter == '?' ? optopt : letter);
        return wrong_usage(program, "unknown option ", which);
    }
    if (letter == 'c')
        out->conf_path = optarg;
    else if (letter == 's')
        out->socket = optarg;
    else if (letter == 'l')
        out->to_syslog = true;
    else
        out->verbose = true;
    return -1;
}

int cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_args *out)
{
    int letter, code = -1;
    *out = (struct cli_args){0};
    opterr = 0;
    while (code < 0 && (letter = getopt(argc, argv, ":c:s:lv-:")) != -1)
        code = take_letter(program, letter, out);
    out->operand_count = argc - optind;
    out->operands = argv + optind;
    if (code < 0 && out->operand_count > 0 && *program->operands == '\0')
        return wrong_usage(program, "unexpected argument ", argv[optind]);
    return code;
}

/* Not an error, for others put variables of such names into the environment too. */
static void tell_unknown_variables(void)
{
    char names[400], quoted[1000];
    if (conf_unknown_variables(names, sizeof names) > 0)
        hf_log(HF_NOTICE, "variables_ignored", "names=%s text=\"no option has these names\"",
               hf_log_quote(names, (unsigned long)strlen(names), quoted, sizeof quoted));
}

int cli_conf(const struct cli_program *program, const struct cli_args *args, struct hf_conf **out)
{
    struct hf_why why = {""};
    hf_log_open(program->name, args->to_syslog, args->verbose ? HF_INFO : HF_NOTICE);
    enum hf_err err = conf_load(args->conf_path, out, &why);
    if (err == HF_OK) {
        tell_unknown_variables();
        return -1;
    }
    return cli_fail(program, err == HF_NOMEM ? CLI_FAILED : CLI_USAGE, "%s", why.text);
}
