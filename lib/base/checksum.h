/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checksum of what is stored or sent: SipHash-2-4 under a fixed key.
 *
 * It is there against damage, not against forgers: 64 bits let one damage in
 * 2^64 pass, where a CRC lets one in 2^32; the library is linked anyway; and it
 * costs little on the smallest batches, which mod_fcgid makes.
 */
#ifndef HF_BASE_CHECKSUM_H
#define HF_BASE_CHECKSUM_H

#include <stddef.h>

#define HF_CHECKSUM_BYTES 8u

/* `key` is the format's own, exactly 16 bytes: what belongs to one format is no good sum in another. */
void hf_checksum(const char *key, const void *bytes, size_t len, unsigned char out[HF_CHECKSUM_BYTES]);

#endif
