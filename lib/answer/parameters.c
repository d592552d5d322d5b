/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query string: a table of the parameters, with the kinds of query that know
 * each. What no query of that kind knows is ignored.
 */
#include <string.h>

#include "answer/part.h"
#include "base/num.h"
#include "base/utc.h"
#include "base/zone.h"

struct parameter {
    const char *name;
    unsigned kinds; /* a bit for each kind that knows it */
    enum hf_err (*read)(const struct parameter *parameter, struct span raw, struct query_path *out,
                        struct sample_fault *fault);
};

static unsigned bit(enum path_kind kind) { return 1u << kind; }

static enum hf_err bad(const struct parameter *parameter, const char *permitted, struct sample_fault *fault)
{
    return part_fail(fault, HF_INVALID, "bad_parameter", parameter->name, "%s: %s.", parameter->name, permitted);
}

/* Decode a word; "" where it is malformed or too long, which no parameter permits. */
static const char *word_of(struct span raw, char text[PART_BYTES])
{
    size_t len;
    if (!uri_decode(raw, true, text, PART_BYTES, &len))
        text[0] = '\0';
    return text;
}

static enum hf_err read_by(const struct parameter *parameter, struct span raw, struct query_path *out,
                           struct sample_fault *fault)
{
    char text[PART_BYTES];
    if (strcmp(word_of(raw, text), "minute") != 0 || out->kind != PATH_HOUR)
        return bad(parameter, "permitted is minute, and only for an hour", fault);
    out->by_minute = true;
    return HF_OK;
}

static enum hf_err read_format(const struct parameter *parameter, struct span raw, struct query_path *out,
                               struct sample_fault *fault)
{
    char text[PART_BYTES];
    word_of(raw, text);
    if (strcmp(text, "json") != 0 && strcmp(text, "csv") != 0)
        return bad(parameter, "permitted are json and csv", fault);
    out->format = strcmp(text, "csv") == 0 ? PATH_CSV : PATH_JSON;
    return HF_OK;
}

