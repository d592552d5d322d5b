/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/keys.h"

#include <string.h>

#include "answer/attempt.h"

/* A read is kept for milliseconds only: while it lasts the store cannot recover. */
#define KEYS_OF_ONE_READ 10000u

struct walk {
    const struct query_path *path;
    const char *prefix; /* of the keys that it is after now */
    const struct access_grant *grant;
    struct keys_page *page;
    char after[SAMPLE_KEY_MAX + 1]; /* the last key looked at */
    unsigned looked_at;             /* in this read */
};

static bool walk_key(void *context, const char *key, size_t key_bytes)
{
    struct walk *walk = context;
    struct keys_page *page = walk->page;
    if (key_bytes > SAMPLE_KEY_MAX)
        return true;
    if (access_key(walk->grant, key, key_bytes)) {
        page->more = page->count == walk->path->limit;
        if (page->more)
            return false;
        hf_buf_put(&page->text, key, key_bytes);
        hf_buf_u8(&page->text, 0);
        page->count++;
    }
    memcpy(walk->after, key, key_bytes);
    walk->after[key_bytes] = '\0';
    return ++walk->looked_at < KEYS_OF_ONE_READ;
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

static enum hf_err walk_prefix(struct store *store, struct walk *walk, const char *prefix, struct hf_why *why)
{
    enum hf_err err;
    walk->prefix = prefix;
    do {
        walk->looked_at = 0;
        err = attempt_read(store, walk_once, walk, why);
    } while (err == HF_OK && !walk->page->more && walk->looked_at >= KEYS_OF_ONE_READ);
    return err;
}

/* Of two prefixes the keys that begin with both begin with the longer; NULL where none can. */
static const char *longer_prefix(const char *a, const char *b)
{
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    if (strncmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes) != 0)
        return NULL;
    return a_bytes > b_bytes ? a : b;
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

enum hf_err keys_read(struct store *store, const struct query_path *path, const struct access_grant *grant,
                      struct keys_page *page, struct hf_why *why)
{
    struct walk walk = {.path = path, .grant = grant, .page = page};
    char visible[ACCESS_PREFIX_BYTES];
    enum hf_err err = HF_OK;
    strcpy(walk.after, path->after);
    hf_buf_clear(&page->text);
    page->count = 0;
    page->more = false;
    /* Only where the asker's views have keys, or else a view of few keys would cost a walk over all of them. */
    for (bool any = access_next_prefix(grant, true, visible); any && err == HF_OK && !page->more;
         any = access_next_prefix(grant, false, visible)) {
        const char *prefix = longer_prefix(path->prefix, visible);
        if (prefix != NULL)
            err = walk_prefix(store, &walk, prefix, why);
    }
    page->last = err == HF_OK ? last_key(page) : NULL;
    return err;
}

void keys_free(struct keys_page *page) { hf_buf_free(&page->text); }
