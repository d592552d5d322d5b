/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a list of proxies, REMOTE_ADDR and X-Forwarded-For, a line each: the client is the sender, or one that the header names and
 * that is no proxy, unless all are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "access/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The next item of the header, moved past; false when it is no address. */
static bool next_item(const char **at, struct address *out)
{
    size_t len = strcspn(*at, ",");
    const char *begin = *at + strspn(*at, " \t");
    const char *end = *at + len;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *at = **at != '\0' && (*at)[len] == ',' ? *at + len + 1 : *at + len;
    return begin < end && address_parse(begin, (size_t)(end - begin), out);
}

static bool named(const char *header, const struct address *client)
{
    while (*header != '\0') {
        struct address item;
        if (next_item(&header, &item) && same(&item, client))
            return true;
    }
    return false;
}

static bool all_held(const struct address_list *proxies, const char *header)
{
    while (*header != '\0') {
        struct address item;
        if (!next_item(&header, &item) || !address_list_holds(proxies, &item))
            return false;
    }
    return true;
}

static void check(const struct address_list *proxies, const char *remote, const char *header)
{
    struct address sender = {{0}};
    bool known = address_parse(remote, strlen(remote), &sender);
    struct address client = address_of_client(proxies, remote, header);
    if (same(&client, &sender))
        return;
    if (!known || !address_list_holds(proxies, &sender) || !named(header, &client) ||
        (address_list_holds(proxies, &client) && !all_held(proxies, header)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct address_list *proxies = NULL;
    struct hf_why why = {""};
    memcpy(text, data, size);
    text[size] = '\0';
    char *remote = strchr(text, '\n');
    char *header = remote != NULL ? strchr(remote + 1, '\n') : NULL;
    if (header != NULL) {
        *remote++ = '\0';
        *header++ = '\0';
        enum hf_err err = address_list_new(text, &proxies, &why);
        if (err == HF_OK)
            check(proxies, remote, header);
        else if (err != HF_INVALID || proxies != NULL || why.text[0] == '\0')
            abort();
    }
    address_list_free(&proxies);
    free(text);
    return 0;
}
