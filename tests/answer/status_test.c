/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <json.h>

#include "answer/status.h"

#define NOW INT64_C(1795460402000)
#define AGO(s) (NOW - (s) * INT64_C(1000))

/* A machine on which all is well. */
static struct status_report good(void)
{
    return (struct status_report){
        .now_ms = NOW,
        .behind_max_ms = 60000,
        .err = HF_OK,
        .status = {.position = 10, .as_of_ms = AGO(1), .view = {.seen_ms = AGO(1), .bus = STORE_BUS_WELL, .since_ms = AGO(100),
                                                                .messages = 10, .messages_max = 1000}},
        .has_spool = true,
        .spool_max_bytes = 1 << 20,
        .has_tally = true,
        .tally.moments[TALLY_LAST_ACK] = AGO(2)};
}

/* "code" or "code!" where it is failing, in order, with spaces between. */
static void must_give(const struct status_report *report, const char *expected)
{
    struct status_reason reasons[STATUS_REASONS_MAX];
    char got[600] = "";
    unsigned count = status_reasons(report, reasons);
    for (unsigned i = 0; i < count; i++) {
        strcat(got, i > 0 ? " " : "");
        strcat(got, reasons[i].code);
        strcat(got, reasons[i].severity == STATUS_FAILING ? "!" : "");
        assert_true(strlen(reasons[i].message) > 20);
    }
    assert_string_equal(got, expected);
}

