/* SPDX-License-Identifier: Apache-2.0 */
#include "fold/ids.h"

#include <stdlib.h>
#include <string.h>

void ids_init(struct ids *ids, const struct table_secret *secret)
{
    *ids = (struct ids){.secret = *secret};
}

void ids_clear(struct ids *ids)
{
    struct fresh_id *id, *next;
    HASH_ITER(hh, ids->table, id, next) {
        HASH_DELETE(hh, ids->table, id);
        free(id);
    }
    ids->bytes = 0;
}

void ids_hash(const char *key, uint8_t key_bytes, const char *id, uint8_t id_bytes, unsigned char out[STORE_ID_BYTES])
{
    unsigned char text[1 + 2 * UINT8_MAX];
    text[0] = key_bytes;
    memcpy(text + 1, key, key_bytes);
    memcpy(text + 1 + key_bytes, id, id_bytes);
    crypto_generichash(out, STORE_ID_BYTES, text, (size_t)1 + key_bytes + id_bytes, NULL, 0);
}

static struct fresh_id *find(const struct ids *ids, const unsigned char hash[STORE_ID_BYTES])
{
    struct fresh_id *id;
    HASH_FIND_BYHASHVALUE(hh, ids->table, hash, STORE_ID_BYTES, table_hash(&ids->secret, hash, STORE_ID_BYTES), id);
    return id;
}

const struct fresh_id *ids_find(const struct ids *ids, const unsigned char hash[STORE_ID_BYTES])
{
    return find(ids, hash);
}

enum hf_err ids_add(struct ids *ids, const unsigned char hash[STORE_ID_BYTES], int64_t seen_ms)
{
    struct fresh_id *id = find(ids, hash);
    if (id != NULL) {
        id->seen_ms = seen_ms;
        return HF_OK;
    }
    id = calloc(1, sizeof *id);
    if (id == NULL)
        return HF_NOMEM;
    id->seen_ms = seen_ms;
    memcpy(id->hash, hash, STORE_ID_BYTES);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, ids->table, id->hash, STORE_ID_BYTES,
                                table_hash(&ids->secret, hash, STORE_ID_BYTES), id);
    if (!TABLE_ADDED(id)) {
        free(id);
        return HF_NOMEM;
    }
    ids->bytes += sizeof *id;
    return HF_OK;
}

static int by_hash(const struct fresh_id *a, const struct fresh_id *b)
{
    return memcmp(a->hash, b->hash, STORE_ID_BYTES);
}

void ids_sort(struct ids *ids)
{
    HASH_SRT(hh, ids->table, by_hash);
}
