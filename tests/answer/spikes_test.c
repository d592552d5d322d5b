/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spikes: days of several kinds of metrics are generated, with spikes planted at known
 * minutes, and what is found is compared with what was planted. HF_TEST_SEED repeats a run,
 * HF_TEST_FULL=1 makes it 900 days.
 */
#include "asking.h"

#include "answer/spikes.h"

#define DAYS 50
#define DAYS_FULL 900
#define MINUTES 1440
#define MINUTE_SAMPLES_MAX 1000

/* ---- days ---- */

/* LOG_NORMAL to STEP are latencies; INTEGERS in whole milliseconds; SPARSE has 1 to 4 samples a minute; FLAT is nearly always the
 * same; SIGNED a temperature that crosses 0 twice a day; STEP is twice as slow from noon on; QUEUE a small integer, often 0. */
enum kind { LOG_NORMAL, PARETO, EXPONENTIAL, INTEGERS, STEP, SPARSE, FLAT, SIGNED, QUEUE, KINDS };
static const char *const kind_names[KINDS] = {"log-normal", "pareto", "exponential", "integers", "step", "sparse", "flat", "signed",
                                              "queue"};

struct minute {
    double values[MINUTE_SAMPLES_MAX];
    size_t count;
    bool planted;
};

static struct minute minutes[MINUTES];
static struct spike_minute by_max[MINUTES], by_p99[MINUTES];

struct law {
    enum kind kind;
    double level, sigma, alpha, traffic;
};

static double uniform(double from, double to) { return from + (to - from) * random_unit(); }

static double normal(void)
{
    return sqrt(-2 * log(1 - random_unit())) * cos(6.283185307179586 * random_unit());
}

static double draw(const struct law *law, int minute)
{
    double wave = sin(6.283185307179586 * minute / MINUTES), tide = law->level * (1 + 0.3 * wave);
    switch (law->kind) {
    case PARETO: return tide * pow(1 - random_unit(), -1 / law->alpha);
    case EXPONENTIAL: return tide * -log(1 - random_unit());
    case INTEGERS: return floor(tide * exp(law->sigma * normal()));
    case STEP: return tide * (minute >= MINUTES / 2 ? 2 : 1) * exp(law->sigma * normal());
    case FLAT: return random_unit() < 0.97 ? law->level : law->level + (random_unit() < 0.5 ? 1 : -1);
    case SIGNED: return 3 + 10 * wave + normal();
    case QUEUE: return floor(-log(1 - random_unit()) * 1.5 * (1 + 0.5 * wave));
    default: return tide * exp(law->sigma * normal());
    }
}

/* How many samples come in a minute in which `rate` are expected. */
static size_t arrivals(double rate)
{
    if (rate > 30)
        return (size_t)fmin(MINUTE_SAMPLES_MAX, fmax(0, rate + sqrt(rate) * normal()));
    size_t n = 0;
    for (double product = random_unit(); product > exp(-rate); product *= random_unit())
        n++;
    return n;
}

/* A day without spikes; returns its largest magnitude. */
static double make_day(enum kind kind)
{
    struct law law = {.kind = kind, .level = uniform(20, 100), .sigma = uniform(0.15, 0.75), .alpha = uniform(2.5, 4.5)};
    double top = 0;
    law.traffic = kind == SPARSE ? uniform(1, 4) : exp(uniform(log(10), log(400)));
    for (int m = 0; m < MINUTES; m++) {
        double wave = sin(6.283185307179586 * (m - 500) / MINUTES);
        minutes[m].planted = false;
        minutes[m].count = arrivals(law.traffic * (1 + 0.8 * wave));
        for (size_t i = 0; i < minutes[m].count; i++) {
            minutes[m].values[i] = draw(&law, m);
            top = fmax(top, fabs(minutes[m].values[i]));
        }
    }
    return top;
}

/* Spikes of 2 to 6 times the largest value the day had: one sample, or a twentieth of the samples, of one minute or of up to five
 * minutes on end. They lie apart from each other. */
