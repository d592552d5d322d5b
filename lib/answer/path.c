/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/path.h"

#include <string.h>

#include "answer/pages.h"
#include "answer/part.h"
#include "base/num.h"

#define PARTS_MAX 4

static enum hf_err read_hour(struct span raw, struct query_path *out, struct sample_fault *fault)
{
    char text[PART_BYTES];
    size_t len;
    uint64_t hour;
    if (!uri_decode(raw, false, text, sizeof text, &len) || len > 2 || hf_parse_u64(text, len, 23, &hour) != HF_OK)
        return part_fail(fault, HF_INVALID, "bad_hour", "hour", "An hour is 0 to 23, or 00 to 23, in UTC.");
    out->hour = (unsigned)hour;
    return HF_OK;
}

static enum hf_err no_such_path(struct sample_fault *fault)
{
    return part_fail(fault, HF_NOTFOUND, "not_found", "",
                     "There is nothing at this path. Known are /<key>/<stat>/<date>/<hour>, /<key>/<stat>/<date>, /-/series, "
                     "/-/spikes, /-/heatmap, /-/pattern, /-/keys, /-/health and /-/metrics, and pages for browsers at /-/.");
}

/* "/-/" and the files that it needs; "/" and "/-" lead there. */
static enum hf_err read_page(const struct span *parts, size_t count, struct query_path *out, struct sample_fault *fault)
{
    char area[PART_BYTES], name[PART_BYTES];
    size_t len;
    if (count < 1 || count > 2 || !uri_decode(parts[0], false, area, sizeof area, &len))
        return no_such_path(fault);
    if (count == 1 && (*area == '\0' || strcmp(area, "-") == 0)) {
        out->kind = PATH_TO_PAGE;
        return HF_OK;
    }
    if (count == 1 || strcmp(area, "-") != 0 || !uri_decode(parts[1], false, name, sizeof name, &len))
        return no_such_path(fault);
    out->page = pages_number(name);
    out->kind = PATH_PAGE;
    return out->page >= 0 ? HF_OK : no_such_path(fault);
}

static enum hf_err read_service(const struct span *parts, size_t count, struct query_path *out,
                                struct sample_fault *fault)
{
    static const struct {
        const char *name;
        enum path_kind kind;
    } services[] = {{"series", PATH_SERIES}, {"spikes", PATH_SPIKES}, {"heatmap", PATH_HEATMAP}, {"pattern", PATH_PATTERN},
                  {"keys", PATH_KEYS}, {"health", PATH_HEALTH}, {"metrics", PATH_METRICS}};
    char area[PART_BYTES], name[PART_BYTES];
    size_t len;
    if (count == 2 && uri_decode(parts[0], false, area, sizeof area, &len) && strcmp(area, "-") == 0 &&
        uri_decode(parts[1], false, name, sizeof name, &len))
        for (size_t i = 0; i < sizeof services / sizeof *services; i++)
            if (strcmp(name, services[i].name) == 0) {
                out->kind = services[i].kind;
                return HF_OK;
            }
    return read_page(parts, count, out, fault);
}

/* Split "/a/b" into a and b. More than PARTS_MAX is PARTS_MAX + 1. */
static size_t split(struct span path, struct span parts[PARTS_MAX])
{
    size_t count = 0;
    const char *at = path.at, *end = path.at + path.len;
    if (path.len == 0 || *at != '/')
        return 0;
    while (at < end) {
        const char *start = ++at;
        while (at < end && *at != '/')
            at++;
        if (count == PARTS_MAX)
            return PARTS_MAX + 1;
        parts[count++] = (struct span){start, (size_t)(at - start)};
    }
    return count;
}

static enum hf_err read_parts(struct span path, struct query_path *out, struct sample_fault *fault)
{
    struct span parts[PARTS_MAX];
    size_t count = split(path, parts);
    if (count != 3 && count != 4)
        return read_service(parts, count, out, fault);
    out->kind = count == 4 ? PATH_HOUR : PATH_DAY;
    enum hf_err err = part_key(parts[0], false, out, fault);
    if (err == HF_OK)
        err = part_stat(parts[1], false, out, fault);
    if (err == HF_OK)
        err = part_date(parts[2], false, out, fault);
    if (err == HF_OK && count == 4)
        err = read_hour(parts[3], out, fault);
    return err;
}

enum hf_err query_path_read(const char *uri, const char *accept, struct query_path *out, struct sample_fault *fault)
{
    struct span path = {uri, uri_path_bytes(uri)}, query = {uri + path.len, 0};
    if (*query.at == '?') {
        query.at++;
        query.len = strcspn(query.at, "#");
    }
    *out = (struct query_path){.limit = PATH_LIMIT_DEFAULT, .format = query_accepts_csv(accept) ? PATH_CSV : PATH_JSON};
    enum hf_err err = read_parts(path, out, fault);
    return err == HF_OK ? parameters_read(query, out, fault) : err;
}
