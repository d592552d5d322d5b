/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form in which the keys of a cell's buckets are written: as small integers, its "places".
 *
 * Samples mostly are numbers of few decimals, whose doubles fill all 53 bits. At shift 0, where a key is one value,
 * keys are written as those decimals if every one of them is the double nearest to an integer of less than 10^15
 * divided by 10^d, for the smallest such d of 0 … 9. Two such integers never have the same double, as a double tells
 * any decimals of 15 digits apart.
 *
 * Otherwise keys are written as they are, without the zero bits that they all end in.
 */
#ifndef HF_CELL_FORM_H
#define HF_CELL_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell/buckets.h"

struct form {
    double power;   /* 10^d; 0 for keys as they are */
    unsigned zeros; /* bits left out, if so */
    uint64_t zero;  /* the place of 0.0 */
    uint64_t most;  /* places are 0 … most */
    uint8_t code;   /* 0 … 63: zeros; 64 … 73: 64 + d */
};

/* The form that these buckets are to be written in. n > 0. */
struct form form_of(const struct bucket *buckets, size_t n, unsigned shift);
/* The form of that code. False when there is none. */
bool form_of_code(unsigned code, unsigned shift, struct form *form);
/* Whether form_of() gives that form for buckets that were read in it. */
bool form_is_right(const struct form *form, const struct bucket *buckets, size_t n, unsigned shift);

uint64_t form_place(const struct form *form, uint64_t key);
/* Turn the places that stand in `buckets` into their keys. */
void form_keys(const struct form *form, struct bucket *buckets, size_t n);

#endif
