/* SPDX-License-Identifier: Apache-2.0 */
/* An input is query, NUL, body, NUL, referer. */
#include "fuzz.h"

static enum hf_err read_parts(const char *text, size_t len, const struct sample_limits *limits, struct sample_list *list,
                              struct sample_fault *fault)
{
    struct sample_form form = {.query = text};
    char referer[256] = "";
    uint32_t dropped[SAMPLE_DROPS];
    const char *end = text + len, *nul = len == 0 ? NULL : memchr(text, '\0', len);
    form.query_bytes = nul == NULL ? len : (size_t)(nul - text);
    if (nul != NULL) {
        form.body = nul + 1;
        nul = memchr(form.body, '\0', (size_t)(end - form.body));
        form.body_bytes = (size_t)((nul == NULL ? end : nul) - form.body);
    }
    if (nul != NULL) {
        size_t bytes = (size_t)(end - nul - 1);
        memcpy(referer, nul + 1, bytes < sizeof referer ? bytes : sizeof referer - 1);
        form.referer = referer;
    }
    enum hf_err err = sample_read_boomerang(&form, limits, list, fault, dropped);
    for (unsigned i = 0; i < SAMPLE_DROPS; i++)
        must(dropped[i] <= len);
    for (size_t i = 0; i < list->count; i++) {
        const struct sample *s = &list->samples[i];
        must(s->value >= 0 && s->time_ms == limits->now_ms && (s->id == NULL || s->id_bytes == 32));
        must(s->id_bytes == list->samples[0].id_bytes);
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reader(read_parts, data, size);
    return 0;
}
