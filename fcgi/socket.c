/* SPDX-License-Identifier: Apache-2.0 */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define BACKLOG 4096 /* or net.core.somaxconn: more than a web server of the shipped configurations has connections */
#define LISTEN_HELP "unix:/path, 127.0.0.1:port or [::1]:port"

_Static_assert(sizeof(((struct fcgi_socket *)0)->path) <= sizeof(((struct sockaddr_un *)0)->sun_path),
               "every path that is kept fits a Unix socket address");

/* Find who started us. A handler that outlives its web server must not stay: lighttpd, started again, would use it without
 * being able to start another when it ends; mod_fcgid would not know it. A process that leads its session was detached by who
 * started it (spawn-fcgi, systemd), and one that has another session than its parent lost its first parent already. */
static enum hf_err watch_starter(pid_t *starter, struct hf_why *why)
{
    if (getsid(0) == getpid())
        return HF_OK;
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    pid_t parent = getppid();
    if (getsid(parent) != getsid(0))
        return hf_fail(why, HF_AWAY, "the web server that started me has died");
    *starter = parent;
    return HF_OK;
}

/* Descriptor 0, as a web server hands it over. */
static enum hf_err take_over(struct fcgi_socket *out, struct hf_why *why)
{
    int listening = 0;
    socklen_t len = sizeof listening;
    if (getsockopt(0, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return hf_fail(why, HF_INVALID,
                       "descriptor 0 is not a listening socket: start me from a web server, or with -s %s", LISTEN_HELP);
    out->fd = 0;
    return watch_starter(&out->starter, why);
}

/* Make way for a socket at `path`: remove one that nobody listens on, and nothing else. */
static enum hf_err clear_stale(const struct sockaddr_un *address, const char *path, struct hf_why *why)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? HF_OK : hf_fail(why, HF_IO, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return hf_fail(why, HF_INVALID, "%s exists and is not a socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return hf_fail(why, HF_IO, "socket: %s", strerror(errno));
    int refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 ? errno : 0;
    close(fd);
    if (refused != ECONNREFUSED) /* connected, or its backlog is full */
        return hf_fail(why, HF_BUSY, "%s: another process listens there", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return hf_fail(why, HF_IO, "%s: %s", path, strerror(errno));
    return HF_OK;
}

static enum hf_err listen_unix(const char *path, struct fcgi_socket *out, struct hf_why *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof out->path)
        return hf_fail(why, HF_INVALID, "unix:%s: the path must have 1 to %zu bytes", path, sizeof out->path - 1);
    memcpy(address.sun_path, path, len + 1);
    enum hf_err err = clear_stale(&address, path, why);
    if (err != HF_OK)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return hf_fail(why, HF_IO, "socket: %s", strerror(errno));
    /* Whoever can connect can send any FastCGI request, in the name of any client: the owner and its group alone. */
    mode_t before = umask(0117);
    int failed = bind(fd, (const struct sockaddr *)&address, sizeof address);
    int bind_errno = errno;
    umask(before);
    struct stat st;
    if (failed != 0 || listen(fd, BACKLOG) != 0 || lstat(path, &st) != 0) {
        err = hf_fail(why, HF_IO, "cannot listen on %s: %s", path, strerror(failed != 0 ? bind_errno : errno));
        close(fd);
        return err;
    }
    memcpy(out->path, path, len + 1);
    out->device = st.st_dev;
    out->inode = st.st_ino;
    out->fd = fd;
    return HF_OK;
}

static bool parse_port(const char *text, in_port_t *port)
{
    unsigned long v = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 5)
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v * 10 + (unsigned long)(*p - '0');
    }
    *port = htons((uint16_t)v);
    return v >= 1 && v <= 65535;
}

/* Read 127.x.x.x:port or [::1]:port. */
static enum hf_err parse_tcp(const char *text, struct sockaddr_storage *address, socklen_t *len, struct hf_why *why)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    const char *colon = strrchr(text, ':');
    char host[64];
    in_port_t port;
    if (colon == NULL || (size_t)(colon - text) >= sizeof host || !parse_port(colon + 1, &port))
        return hf_fail(why, HF_INVALID, "-s %s: not an address; give %s", text, LISTEN_HELP);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    bool loopback;
    if (inet_pton(AF_INET, host, &in4.sin_addr) == 1) {
        in4.sin_port = port;
        loopback = ntohl(in4.sin_addr.s_addr) >> 24 == 127;
        memcpy(address, &in4, sizeof in4);
        *len = sizeof in4;
    } else {
        size_t n = strlen(host);
        if (n < 2 || host[0] != '[' || host[n - 1] != ']')
            return hf_fail(why, HF_INVALID, "-s %s: not an address; give %s", text, LISTEN_HELP);
        host[n - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) != 1)
            return hf_fail(why, HF_INVALID, "-s %s: not an address; give %s", text, LISTEN_HELP);
        in6.sin6_port = port;
        loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
        memcpy(address, &in6, sizeof in6);
        *len = sizeof in6;
    }
    if (!loopback)
        return hf_fail(why, HF_INVALID, "-s %s: FastCGI has no authentication; only loopback addresses are allowed", text);
    return HF_OK;
}

static enum hf_err listen_tcp(const char *text, struct fcgi_socket *out, struct hf_why *why)
{
    struct sockaddr_storage address = {0};
    socklen_t len = 0;
    enum hf_err err = parse_tcp(text, &address, &len, why);
    if (err != HF_OK)
        return err;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return hf_fail(why, HF_IO, "socket: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0) {
        err = errno == EADDRINUSE ? HF_BUSY : HF_IO;
        err = hf_fail(why, err, "cannot listen on %s: %s", text, strerror(errno));
        close(fd);
        return err;
    }
    out->fd = fd;
    return HF_OK;
}

enum hf_err fcgi_socket_open(const char *listen, struct fcgi_socket *out, struct hf_why *why)
{
    struct fcgi_socket made = {.fd = -1};
    enum hf_err err;
    if (listen == NULL)
        err = take_over(&made, why);
    else if (strncmp(listen, "unix:", 5) == 0)
        err = listen_unix(listen + 5, &made, why);
    else
        err = listen_tcp(listen, &made, why);
    if (err == HF_OK)
        *out = made;
    return err;
}

void fcgi_socket_unlink(struct fcgi_socket *socket)
{
    struct stat st;
    if (socket->path[0] != '\0' && lstat(socket->path, &st) == 0 && st.st_dev == socket->device &&
        st.st_ino == socket->inode)
        unlink(socket->path);
    socket->path[0] = '\0';
}

bool fcgi_socket_orphaned(const struct fcgi_socket *socket)
{
    return socket->starter != 0 && getppid() != socket->starter;
}

void fcgi_socket_refuse(const struct fcgi_socket *socket)
{
    shutdown(socket->fd, SHUT_RDWR);
}

void fcgi_socket_close(struct fcgi_socket *socket)
{
    if (socket->fd < 0)
        return;
    fcgi_socket_unlink(socket);
    close(socket->fd);
    socket->fd = -1;
}
