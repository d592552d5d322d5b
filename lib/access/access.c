/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The views, with their lists cut up once: patterns of keys, canonical names of
 * statistics, and the hash of the token. A grant is one bit for each view.
 */
#include "access/access.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "answer/stat.h"

#define VIEWS_MAX 256
#define PATTERN_BYTES_MAX (ACCESS_PREFIX_BYTES - 1)

struct item {
    uint8_t bytes;
    char text[PATTERN_BYTES_MAX];
};

struct list {
    struct item *items;
    size_t count;
};

struct view {
    struct list keys;
    struct list stats; /* canonical names; unused where all_stats */
    bool all_stats;
    bool public;
    unsigned char hash[crypto_hash_sha256_BYTES];
};

struct access {
    struct view *views;
    size_t count;
    bool sending_needs_token;
    unsigned char send_hash[crypto_hash_sha256_BYTES];
};

/* ---- reading the configuration ---- */

static bool is_space(char c) { return c == ' ' || c == '\t'; }

/* The next trimmed item of a comma separated list; false at its end. */
static bool next_item(const char **at, const char **item, size_t *len)
{
    if (*at == NULL)
        return false;
    const char *start = *at, *comma = strchr(start, ','), *end = comma != NULL ? comma : start + strlen(start);
    *at = comma != NULL ? comma + 1 : NULL;
    while (start < end && is_space(*start))
        start++;
    while (end > start && is_space(end[-1]))
        end--;
    *item = start;
    *len = (size_t)(end - start);
    return true;
}

static enum hf_err list_add(struct list *list, const char *text, size_t len)
{
    struct item *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return HF_NOMEM;
    list->items = items;
    items[list->count].bytes = (uint8_t)len;
    memcpy(items[list->count].text, text, len);
    list->count++;
    return HF_OK;
}

