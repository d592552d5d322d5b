/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket of a FastCGI program.
 */
#ifndef HF_FCGI_SOCKET_H
#define HF_FCGI_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct fcgi_socket {
    int fd;
    char path[108]; /* of the Unix socket that was made here; "" otherwise */
    dev_t device;   /* of that file, so that only it is removed again */
    ino_t inode;
    pid_t starter;  /* who handed it over and stays with it: a web server; 0 otherwise */
};

/* As the listen option of loop.h says: NULL takes descriptor 0. SIGTERM comes then (on Linux) when the web server that handed it over
 * dies. Call it on the main thread. HF_AWAY: that one is dead already. */
HF_MUST_CHECK enum hf_err fcgi_socket_open(const char *listen, struct fcgi_socket *out, struct hf_why *why);
/* Remove the Unix socket from the file system, so that nobody finds it any more; who has connected stays. */
void fcgi_socket_unlink(struct fcgi_socket *socket);
/* The web server that handed it over is dead: whoever comes on it is not to be served, but to find out at once that nobody is. */
bool fcgi_socket_orphaned(const struct fcgi_socket *socket);

/* Have nobody connect any more, whoever else has it open. */
void fcgi_socket_refuse(const struct fcgi_socket *socket);

void fcgi_socket_close(struct fcgi_socket *socket);

#endif
