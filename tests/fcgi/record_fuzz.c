/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as FastCGI records, in pieces of any size: refused, or a request that does not depend on the pieces. The first two
 * bytes choose the limit of the body and the pieces. */
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feed all in pieces of about `piece` bytes. */
static void feed(struct record_input *in, size_t body_max, const uint8_t *data, size_t size, size_t piece)
{
    for (size_t at = 0, n; at < size; at += n, piece = piece % 7 + 1 + piece / 2) {
        n = size - at < piece ? size - at : piece;
        enum record_state before = in->state;
        enum record_state state = record_feed(in, body_max, data + at, n);
        if (state != in->state || state < before || record_memory(in) > 2 * (at + n) + 256)
            abort();
    }
}

/* The parameters are whole texts, and each is found. */
static void check_params(const struct record_input *in)
{
    const char *at = (const char *)in->params.data;
    const char *end = at + in->params.len;
    while (at < end) {
        const char *value = at + strnlen(at, (size_t)(end - at)) + 1;
        const char *found = record_param(in, at);
        if (value >= end || found == NULL || found > value)
            abort();
        at = value + strnlen(value, (size_t)(end - value)) + 1;
    }
    if (at != end)
        abort();
}

static bool same(const struct hf_buf *a, const struct hf_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_input whole = {0}, pieces = {0};
    if (size < 2)
        return 0;
    size_t body_max = data[0];
    feed(&whole, body_max, data + 2, size - 2, SIZE_MAX / 2);
    feed(&pieces, body_max, data + 2, size - 2, 1u + data[1]);
    if (whole.state != pieces.state)
        abort();
    if (whole.state == RECORD_STDIN || whole.state == RECORD_WHOLE) {
        check_params(&whole);
        if (!same(&whole.params, &pieces.params) || !same(&whole.body, &pieces.body) || whole.body.len > body_max ||
            whole.body_bytes != pieces.body_bytes || whole.ended != pieces.ended || whole.id != pieces.id ||
            (whole.wanted && whole.body.len != whole.body_bytes))
            abort();
    }
    record_reset(&pieces);
    if (pieces.state != RECORD_PARAMS || pieces.params.len != 0 || pieces.body.len != 0)
        abort();
    record_free(&whole);
    record_free(&pieces);
    return 0;
}
