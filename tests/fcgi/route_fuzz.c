/* SPDX-License-Identifier: Apache-2.0 */
/* REQUEST_URI and CONTENT_TYPE or CONTENT_ENCODING of a request to hourfold-collect, each on a line of the input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())

static void check_route(const char *uri)
{
    static const char *const ends[] = {
        [ROUTE_COLLECT] = "/collect", [ROUTE_COLLECTD] = "/collect/collectd", [ROUTE_BOOMERANG] = "/collect/boomerang"};
    const char *query;
    size_t query_bytes, path = strcspn(uri, "?");
    enum route route = route_of(uri, &query, &query_bytes);
    must(query == uri + path + (uri[path] == '?') && query_bytes == strlen(query));
    if (route != ROUTE_NONE) {
        size_t end = strlen(ends[route]);
        must(path >= end && memcmp(uri + path - end, ends[route], end) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    char *type = strchr(text, '\n');
    if (type != NULL)
        *type++ = '\0';
    check_route(text);
    if (type != NULL && (route_type_is_json(type) || route_type_is_form(type)))
        must(strchr(type, '/') != NULL);
    if (type != NULL && route_encoding_is_none(type))
        must(strlen(type) == 0 || strlen(type) == strlen("identity"));
    free(text);
    return 0;
}
