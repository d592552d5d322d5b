/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uthash as the fold uses it: hashed with SipHash under a secret key, since keys
 * and ids are chosen by clients; and out of memory is an outcome, not the end.
 */
#ifndef HF_FOLD_TABLE_H
#define HF_FOLD_TABLE_H

#include <stdint.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <sodium.h>
#include <uthash.h>

struct table_secret {
    unsigned char key[crypto_shorthash_KEYBYTES];
};

static inline unsigned table_hash(const struct table_secret *secret, const void *bytes, size_t len)
{
    unsigned char out[crypto_shorthash_BYTES];
    unsigned hash;
    crypto_shorthash(out, bytes, len, secret->key);
    memcpy(&hash, out, sizeof hash);
    return hash;
}

/* After HASH_ADD…: false when there was no memory, and the item is not in the table. */
#define TABLE_ADDED(item) ((item)->hh.tbl != NULL)

#endif
