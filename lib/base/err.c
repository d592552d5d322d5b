/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *hf_strerror(enum hf_err err)
{
    switch (err) {
    case HF_OK: return "success";
    case HF_NOMEM: return "out of memory";
    case HF_INVALID: return "malformed or out of range";
    case HF_NOTFOUND: return "not found";
    case HF_AGAIN: return "lost a race, try again";
    case HF_TIMEOUT: return "timed out";
    case HF_AWAY: return "not connected";
    case HF_FULL: return "full";
    case HF_BUSY: return "held by another process";
    case HF_STALE: return "recovered by another process, reopen it";
    case HF_CORRUPT: return "damaged";
    case HF_IO: return "input/output error";
    }
    return "unknown error";
}

enum hf_err hf_fail(struct hf_why *why, enum hf_err err, const char *format, ...)
{
    if (why != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(why->text, sizeof why->text, format, args);
        va_end(args);
    }
    return err;
}
