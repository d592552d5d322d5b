/* SPDX-License-Identifier: Apache-2.0 */
#include "store/share.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE_VERSION 1u
#define PAGE_BYTES 8192
#define PLACES 1000
#define PATIENCE_MS 500 /* what a holder of access.lock is given before it is killed */
#define POLL_MS 2

static const char page_magic[8] = {'h', 'o', 'u', 'r', 'f', 'o', 'l', 'd'};

/* The file `state`, mapped by every process of the store. */
struct page {
    char magic[8];
    uint32_t version;
    _Atomic uint32_t phase;
    _Atomic uint64_t generation;
    _Atomic uint64_t boot;   /* hash of the boot in which the environment was made */
    _Atomic uint32_t writer; /* pid */
    /* A place for each process, so that its death inside is seen. */
    struct place {
        _Atomic uint32_t pid; /* 0: free */
        _Atomic uint32_t inside;
    } places[PLACES];
    struct trouble {
        _Atomic uint32_t err; /* enum hf_err */
        _Atomic int64_t since_ms;
    } troubles[SHARE_WORKS];
    struct mark {
        _Atomic uint64_t boot, accepted, expired;
        _Atomic int64_t as_of_ms;
    } committed, synced;
    _Atomic uint64_t written;
};
_Static_assert(sizeof(struct page) <= PAGE_BYTES, "the state is a page or two");

struct share {
    struct share *next;
    pid_t pid;    /* whose it is: a child of fork() has no part in the locks of its parent */
    dev_t device; /* of the store's directory: which share this is */
    ino_t inode;
    unsigned references;
    int writer_fd, access_fd;
    struct page *page;
    struct place *place; /* this process's */
    uint64_t boot;
    pthread_mutex_t mutex; /* for all below; never held while waiting */
    bool owned;            /* this process holds writer.lock */
    bool excluded;         /* this process wants or holds access.lock exclusively */
    unsigned inside;       /* holders in this process of the one shared lock */
};

static pthread_mutex_t shares_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct share *shares;

int64_t share_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(void)
{
    struct timespec t = {0, POLL_MS * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- open ---- */

/* Which boot of the machine this is, 0 where the system does not say. FNV-1a. */
static uint64_t boot_hash(void)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return 0;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int c; (c = fgetc(file)) != EOF;)
        hash = (hash ^ (uint64_t)c) * UINT64_C(1099511628211);
    fclose(file);
    return hash;
}

static enum hf_err open_file(const char *path, const char *name, bool create, int *fd, struct hf_why *why)
{
    char file[4096];
    if ((size_t)snprintf(file, sizeof file, "%s/%s", path, name) >= sizeof file)
        return hf_fail(why, HF_INVALID, "the store's path is too long: %.200s", path);
    *fd = open(file, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0660);
    if (*fd >= 0)
        return HF_OK;
    if (errno == ENOENT)
        return hf_fail(why, HF_NOTFOUND, "no store in %s yet: hourfold-consumer makes it at its first start", path);
    if (errno == EACCES || errno == EPERM || errno == EROFS)
        return hf_fail(why, HF_IO, "%s: %s: whoever reads the store needs write permission on its files, for the locks in them",
                       file, strerror(errno));
    return hf_fail(why, errno == ENOSPC ? HF_FULL : HF_IO, "%s: %s", file, strerror(errno));
}

/* Map the file `state`. Its bytes are written, not left sparse: touching a hole on a full disk is SIGBUS. */
static enum hf_err map_page(struct share *share, const char *path, bool create, struct hf_why *why)
{
    int fd;
    enum hf_err err = open_file(path, "state", create, &fd, why);
    if (err != HF_OK)
        return err;
    struct stat st;
    static const char zero[PAGE_BYTES];
    if (fstat(fd, &st) == 0 && st.st_size < PAGE_BYTES) {
        if (!create)
            err = hf_fail(why, HF_NOTFOUND, "no store in %s yet: hourfold-consumer is making it", path);
        else if (pwrite(fd, zero, PAGE_BYTES, 0) != PAGE_BYTES)
            err = hf_fail(why, errno == ENOSPC ? HF_FULL : HF_IO, "%s/state: %s", path, strerror(errno));
    }
    if (err == HF_OK) {
        void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED)
            err = hf_fail(why, HF_IO, "%s/state: %s", path, strerror(errno));
        else
            share->page = page;
    }
    close(fd);
    return err;
}

