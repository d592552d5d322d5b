/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: a growing buffer to write into, and a bounded cursor to read from.
 *
 * Both remember their first failure. Later calls do nothing, so a run of small
 * steps is written straight down and checked once: hf_buf_ok() after writing,
 * hf_cur_ok() after reading. All integers are little-endian; a varint is
 * unsigned LEB128 (7 bits a byte, low first, at most 10 bytes, no needless
 * trailing zero byte); a signed varint is zigzag-mapped first.
 */
#ifndef HF_BASE_BUF_H
#define HF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* ---- writing ---- */

/* All zero is an empty buffer. `data` belongs to the buffer and moves when it grows. */
struct hf_buf {
    unsigned char *data;
    size_t len;      /* bytes in use */
    size_t capacity; /* bytes allocated */
    bool failed;     /* an allocation failed; contents are not to be used */
};

void hf_buf_free(struct hf_buf *buf);  /* frees the bytes and makes it empty; NULL is allowed */
void hf_buf_clear(struct hf_buf *buf); /* len 0, not failed; keeps the memory */
static inline bool hf_buf_ok(const struct hf_buf *buf) { return !buf->failed; }

/* Make room for `extra` more bytes. HF_NOMEM marks the buffer as failed. */
enum hf_err hf_buf_reserve(struct hf_buf *buf, size_t extra);

void hf_buf_put(struct hf_buf *buf, const void *bytes, size_t len);
void hf_buf_puts(struct hf_buf *buf, const char *text); /* without its NUL */
void hf_buf_printf(struct hf_buf *buf, const char *format, ...) HF_PRINTF(2, 3);
void hf_buf_u8(struct hf_buf *buf, uint8_t v);
void hf_buf_u32(struct hf_buf *buf, uint32_t v);
void hf_buf_u64(struct hf_buf *buf, uint64_t v);
void hf_buf_varint(struct hf_buf *buf, uint64_t v);
void hf_buf_svarint(struct hf_buf *buf, int64_t v);

/* The length of the valid UTF-8 sequence that `s` begins with (RFC 3629: no overlong form, no surrogate), or 0. `len`,
 * at least 1, is what may be read. */
size_t hf_utf8_sequence(const unsigned char *s, size_t len);

/* Append `text` as a JSON string, quotes included. Bytes that are not valid UTF-8 become U+FFFD. */
void hf_buf_json_string(struct hf_buf *buf, const char *text, size_t len);

/* Append a double as a JSON number in its shortest form that reads back to the same bits; NaN and
 * infinities, which JSON lacks, as null. */
void hf_buf_json_double(struct hf_buf *buf, double v);

/* ---- reading ---- */

struct hf_cur {
    const unsigned char *at;
    const unsigned char *end;
    bool failed; /* something was short, overlong or overflowing */
};

static inline struct hf_cur hf_cur_of(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    return (struct hf_cur){p, p == NULL ? p : p + len, false};
}
static inline bool hf_cur_ok(const struct hf_cur *cur) { return !cur->failed; }
static inline size_t hf_cur_left(const struct hf_cur *cur) { return cur->failed ? 0 : (size_t)(cur->end - cur->at); }

/* Each returns the value, or 0 (NULL) once the cursor has failed. */
uint8_t hf_cur_u8(struct hf_cur *cur);
uint32_t hf_cur_u32(struct hf_cur *cur);
uint64_t hf_cur_u64(struct hf_cur *cur);
uint64_t hf_cur_varint(struct hf_cur *cur);
int64_t hf_cur_svarint(struct hf_cur *cur);
/* `len` bytes inside the input; nothing is copied. */
const unsigned char *hf_cur_bytes(struct hf_cur *cur, size_t len);

#endif
