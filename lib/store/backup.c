/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups.
 *
 * A store in use is copied from outside, file by file: nobody waits for it, and
 * no recovery has to wait for it. First the tables, each page as it happens to
 * be; then the log, which tells how every page of them went on. Catastrophic
 * recovery in the copy rolls all pages forward to its end. For that, log files
 * that are complete are copied before the tables and meanwhile, since the
 * writer removes them.
 *
 * A page that is read while it is written may be half old, half new. So blocks
 * are read until they are the same twice; should that be fooled, the checksum
 * of the page is wrong, which the checks of the copy find. A copy that is not
 * good is made again.
 */
#define _XOPEN_SOURCE 700 /* realpath() */
#include "store/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 65536u
#define READS_MOST 1000
#define LOOK_MS 50 /* for log files that are complete: none comes and goes that fast */
#define FILE_MODE 0660
#define FOLDER_MODE 0770
#define LOG_NAME "log.%010" PRIu32

struct copy {
    const char *from, *to;
    uint32_t next_log; /* the first that is not copied; 0: not known yet */
    int64_t look_ms;
    struct hf_why *why;
    unsigned char block[BLOCK_BYTES], again[BLOCK_BYTES];
};

static enum hf_err failed(struct hf_why *why, const char *file)
{
    return hf_fail(why, errno == ENOSPC || errno == EDQUOT ? HF_FULL : errno == ENOENT ? HF_NOTFOUND : HF_IO, "%s: %s", file,
                   strerror(errno));
}

/* ---- files ---- */

/* Read a block until it is the same twice. Its length, 0 at the end of the file, or -1. */
static ssize_t read_block(struct copy *copy, int fd, off_t at)
{
    for (int reads = 0; reads < READS_MOST; reads++) {
        ssize_t n = pread(fd, copy->block, BLOCK_BYTES, at), m = pread(fd, copy->again, BLOCK_BYTES, at);
        if (n < 0 || (n == m && memcmp(copy->block, copy->again, (size_t)n) == 0))
            return n;
    }
    errno = EAGAIN;
    return -1;
}

static bool write_block(int fd, const unsigned char *block, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, block, len);
        if (n < 0 && errno != EINTR)
            return false;
        block += n < 0 ? 0 : n;
        len -= n < 0 ? 0 : (size_t)n;
    }
    return true;
}

static enum hf_err copy_logs(struct copy *copy, bool last_too);

static enum hf_err copy_blocks(struct copy *copy, int from, int to, const char *from_file, const char *to_file, bool table)
{
    enum hf_err err = HF_OK;
    off_t at = 0;
    for (;;) {
        ssize_t n = read_block(copy, from, at);
        if (n < 0)
            return failed(copy->why, from_file);
        if (n == 0)
            return HF_OK;
        if (!write_block(to, copy->block, (size_t)n))
            return failed(copy->why, to_file);
        at += n;
        if (table && (err = copy_logs(copy, false)) != HF_OK)
            return err;
    }
}

