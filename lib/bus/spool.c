/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file, version 1. Integers are little-endian; checksums are those of
 * base/checksum.h.
 *
 *   bytes   field of the header
 *   8       magic "HFSPOOL", version 1
 *   8       producer
 *   40      boot id, text, filled up with NULs
 *   8       checksum of the 56 bytes before it
 *           then for each record
 *   8       magic F5 "HFBATCH"
 *   4       length of the batch, 1..2^20
 *   8       producer
 *   8       number of the batch
 *   8       checksum of the batch
 *   8       checksum of the 36 bytes before it
 *   1..2^20 the batch
 *
 * A record has a checksum for its head, which tells its extent, and one for its
 * bytes. When the head is right and the file shorter than it says, the file was cut
 * off there; a head alone that was damaged would look the same without a sum of its
 * own. Whatever is wrong, the next record is looked for by its magic and the
 * checksum of its head: F5 is in no text, so that this is quick.
 */
#include "bus/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/checksum.h"

#define FILE_MAGIC "HFSPOOL\1" /* the version included */
#define RECORD_MAGIC "\xF5HFBATCH"
#define MAGIC_BYTES 8u
#define HEADER_BYTES 64u
#define HEADER_CHECKED 56u
#define HEAD_BYTES 44u /* of a record, before its batch */
#define HEAD_CHECKED 36u
#define CHECKSUM_KEY "hourfold spool 1"
#define DIGITS 16u
#define NAME_BYTES 32u
#define SCAN_BYTES 65536u
#define GRANT_PART 16u /* of what is free, taken before the directory is looked at again */
#define CREATE_TRIES 10
#define LIVE_AT ((off_t)1 << 62) /* a byte beyond any file: locked too by the owner of one that is live */

struct spool {
    int dir;
    uint64_t max_bytes;
    uint64_t grant;              /* bytes that may be appended before the directory is looked at again */
    _Atomic uint64_t appending;  /* producer of the file that this process appends to, or 0 */
};

struct spool_file {
    struct spool *spool;
    int fd;
    uint64_t producer;
    uint64_t bytes;   /* its length, of whole records */
    bool created;     /* by us, to append */
    bool empty;       /* and nothing was appended */
    bool name_synced;
    bool live;
    bool damaged;
    unsigned char *buffer; /* a record, or a piece to look for one in */
    size_t capacity;
};

/* ---- the directory ---- */

enum hf_err spool_open(const char *path, uint64_t max_bytes, struct spool **out, struct hf_why *why)
{
    struct stat info;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return hf_fail(why, HF_INVALID, "cannot make the spool directory %s: %s", path, strerror(errno));
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fstat(dir, &info) != 0) {
        enum hf_err err = hf_fail(why, HF_INVALID, "cannot use the spool directory %s: %s", path, strerror(errno));
        if (dir >= 0)
            close(dir);
        return err;
    }
    const char *fault = faccessat(dir, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0 ? strerror(errno)
                        : (info.st_mode & S_IWOTH) != 0                          ? "everybody may write into it"
                                                                                 : NULL;
    struct spool *spool = fault == NULL ? calloc(1, sizeof *spool) : NULL;
    if (spool == NULL) {
        close(dir);
        return fault == NULL ? hf_fail(why, HF_NOMEM, "no memory")
                             : hf_fail(why, HF_INVALID, "cannot use the spool directory %s: %s", path, fault);
    }
    spool->dir = dir;
    spool->max_bytes = max_bytes;
    *out = spool;
    return HF_OK;
}

void spool_close(struct spool **spool)
{
    if (*spool != NULL)
        close((*spool)->dir);
    free(*spool);
    *spool = NULL;
}

static void make_name(uint64_t producer, const char *ending, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "%016llx.%s", (unsigned long long)producer, ending);
}

static bool read_name(const char *name, const char *ending, uint64_t *producer)
{
    if (strspn(name, "0123456789abcdef") != DIGITS || name[DIGITS] != '.' || strcmp(name + DIGITS + 1, ending) != 0)
        return false;
    *producer = strtoull(name, NULL, 16);
    return *producer != 0;
}

