/* SPDX-License-Identifier: Apache-2.0 */
/* The samples of a cell by bands of values. */
#include "cell/cell_impl.h"
#include "cell/key.h"

static size_t band_of(const double *edges, size_t bands, size_t from, double value)
{
    while (from + 1 < bands && value >= edges[from + 1])
        from++;
    return from;
}

enum hf_err cell_bands(struct cell *cell, const double *edges, size_t bands, uint64_t *counts, uint64_t *uncertain)
{
    enum hf_err err = cell_settle(cell);
    if (err != HF_OK)
        return err;
    *uncertain = 0;
    for (size_t i = 0; i < bands; i++)
        counts[i] = 0;
    size_t at = 0; /* no bucket lies below the band of the one before */
    for (uint32_t i = 0; i < cell->n_buckets; i++) {
        uint64_t low = cell->buckets[i].key << cell->shift, high = low | ((UINT64_C(1) << cell->shift) - 1);
        low = low < cell->min_key ? cell->min_key : low;
        high = high > cell->max_key ? cell->max_key : high;
        at = band_of(edges, bands, at, key_value(low));
        counts[band_of(edges, bands, at, key_value(low + (high - low) / 2))] += cell->buckets[i].count;
        if (band_of(edges, bands, at, key_value(high)) != at)
            *uncertain += cell->buckets[i].count;
    }
    return HF_OK;
}
