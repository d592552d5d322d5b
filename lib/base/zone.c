/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TZif file (RFC 9636) of version 2 or later: a header and a block of data with
 * 32-bit times, which are skipped; the same again with 64-bit times; and a footer
 * with the rule for all times after. All integers are big-endian.
 *
 *   header  "TZif", version, 15 bytes, six counts of 4 bytes: UT/local indicators, standard/wall
 *           indicators, leap seconds, transitions, types, bytes of names
 *   data    transitions (8 each), their types (1 each), types (offset 4, summer 1, name 1), names,
 *           leap seconds (12 each), standard/wall indicators, UT/local indicators
 *   footer  newline, POSIX TZ string, newline
 */
#include "base/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utc.h"
#include "base/zone_rule.h"

#define FILE_BYTES_MAX 65536
#define HEADER_BYTES 44u
#define TYPE_BYTES 6u
#define OFFSET_MAX_S 93599 /* RFC 9636, 3.2: less than 26 hours */

struct transition {
    int64_t at_ms;
    int64_t offset_ms; /* from then on */
};

struct hf_zone {
    int64_t first_ms;       /* offset before the first transition */
    int64_t rule_from_ms;   /* where the rule takes over; INT64_MAX without one */
    struct zone_rule rule;
    size_t count;
    struct transition list[]; /* each changes the offset */
};

void hf_zone_free(struct hf_zone **zone)
{
    free(*zone);
    *zone = NULL;
}

/* ---- the offset at a time ---- */

static int64_t listed_offset_ms(const struct hf_zone *zone, int64_t time_ms, int64_t *until_ms)
{
    size_t low = 0, high = zone->count; /* transitions before `low` are not after the time, those from `high` on are */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->list[middle].at_ms <= time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *until_ms = low < zone->count ? zone->list[low].at_ms : INT64_MAX;
    return low == 0 ? zone->first_ms : zone->list[low - 1].offset_ms;
}

int64_t hf_zone_offset_ms(const struct hf_zone *zone, int64_t time_ms, int64_t *until_ms)
{
    int64_t offset_ms = 0, until = INT64_MAX;
    if (zone != NULL && time_ms >= zone->rule_from_ms)
        offset_ms = zone_rule_offset_ms(&zone->rule, time_ms, &until);
    else if (zone != NULL) {
        offset_ms = listed_offset_ms(zone, time_ms, &until);
        int64_t from_ms = zone->rule_from_ms, beyond;
        if (until > from_ms)
            until = zone_rule_offset_ms(&zone->rule, from_ms, &beyond) == offset_ms ? beyond : from_ms;
    }
    if (until_ms != NULL)
        *until_ms = until;
    return offset_ms;
}

/* ---- decode ---- */

struct block {
    uint64_t transitions, types, names, leaps, indicators;
};

static uint64_t big_endian(const unsigned char *at, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return v;
}

/* The counts of a header, and how many bytes its data takes. */
static uint64_t read_header(const unsigned char *at, size_t time_bytes, struct block *out)
{
    *out = (struct block){.indicators = big_endian(at + 20, 4) + big_endian(at + 24, 4),
                          .leaps = big_endian(at + 28, 4),
                          .transitions = big_endian(at + 32, 4),
                          .types = big_endian(at + 36, 4),
                          .names = big_endian(at + 40, 4)};
    return out->transitions * (time_bytes + 1) + out->types * TYPE_BYTES + out->names + out->leaps * (time_bytes + 4) +
           out->indicators;
}

static bool begins_as_zone(const unsigned char *at, size_t len)
{
    return len >= HEADER_BYTES && memcmp(at, "TZif", 4) == 0 && at[4] >= '2';
}

/* The offset of a type; false where there is no such type, or it has one that cannot be. */
static bool offset_of(const unsigned char *types, uint64_t count, uint64_t type, int64_t *offset_ms)
{
    if (type >= count)
        return false;
    int32_t seconds = (int32_t)(uint32_t)big_endian(types + type * TYPE_BYTES, 4);
    *offset_ms = seconds * INT64_C(1000);
    return seconds >= -OFFSET_MAX_S && seconds <= OFFSET_MAX_S;
}

static bool read_transitions(const unsigned char *at, const struct block *block, struct hf_zone *zone)
{
    const unsigned char *types_of = at + block->transitions * 8, *types = types_of + block->transitions;
    int64_t offset_ms, last_s = INT64_MIN;
    if (!offset_of(types, block->types, 0, &zone->first_ms))
        return false;
    int64_t current_ms = zone->first_ms;
    for (uint64_t i = 0; i < block->transitions; i++) {
        int64_t at_s = (int64_t)big_endian(at + i * 8, 8);
        if (!offset_of(types, block->types, types_of[i], &offset_ms) || (i > 0 && at_s <= last_s))
            return false;
        last_s = at_s;
        if (at_s < INT64_MIN / 1000 || at_s > INT64_MAX / 1000)
            return false;
        if (offset_ms != current_ms)
            zone->list[zone->count++] = (struct transition){at_s * 1000, offset_ms};
        current_ms = offset_ms;
    }
    zone->rule_from_ms = block->transitions > 0 ? last_s * 1000 : INT64_MIN;
    return true;
}

