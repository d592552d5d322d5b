/* SPDX-License-Identifier: Apache-2.0 */
/* The record of the store's status: any bytes are refused, or are the one encoding of what they decode to. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_status status;
    struct hf_buf again = {0};
    enum hf_err err = meta_decode_status(data, size, &status);
    if (err == HF_OK) {
        meta_encode_status(&status, &again);
        if (!hf_buf_ok(&again) || again.len != size || memcmp(again.data, data, size) != 0)
            abort();
    } else if (err != HF_CORRUPT)
        abort();
    hf_buf_free(&again);
    return 0;
}
