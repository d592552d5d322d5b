/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small file of fixed size that several processes map, to share what is in it.
 *
 * It begins with a magic of MAPPED_MAGIC_BYTES; the rest is zero when it is made.
 * All of its blocks are allocated then, so that a disk that fills up later harms
 * nobody. Who may read and write it is up to the umask.
 */
#ifndef HF_BASE_MAPPED_H
#define HF_BASE_MAPPED_H

#include <stddef.h>

#include "base/err.h"

#define MAPPED_MAGIC_BYTES 8u

/* Map the file, made where it is missing, for reading and writing; munmap() gives it back. HF_NOTFOUND: no such directory; HF_INVALID: it
 * is of another kind, version or size; HF_FULL: no room on the disk; HF_IO: permission, or else. */
HF_MUST_CHECK enum hf_err mapped_open(const char *path, const char magic[MAPPED_MAGIC_BYTES], size_t bytes, void **out,
                                      struct hf_why *why);

#endif
