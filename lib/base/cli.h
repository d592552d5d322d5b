/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, as the four programs share it: the options that are the same
 * everywhere, --help and --version, one line for what went wrong, and the exit codes.
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct cli_args args;
 *         struct hf_conf *conf;
 *         int code = cli_parse(&program, argc, argv, &args);
 *         if (code < 0)
 *             code = cli_conf(&program, &args, &conf);
 *         if (code >= 0)
 *             return code;
 *         …
 */
#ifndef HF_BASE_CLI_H
#define HF_BASE_CLI_H

#include <stdbool.h>

#include "base/conf.h"
#include "base/err.h"

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_program {
    const char *name;     /* "hourfold-query" */
    const char *letters;  /* which it takes, of "clsv": see struct cli_args */
    const char *operands; /* "" for none, or as --help shows them: "COMMAND ..." */
    const char *text;     /* what --help says of the program: whole lines */
    const char *sections; /* of the configuration it reads, with spaces between; --help shows their options */
};

struct cli_args {
    const char *conf_path; /* -c FILE; NULL when absent */
    const char *socket;    /* -s SOCKET: unix:/path or 127.0.0.1:9000; NULL when absent */
    bool to_syslog;        /* -l: log to syslog instead of stderr */
    bool verbose;          /* -v: log progress too */
    int operand_count;
    char **operands;       /* into argv */
};

/* Read the command line. Return -1 to go on, or the code to exit with: --help and --version were answered on stdout,
 * or a wrong usage on stderr. An operand where none is taken is wrong. Options end at the first operand. */
int cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_args *out);

/* Load the configuration that the command line names and open the log. Return -1 to go on, `*out` being the caller's to free,
 * or the code to exit with after saying why on stderr. */
int cli_conf(const struct cli_program *program, const struct cli_args *args, struct hf_conf **out);

/* Say "program: message" in one line on stderr; return `code`. */
int cli_fail(const struct cli_program *program, int code, const char *format, ...) HF_PRINTF(3, 4);

/* Flush stdout: CLI_DONE, or CLI_FAILED after saying so when not all of it could be written. For the end of a program
 * that prints. */
int cli_flush(const struct cli_program *program);

#endif