static enum hf_err open_files(struct share *share, const char *path, bool create, struct hf_why *why)
{
    enum hf_err err = open_file(path, "writer.lock", create, &share->writer_fd, why);
    if (err == HF_OK)
        err = open_file(path, "access.lock", create, &share->access_fd, why);
    if (err == HF_OK)
        err = map_page(share, path, create, why);
    if (err != HF_OK)
        return err;
    static const char unmade[8];
    if (memcmp(share->page->magic, unmade, sizeof unmade) == 0 && !create)
        return hf_fail(why, HF_NOTFOUND, "no store in %s yet: hourfold-consumer is making it", path);
    if (memcmp(share->page->magic, unmade, sizeof unmade) != 0 &&
        (memcmp(share->page->magic, page_magic, sizeof page_magic) != 0 || share->page->version != PAGE_VERSION))
        return hf_fail(why, HF_INVALID, "%s/state is of another version of hourfold", path);
    return HF_OK;
}

/* Whether a process lives. One that is dead but not yet waited for does not. */
static bool is_alive(pid_t pid)
{
    char text[512];
    if (kill(pid, 0) != 0 && errno != EPERM)
        return false;
    snprintf(text, sizeof text, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(text, "re");
    if (file == NULL)
        return true;
    /* "pid (name) state …"; the name may hold anything. */
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || name_end[1] == '\0' || (name_end[2] != 'Z' && name_end[2] != 'X');
}

/* Take a free place, or that of a process that died outside. */
static enum hf_err take_place(struct share *share, struct hf_why *why)
{
    for (int i = 0; i < PLACES; i++) {
        struct place *place = &share->page->places[i];
        uint32_t pid = atomic_load(&place->pid);
        if (pid != 0 && (atomic_load(&place->inside) != 0 || is_alive((pid_t)pid)))
            continue;
        if (atomic_compare_exchange_strong(&place->pid, &pid, (uint32_t)getpid())) {
            share->place = place;
            return HF_OK;
        }
    }
    return hf_fail(why, HF_BUSY, "%d processes use the store already", PLACES);
}

bool share_somebody_inside(const struct share *share)
{
    for (int i = 0; i < PLACES; i++)
        if (atomic_load_explicit(&share->page->places[i].inside, memory_order_relaxed) != 0)
            return true;
    return false;
}

bool share_somebody_died(const struct share *share)
{
    for (int i = 0; i < PLACES; i++) {
        const struct place *place = &share->page->places[i];
        pid_t pid = (pid_t)atomic_load(&place->pid);
        if (pid != 0 && atomic_load(&place->inside) != 0 && !is_alive(pid) && atomic_load(&place->inside) != 0)
            return true;
    }
    return false;
}

bool share_alone(const struct share *share)
{
    for (int i = 0; i < PLACES; i++) {
        const struct place *place = &share->page->places[i];
        pid_t pid = (pid_t)atomic_load(&place->pid);
        if (pid != 0 && place != share->place && is_alive(pid))
            return false;
    }
    return true;
}

static void free_share(struct share *share)
{
    if (share->place != NULL)
        atomic_store(&share->place->pid, 0);
    if (share->page != NULL)
        munmap(share->page, PAGE_BYTES);
    if (share->writer_fd >= 0)
        close(share->writer_fd);
    if (share->access_fd >= 0)
        close(share->access_fd);
    pthread_mutex_destroy(&share->mutex);
    free(share);
}

static struct share *find_share(const struct stat *st)
{
    for (struct share *share = shares; share != NULL; share = share->next)
        if (share->device == st->st_dev && share->inode == st->st_ino && share->pid == getpid())
            return share;
    return NULL;
}

static enum hf_err new_share(const char *path, const struct stat *st, bool create, struct share **out, struct hf_why *why)
{
    struct share *share = calloc(1, sizeof *share);
    if (share == NULL)
        return hf_fail(why, HF_NOMEM, "out of memory");
    share->pid = getpid();
    share->device = st->st_dev;
    share->inode = st->st_ino;
    share->writer_fd = share->access_fd = -1;
    share->boot = boot_hash();
    pthread_mutex_init(&share->mutex, NULL);
    enum hf_err err = open_files(share, path, create, why);
    if (err == HF_OK)
        err = take_place(share, why);
    if (err != HF_OK) {
        free_share(share);
        return err;
    }
    share->next = shares;
    *out = shares = share;
    return HF_OK;
}

enum hf_err share_open(const char *path, bool create, struct share **out, struct hf_why *why)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return hf_fail(why, errno == ENOENT ? HF_NOTFOUND : HF_IO, "%s: %s", path, strerror(errno));
    pthread_mutex_lock(&shares_mutex);
    enum hf_err err = HF_OK;
    struct share *share = find_share(&st);
    if (share == NULL)
        err = new_share(path, &st, create, &share, why);
    if (err == HF_OK) {
        share->references++;
        *out = share;
    }
    pthread_mutex_unlock(&shares_mutex);
    return err;
}

