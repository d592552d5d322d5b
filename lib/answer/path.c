/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/utc.h"

#define PARTS_MAX 4
#define PATH_INFO_BYTES_MAX 512
#define TOKEN_BYTES 32 /* a decoded date, hour, statistic or parameter's name */

/* Bytes inside the request. */
struct span {
    const char *at;
    size_t len;
};

static enum hf_err fail(struct sample_fault *fault, enum hf_err err, const char *code, const char *parameter,
                        const char *format, ...) HF_PRINTF(5, 6);

static enum hf_err fail(struct sample_fault *fault, enum hf_err err, const char *code, const char *parameter,
                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fault->code = code;
    snprintf(fault->parameter, sizeof fault->parameter, "%s", parameter);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return err;
}

/* ---- percent-encoding ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at `*at`, decoded; moves past it. -1 for an escape that is none. */
static int decode_byte(const char **at, const char *end)
{
    const char *s = *at;
    if (*s != '%') {
        *at = s + 1;
        return (unsigned char)*s;
    }
    int high = end - s > 2 ? hex_digit(s[1]) : -1, low = end - s > 2 ? hex_digit(s[2]) : -1;
    if (high < 0 || low < 0)
        return -1;
    *at = s + 3;
    return high << 4 | low;
}

/* Decode into `out` of `room` bytes, terminated; false when it does not fit, is malformed or holds a NUL. `form`: as in a
 * query string, where "+" is a space. */
static bool decode(struct span raw, bool form, char *out, size_t room, size_t *len)
{
    const char *at = raw.at, *end = raw.at + raw.len;
    size_t n = 0;
    while (at < end) {
        bool space = form && *at == '+';
        int byte = decode_byte(&at, end);
        if (byte <= 0 || n + 1 >= room)
            return false;
        out[n++] = space ? ' ' : (char)byte;
    }
    out[n] = '\0';
    *len = n;
    return true;
}

/* ---- where the program is mounted ---- */

static size_t path_bytes(const char *uri) { return strcspn(uri, "?#"); }

/* The bytes of the raw path at `from` that decode to `text`; SIZE_MAX when it does not begin so. */
static size_t match_decoded(const char *from, const char *end, const char *text)
{
    const char *at = from;
    for (; *text != '\0'; text++) {
        if (at >= end || decode_byte(&at, end) != (unsigned char)*text)
            return SIZE_MAX;
    }
    return (size_t)(at - from);
}

/* `prefix` (of `len` bytes) as a prefix of the path that leaves a "/" to begin the rest with. */
static size_t match_prefix(const char *uri, size_t uri_bytes, const char *prefix, size_t len)
{
    char copy[1024];
    while (len > 0 && prefix[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof copy)
        return 0;
    memcpy(copy, prefix, len);
    copy[len] = '\0';
    size_t n = match_decoded(uri, uri + uri_bytes, copy);
    return n < uri_bytes && uri[n] == '/' ? n : 0;
}

/* Where the path ends in `path_info`: a rewritten request keeps its own prefix, which SCRIPT_NAME then is not. No path of
 * ours is nearly as long as the bound, which keeps a run of slashes from costing its square. */
static size_t match_suffix(const char *uri, size_t uri_bytes, const char *path_info)
{
    if (strlen(path_info) > PATH_INFO_BYTES_MAX)
        return 0;
    for (size_t n = 0; n < uri_bytes; n++)
        if (uri[n] == '/' && match_decoded(uri + n, uri + uri_bytes, path_info) == uri_bytes - n)
            return n;
    return 0;
}

size_t query_path_mount(const char *uri, const char *mount, const char *script_name, const char *path_info)
{
    size_t bytes = path_bytes(uri);
    if (mount != NULL)
        return match_prefix(uri, bytes, mount, strlen(mount));
    if (script_name == NULL)
        script_name = "";
    size_t n = match_prefix(uri, bytes, script_name, strlen(script_name));
    if (n > 0 || path_info == NULL || *path_info != '/')
        return n; /* no PATH_INFO: ProxyPass, where SCRIPT_NAME is the whole path */
    n = match_suffix(uri, bytes, path_info);
    if (n > 0)
        return n;
    /* The server has tidied up PATH_INFO, so that the path does not end in it: go by the folder of the script. */
    const char *slash = strrchr(script_name, '/');
    return slash == NULL ? 0 : match_prefix(uri, bytes, script_name, (size_t)(slash - script_name));
}

/* ---- Accept ---- */

/* How much a media range of an Accept header says of one type: specificity 0 (not at all) to 3, and quality in
 * thousandths. */
struct preference {
    unsigned specificity;
    unsigned quality;
};

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct span trim(struct span span)
{
    for (; span.len > 0 && is_blank(*span.at); span.at++)
        span.len--;
    while (span.len > 0 && is_blank(span.at[span.len - 1]))
        span.len--;
    return span;
}

/* Cut what stands before the first `separator` off `*rest`, which becomes empty after the last. */
static struct span cut(struct span *rest, char separator)
{
    const char *found = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
    struct span head = {rest->at, found != NULL ? (size_t)(found - rest->at) : rest->len};
    size_t taken = head.len + (found != NULL);
    rest->at += taken;
    rest->len -= taken;
    return head;
}

static bool span_is(struct span span, const char *text)
{
    if (span.len != strlen(text))
        return false;
    for (size_t i = 0; i < span.len; i++) {
        char c = span.at[i];
        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != text[i])
            return false;
    }
    return true;
}

