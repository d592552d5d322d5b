/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of clients, and which of them to believe: behind a proxy, the client
 * is who the proxy says in X-Forwarded-For.
 */
#ifndef HF_ACCESS_ADDRESS_H
#define HF_ACCESS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct address {
    unsigned char bytes[16]; /* IPv6, and IPv4 as ::ffff:a.b.c.d */
};

/* Read a whole text as an IPv4 or IPv6 address, without port, brackets or zone. */
bool address_parse(const char *text, size_t len, struct address *out);

struct address_list;

/* Read addresses and networks in CIDR notation, parted by commas, spaces around them allowed; "" is none. HF_INVALID: `why` names the
 * one at fault; HF_NOMEM. */
HF_MUST_CHECK enum hf_err address_list_new(const char *text, struct address_list **out, struct hf_why *why);
void address_list_free(struct address_list **list); /* NULL inside is allowed */
bool address_list_holds(const struct address_list *list, const struct address *address);

/* Who sent a request that came from `remote` (REMOTE_ADDR) with `forwarded` (X-Forwarded-For; NULL or "": none). When `remote` is one of
 * `proxies`, it is the last address in `forwarded` that is none of them, or the first when all are. Where `forwarded` is malformed in
 * what has to be read for that, it is `remote`. A `remote` that is no address is ::, for all of them together. */
struct address address_of_client(const struct address_list *proxies, const char *remote, const char *forwarded);

#endif
