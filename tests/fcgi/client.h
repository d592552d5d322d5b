/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web server's side of FastCGI, byte for byte, for tests.
 */
#ifndef HF_TESTS_FCGI_CLIENT_H
#define HF_TESTS_FCGI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct fcgi_ask {
    const char *method; /* NULL: GET */
    const char *uri;
    const char *type;   /* Content-Type, or NULL */
    const char *authorization;
    const char *body;   /* or NULL */
    size_t body_bytes;  /* 0: strlen */
    const char *length; /* CONTENT_LENGTH as sent; NULL: that of the body; "-": none */
    const char *const *more; /* further parameters, name and value by turns, ended by NULL; or NULL */
};

struct fcgi_answer {
    unsigned status;      /* 0: the connection closed without an answer */
    char headers[4096];
    char *body;           /* terminated; owned by the answer */
    size_t body_bytes;
};

int fcgi_socket(void);
bool fcgi_connect_with(int fd, const char *path);
int fcgi_connect(const char *path); /* a connected descriptor, or -1 */
/* Send a request as lighttpd does: everything in as few writes as fit. False when the peer closed. */
bool fcgi_send(int fd, const struct fcgi_ask *ask);
/* The same without the record that ends the body. */
bool fcgi_send_unfinished(int fd, const struct fcgi_ask *ask);
/* The bytes of a request, to be freed by the caller. */
unsigned char *fcgi_bytes(const struct fcgi_ask *ask, size_t *len);
void fcgi_finish(int fd); /* send that record */
/* Read an answer to its end and close `fd`; fail the test after `wait_ms`. */
void fcgi_receive(int fd, long wait_ms, struct fcgi_answer *out);
void fcgi_answer_free(struct fcgi_answer *answer);
/* Connect, send, receive. */
void fcgi_exchange(const char *path, const struct fcgi_ask *ask, struct fcgi_answer *out);
/* Does the peer close within `wait_ms`, having sent nothing? */
bool fcgi_closes(int fd, long wait_ms);

/* Does nothing come within `wait_ms`? */
bool fcgi_silent(int fd, long wait_ms);

/* The value of a header, up to its line end, or NULL. `name` with its colon. */
const char *fcgi_header(const struct fcgi_answer *answer, const char *name, char out[256]);

#endif
