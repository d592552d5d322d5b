/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a copy in the place of a store.
 */
#ifndef HF_STORE_RESTORE_H
#define HF_STORE_RESTORE_H

#include "base/err.h"

/* Finish what store_replace() began; nothing, as a rule. By whoever may recover, while nobody is inside. HF_IO. */
HF_MUST_CHECK enum hf_err restore_finish(const char *path, struct hf_why *why);

#endif