/* A stream of its own: those of one descriptor would share their place in the directory. */
static DIR *open_list(const struct spool *spool)
{
    int fd = openat(spool->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL && fd >= 0)
        close(fd);
    return list;
}

static enum hf_err sum_bytes(const struct spool *spool, uint64_t *sum)
{
    struct stat info;
    uint64_t producer;
    DIR *list = open_list(spool);
    if (list == NULL)
        return HF_IO;
    *sum = 0;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        if ((read_name(entry->d_name, "spool", &producer) || read_name(entry->d_name, "kept", &producer) ||
             read_name(entry->d_name, "damaged", &producer)) &&
            fstatat(spool->dir, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
            *sum += (uint64_t)info.st_size;
    closedir(list);
    return HF_OK;
}

static int oldest_first(const void *a_in, const void *b_in)
{
    const struct spool_entry *a = a_in, *b = b_in;
    return a->changed_ms != b->changed_ms ? (a->changed_ms > b->changed_ms) - (a->changed_ms < b->changed_ms)
                                          : (a->producer > b->producer) - (a->producer < b->producer);
}

static enum hf_err list_files(const struct spool *spool, DIR *list, struct spool_entry **entries, size_t *count)
{
    size_t capacity = 0;
    struct stat info;
    uint64_t producer;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (!read_name(entry->d_name, "spool", &producer) ||
            fstatat(spool->dir, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (*count == capacity) {
            capacity = capacity * 2 + 16;
            struct spool_entry *more = realloc(*entries, capacity * sizeof *more);
            if (more == NULL)
                return HF_NOMEM;
            *entries = more;
        }
        int64_t changed_ms = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
        (*entries)[(*count)++] = (struct spool_entry){producer, (uint64_t)info.st_size, changed_ms};
    }
    return HF_OK;
}

enum hf_err spool_list(struct spool *spool, struct spool_entry **out, size_t *count)
{
    struct spool_entry *entries = NULL;
    size_t found = 0;
    DIR *list = open_list(spool);
    if (list == NULL)
        return HF_IO;
    enum hf_err err = list_files(spool, list, &entries, &found);
    closedir(list);
    if (err != HF_OK) {
        free(entries);
        return err;
    }
    if (found > 0)
        qsort(entries, found, sizeof *entries, oldest_first);
    *out = entries;
    *count = found;
    return HF_OK;
}

/* ---- files ---- */

static enum hf_err of_errno(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG ? HF_FULL : HF_IO;
}

static bool lock(int fd, int how)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = LIVE_AT};
    int result;
    do
        result = fcntl(fd, how, &all);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static struct spool_file *new_file(struct spool *spool, int fd, uint64_t producer)
{
    struct spool_file *file = calloc(1, sizeof *file);
    if (file != NULL) {
        file->spool = spool;
        file->fd = fd;
        file->producer = producer;
    }
    return file;
}

static void unlink_file(const struct spool_file *file)
{
    char name[NAME_BYTES];
    make_name(file->producer, "spool", name);
    unlinkat(file->spool->dir, name, 0);
}

void spool_release(struct spool_file **file_in)
{
    struct spool_file *file = *file_in;
    if (file == NULL)
        return;
    if (file->created && file->empty)
        unlink_file(file);
    close(file->fd);
    if (file->created) /* not before the lock is gone: a claim of ours must not see it in between */
        atomic_store(&file->spool->appending, 0);
    free(file->buffer);
    free(file);
    *file_in = NULL;
}

/* The buffer, with room for `len` bytes, or NULL. */
static unsigned char *buffer_of(struct spool_file *file, size_t len)
{
    if (len > file->capacity) {
        unsigned char *more = realloc(file->buffer, len);
        if (more == NULL)
            return NULL;
        file->buffer = more;
        file->capacity = len;
    }
    return file->buffer;
}

uint64_t spool_file_producer(const struct spool_file *file) { return file->producer; }
uint64_t spool_file_bytes(const struct spool_file *file) { return file->bytes; }

/* ---- append ---- */

static void put_le(unsigned char *out, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get_le(const unsigned char *in, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)in[i] << 8 * i;
    return v;
}

/* Write all of it at the end of the file, or leave the file as it is. */
static enum hf_err write_whole(struct spool_file *file, const unsigned char *bytes, size_t len, struct hf_why *why)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(file->fd, bytes + done, len - done, (off_t)(file->bytes + done));
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            int code = n == 0 ? ENOSPC : errno;
            /* When this fails too, the next append writes over the piece. */
            bool cut = done == 0 || ftruncate(file->fd, (off_t)file->bytes) == 0;
            return hf_fail(why, of_errno(code), "cannot write %016llx.spool: %s%s", (unsigned long long)file->producer,
                           strerror(code), cut ? "" : ", nor cut it back");
        }
    }
    file->bytes += len;
    return HF_OK;
}

