/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "base/num.h"

#define SECTION(name, text)
#define VIEW_OPTION(name, type, fallback, min, max, text)
#define OPTION(section, name, field, type, fallback, min, max, unit, text) \
    {#section, #name, offsetof(struct hf_conf, section.field), CONF_##type, fallback, min, max, unit, text},
const struct conf_option conf_options[] = {
#include "base/options.def"
};
const size_t conf_option_count = sizeof conf_options / sizeof *conf_options;
#undef VIEW_OPTION
#undef OPTION

#define OPTION(section, name, field, type, fallback, min, max, unit, text)
#define VIEW_OPTION(name, type, fallback, min, max, text) \
    {"view", #name, offsetof(struct conf_view, name), CONF_##type, fallback, min, max, "", text},
const struct conf_option conf_view_options[] = {
#include "base/options.def"
};
const size_t conf_view_option_count = sizeof conf_view_options / sizeof *conf_view_options;
#undef SECTION
#undef VIEW_OPTION

#define VIEW_OPTION(name, type, fallback, min, max, text)
#define SECTION(name, text) {#name, text},
const struct conf_section conf_sections[] = {
#include "base/options.def"
};
const size_t conf_section_count = sizeof conf_sections / sizeof *conf_sections;

/* ---- directories ---- */

const struct conf_directory *conf_directory_of(const char *fallback, const char **rest)
{
    static const struct conf_directory directories[] = {{"localstatedir", HF_LOCALSTATEDIR}, {"pkgdatadir", HF_PKGDATADIR}};
    *rest = fallback;
    if (fallback[0] != '$' || fallback[1] != '{')
        return NULL;
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        size_t len = strlen(directories[i].name);
        if (strncmp(fallback + 2, directories[i].name, len) == 0 && fallback[2 + len] == '}') {
            *rest = fallback + 2 + len + 1;
            return &directories[i];
        }
    }
    return NULL;
}

/* ---- units ---- */

struct scale {
    const char *suffix;
    int64_t factor;
};

/* Largest first, so that the first that divides a value writes it shortest. */
static const struct scale durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct scale sizes[] = {{"G", 1073741824}, {"M", 1048576}, {"k", 1024}, {"", 1}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void write_scaled(int64_t value, const struct scale *scales, size_t count, char *out, size_t room)
{
    size_t i = 0;
    while (i + 1 < count && (value == 0 || value % scales[i].factor != 0))
        i++;
    if (value == 0)
        snprintf(out, room, "0");
    else
        snprintf(out, room, "%" PRId64 "%s", value / scales[i].factor, scales[i].suffix);
}

/* Digits and a suffix of the list; a bare number is in units of `bare`. */
static enum hf_err read_scaled(const char *value, const struct scale *scales, size_t count, int64_t bare, int64_t *out)
{
    size_t digits = strspn(value, "0123456789");
    const char *suffix = value + digits;
    uint64_t number;
    int64_t factor = *suffix == '\0' ? bare : 0;
    for (size_t i = 0; i < count && factor == 0; i++)
        if (strcmp(suffix, scales[i].suffix) == 0)
            factor = scales[i].factor;
    if (factor == 0 || hf_parse_u64(value, digits, (uint64_t)(INT64_MAX / factor), &number) != HF_OK)
        return HF_INVALID;
    *out = (int64_t)number * factor;
    return HF_OK;
}

/* ---- texts ---- */

static bool is_printable(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

static bool is_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
              s[i] == '_' || s[i] == '-'))
            return false;
    return len > 0;
}

static bool is_subject(const char *s)
{
    for (;; s++) {
        size_t len = strcspn(s, ".");
        if (!is_name(s, len))
            return false;
        s += len;
        if (*s == '\0')
            return true;
    }
}

static bool is_hash(const char *s, bool may_be_empty)
{
    size_t len = strlen(s);
    return (len == 0 && may_be_empty) || (len == 64 && strspn(s, "0123456789abcdefABCDEF") == 64);
}

/* What may stand in a header. */
static bool is_origin(const char *s)
{
    for (; *s != '\0'; s++)
        if (*s <= ' ' || *s > '~')
            return false;
    return true;
}

