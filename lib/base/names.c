/* SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define UNLINKED (UINT32_MAX - 1) /* as `next`: not in the table */
#define FEW 12 /* names of a scope that are compared one by one, which is faster than hashing */

_Static_assert(HF_NAMES_HASH_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key of SipHash");

void hf_names_free(struct hf_names *names)
{
    free(names->list);
    free(names->buckets);
    *names = (struct hf_names){0};
}

static uint32_t hash_of(const struct hf_names *names, const char *text, size_t len)
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint32_t low;
    crypto_shorthash(hash, (const unsigned char *)text, len, names->hash_key);
    memcpy(&low, hash, sizeof low);
    return low;
}

/* Put a name at the head of its bucket. Numbers fall along every chain, which makes finding within a scope and
 * cutting from the end cheap. */
static void link_name(struct hf_names *names, uint32_t index)
{
    struct hf_name *name = &names->list[index];
    uint32_t *head = &names->buckets[name->hash & (names->bucket_count - 1)];
    name->next = *head;
    *head = index;
}

/* A scope has outgrown FEW: put its names into the table, the oldest first. Names above them are there already or
 * have been cut. */
static void link_scope(struct hf_names *names, uint32_t from)
{
    for (uint32_t i = from; i < names->count; i++)
        if (names->list[i].next == UNLINKED) {
            names->list[i].hash = hash_of(names, names->list[i].text, names->list[i].len);
            link_name(names, i);
        }
}

/* Twice the room: at least as many buckets as names, so that chains stay short. */
static enum hf_err grow(struct hf_names *names)
{
    if (names->capacity == 0) {
        if (sodium_init() < 0) /* cannot happen on a POSIX system with random numbers */
            return HF_NOMEM;
        crypto_shorthash_keygen(names->hash_key);
    }
    uint32_t capacity = names->capacity == 0 ? 64 : names->capacity * 2;
    if (capacity > NONE / 4)
        return HF_NOMEM;
    struct hf_name *list = realloc(names->list, capacity * sizeof *list);
    if (list == NULL)
        return HF_NOMEM;
    names->list = list;
    uint32_t *buckets = realloc(names->buckets, capacity * sizeof *buckets);
    if (buckets == NULL)
        return HF_NOMEM;
    names->buckets = buckets;
    names->bucket_count = names->capacity = capacity;
    memset(buckets, 0xFF, capacity * sizeof *buckets);
    for (uint32_t i = 0; i < names->count; i++)
        if (names->list[i].next != UNLINKED)
            link_name(names, i);
    return HF_OK;
}

static bool is_same(const struct hf_name *name, const char *text, size_t len)
{
    return name->len == len && memcmp(name->text, text, len) == 0;
}

/* The number of the name, or NONE. `*hash` is set when the scope is in the table. */
static uint32_t find(struct hf_names *names, uint32_t from, const char *text, size_t len, uint32_t *hash)
{
    if (names->count - from < FEW) {
        for (uint32_t i = from; i < names->count; i++)
            if (is_same(&names->list[i], text, len))
                return i;
        return NONE;
    }
    if (names->count - from == FEW)
        link_scope(names, from);
    *hash = hash_of(names, text, len);
    uint32_t i = names->buckets[*hash & (names->bucket_count - 1)];
    for (; i != NONE && i >= from; i = names->list[i].next)
        if (names->list[i].hash == *hash && is_same(&names->list[i], text, len))
            return i;
    return NONE;
}

enum hf_err hf_names_add(struct hf_names *names, uint32_t from, const char *text, size_t len, uint32_t *index,
                         bool *added)
{
    if (len > UINT32_MAX)
        return HF_NOMEM;
    if (names->count == names->capacity && grow(names) != HF_OK)
        return HF_NOMEM;
    uint32_t hash = 0;
    *index = find(names, from, text, len, &hash);
    *added = *index == NONE;
    if (!*added)
        return HF_OK;
    names->list[names->count] = (struct hf_name){text, (uint32_t)len, hash, UNLINKED};
    if (names->count - from >= FEW)
        link_name(names, names->count);
    *index = names->count++;
    return HF_OK;
}

void hf_names_cut(struct hf_names *names, uint32_t count)
{
    while (names->count > count) {
        const struct hf_name *name = &names->list[--names->count];
        if (name->next != UNLINKED)
            names->buckets[name->hash & (names->bucket_count - 1)] = name->next;
    }
}
