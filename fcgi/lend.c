/* SPDX-License-Identifier: Apache-2.0 */
#ifdef __linux__
#define _GNU_SOURCE /* struct ucred */
#endif
#include "lend.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define LOOK_S 5         /* between looks whether the one that serves still does */
#define LOOKS 20         /* that find a connection waiting, before it is given up */
#define LOOK_AGAIN_MS 50 /* between those */
#define TRIES 100        /* while one process ends and the next is not ready */
#define TRY_MS 10
#define END_WAIT_MS 1000 /* for the one that serves to see to who waits */
#define BACKLOG 512

/* ---- where they meet ---- */

static void add_file(crypto_generichash_state *state, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    crypto_generichash_update(state, (const unsigned char *)&st.st_dev, sizeof st.st_dev);
    crypto_generichash_update(state, (const unsigned char *)&st.st_ino, sizeof st.st_ino);
}

/* A program that was replaced is another; and with another root or working directory the same paths may be other files. What another
 * web server started, or one that died, may be about to end. */
static socklen_t meeting_place(const char *group, struct sockaddr_un *address)
{
    crypto_generichash_state state;
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char name[2 * sizeof hash + 1];
    uid_t user = geteuid();
    pid_t starter = getppid();
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, (const unsigned char *)&user, sizeof user);
    crypto_generichash_update(&state, (const unsigned char *)&starter, sizeof starter);
    add_file(&state, "/proc/self/exe");
    add_file(&state, "/");
    add_file(&state, ".");
    crypto_generichash_update(&state, (const unsigned char *)group, strlen(group));
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(name, sizeof name, hash, sizeof hash);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    /* After a NUL: not in the file system, where somebody would have to remove it. */
    int len = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "hourfold/%s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* Anybody can take any name there. */
static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

