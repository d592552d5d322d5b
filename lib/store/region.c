/* SPDX-License-Identifier: Apache-2.0 */
#include "store/region.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEGABYTE (1024u * 1024u)
#define FIRST_PAGE_BYTES 65536
/* The first region, the only one of that size, is for the locks of the largest transaction. What it is given at once is
 * enough for 80,000 locked pages, and more before a transaction needs it; others are given all they may grow to. */
#define AT_ONCE_BYTES (32u * MEGABYTE)
#define LOCK_BYTES 420u
#define RESERVE_BYTES (16u * MEGABYTE)
#define FILE_MODE 0660

static bool is_first(const char *file)
{
    const char *name = strrchr(file, '/');
    return strcmp(name == NULL ? file : name + 1, "__db.001") == 0;
}

/* Allocate the beginning of a file: what is allocated cannot fault. */
static int allocate(int fd, size_t bytes)
{
    int code = posix_fallocate(fd, 0, (off_t)bytes);
    return code == EINVAL || code == EOPNOTSUPP ? 0 : code; /* a file system that cannot: as well as it can */
}

static int make_file(const char *file, size_t bytes, int *fd)
{
    *fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (*fd < 0)
        return errno;
    int code = allocate(*fd, is_first(file) && bytes > AT_ONCE_BYTES ? AT_ONCE_BYTES : bytes);
    if (code == 0 && ftruncate(*fd, (off_t)bytes) != 0)
        code = errno;
    if (code != 0) {
        close(*fd);
        unlink(file);
    }
    return code;
}

int region_grow(const char *path, size_t locks)
{
    char file[ENV_PATH_BYTES];
    struct stat st;
    if (locks <= AT_ONCE_BYTES / LOCK_BYTES)
        return 0;
    snprintf(file, sizeof file, "%s/env/__db.001", path);
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int code = fstat(fd, &st) == 0 ? 0 : errno;
    size_t bytes = locks * LOCK_BYTES;
    if (code == 0)
        code = allocate(fd, bytes < (size_t)st.st_size ? bytes : (size_t)st.st_size);
    close(fd);
    return code;
}

static int open_file(const char *file, size_t *bytes, int *fd)
{
    struct stat st;
    *fd = open(file, O_RDWR | O_CLOEXEC);
    if (*fd < 0)
        return errno;
    int code = fstat(*fd, &st) != 0 ? errno : st.st_size == 0 ? ENOENT : 0;
    if (code != 0)
        close(*fd);
    *bytes = (size_t)st.st_size;
    return code;
}

static int map_file(struct env *env, int fd, size_t bytes, void **at)
{
    if (env->region_count == ENV_REGIONS)
        return ENOMEM;
    *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*at == MAP_FAILED)
        return errno;
    env->regions[env->region_count++] = (struct env_region){*at, bytes};
    return 0;
}

/* Make a region of `bytes` where `*make` permits it and there is none yet; else map the one that is there. Sets `*make` to
 * what was done. Who only joins is never to make one, whatever Berkeley DB asks for. */
static int map_region(DB_ENV *handle, char *file, size_t bytes, int *make, void **at)
{
    struct env *env = handle->app_private;
    int fd, code = EEXIST;
    if (*make && env->makes_regions)
        code = make_file(file, bytes, &fd);
    *make = code == 0;
    if (code == EEXIST)
        code = open_file(file, &bytes, &fd);
    if (code == 0) {
        code = map_file(env, fd, bytes, at);
        close(fd);
    }
    if (env->region_code == 0)
        env->region_code = code;
    return code;
}

static int unmap_region(DB_ENV *handle, void *at)
{
    struct env *env = handle->app_private;
    for (unsigned i = 0; i < env->region_count; i++) {
        struct env_region *region = &env->regions[i];
        if (region->at != at)
            continue;
        int code = munmap(at, region->bytes) == 0 ? 0 : errno;
        *region = env->regions[--env->region_count];
        return code;
    }
    return EINVAL;
}

static void set_functions(void) { (void)db_env_set_func_region_map(map_region, unmap_region); }

void region_use(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_functions);
}

void region_unmap_all(struct env *env)
{
    for (unsigned i = 0; i < env->region_count; i++)
        munmap(env->regions[i].at, env->regions[i].bytes);
    env->region_count = 0;
}

/* ---- files ---- */

static void empty_file(const char *file, off_t bytes)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (ftruncate(fd, bytes) != 0) {
        /* its room is free when the last process has unmapped it */
    }
    close(fd);
}

void region_remove_all(const char *path)
{
    char file[ENV_PATH_BYTES];
    snprintf(file, sizeof file, "%s/env", path);
    DIR *folder = opendir(file);
    if (folder == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strncmp(entry->d_name, "__db.", 5) != 0 ||
            (size_t)snprintf(file, sizeof file, "%s/env/%s", path, entry->d_name) >= sizeof file)
            continue;
        empty_file(file, is_first(file) ? FIRST_PAGE_BYTES : 0);
        unlink(file);
    }
    closedir(folder);
}

bool region_take_reserve(const char *path)
{
    char file[ENV_PATH_BYTES];
    snprintf(file, sizeof file, "%s/env/reserve", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return false;
    int code = allocate(fd, RESERVE_BYTES);
    close(fd);
    return code == 0;
}

void region_free_reserve(const char *path)
{
    char file[ENV_PATH_BYTES];
    snprintf(file, sizeof file, "%s/env/reserve", path);
    unlink(file);
}
