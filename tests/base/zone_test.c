/* SPDX-License-Identifier: Apache-2.0 */
/* Zones, against the C library where it can be asked. */
#define _DEFAULT_SOURCE /* tm_gmtoff */
#define _XOPEN_SOURCE 700
#include "../unit.h"

#include <ftw.h>
#include <time.h>

#include "base/utc.h"
#include "base/zone.h"

static struct hf_zone *zone_of(const char *text)
{
    struct hf_zone *zone = NULL;
    enum hf_err err = hf_zone_open(HF_ZONE_DIRECTORY, text, &zone);
    assert_true_of(err == HF_OK, "%s: %s (is tzdata installed?)", text, hf_strerror(err));
    return zone;
}

static int64_t at(const char *text)
{
    int64_t ms;
    assert_int_equal(hf_parse_rfc3339(text, strlen(text), &ms), HF_OK);
    return ms;
}

/* ---- names ---- */

static void names_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {"UTC", "Asia/Kolkata", "America/Argentina/ComodRivadavia", "Etc/GMT+5", "GMT-0", "EST5EDT",
                                       "+00:00", "-03:30", "+14:00", "+23:59", "America/Port-au-Prince"};
    static const char *const bad[] = {
        "", "/", "/etc/passwd", "..", "../x", "Asia/..", "Asia/../UTC", "Asia//Kolkata", "Asia/", "/UTC", ".hidden", "a.b", "zone.tab",
        "tzdata.zi", "Asia/.x", "-", "+", "+5", "+05:3", "+05:300", "+24:00", "+05:60", "+0530", "05:30", "+-5:30", "5UTC", "_x", "a b",
        "a%2f", "Asia\\Kolkata", "caf\xc3\xa9", "UTC\n", "Asia/-x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct hf_zone *zone = NULL;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true_of(hf_zone_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true_of(!hf_zone_valid(bad[i]), "%s", bad[i]);
        assert_true_of(hf_zone_open(HF_ZONE_DIRECTORY, bad[i], &zone) == HF_INVALID, "%s", bad[i]);
    }
    assert_int_equal(hf_zone_open(HF_ZONE_DIRECTORY, "Nowhere", &zone), HF_NOTFOUND);
    assert_int_equal(hf_zone_open(HF_ZONE_DIRECTORY, "UTC/Nowhere", &zone), HF_NOTFOUND);
    assert_int_equal(hf_zone_open(HF_ZONE_DIRECTORY, "Asia", &zone), HF_NOTFOUND); /* a directory */
    assert_int_equal(hf_zone_open("/etc", "passwd", &zone), HF_NOTFOUND);
    assert_null(zone);
    hf_zone_free(&zone);
}

static void offsets_are_fixed(void **state)
{
    (void)state;
    int64_t until;
    assert_int_equal(hf_zone_offset_ms(NULL, 0, &until), 0);
    assert_true(until == INT64_MAX);
    struct hf_zone *zone = zone_of("-03:30");
    assert_true(hf_zone_offset_ms(zone, at("2026-11-23T00:00:00Z"), &until) == -(3 * HF_HOUR_MS + 30 * HF_MINUTE_MS));
    assert_true(until == INT64_MAX);
    hf_zone_free(&zone);
}

/* ---- against the C library ---- */

static int64_t library_offset_ms(int64_t time_ms)
{
    time_t seconds = time_ms / 1000;
    struct tm local;
    assert_non_null(localtime_r(&seconds, &local));
    return local.tm_gmtoff * INT64_C(1000);
}

