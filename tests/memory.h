/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that ends at a chosen allocation, and whose blocks are counted.
 *
 * A test that links memory.c with MEMORY_LINK has it in the place of malloc()
 * and its kin, for itself and for libhourfold, not for other libraries.
 */
#ifndef HF_TESTS_MEMORY_H
#define HF_TESTS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Which allocations fail, counted from now on. */
enum memory_plan {
    MEMORY_ALL_WELL,
    MEMORY_ONE,       /* the nth alone */
    MEMORY_FROM_THERE /* the nth and all after it */
};
void memory_plan(enum memory_plan plan, unsigned long nth);

/* The plan that was made last, to suspend it and make it again. */
enum memory_plan memory_planned(void);
unsigned long memory_nth(void);

/* From now on there is memory; what happened under the plan is still told. */
void memory_pause(void);

bool memory_failed(void);            /* did one, since memory_plan()? */
unsigned long memory_count(void);    /* allocations since memory_plan() */
size_t memory_largest(void);         /* the most bytes asked for at once, since memory_plan() */
unsigned long memory_live(void);     /* blocks that are allocated at present */

/* Run something with its first allocation failing, then with its second, and so on until none fails any more; all of
 * it twice, with one failing and with all from there on. `run` may end the plan with memory_pause() when it is done with what is
 * tested. It leaves no block behind: the test fails where it does. Returns how many allocations there are. */
unsigned long memory_each(void (*run)(void *context), void *context);

#endif
