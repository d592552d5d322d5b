/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/keys.h"

#include <string.h>

#include "answer/attempt.h"

/* A read is kept for milliseconds only: while it lasts the store cannot recover. */
#define KEYS_OF_ONE_READ 10000u

struct walk {
    const struct query_path *path;
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
    enum hf_err err = store_read_keys(read, walk->path->prefix, walk->after, walk_key, walk);
    if (err == HF_NOTFOUND)
        err = HF_OK;
    return err == HF_OK && !hf_buf_ok(&walk->page->text) ? HF_NOMEM : err;
}

enum hf_err keys_read(struct store *store, const struct query_path *path, const struct access_grant *grant,
                      struct keys_page *page, struct hf_why *why)
{
    struct walk walk = {.path = path, .grant = grant, .page = page};
    enum hf_err err;
    strcpy(walk.after, path->after);
    hf_buf_clear(&page->text);
    page->count = 0;
    page->more = false;
    do {
        walk.looked_at = 0;
        err = attempt_read(store, walk_once, &walk, why);
    } while (err == HF_OK && !page->more && walk.looked_at >= KEYS_OF_ONE_READ);

    page->last = NULL;
    if (page->count > 0) {
        const char *at = (const char *)page->text.data + page->text.len - 1;
        while (at > (const char *)page->text.data && at[-1] != '\0')
            at--;
        page->last = at;
    }
    return err;
}

void keys_free(struct keys_page *page) { hf_buf_free(&page->text); }
