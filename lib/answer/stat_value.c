/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/stat.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

/* A count is known to the last sample; beyond 2^53 a double may not be able to say it. */
static void of_count(uint64_t count, double per, struct cell_estimate *out)
{
    double v = (double)count;
    bool exact = count <= UINT64_C(1) << 53;
    out->value = v / per;
    out->low = exact ? out->value : nextafter(v, 0) / per;
    out->high = exact ? out->value : nextafter(v, INFINITY) / per;
    out->exact = exact;
}

enum hf_err stat_of_cell(const struct stat_spec *stat, struct cell *cell, unsigned seconds, struct cell_estimate *out)
{
    assert(stat->kind != STAT_ALL);
    switch (stat->kind) {
    case STAT_AVERAGE: return cell_average(cell, out);
    case STAT_MIN: return cell_min(cell, out);
    case STAT_MAX: return cell_max(cell, out);
    case STAT_MEDIAN: return cell_median(cell, out);
    case STAT_COUNT: of_count(cell_count(cell), 1, out); return HF_OK;
    case STAT_SUM: return cell_sum(cell, out);
    case STAT_STDDEV: return cell_stddev(cell, out);
    case STAT_THROUGHPUT: of_count(cell_count(cell), seconds, out); return HF_OK;
    case STAT_PERCENTILE: return cell_percentile(cell, stat->numerator, stat->decimals, out);
    case STAT_ALL: break;
    }
    return HF_INVALID;
}
