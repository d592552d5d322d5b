/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <sodium.h>

_Static_assert(HF_CHECKSUM_BYTES == crypto_shorthash_BYTES, "the checksum is a SipHash");

void hf_checksum(const char *key, const void *bytes, size_t len, unsigned char out[HF_CHECKSUM_BYTES])
{
    crypto_shorthash(out, bytes, len, (const unsigned char *)key);
}
