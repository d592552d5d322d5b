/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line that the FastCGI programs share.
 */
#ifndef HF_FCGI_PROGRAM_H
#define HF_FCGI_PROGRAM_H

#include <stdbool.h>

struct program {
    const char *name;      /* "hourfold-collect" */
    const char *purpose;   /* one sentence, for --help */
    const char *conf_path; /* -c, or NULL */
    const char *listen;    /* -s, or NULL */
};

#define PROGRAM_USAGE 2 /* exit code: wrong usage or configuration */

/* Read -c FILE, -s ADDRESS, --help and --version into `program`, whose name and purpose are set. True to go on; false
 * to end at once with `*status`, all having been said. */
bool program_options(struct program *program, int argc, char **argv, int *status);

#endif
