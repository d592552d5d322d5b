/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/globs.h"

#include <string.h>

#include "access/access.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-*?";

static bool comes_before(const struct globs *globs, const struct glob *a, const struct glob *b)
{
    size_t common = a->literal < b->literal ? a->literal : b->literal;
    int order = memcmp(globs->text + a->at, globs->text + b->at, common);
    if (order != 0 || a->literal != b->literal)
        return order != 0 ? order < 0 : a->literal < b->literal;
    return glob_is_key(a) && !glob_is_key(b);
}

static void insert(struct globs *globs, struct glob glob)
{
    size_t i = globs->count++;
    for (; i > 0 && comes_before(globs, &glob, &globs->list[i - 1]); i--)
        globs->list[i] = globs->list[i - 1];
    globs->list[i] = glob;
}

bool globs_read(struct globs *globs)
{
    const char *at = globs->text;
    globs->count = 0;
    for (;;) {
        struct glob glob = {(size_t)(at - globs->text), strcspn(at, ","), strcspn(at, "*?,")};
        if (glob.bytes == 0 || strspn(at, alphabet) < glob.bytes || globs->count == GLOBS_MAX)
            return false;
        insert(globs, glob);
        at += glob.bytes;
        if (*at == '\0')
            return true;
        at++;
    }
}

bool globs_match(const struct globs *globs, const char *key, size_t key_bytes)
{
    for (size_t i = 0; i < globs->count; i++)
        if (access_glob(globs->text + globs->list[i].at, globs->list[i].bytes, key, key_bytes))
            return true;
    return false;
}
