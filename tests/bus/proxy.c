/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "base/buf.h"

static bool send_all(int fd, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* The bytes of the first protocol element in `text`: a line, and for MSG and HMSG its payload; 0 when it is not all there. */
static size_t element_bytes(const unsigned char *text, size_t len)
{
    const unsigned char *end = memchr(text, '\n', len);
    if (end == NULL)
        return 0;
    size_t line = (size_t)(end - text) + 1;
    if (strncmp((const char *)text, "MSG ", 4) != 0 && strncmp((const char *)text, "HMSG ", 5) != 0)
        return line;
    const unsigned char *size = end;
    while (size[-1] != ' ')
        size--;
    size_t all = line + strtoul((const char *)size, NULL, 10) + 2;
    return all <= len ? all : 0;
}

static bool is_lost(struct proxy *proxy, const unsigned char *text, size_t len)
{
    bool lost = false;
    pthread_mutex_lock(&proxy->lock);
    size_t wanted = strlen(proxy->lose);
    for (size_t i = 0; proxy->to_lose > 0 && !lost && i + wanted <= len; i++)
        lost = text[0] != 'I' && memcmp(text + i, proxy->lose, wanted) == 0;
    proxy->to_lose -= lost;
    proxy->lost += lost;
    pthread_mutex_unlock(&proxy->lock);
    return lost;
}

/* Pass on what is complete. */
static bool to_client(struct proxy *proxy, int client, struct hf_buf *in)
{
    size_t at = 0;
    bool good = true;
    for (size_t n; good && (n = element_bytes(in->data + at, in->len - at)) > 0; at += n)
        good = is_lost(proxy, in->data + at, n) || send_all(client, in->data + at, n);
    memmove(in->data, in->data + at, in->len - at);
    in->len -= at;
    return good;
}

static void pump(struct proxy *proxy, int client, int server)
{
    struct hf_buf in = {0};
    unsigned char bytes[65536];
    struct pollfd fds[3] = {{.fd = client, .events = POLLIN},
                            {.fd = server, .events = POLLIN},
                            {.fd = proxy->stop_pipe[0], .events = POLLIN}};
    bool good = true;
    while (good && poll(fds, 3, -1) > 0 && fds[2].revents == 0) {
        if (fds[0].revents != 0) {
            ssize_t got = read(client, bytes, sizeof bytes);
            good = got > 0 && send_all(server, bytes, (size_t)got);
        }
        if (good && fds[1].revents != 0) {
            ssize_t got = read(server, bytes, sizeof bytes);
            good = got > 0;
            if (good)
                hf_buf_put(&in, bytes, (size_t)got);
            good = good && to_client(proxy, client, &in);
        }
    }
    hf_buf_free(&in);
}

static void *proxy_main(void *argument)
{
    struct proxy *proxy = argument;
    struct pollfd fds[2] = {{.fd = proxy->listener, .events = POLLIN}, {.fd = proxy->stop_pipe[0], .events = POLLIN}};
    while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)proxy->server_port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int client = accept(proxy->listener, NULL, NULL);
        int server = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(server, (struct sockaddr *)&address, sizeof address) == 0)
            pump(proxy, client, server);
        close(server);
        close(client);
    }
    return NULL;
}

void proxy_start(struct proxy *proxy, const struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    *proxy = (struct proxy){.server_port = server->port};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    proxy->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(proxy->listener, 8), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(proxy->url, sizeof proxy->url, "nats://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pipe(proxy->stop_pipe), 0);
    pthread_mutex_init(&proxy->lock, NULL);
    assert_int_equal(pthread_create(&proxy->thread, NULL, proxy_main, proxy), 0);
}

void proxy_stop(struct proxy *proxy)
{
    assert_int_equal(write(proxy->stop_pipe[1], "x", 1), 1);
    pthread_join(proxy->thread, NULL);
    close(proxy->stop_pipe[0]);
    close(proxy->stop_pipe[1]);
    close(proxy->listener);
    pthread_mutex_destroy(&proxy->lock);
}

void proxy_lose(struct proxy *proxy, const char *text, unsigned count)
{
    pthread_mutex_lock(&proxy->lock);
    snprintf(proxy->lose, sizeof proxy->lose, "%s", text);
    proxy->to_lose = count;
    proxy->lost = 0;
    pthread_mutex_unlock(&proxy->lock);
}

unsigned proxy_lost(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    unsigned lost = proxy->lost;
    pthread_mutex_unlock(&proxy->lock);
    return lost;
}
