/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times as text and as slots. Nothing here reads a clock: the programs do, and
 * pass the time in. All times are UTC, as signed milliseconds since the Unix
 * epoch (`_ms`). A slot is an hour or a minute since the epoch; slot n is the
 * half-open interval [n * width, (n + 1) * width).
 */
#ifndef HF_BASE_UTC_H
#define HF_BASE_UTC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HF_MINUTE_MS INT64_C(60000)
#define HF_HOUR_MS INT64_C(3600000)
#define HF_DAY_MS INT64_C(86400000)
#define HF_UTC_TEXT 32 /* bytes that hold any time as text, NUL included */

/* The times that can be written with four digits of year: 0000-01-01 … 9999-12-31. */
#define HF_UTC_MIN_MS (-INT64_C(62167219200000))
#define HF_UTC_MAX_MS (INT64_C(253402300800000) - 1)

/* The slots of a time from 1970 on; a time before it has none, and is never stored. */
static inline uint32_t hf_hour_of(int64_t time_ms) { return (uint32_t)(time_ms / HF_HOUR_MS); }
static inline uint32_t hf_minute_of(int64_t time_ms) { return (uint32_t)(time_ms / HF_MINUTE_MS); }

/* Days since 1970-01-01 of a day of the proleptic Gregorian calendar (months and days from 1), and back. */
int64_t hf_days_from_civil(int64_t year, int month, int day);
void hf_civil_from_days(int64_t days, int64_t *year, int *month, int *day);

/* Read `YYYY-MM-DD` (exactly so, a day of the proleptic Gregorian calendar) into its first millisecond. */
HF_MUST_CHECK enum hf_err hf_parse_date(const char *text, size_t len, int64_t *start_ms);

/* Read an RFC 3339 date-time, such as 2026-11-23T18:30:00.25+01:00. `T`, `t` or a space; `Z`, `z` or an
 * offset is required; a fraction is cut to milliseconds; second 60 counts as the second after 59. */
HF_MUST_CHECK enum hf_err hf_parse_rfc3339(const char *text, size_t len, int64_t *time_ms);

/* Write as 2026-11-23T19:00:02Z, with .mmm where the milliseconds are not zero. Return `text`. A time
 * outside HF_UTC_MIN_MS … HF_UTC_MAX_MS is clamped to it. */
const char *hf_format_utc(int64_t time_ms, char text[HF_UTC_TEXT]);

/* Write the local time where it is ahead of UTC by whole minutes: as 2026-11-24T00:30:02+05:30. Return `text`. */
const char *hf_format_local(int64_t time_ms, int64_t offset_ms, char text[HF_UTC_TEXT]);

/* Write as 2026-11-23. Return `text`. */
const char *hf_format_date(int64_t time_ms, char text[HF_UTC_TEXT]);

#endif
