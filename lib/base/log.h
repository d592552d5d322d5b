/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a program. The library never calls it: it returns errors, and the
 * programs decide how loudly to tell.
 *
 * One event is one line of key=value fields after an event name:
 *     level=warning event=stream_rewound stored=120 last=80
 * Levels, and who reads them:
 *   HF_ERROR    something is lost or refused until a person acts
 *   HF_WARNING  degraded, and mends itself
 *   HF_NOTICE   start, stop, reload: what an operator wants to find later
 *   HF_INFO     progress; off unless asked for
 */
#ifndef HF_BASE_LOG_H
#define HF_BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum hf_level { HF_ERROR, HF_WARNING, HF_NOTICE, HF_INFO };

/* Log to stderr (the default) or to syslog under `program`, up to and including `most`. Thread safe once
 * set. `program` is kept, not copied. */
void hf_log_open(const char *program, bool to_syslog, enum hf_level most);

/* Log one event. `event` is a word; `format` makes its fields, or is "" for none. What came from outside goes
 * in through hf_log_quote(). Thread safe. */
void hf_log(enum hf_level level, const char *event, const char *format, ...) HF_PRINTF(3, 4);

/* Write `len` bytes of outside text as a quoted field with everything but printable ASCII escaped, cut to
 * `room` bytes, NUL included. Return `out`. */
const char *hf_log_quote(const char *text, unsigned long len, char *out, unsigned long room);

/* For what a remote party can provoke: at most one line an interval. Keep one (zeroed) beside each such
 * call. True when it is time to log; `*suppressed` then says how many were held back since the last. */
struct hf_log_limit {
    long long next_ms;
    unsigned long held;
};
bool hf_log_allowed(struct hf_log_limit *limit, long long now_ms, long long interval_ms, unsigned long *suppressed);

#endif
