/* SPDX-License-Identifier: Apache-2.0 */
#include "store/page.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "store/env.h"

/* The head of a page: log sequence number, page number, …, and in its last byte the type. */
#define NUMBER_AT 8u
#define NUMBER_BYTES 12u /* of sequence and page number together */
#define TYPE_AT 25u

static _Thread_local bool in_recovery;

void page_set_recovering(bool recovering) { in_recovery = recovering; }

static bool all_zero(const unsigned char *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static ssize_t read_page(int fd, void *bytes, size_t len, off_t at)
{
    unsigned char *page = bytes;
    ssize_t n = pread(fd, bytes, len, at);
    if (n == PAGE_BYTES_OF_TABLES && at % PAGE_BYTES_OF_TABLES == 0 && page[TYPE_AT] == 0 &&
        all_zero(page, NUMBER_BYTES) && !(in_recovery && all_zero(page, PAGE_BYTES_OF_TABLES)))
        memset(page + NUMBER_AT, 0xFF, NUMBER_BYTES - NUMBER_AT);
    return n;
}

static void set_functions(void) { (void)db_env_set_func_pread(read_page); }

void page_use(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_functions);
}
