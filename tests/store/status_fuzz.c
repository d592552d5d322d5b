/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of the store's status: any bytes are refused, or decode to what reads the same when it is encoded again. Those of
 * this version are then the same bytes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())

static bool same(const struct hf_buf *buf, const void *bytes, size_t len)
{
    return buf->len == len && memcmp(buf->data, bytes, len) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_status status, second;
    struct hf_buf once = {0}, twice = {0};
    enum hf_err err = meta_decode_status(data, size, &status);
    must(err == HF_OK || err == HF_CORRUPT);
    if (err == HF_OK) {
        meta_encode_status(&status, &once);
        must(meta_decode_status(once.data, once.len, &second) == HF_OK);
        meta_encode_status(&second, &twice);
        must(same(&twice, once.data, once.len));
        must(status.view.bus == STORE_BUS_UNKNOWN || same(&once, data, size));
    }
    hf_buf_free(&once);
    hf_buf_free(&twice);
    return 0;
}
