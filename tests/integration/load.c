/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open-loop load on a port of 127.0.0.1: requests become due at a fixed rate, whatever becomes of those before. One that
 * finds no free connection is held back, and told.
 *
 * usage: load PORT REQUESTS_PER_SECOND SECONDS CONNECTIONS FILE
 *
 * The file holds requests, each after its length and a newline; they are sent in turn. Prints one JSON object: how many were
 * sent, held back, accepted (2xx), refused (429, 503), answered otherwise, or broke off; and how long answers took, in ms, from the
 * moment the request was sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LATENCIES 400000
#define LATENCIES_MS 10 /* so many of them */
#define LAST_WAIT_MS 15000
#define RECONNECT_MS 100

enum state { CLOSED, CONNECTING, FREE, SENT };

struct connection {
    enum state state;
    bool listed; /* among the free ones */
    double since_ms;
    size_t got;
    char in[4096];
};

struct answers {
    unsigned long count;
    unsigned long took[LATENCIES];
};

static struct {
    uint16_t port;
    double rate, seconds;
    unsigned connections;
    char *file; /* its bytes */
    const char **requests;
    size_t *lengths;
    size_t variants;
    struct connection *all;
    struct pollfd *polled;
    unsigned *free_ones; /* a ring: the one that has been free for longest first, or the web server would close it */
    unsigned free_first;
    unsigned free_count;
    unsigned in_flight;
    unsigned long sent, held_back, broken, other, no_retry_after;
    struct answers accepted, refused; /* 2xx; 429 and 503 */
} load;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(2);
}

static void read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail("the file of requests cannot be read");
    size_t len = (size_t)ftell(file);
    rewind(file);
    load.file = malloc(len + 1);
    if (load.file == NULL || fread(load.file, 1, len, file) != len)
        fail("the file of requests cannot be read");
    fclose(file);
    load.file[len] = '\0';
    for (char *at = load.file; at < load.file + len; load.variants++) {
        size_t request_bytes = strtoul(at, &at, 10);
        if (*at != '\n' || request_bytes == 0 || request_bytes > (size_t)(load.file + len - at - 1))
            fail("the file of requests is malformed");
        load.requests = realloc(load.requests, (load.variants + 1) * sizeof *load.requests);
        load.lengths = realloc(load.lengths, (load.variants + 1) * sizeof *load.lengths);
        load.requests[load.variants] = at + 1;
        load.lengths[load.variants] = request_bytes;
        at += 1 + request_bytes;
    }
    if (load.variants == 0)
        fail("the file holds no request");
}

/* ---- connections ---- */

static void set_free(unsigned i)
{
    load.all[i].state = FREE;
    load.all[i].got = 0;
    load.polled[i].events = POLLIN;
    if (!load.all[i].listed)
        load.free_ones[(load.free_first + load.free_count++) % load.connections] = i;
    load.all[i].listed = true;
}

/* The next free connection, or load.connections: there is none. Those that ended meanwhile are passed over. */
static unsigned take_free(void)
{
    while (load.free_count > 0) {
        unsigned i = load.free_ones[load.free_first];
        load.free_first = (load.free_first + 1) % load.connections;
        load.free_count--;
        load.all[i].listed = false;
        if (load.all[i].state == FREE)
            return i;
    }
    return load.connections;
}

static void begin_connect(unsigned i)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(load.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    load.polled[i] = (struct pollfd){.fd = fd, .events = POLLOUT};
    load.all[i].state = CONNECTING;
    load.all[i].since_ms = now_ms();
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        set_free(i);
}

static void end_connection(unsigned i)
{
    if (load.all[i].state == SENT) {
        load.broken++;
        load.in_flight--;
    }
    close(load.polled[i].fd);
    load.polled[i] = (struct pollfd){.fd = -1};
    load.all[i].state = CLOSED;
    load.all[i].since_ms = now_ms();
}

static void send_one(unsigned i)
{
    unsigned v = (unsigned)(load.sent % load.variants);
    ssize_t n = send(load.polled[i].fd, load.requests[v], load.lengths[v], MSG_NOSIGNAL);
    load.sent++;
    load.in_flight++;
    load.all[i].state = SENT;
    load.all[i].since_ms = now_ms();
    if (n != (ssize_t)load.lengths[v])
        end_connection(i);
}

/* ---- answers ---- */

static const char *header(const char *head, const char *name)
{
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, strlen(name)) == 0)
            return line + 2 + strlen(name);
    return NULL;
}