/* Every `step_ms` from 1970 to 2150, and the milliseconds around every change. */
static void must_agree(const char *name, int64_t step_ms)
{
    struct hf_zone *zone = zone_of(name);
    int64_t end_ms = at("2150-01-01T00:00:00Z"), until_ms, changes = 0;
    setenv("TZ", name, 1);
    tzset();
    for (int64_t t = 0; t < end_ms; t += step_ms) {
        int64_t offset_ms = hf_zone_offset_ms(zone, t, &until_ms);
        assert_true_of(offset_ms == library_offset_ms(t), "%s at %lld", name, (long long)t / 1000);
        assert_true(until_ms > t);
    }
    for (int64_t t = 0; t < end_ms; t = until_ms, changes++) {
        int64_t offset_ms = hf_zone_offset_ms(zone, t, &until_ms);
        assert_true_of(until_ms > t && changes < 1000, "%s at %lld", name, (long long)t / 1000);
        assert_true_of(offset_ms == library_offset_ms(t), "%s at %lld", name, (long long)t / 1000);
        if (until_ms < end_ms) {
            assert_true_of(offset_ms == library_offset_ms(until_ms - 1), "%s before %lld", name, (long long)until_ms / 1000);
            assert_true_of(offset_ms != library_offset_ms(until_ms), "%s: no change at %lld", name, (long long)until_ms / 1000);
        }
    }
    hf_zone_free(&zone);
}

static void zones_change_when_they_do(void **state)
{
    (void)state;
    static const char *const names[] = {"Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin",
                                        "Europe/Dublin", "Africa/Casablanca", "America/Santiago", "Pacific/Apia", "Asia/Gaza",
                                        "America/St_Johns", "Pacific/Chatham", "Antarctica/Troll", "UTC", "EST5EDT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        must_agree(names[i], HF_HOUR_MS * 7);
}

static int files;

static int check_file(const char *path, const struct stat *info, int type)
{
    const char *name = path + sizeof HF_ZONE_DIRECTORY;
    struct hf_zone *zone = NULL;
    (void)info;
    if (type != FTW_F || !hf_zone_valid(name) || hf_zone_open(HF_ZONE_DIRECTORY, name, &zone) != HF_OK)
        return 0;
    hf_zone_free(&zone);
    must_agree(name, INT64_C(31) * HF_DAY_MS);
    files++;
    return 0;
}

static void every_zone_of_the_system(void **state)
{
    (void)state;
    assert_int_equal(ftw(HF_ZONE_DIRECTORY, check_file, 16), 0);
    assert_true_of(files > 300, "%d", files);
}

/* ---- rules ---- */

#define HEADER(v) "TZif" v "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0" "\0\0\0\0"
#define EMPTY "\0\0\0\0" "\0\0\0\0" "\0\0\0\1" "\0\0\0\4" "\0\0\0\0\0\0" "UTC\0"

/* A file of no transitions, with a footer. */
static enum hf_err decode(const char *footer, struct hf_zone **zone)
{
    char bytes[512];
    size_t n = 0;
    static const char head[] = HEADER("3") EMPTY HEADER("3") EMPTY;
    memcpy(bytes, head, sizeof head - 1);
    n = sizeof head - 1;
    n += (size_t)snprintf(bytes + n, sizeof bytes - n, "\n%s\n", footer);
    return hf_zone_decode(bytes, n, zone);
}

static void rules_are_read(void **state)
{
    (void)state;
    static const struct { const char *rule, *time; int minutes; } cases[] = {
        {"UTC0", "2026-07-01T00:00:00Z", 0}, {"<+0545>-5:45", "2026-07-01T00:00:00Z", 345}, {"", "2026-07-01T00:00:00Z", 0},
        {"EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z", -300}, {"EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", -240},
        {"EST5EDT,M3.2.0,M11.1.0", "2026-11-01T05:59:59Z", -240}, {"EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", -300},
        {"AAA3BBB2:30,J60/0,J300/0", "2028-03-01T02:59:59Z", -180}, {"AAA3BBB2:30,J60/0,J300/0", "2028-03-01T03:00:00Z", -150},
        {"AAA3BBB,59/0,300/0", "2028-02-29T03:00:00Z", -120}, {"AAA3BBB,59/0,300/0", "2027-03-01T02:59:59Z", -180},
        {"XXX3EDT4,0/0,J365/23", "2026-12-31T23:59:59Z", -240}, {"XXX3EDT4,0/0,J365/23", "2026-06-30T00:00:00Z", -240},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -120}, {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -60},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z", 180}, {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-27T23:59:59Z", 120},
        {"<+11>-11<+1030>-10:30,M4.1.0/3,M10.1.0/2", "2026-01-01T00:00:00Z", 660}};
    static const char *const broken[] = {"UT0", "UTC", "UTC0 ", "<+1>1", "<UTC0", "UTC25", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M3.2.0,M11.1.0,",
                                         "EST5EDT,M13.2.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0", "EST5EDT,M3.2.7,M11.1.0", "EST5EDT,J0,J1",
                                         "EST5EDT,366,1", "EST5EDT,1/168,2", "EST5EDT,1/2:60,2", "EST5:EDT,1,2", "EST5EDT,M3.2,M11.1.0"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hf_zone *zone = NULL;
        assert_true_of(decode(cases[i].rule, &zone) == HF_OK, "%s", cases[i].rule);
        int64_t minutes = hf_zone_offset_ms(zone, at(cases[i].time), NULL) / HF_MINUTE_MS;
        assert_true_of(minutes == cases[i].minutes, "%s at %s: %lld", cases[i].rule, cases[i].time, (long long)minutes);
        hf_zone_free(&zone);
    }
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct hf_zone *zone = NULL;
        assert_true_of(decode(broken[i], &zone) == HF_CORRUPT && zone == NULL, "%s", broken[i]);
    }
}