static void what_keeps_folding_up_is_failing_once_it_is_late(void **state)
{
    (void)state;
    struct status_report report = good();
    must_give(&report, "");
    report.status.as_of_ms = AGO(60);
    must_give(&report, "");
    report.status.as_of_ms = AGO(61);
    must_give(&report, "consumer_behind!");
    static const struct {
        enum store_trouble trouble;
        enum store_bus bus;
        const char *young, *late;
    } cases[] = {{STORE_UNATTENDED, STORE_BUS_WELL, "consumer_down", "consumer_down!"},
                 {STORE_UNATTENDED, STORE_BUS_STUCK, "consumer_down", "consumer_down!"},
                 {STORE_RECOVERING, STORE_BUS_WELL, "store_recovering", "store_recovering!"},
                 {STORE_FULL, STORE_BUS_WELL, "store_full!", "store_full!"},
                 {STORE_DAMAGED, STORE_BUS_WELL, "store_damaged!", "store_damaged!"},
                 {STORE_FAILING, STORE_BUS_WELL, "store_failing!", "store_failing!"},
                 {STORE_SOUND, STORE_BUS_UNKNOWN, "", "consumer_behind!"},
                 {STORE_SOUND, STORE_BUS_AWAY, "bus_away", "bus_away!"},
                 {STORE_SOUND, STORE_BUS_STUCK, "bus_stuck!", "bus_stuck!"},
                 {STORE_SOUND, STORE_BUS_UNFIT, "stream_unfit!", "stream_unfit!"},
                 {STORE_FULL, STORE_BUS_AWAY, "store_full! bus_away", "store_full! bus_away!"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        report.trouble = cases[i].trouble;
        report.status.view.bus = cases[i].bus;
        report.status.as_of_ms = AGO(5);
        must_give(&report, cases[i].young);
        report.status.as_of_ms = AGO(500);
        must_give(&report, cases[i].late);
    }
}

static void a_store_that_cannot_be_read_is_failing(void **state)
{
    (void)state;
    struct status_report report = good();
    report.trouble = STORE_UNATTENDED;
    static const struct {
        enum hf_err err;
        const char *code;
    } cases[] = {{HF_NOTFOUND, "no_store!"},         {HF_TIMEOUT, "store_recovering!"}, {HF_AGAIN, "store_recovering!"},
                 {HF_STALE, "store_recovering!"},    {HF_BUSY, "store_recovering!"},    {HF_IO, "store_unreadable!"},
                 {HF_CORRUPT, "store_unreadable!"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        report.err = cases[i].err;
        must_give(&report, cases[i].code);
    }
    report.spool.files = 1;
    must_give(&report, "store_unreadable! spool_in_use");
}

static void before_the_first_commit(void **state)
{
    (void)state;
    struct status_report report = good();
    report.status = (struct store_status){0};
    must_give(&report, "never_committed!");
    report.trouble = STORE_UNATTENDED;
    must_give(&report, "consumer_down!");
    report.trouble = STORE_SOUND;
    report.status.view.bus = STORE_BUS_AWAY;
    must_give(&report, "bus_away!");
    report.status.view.bus = STORE_BUS_WELL;
    report.status.position = 5; /* it reads a long stream */
    must_give(&report, "consumer_behind!");
}

static void the_stream_fills_up(void **state)
{
    (void)state;
    struct status_report report = good();
    report.status.view.messages = 949;
    must_give(&report, "");
    report.status.view.messages = 950;
    must_give(&report, "stream_nearly_full");
    report.status.view.messages = 1000;
    must_give(&report, "stream_full");
    report.has_spool = false;
    must_give(&report, "stream_full!");
    report.status.view.bus = STORE_BUS_AWAY; /* what was heard last may be past */
    must_give(&report, "bus_away");
}

static void a_lost_stream_is_told_for_an_hour(void **state)
{
    (void)state;
    struct status_report report = good();
    report.status.view.rewound_ms = AGO(1);
    must_give(&report, "stream_rewound");
    report.status.view.rewound_ms = AGO(3599);
    must_give(&report, "stream_rewound");
    report.status.view.rewound_ms = AGO(3600);
    must_give(&report, "");
}

static void the_spool_fills_up(void **state)
{
    (void)state;
    struct status_report report = good();
    report.spool = (struct spool_survey){.files = 1, .bytes = 100, .all_bytes = 100};
    must_give(&report, "spool_in_use");
    report.spool.all_bytes = report.spool_max_bytes * 80 / 100;
    must_give(&report, "spool_nearly_full spool_in_use");
    report.spool.all_bytes = report.spool_max_bytes;
    must_give(&report, "spool_full! spool_in_use");
    report.spool = (struct spool_survey){.damaged_files = 1, .all_bytes = 100};
    must_give(&report, "spool_damaged");
    report.spool = (struct spool_survey){.files = 1, .bytes = 100, .all_bytes = 100};
    report.status.as_of_ms = AGO(70);
    must_give(&report, "spool_in_use!");
    report.status.view.bus = STORE_BUS_AWAY;
    must_give(&report, "bus_away! spool_in_use!");
    report.has_spool = false;
    must_give(&report, "bus_away!");
}

static void no_more_keys_are_taken(void **state)
{
    (void)state;
    struct status_report report = good();
    report.status.keys = 20;
    report.keys_max = 21;
    must_give(&report, "");
    report.keys_max = 20;
    must_give(&report, "keys_full");
    report.status.as_of_ms = AGO(70);
    must_give(&report, "consumer_behind! keys_full");
}

static void a_publish_without_an_answer(void **state)
{
    (void)state;
    struct status_report report = good();
    report.tally.moments[TALLY_LAST_UNANSWERED] = AGO(14);
    report.tally.moments[TALLY_LAST_ACK] = AGO(13);
    must_give(&report, "");
    report.tally.moments[TALLY_LAST_ACK] = AGO(15);
    must_give(&report, "publish_unanswered");
    report.tally.moments[TALLY_LAST_UNANSWERED] = AGO(15);
    must_give(&report, "");
    report.tally.moments[TALLY_LAST_UNANSWERED] = AGO(1);
    report.has_tally = false;
    must_give(&report, "");
}

static void everything_at_once_has_room(void **state)
{
    (void)state;
    struct status_report report = good();
    report.trouble = STORE_FULL;
    report.status.view = (struct store_view){.bus = STORE_BUS_WELL, .messages = 1000, .messages_max = 1000, .rewound_ms = NOW};
    report.tally.moments[TALLY_LAST_UNANSWERED] = NOW;
    report.spool = (struct spool_survey){.files = 1, .all_bytes = 2 << 20, .damaged_files = 1};
    report.keys_max = 1;
    report.status.keys = 1;
    must_give(&report,
              "store_full! spool_full! publish_unanswered stream_full stream_rewound keys_full spool_in_use spool_damaged");
}

static void health_is_json(void **state)
{
    (void)state;
    struct status_report report = good();
    struct hf_buf out = {0};
    report.status.view.bus = STORE_BUS_AWAY;
    report.spool = (struct spool_survey){.files = 2, .bytes = 100, .all_bytes = 100};
    assert_true(status_render_health(&report, &out));
    hf_buf_u8(&out, 0);
    assert_true(hf_buf_ok(&out));
    json_object *document = json_tokener_parse((const char *)out.data), *spool, *bus, *field;
    assert_non_null(document);
    assert_true(json_object_object_get_ex(document, "spool", &spool) && json_object_object_get_ex(spool, "files", &field));
    assert_int_equal(json_object_get_int(field), 2);
    assert_true(json_object_object_get_ex(document, "bus", &bus) && json_object_object_get_ex(bus, "state", &field));
    assert_string_equal(json_object_get_string(field), "away");
    assert_true(json_object_object_get_ex(document, "status", &field));
    assert_string_equal(json_object_get_string(field), "degraded");
    assert_true(json_object_object_get_ex(document, "behind_s", &field));
    assert_true(json_object_get_double(field) == 1);
    json_object_put(document);
    report.status.view.bus = STORE_BUS_STUCK;
    assert_false(status_render_health(&report, &out));
    hf_buf_free(&out);
}

UNIT_TESTS(unit(what_keeps_folding_up_is_failing_once_it_is_late), unit(a_store_that_cannot_be_read_is_failing),
           unit(before_the_first_commit), unit(the_stream_fills_up), unit(a_lost_stream_is_told_for_an_hour),
           unit(the_spool_fills_up), unit(no_more_keys_are_taken), unit(a_publish_without_an_answer), unit(everything_at_once_has_room),
           unit(health_is_json))
