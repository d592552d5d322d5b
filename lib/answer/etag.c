/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/etag.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "config.h"

#define DIGEST_BYTES 16

void etag_of_bytes(const void *bytes, size_t len, char etag[ETAG_BYTES])
{
    unsigned char digest[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
    crypto_generichash(digest, sizeof digest, bytes, len, NULL, 0);
    snprintf(etag, ETAG_BYTES, "W/\"%s\"", sodium_bin2hex(hex, sizeof hex, digest, sizeof digest));
}

static void put_double(double v, struct hf_buf *out)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    hf_buf_u64(out, bits);
}

static void put_slot(const struct series *series, const struct series_slot *slot, struct hf_buf *out)
{
    hf_buf_u64(out, slot->count);
    hf_buf_u8(out, slot->complete);
    for (size_t i = 0; i < series->stat_count && slot->count > 0; i++) {
        put_double(slot->estimates[i].value, out);
        put_double(slot->estimates[i].low, out);
        put_double(slot->estimates[i].high, out);
        hf_buf_u8(out, slot->estimates[i].exact);
    }
}

enum hf_err etag_of_series(const struct query_path *path, const struct series *series, struct hf_buf *scratch,
                           char etag[ETAG_BYTES])
{
    hf_buf_clear(scratch);
    /* A version that renders differently must not match what an older one sent. */
    hf_buf_printf(scratch, "%s %d %d %d %s %s %lld %u %s ", PACKAGE_VERSION, (int)path->kind, (int)path->format,
                  (int)path->by_minute, path->key, path->stat.name, (long long)path->date_ms, path->hour, path->tz);
    put_slot(series, &series->whole, scratch);
    for (size_t i = 0; i < series->slot_count; i++) {
        hf_buf_u64(scratch, (uint64_t)series->layout->list[i].start_ms);
        hf_buf_u64(scratch, (uint64_t)series->layout->list[i].offset_ms);
        put_slot(series, &series->slots[i], scratch);
    }
    if (!hf_buf_ok(scratch))
        return HF_NOMEM;
    etag_of_bytes(scratch->data, scratch->len, etag);
    return HF_OK;
}

static bool is_separator(char c) { return c == ' ' || c == '\t' || c == ','; }

bool etag_matches(const char *if_none_match, const char *etag)
{
    const char *opaque = etag + strlen("W/");
    size_t opaque_bytes = strlen(opaque);
    const char *at = if_none_match != NULL ? if_none_match : "";
    while (is_separator(*at))
        at++;
    if (*at == '*')
        return true;
    while (*at != '\0') {
        if (at[0] == 'W' && at[1] == '/')
            at += 2;
        const char *close = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (close == NULL) /* malformed: it names nothing from here on */
            return false;
        size_t len = (size_t)(close + 1 - at);
        if (len == opaque_bytes && memcmp(at, opaque, len) == 0)
            return true;
        at = close + 1;
        while (is_separator(*at))
            at++;
    }
    return false;
}