/* ";q=0.8" among the parameters of a media range, in thousandths; 1000 without one, 0 where it is malformed. */
static unsigned quality_of(struct span parameters)
{
    while (parameters.len > 0) {
        struct span value = trim(cut(&parameters, ';')), name = trim(cut(&value, '='));
        double q;
        value = trim(value);
        if (!span_is(name, "q"))
            continue;
        if (hf_parse_double(value.at, value.len, &q) != HF_OK || q < 0 || q > 1)
            return 0;
        return (unsigned)(q * 1000 + .5);
    }
    return 1000;
}

static void prefer(struct preference *preference, struct span range, const char *type, const char *any_subtype,
                   unsigned quality)
{
    unsigned specificity = span_is(range, type) ? 3 : span_is(range, any_subtype) ? 2 : span_is(range, "*/*") ? 1 : 0;
    if (specificity > preference->specificity)
        *preference = (struct preference){specificity, quality};
}

bool query_accepts_csv(const char *accept)
{
    struct preference json = {0}, csv = {0};
    struct span rest = {accept, accept != NULL ? strlen(accept) : 0};
    while (rest.len > 0) {
        struct span parameters = cut(&rest, ','), range = trim(cut(&parameters, ';'));
        unsigned quality = quality_of(parameters);
        prefer(&json, range, "application/json", "application/*", quality);
        prefer(&csv, range, "text/csv", "text/*", quality);
    }
    if (csv.quality != json.quality)
        return csv.quality > json.quality;
    return csv.quality > 0 && csv.specificity == 3 && json.specificity < 3;
}

/* ---- the parts of the path ---- */

static enum hf_err read_key(struct span raw, struct query_path *out, struct sample_fault *fault)
{
    if (!decode(raw, false, out->key, sizeof out->key, &out->key_bytes) || !sample_key_valid(out->key, out->key_bytes))
        return fail(fault, HF_INVALID, "bad_key", "key",
                    "A key is 1 to %d bytes of A-Z a-z 0-9 . _ : -, begins with a letter or digit, and is not \"collect\".",
                    SAMPLE_KEY_MAX);
    return HF_OK;
}

static enum hf_err read_stat(struct span raw, struct query_path *out, struct sample_fault *fault)
{
    char text[TOKEN_BYTES];
    size_t len;
    if (!decode(raw, false, text, sizeof text, &len) || stat_parse(text, len, &out->stat) != HF_OK)
        return fail(fault, HF_INVALID, "bad_stat", "stat",
                    "A statistic is one of average, min, max, median, count, sum, stddev, throughput, p0 to p100 "
                    "(decimals allowed, as in p99.9) and all.");
    return HF_OK;
}

static enum hf_err read_date(struct span raw, struct query_path *out, struct sample_fault *fault)
{
    char text[TOKEN_BYTES];
    size_t len;
    if (!decode(raw, false, text, sizeof text, &len) || hf_parse_date(text, len, &out->date_ms) != HF_OK)
        return fail(fault, HF_INVALID, "bad_date", "date", "A date is a day of the calendar as YYYY-MM-DD, in UTC.");
    return HF_OK;
}

static enum hf_err read_hour(struct span raw, struct query_path *out, struct sample_fault *fault)
{
    char text[TOKEN_BYTES];
    size_t len;
    uint64_t hour;
    if (!decode(raw, false, text, sizeof text, &len) || len > 2 || hf_parse_u64(text, len, 23, &hour) != HF_OK)
        return fail(fault, HF_INVALID, "bad_hour", "hour", "An hour is 0 to 23, or 00 to 23, in UTC.");
    out->hour = (unsigned)hour;
    return HF_OK;
}

static enum hf_err no_such_path(struct sample_fault *fault)
{
    return fail(fault, HF_NOTFOUND, "not_found", "",
                "There is nothing at this path. Known are /<key>/<stat>/<date>/<hour>, /<key>/<stat>/<date>, /-/keys, "
                "/-/health and /-/metrics.");
}

