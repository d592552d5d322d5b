/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule that a zone follows after the last change its file lists: a POSIX TZ
 * string, such as EST5EDT,M3.2.0,M11.1.0. For the files of zones alone.
 */
#ifndef HF_BASE_ZONE_RULE_H
#define HF_BASE_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When clocks change in a year, in the local time before the change. */
struct zone_date {
    enum { ZONE_JULIAN, ZONE_DAY, ZONE_WEEKDAY } kind;
    int month, week;  /* ZONE_WEEKDAY: 1 to 12; 1 to 5, which is the last */
    int day;          /* of the year, from 1 without 29 February or from 0 with it; or of the week, 0 is Sunday */
    int64_t time_ms;  /* of that day; may lie outside it */
};

struct zone_rule {
    int64_t standard_ms, summer_ms; /* ahead of UTC */
    bool has_summer;                /* else it is standard time always */
    struct zone_date begin, end;    /* of summer time */
};

/* Read it, with the signed hours beyond 24 that RFC 9636 adds. False where it is malformed. */
bool zone_rule_read(const char *text, size_t len, struct zone_rule *out);

/* As hf_zone_offset_ms(). */
int64_t zone_rule_offset_ms(const struct zone_rule *rule, int64_t time_ms, int64_t *until_ms);

#endif
