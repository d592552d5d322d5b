/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a FastCGI program can do: libfcgi accepts a request, and it is answered 204. What a web server makes of it is the most
 * that it could make of any program.
 *
 * usage: empty [-s unix:PATH] [-t THREADS]
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MOST = 64, BACKLOG = 4096 };

static void *serve(void *socket)
{
    FCGX_Request request;
    FCGX_InitRequest(&request, *(int *)socket, 0);
    while (FCGX_Accept_r(&request) == 0) {
        FCGX_PutS("Status: 204 No Content\r\n\r\n", request.out);
        FCGX_Finish_r(&request);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t others[THREADS_MOST];
    int socket = 0, threads = 8;
    for (int option; (option = getopt(argc, argv, "s:t:")) >= 0;) {
        if (option == 't')
            threads = atoi(optarg);
        else if (option == 's' && strncmp(optarg, "unix:", 5) == 0)
            socket = FCGX_OpenSocket(optarg + 5, BACKLOG);
        else
            return 2;
    }
    if (socket < 0 || threads < 1 || threads > THREADS_MOST || FCGX_Init() != 0)
        return 1;
    signal(SIGTERM, SIG_DFL); /* libfcgi's handler would only end the thread that it interrupts */
    for (int i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, serve, &socket) != 0)
            return 1;
    serve(&socket);
    return 0;
}
