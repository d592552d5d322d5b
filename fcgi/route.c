/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <string.h>
#include <strings.h>

static bool ends_with(const char *path, size_t len, const char *end)
{
    size_t end_bytes = strlen(end);
    return len >= end_bytes && memcmp(path + len - end_bytes, end, end_bytes) == 0;
}

enum route route_of(const char *uri, const char **query, size_t *query_bytes)
{
    size_t len = strcspn(uri, "?");
    *query = uri + len + (uri[len] == '?');
    *query_bytes = strlen(*query);
    if (ends_with(uri, len, "/collect"))
        return ROUTE_COLLECT;
    if (ends_with(uri, len, "/collect/collectd"))
        return ROUTE_COLLECTD;
    if (ends_with(uri, len, "/collect/boomerang"))
        return ROUTE_BOOMERANG;
    return ROUTE_NONE;
}

/* Whether a Content-Type, whatever its parameters, is this one or text/plain. */
static bool type_is(const char *content_type, const char *type)
{
    const char *const types[] = {type, "text/plain"};
    content_type += strspn(content_type, " \t");
    size_t len = strcspn(content_type, "; \t");
    const char *rest = content_type + len;
    rest += strspn(rest, " \t");
    if (*rest != '\0' && *rest != ';')
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == len && strncasecmp(types[i], content_type, len) == 0)
            return true;
    return false;
}

bool route_type_is_json(const char *content_type) { return type_is(content_type, "application/json"); }

bool route_type_is_form(const char *content_type) { return type_is(content_type, "application/x-www-form-urlencoded"); }

bool route_encoding_is_none(const char *content_encoding)
{
    return content_encoding[0] == '\0' || strcasecmp(content_encoding, "identity") == 0;
}