/* Whatever is cut off a file, or added to a count of it, is found out, or does no harm. */
static void damage_is_found(void **state)
{
    (void)state;
    FILE *file = fopen(HF_ZONE_DIRECTORY "/America/New_York", "rb");
    assert_non_null(file);
    unsigned char whole[8192], copy[8192];
    size_t len = fread(whole, 1, sizeof whole, file);
    fclose(file);
    assert_true(len > 1000 && len < sizeof whole);
    struct hf_zone *zone = NULL;
    for (size_t cut = 0; cut < len; cut++) {
        unsigned char *exact = malloc(cut + 1); /* so that a sanitizer sees the first byte past it */
        memcpy(exact, whole, cut);
        enum hf_err err = hf_zone_decode(exact, cut, &zone);
        assert_true_of(err == (cut < 44 ? HF_NOTFOUND : HF_CORRUPT), "%zu: %s", cut, hf_strerror(err));
        free(exact);
    }
    for (size_t i = 0; i < len; i++)
        for (int value = 0; value < 256; value += 51) {
            memcpy(copy, whole, len);
            copy[i] = (unsigned char)value;
            if (hf_zone_decode(copy, len, &zone) == HF_OK) {
                int64_t offset_ms = hf_zone_offset_ms(zone, at("2026-11-23T00:00:00Z"), NULL);
                assert_true(offset_ms > -2 * HF_DAY_MS && offset_ms < 2 * HF_DAY_MS);
                hf_zone_free(&zone);
            }
        }
}

static void local_times_are_written(void **state)
{
    (void)state;
    char text[HF_UTC_TEXT];
    assert_string_equal(hf_format_local(at("2026-11-23T19:00:02Z"), 330 * HF_MINUTE_MS, text), "2026-11-24T00:30:02+05:30");
    assert_string_equal(hf_format_local(at("2026-11-23T02:00:00.5Z"), -210 * HF_MINUTE_MS, text), "2026-11-22T22:30:00.500-03:30");
    assert_string_equal(hf_format_local(at("2026-11-23T02:00:00Z"), -30 * HF_MINUTE_MS, text), "2026-11-23T01:30:00-00:30");
    assert_string_equal(hf_format_local(at("2026-11-23T02:00:00Z"), 0, text), "2026-11-23T02:00:00+00:00");
}

UNIT_TESTS(unit(names_are_checked), unit(offsets_are_fixed), unit(zones_change_when_they_do), unit(every_zone_of_the_system),
           unit(rules_are_read), unit(damage_is_found), unit(local_times_are_written))
