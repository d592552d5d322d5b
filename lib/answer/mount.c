/* SPDX-License-Identifier: Apache-2.0 */
/* Where the web server mounted the program. */
#include "answer/path.h"

#include <string.h>

#include "answer/uri.h"

#define PATH_INFO_BYTES_MAX 512

/* The bytes of the raw path at `from` that decode to `text`; SIZE_MAX when it does not begin so. */
static size_t match_decoded(const char *from, const char *end, const char *text)
{
    const char *at = from;
    for (; *text != '\0'; text++) {
        if (at >= end || uri_byte(&at, end) != (unsigned char)*text)
            return SIZE_MAX;
    }
    return (size_t)(at - from);
}

/* `prefix` (of `len` bytes) as a prefix of the path that leaves a "/" to begin the rest with. */
static size_t match_prefix(const char *uri, size_t uri_bytes, const char *prefix, size_t len)
{
    char copy[1024];
    while (len > 0 && prefix[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof copy)
        return 0;
    memcpy(copy, prefix, len);
    copy[len] = '\0';
    size_t n = match_decoded(uri, uri + uri_bytes, copy);
    return n < uri_bytes && uri[n] == '/' ? n : 0;
}

/* Where the path ends in `path_info`: a rewritten request keeps its own prefix, which SCRIPT_NAME then is not. No path of
 * ours is nearly as long as the bound, which keeps a run of slashes from costing its square. */
static size_t match_suffix(const char *uri, size_t uri_bytes, const char *path_info)
{
    if (strlen(path_info) > PATH_INFO_BYTES_MAX)
        return 0;
    for (size_t n = 0; n < uri_bytes; n++)
        if (uri[n] == '/' && match_decoded(uri + n, uri + uri_bytes, path_info) == uri_bytes - n)
            return n;
    return 0;
}

size_t query_path_mount(const char *uri, const char *mount, const char *script_name, const char *path_info)
{
    size_t bytes = uri_path_bytes(uri);
    if (mount != NULL)
        return match_prefix(uri, bytes, mount, strlen(mount));
    if (script_name == NULL)
        script_name = "";
    size_t n = match_prefix(uri, bytes, script_name, strlen(script_name));
    if (n > 0 || path_info == NULL || *path_info != '/')
        return n; /* no PATH_INFO: ProxyPass, where SCRIPT_NAME is the whole path */
    n = match_suffix(uri, bytes, path_info);
    if (n > 0)
        return n;
    /* The server has tidied up PATH_INFO, so that the path does not end in it: go by the folder of the script. */
    const char *slash = strrchr(script_name, '/');
    return slash == NULL ? 0 : match_prefix(uri, bytes, script_name, (size_t)(slash - script_name));
}
