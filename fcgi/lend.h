/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process serves for all.
 *
 * mod_fcgid gives each process that it starts a listening socket of its own, and
 * hands it one request at a time. A process alone would have a single request in
 * each batch, and every one of them a connection to the bus. So one process of
 * those with the same configuration serves the sockets of all: the others lend it
 * theirs (SCM_RIGHTS) and sleep. It accepts from them itself; what it answers goes
 * straight to the web server.
 *
 * They meet at a Unix socket without a place in the file system (an abstract one,
 * of Linux), which goes with the process that holds it. When that process ends or
 * is killed, its lenders find their connection to it closed: one of them serves
 * next, the others lend to that one. Nothing is lost with it but the requests that
 * it had accepted, as with any process: those that wait are in the queues of the
 * sockets, which the lenders never closed.
 *
 * On another system each process serves alone.
 */
#ifndef HF_FCGI_LEND_H
#define HF_FCGI_LEND_H

#include <signal.h>
#include <stdbool.h>

#define LENDERS_MAX 256u /* of one process; further ones serve alone */

enum lend_outcome {
    LEND_SERVE,  /* this process serves; others may lend to it if it has a socket for that */
    LEND_STOPPED /* a stop signal came while another process served, and was consumed */
};

/* Is it a socket of mod_fcgid? It calls them PID.NUMBER. */
bool lend_wanted(int fd);

/*
 * Lend the listening socket `fd` for as long as another process of this program, parent, user and `group` serves. When none does, or
 * none takes it, return LEND_SERVE; `*meeting` is then the non-blocking socket where others come to lend theirs, the caller's to
 * close, or -1 when this process is to serve alone. The signals in `stop` are blocked, before and after. A process that leaves a
 * connection waiting for a second is left then. When a stop signal comes while nobody is left to accept who waits at `fd`, that
 * signal is pending again, and LEND_SERVE.
 */
enum lend_outcome lend(int fd, const char *group, const sigset_t *stop, int *meeting);

/* ---- of the process that serves ---- */

/* Take a connection of a lender that has come to the meeting, non-blocking, the caller's to close: the lender sends its socket on it,
 * and ends it when it takes that back. Closing it gives the socket back. -1 and errno as accept(). */
int lend_accept(int meeting);

/* What has come on it: its listening socket, non-blocking, the caller's to close; or -1, and the lender has ended it, or has sent
 * what is none. */
int lend_receive(int link);

/* Send a lender away, which serves alone then; closes the connection. */
void lend_refuse(int link);

#endif
