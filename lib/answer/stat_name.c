/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/stat.h"

#include <stdio.h>
#include <string.h>

#define DECIMALS_MAX 12
#define INTEGER_DIGITS_MAX 3

static const struct {
    const char *name, *canonical;
    enum stat_kind kind;
} words[] = {{"average", "average", STAT_AVERAGE}, {"mean", "average", STAT_AVERAGE}, {"avg", "average", STAT_AVERAGE},
             {"min", "min", STAT_MIN}, {"max", "max", STAT_MAX}, {"median", "median", STAT_MEDIAN},
             {"count", "count", STAT_COUNT}, {"sum", "sum", STAT_SUM}, {"stddev", "stddev", STAT_STDDEV},
             {"throughput", "throughput", STAT_THROUGHPUT}, {"all", "all", STAT_ALL}};

const struct stat_spec stat_all[STAT_ALL_COUNT] = {
    {.kind = STAT_AVERAGE, .name = "average"}, {.kind = STAT_MIN, .name = "min"}, {.kind = STAT_MAX, .name = "max"},
    {.kind = STAT_MEDIAN, .name = "median"}, {.kind = STAT_COUNT, .name = "count"}, {.kind = STAT_SUM, .name = "sum"},
    {.kind = STAT_STDDEV, .name = "stddev"}, {.kind = STAT_THROUGHPUT, .name = "throughput"},
    {.kind = STAT_PERCENTILE, .numerator = 1, .name = "p1"}, {.kind = STAT_PERCENTILE, .numerator = 5, .name = "p5"},
    {.kind = STAT_PERCENTILE, .numerator = 10, .name = "p10"}, {.kind = STAT_PERCENTILE, .numerator = 25, .name = "p25"},
    {.kind = STAT_PERCENTILE, .numerator = 75, .name = "p75"}, {.kind = STAT_PERCENTILE, .numerator = 90, .name = "p90"},
    {.kind = STAT_PERCENTILE, .numerator = 95, .name = "p95"}, {.kind = STAT_PERCENTILE, .numerator = 99, .name = "p99"},
    {.kind = STAT_PERCENTILE, .numerator = 999, .decimals = 1, .name = "p99.9"}};

/* Take up to `most` digits on to `*value`; how many there were. */
static unsigned take_digits(const char **at, const char *end, unsigned most, uint64_t *value)
{
    unsigned n = 0;
    for (; *at < end && **at >= '0' && **at <= '9' && n < most; ++*at, n++)
        *value = *value * 10 + (uint64_t)(**at - '0');
    return n;
}

static void name_percentile(struct stat_spec *spec)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < spec->decimals; i++)
        unit *= 10;
    int n = snprintf(spec->name, sizeof spec->name, "p%llu", (unsigned long long)(spec->numerator / unit));
    if (spec->decimals > 0)
        snprintf(spec->name + n, sizeof spec->name - (size_t)n, ".%0*llu", (int)spec->decimals,
                 (unsigned long long)(spec->numerator % unit));
}

/* p, up to three digits, and a point with up to twelve: at most 999 * 10^12, far below 2^64. */
static enum hf_err parse_percentile(const char *text, size_t len, struct stat_spec *out)
{
    const char *at = text + 1, *end = text + len;
    struct stat_spec spec = {.kind = STAT_PERCENTILE};
    if (take_digits(&at, end, INTEGER_DIGITS_MAX, &spec.numerator) == 0)
        return HF_INVALID;
    if (at < end && *at == '.') {
        at++;
        spec.decimals = take_digits(&at, end, DECIMALS_MAX, &spec.numerator);
        if (spec.decimals == 0)
            return HF_INVALID;
    }
    if (at != end)
        return HF_INVALID;
    for (; spec.decimals > 0 && spec.numerator % 10 == 0; spec.decimals--)
        spec.numerator /= 10;
    uint64_t hundred = 100;
    for (unsigned i = 0; i < spec.decimals; i++)
        hundred *= 10;
    if (spec.numerator > hundred)
        return HF_INVALID;
    name_percentile(&spec);
    *out = spec;
    return HF_OK;
}

enum hf_err stat_parse(const char *text, size_t len, struct stat_spec *out)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].name) == len && memcmp(words[i].name, text, len) == 0) {
            *out = (struct stat_spec){.kind = words[i].kind};
            strcpy(out->name, words[i].canonical);
            return HF_OK;
        }
    if (len > 1 && *text == 'p')
        return parse_percentile(text, len, out);
    return HF_INVALID;
}
