/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that the processes of an environment share: files in env/, mapped
 * by us in place of Berkeley DB.
 *
 * Left to itself, it lets a region grow by a hole in the mapped file, which on
 * a full disk is SIGBUS; and it never unmaps a region that was recovered by
 * others.
 */
#ifndef HF_STORE_REGION_H
#define HF_STORE_REGION_H

#include "store/env.h"

/* Make Berkeley DB map regions through us, in the whole process. `app_private` of every handle is then its struct env. */
void region_use(void);

/* Allocate what a transaction needs that locks so many pages: a hole that is touched on a full disk is SIGBUS. An errno. */
int region_grow(const char *path, size_t locks);

/* Unmap what an environment still has mapped. Nothing may look into it any more. */
void region_unmap_all(struct env *env);

/* Remove the regions of the generation before, and give their room back even where somebody still maps them. Of those,
 * env_abandon() looks at the first page of the first region, which stays. */
void region_remove_all(const char *path);

/* A file in env/ that keeps some room for recovery, which on a full disk would fail for want of it. */
bool region_take_reserve(const char *path); /* whether there was room */
void region_free_reserve(const char *path);

#endif
