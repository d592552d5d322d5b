/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a query with the CGI variables that come with it: URI, Accept, SCRIPT_NAME and PATH_INFO, each on a line
 * of the input.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/path.h"
#include "base/utc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

/* What is read reads back the same when it is written out plainly. */
static void check_series(const struct query_path *path)
{
    char uri[512];
    struct query_path again;
    struct sample_fault fault;
    must(sample_key_valid(path->key, path->key_bytes) && strlen(path->key) == path->key_bytes);
    must(path->hour < 24);
    long long day = path->date_ms / 86400000;
    must(day * 86400000 == path->date_ms);
    snprintf(uri, sizeof uri, path->kind == PATH_HOUR ? "/%s/%s/2026-11-23/%u" : "/%s/%s/2026-11-23", path->key,
             path->stat.name, path->hour);
    must(query_path_read(uri, NULL, &again, &fault) == HF_OK);
    must(again.kind == path->kind && strcmp(again.key, path->key) == 0 && again.hour == path->hour);
    must(again.stat.kind == path->stat.kind && again.stat.numerator == path->stat.numerator &&
         again.stat.decimals == path->stat.decimals && strcmp(again.stat.name, path->stat.name) == 0);
}

static void check_times(const struct query_path *path)
{
    must(path->stat.kind != STAT_ALL);
    must(path->from.ms >= 0 && path->from.ms < HF_UTC_MAX_MS && path->to.ms >= 0 && path->to.ms < HF_UTC_MAX_MS);
    must(path->tz[0] == '\0' || hf_zone_valid(path->tz));
    must(path->kind != PATH_SERIES || (path->keys.count > 0 && path->keys.count <= GLOBS_MAX));
    for (size_t i = 0; i < path->keys.count; i++) {
        const struct glob *glob = &path->keys.list[i];
        must(glob->bytes > 0 && glob->literal <= glob->bytes && glob->at + glob->bytes <= strlen(path->keys.text));
        must(globs_match(&path->keys, path->keys.text + glob->at, glob->bytes)); /* a pattern matches itself */
    }
}

static void check_keys(const struct query_path *path)
{
    must(path->limit >= 1 && path->limit <= PATH_LIMIT_MAX);
    must(strlen(path->prefix) <= SAMPLE_KEY_MAX && strlen(path->after) <= SAMPLE_KEY_MAX);
}

static void check_fault(enum hf_err err, const struct sample_fault *fault)
{
    must(err == HF_INVALID || err == HF_NOTFOUND);
    must((strcmp(fault->code, "not_found") == 0) == (err == HF_NOTFOUND));
    must((strlen(fault->parameter) > 0) == (err == HF_INVALID));
    must(strlen(fault->message) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *lines[4];
    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    char *at = text;
    for (int i = 0; i < 4; i++) {
        lines[i] = at;
        if (at != NULL && (at = strchr(at, '\n')) != NULL)
            *at++ = '\0';
    }
    const char *uri = lines[0];
    if (query_accepts_gzip(lines[1])) /* the second line may be an Accept-Encoding too */
        must(strpbrk(lines[1], "gG") != NULL);
    struct query_path path;
    struct sample_fault fault = {0};
    size_t mount = query_path_mount(uri, NULL, lines[2], lines[3]);
    must(mount <= strlen(uri) && (mount == 0 || uri[mount] == '/'));
    enum hf_err err = query_path_read(uri + mount, lines[1], &path, &fault);
    if (err != HF_OK)
        check_fault(err, &fault);
    else if (path.kind == PATH_HOUR || path.kind == PATH_DAY)
        check_series(&path);
    else if (path.kind == PATH_SERIES || path.kind == PATH_PATTERN)
        check_times(&path);
    else if (path.kind == PATH_PAGE)
        must(path.page >= 0);
    else
        check_keys(&path);
    free(text);
    return 0;
}
