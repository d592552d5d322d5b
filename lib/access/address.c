/* SPDX-License-Identifier: Apache-2.0 */
#include "access/address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define TEXT_BYTES 46 /* that hold any address, NUL included */
#define SPACES " \t"

struct network {
    struct address address; /* bits past `bits` are zero */
    unsigned bits;
};

struct address_list {
    size_t count;
    struct network networks[];
};

static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool address_parse(const char *text, size_t len, struct address *out)
{
    char copy[TEXT_BYTES];
    struct address made = {{0}};
    if (len >= sizeof copy || memchr(text, '\0', len) != NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, made.bytes + sizeof v4_prefix) == 1)
        memcpy(made.bytes, v4_prefix, sizeof v4_prefix);
    else if (inet_pton(AF_INET6, copy, made.bytes) != 1)
        return false;
    *out = made;
    return true;
}

/* ---- lists ---- */

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && strchr(SPACES, **text) != NULL) {
        ++*text;
        --*len;
    }
    while (*len > 0 && strchr(SPACES, (*text)[*len - 1]) != NULL)
        --*len;
}

/* Keep the first `bits` bits. */
static void mask(struct address *address, unsigned bits)
{
    for (unsigned i = 0; i < sizeof address->bytes; i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
        if (kept < 8)
            address->bytes[i] &= (unsigned char)(0xff00u >> kept);
    }
}

static bool parse_network(const char *text, size_t len, struct network *out)
{
    const char *slash = memchr(text, '/', len);
    size_t address_bytes = slash != NULL ? (size_t)(slash - text) : len;
    if (!address_parse(text, address_bytes, &out->address))
        return false;
    bool v4 = memchr(text, ':', address_bytes) == NULL;
    uint64_t bits = v4 ? 32 : 128;
    if (slash != NULL && hf_parse_u64(slash + 1, len - address_bytes - 1, bits, &bits) != HF_OK)
        return false;
    out->bits = (unsigned)bits + (v4 ? 96 : 0);
    mask(&out->address, out->bits);
    return true;
}

enum hf_err address_list_new(const char *text, struct address_list **out, struct hf_why *why)
{
    size_t most = 1;
    for (const char *p = text; *p != '\0'; p++)
        most += *p == ',';
    struct address_list *list = malloc(sizeof *list + most * sizeof list->networks[0]);
    if (list == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    list->count = 0;
    for (const char *at = text; text[strspn(text, SPACES)] != '\0';) {
        size_t len = strcspn(at, ",");
        const char *item = at;
        size_t item_bytes = len;
        trim(&item, &item_bytes);
        if (!parse_network(item, item_bytes, &list->networks[list->count])) {
            free(list);
            return hf_fail(why, HF_INVALID, "\"%.*s\" is no address or network, as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32",
                           item_bytes < 60 ? (int)item_bytes : 60, item);
        }
        list->count++;
        if (at[len] == '\0')
            break;
        at += len + 1;
    }
    *out = list;
    return HF_OK;
}

void address_list_free(struct address_list **list)
{
    free(*list);
    *list = NULL;
}

bool address_list_holds(const struct address_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        struct address masked = *address;
        mask(&masked, list->networks[i].bits);
        if (memcmp(&masked, &list->networks[i].address, sizeof masked) == 0)
            return true;
    }
    return false;
}

/* ---- X-Forwarded-For ---- */

struct address address_of_client(const struct address_list *proxies, const char *remote, const char *forwarded)
{
    struct address sender = {{0}};
    struct address client;
    if (!address_parse(remote, strlen(remote), &sender) || !address_list_holds(proxies, &sender) || forwarded == NULL)
        return sender;
    /* Each proxy appends whom it got the request from. So what is right of the last one that is none of ours was written by ours. */
    for (size_t end = strlen(forwarded); end > 0;) {
        size_t begin = end;
        while (begin > 0 && forwarded[begin - 1] != ',')
            begin--;
        const char *item = forwarded + begin;
        size_t item_bytes = end - begin;
        trim(&item, &item_bytes);
        if (!address_parse(item, item_bytes, &client))
            return sender;
        if (begin == 0 || !address_list_holds(proxies, &client))
            return client;
        end = begin - 1;
        if (end == 0) /* the header begins with a comma */
            return sender;
    }
    return sender;
}
