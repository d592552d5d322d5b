/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes: refused, or the one encoding of the window they decode to.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fold/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct window window;
    struct hf_buf again = {0};
    if (window_decode(data, size, &window) != HF_OK)
        return 0;
    window_encode(&window, &again);
    if (!hf_buf_ok(&again) || again.len != size || memcmp(again.data, data, size) != 0)
        abort();
    hf_buf_free(&again);
    return 0;
}
