/* SPDX-License-Identifier: Apache-2.0 */
/* A process that a test starts to run a part of it. */
#ifndef HF_TESTS_CHILD_H
#define HF_TESTS_CHILD_H

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* fork(), but a fault of the child ends it: cmocka would catch it, and go on in the child with the rest of the tests. */
static inline pid_t test_fork(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGABRT};
    pid_t pid = fork();
    for (size_t i = 0; pid == 0 && i < sizeof faults / sizeof *faults; i++)
        signal(faults[i], SIG_DFL);
    return pid;
}

#endif
