/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real nats-server of a test: its own folder, its own port on loopback.
 */
#ifndef HF_TESTS_BUS_SERVER_H
#define HF_TESTS_BUS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct server {
    char dir[64];
    char url[64];
    const char *auth; /* "user:password" that clients must give, or NULL */
    int port;
    pid_t pid;        /* 0: not running */
};

bool server_available(void);          /* is nats-server installed? */
void server_make(struct server *server);  /* folder and port; nothing is started */
void server_start(struct server *server); /* returns when it answers */
void server_kill(struct server *server, int signal_number); /* and wait for its end; not running is fine */
void server_pause(struct server *server); /* returns when it has stopped running; SIGCONT lets it go on */
void server_remove(struct server *server);                  /* stop it and remove the folder */
void server_show_log(const struct server *server);

long long test_now_ms(void);
void test_sleep_ms(long ms); /* between two looks at a condition; never instead of one */

#endif
