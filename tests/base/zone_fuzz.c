/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the time zone database: whatever it holds, offsets are in bounds and time goes on. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utc.h"
#include "base/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_zone *zone = NULL;
    must(hf_zone_offset_ms(NULL, 0, NULL) == 0); /* UTC */
    if (hf_zone_decode(data, size, &zone) != HF_OK)
        return 0;
    int64_t time_ms = -10 * HF_DAY_MS, until_ms;
    for (int i = 0; i < 300 && time_ms < HF_UTC_MAX_MS; i++, time_ms = until_ms) {
        int64_t offset_ms = hf_zone_offset_ms(zone, time_ms, &until_ms);
        must(offset_ms > -2 * HF_DAY_MS && offset_ms < 2 * HF_DAY_MS);
        must(until_ms > time_ms);
        int64_t end_ms = until_ms < HF_UTC_MAX_MS ? until_ms : HF_UTC_MAX_MS;
        must(hf_zone_offset_ms(zone, time_ms + (end_ms - 1 - time_ms) / 2, NULL) == offset_ms);
    }
    hf_zone_free(&zone);
    return 0;
}