void share_close(struct share **share)
{
    struct share *gone = *share;
    *share = NULL;
    if (gone == NULL)
        return;
    pthread_mutex_lock(&shares_mutex);
    if (--gone->references == 0) {
        struct share **link = &shares;
        while (*link != gone)
            link = &(*link)->next;
        *link = gone->next;
        free_share(gone);
    }
    pthread_mutex_unlock(&shares_mutex);
}

/* ---- locks ---- */

/* Lock (F_RDLCK, F_WRLCK) or unlock the whole file, without waiting. */
static enum hf_err set_lock(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    int result;
    do
        result = fcntl(fd, F_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0 ? HF_OK : errno == EAGAIN || errno == EACCES ? HF_BUSY : HF_IO;
}

/* Who would refuse us a lock of this type: a pid, 0 when nobody. */
static pid_t lock_holder(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

enum hf_err share_own(struct share *share, pid_t *owner)
{
    pthread_mutex_lock(&share->mutex);
    enum hf_err err = HF_BUSY;
    if (share->owned)
        *owner = getpid();
    else if ((err = set_lock(share->writer_fd, F_WRLCK)) == HF_OK)
        share->owned = true;
    else
        *owner = lock_holder(share->writer_fd, F_WRLCK);
    pthread_mutex_unlock(&share->mutex);
    return err;
}

void share_disown(struct share *share)
{
    pthread_mutex_lock(&share->mutex);
    share->owned = false;
    (void)set_lock(share->writer_fd, F_UNLCK);
    pthread_mutex_unlock(&share->mutex);
}

void share_set_writer(struct share *share) { atomic_store(&share->page->writer, (uint32_t)getpid()); }

pid_t share_writer(struct share *share)
{
    pid_t writer = (pid_t)atomic_load(&share->page->writer);
    pthread_mutex_lock(&share->mutex);
    pid_t owner = share->owned ? getpid() : lock_holder(share->writer_fd, F_WRLCK);
    pthread_mutex_unlock(&share->mutex);
    return owner == writer ? writer : 0;
}

enum hf_err share_enter(struct share *share)
{
    pthread_mutex_lock(&share->mutex);
    enum hf_err err = share->excluded ? HF_BUSY : HF_OK;
    if (err == HF_OK && share->inside == 0)
        err = set_lock(share->access_fd, F_RDLCK);
    if (err == HF_OK && share->inside++ == 0)
        atomic_store(&share->place->inside, 1);
    pthread_mutex_unlock(&share->mutex);
    return err;
}

void share_leave(struct share *share)
{
    pthread_mutex_lock(&share->mutex);
    if (--share->inside == 0) {
        atomic_store(&share->place->inside, 0);
        (void)set_lock(share->access_fd, F_UNLCK);
    }
    pthread_mutex_unlock(&share->mutex);
}

/* Whether the process is ours to kill. Where the system does not tell its user, kill() itself decides. */
static bool same_user(pid_t pid)
{
    char file[32];
    struct stat st;
    snprintf(file, sizeof file, "/proc/%ld", (long)pid);
    return stat(file, &st) != 0 || st.st_uid == geteuid();
}

static void kill_holder(struct share *share)
{
    pid_t pid = lock_holder(share->access_fd, F_WRLCK);
    if (pid > 1 && same_user(pid))
        kill(pid, SIGKILL);
}

static enum hf_err say_who_stays(struct share *share, struct hf_why *why)
{
    pid_t pid = lock_holder(share->access_fd, F_WRLCK);
    if (pid == 0)
        return hf_fail(why, HF_TIMEOUT, "a read of this process keeps the store from being recovered");
    return hf_fail(why, HF_TIMEOUT, "process %ld, of another user, keeps the store from being recovered: end it", (long)pid);
}

enum hf_err share_exclude(struct share *share, int64_t wait_ms, struct hf_why *why)
{
    int64_t begin = share_clock_ms();
    for (;;) {
        pthread_mutex_lock(&share->mutex);
        share->excluded = true;
        enum hf_err err = share->inside > 0 ? HF_BUSY : set_lock(share->access_fd, F_WRLCK);
        pthread_mutex_unlock(&share->mutex);
        if (err == HF_OK)
            return HF_OK;
        if (err == HF_IO)
            err = hf_fail(why, HF_IO, "cannot lock access.lock: %s", strerror(errno));
        else if (share_clock_ms() - begin > wait_ms)
            err = say_who_stays(share, why);
        if (err != HF_BUSY) {
            share_admit(share);
            return err;
        }
        if (share_clock_ms() - begin > PATIENCE_MS)
            kill_holder(share);
        nap();
    }
}

void share_admit(struct share *share)
{
    pthread_mutex_lock(&share->mutex);
    share->excluded = false;
    if (share->inside == 0)
        (void)set_lock(share->access_fd, F_UNLCK);
    pthread_mutex_unlock(&share->mutex);
}

/* ---- the page ---- */

enum share_phase share_phase(const struct share *share) { return (enum share_phase)atomic_load(&share->page->phase); }

uint64_t share_generation(const struct share *share) { return atomic_load(&share->page->generation); }

bool share_of_this_boot(const struct share *share) { return atomic_load(&share->page->boot) == share->boot; }

void share_set_phase(struct share *share, enum share_phase phase)
{
    struct page *page = share->page;
    memcpy(page->magic, page_magic, sizeof page_magic);
    page->version = PAGE_VERSION;
    atomic_store(&page->boot, share->boot);
    atomic_store(&page->phase, phase);
}

void share_new_generation(struct share *share)
{
    atomic_fetch_add(&share->page->generation, 1);
    for (int i = 0; i < PLACES; i++)
        atomic_store(&share->page->places[i].inside, 0);
}

void share_set_trouble(struct share *share, enum share_work work, enum hf_err err)
{
    struct trouble *trouble = &share->page->troubles[work];
    if (err != HF_OK && atomic_load(&trouble->err) == HF_OK)
        atomic_store(&trouble->since_ms, share_clock_ms());
    atomic_store(&trouble->err, (uint32_t)err);
}

enum hf_err share_trouble(const struct share *share, int64_t *since_ms)
{
    for (int work = 0; work < SHARE_WORKS; work++) {
        const struct trouble *trouble = &share->page->troubles[work];
        uint32_t err = atomic_load(&trouble->err);
        *since_ms = atomic_load(&trouble->since_ms);
        if (err != HF_OK)
            return (enum hf_err)err;
    }
    return HF_OK;
}

/* ---- what recovery has to come to ---- */

static struct share_mark get_mark(const struct mark *mark)
{
    return (struct share_mark){atomic_load(&mark->accepted), atomic_load(&mark->expired), atomic_load(&mark->as_of_ms)};
}

/* Whoever dies in between leaves parts of the mark before: it is what was reached at least. */
static void set_mark(struct mark *mark, const struct share_mark *from, uint64_t boot)
{
    atomic_store(&mark->accepted, from->accepted);
    atomic_store(&mark->expired, from->expired);
    atomic_store(&mark->as_of_ms, from->as_of_ms);
    atomic_store(&mark->boot, boot);
}

void share_note_commit(struct share *share, const struct share_mark *mark)
{
    set_mark(&share->page->committed, mark, share->boot);
}

void share_note_sync(struct share *share)
{
    struct share_mark mark = get_mark(&share->page->committed);
    set_mark(&share->page->synced, &mark, share->boot);
}

struct share_mark share_least(const struct share *share)
{
    const struct page *page = share->page;
    bool same_boot = share->boot != 0 && atomic_load(&page->committed.boot) == share->boot;
    return get_mark(same_boot ? &page->committed : &page->synced);
}

_Atomic uint64_t *share_written(struct share *share) { return &share->page->written; }

void share_forget_marks(struct share *share)
{
    static const struct share_mark none;
    set_mark(&share->page->committed, &none, 0);
    set_mark(&share->page->synced, &none, 0);
    atomic_store(&share->page->written, 0);
}
