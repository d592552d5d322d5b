/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones: how far local time is from UTC at any moment. Zones are read from
 * the system's time zone database, for the C library knows one zone for the whole
 * process at a time. Nothing is kept between two calls of hf_zone_open().
 */
#ifndef HF_BASE_ZONE_H
#define HF_BASE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HF_ZONE_BYTES 65 /* that hold any name, NUL included */
#define HF_ZONE_DIRECTORY "/usr/share/zoneinfo"

struct hf_zone; /* NULL is UTC */

/* Whether the text can be a zone: an offset as "+05:30", up to 23:59, or a name as "Asia/Kolkata", of parts that begin with a
 * letter and hold letters, digits, "_", "+" and "-" alone. */
bool hf_zone_valid(const char *text);

/* Get the zone: an offset as it says, a name from the file of that name in `directory`. HF_INVALID: not valid as above;
 * HF_NOTFOUND: there is no file of that name that describes a zone; HF_CORRUPT: what it holds is damaged, or counts leap seconds;
 * HF_IO; HF_NOMEM. The caller frees. */
HF_MUST_CHECK enum hf_err hf_zone_open(const char *directory, const char *text, struct hf_zone **out);

/* The same from the bytes of a file (TZif of version 2 or later, RFC 9636). HF_NOTFOUND: they do not begin as one;
 * HF_CORRUPT; HF_NOMEM. */
HF_MUST_CHECK enum hf_err hf_zone_decode(const void *bytes, size_t len, struct hf_zone **out);

void hf_zone_free(struct hf_zone **zone); /* NULL inside is allowed; sets it to NULL */

/* How much local time is ahead of UTC at a time, less than 48 hours either way. It stays so until `*until_ms`, which
 * is later, or INT64_MAX; `until_ms` may be NULL. */
int64_t hf_zone_offset_ms(const struct hf_zone *zone, int64_t time_ms, int64_t *until_ms);

#endif
