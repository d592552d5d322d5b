/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/uri.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int uri_byte(const char **at, const char *end)
{
    const char *s = *at;
    if (*s != '%') {
        *at = s + 1;
        return (unsigned char)*s;
    }
    int high = end - s > 2 ? hex_digit(s[1]) : -1, low = end - s > 2 ? hex_digit(s[2]) : -1;
    if (high < 0 || low < 0)
        return -1;
    *at = s + 3;
    return high << 4 | low;
}

bool uri_decode(struct span raw, bool form, char *out, size_t room, size_t *len)
{
    const char *at = raw.at, *end = raw.at + raw.len;
    size_t n = 0;
    while (at < end) {
        bool space = form && *at == '+';
        int byte = uri_byte(&at, end);
        if (byte <= 0 || n + 1 >= room)
            return false;
        out[n++] = space ? ' ' : (char)byte;
    }
    out[n] = '\0';
    *len = n;
    return true;
}

size_t uri_path_bytes(const char *uri) { return strcspn(uri, "?#"); }

struct span span_cut(struct span *rest, char separator)
{
    const char *found = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
    struct span head = {rest->at, found != NULL ? (size_t)(found - rest->at) : rest->len};
    size_t taken = head.len + (found != NULL);
    rest->at += taken;
    rest->len -= taken;
    return head;
}