static enum hf_err copy_file(struct copy *copy, const char *folder, const char *name, bool table)
{
    char from_file[ENV_PATH_BYTES], to_file[ENV_PATH_BYTES];
    snprintf(from_file, sizeof from_file, "%s/%s/%s", copy->from, folder, name);
    snprintf(to_file, sizeof to_file, "%s/%s/%s", copy->to, folder, name);
    int from = open(from_file, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return failed(copy->why, from_file);
    int to = open(to_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    enum hf_err err = to < 0 ? failed(copy->why, to_file) : copy_blocks(copy, from, to, from_file, to_file, table);
    if (to >= 0 && close(to) != 0 && err == HF_OK)
        err = failed(copy->why, to_file);
    close(from);
    return err;
}

/* ---- the log ---- */

/* The lowest and the highest number of the log files. */
static enum hf_err find_logs(struct copy *copy, uint32_t *first, uint32_t *last)
{
    char folder[ENV_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/log", copy->from);
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return failed(copy->why, folder);
    *first = UINT32_MAX;
    *last = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        uint32_t number;
        if (sscanf(entry->d_name, "log.%10" SCNu32, &number) != 1 || number == 0)
            continue;
        *first = number < *first ? number : *first;
        *last = number > *last ? number : *last;
    }
    closedir(dir);
    return *last > 0 ? HF_OK : hf_fail(copy->why, HF_NOTFOUND, "%s: no log of a store in there", folder);
}

/* Copy the log files that are complete, since others follow them, and at the end the last one too. */
static enum hf_err copy_logs(struct copy *copy, bool last_too)
{
    char name[32];
    uint32_t first, last;
    int64_t now_ms = share_clock_ms();
    if (!last_too && now_ms < copy->look_ms)
        return HF_OK;
    copy->look_ms = now_ms + LOOK_MS;
    enum hf_err err = find_logs(copy, &first, &last);
    if (err == HF_OK && copy->next_log == 0)
        copy->next_log = first;
    while (err == HF_OK && copy->next_log < last + last_too) {
        snprintf(name, sizeof name, LOG_NAME, copy->next_log);
        err = copy_file(copy, "log", name, false);
        copy->next_log++;
    }
    if (err == HF_NOTFOUND && copy->next_log > 0)
        return hf_fail(copy->why, HF_AGAIN, "%s/log/%s was removed before it was copied", copy->from, name);
    return err;
}

/* ---- the copy ---- */

static enum hf_err make_folders(const struct copy *copy)
{
    static const char *const names[] = {"", "/data", "/log", "/env"};
    char folder[ENV_PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(folder, sizeof folder, "%s%s", copy->to, names[i]);
        if (mkdir(folder, FOLDER_MODE) != 0)
            return failed(copy->why, folder);
    }
    return HF_OK;
}

static enum hf_err copy_all(struct copy *copy)
{
    enum hf_err err = make_folders(copy);
    if (err == HF_OK)
        err = copy_logs(copy, false);
    for (enum env_table table = 0; table < ENV_TABLES && err == HF_OK; table++)
        err = copy_file(copy, "data", env_table_name(table), true);
    return err == HF_OK ? copy_logs(copy, true) : err;
}

/* Let others open the copy. They recover it first: it has no regions. */
static enum hf_err make_state(const char *path, struct hf_why *why)
{
    struct share *share = NULL;
    pid_t owner;
    enum hf_err err = share_open(path, true, &share, why);
    if (err == HF_OK && (err = share_own(share, &owner)) == HF_OK) {
        share_set_phase(share, SHARE_DAMAGED);
        share_disown(share);
    }
    share_close(&share);
    return err;
}

/* Bring all pages to where the log ends, and leave of the log what belongs to them. */
static enum hf_err settle(const char *path, uint32_t cache_mb, struct hf_why *why)
{
    struct env *env;
    char *absolute = realpath(path, NULL); /* relative paths are to Berkeley DB those from its home */
    if (absolute == NULL)
        return failed(why, path);
    enum hf_err err = env_open(absolute, cache_mb, ENV_SETTLE, &env, why);
    free(absolute);
    if (err != HF_OK)
        return err;
    err = meta_check_format(env, why);
    int code = env->handle->txn_checkpoint(env->handle, 0, 0, DB_FORCE);
    if (code == 0)
        code = env->handle->log_archive(env->handle, NULL, DB_ARCH_REMOVE);
    if (code != 0)
        err = env_fail(why, code, path);
    env_close(&env);
    return err == HF_OK ? env_check_tables(path, why) : err;
}

enum hf_err store_copy(const char *from, const char *to, uint32_t cache_mb, struct hf_why *why)
{
    struct copy *copy = calloc(1, sizeof *copy);
    if (copy == NULL)
        return hf_fail(why, HF_NOMEM, "out of memory");
    copy->from = from;
    copy->to = to;
    copy->why = why;
    enum hf_err err = copy_all(copy);
    free(copy);
    if (err == HF_OK)
        err = settle(to, cache_mb, why);
    return err == HF_OK ? make_state(to, why) : err;
}
