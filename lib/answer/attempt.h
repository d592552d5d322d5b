/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read of the store, begun anew when it lost a race against the writer.
 */
#ifndef HF_ANSWER_ATTEMPT_H
#define HF_ANSWER_ATTEMPT_H

#include "base/err.h"
#include "store/store.h"

typedef enum hf_err (*attempt_fn)(struct store_read *read, void *context);

/* Call `body` inside a read, again after HF_AGAIN, a few times; then HF_AGAIN. What `body` returns otherwise, or what
 * store_read_begin() gave. */
HF_MUST_CHECK enum hf_err attempt_read(struct store *store, attempt_fn body, void *context, struct hf_why *why);

#endif
