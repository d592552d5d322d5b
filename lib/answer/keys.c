/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/keys.h"

#include <string.h>

#include "answer/attempt.h"
#include "sample/sample.h"

/* A read is kept for milliseconds only: while it lasts the store cannot recover. */
#define KEYS_OF_ONE_READ 10000u

struct walk {
    const struct keys_query *query;
    const struct access_grant *grant;
    struct keys_page *page;
    const char *prefix;             /* of the keys that it is after now */
    bool one;                       /* only the key that the prefix is */
    char after[SAMPLE_KEY_MAX + 1]; /* the last key looked at */
    size_t looked_at;               /* in all */
    unsigned of_this_read;
};

static bool may_see(const struct walk *walk, const char *key, size_t key_bytes)
{
    const char *stat = walk->query->stat;
    return stat == NULL ? access_key(walk->grant, key, key_bytes) : access_stat(walk->grant, key, key_bytes, stat);
}

static bool walk_key(void *context, const char *key, size_t key_bytes)
{
    struct walk *walk = context;
    struct keys_page *page = walk->page;
    if (key_bytes > SAMPLE_KEY_MAX)
        return true;
    if (walk->one && key_bytes > strlen(walk->prefix)) /* a key comes before those that are longer */
        return false;
    if (globs_match(walk->query->globs, key, key_bytes) && may_see(walk, key, key_bytes)) {
        page->more = page->count == walk->query->limit;
        if (page->more)
            return false;
        hf_buf_put(&page->text, key, key_bytes);
        hf_buf_u8(&page->text, 0);
        page->count++;
    }
    memcpy(walk->after, key, key_bytes);
    walk->after[key_bytes] = '\0';
    walk->looked_at++;
    page->gave_up = walk->looked_at >= KEYS_LOOKED_AT_MAX;
    return ++walk->of_this_read < KEYS_OF_ONE_READ && !page->gave_up;
}

/* On a lost race the walk goes on behind the last key it saw. */
static enum hf_err walk_once(struct store_read *read, void *context)
{
    struct walk *walk = context;
    enum hf_err err = store_read_keys(read, walk->prefix, walk->after, walk_key, walk);
    if (err == HF_NOTFOUND)
        err = HF_OK;
    return err == HF_OK && !hf_buf_ok(&walk->page->text) ? HF_NOMEM : err;
}

static bool done(const struct walk *walk) { return walk->page->more || walk->page->gave_up; }

static enum hf_err walk_prefix(struct store *store, struct walk *walk, const char *prefix, struct hf_why *why)
{
    enum hf_err err;
    walk->prefix = prefix;
    do {
        walk->of_this_read = 0;
        err = attempt_read(store, walk_once, walk, why);
    } while (err == HF_OK && !done(walk) && walk->of_this_read >= KEYS_OF_ONE_READ);
    return err;
}

/* Of two prefixes the keys that begin with both begin with the longer; NULL where none can. */
static const char *longer_prefix(const char *a, const char *b)
{
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    if (strncmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes) != 0)
        return NULL;
    return a_bytes >= b_bytes ? a : b;
}

/* The last of the page's keys, which stand one behind the other. */
static const char *last_key(const struct keys_page *page)
{
    if (page->count == 0)
        return NULL;
    const char *begin = (const char *)page->text.data, *at = begin + page->text.len - 1;
    while (at > begin && at[-1] != '\0')
        at--;
    return at;
}

/* The keys of all patterns that begin with `visible`. What an earlier pattern has walked over is behind walk->after. */
static enum hf_err walk_visible(struct store *store, struct walk *walk, const char *visible, struct hf_why *why)
{
    const struct globs *globs = walk->query->globs;
    enum hf_err err = HF_OK;
    for (size_t i = 0; i < globs->count && err == HF_OK && !done(walk); i++) {
        const struct glob *glob = &globs->list[i];
        char literal[SAMPLE_KEY_MAX + 1];
        if (glob->literal > SAMPLE_KEY_MAX)
            continue;
        memcpy(literal, globs->text + glob->at, glob->literal);
        literal[glob->literal] = '\0';
        const char *prefix = longer_prefix(literal, visible);
        walk->one = glob_is_key(glob);
        if (prefix != NULL && (!walk->one || prefix == literal))
            err = walk_prefix(store, walk, prefix, why);
    }
    return err;
}

enum hf_err keys_read(struct store *store, const struct keys_query *query, const struct access_grant *grant,
                      struct keys_page *page, struct hf_why *why)
{
    struct walk walk = {.query = query, .grant = grant, .page = page};
    char visible[ACCESS_PREFIX_BYTES];
    enum hf_err err = HF_OK;
    strcpy(walk.after, query->after);
    hf_buf_clear(&page->text);
    page->count = 0;
    page->more = page->gave_up = false;
    /* Only where the asker's views have keys, or else a view of few keys would cost a walk over all of them. */
    for (bool any = access_next_prefix(grant, true, visible); any && err == HF_OK && !done(&walk);
         any = access_next_prefix(grant, false, visible))
        err = walk_visible(store, &walk, visible, why);
    page->last = err == HF_OK ? last_key(page) : NULL;
    return err;
}

void keys_free(struct keys_page *page) { hf_buf_free(&page->text); }