static void plant(double top)
{
    int spikes = (int)uniform(3, 11);
    for (int placed = 0; placed < spikes;) {
        int at = (int)uniform(5, MINUTES - 10), minutes_long = random_unit() < 0.3 ? (int)uniform(2, 6) : 1;
        double size = top * uniform(2, 6);
        bool many = random_unit() < 0.5, clear = minutes[at].count > 0;
        for (int m = at - 5; m < at + 10; m++)
            clear &= !minutes[m].planted;
        if (!clear)
            continue;
        for (int m = at; m < at + minutes_long; m++) {
            size_t samples_hit = many ? 1 + minutes[m].count / 20 : 1;
            for (size_t i = 0; i < samples_hit && i < minutes[m].count; i++)
                minutes[m].values[i] = size * uniform(0.9, 1.1);
            minutes[m].planted = minutes[m].count > 0;
        }
        placed++;
    }
}

static void assess_day(void)
{
    for (int m = 0; m < MINUTES; m++) {
        size_t count = minutes[m].count;
        qsort(minutes[m].values, count, sizeof(double), compare_doubles);
        by_max[m] = (struct spike_minute){.count = count};
        by_p99[m] = (struct spike_minute){.count = count >= SPIKES_P99_MIN ? count : 0};
        if (count > 0) {
            by_max[m].value = minutes[m].values[count - 1];
            by_p99[m].value = minutes[m].values[(count * 99 + 99) / 100 - 1];
        }
    }
    spikes_assess(by_max, MINUTES, SIZE_MAX);
    spikes_assess(by_p99, MINUTES, 1);
}

static bool found(int m) { return by_max[m].score > 1 || by_p99[m].score > 1; }

/* ---- tests ---- */