static bool pattern_valid(const char *text, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-*?";
    if (len == 0 || len > PATTERN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (memchr(alphabet, text[i], sizeof alphabet - 1) == NULL)
            return false;
    return true;
}

static enum hf_err read_keys(const struct conf_view *conf, struct view *view, struct hf_why *why)
{
    const char *at = conf->keys, *item;
    size_t len;
    while (next_item(&at, &item, &len)) {
        if (!pattern_valid(item, len))
            return hf_fail(why, HF_INVALID,
                           "[view %s] keys: \"%.*s\" is no pattern of keys; permitted are A-Z a-z 0-9 . _ : - and the "
                           "wildcards * and ?, up to %d bytes", conf->name, (int)(len < 64 ? len : 64), item, PATTERN_BYTES_MAX);
        if (list_add(&view->keys, item, len) != HF_OK)
            return HF_NOMEM;
    }
    return HF_OK;
}

static enum hf_err read_stats(const struct conf_view *conf, struct view *view, struct hf_why *why)
{
    const char *at = conf->stats, *item;
    size_t len;
    while (next_item(&at, &item, &len)) {
        struct stat_spec stat;
        if (len == 1 && *item == '*') {
            view->all_stats = true;
            continue;
        }
        if (stat_parse(item, len, &stat) != HF_OK)
            return hf_fail(why, HF_INVALID,
                           "[view %s] stats: \"%.*s\" is no statistic; permitted are average, min, max, median, count, "
                           "sum, stddev, throughput, p0 to p100, all and *", conf->name, (int)(len < 64 ? len : 64), item);
        if (stat.kind == STAT_ALL) /* who may see all at once may see each */
            view->all_stats = true;
        else if (list_add(&view->stats, stat.name, strlen(stat.name)) != HF_OK)
            return HF_NOMEM;
    }
    return HF_OK;
}

static bool read_hash(const char *hex, unsigned char hash[crypto_hash_sha256_BYTES])
{
    size_t len;
    return strlen(hex) == 2 * crypto_hash_sha256_BYTES &&
           sodium_hex2bin(hash, crypto_hash_sha256_BYTES, hex, strlen(hex), NULL, &len, NULL) == 0 &&
           len == crypto_hash_sha256_BYTES;
}

static enum hf_err read_view(const struct conf_view *conf, struct view *view, struct hf_why *why)
{
    enum hf_err err = read_keys(conf, view, why);
    if (err == HF_OK)
        err = read_stats(conf, view, why);
    if (err != HF_OK)
        return err;
    view->public = *conf->token_sha256 == '\0';
    if (!view->public && !read_hash(conf->token_sha256, view->hash))
        return hf_fail(why, HF_INVALID, "[view %s] token_sha256: 64 hexadecimal digits are needed, as `hourfold token` "
                                        "prints them", conf->name);
    return HF_OK;
}

static enum hf_err read_conf(const struct hf_conf *conf, struct access *access, struct hf_why *why)
{
    if (sodium_init() < 0)
        return hf_fail(why, HF_IO, "libsodium cannot be initialised");
    if (conf->view_count > VIEWS_MAX)
        return hf_fail(why, HF_INVALID, "%zu views are configured; permitted are %d", conf->view_count, VIEWS_MAX);
    access->sending_needs_token = *conf->collect.token_sha256 != '\0';
    if (access->sending_needs_token && !read_hash(conf->collect.token_sha256, access->send_hash))
        return hf_fail(why, HF_INVALID, "[collect] token_sha256: 64 hexadecimal digits are needed, as `hourfold token` "
                                        "prints them");
    access->views = calloc(conf->view_count + 1, sizeof *access->views);
    if (access->views == NULL)
        return HF_NOMEM;
    for (; access->count < conf->view_count; access->count++) {
        enum hf_err err = read_view(&conf->views[access->count], &access->views[access->count], why);
        if (err != HF_OK) {
            access->count++; /* what it holds so far is freed with the others */
            return err;
        }
    }
    return HF_OK;
}

enum hf_err access_new(const struct hf_conf *conf, struct access **out, struct hf_why *why)
{
    struct access *access = calloc(1, sizeof *access);
    if (access == NULL)
        return hf_fail(why, HF_NOMEM, "%s", hf_strerror(HF_NOMEM));
    enum hf_err err = read_conf(conf, access, why);
    if (err == HF_NOMEM)
        hf_fail(why, err, "%s", hf_strerror(err));
    if (err == HF_OK)
        *out = access;
    else
        access_free(&access);
    return err;
}

void access_free(struct access **access)
{
    if (*access == NULL)
        return;
    for (size_t i = 0; i < (*access)->count; i++) {
        free((*access)->views[i].keys.items);
        free((*access)->views[i].stats.items);
    }
    free((*access)->views);
    free(*access);
    *access = NULL;
}

/* ---- tokens ---- */

/* The token of "Bearer TOKEN" (RFC 6750; the scheme in any case), hashed; false without one. */
static bool hash_bearer(const char *authorization, unsigned char hash[crypto_hash_sha256_BYTES])
{
    static const char scheme[] = "bearer";
    if (authorization == NULL)
        return false;
    for (size_t i = 0; i < sizeof scheme - 1; i++)
        if ((authorization[i] | 0x20) != scheme[i])
            return false;
    const char *token = authorization + sizeof scheme - 1;
    if (!is_space(*token))
        return false;
    while (is_space(*token))
        token++;
    size_t len = strlen(token);
    while (len > 0 && is_space(token[len - 1]))
        len--;
    if (len == 0)
        return false;
    crypto_hash_sha256(hash, (const unsigned char *)token, len);
    return true;
}

struct access_grant access_check(const struct access *access, const char *authorization)
{
    struct access_grant grant = {.access = access};
    unsigned char hash[crypto_hash_sha256_BYTES] = {0};
    grant.presented = hash_bearer(authorization, hash);
    /* Every view is compared, whatever the ones before it gave. */
    for (size_t i = 0; i < access->count; i++) {
        const struct view *view = &access->views[i];
        bool same = sodium_memcmp(hash, view->hash, sizeof hash) == 0;
        bool owned = grant.presented & !view->public & same;
        grant.known |= owned;
        grant.views[i / 8] = (unsigned char)(grant.views[i / 8] | (view->public | owned) << i % 8);
    }
    return grant;
}

bool access_send(const struct access *access, const char *authorization)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    if (!access->sending_needs_token)
        return true;
    return hash_bearer(authorization, hash) && sodium_memcmp(hash, access->send_hash, sizeof hash) == 0;
}

