/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record: version 1, type, request id (2 bytes), content length (2), padding
 * length, a reserved byte; content; padding. Integers are big-endian.
 *
 *     BEGIN_REQUEST   role (2), flags, 5 reserved bytes
 *     PARAMS          a piece of the stream of parameters; an empty one ends it
 *     STDIN           the same of the body
 *
 * A parameter: the lengths of name and value, each one byte, or four of which the
 * first has its high bit set; the name; the value.
 */
#include "record.h"

#include <string.h>

enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

#define HEAD_BYTES 8u
#define BEGIN_BYTES 8u
#define RESPONDER 1
#define CONTENT_MAX 65528u /* of a record that is written: a multiple of eight, as the specification advises */
#define KEPT_MAX 2048u    /* memory that record_reset() keeps */

/* ---- parameters ---- */

/* A length, or SIZE_MAX when it does not end within the stream. */
static size_t take_length(const unsigned char **at, const unsigned char *end)
{
    if (*at == end)
        return SIZE_MAX;
    if (**at < 128)
        return *(*at)++;
    if (end - *at < 4)
        return SIZE_MAX;
    const unsigned char *p = *at;
    *at += 4;
    return (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* Move a text to `to`, which lies before it, and terminate it. False when it holds a NUL. */
static bool move_text(unsigned char **to, const unsigned char *text, size_t len)
{
    if (len > 0 && memchr(text, '\0', len) != NULL)
        return false;
    memmove(*to, text, len);
    (*to)[len] = '\0';
    *to += len + 1;
    return true;
}

/* Turn the stream into terminated texts, in place: the two NULs of a parameter take no more room than its two lengths did. But name and
 * value are moved one after the other, so the value must not be overwritten by the name's NUL: it never is, for the name
 * moves down by the two bytes of the lengths, at least. */
static bool split_params(struct hf_buf *params)
{
    const unsigned char *at = params->data;
    const unsigned char *end = at + params->len;
    unsigned char *to = params->data;
    while (at < end) {
        size_t name_bytes = take_length(&at, end);
        size_t value_bytes = name_bytes == SIZE_MAX ? SIZE_MAX : take_length(&at, end);
        if (value_bytes == SIZE_MAX || name_bytes > (size_t)(end - at) || value_bytes > (size_t)(end - at) - name_bytes)
            return false;
        if (!move_text(&to, at, name_bytes) || !move_text(&to, at + name_bytes, value_bytes))
            return false;
        at += name_bytes + value_bytes;
    }
    params->len = (size_t)(to - params->data);
    return true;
}

void record_params(const struct record_input *in, const char *const names[], const char *values[], size_t count)
{
    const char *at = (const char *)in->params.data;
    const char *end = at + in->params.len;
    for (size_t i = 0; i < count; i++)
        values[i] = NULL;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        for (size_t i = 0; i < count; i++)
            if (names[i][0] == at[0] && values[i] == NULL && strcmp(names[i], at) == 0)
                values[i] = value;
        at = value + strlen(value) + 1;
    }
}

const char *record_param(const struct record_input *in, const char *name)
{
    const char *value;
    record_params(in, &name, &value, 1);
    return value;
}

/* ---- records ---- */

static enum record_state end_params(struct record_input *in)
{
    if (!split_params(&in->params))
        return RECORD_BAD;
    const char *method = record_param(in, "REQUEST_METHOD");
    in->wanted = method != NULL && strcmp(method, "POST") == 0;
    return RECORD_STDIN;
}

/* A whole head is there: what is to become of the record? */
static enum record_state begin_record(struct record_input *in)
{
    const unsigned char *head = in->head;
    uint16_t id = (uint16_t)(head[2] << 8 | head[3]);
    in->content_left = (unsigned)head[4] << 8 | head[5];
    in->padding_left = head[6];
    if (head[0] != 1 || id == 0 || (in->begun && id != in->id))
        return RECORD_BAD;
    switch (head[1]) {
    case BEGIN_REQUEST:
        if (in->begun || in->content_left != BEGIN_BYTES)
            return RECORD_BAD;
        in->begun = true;
        in->id = id;
        return in->state;
    case PARAMS:
        if (!in->begun || in->state != RECORD_PARAMS || in->params.len + in->content_left > RECORD_PARAMS_MAX)
            return RECORD_BAD;
        return in->content_left == 0 ? end_params(in) : in->state;
    case STDIN:
        if (in->state != RECORD_STDIN)
            return RECORD_BAD;
        in->ended = in->content_left == 0;
        return in->ended ? RECORD_WHOLE : in->state;
    default:
        return RECORD_BAD; /* ABORT_REQUEST (2) too: nobody waits for an answer any more */
    }
}

/* Of a beginning, its content comes as the parameters do, into `params`, and is taken off again once it is whole. */
static enum record_state take_begin(struct record_input *in)
{
    const unsigned char *content = in->params.data;
    bool good = content[0] == 0 && content[1] == RESPONDER;
    in->params.len = 0;
    return good ? in->state : RECORD_BAD;
}

static enum record_state take_content(struct record_input *in, size_t body_max, const unsigned char *bytes, size_t len)
{
    struct hf_buf *to = in->head[1] == STDIN ? &in->body : &in->params;
    if (in->head[1] == STDIN) {
        in->body_bytes += len;
        if (in->body_bytes > body_max) {
            in->wanted = false;
            hf_buf_free(&in->body);
            return in->body_bytes - body_max > RECORD_UNWANTED_MAX ? RECORD_WHOLE : in->state;
        }
        if (!in->wanted)
            return in->state;
    }
    hf_buf_put(to, bytes, len);
    if (!hf_buf_ok(to))
        return RECORD_BAD;
    return in->head[1] == BEGIN_REQUEST && in->content_left == 0 ? take_begin(in) : in->state;
}

static unsigned at_most(unsigned most, size_t len)
{
    return len < most ? (unsigned)len : most;
}

enum record_state record_feed(struct record_input *in, size_t body_max, const unsigned char *bytes, size_t len)
{
    while (len > 0 && in->state != RECORD_WHOLE && in->state != RECORD_BAD) {
        unsigned n;
        if (in->head_bytes < HEAD_BYTES) {
            n = at_most(HEAD_BYTES - in->head_bytes, len);
            memcpy(in->head + in->head_bytes, bytes, n);
            in->head_bytes += n;
            if (in->head_bytes == HEAD_BYTES)
                in->state = begin_record(in);
        } else if (in->content_left > 0) {
            n = at_most(in->content_left, len);
            in->content_left -= n;
            in->state = take_content(in, body_max, bytes, n);
        } else {
            n = at_most(in->padding_left, len);
            in->padding_left -= n;
        }
        if (in->head_bytes == HEAD_BYTES && in->content_left == 0 && in->padding_left == 0)
            in->head_bytes = 0;
        bytes += n;
        len -= n;
    }
    return in->state;
}

size_t record_memory(const struct record_input *in)
{
    return in->params.capacity + in->body.capacity;
}

static void clear(struct hf_buf *buf)
{
    if (buf->capacity > KEPT_MAX)
        hf_buf_free(buf);
    hf_buf_clear(buf);
}

void record_reset(struct record_input *in)
{
    clear(&in->params);
    clear(&in->body);
    *in = (struct record_input){.params = in->params, .body = in->body};
}

void record_free(struct record_input *in)
{
    hf_buf_free(&in->params);
    hf_buf_free(&in->body);
    *in = (struct record_input){0};
}

/* ---- the answer ---- */

static void put_head(struct hf_buf *out, uint16_t id, unsigned type, size_t content_bytes)
{
    const unsigned char head[HEAD_BYTES] = {
        1, (unsigned char)type, (unsigned char)(id >> 8), (unsigned char)id,
        (unsigned char)(content_bytes >> 8), (unsigned char)content_bytes, 0, 0};
    hf_buf_put(out, head, sizeof head);
}

void record_put_answer(struct hf_buf *out, uint16_t id, const struct record_part *parts, size_t count)
{
    static const unsigned char complete[8] = {0}; /* exit status 0, FCGI_REQUEST_COMPLETE */
    size_t left = 0;
    size_t room = 0; /* of the record that is being written */
    for (size_t i = 0; i < count; i++)
        left += parts[i].len;
    for (size_t i = 0, at = 0; left > 0; i++, at = 0)
        while (at < parts[i].len) {
            if (room == 0) {
                room = left < CONTENT_MAX ? left : CONTENT_MAX;
                put_head(out, id, STDOUT, room);
            }
            size_t n = parts[i].len - at < room ? parts[i].len - at : room;
            hf_buf_put(out, (const unsigned char *)parts[i].bytes + at, n);
            at += n;
            room -= n;
            left -= n;
        }
    put_head(out, id, STDOUT, 0);
    put_head(out, id, END_REQUEST, sizeof complete);
    hf_buf_put(out, complete, sizeof complete);
}
