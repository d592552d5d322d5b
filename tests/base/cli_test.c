/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "base/cli.h"

static const struct cli_program fcgi = {"hourfold-query", "cslv", "", "Answers.\n", "query view"};
static const struct cli_program tool = {"hourfold", "c", "COMMAND ...", "Looks.\n", ""};

#define ARGS(...) (char *[]){__VA_ARGS__, NULL}

/* Parse with stdout and stderr into `out`. */
static int parse(const struct cli_program *program, char **argv, struct cli_args *args, char *out, size_t room)
{
    int argc = 0;
    FILE *capture = tmpfile();
    assert_non_null(capture);
    int kept_out = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    fflush(stdout);
    dup2(fileno(capture), STDOUT_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    while (argv[argc] != NULL)
        argc++;
    optind = 1;
    int code = cli_parse(program, argc, argv, args);
    fflush(stdout);
    dup2(kept_out, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    close(kept_out);
    close(kept_err);
    rewind(capture);
    out[fread(out, 1, room - 1, capture)] = '\0';
    fclose(capture);
    return code;
}

static void options_are_read(void **state)
{
    (void)state;
    struct cli_args args;
    char out[256];
    assert_int_equal(parse(&fcgi, ARGS("p"), &args, out, sizeof out), -1);
    assert_null(args.conf_path);
    assert_null(args.socket);
    assert_int_equal(parse(&fcgi, ARGS("p", "-lv", "-c", "a", "-sunix:/b"), &args, out, sizeof out), -1);
    assert_string_equal(args.conf_path, "a");
    assert_string_equal(args.socket, "unix:/b");
    assert_true(args.to_syslog && args.verbose);
    assert_int_equal(args.operand_count, 0);
    assert_int_equal(parse(&tool, ARGS("p", "-c", "a", "export", "-c", "--help"), &args, out, sizeof out), -1);
    assert_int_equal(args.operand_count, 3);
    assert_string_equal(args.operands[0], "export");
    assert_string_equal(out, "");
}

static void wrong_usage_is_one_line(void **state)
{
    (void)state;
    struct cli_args args;
    char out[256];
    assert_int_equal(parse(&fcgi, ARGS("p", "-x"), &args, out, sizeof out), 2);
    assert_string_equal(out, "hourfold-query: unknown option -x (see hourfold-query --help)\n");
    assert_int_equal(parse(&tool, ARGS("p", "-s", "a"), &args, out, sizeof out), 2);
    assert_string_equal(out, "hourfold: unknown option -s (see hourfold --help)\n");
    assert_int_equal(parse(&fcgi, ARGS("p", "-c"), &args, out, sizeof out), 2);
    assert_string_equal(out, "hourfold-query: missing argument of -c (see hourfold-query --help)\n");
    assert_int_equal(parse(&fcgi, ARGS("p", "--halp"), &args, out, sizeof out), 2);
    assert_string_equal(out, "hourfold-query: unknown option --halp (see hourfold-query --help)\n");
    assert_int_equal(parse(&fcgi, ARGS("p", "a\nb"), &args, out, sizeof out), 2);
    assert_string_equal(out, "hourfold-query: unexpected argument a b (see hourfold-query --help)\n");
}

static void help_and_version_are_answered(void **state)
{
    (void)state;
    struct cli_args args;
    char out[8192];
    assert_int_equal(parse(&fcgi, ARGS("p", "--help"), &args, out, sizeof out), 0);
    static const char usage[] = "usage: hourfold-query [-c FILE] [-s SOCKET] [-l] [-v]\n\nAnswers.\n";
    assert_memory_equal(out, usage, sizeof usage - 1);
    assert_non_null(strstr(out, "\n[query]\n"));
    assert_non_null(strstr(out, "\n  max_cells = 1500   (1 to 1000000 cells)\n"));
    assert_non_null(strstr(out, "\n[view NAME]\n"));
    assert_null(strstr(out, "[store]"));
    assert_int_equal(parse(&fcgi, ARGS("p", "--version"), &args, out, sizeof out), 0);
    assert_memory_equal(out, "hourfold-query ", 15);
    assert_non_null(strchr(out + 15, '.'));
}

UNIT_TESTS(unit(options_are_read), unit(wrong_usage_is_one_line), unit(help_and_version_are_answered))
