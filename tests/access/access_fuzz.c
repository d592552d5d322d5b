/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views and tokens: lines of the input are an Authorization header, a key, a
 * statistic, and then the keys, the statistics and the hash of one view after the
 * other. Views are refused or taken; a request sees what the definitions say.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "access/access.h"
#include "answer/stat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())
#define VIEWS 3
#define LINES (3 + 3 * VIEWS)
#define PATTERN_MAX 40 /* of those that are also tried by brute force */

/* The definition. `room` bounds what is tried. */
static bool glob(const char *p, const char *p_end, const char *t, const char *t_end, unsigned *room)
{
    if (*room == 0)
        return false;
    --*room;
    if (p == p_end)
        return t == t_end;
    if (*p == '*')
        return glob(p + 1, p_end, t, t_end, room) || (t < t_end && glob(p, p_end, t + 1, t_end, room));
    return t < t_end && (*p == '?' || *p == *t) && glob(p + 1, p_end, t + 1, t_end, room);
}

static void check_glob(const char *pattern, size_t pattern_bytes, const char *text, size_t text_bytes)
{
    unsigned room = 2000;
    bool match = access_glob(pattern, pattern_bytes, text, text_bytes);
    bool expected = glob(pattern, pattern + pattern_bytes, text, text + text_bytes, &room);
    must(match == expected || room == 0);
}

/* Every key that may be seen begins with one of the prefixes, which are in order and apart. */
static void check_prefixes(const struct access_grant *grant, const char *key, bool seen)
{
    char prefix[ACCESS_PREFIX_BYTES], before[ACCESS_PREFIX_BYTES] = "";
    bool covered = false, first = true;
    while (access_next_prefix(grant, first, prefix)) {
        must(first || (strcmp(before, prefix) < 0 && strncmp(prefix, before, strlen(before)) != 0));
        covered |= strncmp(key, prefix, strlen(prefix)) == 0;
        strcpy(before, prefix);
        first = false;
    }
    must(!seen || covered);
    must(access_any(grant) == !first);
}

static void check_request(const struct access *access, const char *authorization, const char *key, const char *stat,
                          bool public)
{
    struct stat_spec spec;
    struct access_grant grant = access_check(access, authorization);
    must(grant.presented || !grant.known);
    bool seen = access_key(&grant, key, strlen(key));
    check_prefixes(&grant, key, seen);
    if (stat_parse(stat, strlen(stat), &spec) == HF_OK)
        must(!access_stat(&grant, key, strlen(key), spec.name) || (seen && access_any_stat(&grant, spec.name)));
    must(!access_any(&grant) || grant.known || public || access_open(access));
    if (authorization == NULL)
        must(!grant.presented && !grant.known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *at = text;
    const char *lines[LINES];
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    size_t count = 0;
    while (count < LINES && at != NULL) {
        lines[count++] = at;
        if ((at = strchr(at, '\n')) != NULL)
            *at++ = '\0';
    }
    for (size_t i = count; i < LINES; i++)
        lines[i] = "";

    struct conf_view views[VIEWS];
    bool public = false;
    size_t view_count = count > 3 ? (count - 1) / 3 : 0;
    for (size_t i = 0; i < view_count; i++) {
        views[i] = (struct conf_view){
            .name = "v", .keys = lines[3 + 3 * i], .stats = lines[4 + 3 * i], .token_sha256 = lines[5 + 3 * i]};
        public |= views[i].token_sha256[0] == '\0';
        if (strlen(views[i].keys) <= PATTERN_MAX)
            check_glob(views[i].keys, strlen(views[i].keys), lines[1], strlen(lines[1]));
    }
    struct hf_conf conf = {.collect.token_sha256 = view_count > 0 ? views[0].token_sha256 : "", .views = views,
                           .view_count = view_count};
    struct access *access = NULL;
    struct hf_why why = {""};
    enum hf_err err = access_new(&conf, &access, &why);
    if (err == HF_OK) {
        check_request(access, lines[0], lines[1], lines[2], public);
        check_request(access, NULL, lines[1], lines[2], public);
        must(!access_send(access, NULL) || conf.collect.token_sha256[0] == '\0');
        (void)access_send(access, lines[0]);
    } else
        must(err == HF_INVALID && access == NULL && why.text[0] != '\0');
    access_free(&access);
    free(text);
    return 0;
}
