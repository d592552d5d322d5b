/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands between a client and a nats-server and loses chosen messages on their
 * way to the client.
 */
#ifndef HF_TESTS_BUS_PROXY_H
#define HF_TESTS_BUS_PROXY_H

#include <pthread.h>

#include "server.h"

struct proxy {
    char url[64];
    int listener;
    int stop_pipe[2];
    int server_port;
    pthread_t thread;
    pthread_mutex_t lock;
    char lose[64];    /* messages with this text in them … */
    unsigned to_lose; /* … so many more of them */
    unsigned lost;
};

void proxy_start(struct proxy *proxy, const struct server *server);
void proxy_stop(struct proxy *proxy);
void proxy_lose(struct proxy *proxy, const char *text, unsigned count);
unsigned proxy_lost(struct proxy *proxy);

#endif
