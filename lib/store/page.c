/* SPDX-License-Identifier: Apache-2.0 */
#include "store/page.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/env.h"

/* The head of a page, in the order of bytes of the machine: log sequence number (file, offset), page number, …, and in its
 * last byte the type. */
#define NUMBER_AT 8u
#define NUMBER_BYTES 12u /* of sequence and page number together */
#define TYPE_AT 25u

static bool all_zero(const unsigned char *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* ---- the first page ---- */

/* Which kind of table it is, and how it is laid out. */
#define MAGIC_AT 12u
#define PAGESIZE_AT 20u
#define FLAGS_AT 26u
#define TYPE 9u         /* of the first page of a btree */
#define HAS_CHECKSUM 1u

/* Whether `bytes` could be read of the beginning of a file, and anything was ever written there. */
static bool read_head(const char *file, unsigned char *bytes, size_t len)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, bytes, len, 0);
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)len && !all_zero(bytes, len);
}

int page_check_first(const char *file)
{
    unsigned char page[FLAGS_AT + 1];
    uint32_t magic, page_bytes;
    if (!read_head(file, page, sizeof page))
        return 0; /* Berkeley DB knows better */
    memcpy(&magic, page + MAGIC_AT, sizeof magic);
    memcpy(&page_bytes, page + PAGESIZE_AT, sizeof page_bytes);
    bool ours = magic == DB_BTREEMAGIC && page_bytes == PAGE_BYTES_OF_TABLES;
    return ours && page[TYPE_AT] == TYPE && page[FLAGS_AT] == HAS_CHECKSUM ? 0 : DB_CHKSUM_FAIL;
}

/* ---- the head of a log file ---- */

/* Of each record: the offset of the one before, its length with this head, a checksum. The first record holds a magic number, a
 * version, the size of the file, and a number that is not used. */
#define LOG_LENGTH_AT 4u
#define LOG_HEAD_BYTES 12u
#define LOG_FIRST_BYTES (LOG_HEAD_BYTES + 16u)

int page_check_log(const char *file)
{
    unsigned char head[LOG_FIRST_BYTES];
    uint32_t length;
    if (!read_head(file, head, sizeof head))
        return 0;
    memcpy(&length, head + LOG_LENGTH_AT, sizeof length);
    return length == LOG_FIRST_BYTES ? 0 : DB_CHKSUM_FAIL;
}

/* ---- holes ---- */

struct hole {
    dev_t device;
    ino_t inode;
    off_t at;
};

static _Thread_local struct hf_buf *watched;

void page_watch_holes(struct hf_buf *holes) { watched = holes; }

static bool has_empty_head(const unsigned char *page) { return page[TYPE_AT] == 0 && all_zero(page, NUMBER_BYTES); }

static bool permit_hole(int fd, const unsigned char *page, off_t at)
{
    struct stat info;
    if (watched == NULL || !all_zero(page, PAGE_BYTES_OF_TABLES) || fstat(fd, &info) != 0)
        return false;
    struct hole hole = {.device = info.st_dev, .inode = info.st_ino, .at = at};
    hf_buf_put(watched, &hole, sizeof hole);
    return true;
}

static ssize_t read_page(int fd, void *bytes, size_t len, off_t at)
{
    unsigned char *page = bytes;
    ssize_t n = pread(fd, bytes, len, at);
    if (n == PAGE_BYTES_OF_TABLES && at % PAGE_BYTES_OF_TABLES == 0 && has_empty_head(page) && !permit_hole(fd, page, at))
        memset(page + NUMBER_AT, 0xFF, NUMBER_BYTES - NUMBER_AT);
    return n;
}

int page_check_holes(const struct hf_buf *holes, int fd)
{
    struct stat info;
    unsigned char page[PAGE_BYTES_OF_TABLES];
    struct hole hole;
    if (!hf_buf_ok(holes))
        return ENOMEM;
    if (fstat(fd, &info) != 0)
        return errno;
    for (size_t at = 0; at + sizeof hole <= holes->len; at += sizeof hole) {
        memcpy(&hole, holes->data + at, sizeof hole);
        if (hole.device == info.st_dev && hole.inode == info.st_ino &&
            pread(fd, page, sizeof page, hole.at) == (ssize_t)sizeof page && has_empty_head(page))
            return DB_CHKSUM_FAIL;
    }
    return 0;
}

/* ---- log sequence numbers ---- */

#define NOTES 64

static struct note {
    const void *owner; /* NULL: free */
    dev_t device;
    ino_t inode;
    _Atomic uint64_t *where;
} notes[NOTES];
static pthread_mutex_t notes_mutex = PTHREAD_MUTEX_INITIALIZER;

void page_note(const void *owner, int fd, _Atomic uint64_t *where)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return;
    pthread_mutex_lock(&notes_mutex);
    for (unsigned i = 0; i < NOTES; i++)
        if (notes[i].owner == NULL) {
            notes[i] = (struct note){owner, info.st_dev, info.st_ino, where};
            break;
        }
    pthread_mutex_unlock(&notes_mutex);
}

void page_forget(const void *owner)
{
    pthread_mutex_lock(&notes_mutex);
    for (unsigned i = 0; i < NOTES; i++)
        if (notes[i].owner == owner)
            notes[i].owner = NULL;
    pthread_mutex_unlock(&notes_mutex);
}

static void raise_to(_Atomic uint64_t *where, uint64_t lsn)
{
    uint64_t known = atomic_load(where);
    while (known < lsn && !atomic_compare_exchange_weak(where, &known, lsn))
        continue;
}

/* The log is on the disk up to there: that is written before the page is. */
static void note_lsn(int fd, const unsigned char *page)
{
    struct stat info;
    DB_LSN lsn;
    memcpy(&lsn, page, sizeof lsn);
    if (lsn.file == 0 || fstat(fd, &info) != 0)
        return;
    pthread_mutex_lock(&notes_mutex);
    for (unsigned i = 0; i < NOTES; i++)
        if (notes[i].owner != NULL && notes[i].inode == info.st_ino && notes[i].device == info.st_dev)
            raise_to(notes[i].where, (uint64_t)lsn.file << 32 | lsn.offset);
    pthread_mutex_unlock(&notes_mutex);
}

static ssize_t write_page(int fd, const void *bytes, size_t len, off_t at)
{
    if (len == PAGE_BYTES_OF_TABLES && at % PAGE_BYTES_OF_TABLES == 0)
        note_lsn(fd, bytes);
    return pwrite(fd, bytes, len, at);
}

/* ---- in the place of pread() and pwrite() ---- */

static void set_functions(void)
{
    (void)db_env_set_func_pread(read_page);
    (void)db_env_set_func_pwrite(write_page);
}

void page_use(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_functions);
}
