/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the machine is, for operators: health as JSON, metrics in the Prometheus
 * text exposition format 0.0.4. From the store, the spool's directory and the
 * tally of collect alone: neither the bus nor another process is asked.
 */
#ifndef HF_ANSWER_STATUS_H
#define HF_ANSWER_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "bus/spool.h"
#include "store/store.h"
#include "tally/tally.h"

struct status_report {
    int64_t now_ms;
    int64_t behind_max_ms; /* how old as_of may be */
    enum hf_err err;       /* of reading `status`, which is valid on HF_OK only */
    struct store_status status;
    enum store_trouble trouble;
    int64_t trouble_since_ms; /* 0: not known */
    uint64_t keys_max;        /* 0: not known */
    bool has_spool;           /* one is configured, and can be looked at or is not made yet */
    struct spool_survey spool;
    uint64_t spool_max_bytes;
    bool has_tally;
    struct tally_values tally;
};

/* Look at everything, the last in the path of a sample first: so what is folded is at most what was sent. `store` may be NULL: then
 * `no_store` is the outcome. Returns `out->err`, with `why`; lost races are tried again. */
enum hf_err status_gather(const struct hf_conf *conf, struct store *store, enum hf_err no_store, int64_t now_ms,
                          struct status_report *out, struct hf_why *why);

/* ---- what is wrong ---- */

enum status_severity {
    STATUS_DEGRADED, /* something is not as it should be, but samples are taken and answers are not old */
    STATUS_FAILING   /* samples are refused or answers are old, or will be until a person acts */
};

struct status_reason {
    const char *code; /* these stay; in hourfold-query(8) */
    enum status_severity severity;
    const char *message; /* static */
};

#define STATUS_REASONS_MAX 16

/* Find all that is wrong, the gravest first; return how many. */
unsigned status_reasons(const struct status_report *report, struct status_reason out[STATUS_REASONS_MAX]);

/* ---- told ---- */

/* Append the health document; false when it is failing. */
bool status_render_health(const struct status_report *report, struct hf_buf *out);

void status_render_metrics(const struct status_report *report, struct hf_buf *out);

#endif