static void count(struct answers *answers, double took_ms)
{
    answers->count++;
    unsigned at = (unsigned)(took_ms * LATENCIES_MS);
    answers->took[at < LATENCIES - 1 ? at : LATENCIES - 1]++;
}

/* Look whether an answer is whole, and count it. */
static void take_answer(unsigned i)
{
    struct connection *c = &load.all[i];
    c->in[c->got] = '\0';
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL)
        return;
    int status = atoi(c->in + strlen("HTTP/1.1 "));
    const char *length = header(c->in, "Content-Length:");
    if (c->got < (size_t)(end - c->in) + 4 + (status != 204 && length != NULL ? strtoul(length, NULL, 10) : 0))
        return;
    double took = now_ms() - c->since_ms;
    if (status >= 200 && status < 300)
        count(&load.accepted, took);
    else if (status == 429 || status == 503) {
        count(&load.refused, took);
        load.no_retry_after += header(c->in, "Retry-After:") == NULL;
    } else
        load.other++;
    load.in_flight--;
    const char *connection = header(c->in, "Connection:");
    c->state = CLOSED;
    if (connection != NULL && strncasecmp(connection, " close", 6) == 0)
        end_connection(i);
    else
        set_free(i);
}

static void attend(unsigned i)
{
    struct connection *c = &load.all[i];
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(load.polled[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0)
            end_connection(i);
        else
            set_free(i);
        return;
    }
    ssize_t n = recv(load.polled[i].fd, c->in + c->got, sizeof c->in - 1 - c->got, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            end_connection(i);
        return;
    }
    c->got += (size_t)n;
    if (c->state == SENT)
        take_answer(i);
}

static void look(int wait_ms)
{
    double now = now_ms();
    for (unsigned i = 0; i < load.connections; i++)
        if (load.all[i].state == CLOSED && load.all[i].since_ms + RECONNECT_MS < now)
            begin_connect(i);
    if (poll(load.polled, load.connections, wait_ms) <= 0)
        return;
    for (unsigned i = 0; i < load.connections; i++)
        if (load.polled[i].revents != 0)
            attend(i);
}

/* ---- the whole ---- */

static void run(void)
{
    double begin = now_ms();
    unsigned long due = 0;
    for (double now = begin; now < begin + load.seconds * 1e3; now = now_ms()) {
        unsigned long wanted = (unsigned long)((now - begin) / 1e3 * load.rate);
        for (; due < wanted; due++) {
            unsigned i = take_free();
            if (i < load.connections)
                send_one(i);
            else
                load.held_back++;
        }
        look(1);
    }
    for (double until = now_ms() + LAST_WAIT_MS; load.in_flight > 0 && now_ms() < until;)
        look(10);
}

static double quantile(const struct answers *answers, double q)
{
    unsigned long seen = 0;
    for (unsigned i = 0; i < LATENCIES; i++) {
        seen += answers->took[i];
        if (seen > 0 && (double)seen >= q * (double)answers->count)
            return (double)i / LATENCIES_MS;
    }
    return 0;
}

static void print_answers(const char *name, const struct answers *answers)
{
    printf("\"%s\":{\"count\":%lu,\"p50\":%g,\"p99\":%g,\"max\":%g},", name, answers->count, quantile(answers, 0.5),
           quantile(answers, 0.99), quantile(answers, 1));
}

int main(int argc, char **argv)
{
    if (argc != 6)
        fail("usage: load PORT REQUESTS_PER_SECOND SECONDS CONNECTIONS FILE");
    load.port = (uint16_t)atoi(argv[1]);
    load.rate = atof(argv[2]);
    load.seconds = atof(argv[3]);
    load.connections = (unsigned)atoi(argv[4]);
    struct rlimit files = {load.connections + 64, load.connections + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    load.all = calloc(load.connections, sizeof *load.all);
    load.polled = calloc(load.connections, sizeof *load.polled);
    load.free_ones = calloc(load.connections, sizeof *load.free_ones);
    read_file(argv[5]);
    for (unsigned i = 0; i < load.connections; i++)
        load.polled[i].fd = -1;
    for (double until = now_ms() + 3000; load.free_count < load.connections && now_ms() < until;)
        look(10);
    run();
    printf("{\"sent\":%lu,\"held_back\":%lu,\"broken\":%lu,\"other\":%lu,\"unanswered\":%u,\"no_retry_after\":%lu,", load.sent,
           load.held_back, load.broken, load.other, load.in_flight, load.no_retry_after);
    print_answers("refused", &load.refused);
    print_answers("accepted", &load.accepted);
    printf("\"seconds\":%g}\n", load.seconds);
    return 0;
}
