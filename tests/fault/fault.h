/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of the system, at a chosen call.
 *
 * A test that links fault.c has its own write(), fsync(), rename() and so on in
 * the place of the C library's, for the product and for Berkeley DB alike. They
 * count the calls that change something below a folder, and make the chosen one
 * go wrong. What is tested runs in a child; the parent looks at what it left.
 */
#ifndef HF_TESTS_FAULT_H
#define HF_TESTS_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>

enum fault_how {
    FAULT_NONE,
    FAULT_KILL_BEFORE, /* kill -9 instead of the call */
    FAULT_KILL_WITHIN, /* half of what is to be written is; of other calls, as after */
    FAULT_KILL_AFTER,
    FAULT_NO_SPACE,    /* fails once with ENOSPC */
    FAULT_BROKEN,      /* fails with EIO, and so does the same call when it is tried again at once */
    FAULT_SHORT,       /* half of what is to be written is; of other calls, nothing is wrong */
    FAULT_KINDS
};

extern const char *const fault_names[FAULT_KINDS];

/* What child and parent share; made by fault_share(). */
struct fault_board {
    _Atomic unsigned long calls; /* counted so far */
    _Atomic bool hit;
    char call[96];  /* the one that was chosen, and on what */
    char text[512]; /* what fault_say() was given */
};

/* Shared memory for `bytes` of a test, beginning with a struct fault_board; all zero. Ends the test where there is none. */
void *fault_share(unsigned long bytes);

/* In the child: from now on count what changes below `folder`, and let the `at`-th call (from 1) go wrong. */
void fault_arm(struct fault_board *board, const char *folder, enum fault_how how, unsigned long at);
void fault_disarm(void);
/* What was broken works again. */
void fault_mend(void);

/* How a child ended. */
enum fault_end {
    FAULT_ENDED,   /* its function returned true */
    FAULT_FAILED,  /* false; the text says why */
    FAULT_KILLED,  /* by the fault */
    FAULT_AGAIN,   /* it said that it has to be started again, with FAULT_AGAIN_CODE */
    FAULT_CRASHED  /* anything else; the text says what */
};
#define FAULT_AGAIN_CODE 75

/* Run a function in a child of its own, with a fault. It is killed after `most_s` seconds, which counts as crashed. */
enum fault_end fault_run(struct fault_board *board, bool (*run)(void *), void *context, const char *folder,
                         enum fault_how how, unsigned long at, unsigned most_s);

/* In the child: note what went wrong, the first alone. False, so that a check can be `cond || fault_say(...)`. */
bool fault_say(struct fault_board *board, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A fresh folder, in memory where that can be; and all of it gone. */
void fault_make_folder(char *path, unsigned long bytes, const char *name);
void fault_remove_folder(const char *path);

/* Numbers from the environment, and pseudo-random ones from a seed, the same in every run. */
unsigned long long fault_number(const char *name, unsigned long long otherwise);
unsigned long long fault_random(unsigned long long *state);

#endif
