/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/form.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool form_decode(struct slice in, char *out, size_t *out_len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.text[i];
        if (c == '%') {
            int high = i + 1 < in.len ? hex_digit(in.text[i + 1]) : -1;
            int low = i + 2 < in.len ? hex_digit(in.text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[n++] = c == '+' && in.text[i] == '+' ? ' ' : c;
    }
    *out_len = n;
    return true;
}

struct slice form_name(struct slice encoded, char *room, size_t bytes)
{
    struct slice name = {room, 0};
    if (encoded.len > bytes || !form_decode(encoded, room, &name.len))
        name.len = 0;
    return name;
}

bool form_next(struct slice *rest, struct slice *name, struct slice *value)
{
    if (rest->len == 0)
        return false;
    const char *at = rest->text, *end = at + rest->len;
    const char *next = memchr(at, '&', rest->len);
    const char *pair_end = next == NULL ? end : next;
    const char *equals = memchr(at, '=', (size_t)(pair_end - at));
    const char *name_end = equals == NULL ? pair_end : equals;
    const char *text = equals == NULL ? pair_end : equals + 1;
    *name = (struct slice){at, (size_t)(name_end - at)};
    *value = (struct slice){text, (size_t)(pair_end - text)};
    at = next == NULL ? end : next + 1;
    *rest = (struct slice){at, (size_t)(end - at)};
    return true;
}
