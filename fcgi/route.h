/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request to hourfold-collect is for.
 */
#ifndef HF_FCGI_ROUTE_H
#define HF_FCGI_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

enum route { ROUTE_NONE, ROUTE_COLLECT, ROUTE_COLLECTD, ROUTE_BOOMERANG };

/* By the last segments of the path of `uri` (up to "?"), below whatever prefix a web server mounts the program at. Nothing is
 * percent-decoded; "/collect/" is nothing. `*query` and `*query_bytes` get what follows the "?", or "". */
enum route route_of(const char *uri, const char **query, size_t *query_bytes);

/* Whether a Content-Type, whatever its parameters, is one that JSON may come as: application/json, or the text/plain of
 * navigator.sendBeacon(). */
bool route_type_is_json(const char *content_type);
/* The same for a form: application/x-www-form-urlencoded, or text/plain. */
bool route_type_is_form(const char *content_type);

/* Whether a Content-Encoding, or "" for none, leaves the body as it is. */
bool route_encoding_is_none(const char *content_encoding);

#endif
