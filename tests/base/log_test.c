/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "base/log.h"
#include "base/utc.h"

/* What one hf_log() wrote to stderr, in `out`. */
#define LOGGED(out, ...)                                           \
    do {                                                           \
        int ends[2], kept = dup(STDERR_FILENO);                    \
        assert_true(kept >= 0 && pipe(ends) == 0);                 \
        assert_true(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO); \
        hf_log(__VA_ARGS__);                                       \
        dup2(kept, STDERR_FILENO);                                 \
        close(kept);                                               \
        close(ends[1]);                                            \
        ssize_t got = read(ends[0], out, sizeof(out) - 1);         \
        assert_true(got >= 0);                                     \
        out[got] = '\0';                                           \
        close(ends[0]);                                            \
    } while (0)

static void a_line_is_an_event_and_its_fields(void **state)
{
    (void)state;
    char out[8192], expected[128], *rest;
    int64_t time_ms;
    hf_log_open("hourfold-test", false, HF_NOTICE);
    LOGGED(out, HF_WARNING, "stream_rewound", "stored=%d last=%d", 120, 80);
    assert_memory_equal(out, "time=", 5);
    rest = strchr(out, ' ');
    assert_non_null(rest);
    assert_int_equal(hf_parse_rfc3339(out + 5, (size_t)(rest - out - 5), &time_ms), HF_OK);
    snprintf(expected, sizeof expected, " program=hourfold-test pid=%ld level=warning event=stream_rewound stored=120 last=80\n",
             (long)getpid());
    assert_string_equal(rest, expected);
    LOGGED(out, HF_NOTICE, "start", "%s", "");
    assert_non_null(strstr(out, " level=notice event=start\n"));
}

static void a_line_stays_one_line(void **state)
{
    (void)state;
    char out[8192], text[4000];
    memset(text, 'x', sizeof text);
    text[10] = '\n';
    text[sizeof text - 1] = '\0';
    LOGGED(out, HF_ERROR, "event", "a=%s", text);
    assert_true(strlen(out) < 2048);
    assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
    LOGGED(out, HF_ERROR, "event", "%s", "");
    assert_true(out[strlen(out) - 1] == '\n');
}

static void levels_above_the_most_are_silent(void **state)
{
    (void)state;
    char out[8192];
    LOGGED(out, HF_INFO, "progress", "%s", "a=1");
    assert_string_equal(out, "");
    hf_log_open("hourfold-test", false, HF_INFO);
    LOGGED(out, HF_INFO, "progress", "%s", "a=1");
    assert_non_null(strstr(out, "level=info event=progress a=1\n"));
    hf_log_open("hourfold-test", false, HF_NOTICE);
}

static void outside_text_is_quoted(void **state)
{
    (void)state;
    char out[16];
    assert_string_equal(hf_log_quote("a b", 3, out, sizeof out), "\"a b\"");
    assert_string_equal(hf_log_quote("\n\"\\", 3, out, sizeof out), "\"\\x0a\\x22\\x5c\"");
    assert_string_equal(hf_log_quote("a\0\xff", 3, out, sizeof out), "\"a\\x00\\xff\"");
    assert_string_equal(hf_log_quote("0123456789abcdef", 16, out, sizeof out), "\"0123456789abc\""); /* 15 and NUL */
    assert_string_equal(hf_log_quote("\n\n\n\n", 4, out, sizeof out), "\"\\x0a\\x0a\\x0a\"");
    assert_string_equal(hf_log_quote("abc", 3, out, 3), "\"\"");
    assert_string_equal(hf_log_quote("abc", 3, out, 1), "");
}

static void what_can_be_provoked_is_limited(void **state)
{
    (void)state;
    struct hf_log_limit limit = {0};
    unsigned long held = 99;
    assert_true(hf_log_allowed(&limit, 1000, 500, &held));
    assert_int_equal(held, 0);
    assert_false(hf_log_allowed(&limit, 1001, 500, &held));
    assert_false(hf_log_allowed(&limit, 1499, 500, &held));
    assert_true(hf_log_allowed(&limit, 1500, 500, &held));
    assert_int_equal(held, 2);
    assert_true(hf_log_allowed(&limit, 10, 500, &held)); /* the clock was set back */
    assert_int_equal(held, 0);
}

UNIT_TESTS(unit(a_line_is_an_event_and_its_fields), unit(a_line_stays_one_line), unit(levels_above_the_most_are_silent),
           unit(outside_text_is_quoted), unit(what_can_be_provoked_is_limited))
