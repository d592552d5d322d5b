/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store says of itself, for operators: health as JSON, metrics in the
 * Prometheus text exposition format 0.0.4.
 */
#ifndef HF_ANSWER_STATUS_H
#define HF_ANSWER_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

/* Read the status, lost races tried again. `store` may be NULL: then `no_store` is the outcome. */
HF_MUST_CHECK enum hf_err status_read(struct store *store, enum hf_err no_store, struct store_status *out,
                                      struct hf_why *why);

/* Append the health document; true when all is well. `err` is the outcome of reading `status`, which is used on HF_OK only. The
 * consumer is behind when as_of is more than `behind_max_ms` before now. */
bool status_render_health(enum hf_err err, const struct store_status *status, int64_t now_ms, int64_t behind_max_ms,
                          struct hf_buf *out);

void status_render_metrics(enum hf_err err, const struct store_status *status, struct hf_buf *out);

#endif
