/* SPDX-License-Identifier: Apache-2.0 */
/* A request, as its handler sees it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "loop_inner.h"

#define OUT_KEPT_MAX 4096u /* memory that a request keeps for its next answer */

static const struct record_input *input_of(const struct request *request)
{
    return request->worker != NULL ? &request->worker->input : &request->input;
}

static enum request_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum request_method method;
    } methods[] = {
        {"GET", REQUEST_GET}, {"HEAD", REQUEST_HEAD}, {"POST", REQUEST_POST}, {"OPTIONS", REQUEST_OPTIONS}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(name, methods[i].name) == 0)
            return methods[i].method;
    return REQUEST_OTHER;
}

void request_head_read(struct request *request)
{
    request->method = method_of(request_param(request, "REQUEST_METHOD"));
    request->id = request->input.id;
}

enum request_method request_method(const struct request *request)
{
    return request->method;
}

const char *request_param_or_null(const struct request *request, const char *name)
{
    return record_param(input_of(request), name);
}

void request_params(const struct request *request, const char *const names[], const char *values[], size_t count)
{
    record_params(input_of(request), names, values, count);
}

const char *request_param(const struct request *request, const char *name)
{
    const char *value = request_param_or_null(request, name);
    return value != NULL ? value : "";
}

int64_t request_age_ms(const struct request *request)
{
    return request->whole_ms != 0 ? now_ms() - request->whole_ms : 0;
}

enum hf_err request_body(struct request *request, const char **bytes, size_t *len)
{
    struct record_input *in = &request->worker->input;
    const char *announced = request_param(request, "CONTENT_LENGTH");
    uint64_t length = in->body_bytes;
    if (announced[0] != '\0' && hf_parse_u64(announced, strlen(announced), UINT64_MAX, &length) != HF_OK)
        return HF_INVALID;
    if (in->body_bytes > request->loop->options.body_max)
        return HF_FULL;
    if (!in->ended || in->body_bytes != length)
        return HF_INVALID;
    if (hf_buf_reserve(&in->body, 1) != HF_OK)
        return HF_NOMEM;
    in->body.data[in->body.len] = '\0';
    *bytes = (const char *)in->body.data;
    *len = in->body.len;
    return HF_OK;
}

/* ---- the answer ---- */

static const char *phrase_of(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 503: return "Service Unavailable";
    default: return status < 500 ? "Status" : "Internal Server Error";
    }
}

bool request_send(struct request *request)
{
    while (request->sent < request->out.len) {
        ssize_t n = send(request->fd, request->out.data + request->sent, request->out.len - request->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            request->sent += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        else if (n < 0 && errno != EINTR)
            break; /* the web server has gone: there is nobody to tell */
    }
    request->sent = request->out.len;
    return true;
}

void request_uncharge(struct request *request)
{
    if (request->charged > 0)
        atomic_fetch_sub(&request->loop->input_bytes, request->charged);
    request->charged = 0;
}

static void forget_input(struct request *request)
{
    request_uncharge(request);
    record_reset(&request->input);
}

void request_drop(struct request *request)
{
    close(request->fd);
    request->worker = NULL;
    forget_input(request);
    if (request->out.capacity > OUT_KEPT_MAX)
        hf_buf_free(&request->out);
    hf_buf_clear(&request->out);
    loop_pool_put(request->loop, request);
}

/* Without a reactor, at the end of the program: what is left is waited for. */
static void send_rest(struct request *request)
{
    long long until = now_ms() + WRITE_WAIT_MS;
    struct pollfd writable = {.fd = request->fd, .events = POLLOUT};
    while (!request_send(request)) {
        long long left = until - now_ms();
        if (left <= 0 || poll(&writable, 1, (int)left) == 0)
            return;
    }
}

/* Send what was written, close the connection, give the request back. */
static void request_finish(struct request *request)
{
    forget_input(request); /* now, for it may take a while until the web server has closed */
    request->phase = request_send(request) ? LINGERING : WRITING;
    /* A connection whose input was read to the end is just closed. Any other is closed when the web server has closed it: the
     * reset that unread input causes could overtake the answer. */
    if (request->phase == LINGERING && request->ended) {
        request_drop(request);
        return;
    }
    if (loop_mail(request->loop, request))
        return;
    send_rest(request);
    request_drop(request);
}

void request_answer(struct request *request, unsigned status, const char *headers, const void *body, size_t len)
{
    char first[64];
    char last[64] = "\r\n";
    bool bodiless = status == 204 || status == 304;
    int first_bytes = snprintf(first, sizeof first, "Status: %u %s\r\n", status, phrase_of(status));
    if (!bodiless)
        snprintf(last, sizeof last, "Content-Length: %zu\r\n\r\n", len);
    const struct record_part parts[] = {{first, (size_t)first_bytes},
                                        {headers, strlen(headers)},
                                        {last, strlen(last)},
                                        {body, bodiless || request->method == REQUEST_HEAD ? 0 : len}};
    record_put_answer(&request->out, request->id, parts, sizeof parts / sizeof *parts);
    if (!hf_buf_ok(&request->out))
        hf_buf_clear(&request->out); /* no memory: the web server answers in our place */
    request_finish(request);
}

void request_error(struct request *request, unsigned status, const char *headers, const char *code,
                   const char *message, const char *parameter)
{
    struct hf_buf body = {0};
    struct hf_buf lines = {0};
    hf_buf_puts(&body, "{\"error\":{\"code\":");
    hf_buf_json_string(&body, code, strlen(code));
    hf_buf_puts(&body, ",\"message\":");
    hf_buf_json_string(&body, message, strlen(message));
    if (parameter != NULL && parameter[0] != '\0') {
        hf_buf_puts(&body, ",\"parameter\":");
        hf_buf_json_string(&body, parameter, strlen(parameter));
    }
    hf_buf_puts(&body, "}}\n");
    hf_buf_puts(&lines, headers);
    hf_buf_puts(&lines, "Content-Type: application/json\r\n");
    hf_buf_u8(&lines, 0);
    if (hf_buf_ok(&body) && hf_buf_ok(&lines))
        request_answer(request, status, (const char *)lines.data, body.data, body.len);
    else
        request_answer(request, status, headers, "", 0);
    hf_buf_free(&body);
    hf_buf_free(&lines);
}
