/* SPDX-License-Identifier: Apache-2.0 */
/* A file of zeros is one that is being made: its maker has it locked. */
#include "base/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum hf_err of_errno(int code)
{
    return code == ENOENT || code == ENOTDIR                     ? HF_NOTFOUND
           : code == ENOSPC || code == EDQUOT || code == EFBIG ? HF_FULL
                                                               : HF_IO;
}

static bool lock(int fd)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result;
    do
        result = fcntl(fd, F_SETLKW, &all);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Have all of the disk's blocks, so that no write to the mapping can fail, and the magic. The file is locked. */
static enum hf_err prepare(int fd, const char *path, const char magic[MAPPED_MAGIC_BYTES], size_t bytes, struct hf_why *why)
{
    static const char none[MAPPED_MAGIC_BYTES];
    char found[MAPPED_MAGIC_BYTES];
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return hf_fail(why, HF_INVALID, "%s is no plain file", path);
    if (info.st_size != 0 && (uint64_t)info.st_size != bytes)
        return hf_fail(why, HF_INVALID, "%s is not of this version; remove it", path);
    int code;
    do
        code = posix_fallocate(fd, 0, (off_t)bytes);
    while (code == EINTR);
    if (code != 0)
        return hf_fail(why, of_errno(code), "cannot make %s: %s", path, strerror(code));
    if (pread(fd, found, sizeof found, 0) != (ssize_t)sizeof found)
        return hf_fail(why, HF_IO, "cannot read %s: %s", path, strerror(errno));
    if (memcmp(found, none, sizeof none) == 0 && pwrite(fd, magic, sizeof found, 0) != (ssize_t)sizeof found)
        return hf_fail(why, of_errno(errno), "cannot write %s: %s", path, strerror(errno));
    if (memcmp(found, none, sizeof none) != 0 && memcmp(found, magic, sizeof found) != 0)
        return hf_fail(why, HF_INVALID, "%s is not of this version; remove it", path);
    return HF_OK;
}

enum hf_err mapped_open(const char *path, const char magic[MAPPED_MAGIC_BYTES], size_t bytes, void **out, struct hf_why *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0660);
    if (fd < 0)
        return hf_fail(why, of_errno(errno), "cannot open %s: %s", path, strerror(errno));
    enum hf_err err = lock(fd) ? HF_OK : hf_fail(why, HF_IO, "cannot lock %s: %s", path, strerror(errno));
    if (err == HF_OK)
        err = prepare(fd, path, magic, bytes, why);
    if (err == HF_OK) {
        void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED)
            err = hf_fail(why, HF_IO, "cannot map %s: %s", path, strerror(errno));
        else
            *out = at;
    }
    close(fd); /* and so unlock it */
    return err;
}
