/* SPDX-License-Identifier: Apache-2.0 */
/* What the headers Accept and Accept-Encoding prefer (RFC 9110, 12.5.1 and 12.5.3). */
#include "answer/path.h"

#include <string.h>

#include "answer/uri.h"
#include "base/num.h"

/* How much a media range of an Accept header says of one type: specificity 0 (not at all) to 3, and quality in
 * thousandths. */
struct preference {
    unsigned specificity;
    unsigned quality;
};

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct span trim(struct span span)
{
    for (; span.len > 0 && is_blank(*span.at); span.at++)
        span.len--;
    while (span.len > 0 && is_blank(span.at[span.len - 1]))
        span.len--;
    return span;
}

static bool span_is(struct span span, const char *text)
{
    if (span.len != strlen(text))
        return false;
    for (size_t i = 0; i < span.len; i++) {
        char c = span.at[i];
        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != text[i])
            return false;
    }
    return true;
}

/* ";q=0.8" among the parameters of a media range, in thousandths; 1000 without one, 0 where it is malformed. */
static unsigned quality_of(struct span parameters)
{
    while (parameters.len > 0) {
        struct span value = trim(span_cut(&parameters, ';')), name = trim(span_cut(&value, '='));
        double q;
        value = trim(value);
        if (!span_is(name, "q"))
            continue;
        if (hf_parse_double(value.at, value.len, &q) != HF_OK || q < 0 || q > 1)
            return 0;
        return (unsigned)(q * 1000 + .5);
    }
    return 1000;
}

static void prefer(struct preference *preference, struct span range, const char *type, const char *any_subtype,
                   unsigned quality)
{
    unsigned specificity = span_is(range, type) ? 3 : span_is(range, any_subtype) ? 2 : span_is(range, "*/*") ? 1 : 0;
    if (specificity > preference->specificity)
        *preference = (struct preference){specificity, quality};
}

bool query_accepts_gzip(const char *accept_encoding)
{
    struct span rest = {accept_encoding, accept_encoding != NULL ? strlen(accept_encoding) : 0};
    while (rest.len > 0) {
        struct span parameters = span_cut(&rest, ','), coding = trim(span_cut(&parameters, ';'));
        if (span_is(coding, "gzip"))
            return quality_of(parameters) > 0;
    }
    return false;
}

bool query_accepts_csv(const char *accept)
{
    struct preference json = {0}, csv = {0};
    struct span rest = {accept, accept != NULL ? strlen(accept) : 0};
    while (rest.len > 0) {
        struct span parameters = span_cut(&rest, ','), range = trim(span_cut(&parameters, ';'));
        unsigned quality = quality_of(parameters);
        prefer(&json, range, "application/json", "application/*", quality);
        prefer(&csv, range, "text/csv", "text/*", quality);
    }
    if (csv.quality != json.quality)
        return csv.quality > json.quality;
    return csv.quality > 0 && csv.specificity == 3 && json.specificity < 3;
}