/* ---- rights ---- */

bool access_open(const struct access *access) { return access->count == 0; }

static bool has_view(const struct access_grant *grant, size_t i) { return grant->views[i / 8] >> i % 8 & 1; }

static bool view_has_key(const struct view *view, const char *key, size_t key_bytes)
{
    for (size_t i = 0; i < view->keys.count; i++)
        if (access_glob(view->keys.items[i].text, view->keys.items[i].bytes, key, key_bytes))
            return true;
    return false;
}

static bool view_has_stat(const struct view *view, const char *stat)
{
    if (view->all_stats)
        return true;
    for (size_t i = 0; i < view->stats.count; i++)
        if (view->stats.items[i].bytes == strlen(stat) && memcmp(view->stats.items[i].text, stat, strlen(stat)) == 0)
            return true;
    return false;
}

bool access_any(const struct access_grant *grant)
{
    for (size_t i = 0; i < grant->access->count; i++)
        if (has_view(grant, i))
            return true;
    return access_open(grant->access);
}

bool access_key(const struct access_grant *grant, const char *key, size_t key_bytes)
{
    for (size_t i = 0; i < grant->access->count; i++)
        if (has_view(grant, i) && view_has_key(&grant->access->views[i], key, key_bytes))
            return true;
    return access_open(grant->access);
}

/* The pattern up to its first wildcard, terminated. */
static void copy_literal(const struct item *pattern, char out[ACCESS_PREFIX_BYTES])
{
    size_t len = 0;
    while (len < pattern->bytes && pattern->text[len] != '*' && pattern->text[len] != '?')
        len++;
    memcpy(out, pattern->text, len);
    out[len] = '\0';
}

bool access_next_prefix(const struct access_grant *grant, bool first, char prefix[ACCESS_PREFIX_BYTES])
{
    char best[ACCESS_PREFIX_BYTES] = "", literal[ACCESS_PREFIX_BYTES];
    bool found = first && access_open(grant->access);
    for (size_t i = 0; i < grant->access->count; i++) {
        const struct list *keys = &grant->access->views[i].keys;
        for (size_t k = 0; k < keys->count && has_view(grant, i); k++) {
            copy_literal(&keys->items[k], literal);
            /* Those that begin with the one before are covered by it, and sort right behind it. */
            if (!first && (strcmp(literal, prefix) <= 0 || strncmp(literal, prefix, strlen(prefix)) == 0))
                continue;
            if (!found || strcmp(literal, best) < 0)
                strcpy(best, literal);
            found = true;
        }
    }
    if (found)
        strcpy(prefix, best);
    return found;
}

bool access_stat(const struct access_grant *grant, const char *key, size_t key_bytes, const char *stat)
{
    for (size_t i = 0; i < grant->access->count; i++)
        if (has_view(grant, i) && view_has_stat(&grant->access->views[i], stat) &&
            view_has_key(&grant->access->views[i], key, key_bytes))
            return true;
    return access_open(grant->access);
}

bool access_any_stat(const struct access_grant *grant, const char *stat)
{
    for (size_t i = 0; i < grant->access->count; i++)
        if (has_view(grant, i) && view_has_stat(&grant->access->views[i], stat))
            return true;
    return access_open(grant->access);
}
