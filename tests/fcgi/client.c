/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <poll.h>
#include <stdint.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../bus/server.h"
#include "../unit.h"
#include "base/buf.h"

enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

int fcgi_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    return fd;
}

bool fcgi_connect_with(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

int fcgi_connect(const char *path)
{
    int fd = fcgi_socket();
    if (fcgi_connect_with(fd, path))
        return fd;
    close(fd);
    return -1;
}

static void put_record(struct hf_buf *out, unsigned type, const void *bytes, size_t len)
{
    const unsigned char head[8] = {1, (unsigned char)type, 0, 1, (unsigned char)(len >> 8), (unsigned char)len, 0, 0};
    hf_buf_put(out, head, sizeof head);
    hf_buf_put(out, bytes, len);
}

static void put_length(struct hf_buf *out, size_t len)
{
    if (len > 127) {
        hf_buf_u8(out, (uint8_t)(0x80 | len >> 24));
        hf_buf_u8(out, (uint8_t)(len >> 16));
        hf_buf_u8(out, (uint8_t)(len >> 8));
    }
    hf_buf_u8(out, (uint8_t)len);
}

static void put_param(struct hf_buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    put_length(out, strlen(name));
    put_length(out, strlen(value));
    hf_buf_puts(out, name);
    hf_buf_puts(out, value);
}

static void put_params(struct hf_buf *out, const struct fcgi_ask *ask, size_t body_bytes)
{
    struct hf_buf params = {0};
    char length[24];
    snprintf(length, sizeof length, "%zu", body_bytes);
    put_param(&params, "REQUEST_METHOD", ask->method != NULL ? ask->method : "GET");
    put_param(&params, "REQUEST_URI", ask->uri);
    put_param(&params, "CONTENT_TYPE", ask->type);
    put_param(&params, "HTTP_AUTHORIZATION", ask->authorization);
    for (const char *const *more = ask->more; more != NULL && more[0] != NULL; more += 2)
        put_param(&params, more[0], more[1]);
    if (ask->length == NULL)
        put_param(&params, "CONTENT_LENGTH", length);
    else if (strcmp(ask->length, "-") != 0)
        put_param(&params, "CONTENT_LENGTH", ask->length);
    for (size_t at = 0; at < params.len; at += 60000)
        put_record(out, PARAMS, params.data + at, params.len - at < 60000 ? params.len - at : 60000);
    put_record(out, PARAMS, "", 0);
    hf_buf_free(&params);
}

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

static void put_request(struct hf_buf *out, const struct fcgi_ask *ask, bool finish)
{
    static const unsigned char responder[8] = {0, 1, 0, 0, 0, 0, 0, 0};
    size_t body_bytes = ask->body == NULL ? 0 : ask->body_bytes > 0 ? ask->body_bytes : strlen(ask->body);
    put_record(out, BEGIN_REQUEST, responder, sizeof responder);
    put_params(out, ask, body_bytes);
    for (size_t at = 0; at < body_bytes; at += 32768)
        put_record(out, STDIN, ask->body + at, body_bytes - at < 32768 ? body_bytes - at : 32768);
    if (finish)
        put_record(out, STDIN, "", 0);
    assert_true(hf_buf_ok(out));
}

unsigned char *fcgi_bytes(const struct fcgi_ask *ask, size_t *len)
{
    struct hf_buf out = {0};
    put_request(&out, ask, true);
    *len = out.len;
    return out.data;
}

static bool send_request(int fd, const struct fcgi_ask *ask, bool finish)
{
    struct hf_buf out = {0};
    put_request(&out, ask, finish);
    bool sent = send_all(fd, out.data, out.len);
    hf_buf_free(&out);
    return sent;
}

bool fcgi_send(int fd, const struct fcgi_ask *ask)
{
    return send_request(fd, ask, true);
}

bool fcgi_send_unfinished(int fd, const struct fcgi_ask *ask)
{
    return send_request(fd, ask, false);
}

void fcgi_finish(int fd)
{
    struct hf_buf out = {0};
    put_record(&out, STDIN, "", 0);
    assert_true(send_all(fd, out.data, out.len));
    hf_buf_free(&out);
}

/* Read until the peer closes. */
static void read_all(int fd, long wait_ms, struct hf_buf *in)
{
    long long until = test_now_ms() + wait_ms;
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        long long left = until - test_now_ms();
        assert_true_of(left > 0 && poll(&poll_fd, 1, (int)left) == 1, "no answer within %ld ms", wait_ms);
        assert_int_equal(hf_buf_reserve(in, 65536), HF_OK);
        ssize_t got = read(fd, in->data + in->len, 65536);
        if (got <= 0)
            return;
        in->len += (size_t)got;
    }
}

static void split_answer(const char *text, size_t len, struct fcgi_answer *out)
{
    const char *end = NULL;
    for (size_t i = 0; i + 4 <= len && end == NULL; i++)
        if (memcmp(text + i, "\r\n\r\n", 4) == 0)
            end = text + i;
    assert_true_of(end != NULL, "no headers in: %.*s", (int)len, text);
    size_t head = (size_t)(end - text) + 2;
    assert_true(head < sizeof out->headers);
    memcpy(out->headers, text, head);
    out->headers[head] = '\0';
    assert_int_equal(sscanf(out->headers, "Status: %u ", &out->status), 1);
    out->body_bytes = len - head - 2;
    out->body = malloc(out->body_bytes + 1);
    memcpy(out->body, end + 4, out->body_bytes);
    out->body[out->body_bytes] = '\0';
}

void fcgi_receive(int fd, long wait_ms, struct fcgi_answer *out)
{
    struct hf_buf in = {0};
    struct hf_buf text = {0};
    bool ended = false;
    *out = (struct fcgi_answer){0};
    read_all(fd, wait_ms, &in);
    close(fd);
    for (size_t at = 0; at + 8 <= in.len;) {
        const unsigned char *head = in.data + at;
        size_t len = (size_t)head[4] << 8 | head[5];
        assert_true(head[0] == 1 && head[2] == 0 && head[3] == 1 && at + 8 + len + head[6] <= in.len);
        assert_false(ended);
        if (head[1] == STDOUT)
            hf_buf_put(&text, head + 8, len);
        ended = head[1] == END_REQUEST;
        at += 8 + len + head[6];
    }
    if (ended)
        split_answer((const char *)text.data, text.len, out);
    else
        assert_int_equal(in.len, 0); /* nothing, rather than half an answer */
    hf_buf_free(&in);
    hf_buf_free(&text);
}

void fcgi_answer_free(struct fcgi_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

void fcgi_exchange(const char *path, const struct fcgi_ask *ask, struct fcgi_answer *out)
{
    int fd = fcgi_connect(path);
    assert_true(fd >= 0);
    fcgi_send(fd, ask);
    fcgi_receive(fd, PATIENT_MS, out);
}

bool fcgi_silent(int fd, long wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, (int)wait_ms) == 0;
}

bool fcgi_closes(int fd, long wait_ms)
{
    char byte;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, (int)wait_ms) == 1 && read(fd, &byte, 1) <= 0;
}

const char *fcgi_header(const struct fcgi_answer *answer, const char *name, char out[256])
{
    for (const char *line = answer->headers; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, name, strlen(name)) == 0) {
            line += strlen(name);
            line += strspn(line, " ");
            snprintf(out, 256, "%.*s", (int)strcspn(line, "\r"), line);
            return out;
        }
    return NULL;
}