/* Make the file, and lock it. Between the two another process may find it, see nothing in it and remove it. */
static int create_locked(const struct spool *spool, const char *name)
{
    struct stat info;
    for (int i = 0; i < CREATE_TRIES; i++) {
        int fd = openat(spool->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -1;
        if (lock(fd, F_SETLKW) && fstat(fd, &info) == 0 && info.st_nlink > 0)
            return fd;
        close(fd);
        errno = EAGAIN;
    }
    return -1;
}

static enum hf_err take_room(struct spool *spool, uint64_t bytes, struct hf_why *why)
{
    if (spool->grant < bytes) {
        uint64_t sum;
        if (sum_bytes(spool, &sum) != HF_OK)
            return hf_fail(why, HF_IO, "cannot list the spool directory: %s", strerror(errno));
        uint64_t left = sum < spool->max_bytes ? spool->max_bytes - sum : 0;
        if (left < bytes)
            return hf_fail(why, HF_FULL, "the spool holds %llu of at most %llu bytes", (unsigned long long)sum,
                           (unsigned long long)spool->max_bytes);
        spool->grant = left / GRANT_PART > bytes ? left / GRANT_PART : bytes;
    }
    spool->grant -= bytes;
    return HF_OK;
}

static void make_header(uint64_t producer, const char *boot_id, unsigned char header[HEADER_BYTES])
{
    memset(header, 0, HEADER_BYTES);
    memcpy(header, FILE_MAGIC, MAGIC_BYTES);
    put_le(header + 8, producer, 8);
    snprintf((char *)header + 16, SPOOL_BOOT_BYTES, "%s", boot_id);
    hf_checksum(CHECKSUM_KEY, header, HEADER_CHECKED, header + HEADER_CHECKED);
}

static enum hf_err write_header(struct spool_file *file, const char *boot_id, struct hf_why *why)
{
    struct stat info;
    unsigned char header[HEADER_BYTES];
    make_header(file->producer, boot_id, header);
    if (fstat(file->spool->dir, &info) == 0) /* where it fails, the file is for its owner alone */
        (void)fchmod(file->fd, info.st_mode & 0660);
    enum hf_err err = take_room(file->spool, HEADER_BYTES, why);
    return err == HF_OK ? write_whole(file, header, HEADER_BYTES, why) : err;
}

enum hf_err spool_create(struct spool *spool, uint64_t producer, const char *boot_id, struct spool_file **out,
                         struct hf_why *why)
{
    char name[NAME_BYTES];
    make_name(producer, "spool", name);
    atomic_store(&spool->appending, producer); /* before anybody can find it */
    int fd = create_locked(spool, name);
    struct spool_file *file = fd >= 0 ? new_file(spool, fd, producer) : NULL;
    if (file == NULL) {
        enum hf_err err = fd >= 0           ? hf_fail(why, HF_NOMEM, "no memory")
                          : errno == EEXIST ? hf_fail(why, HF_BUSY, "%s exists", name)
                                            : hf_fail(why, of_errno(errno), "cannot make %s: %s", name, strerror(errno));
        if (fd >= 0) {
            unlinkat(spool->dir, name, 0);
            close(fd);
        }
        atomic_store(&spool->appending, 0);
        return err;
    }
    file->created = file->empty = true;
    enum hf_err err = write_header(file, boot_id, why);
    if (err != HF_OK)
        spool_release(&file);
    else
        *out = file;
    return err;
}

enum hf_err spool_append(struct spool_file *file, uint64_t number, const void *bytes, size_t len, struct hf_why *why)
{
    if (len == 0 || len > SPOOL_BATCH_BYTES_MAX)
        return hf_fail(why, HF_IO, "a batch of %zu bytes has no place in the spool", len);
    enum hf_err err = take_room(file->spool, HEAD_BYTES + len, why);
    if (err != HF_OK)
        return err;
    unsigned char *record = buffer_of(file, HEAD_BYTES + len);
    if (record == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    memcpy(record, RECORD_MAGIC, MAGIC_BYTES);
    put_le(record + 8, len, 4);
    put_le(record + 12, file->producer, 8);
    put_le(record + 20, number, 8);
    hf_checksum(CHECKSUM_KEY, bytes, len, record + 28);
    hf_checksum(CHECKSUM_KEY, record, HEAD_CHECKED, record + HEAD_CHECKED);
    memcpy(record + HEAD_BYTES, bytes, len);
    err = write_whole(file, record, HEAD_BYTES + len, why);
    if (err == HF_OK)
        file->empty = false;
    return err;
}

enum hf_err spool_sync(struct spool_file *file, struct hf_why *why)
{
    if (fsync(file->fd) != 0 || (!file->name_synced && fsync(file->spool->dir) != 0))
        return hf_fail(why, of_errno(errno), "cannot sync %016llx.spool: %s", (unsigned long long)file->producer,
                       strerror(errno));
    file->name_synced = true;
    return HF_OK;
}

void spool_set_live(struct spool_file *file, bool live)
{
    struct flock byte = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LIVE_AT, .l_len = 1};
    if (file->live == live)
        return;
    if (live)
        byte.l_type = F_WRLCK;
    if (fcntl(file->fd, F_SETLK, &byte) == 0) /* a file that could not be made live only seems to hold what waits */
        file->live = live;
}

/* ---- claim and read ---- */

enum hf_err spool_claim(struct spool *spool, uint64_t producer, struct spool_file **out, struct hf_why *why)
{
    char name[NAME_BYTES];
    struct stat info;
    make_name(producer, "spool", name);
    /* Even to open and close it would take the lock from the thread that appends. A file that is there now and that we made is
     * either this one or released. */
    if (producer == atomic_load(&spool->appending))
        return HF_BUSY;
    int fd = openat(spool->dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? HF_NOTFOUND : hf_fail(why, HF_IO, "cannot open %s: %s", name, strerror(errno));
    enum hf_err err = HF_OK;
    if (!lock(fd, F_SETLK))
        err = errno == EACCES || errno == EAGAIN ? HF_BUSY
                                                 : hf_fail(why, HF_IO, "cannot lock %s: %s", name, strerror(errno));
    else if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        err = hf_fail(why, HF_IO, "%s is no plain file", name);
    else if (info.st_nlink == 0) /* finished by another process while we came */
        err = HF_NOTFOUND;
    struct spool_file *file = err == HF_OK ? new_file(spool, fd, producer) : NULL;
    if (file == NULL) {
        close(fd);
        return err != HF_OK ? err : hf_fail(why, HF_NOMEM, "no memory");
    }
    file->bytes = (uint64_t)info.st_size;
    *out = file;
    return HF_OK;
}

/* Read `len` bytes that are there. */
static enum hf_err read_at(const struct spool_file *file, uint64_t at, unsigned char *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(file->fd, out + done, len - done, (off_t)(at + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return HF_IO;
    }
    return HF_OK;
}

static bool sum_is_right(const unsigned char *bytes, size_t len, const unsigned char *expected)
{
    unsigned char sum[HF_CHECKSUM_BYTES];
    hf_checksum(CHECKSUM_KEY, bytes, len, sum);
    return memcmp(sum, expected, sizeof sum) == 0;
}

static bool is_head(const unsigned char *head)
{
    uint64_t len = get_le(head + 8, 4);
    return memcmp(head, RECORD_MAGIC, MAGIC_BYTES) == 0 && len > 0 && len <= SPOOL_BATCH_BYTES_MAX &&
           sum_is_right(head, HEAD_CHECKED, head + HEAD_CHECKED);
}

/* Where the next good head begins in a piece of the file, or `len`. */
static size_t find_head(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; len - i >= HEAD_BYTES; i++) {
        const unsigned char *first = memchr(bytes + i, (unsigned char)RECORD_MAGIC[0], len - i);
        if (first == NULL)
            break;
        i = (size_t)(first - bytes);
        if (len - i >= HEAD_BYTES && is_head(first))
            return i;
    }
    return len;
}

/* Where the next good head begins, from `from` on, or the length of the file. */
static enum hf_err look_for_head(struct spool_file *file, uint64_t from, uint64_t *found)
{
    unsigned char *piece = buffer_of(file, SCAN_BYTES);
    if (piece == NULL)
        return HF_NOMEM;
    for (;;) {
        uint64_t left = from < file->bytes ? file->bytes - from : 0;
        size_t len = left < SCAN_BYTES ? (size_t)left : SCAN_BYTES;
        *found = file->bytes;
        if (len < HEAD_BYTES)
            return HF_OK;
        enum hf_err err = read_at(file, from, piece, len);
        if (err != HF_OK)
            return err;
        size_t offset = find_head(piece, len);
        *found = from + offset;
        if (offset < len)
            return HF_OK;
        from += len - (HEAD_BYTES - 1); /* a head may begin in this piece and end in the next */
    }
}

/* What begins at `*at` is damaged: move `*at` to the next record, or to the end of the file. */
static enum hf_err pass_over(struct spool_file *file, uint64_t *at)
{
    uint64_t next;
    enum hf_err err = look_for_head(file, *at + 1, &next);
    if (err != HF_OK)
        return err;
    file->damaged = true;
    *at = next;
    return HF_CORRUPT;
}

/* The record at `*at` is longer than what is left of the file: its writing was cut off, unless another follows. */
static enum hf_err pass_over_end(struct spool_file *file, uint64_t *at)
{
    uint64_t next;
    enum hf_err err = look_for_head(file, *at + 1, &next);
    if (err != HF_OK || next == file->bytes)
        return err == HF_OK ? HF_NOTFOUND : err;
    file->damaged = true;
    *at = next;
    return HF_CORRUPT;
}

/* Is what is left of the file, shorter than it would have to be, the beginning of something that begins with `magic`? */
static bool is_cut_off(const unsigned char *bytes, size_t len, const char *magic)
{
    return memcmp(bytes, magic, len < MAGIC_BYTES ? len : MAGIC_BYTES) == 0;
}

static enum hf_err read_header(struct spool_file *file, uint64_t *at)
{
    unsigned char header[HEADER_BYTES];
    size_t len = file->bytes < HEADER_BYTES ? (size_t)file->bytes : HEADER_BYTES;
    enum hf_err err = read_at(file, 0, header, len);
    if (err != HF_OK)
        return err;
    if (len < HEADER_BYTES)
        return is_cut_off(header, len, FILE_MAGIC) ? HF_NOTFOUND : pass_over(file, at);
    if (!sum_is_right(header, HEADER_CHECKED, header + HEADER_CHECKED))
        return pass_over(file, at);
    if (memcmp(header, FILE_MAGIC, MAGIC_BYTES) != 0)
        return HF_INVALID;
    *at = HEADER_BYTES;
    return HF_OK;
}

static enum hf_err read_record(struct spool_file *file, uint64_t *at, struct spool_record *record)
{
    unsigned char head[HEAD_BYTES];
    uint64_t left = *at < file->bytes ? file->bytes - *at : 0;
    size_t head_len = left < HEAD_BYTES ? (size_t)left : HEAD_BYTES;
    enum hf_err err = read_at(file, *at, head, head_len);
    if (err != HF_OK)
        return err;
    if (head_len < HEAD_BYTES)
        return is_cut_off(head, head_len, RECORD_MAGIC) ? HF_NOTFOUND : pass_over(file, at);
    if (!is_head(head))
        return pass_over(file, at);
    size_t len = (size_t)get_le(head + 8, 4);
    if (left - HEAD_BYTES < len)
        return pass_over_end(file, at);
    unsigned char *bytes = buffer_of(file, len);
    if (bytes == NULL)
        return HF_NOMEM;
    err = read_at(file, *at + HEAD_BYTES, bytes, len);
    if (err != HF_OK)
        return err;
    if (!sum_is_right(bytes, len, head + 28))
        return pass_over(file, at);
    *record = (struct spool_record){*at, get_le(head + 12, 8), get_le(head + 20, 8), bytes, len};
    *at += HEAD_BYTES + len;
    return HF_OK;
}

enum hf_err spool_read(struct spool_file *file, uint64_t *at, struct spool_record *record)
{
    enum hf_err err = *at == 0 ? read_header(file, at) : HF_OK;
    return err == HF_OK ? read_record(file, at, record) : err;
}

enum hf_err spool_finish(struct spool_file **file_in, struct hf_why *why)
{
    struct spool_file *file = *file_in;
    char name[NAME_BYTES];
    char kept[NAME_BYTES];
    make_name(file->producer, "spool", name);
    make_name(file->producer, "damaged", kept);
    int result = file->damaged ? renameat(file->spool->dir, name, file->spool->dir, kept)
                               : unlinkat(file->spool->dir, name, 0);
    enum hf_err err = result == 0 ? HF_OK : hf_fail(why, HF_IO, "cannot remove %s: %s", name, strerror(errno));
    spool_release(file_in);
    return err;
}

/* ---- look from outside ---- */

static bool is_live(int dir, const char *name)
{
    struct flock byte = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = LIVE_AT, .l_len = 1};
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool live = fcntl(fd, F_GETLK, &byte) == 0 && byte.l_type != F_UNLCK;
    close(fd);
    return live;
}

/* Is it of this boot? One that cannot be read is not: it is published once more, or found to be damaged. */
static bool is_of_boot(int dir, const char *name, uint64_t producer, const char *boot_id)
{
    unsigned char header[HEADER_BYTES];
    unsigned char expected[HEADER_BYTES];
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = pread(fd, header, sizeof header, 0);
    close(fd); /* nobody has a lock on what is kept */
    make_header(producer, boot_id, expected);
    return n == (ssize_t)sizeof header && memcmp(header, expected, sizeof header) == 0;
}

/* Whether batches may wait in a file of that name: `*producer` is whose. */
static bool may_wait(int dir, const char *name, const char *boot_id, uint64_t *producer)
{
    if (read_name(name, "spool", producer))
        return !is_live(dir, name);
    return boot_id[0] != '\0' && read_name(name, "kept", producer) && !is_of_boot(dir, name, *producer, boot_id);
}

static void survey_file(int dir, const char *name, const char *boot_id, struct spool_survey *out)
{
    uint64_t producer;
    struct stat info;
    bool damaged = read_name(name, "damaged", &producer);
    bool ours = damaged || read_name(name, "spool", &producer) || read_name(name, "kept", &producer);
    if (!ours || fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    out->all_bytes += (uint64_t)info.st_size;
    out->damaged_files += damaged;
    if (may_wait(dir, name, boot_id, &producer)) {
        out->files++;
        out->bytes += (uint64_t)info.st_size;
    }
}

static enum hf_err open_outside(const char *path, DIR **list, struct hf_why *why)
{
    *list = opendir(path);
    return *list != NULL ? HF_OK
                         : hf_fail(why, errno == ENOENT ? HF_NOTFOUND : HF_IO, "cannot read the spool directory %s: %s", path,
                                   strerror(errno));
}

enum hf_err spool_survey(const char *path, const char *boot_id, struct spool_survey *out, struct hf_why *why)
{
    struct spool_survey survey = {0};
    DIR *list;
    enum hf_err err = open_outside(path, &list, why);
    if (err != HF_OK)
        return err;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        survey_file(dirfd(list), entry->d_name, boot_id, &survey);
    closedir(list);
    *out = survey;
    return HF_OK;
}

enum hf_err spool_waiting(const char *path, const char *boot_id, void (*each)(void *context, uint64_t producer),
                          void *context, struct hf_why *why)
{
    uint64_t producer;
    DIR *list;
    enum hf_err err = open_outside(path, &list, why);
    if (err != HF_OK)
        return err;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (may_wait(dirfd(list), entry->d_name, boot_id, &producer))
            each(context, producer);
    closedir(list);
    return HF_OK;
}

static enum hf_err look_into(int dir, const char *name, spool_record_fn each, void *context)
{
    struct spool_file file = {.fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    struct spool_record record;
    struct stat info;
    uint64_t at = 0;
    enum hf_err err = HF_CORRUPT;
    if (file.fd < 0 || fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode))
        err = HF_NOTFOUND; /* or drained meanwhile */
    else
        file.bytes = (uint64_t)info.st_size;
    while (err == HF_OK || err == HF_CORRUPT) {
        err = spool_read(&file, &at, &record);
        if (err == HF_OK)
            each(context, &record);
    }
    free(file.buffer);
    if (file.fd >= 0)
        close(file.fd);
    return err == HF_NOMEM ? HF_NOMEM : HF_OK;
}

enum hf_err spool_look(const char *path, spool_record_fn each, void *context, struct hf_why *why)
{
    uint64_t producer;
    DIR *list;
    enum hf_err err = open_outside(path, &list, why);
    if (err != HF_OK)
        return err;
    for (struct dirent *entry; err == HF_OK && (entry = readdir(list)) != NULL;)
        if (read_name(entry->d_name, "spool", &producer) && !is_live(dirfd(list), entry->d_name))
            err = look_into(dirfd(list), entry->d_name, each, context);
    closedir(list);
    return err == HF_OK ? HF_OK : hf_fail(why, err, "no memory");
}

/* ---- keep ---- */

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

enum hf_err spool_boot_id(char out[SPOOL_BOOT_BYTES], struct hf_why *why)
{
    FILE *file = fopen(BOOT_ID_FILE, "re");
    bool good = file != NULL && fgets(out, SPOOL_BOOT_BYTES, file) != NULL;
    if (file != NULL)
        fclose(file);
    if (good)
        out[strcspn(out, "\n")] = '\0';
    return good && out[0] != '\0'
               ? HF_OK
               : hf_fail(why, HF_INVALID, "collect.durability = power needs " BOOT_ID_FILE ", which cannot be read");
}

enum hf_err spool_keep(struct spool_file **file_in, const char *boot_id, struct hf_why *why)
{
    struct spool_file *file = *file_in;
    unsigned char header[HEADER_BYTES];
    char name[NAME_BYTES];
    char kept[NAME_BYTES];
    if (file->damaged || (file->created && file->empty))
        return spool_finish(file_in, why);
    make_name(file->producer, "spool", name);
    make_name(file->producer, "kept", kept);
    make_header(file->producer, boot_id, header);
    enum hf_err err = HF_OK;
    /* Writing the header also sets the time that tells how long it has been kept. */
    if (pwrite(file->fd, header, sizeof header, 0) != (ssize_t)sizeof header ||
        renameat(file->spool->dir, name, file->spool->dir, kept) != 0)
        err = hf_fail(why, HF_IO, "cannot keep %s: %s", name, strerror(errno));
    spool_release(file_in);
    return err;
}

enum hf_err spool_tend(struct spool *spool, const char *boot_id, int64_t before_ms)
{
    struct stat info;
    uint64_t producer;
    char name[NAME_BYTES];
    enum hf_err err = HF_OK;
    DIR *list = open_list(spool);
    if (list == NULL)
        return HF_IO;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (!read_name(entry->d_name, "kept", &producer) ||
            fstatat(spool->dir, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        int result = 0;
        if (!is_of_boot(spool->dir, entry->d_name, producer, boot_id)) {
            make_name(producer, "spool", name);
            result = renameat(spool->dir, entry->d_name, spool->dir, name);
        } else if ((int64_t)info.st_mtim.tv_sec * 1000 < before_ms) {
            result = unlinkat(spool->dir, entry->d_name, 0);
        }
        if (result != 0 && errno != ENOENT) /* another process may have done it */
            err = HF_IO;
    }
    closedir(list);
    return err;
}
