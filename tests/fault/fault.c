/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* RTLD_NEXT, fallocate() */
#include "fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../child.h"

const char *const fault_names[FAULT_KINDS] = {"none", "killed before", "killed within", "killed after",
                                              "no space", "broken", "short"};

static struct fault_board *board;
static const char *folder;
static size_t folder_bytes;
static enum fault_how how;
static unsigned long chosen;

/* The call that fails with EIO, to know it again. */
static struct {
    bool set;
    const char *name;
    int fd;
    long long place;
} broken;

/* ---- which calls ---- */

static bool is_below(const char *path) { return strncmp(path, folder, folder_bytes) == 0; }

static bool fd_is_below(int fd)
{
    char link[64], path[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0)
        return false;
    path[len] = '\0';
    return is_below(path);
}

static bool name_is_below(int dir, const char *name)
{
    return name[0] == '/' || dir == AT_FDCWD ? is_below(name) : fd_is_below(dir);
}

static void end_now(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* What is to happen to a call. */
enum fate { GO_ON, FAIL, HALF, DIE_AFTER, HALF_AND_DIE };

static enum fate fate_of(const char *name, int fd, const char *file, long long place)
{
    int saved = errno;
    unsigned long number = atomic_fetch_add(&board->calls, 1) + 1;
    bool again = broken.set && broken.name == name && broken.fd == fd && broken.place == place;
    broken.set = again;
    errno = saved;
    if (again) {
        errno = EIO;
        return FAIL;
    }
    if (number != chosen || how == FAULT_NONE)
        return GO_ON;
    char link[64], path[4200] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = file != NULL ? -1 : readlink(link, path, sizeof path - 1);
    path[len > 0 ? (size_t)len : 0] = '\0';
    snprintf(board->call, sizeof board->call, "%s %.60s", name, file != NULL ? file : path + (len > 0 ? folder_bytes : 0));
    atomic_store(&board->hit, true);
    switch (how) {
    case FAULT_KILL_BEFORE:
        end_now();
        return FAIL;
    case FAULT_KILL_WITHIN:
        return HALF_AND_DIE;
    case FAULT_KILL_AFTER:
        return DIE_AFTER;
    case FAULT_NO_SPACE:
        errno = ENOSPC;
        return FAIL;
    case FAULT_BROKEN:
        broken.set = true;
        broken.name = name;
        broken.fd = fd;
        broken.place = place;
        errno = EIO;
        return FAIL;
    case FAULT_SHORT:
        return HALF;
    default:
        return GO_ON;
    }
}

static void after(enum fate fate)
{
    if (fate == DIE_AFTER || fate == HALF_AND_DIE)
        end_now();
}

#define PAGE_BYTES 4096

/* How much is written. An append may end anywhere; but the kernel lets nobody see half of a page written over: that is cut
 * between two pages, or done. */
static size_t share_of(enum fate fate, int fd, size_t len, off_t at)
{
    struct stat info;
    if ((fate != HALF && fate != HALF_AND_DIE) || len < 2)
        return len;
    size_t half = len / 2;
    if (fstat(fd, &info) == 0 && at < info.st_size) {
        off_t end = (at + (off_t)half) / PAGE_BYTES * PAGE_BYTES;
        return end > at ? (size_t)(end - at) : len;
    }
    return half;
}

/* The C library's function of this name. dlsym() gives an object pointer, which POSIX lets be a function's. */
#define REAL(name)                                       \
    static __typeof__(&name) real;                       \
    if (real == NULL) {                                  \
        void *found = dlsym(RTLD_NEXT, #name);           \
        memcpy(&real, &found, sizeof real);              \
    }

/* ---- calls ---- */

ssize_t write(int fd, const void *bytes, size_t len)
{
    REAL(write)
    if (board == NULL || !fd_is_below(fd))
        return real(fd, bytes, len);
    off_t at = lseek(fd, 0, SEEK_CUR);
    enum fate fate = fate_of("write", fd, NULL, at);
    ssize_t result = fate == FAIL ? -1 : real(fd, bytes, share_of(fate, fd, len, at));
    after(fate);
    return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    REAL(pwrite)
    if (board == NULL || !fd_is_below(fd))
        return real(fd, bytes, len, at);
    enum fate fate = fate_of("pwrite", fd, NULL, at);
    ssize_t result = fate == FAIL ? -1 : real(fd, bytes, share_of(fate, fd, len, at), at);
    after(fate);
    return result;
}

/* Half of several pieces is the first one. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    REAL(writev)
    if (board == NULL || !fd_is_below(fd) || count < 1)
        return real(fd, pieces, count);
    enum fate fate = fate_of("writev", fd, NULL, lseek(fd, 0, SEEK_CUR));
    bool half = fate == HALF || fate == HALF_AND_DIE;
    ssize_t result = fate == FAIL ? -1 : real(fd, pieces, half ? 1 : count);
    after(fate);
    return result;
}

/* Tells names apart. */
static long long sum_of(const char *name)
{
    unsigned long long sum = 5381;
    for (; name != NULL && *name != '\0'; name++)
        sum = sum * 33 + (unsigned char)*name;
    return (long long)sum;
}

/* The rest are done or not. */
#define ONE_STEP(name, below, fd, file, ...)               \
    REAL(name)                                             \
    if (board == NULL || !(below))                         \
        return real(__VA_ARGS__);                          \
    enum fate fate = fate_of(#name, fd, file, sum_of(file)); \
    int result = fate == FAIL ? -1 : real(__VA_ARGS__);    \
    int saved = errno;                                     \
    after(fate);                                           \
    errno = saved;                                         \
    return result;

int fsync(int fd) { ONE_STEP(fsync, fd_is_below(fd), fd, NULL, fd) }
int fdatasync(int fd) { ONE_STEP(fdatasync, fd_is_below(fd), fd, NULL, fd) }
int ftruncate(int fd, off_t len) { ONE_STEP(ftruncate, fd_is_below(fd), fd, NULL, fd, len) }
int fallocate(int fd, int mode, off_t at, off_t len) { ONE_STEP(fallocate, fd_is_below(fd), fd, NULL, fd, mode, at, len) }
int rename(const char *from, const char *to) { ONE_STEP(rename, is_below(from), -1, from, from, to) }
int unlink(const char *name) { ONE_STEP(unlink, is_below(name), -1, name, name) }
int mkdir(const char *name, mode_t mode) { ONE_STEP(mkdir, is_below(name), -1, name, name, mode) }
int msync(void *at, size_t len, int flags) { ONE_STEP(msync, true, -1, "", at, len, flags) }
int unlinkat(int dir, const char *name, int flags)
{
    ONE_STEP(unlinkat, name_is_below(dir, name), -1, name, dir, name, flags)
}
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    ONE_STEP(renameat, name_is_below(from_dir, from), -1, from, from_dir, from, to_dir, to)
}

/* It gives its error instead of setting errno. */
int posix_fallocate(int fd, off_t at, off_t len)
{
    REAL(posix_fallocate)
    if (board == NULL || !fd_is_below(fd))
        return real(fd, at, len);
    enum fate fate = fate_of("posix_fallocate", fd, NULL, at);
    int result = fate == FAIL ? errno : real(fd, at, len);
    after(fate);
    return result;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & O_CREAT) != 0 ? (mode_t)va_arg(arguments, unsigned) : 0;
}

int open(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    ONE_STEP(open, (flags & O_CREAT) != 0 && is_below(name), -1, name, name, flags, mode)
}

int openat(int dir, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    ONE_STEP(openat, (flags & O_CREAT) != 0 && name_is_below(dir, name), -1, name, dir, name, flags, mode)
}

/* ---- children ---- */

void *fault_share(unsigned long bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("shared memory");
        exit(1);
    }
    return at;
}