/* Part of a key: what a key may hold, and nothing is fine too. */
static enum hf_err read_key_part(const struct parameter *parameter, struct span raw, struct sample_fault *fault,
                                 char out[SAMPLE_KEY_MAX + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    size_t len;
    if (!uri_decode(raw, true, out, SAMPLE_KEY_MAX + 1, &len) || strspn(out, alphabet) != len)
        return bad(parameter, "permitted are up to 200 bytes of A-Z a-z 0-9 . _ : -", fault);
    return HF_OK;
}

static enum hf_err read_prefix(const struct parameter *parameter, struct span raw, struct query_path *out,
                               struct sample_fault *fault)
{
    return read_key_part(parameter, raw, fault, out->prefix);
}

static enum hf_err read_after(const struct parameter *parameter, struct span raw, struct query_path *out,
                              struct sample_fault *fault)
{
    return read_key_part(parameter, raw, fault, out->after);
}

static enum hf_err read_limit(const struct parameter *parameter, struct span raw, struct query_path *out,
                              struct sample_fault *fault)
{
    char text[PART_BYTES];
    uint64_t limit;
    word_of(raw, text);
    if (hf_parse_u64(text, strlen(text), PATH_LIMIT_MAX, &limit) != HF_OK || limit == 0)
        return bad(parameter, "permitted is 1 to 10000", fault);
    out->limit = (unsigned)limit;
    return HF_OK;
}

static enum hf_err read_key(const struct parameter *parameter, struct span raw, struct query_path *out,
                            struct sample_fault *fault)
{
    size_t len;
    (void)parameter;
    if (out->kind != PATH_SERIES)
        return part_key(raw, true, out, fault);
    if (!uri_decode(raw, true, out->keys.text, sizeof out->keys.text, &len) || !globs_read(&out->keys))
        return part_fail(fault, HF_INVALID, "bad_key", "key",
                         "Keys are given with commas between them, up to %u; * stands for any bytes of a key and ? for one.",
                         GLOBS_MAX);
    return HF_OK;
}

static enum hf_err read_match(const struct parameter *parameter, struct span raw, struct query_path *out,
                              struct sample_fault *fault)
{
    size_t len;
    if (!uri_decode(raw, true, out->keys.text, sizeof out->keys.text, &len) || !globs_read(&out->keys))
        return bad(parameter, "permitted are keys with commas between them, up to 32, in which * stands for any bytes and ? for one", fault);
    return HF_OK;
}

static enum hf_err read_stat(const struct parameter *parameter, struct span raw, struct query_path *out,
                             struct sample_fault *fault)
{
    enum hf_err err = part_stat(raw, true, out, fault);
    if (err == HF_OK && out->stat.kind == STAT_ALL)
        return part_fail(fault, HF_INVALID, "bad_stat", parameter->name, "One statistic is asked for here, not all.");
    return err;
}

static enum hf_err read_date(const struct parameter *parameter, struct span raw, struct query_path *out,
                             struct sample_fault *fault)
{
    (void)parameter;
    return part_date(raw, true, out, fault);
}

/* Unix seconds from the year 5138 on: these are milliseconds, as JavaScript and Grafana have them. */
#define MS_FROM UINT64_C(100000000000)

static enum hf_err parse_time(const char *text, size_t len, struct query_time *out)
{
    uint64_t ms;
    out->date = hf_parse_date(text, len, &out->ms) == HF_OK;
    if (out->date)
        return HF_OK;
    if (hf_parse_u64(text, len, HF_UTC_MAX_MS, &ms) == HF_OK && ms >= MS_FROM) {
        out->ms = (int64_t)ms;
        return HF_OK;
    }
    return sample_parse_time(text, len, &out->ms);
}

/* A "+" stands for itself here: offsets have one, and nothing else in a time or a zone needs it. */
static enum hf_err read_time(const struct parameter *parameter, struct span raw, struct sample_fault *fault,
                             struct query_time *out)
{
    char text[PART_BYTES];
    size_t len;
    enum hf_err err = uri_decode(raw, false, text, sizeof text, &len) ? parse_time(text, len, out) : HF_INVALID;
    if (err != HF_OK || out->ms < 0 || out->ms >= HF_UTC_MAX_MS)
        return bad(parameter, "permitted are Unix seconds or milliseconds, a time as 2026-11-23T18:00:00Z and a day as 2026-11-23, "
                              "from 1970 on", fault);
    out->given = true;
    return HF_OK;
}

static enum hf_err read_from(const struct parameter *parameter, struct span raw, struct query_path *out,
                             struct sample_fault *fault)
{
    return read_time(parameter, raw, fault, &out->from);
}

static enum hf_err read_to(const struct parameter *parameter, struct span raw, struct query_path *out,
                           struct sample_fault *fault)
{
    return read_time(parameter, raw, fault, &out->to);
}

static enum hf_err read_step(const struct parameter *parameter, struct span raw, struct query_path *out,
                             struct sample_fault *fault)
{
    char text[PART_BYTES];
    word_of(raw, text);
    if (strcmp(text, "hour") != 0 && strcmp(text, "minute") != 0)
        return bad(parameter, "permitted are hour and minute", fault);
    out->by_minute = strcmp(text, "minute") == 0;
    return HF_OK;
}

static enum hf_err read_tz(const struct parameter *parameter, struct span raw, struct query_path *out,
                           struct sample_fault *fault)
{
    size_t len;
    if (out->kind == PATH_HOUR || !uri_decode(raw, false, out->tz, sizeof out->tz, &len) || !hf_zone_valid(out->tz))
        return bad(parameter, "permitted are an offset as +05:30 and a name as Asia/Kolkata, and not for a single hour", fault);
    return HF_OK;
}

#define HOUR (1u << PATH_HOUR)
#define DAY (1u << PATH_DAY)
#define SERIES (1u << PATH_SERIES)
#define SPIKES (1u << PATH_SPIKES)
#define HEATMAP (1u << PATH_HEATMAP)
#define PATTERN (1u << PATH_PATTERN)
#define KEYS (1u << PATH_KEYS)

enum { BY, FORMAT, PREFIX, MATCH, AFTER, LIMIT, KEY, STAT, DATE, FROM, TO, STEP, TZ, PARAMETERS };

static const struct parameter parameters[PARAMETERS] = {
    [BY] = {"by", HOUR | DAY, read_by},
    [FORMAT] = {"format", HOUR | DAY | SERIES | SPIKES | HEATMAP | PATTERN | KEYS, read_format},
    [PREFIX] = {"prefix", KEYS, read_prefix},
    [MATCH] = {"match", KEYS, read_match},
    [AFTER] = {"after", KEYS, read_after},
    [LIMIT] = {"limit", KEYS, read_limit},
    [KEY] = {"key", SERIES | SPIKES | HEATMAP | PATTERN, read_key},
    [STAT] = {"stat", SERIES | PATTERN, read_stat},
    [DATE] = {"date", SPIKES | HEATMAP, read_date},
    [FROM] = {"from", SERIES | PATTERN, read_from},
    [TO] = {"to", SERIES | PATTERN, read_to},
    [STEP] = {"step", SERIES, read_step},
    [TZ] = {"tz", HOUR | DAY | SERIES | SPIKES | HEATMAP | PATTERN, read_tz}};

static int parameter_named(struct span raw)
{
    char name[PART_BYTES];
    size_t len;
    if (uri_decode(raw, true, name, sizeof name, &len))
        for (int i = 0; i < PARAMETERS; i++)
            if (strcmp(name, parameters[i].name) == 0)
                return i;
    return -1;
}

/* What has to be there. */
static enum hf_err check_missing(const struct query_path *path, const bool seen[PARAMETERS], struct sample_fault *fault)
{
    static const int needed[] = {KEY, STAT, DATE};
    if (seen[PREFIX] && seen[MATCH])
        return bad(&parameters[MATCH], "it may not be given together with prefix", fault);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        const struct parameter *parameter = &parameters[needed[i]];
        if ((parameter->kinds & bit(path->kind)) != 0 && !seen[needed[i]])
            return part_fail(fault, HF_INVALID, "missing_parameter", parameter->name, "The parameter %s is needed here.",
                             parameter->name);
    }
    return HF_OK;
}

enum hf_err parameters_read(struct span query, struct query_path *out, struct sample_fault *fault)
{
    bool seen[PARAMETERS] = {false};
    while (query.len > 0) {
        struct span value = span_cut(&query, '&'), name = span_cut(&value, '=');
        int i = parameter_named(name);
        if (i < 0 || (parameters[i].kinds & bit(out->kind)) == 0)
            continue;
        if (seen[i])
            return bad(&parameters[i], "it may be given once", fault);
        seen[i] = true;
        enum hf_err err = parameters[i].read(&parameters[i], value, out, fault);
        if (err != HF_OK)
            return err;
    }
    return check_missing(out, seen, fault);
}
