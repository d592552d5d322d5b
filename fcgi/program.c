/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "program.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static void help(const struct program *program)
{
    printf("Usage: %s [-c FILE] [-s ADDRESS]\n"
           "%s\n\n"
           "  -c, --config FILE      read this configuration (default: $HOURFOLD_CONF, then the installed one)\n"
           "  -s, --socket ADDRESS   listen on unix:/path, 127.0.0.1:port or [::1]:port; without it, on the\n"
           "                         socket that a web server handed over as descriptor 0\n"
           "      --help             show this and exit\n"
           "      --version          show the version and exit\n\n"
           "SIGTERM, SIGINT, SIGHUP and SIGUSR1 end it after the requests it has taken are answered.\n"
           "Options of the configuration: hourfold.conf(5).\n",
           program->name, program->purpose);
}

bool program_options(struct program *program, int argc, char **argv, int *status)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"socket", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    *status = PROGRAM_USAGE;
    for (int option; (option = getopt_long(argc, argv, "c:s:", options, NULL)) != -1;) {
        switch (option) {
        case 'c': program->conf_path = optarg; break;
        case 's': program->listen = optarg; break;
        case 'h': help(program); *status = EXIT_SUCCESS; return false;
        case 'V': printf("%s %s\n", program->name, PACKAGE_VERSION); *status = EXIT_SUCCESS; return false;
        default: fprintf(stderr, "Try %s --help\n", program->name); return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument: %s\n", program->name, argv[optind]);
        return false;
    }
    return true;
}
