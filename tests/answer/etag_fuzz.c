/* SPDX-License-Identifier: Apache-2.0 */
/* An If-None-Match header: it names a tag only where it holds it, and then also with the same before it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "answer/etag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char etag[] = "W/\"0123456789abcdef0123456789abcdef\"";
    static const char another[] = "\"other\", W/\"0123456789abcdef\" ,";
    char *header = malloc(sizeof another + size);
    must(header != NULL);
    memcpy(header, another, sizeof another - 1);
    if (size > 0)
        memcpy(header + sizeof another - 1, data, size);
    header[sizeof another - 1 + size] = '\0';
    const char *given = header + sizeof another - 1;
    bool named = etag_matches(given, etag);
    if (named && given[strspn(given, " \t,")] != '*') {
        must(strstr(given, etag + 2) != NULL);
        must(etag_matches(header, etag));
    }
    free(header);
    return 0;
}
