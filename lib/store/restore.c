/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and log are two folders, which cannot be replaced by one rename. So
 * the renaming of the copy, from `restoring` to `restored`, decides: from then
 * on its folders take the place of those of the store, done by whoever comes to
 * open it.
 */
#include "store/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/inside.h"

#define RESTORED "restored"
#define EXCLUDE_WAIT_MS 10000

static const char *const kept[] = {"data", "log"};
static const char *const shared[] = {"state", "access.lock", "writer.lock"};
static const char *const folders[] = {"env", "data", "log"};
#define KEPT (sizeof kept / sizeof *kept)
#define SHARED (sizeof shared / sizeof *shared)

static enum hf_err failed(struct hf_why *why, const char *file)
{
    return hf_fail(why, errno == ENOSPC || errno == EDQUOT ? HF_FULL : HF_IO, "%s: %s", file, strerror(errno));
}

/* ---- all files of a folder ---- */

/* 0, or -1 with errno. */
typedef int (*file_fn)(const char *file, void *context);

static int each_file(const char *folder, file_fn each, void *context)
{
    char file[ENV_PATH_BYTES];
    int code = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return errno == ENOENT ? 0 : -1;
    for (const struct dirent *entry; code == 0 && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(file, sizeof file, "%s/%s", folder, entry->d_name) < sizeof file)
            code = each(file, context);
    }
    int error = errno;
    closedir(dir);
    errno = error;
    return code;
}

static int remove_file(const char *file, void *context)
{
    (void)context;
    return unlink(file);
}

static int remove_folder(const char *folder)
{
    if (each_file(folder, remove_file, NULL) != 0)
        return -1;
    return rmdir(folder) == 0 || errno == ENOENT ? 0 : -1;
}

static int sync_file(const char *file, void *context)
{
    (void)context;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int code = fsync(fd), error = errno;
    close(fd);
    errno = error;
    return code;
}

static int give(const char *file, void *owner)
{
    const struct stat *st = owner;
    return chown(file, st->st_uid, st->st_gid);
}

/* ---- copies ---- */

/* Give a folder another name, and bring that to the disk. */
static int rename_folder(const char *from, const char *to)
{
    char parent[ENV_PATH_BYTES];
    if ((size_t)snprintf(parent, sizeof parent, "%s/..", to) >= sizeof parent) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return rename(from, to) == 0 ? sync_file(parent, NULL) : -1;
}

enum hf_err store_pack(const char *copy, const char *backup, struct hf_why *why)
{
    char file[ENV_PATH_BYTES];
    snprintf(file, sizeof file, "%s/env", copy);
    if (remove_folder(file) != 0)
        return failed(why, file);
    for (size_t i = 0; i < SHARED; i++) {
        snprintf(file, sizeof file, "%s/%s", copy, shared[i]);
        if (unlink(file) != 0 && errno != ENOENT)
            return failed(why, file);
    }
    for (size_t i = 0; i < KEPT; i++) {
        snprintf(file, sizeof file, "%s/%s", copy, kept[i]);
        if (each_file(file, sync_file, NULL) != 0 || sync_file(file, NULL) != 0)
            return failed(why, file);
    }
    if (sync_file(copy, NULL) != 0)
        return failed(why, copy);
    return rename_folder(copy, backup) == 0 ? HF_OK : failed(why, backup);
}

void store_remove(const char *copy)
{
    char file[ENV_PATH_BYTES];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(file, sizeof file, "%s/%s", copy, folders[i]);
        (void)remove_folder(file);
    }
    for (size_t i = 0; i < SHARED; i++) {
        snprintf(file, sizeof file, "%s/%s", copy, shared[i]);
        (void)unlink(file);
    }
    (void)rmdir(copy);
}

/* ---- replace ---- */

/* A folder of another, that a store would take for its own. */
static enum hf_err look_for_folders(const char *path, struct hf_why *why)
{
    char file[ENV_PATH_BYTES];
    struct stat st;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(file, sizeof file, "%s/%s", path, folders[i]);
        if (stat(file, &st) == 0)
            return hf_fail(why, HF_INVALID, "%s holds no store, but %s, which a store there would replace", path, folders[i]);
    }
    return HF_OK;
}

