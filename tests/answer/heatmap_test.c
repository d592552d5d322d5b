/* SPDX-License-Identifier: Apache-2.0 */
/* Heat maps: the edges of bands, and what is counted in them against the samples. */
#include "asking.h"

#include <float.h>

#include "answer/heatmap.h"

/* ---- edges ---- */

static void must_choose(double min, double low, double high, double max, bool log, const char *expected)
{
    struct heatmap_bands bands;
    char got[400] = "", number_text[HF_DOUBLE_TEXT];
    heatmap_choose(min, low, high, max, &bands);
    for (size_t i = 0; i <= bands.count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i == 0 ? "" : " ", hf_format_double(bands.edges[i], number_text));
    assert_string_equal(got, expected);
    assert_int_equal(bands.log, log);
}

static void edges_are_round(void **state)
{
    (void)state;
    must_choose(15, 18, 40, 900, false, "15 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 900");
    must_choose(0, 0, 5, 5, false, "0 0.5 1 1.5 2 2.5 3 3.5 4 4.5 5 5.5");
    must_choose(-12, -10, 30, 35, false, "-12 -10 -8 -6 -4 -2 0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 35");
    must_choose(9, 10, 101, 5000, true, "9 10 12.5 16 20 25 32 40 50 63 80 100 125 5000");
    must_choose(0.5, 1, 5000, 20000, true, "0.5 1 1.6 2.5 4 6.3 10 16 25 40 63 100 160 250 400 630 1000 1600 2500 4000 6300 20000");
    must_choose(1, 1, 1e7, 1e7, true, "1 2 5 10 20 50 100 200 500 1000 2000 5000 10000 20000 50000 100000 200000 500000 1000000 2000000 "
                                      "5000000 10000000 20000000");
    must_choose(7, 7, 7, 7, false, "7 7");
    must_choose(7, 7, 7, 9, false, "7 7.1 7.2 7.3 7.4 7.5 7.6 7.7 7.8 7.9 8 8.1 8.2 8.3 8.4 8.5 8.6 8.7 8.8 8.9 9 9.1");
    must_choose(1e17, 1e17, 1e17 + 16, 1e17 + 16, false, "1e17 1.0000000000000002e17");
}

static double any_magnitude(void)
{
    double v = ldexp(0.5 + random_unit() / 2, (int)(random_unit() * (random_unit() < 0.5 ? 40 : 2000)) - 1000);
    return random_unit() < 0.3 ? -v : random_unit() < 0.05 ? 0 : v;
}

/* Whatever the values, edges ascend and cover all of them, and there are few. */
static void edges_cover_all(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        double v[4];
        struct heatmap_bands bands;
        for (int k = 0; k < 4; k++)
            v[k] = k > 0 && random_unit() < 0.2 ? v[k - 1] : any_magnitude();
        if (i % 100 == 0)
            v[0] = -DBL_MAX, v[3] = DBL_MAX;
        qsort(v, 4, sizeof *v, compare_doubles);
        heatmap_choose(v[0], v[1], v[2], v[3], &bands);
        assert_true_of(bands.count >= 1 && bands.count <= HEATMAP_BANDS_MAX, "%.17g %.17g %.17g %.17g", v[0], v[1], v[2], v[3]);
        assert_true_of(bands.edges[0] <= v[0] && bands.edges[bands.count] >= v[3], "%.17g %.17g %.17g %.17g", v[0], v[1], v[2], v[3]);
        for (size_t b = 0; b < bands.count; b++)
            assert_true(bands.edges[b] < bands.edges[b + 1] || (bands.count == 1 && v[0] == v[3]));
    }
}

/* ---- counts ---- */

static void counts_are_those_of_the_samples(void **state)
{
    (void)state;
    json_object *document = ask_json("/-/heatmap?key=" KEY "&date=" DAY), *edges = member(document, "edges"),
                *hours = member(document, "hours");
    must_have_members(document, "key date count complete scale edges hours as_of");
    size_t bands = json_object_array_length(edges) - 1;
    double total = 0, uncertain_total = 0;
    assert_true(bands > 5 && bands <= HEATMAP_BANDS_MAX && json_object_array_length(hours) == 24);
    for (unsigned hour = 0; hour < 24; hour++) {
        json_object *slot = json_object_array_get_idx(hours, hour), *counts = member(slot, "counts");
        size_t count;
        int64_t start_ms = DAY_MS + hour * HF_HOUR_MS;
        double *values = values_of(start_ms, start_ms + HF_HOUR_MS, &count), sum = 0, off = 0;
        must_have_members(slot, "hour time count uncertain counts");
        assert_true(number(slot, "hour") == hour && number(slot, "count") == (double)count);
        assert_int_equal(json_object_array_length(counts), bands);
        for (size_t b = 0; b < bands; b++) {
            double from = json_object_get_double(json_object_array_get_idx(edges, b));
            double to = json_object_get_double(json_object_array_get_idx(edges, b + 1)), expected = 0;
            for (size_t i = 0; i < count; i++)
                expected += values[i] >= from && (values[i] < to || (b == bands - 1 && values[i] <= to));
            double got = json_object_get_double(json_object_array_get_idx(counts, b));
            sum += got;
            off += fabs(got - expected);
        }
        assert_true(sum == (double)count);
        /* Every sample in a wrong band is one too many in it and one too few in its own. */
        assert_true_of(off <= 2 * number(slot, "uncertain"), "hour %u: %g off, %g uncertain", hour, off, number(slot, "uncertain"));
        assert_true(number(slot, "uncertain") <= 0.02 * (double)count);
        total += sum;
        uncertain_total += number(slot, "uncertain");
        free(values);
    }
    assert_true(number(document, "count") == total);
    assert_true(uncertain_total > 0); /* else nothing was tested of it */
    json_object_put(document);
}

static void other_days(void **state)
{
    (void)state;
    json_object *document = ask_json("/-/heatmap?key=" KEY "&date=2026-11-21"); /* without samples */
    assert_int_equal(json_object_array_length(member(document, "edges")), 0);
    assert_int_equal(json_object_array_length(member(document, "hours")), 24);
    assert_true(number(document, "count") == 0 && truth(document, "complete"));
    json_object_put(document);
    document = ask_json("/-/heatmap?key=a&date=2026-11-22&tz=America/New_York"); /* one sample of 1, at 22:00 there */
    assert_int_equal(json_object_array_length(member(document, "edges")), 2);
    assert_true(number(document, "count") == 1);
    assert_string_equal(text(json_object_array_get_idx(member(document, "hours"), 22), "time"), "2026-11-22T22:00:00-05:00");
    json_object_put(document);
    must_refuse(ask("/-/heatmap?key=nobody&date=" DAY, 404), "unknown_key", NULL);
    must_refuse(ask("/-/heatmap?key=a", 400), "missing_parameter", "date");
    conf.query.max_cells = 23;
    must_refuse(ask("/-/heatmap?key=a&date=" DAY, 400), "too_many_cells", NULL);
    conf.query.max_cells = 1500;
    const struct answer_response *response = ask("/-/heatmap?key=a&date=" DAY "&format=csv", 200);
    char *body = strndup(response->body, response->body_bytes);
    assert_int_equal(strncmp(body, "time,key,hour,from,to,count\r\n2026-11-23T00:00:00Z,a,0,1,1,0\r\n", 60), 0);
    assert_non_null(strstr(body, "\r\n2026-11-23T03:00:00Z,a,3,1,1,1\r\n"));
    free(body);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {unit(edges_are_round), unit(edges_cover_all), unit(counts_are_those_of_the_samples),
                                              unit(other_days)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up_asking, tear_down_asking);
}
