/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access.h"

#include <string.h>

#include <sodium.h>

enum hf_err access_token_new(char token[ACCESS_TOKEN_BYTES], char hash[ACCESS_HASH_BYTES])
{
    unsigned char random[32], digest[crypto_hash_sha256_BYTES];
    if (sodium_init() < 0)
        return HF_IO;
    randombytes_buf(random, sizeof random);
    sodium_bin2base64(token, ACCESS_TOKEN_BYTES, random, sizeof random, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(random, sizeof random);
    crypto_hash_sha256(digest, (const unsigned char *)token, strlen(token));
    sodium_bin2hex(hash, ACCESS_HASH_BYTES, digest, sizeof digest);
    return HF_OK;
}