/* Without a rule the last offset stays. */
static bool read_footer(const unsigned char *at, size_t len, struct hf_zone *zone)
{
    if (len < 2 || at[0] != '\n')
        return false;
    const unsigned char *end = memchr(at + 1, '\n', len - 1);
    if (end == NULL)
        return false;
    if (end == at + 1) {
        zone->rule_from_ms = INT64_MAX;
        return true;
    }
    return zone_rule_read((const char *)at + 1, (size_t)(end - at) - 1, &zone->rule);
}

enum hf_err hf_zone_decode(const void *bytes, size_t len, struct hf_zone **out)
{
    const unsigned char *at = bytes;
    struct block block;
    if (!begins_as_zone(at, len))
        return HF_NOTFOUND;
    uint64_t data_bytes = read_header(at, 4, &block);
    if (data_bytes > len - HEADER_BYTES)
        return HF_CORRUPT;
    at += HEADER_BYTES + data_bytes;
    len -= HEADER_BYTES + (size_t)data_bytes;
    if (!begins_as_zone(at, len))
        return HF_CORRUPT;
    data_bytes = read_header(at, 8, &block);
    if (data_bytes > len - HEADER_BYTES || block.leaps > 0)
        return HF_CORRUPT;
    at += HEADER_BYTES;
    len -= HEADER_BYTES;
    struct hf_zone *zone = calloc(1, sizeof *zone + (size_t)block.transitions * sizeof *zone->list);
    if (zone == NULL)
        return HF_NOMEM;
    if (!read_transitions(at, &block, zone) || !read_footer(at + data_bytes, len - (size_t)data_bytes, zone)) {
        hf_zone_free(&zone);
        return HF_CORRUPT;
    }
    *out = zone;
    return HF_OK;
}

/* ---- by name ---- */

/* +hh:mm or -hh:mm; false where it is none. */
static bool parse_offset(const char *text, int64_t *offset_ms)
{
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    for (size_t i = 1; i < 6; i++)
        if (i != 3 && (text[i] < '0' || text[i] > '9'))
            return false;
    int hours = (text[1] - '0') * 10 + text[2] - '0', minutes = (text[4] - '0') * 10 + text[5] - '0';
    *offset_ms = (hours * 60 + minutes) * HF_MINUTE_MS * (text[0] == '-' ? -1 : 1);
    return hours <= 23 && minutes <= 59;
}

/* With no dot permitted, and a letter at the beginning of each part, a name leads nowhere but down from the directory. */
bool hf_zone_valid(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char others[] = "0123456789_+-";
    int64_t offset_ms;
    if (parse_offset(text, &offset_ms))
        return true;
    if (*text == '\0' || strlen(text) >= HF_ZONE_BYTES)
        return false;
    for (bool begins = true; *text != '\0'; text++) {
        bool letter = strchr(letters, *text) != NULL;
        if (!letter && (begins || (*text != '/' && strchr(others, *text) == NULL)))
            return false;
        begins = *text == '/';
    }
    return text[-1] != '/';
}

static enum hf_err new_fixed(int64_t offset_ms, struct hf_zone **out)
{
    struct hf_zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL)
        return HF_NOMEM;
    zone->first_ms = offset_ms;
    zone->rule_from_ms = INT64_MAX;
    *out = zone;
    return HF_OK;
}

/* The whole of a regular file of bounded length. */
static enum hf_err read_file(int file, unsigned char *bytes, size_t *len)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return HF_IO;
    if (!S_ISREG(info.st_mode) || info.st_size > FILE_BYTES_MAX)
        return HF_NOTFOUND;
    ssize_t n;
    for (*len = 0; *len < FILE_BYTES_MAX; *len += (size_t)n) {
        n = read(file, bytes + *len, FILE_BYTES_MAX - *len);
        if (n < 0)
            return HF_IO;
        if (n == 0)
            break;
    }
    return HF_OK;
}

enum hf_err hf_zone_open(const char *directory, const char *text, struct hf_zone **out)
{
    char path[4096];
    int64_t offset_ms;
    size_t len;
    if (parse_offset(text, &offset_ms))
        return new_fixed(offset_ms, out);
    if (!hf_zone_valid(text) || (size_t)snprintf(path, sizeof path, "%s/%s", directory, text) >= sizeof path)
        return HF_INVALID;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return errno == ENOENT || errno == ENOTDIR ? HF_NOTFOUND : HF_IO;
    unsigned char *bytes = malloc(FILE_BYTES_MAX);
    enum hf_err err = bytes == NULL ? HF_NOMEM : read_file(file, bytes, &len);
    if (err == HF_OK)
        err = hf_zone_decode(bytes, len, out);
    free(bytes);
    close(file);
    return err;
}