void fault_arm(struct fault_board *with, const char *below, enum fault_how fault, unsigned long at)
{
    folder = below;
    folder_bytes = strlen(below);
    how = fault;
    chosen = at;
    broken.set = false;
    atomic_store(&with->calls, 0);
    board = with;
}

void fault_disarm(void) { board = NULL; }

void fault_mend(void) { broken.set = false; }

bool fault_say(struct fault_board *with, const char *format, ...)
{
    va_list arguments;
    if (with->text[0] != '\0')
        return false;
    va_start(arguments, format);
    vsnprintf(with->text, sizeof with->text, format, arguments);
    va_end(arguments);
    return false;
}

static enum fault_end end_of(struct fault_board *with, int status, enum fault_how fault)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return FAULT_ENDED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        return FAULT_FAILED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == FAULT_AGAIN_CODE)
        return FAULT_AGAIN;
    bool by_us = fault >= FAULT_KILL_BEFORE && fault <= FAULT_KILL_AFTER && atomic_load(&with->hit);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && by_us)
        return FAULT_KILLED;
    fault_say(with, "ended with status 0x%x", (unsigned)status);
    return FAULT_CRASHED;
}

enum fault_end fault_run(struct fault_board *with, bool (*run)(void *), void *context, const char *below,
                         enum fault_how fault, unsigned long at, unsigned most_s)
{
    int status = 0;
    atomic_store(&with->hit, false);
    with->call[0] = with->text[0] = '\0';
    fflush(NULL);
    pid_t pid = test_fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        alarm(most_s);
        fault_arm(with, below, fault, at);
        bool good = run(context);
        fault_disarm();
        fflush(NULL);
        _exit(good ? 0 : 1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return end_of(with, status, fault);
}

/* ---- folders ---- */

void fault_make_folder(char *path, unsigned long bytes, const char *name)
{
    snprintf(path, bytes, "%s/%s.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", name);
    if (mkdtemp(path) == NULL) {
        perror(path);
        exit(1);
    }
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

void fault_remove_folder(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* ---- numbers ---- */

unsigned long long fault_number(const char *name, unsigned long long otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

unsigned long long fault_random(unsigned long long *state)
{
    unsigned long long z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}
