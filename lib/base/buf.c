/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define PRINTED_BYTES 64u /* what most formats print, and a NUL */

void hf_buf_free(struct hf_buf *buf)
{
    if (buf == NULL)
        return;
    free(buf->data);
    *buf = (struct hf_buf){0};
}

void hf_buf_clear(struct hf_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

enum hf_err hf_buf_reserve(struct hf_buf *buf, size_t extra)
{
    if (buf->failed)
        return HF_NOMEM;
    if (extra <= buf->capacity - buf->len)
        return HF_OK;

    size_t want = buf->capacity < 64 ? 64 : buf->capacity;
    while (want - buf->len < extra) {
        if (want > SIZE_MAX / 2) {
            buf->failed = true;
            return HF_NOMEM;
        }
        want *= 2;
    }
    unsigned char *data = realloc(buf->data, want);
    if (data == NULL) {
        buf->failed = true;
        return HF_NOMEM;
    }
    buf->data = data;
    buf->capacity = want;
    return HF_OK;
}

void hf_buf_put(struct hf_buf *buf, const void *bytes, size_t len)
{
    if (len == 0 || hf_buf_reserve(buf, len) != HF_OK)
        return;
    memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
}

void hf_buf_puts(struct hf_buf *buf, const char *text)
{
    hf_buf_put(buf, text, strlen(text));
}

void hf_buf_printf(struct hf_buf *buf, const char *format, ...)
{
    va_list args, again;
    if (hf_buf_reserve(buf, PRINTED_BYTES) != HF_OK)
        return;
    va_start(args, format);
    va_copy(again, args);
    size_t room = buf->capacity - buf->len;
    int len = vsnprintf((char *)buf->data + buf->len, room, format, args);
    if (len < 0)
        buf->failed = true;
    else if ((size_t)len >= room && hf_buf_reserve(buf, (size_t)len + 1) == HF_OK)
        vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, again);
    if (!buf->failed)
        buf->len += (size_t)len;
    va_end(again);
    va_end(args);
}

void hf_buf_u8(struct hf_buf *buf, uint8_t v)
{
    if (hf_buf_reserve(buf, 1) == HF_OK)
        buf->data[buf->len++] = v;
}

static void put_le(struct hf_buf *buf, uint64_t v, unsigned bytes)
{
    if (hf_buf_reserve(buf, bytes) != HF_OK)
        return;
    for (unsigned i = 0; i < bytes; i++, v >>= 8)
        buf->data[buf->len++] = (unsigned char)v;
}

void hf_buf_u32(struct hf_buf *buf, uint32_t v) { put_le(buf, v, 4); }

void hf_buf_u64(struct hf_buf *buf, uint64_t v) { put_le(buf, v, 8); }

void hf_buf_varint(struct hf_buf *buf, uint64_t v)
{
    if (hf_buf_reserve(buf, 10) != HF_OK)
        return;
    while (v >= 0x80) {
        buf->data[buf->len++] = (unsigned char)(v | 0x80);
        v >>= 7;
    }
    buf->data[buf->len++] = (unsigned char)v;
}

void hf_buf_svarint(struct hf_buf *buf, int64_t v)
{
    uint64_t sign = v < 0 ? UINT64_MAX : 0;
    hf_buf_varint(buf, ((uint64_t)v << 1) ^ sign);
}

size_t hf_utf8_sequence(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (n == 0 || len < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F) || (c == 0xF0 && s[1] < 0x90) ||
        (c == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

void hf_buf_json_string(struct hf_buf *buf, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    hf_buf_u8(buf, '"');
    while (len > 0) {
        size_t n = hf_utf8_sequence(s, len);
        if (n == 0) {
            hf_buf_puts(buf, "\xEF\xBF\xBD");
            n = 1;
        } else if (n > 1)
            hf_buf_put(buf, s, n);
        else if (*s == '"' || *s == '\\') {
            hf_buf_u8(buf, '\\');
            hf_buf_u8(buf, *s);
        } else if (*s < 0x20 || *s == 0x7F)
            hf_buf_printf(buf, "\\u%04x", *s);
        else
            hf_buf_u8(buf, *s);
        s += n;
        len -= n;
    }
    hf_buf_u8(buf, '"');
}

void hf_buf_json_double(struct hf_buf *buf, double v)
{
    char text[HF_DOUBLE_TEXT];
    hf_buf_puts(buf, isfinite(v) ? hf_format_double(v, text) : "null");
}

/* ---- reading ---- */

const unsigned char *hf_cur_bytes(struct hf_cur *cur, size_t len)
{
    if (cur->failed || (size_t)(cur->end - cur->at) < len) {
        cur->failed = true;
        return NULL;
    }
    const unsigned char *p = cur->at;
    cur->at += len;
    return p;
}

static uint64_t get_le(struct hf_cur *cur, unsigned bytes)
{
    const unsigned char *p = hf_cur_bytes(cur, bytes);
    uint64_t v = 0;
    if (p != NULL)
        for (unsigned i = bytes; i-- > 0;)
            v = v << 8 | p[i];
    return v;
}

uint8_t hf_cur_u8(struct hf_cur *cur) { return (uint8_t)get_le(cur, 1); }

uint32_t hf_cur_u32(struct hf_cur *cur) { return (uint32_t)get_le(cur, 4); }

uint64_t hf_cur_u64(struct hf_cur *cur) { return get_le(cur, 8); }

uint64_t hf_cur_varint(struct hf_cur *cur)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned char *p = hf_cur_bytes(cur, 1);
        if (p == NULL)
            return 0;
        /* The tenth byte has room for one bit; a zero last byte would be a second spelling. */
        if ((shift == 63 && *p > 1) || (shift > 0 && *p == 0))
            break;
        v |= (uint64_t)(*p & 0x7F) << shift;
        if (*p < 0x80)
            return v;
    }
    cur->failed = true;
    return 0;
}

int64_t hf_cur_svarint(struct hf_cur *cur)
{
    uint64_t z = hf_cur_varint(cur);
    return (int64_t)(z >> 1 ^ (0 - (z & 1)));
}
