/* SPDX-License-Identifier: Apache-2.0 */
/* Print the table of options as one of the checked-in files holds it: "ini", "mdoc" or "help". */
#include <stdio.h>
#include <string.h>

#include "base/conf.h"

int main(int argc, char **argv)
{
    const char *form = argc == 2 ? argv[1] : "";
    if (strcmp(form, "ini") == 0)
        conf_print_ini(stdout, true);
    else if (strcmp(form, "mdoc") == 0)
        conf_print_mdoc(stdout, true);
    else if (strcmp(form, "help") == 0)
        conf_print_help(stdout, "store bus consumer collect query view");
    else
        return 2;
    return ferror(stdout) != 0;
}