enum hf_err store_may_replace(const char *path, bool *exists, struct hf_why *why)
{
    char file[ENV_PATH_BYTES];
    struct stat st;
    struct share *share = NULL;
    *exists = false;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? HF_OK : failed(why, path);
    snprintf(file, sizeof file, "%s/data", path);
    *exists = stat(file, &st) == 0;
    enum hf_err err = share_open(path, false, &share, why);
    if (err == HF_NOTFOUND)
        return *exists ? HF_OK : look_for_folders(path, why);
    if (err != HF_OK)
        return err;
    pid_t writer = share_writer(share);
    share_close(&share);
    return writer == 0 ? HF_OK
                       : hf_fail(why, HF_BUSY, "process %ld writes the store %s: stop hourfold-consumer first", (long)writer, path);
}

/* Put one folder of the copy in the place of that of the store. */
static enum hf_err replace_folder(const char *path, const char *name, struct hf_why *why)
{
    char from[ENV_PATH_BYTES], to[ENV_PATH_BYTES];
    struct stat st;
    snprintf(from, sizeof from, "%s/" RESTORED "/%s", path, name);
    snprintf(to, sizeof to, "%s/%s", path, name);
    if (stat(from, &st) != 0)
        return errno == ENOENT ? HF_OK : failed(why, from);
    if (remove_folder(to) != 0 || rename(from, to) != 0)
        return failed(why, to);
    return HF_OK;
}

enum hf_err restore_finish(const char *path, struct hf_why *why)
{
    char restored[ENV_PATH_BYTES];
    struct stat st;
    enum hf_err err = HF_OK;
    snprintf(restored, sizeof restored, "%s/" RESTORED, path);
    if (stat(restored, &st) != 0)
        return HF_OK;
    for (size_t i = 0; i < KEPT && err == HF_OK; i++)
        err = replace_folder(path, kept[i], why);
    if (err == HF_OK && (sync_file(path, NULL) != 0 || rmdir(restored) != 0))
        err = failed(why, restored);
    return err;
}

/* Root restores for the user that the directory of the store belongs to. */
static enum hf_err give_to_owner(const char *path, struct hf_why *why)
{
    char file[ENV_PATH_BYTES];
    struct stat st;
    if (geteuid() != 0)
        return HF_OK;
    if (stat(path, &st) != 0)
        return failed(why, path);
    snprintf(file, sizeof file, "%s/" STORE_RESTORING, path);
    int code = give(file, &st);
    for (size_t i = 0; i < SHARED && code == 0; i++) {
        snprintf(file, sizeof file, "%s/%s", path, shared[i]);
        code = give(file, &st);
    }
    for (size_t i = 0; i < KEPT && code == 0; i++) {
        snprintf(file, sizeof file, "%s/" STORE_RESTORING "/%s", path, kept[i]);
        code = each_file(file, give, &st);
        if (code == 0)
            code = give(file, &st);
    }
    return code == 0 ? HF_OK : failed(why, file);
}

static enum hf_err replace(const char *path, struct share *share, struct hf_why *why)
{
    char from[ENV_PATH_BYTES], to[ENV_PATH_BYTES];
    snprintf(to, sizeof to, "%s/env", path);
    if (mkdir(to, 0770) != 0 && errno != EEXIST)
        return failed(why, to);
    snprintf(from, sizeof from, "%s/" STORE_RESTORING, path);
    snprintf(to, sizeof to, "%s/" RESTORED, path);
    share_set_phase(share, SHARE_RECOVERING);
    enum hf_err err = share_exclude(share, EXCLUDE_WAIT_MS, why);
    if (err == HF_OK) {
        share_new_generation(share);
        err = restore_finish(path, why);
        if (err == HF_OK)
            share_forget_marks(share); /* the copy is older */
        if (err != HF_OK) {
            /* one before this was begun and cannot be finished */
        } else if (rename_folder(from, to) != 0)
            err = failed(why, to);
        else
            err = restore_finish(path, why);
        share_admit(share);
    }
    share_set_phase(share, SHARE_DAMAGED); /* whoever comes next recovers */
    return err;
}

enum hf_err store_replace(const char *path, struct hf_why *why)
{
    struct share *share = NULL;
    pid_t owner = 0;
    enum hf_err err = share_open(path, true, &share, why);
    if (err != HF_OK)
        return err;
    err = share_own(share, &owner);
    if (err != HF_OK)
        hf_fail(why, err, "process %ld writes the store %s: stop hourfold-consumer first", (long)owner, path);
    else {
        err = give_to_owner(path, why);
        if (err == HF_OK)
            err = replace(path, share, why);
        share_disown(share);
    }
    share_close(&share);
    return err;
}