/* The socket to be met at; -1 and errno. */
static int open_meeting(const char *group)
{
    struct sockaddr_un address;
    socklen_t len = meeting_place(group, &address);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (bind(fd, (const struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* A connection to the one that serves; -1 and errno. */
static int meet(const char *group)
{
    struct sockaddr_un address;
    socklen_t len = meeting_place(group, &address);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, len) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* ---- descriptors ---- */

union one_descriptor {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
};

static bool send_descriptor(int link, int fd)
{
    char mark = 'l';
    struct iovec iov = {.iov_base = &mark, .iov_len = 1};
    union one_descriptor control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(link, &message, MSG_NOSIGNAL) == 1;
}

/* -1: none has come. Room for two, as padding would give, would let in one that nobody closes. */
static int receive_descriptor(int link)
{
    char mark;
    int fd = -1;
    struct iovec iov = {.iov_base = &mark, .iov_len = 1};
    union one_descriptor control;
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof fd)};
    if (recvmsg(link, &message, MSG_CMSG_CLOEXEC) < 0)
        return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t len = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* ---- lending ---- */

static volatile sig_atomic_t stop_came;

static void note_stop(int number) { stop_came = number; }

/* Let the stop signals come while waiting, and never else: `during` is for pselect(). */
static void watch_stops(const sigset_t *stop, sigset_t *during)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
    struct sigaction action = {.sa_handler = note_stop};
    sigemptyset(&action.sa_mask);
    pthread_sigmask(SIG_SETMASK, NULL, during);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigismember(stop, numbers[i]) == 1) {
            sigaction(numbers[i], &action, NULL);
            sigdelset(during, numbers[i]);
        }
}

static bool has_input(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 1;
}

static void pause_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* Does somebody who connected wait there for ever? One who is served is followed by another, but not every time. */
static bool is_neglected(int fd, int link)
{
    for (int looks = 0; looks < LOOKS; looks++) {
        if (!has_input(fd) || has_input(link))
            return false;
        pause_ms(LOOK_AGAIN_MS);
    }
    return true;
}

enum lent { LENT_STOP, LENT_OVER, LENT_ALONE };

static enum lent await_return(int fd, int link, const sigset_t *during)
{
    for (;;) {
        fd_set readable;
        char mark;
        struct timespec most = {LOOK_S, 0};
        FD_ZERO(&readable);
        FD_SET(link, &readable);
        int ready = pselect(link + 1, &readable, NULL, NULL, &most, during);
        if (stop_came)
            return LENT_STOP;
        if (ready == 0 && is_neglected(fd, link))
            return LENT_ALONE;
        if (ready > 0)
            return recv(link, &mark, 1, 0) == 1 ? LENT_ALONE : LENT_OVER;
    }
}

/* After a stop: take it back, when that process has accepted who waits there. It may end just now, too, or hang: who is left waiting
 * then is ours to serve, and the stop signal is to come again. */
static enum lend_outcome end_lending(int fd, int link)
{
    struct pollfd polled = {.fd = link, .events = POLLIN};
    shutdown(link, SHUT_WR);
    poll(&polled, 1, END_WAIT_MS);
    if (!has_input(fd))
        return LEND_STOPPED;
    kill(getpid(), stop_came);
    return LEND_SERVE;
}

/* Lend it once. LENT_OVER: that is over, or did not come about. */
static enum lent lend_once(int fd, int link, const sigset_t *during)
{
    if (!is_ours(link) || link >= FD_SETSIZE)
        return LENT_ALONE;
    return send_descriptor(link, fd) ? await_return(fd, link, during) : LENT_OVER;
}

enum lend_outcome lend(int fd, const char *group, const sigset_t *stop, int *meeting)
{
    sigset_t during;
    *meeting = -1;
    watch_stops(stop, &during);
    for (int tries = 0; tries < TRIES; tries++) {
        int link = meet(group);
        if (link >= 0) {
            long long since_ms = now_ms();
            enum lent lent = lend_once(fd, link, &during);
            enum lend_outcome outcome = lent == LENT_STOP ? end_lending(fd, link) : LEND_SERVE;
            close(link);
            if (lent != LENT_OVER)
                return outcome;
            if (now_ms() - since_ms > TRIES * TRY_MS)
                tries = 0;
        } else if ((*meeting = open_meeting(group)) >= 0 || errno != EADDRINUSE) {
            return LEND_SERVE;
        }
        pause_ms(TRY_MS);
    }
    return LEND_SERVE;
}

bool lend_wanted(int fd)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 || address.sun_family != AF_UNIX)
        return false;
    char path[sizeof address.sun_path + 1] = "";
    memcpy(path, address.sun_path, sizeof address.sun_path);
    const char *name = strrchr(path, '/');
    if (name == NULL)
        return false;
    size_t pid = strspn(++name, "0123456789");
    size_t number = name[pid] == '.' ? strspn(name + pid + 1, "0123456789") : 0;
    return pid > 0 && number > 0 && name[pid + 1 + number] == '\0';
}

/* ---- being lent to ---- */

int lend_accept(int meeting)
{
    int link = accept(meeting, NULL, NULL);
    if (link >= 0 && (!is_ours(link) || fcntl(link, F_SETFD, FD_CLOEXEC) != 0 || fcntl(link, F_SETFL, O_NONBLOCK) != 0)) {
        close(link);
        errno = EAGAIN;
        return -1;
    }
    return link;
}

int lend_receive(int link)
{
    int fd = receive_descriptor(link);
    if (fd >= 0 && (!is_listening(fd) || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

void lend_refuse(int link)
{
    (void)send(link, "", 1, MSG_NOSIGNAL);
    close(link);
}

#else

bool lend_wanted(int fd)
{
    (void)fd;
    return false;
}

enum lend_outcome lend(int fd, const char *group, const sigset_t *stop, int *meeting)
{
    (void)fd, (void)group, (void)stop;
    *meeting = -1;
    return LEND_SERVE;
}

int lend_accept(int meeting)
{
    (void)meeting;
    return -1;
}

int lend_receive(int link)
{
    (void)link;
    return -1;
}

void lend_refuse(int link) { (void)link; }

#endif
