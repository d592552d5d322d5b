/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/attempt.h"

#include <stddef.h>

#define ATTEMPTS 5

enum hf_err attempt_read(struct store *store, attempt_fn body, void *context, struct hf_why *why)
{
    enum hf_err err = HF_AGAIN;
    for (int i = 0; i < ATTEMPTS && err == HF_AGAIN; i++) {
        struct store_read *read = NULL;
        err = store_read_begin(store, &read, why);
        if (err != HF_OK)
            continue;
        err = body(read, context);
        if (err == HF_CORRUPT && store_read_why(read, why) == HF_OK)
            hf_fail(why, err, "a record of the store; " STORE_DAMAGE_ADVICE);
        store_read_end(&read);
    }
    return err;
}
