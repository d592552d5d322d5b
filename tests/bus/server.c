/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../unit.h"

long long test_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void test_sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static const char *server_program(void)
{
    static const char *const places[] = {"/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool server_available(void)
{
    return server_program() != NULL;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

void server_make(struct server *server)
{
    *server = (struct server){.port = free_port()};
    const char *tmp = getenv("TMPDIR");
    snprintf(server->dir, sizeof server->dir, "%.40s/hf-bus-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(server->dir));
    snprintf(server->url, sizeof server->url, "nats://127.0.0.1:%d", server->port);
}

static void run(const struct server *server)
{
    char port[16];
    char path[128];
    char *argv[16];
    int n = 0;
    snprintf(path, sizeof path, "%s/log", server->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    snprintf(port, sizeof port, "%d", server->port);
    snprintf(path, sizeof path, "%s/js", server->dir);
    argv[n++] = (char *)(uintptr_t) "nats-server";
    argv[n++] = (char *)(uintptr_t) "-a";
    argv[n++] = (char *)(uintptr_t) "127.0.0.1";
    argv[n++] = (char *)(uintptr_t) "-p";
    argv[n++] = port;
    argv[n++] = (char *)(uintptr_t) "-js";
    argv[n++] = (char *)(uintptr_t) "-sd";
    argv[n++] = path;
    char user[64];
    if (server->auth != NULL) {
        snprintf(user, sizeof user, "%s", server->auth);
        char *password = strchr(user, ':');
        *password++ = '\0';
        argv[n++] = (char *)(uintptr_t) "--user";
        argv[n++] = user;
        argv[n++] = (char *)(uintptr_t) "--pass";
        argv[n++] = password;
    }
    argv[n] = NULL;
    execv(server_program(), argv);
    _exit(127);
}

/* Does it greet? */
static bool answers(const struct server *server)
{
    struct sockaddr_in address = loopback(server->port);
    char greeting[5] = {0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && read(fd, greeting, 4) == 4 &&
               strcmp(greeting, "INFO") == 0;
    close(fd);
    return yes;
}

void server_start(struct server *server)
{
    server->pid = fork();
    if (server->pid == 0)
        run(server);
    assert_true(server->pid > 0);
    long long until = test_now_ms() + PATIENT_MS;
    while (!answers(server)) {
        if (test_now_ms() > until || waitpid(server->pid, NULL, WNOHANG) != 0) {
            server_show_log(server);
            fail_msg("nats-server does not answer");
        }
        test_sleep_ms(5);
    }
}

void server_kill(struct server *server, int signal_number)
{
    if (server->pid == 0)
        return;
    kill(server->pid, signal_number);
    kill(server->pid, SIGCONT);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void server_pause(struct server *server)
{
    int status = 0;
    kill(server->pid, SIGSTOP);
    assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
    assert_true(WIFSTOPPED(status));
}

void server_remove(struct server *server)
{
    char command[128];
    server_kill(server, SIGKILL);
    snprintf(command, sizeof command, "rm -rf '%s'", server->dir);
    if (system(command) != 0)
        print_error("%s failed\n", command);
}

void server_show_log(const struct server *server)
{
    char path[128];
    char line[512];
    snprintf(path, sizeof path, "%s/log", server->dir);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        print_error("# %s", line);
    if (file != NULL)
        fclose(file);
}
