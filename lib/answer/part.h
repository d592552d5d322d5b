/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single parts of a request, whether they stand in its path or in its query
 * string. For the files that read it alone. Each reader decodes `raw` (`form`: as
 * in a query string) and gives HF_INVALID with a fault that names the part.
 */
#ifndef HF_ANSWER_PART_H
#define HF_ANSWER_PART_H

#include <stdbool.h>

#include "answer/path.h"
#include "answer/uri.h"

#define PART_BYTES 40 /* that hold any decoded part other than keys and zones, NUL included */

/* Fill in the fault; returns `err`. */
enum hf_err part_fail(struct sample_fault *fault, enum hf_err err, const char *code, const char *parameter,
                      const char *format, ...) HF_PRINTF(5, 6);

HF_MUST_CHECK enum hf_err part_key(struct span raw, bool form, struct query_path *out, struct sample_fault *fault);
HF_MUST_CHECK enum hf_err part_stat(struct span raw, bool form, struct query_path *out, struct sample_fault *fault);
HF_MUST_CHECK enum hf_err part_date(struct span raw, bool form, struct query_path *out, struct sample_fault *fault);

/* Read the query string into `out`, whose kind is known. HF_INVALID. */
HF_MUST_CHECK enum hf_err parameters_read(struct span query, struct query_path *out, struct sample_fault *fault);

#endif