static void seed(void)
{
    const char *text = getenv("HF_TEST_SEED");
    uint64_t v = text != NULL ? strtoull(text, NULL, 10) : 20261123;
    print_message("# HF_TEST_SEED=%llu\n", (unsigned long long)v);
    random_state = (v + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

static void planted_spikes_are_found_and_no_others(void **state)
{
    (void)state;
    unsigned right[KINDS] = {0}, wrong[KINDS] = {0}, missed[KINDS] = {0}, all_right = 0, all_wrong = 0, all_missed = 0;
    const int days = getenv("HF_TEST_FULL") != NULL ? DAYS_FULL : DAYS;
    seed();
    for (int day = 0; day < days; day++) {
        enum kind kind = (enum kind)(day % KINDS);
        plant(make_day(kind));
        assess_day();
        for (int m = 0; m < MINUTES; m++) {
            right[kind] += found(m) && minutes[m].planted;
            wrong[kind] += found(m) && !minutes[m].planted;
            missed[kind] += !found(m) && minutes[m].planted;
        }
    }
    for (int kind = 0; kind < KINDS; kind++) {
        print_message("# %-12s found %3u, beside them %2u, missed %2u\n", kind_names[kind], right[kind], wrong[kind], missed[kind]);
        all_right += right[kind], all_wrong += wrong[kind], all_missed += missed[kind];
    }
    double precision = (double)all_right / (all_right + all_wrong), recall = (double)all_right / (all_right + all_missed);
    print_message("# precision %.4f recall %.4f\n", precision, recall);
    assert_true(all_right > 200);
    assert_true(precision >= 0.95);
    assert_true(recall >= 0.95);
}

static void ordinary_days_have_next_to_none(void **state)
{
    (void)state;
    unsigned days = 0;
    seed();
    for (int day = 0; day < 45; day++) {
        unsigned stand_out = 0;
        make_day((enum kind)(day % KINDS));
        assess_day();
        for (int m = 0; m < MINUTES; m++)
            stand_out += found(m);
        days += stand_out > 0;
    }
    print_message("# on %u of 45 ordinary days a minute stands out\n", days);
    assert_true(days < 20); /* about every fifth is meant */
}

static struct spike_minute few[MINUTES];

static unsigned stand_out_of(size_t n)
{
    unsigned count = 0;
    spikes_assess(few, n, SIZE_MAX);
    for (size_t i = 0; i < n; i++)
        count += few[i].score > 1;
    return count;
}

static void special_days(void **state)
{
    (void)state;
    memset(few, 0, sizeof few);
    assert_int_equal(stand_out_of(0), 0);
    assert_int_equal(stand_out_of(MINUTES), 0); /* no samples */
    for (size_t i = 0; i < MINUTES; i++)
        few[i] = (struct spike_minute){.count = 5};
    assert_int_equal(stand_out_of(MINUTES), 0); /* all 0 */
    few[700].value = 1;
    assert_int_equal(stand_out_of(MINUTES), 1); /* and one that is not */
    assert_true(few[700].score > 1 && few[700].baseline == 0);
    for (size_t i = 0; i < MINUTES; i += 45)
        few[i].value = 1; /* 32 times a day is a habit */
    few[700].value = 1;
    assert_int_equal(stand_out_of(MINUTES), 0);
    few[700].value = 30;
    assert_int_equal(stand_out_of(MINUTES), 1);
    for (size_t i = 0; i < MINUTES; i++)
        few[i] = (struct spike_minute){.count = 5, .value = 7};
    assert_int_equal(stand_out_of(MINUTES), 0);
    few[700].value = -100; /* downwards is no spike */
    assert_int_equal(stand_out_of(MINUTES), 0);
    for (size_t i = 0; i < MINUTES; i++)
        few[i] = (struct spike_minute){.count = i < SPIKES_MINUTES_MIN - 1, .value = i == 7 ? 1000 : 1};
    assert_int_equal(stand_out_of(MINUTES), 0); /* too few to tell */
    few[SPIKES_MINUTES_MIN].count = 1;
    assert_int_equal(stand_out_of(MINUTES), 1);
    for (size_t i = 0; i < MINUTES; i++)
        few[i] = (struct spike_minute){.count = 1, .value = i % 2 == 0 ? 1e308 : -1e308};
    stand_out_of(MINUTES);
    for (size_t i = 0; i < MINUTES; i++)
        assert_true(isfinite(few[i].score) && isfinite(few[i].baseline));
}

/* The maximum of 50,000 samples lies higher than that of ten, and is no spike for that. */
static void crowded_minutes_reach_higher(void **state)
{
    (void)state;
    unsigned stand_out = 0;
    seed();
    for (int day = 0; day < 20; day++) {
        for (size_t i = 0; i < MINUTES; i++) {
            uint64_t count = i % 144 == 100 ? 50000 : 10;
            double of_one = pow(random_unit(), 1.0 / (double)count); /* the quantile that the greatest of them is */
            few[i] = (struct spike_minute){.count = count, .value = 20 * pow(1 - of_one, -1 / 3.0)};
        }
        stand_out += stand_out_of(MINUTES);
    }
    print_message("# %u minutes of 20 days stand out, of which 200 are crowded\n", stand_out);
    assert_true(stand_out <= 20);
}

/* ---- the whole way, over a store ---- */

#define SPIKE_MINUTE 857 /* 14:17 */

static int set_up(void **state)
{
    (void)state;
    random_state = 20261123; /* always the same: a random minute of these may stand out too, on some days */
    if (make_folder() != 0)
        return -1;
    for (int m = 0; m < 19 * 60; m++)
        for (int i = 0; i < 12; i++)
            add_sample_at(DAY_MS + m * HF_MINUTE_MS + i * 5000, m == SPIKE_MINUTE && i == 3 ? 812.5 : 20 * exp(0.2 * normal()));
    write_world();
    return open_to_ask();
}

static int tear_down(void **state)
{
    (void)state;
    close_to_ask();
    free(samples);
    return remove_folder();
}

static void a_spike_is_told_with_its_neighbours(void **state)
{
    (void)state;
    json_object *document = ask_json("/-/spikes?key=" KEY "&date=" DAY), *spikes = member(document, "spikes");
    must_have_members(document, "key date minutes complete spikes as_of");
    assert_true(number(document, "minutes") == 19 * 60 && !truth(document, "complete"));
    assert_int_equal(json_object_array_length(spikes), 1);
    json_object *spike = json_object_array_get_idx(spikes, 0), *neighbours = member(spike, "neighbours");
    must_have_members(spike, "time stat value baseline size score count max max_baseline max_score p99 p99_baseline p99_score neighbours");
    assert_string_equal(text(spike, "time"), "2026-11-23T14:17:00Z");
    assert_string_equal(text(spike, "stat"), "max");
    assert_true(number(spike, "value") == 812.5 && number(spike, "max") == 812.5 && number(spike, "count") == 12);
    assert_true(number(spike, "baseline") > 22 && number(spike, "baseline") < 40);
    assert_true(number(spike, "size") == 812.5 - number(spike, "baseline") && number(spike, "score") > 1);
    assert_null(member(spike, "p99_score")); /* of 12 samples */
    static const char *const times[] = {"2026-11-23T14:15:00Z", "2026-11-23T14:16:00Z", "2026-11-23T14:18:00Z",
                                        "2026-11-23T14:19:00Z"};
    assert_int_equal(json_object_array_length(neighbours), 4);
    for (size_t i = 0; i < 4; i++) {
        json_object *neighbour = json_object_array_get_idx(neighbours, i);
        must_have_members(neighbour, "time count max p99");
        assert_string_equal(text(neighbour, "time"), times[i]);
        assert_true(number(neighbour, "count") == 12 && number(neighbour, "max") < 60);
    }
    json_object_put(document);
}

static void in_a_zone_and_as_csv(void **state)
{
    (void)state;
    json_object *document = ask_json("/-/spikes?key=" KEY "&date=" DAY "&tz=-03:30"), *spikes = member(document, "spikes");
    assert_string_equal(text(document, "tz"), "-03:30");
    assert_int_equal(json_object_array_length(spikes), 1);
    assert_string_equal(text(json_object_array_get_idx(spikes, 0), "time"), "2026-11-23T10:47:00-03:30");
    json_object_put(document);
    const struct answer_response *response = ask("/-/spikes?key=" KEY "&date=" DAY "&format=csv", 200);
    char *body = strndup(response->body, response->body_bytes);
    assert_int_equal(strncmp(body, "time,key,stat,value,baseline,size,score,count,max,", 50), 0);
    assert_non_null(strstr(body, "\r\n2026-11-23T14:17:00Z,checkout.latency,max,812.5,"));
    free(body);
}

static void refusals_are_named(void **state)
{
    (void)state;
    must_refuse(ask("/-/spikes?key=" KEY, 400), "missing_parameter", "date");
    must_refuse(ask("/-/spikes?date=" DAY, 400), "missing_parameter", "key");
    must_refuse(ask("/-/spikes?key=c*&date=" DAY, 400), "bad_key", "key");
    must_refuse(ask("/-/spikes?key=nobody&date=" DAY, 404), "unknown_key", NULL);
    must_refuse(ask("/-/spikes?key=" KEY "&date=2026-11-22", 404), "minutes_expired", NULL);
    conf.query.max_cells = 1439;
    must_refuse(ask("/-/spikes?key=" KEY "&date=" DAY, 400), "too_many_cells", NULL);
    conf.query.max_cells = 1440;
    json_object *document = ask_json("/-/spikes?key=a&date=2026-11-24");
    assert_int_equal(json_object_array_length(member(document, "spikes")), 0);
    json_object_put(document);
    conf.query.max_cells = 1500;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        unit(planted_spikes_are_found_and_no_others), unit(ordinary_days_have_next_to_none), unit(special_days), unit(crowded_minutes_reach_higher),
        unit(a_spike_is_told_with_its_neighbours), unit(in_a_zone_and_as_csv), unit(refusals_are_named)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
