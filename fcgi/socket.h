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
};

/* As the listen option of loop.h says: NULL takes descriptor 0. */
HF_MUST_CHECK enum hf_err fcgi_socket_open(const char *listen, struct fcgi_socket *out, struct hf_why *why);
/* Remove the Unix socket from the file system, so that nobody finds it any more; who has connected stays. */
void fcgi_socket_unlink(struct fcgi_socket *socket);
void fcgi_socket_close(struct fcgi_socket *socket);

#endif
