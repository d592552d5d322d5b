/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/form.h"

#include "cell/key.h"

#define DECIMALS_MAX 9u
#define DECIMAL_LIMIT INT64_C(1000000000000000)
#define CODE_DECIMAL 64u

static const double powers[DECIMALS_MAX + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

/* The integer nearest to value * power. Where value is the double nearest to an integer of less than 10^15 divided by
 * power, the product is within 1/4 of that integer. */
static inline int64_t scaled(double value, double power)
{
    double product = value * power;
    return (int64_t)(product < 0 ? product - 0.5 : product + 0.5);
}

static bool is_decimal(uint64_t key, double power)
{
    double value = key_value(key), product = value * power;
    if (!(product > -1e15 && product < 1e15))
        return false;
    return (double)scaled(value, power) / power == value;
}

/* The fewest decimals that will do for all, or more than DECIMALS_MAX. */
static unsigned decimals_of(const struct bucket *buckets, size_t n)
{
    unsigned decimals = 0;
    for (size_t i = 0; i < n; i++)
        while (!is_decimal(buckets[i].key, powers[decimals]))
            if (++decimals > DECIMALS_MAX)
                return decimals;
    /* What has few decimals has more, unless the integer gets too large. The largest is at one of the ends, and the
     * last one was tried with all the decimals. */
    return is_decimal(buckets[0].key, powers[decimals]) ? decimals : DECIMALS_MAX + 1;
}

static unsigned common_zero_bits(const struct bucket *buckets, size_t n)
{
    uint64_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= buckets[i].key;
    unsigned zeros = 0;
    while (zeros < 63 && (any >> zeros & 1) == 0)
        zeros++;
    return zeros;
}

bool form_of_code(unsigned code, unsigned shift, struct form *form)
{
    if (code >= CODE_DECIMAL) {
        if (shift > 0 || code - CODE_DECIMAL > DECIMALS_MAX)
            return false;
        *form = (struct form){.power = powers[code - CODE_DECIMAL],
                              .zero = (uint64_t)DECIMAL_LIMIT - 1,
                              .most = 2 * ((uint64_t)DECIMAL_LIMIT - 1)};
    } else {
        if (code + shift > 63)
            return false;
        *form = (struct form){
            .zeros = code, .zero = KEY_ZERO >> (code + shift), .most = UINT64_MAX >> (code + shift)};
    }
    form->code = (uint8_t)code;
    return true;
}

struct form form_of(const struct bucket *buckets, size_t n, unsigned shift)
{
    struct form form = {0};
    unsigned decimals = shift == 0 ? decimals_of(buckets, n) : DECIMALS_MAX + 1;
    form_of_code(decimals <= DECIMALS_MAX ? CODE_DECIMAL + decimals : common_zero_bits(buckets, n), shift, &form);
    return form;
}

uint64_t form_place(const struct form *form, uint64_t key)
{
    if (form->power != 0)
        return form->zero + (uint64_t)scaled(key_value(key), form->power);
    return key >> form->zeros;
}

/* All at once: divisions take turns in the processor when nothing stands between them. */
void form_keys(const struct form *form, struct bucket *buckets, size_t n)
{
    double power = form->power;
    for (size_t i = 0; i < n && power != 0; i++)
        buckets[i].key = key_of((double)(int64_t)(buckets[i].key - form->zero) / power);
    for (size_t i = 0; i < n && power == 0; i++)
        buckets[i].key <<= form->zeros;
}

bool form_is_right(const struct form *form, const struct bucket *buckets, size_t n, unsigned shift)
{
    if (form->power == 0)
        return form->zeros == common_zero_bits(buckets, n) && (shift > 0 || decimals_of(buckets, n) > DECIMALS_MAX);
    /* One that is no multiple of 10 needs all its decimals. */
    for (size_t i = 0; i < n; i++)
        if (scaled(key_value(buckets[i].key), form->power) % 10 != 0)
            return true;
    return form->power == 1;
}
