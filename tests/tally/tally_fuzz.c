/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the file of the tally: refused, or read as what they hold, and counted in. The rest of a page that the input
 * begins is taken to be zero.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tally/tally.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())
#define FILE_BYTES 4096

static char path[64];
static size_t has_bytes = SIZE_MAX; /* of the file, if that is known */

static void remove_file(void) { unlink(path); }

static int open_file(void)
{
    snprintf(path, sizeof path, "%s/hourfold-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    int fd = mkstemp(path);
    struct tally_values values;
    must(fd >= 0);
    atexit(remove_file);
    must(tally_read("/", &values, NULL) == HF_INVALID);
    must(tally_read("/nowhere/tally", &values, NULL) == HF_NOTFOUND);
    must(tally_read("/etc/passwd/tally", &values, NULL) == HF_NOTFOUND);
    must(tally_read("/proc/self/exe", &values, NULL) == HF_IO); /* a symbolic link */
    return fd;
}

static void count(void)
{
    struct tally_values before, after;
    struct tally *tally = tally_new();
    must(tally != NULL);
    tally_add(tally, TALLY_ACCEPTED, 0, 3);
    enum hf_err was = tally_read(path, &before, NULL), err = tally_join(tally, path, NULL);
    must(err == HF_OK || err == HF_INVALID);
    must(was != HF_OK || err == HF_OK);
    if (err == HF_OK) {
        must(tally_read(path, &after, NULL) == HF_OK);
        must(after.counts[TALLY_ACCEPTED][0] == (was == HF_OK ? before.counts[TALLY_ACCEPTED][0] : 0) + 3 || was != HF_OK);
    }
    tally_free(&tally);
    has_bytes = SIZE_MAX; /* who joins an empty one makes it whole */
}

/* Have the file hold the bytes, followed by zeros up to `file_bytes`; with as few calls as it takes. */
static void fill(int fd, const uint8_t *data, size_t size, size_t file_bytes)
{
    static uint8_t page[FILE_BYTES];
    if (file_bytes != has_bytes)
        must(ftruncate(fd, (off_t)file_bytes) == 0);
    has_bytes = file_bytes;
    memset(page, 0, sizeof page);
    if (size > 0)
        memcpy(page, data, size);
    must(pwrite(fd, page, file_bytes, 0) == (ssize_t)file_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct tally_values values;
    if (fd < 0)
        fd = open_file();
    if (size > FILE_BYTES)
        return 0;
    /* The first byte chooses the size of the file: whole, or as long as the input. */
    bool whole = size > 0 && data[0] % 2 == 0;
    if (size > 0)
        data++, size--;
    fill(fd, data, size, whole ? FILE_BYTES : size);
    enum hf_err err = tally_read(path, &values, NULL);
    must(err == HF_OK || err == HF_INVALID || err == HF_NOTFOUND);
    if (err == HF_OK || size % 16 == 0) /* what it costs to join is all the kernel's */
        count();
    return 0;
}