static enum hf_err read_service(const struct span *parts, size_t count, struct query_path *out,
                                struct sample_fault *fault)
{
    static const struct {
        const char *name;
        enum path_kind kind;
    } services[] = {{"keys", PATH_KEYS}, {"health", PATH_HEALTH}, {"metrics", PATH_METRICS}};
    char area[TOKEN_BYTES], name[TOKEN_BYTES];
    size_t len;
    if (count == 2 && decode(parts[0], false, area, sizeof area, &len) && strcmp(area, "-") == 0 &&
        decode(parts[1], false, name, sizeof name, &len))
        for (size_t i = 0; i < sizeof services / sizeof *services; i++)
            if (strcmp(name, services[i].name) == 0) {
                out->kind = services[i].kind;
                return HF_OK;
            }
    return no_such_path(fault);
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
    enum hf_err err = read_key(parts[0], out, fault);
    if (err == HF_OK)
        err = read_stat(parts[1], out, fault);
    if (err == HF_OK)
        err = read_date(parts[2], out, fault);
    if (err == HF_OK && count == 4)
        err = read_hour(parts[3], out, fault);
    return err;
}

/* ---- the query string ---- */

enum { PARAMETER_BY, PARAMETER_FORMAT, PARAMETER_PREFIX, PARAMETER_AFTER, PARAMETER_LIMIT, PARAMETERS };
static const char *const parameter_names[PARAMETERS] = {"by", "format", "prefix", "after", "limit"};

/* Which parameters a kind of query knows; all others are ignored. */
static bool parameter_applies(enum path_kind kind, int parameter)
{
    switch (kind) {
    case PATH_HOUR:
    case PATH_DAY: return parameter == PARAMETER_BY || parameter == PARAMETER_FORMAT;
    case PATH_KEYS: return parameter != PARAMETER_BY;
    case PATH_HEALTH:
    case PATH_METRICS: break;
    }
    return false;
}

static int parameter_named(struct span raw)
{
    char name[TOKEN_BYTES];
    size_t len;
    if (decode(raw, true, name, sizeof name, &len))
        for (int i = 0; i < PARAMETERS; i++)
            if (strcmp(name, parameter_names[i]) == 0)
                return i;
    return -1;
}

/* Part of a key: what a key may hold, and nothing is fine too. */
static bool read_key_part(struct span raw, char out[SAMPLE_KEY_MAX + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    size_t len;
    return decode(raw, true, out, SAMPLE_KEY_MAX + 1, &len) && strspn(out, alphabet) == len;
}

static enum hf_err bad_parameter(int parameter, const char *permitted, struct sample_fault *fault)
{
    return fail(fault, HF_INVALID, "bad_parameter", parameter_names[parameter], "%s: %s.", parameter_names[parameter],
                permitted);
}

static enum hf_err read_parameter(int parameter, struct span raw, struct query_path *out, struct sample_fault *fault)
{
    char text[TOKEN_BYTES] = "";
    size_t len = 0;
    uint64_t limit;
    bool token = decode(raw, true, text, sizeof text, &len);
    switch (parameter) {
    case PARAMETER_BY:
        if (!token || strcmp(text, "minute") != 0 || out->kind != PATH_HOUR)
            return bad_parameter(parameter, "permitted is minute, and only for an hour", fault);
        out->by_minute = true;
        break;
    case PARAMETER_FORMAT:
        if (!token || (strcmp(text, "json") != 0 && strcmp(text, "csv") != 0))
            return bad_parameter(parameter, "permitted are json and csv", fault);
        out->format = strcmp(text, "csv") == 0 ? PATH_CSV : PATH_JSON;
        break;
    case PARAMETER_PREFIX:
    case PARAMETER_AFTER:
        if (!read_key_part(raw, parameter == PARAMETER_PREFIX ? out->prefix : out->after))
            return bad_parameter(parameter, "permitted are up to 200 bytes of A-Z a-z 0-9 . _ : -", fault);
        break;
    case PARAMETER_LIMIT:
        if (!token || hf_parse_u64(text, len, PATH_LIMIT_MAX, &limit) != HF_OK || limit == 0)
            return bad_parameter(parameter, "permitted is 1 to 10000", fault);
        out->limit = (unsigned)limit;
        break;
    }
    return HF_OK;
}

static enum hf_err read_parameters(struct span query, struct query_path *out, struct sample_fault *fault)
{
    bool seen[PARAMETERS] = {false};
    while (query.len > 0) {
        struct span value = cut(&query, '&'), name = cut(&value, '=');
        int parameter = parameter_named(name);
        if (parameter < 0 || !parameter_applies(out->kind, parameter))
            continue;
        if (seen[parameter])
            return bad_parameter(parameter, "it may be given once", fault);
        seen[parameter] = true;
        enum hf_err err = read_parameter(parameter, value, out, fault);
        if (err != HF_OK)
            return err;
    }
    return HF_OK;
}

enum hf_err query_path_read(const char *uri, const char *accept, struct query_path *out, struct sample_fault *fault)
{
    struct span path = {uri, path_bytes(uri)}, query = {uri + path.len, 0};
    if (*query.at == '?') {
        query.at++;
        query.len = strcspn(query.at, "#");
    }
    *out = (struct query_path){.limit = PATH_LIMIT_DEFAULT, .format = query_accepts_csv(accept) ? PATH_CSV : PATH_JSON};
    enum hf_err err = read_parts(path, out, fault);
    return err == HF_OK ? read_parameters(query, out, fault) : err;
}