static enum hf_err check_text(const struct conf_option *option, const char *value)
{
    int64_t len = (int64_t)strlen(value);
    bool good = len >= option->min && len <= option->max && is_printable(value);
    if (option->type == CONF_NAME)
        good = good && is_name(value, (size_t)len);
    else if (option->type == CONF_SUBJECT)
        good = good && is_subject(value);
    else if (option->type == CONF_ORIGIN)
        good = good && is_origin(value);
    else if (option->type == CONF_HASH)
        good = is_hash(value, option->min == 0);
    return good ? HF_OK : HF_INVALID;
}

static enum hf_err read_word(const char *words, const char *value, int64_t *out)
{
    size_t len = strlen(value);
    for (int64_t place = 0; *words != '\0'; place++) {
        size_t width = strcspn(words, "|");
        if (width == len && memcmp(words, value, len) == 0) {
            *out = place;
            return HF_OK;
        }
        words += width + (words[width] == '|');
    }
    return HF_INVALID;
}

/* ---- values ---- */

enum hf_err conf_read_value(const struct conf_option *option, const char *value, int64_t *number)
{
    int64_t v = 0;
    uint64_t digits;
    switch (option->type) {
    case CONF_STRING:
    case CONF_NAME:
    case CONF_SUBJECT:
    case CONF_ORIGIN:
    case CONF_HASH:
        return check_text(option, value);
    case CONF_ENUM:
        return read_word(option->unit, value, number);
    case CONF_INTEGER:
        if (hf_parse_u64(value, strlen(value), INT64_MAX, &digits) != HF_OK)
            return HF_INVALID;
        v = (int64_t)digits;
        break;
    case CONF_SIZE:
        if (read_scaled(value, sizes, COUNT(sizes), 1, &v) != HF_OK)
            return HF_INVALID;
        break;
    case CONF_DURATION:
        if (read_scaled(value, durations, COUNT(durations), 1000, &v) != HF_OK)
            return HF_INVALID;
        break;
    }
    if (v < option->min || v > option->max)
        return HF_INVALID;
    *number = v;
    return HF_OK;
}

static void range_of_words(const char *words, char out[CONF_RANGE_TEXT])
{
    int at = 0;
    while (*words != '\0' && at < CONF_RANGE_TEXT) {
        size_t len = strcspn(words, "|");
        at += snprintf(out + at, (size_t)(CONF_RANGE_TEXT - at), "%s%.*s", at == 0 ? "" : " or ", (int)len, words);
        words += len + (words[len] == '|');
    }
}

const char *conf_range(const struct conf_option *option, char out[CONF_RANGE_TEXT])
{
    char min[32], max[32];
    switch (option->type) {
    case CONF_STRING:
        snprintf(out, CONF_RANGE_TEXT, "%" PRId64 " to %" PRId64 " bytes of text", option->min, option->max);
        break;
    case CONF_NAME:
        snprintf(out, CONF_RANGE_TEXT, "%" PRId64 " to %" PRId64 " letters, digits, _ and -", option->min, option->max);
        break;
    case CONF_SUBJECT:
        snprintf(out, CONF_RANGE_TEXT, "%" PRId64 " to %" PRId64 " letters, digits, _ and -, with single dots between", option->min,
                 option->max);
        break;
    case CONF_ORIGIN:
        snprintf(out, CONF_RANGE_TEXT, "*, nothing, or an origin of up to %" PRId64 " bytes of ASCII without spaces", option->max);
        break;
    case CONF_HASH:
        snprintf(out, CONF_RANGE_TEXT, "64 hexadecimal digits%s", option->min == 0 ? ", or nothing" : "");
        break;
    case CONF_INTEGER:
        snprintf(out, CONF_RANGE_TEXT, "%" PRId64 " to %" PRId64 " %s", option->min, option->max, option->unit);
        break;
    case CONF_SIZE:
        write_scaled(option->min, sizes, COUNT(sizes), min, sizeof min);
        write_scaled(option->max, sizes, COUNT(sizes), max, sizeof max);
        snprintf(out, CONF_RANGE_TEXT, "%s to %s, in bytes, k, M or G", min, max);
        break;
    case CONF_DURATION:
        write_scaled(option->min, durations, COUNT(durations), min, sizeof min);
        write_scaled(option->max, durations, COUNT(durations), max, sizeof max);
        snprintf(out, CONF_RANGE_TEXT, "%s to %s, in ms, s, m, h or d; a bare number is seconds", min, max);
        break;
    case CONF_ENUM:
        range_of_words(option->unit, out);
        break;
    }
    return out;
}
