/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access.h"

bool access_glob(const char *pattern, size_t pattern_bytes, const char *text, size_t text_bytes)
{
    const char *p = pattern, *p_end = pattern + pattern_bytes;
    const char *t = text, *t_end = text + text_bytes;
    const char *after_star = NULL; /* where the pattern goes on after its last star so far */
    const char *star_from = NULL;  /* the first byte that this star has not swallowed yet */

    while (t < t_end) {
        if (p < p_end && *p == '*') {
            after_star = ++p;
            star_from = t;
        } else if (p < p_end && (*p == '?' || *p == *t)) {
            p++;
            t++;
        } else if (after_star != NULL) {
            /* Only the last star has to give way: whatever an earlier one could swallow more, this one can. */
            p = after_star;
            t = ++star_from;
        } else
            return false;
    }
    while (p < p_end && *p == '*')
        p++;
    return p == p_end;
}
