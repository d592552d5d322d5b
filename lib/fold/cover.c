/* SPDX-License-Identifier: Apache-2.0 */
#include "fold/cover.h"

void cover_begin(struct cover *cover)
{
    for (unsigned i = 0; i < cover->count; i++)
        cover->files[i].there = false;
    cover->too_many = false;
}

void cover_file(void *cover_in, uint64_t producer)
{
    struct cover *cover = cover_in;
    for (unsigned i = 0; i < cover->count; i++)
        if (cover->files[i].producer == producer) {
            cover->files[i].there = true;
            return;
        }
    if (cover->count == COVER_FILES_MAX)
        cover->too_many = true;
    else
        cover->files[cover->count++] = (struct cover_file){producer, cover->looked_ms, true};
}

int64_t cover_end(struct cover *cover, int64_t now_ms)
{
    int64_t until_ms = now_ms;
    unsigned left = 0;
    for (unsigned i = 0; i < cover->count; i++)
        if (cover->files[i].there) {
            if (cover->files[i].before_ms < until_ms)
                until_ms = cover->files[i].before_ms;
            cover->files[left++] = cover->files[i];
        }
    cover->count = left;
    if (cover->too_many)
        return 0;
    cover->looked_ms = now_ms;
    return until_ms;
}
