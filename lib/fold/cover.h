/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Up to when all that was acknowledged has left the spool.
 *
 * The spool's files do not tell when what is in them was acknowledged. But a file
 * that is there at one look and was not at the one before was begun after that, and
 * so was all that is in it acknowledged after that. What is in a file that is gone
 * is in the stream.
 */
#ifndef HF_FOLD_COVER_H
#define HF_FOLD_COVER_H

#include <stdbool.h>
#include <stdint.h>

#define COVER_FILES_MAX 256u /* with more than that, nothing is promised */

/* All zero is one that has not looked yet: what it finds first may be as old as can be. */
struct cover {
    struct cover_file {
        uint64_t producer;
        int64_t before_ms; /* the last look that did not find it; 0: none */
        bool there;
    } files[COVER_FILES_MAX];
    unsigned count;
    bool too_many;
    int64_t looked_ms; /* the last look that found no more than there is room for */
};

/* A look: begin, tell every file in which batches may wait, end. `now_ms` is taken before the directory is read. */
void cover_begin(struct cover *cover);
void cover_file(void *cover, uint64_t producer);
/* Everything acknowledged before the time that is returned was in the stream when the directory had been read; 0: nothing is known. */
int64_t cover_end(struct cover *cover, int64_t now_ms);

#endif
