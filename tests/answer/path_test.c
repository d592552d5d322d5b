/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "answer/pages.h"
#include "answer/path.h"
#include "base/utc.h"

#define K200 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct query_path accepted(const char *uri, const char *accept)
{
    struct query_path path;
    struct sample_fault fault = {0};
    assert_true_of(query_path_read(uri, accept, &path, &fault) == HF_OK, "%s: %s", uri, fault.message);
    return path;
}

/* ---- must accept ---- */

static void hours_are_read(void **state)
{
    (void)state;
    static const struct { const char *uri, *key, *stat; unsigned hour; bool by_minute; enum path_format format; } cases[] = {
        {"/checkout.latency/median/2026-11-23/18", "checkout.latency", "median", 18, false, PATH_JSON},
        {"/a/avg/2026-11-23/0", "a", "average", 0, false, PATH_JSON},
        {"/a/mean/2026-11-23/00", "a", "average", 0, false, PATH_JSON},
        {"/a/average/2026-11-23/09", "a", "average", 9, false, PATH_JSON},
        {"/a/average/2026-11-23/23", "a", "average", 23, false, PATH_JSON},
        {"/A-z_0:9.b/p99.9/2026-11-23/1?by=minute", "A-z_0:9.b", "p99.9", 1, true, PATH_JSON},
        {"/a/p099.90/2026-11-23/1", "a", "p99.9", 1, false, PATH_JSON},
        {"/a/p50/2026-11-23/1?format=csv", "a", "p50", 1, false, PATH_CSV},
        {"/a/p50/2026-11-23/1?format=json", "a", "p50", 1, false, PATH_JSON},
        {"/a/all/2026-11-23/1?format=csv&by=minute", "a", "all", 1, true, PATH_CSV},
        {"/a/all/2026-11-23/1?", "a", "all", 1, false, PATH_JSON},
        {"/a/all/2026-11-23/1?&&", "a", "all", 1, false, PATH_JSON},
        {"/a/all/2026-11-23/1?x=y&z&limit=zzz&prefix=%00&b%79=minute", "a", "all", 1, true, PATH_JSON},
        {"/%61%2e%62/m%69n/2026%2D11-23/%31%32", "a.b", "min", 12, false, PATH_JSON},
        {"/all/all/2026-11-23/1", "all", "all", 1, false, PATH_JSON},
        {"/keys/max/2024-02-29/1", "keys", "max", 1, false, PATH_JSON},
        {"/collect.x/max/2024-02-29/1", "collect.x", "max", 1, false, PATH_JSON},
        {"/" K200 "/sum/2026-11-23/7", K200, "sum", 7, false, PATH_JSON},
        {"/a/sum/2026-11-23/7#fragment", "a", "sum", 7, false, PATH_JSON},
        {"/a/sum/2026-11-23/7?by=minute#fragment", "a", "sum", 7, true, PATH_JSON}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct query_path path = accepted(cases[i].uri, NULL);
        assert_true_of(path.kind == PATH_HOUR, "%s", cases[i].uri);
        assert_string_equal(path.key, cases[i].key);
        assert_int_equal(path.key_bytes, strlen(cases[i].key));
        assert_string_equal(path.stat.name, cases[i].stat);
        assert_true_of(path.hour == cases[i].hour, "%s", cases[i].uri);
        assert_true_of(path.by_minute == cases[i].by_minute, "%s", cases[i].uri);
        assert_true_of(path.format == cases[i].format, "%s", cases[i].uri);
    }
    char text[HF_UTC_TEXT];
    struct query_path path = accepted("/a/p0/2026-11-23/1", NULL);
    assert_string_equal(hf_format_utc(path.date_ms, text), "2026-11-23T00:00:00Z");
}

static void other_paths_are_read(void **state)
{
    (void)state;
    struct query_path path = accepted("/a.b/stddev/2026-11-23", NULL);
    assert_int_equal(path.kind, PATH_DAY);
    assert_string_equal(path.key, "a.b");
    path = accepted("/a/stddev/1969-12-31?format=csv", NULL);
    assert_int_equal(path.kind, PATH_DAY);
    assert_int_equal(path.format, PATH_CSV);
    assert_true(path.date_ms == -HF_DAY_MS);

    path = accepted("/-/keys", NULL);
    assert_int_equal(path.kind, PATH_KEYS);
    assert_string_equal(path.prefix, "");
    assert_string_equal(path.after, "");
    assert_int_equal(path.limit, PATH_LIMIT_DEFAULT);
    path = accepted("/-/keys?prefix=checkout.&after=checkout%2elatency&limit=2&by=nothing", NULL);
    assert_string_equal(path.prefix, "checkout.");
    assert_string_equal(path.after, "checkout.latency");
    assert_int_equal(path.limit, 2);
    path = accepted("/-/keys?prefix=&after=&limit=10000&format=csv", NULL);
    assert_int_equal(path.limit, 10000);
    assert_int_equal(path.format, PATH_CSV);
    path = accepted("/-/keys?match=*late%3fcy*,cpu&limit=60", NULL);
    assert_true(path.keys.count == 2 && path.prefix[0] == '\0' && path.limit == 60);
    assert_int_equal(accepted("/-/keys", NULL).keys.count, 0);
    path = accepted("/-/keys?after=" K200 "&prefix=" K200, NULL);
    assert_string_equal(path.after, K200);
    assert_string_equal(path.prefix, K200);
    assert_int_equal(accepted("/-/health", NULL).kind, PATH_HEALTH);
    assert_int_equal(accepted("/-/health?format=xml", NULL).kind, PATH_HEALTH);
    assert_int_equal(accepted("/-/metrics", NULL).kind, PATH_METRICS);
    assert_int_equal(accepted("/%2d/metrics", NULL).kind, PATH_METRICS);
}

static void times_and_zones_are_read(void **state)
{
    (void)state;
    char text[HF_UTC_TEXT];
    struct query_path path = accepted("/-/series?key=a.*,b%3f&stat=avg&from=2026-11-23&to=1795460402.5&step=minute&tz=Asia/Kolkata",
                                      "text/csv");
    assert_int_equal(path.kind, PATH_SERIES);
    assert_int_equal(path.format, PATH_CSV);
    assert_string_equal(path.stat.name, "average");
    assert_true(path.by_minute && path.from.given && path.from.date && path.to.given && !path.to.date);
    assert_string_equal(hf_format_utc(path.from.ms, text), "2026-11-23T00:00:00Z");
    assert_string_equal(hf_format_utc(path.to.ms, text), "2026-11-23T19:00:02.500Z");
    assert_string_equal(path.tz, "Asia/Kolkata");
    assert_int_equal(path.keys.count, 2);
    assert_true(globs_match(&path.keys, "a.c", 3) && globs_match(&path.keys, "bx", 2) && !globs_match(&path.keys, "a", 1));
    path = accepted("/-/series?stat=p99&key=a&from=2026-11-23T18:00:00+05:30&tz=+05:30", NULL);
    assert_true(!path.by_minute && !path.to.given && !path.from.date);
    assert_string_equal(hf_format_utc(path.from.ms, text), "2026-11-23T12:30:00Z");
    assert_string_equal(path.tz, "+05:30");
    path = accepted("/a/max/2026-11-23?tz=America%2FNew_York", NULL);
    assert_string_equal(path.tz, "America/New_York");
}

/* ---- must reject ---- */

static void rejected(const char *uri, enum hf_err err, const char *code, const char *parameter)
{
    struct query_path path;
    struct sample_fault fault = {0};
    enum hf_err got = query_path_read(uri, NULL, &path, &fault);
    assert_true_of(got == err, "%s: %s", uri, hf_strerror(got));
    assert_true_of(strcmp(fault.code, code) == 0, "%s: code %s", uri, fault.code);
    assert_true_of(strcmp(fault.parameter, parameter) == 0, "%s: parameter %s", uri, fault.parameter);
    assert_true_of(strlen(fault.message) > 10 && strlen(fault.message) < sizeof fault.message - 1, "%s: %s", uri,
                   fault.message);
}

static void malformed_parts_are_named(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "", ".", "..", "%2e", "%2e%2e", ".a", "-a", "_a", ":a", "collect", "%63ollect", "a%2Fb", "a%2fb", "%2F", "a%00", "%00",
        "a%", "a%4", "a%zz", "a%g1", "a b", "a+b", "a%20b", "a%0a", "a%0D%0A", "a,b", "a;b", "a*b", "a@b", "a~b", "a\\b",
        "a%5cb", "a%25b", "a\"b", "a<b", "a&b", "a=b", "caf\xc3\xa9", "caf%C3%A9", "a%c0%af", "a%c0%80", "a\xc0\xaf",
        "a%ff", "a\xff", "%e2%80%ae", "a%ed%a0%80", K200 "a", K200 K200, "-", "collect%00"};
    static const char *const stats[] = {
        "", "Average", "avg%00", "medians", "p", "p101", "p100.1", "p-1", "p1e1", "p1.", "p.5", "p99,9", "p 9", "p%209", "P99",
        "p1000", "p0000", "p1.1234567890123", "p99.9x", "p99..9", "p99.9.9", "p%", "percentile", "ALL", "all%20", "..", "%2e%2e",
        "stdev", "throughput%2f", "nan", "p\xd9\xa1", "pppppppppppppppppppppppppppppppppppppppppppppp",
        "p00000000000000000000000000000000000000000000099", "p0x1", "p+1"};
    static const char *const dates[] = {
        "", "2026-11-31", "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "2026-1-1", "26-01-01",
        "20260101", "2026-01-01T00", "2026-01-01%00", "2026-01-01%20", "%202026-01-01", "2026/01", "today", "..", "2026-01-0a",
        "+2026-01-01", "-2026-01-01", "12026-01-01", "2026-01-011", "2026-%", "2026-01-01-01-01-01-01-01-01-01-01-01-01-01"};
    static const char *const hours[] = {
        "", "24", "99", "007", "000", "+1", "-1", "1.0", "1e1", " 1", "%201", "1%20", "0x1", "a", "1a", "%", "%3", "%00", "1%00",
        "18446744073709551617", "..", "\xd9\xa1", "1,2", "1-2", "1111111111111111111111111111111111111111"};
    char uri[1024];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(uri, sizeof uri, "/%s/median/2026-11-23/18", keys[i]);
        if (strchr(keys[i], '?') == NULL)
            rejected(uri, HF_INVALID, "bad_key", "key");
        snprintf(uri, sizeof uri, "/%s/median/2026-11-23", keys[i]);
        rejected(uri, HF_INVALID, "bad_key", "key");
    }
    for (size_t i = 0; i < sizeof stats / sizeof *stats; i++) {
        snprintf(uri, sizeof uri, "/a/%s/2026-11-23/18", stats[i]);
        rejected(uri, HF_INVALID, "bad_stat", "stat");
        snprintf(uri, sizeof uri, "/a/%s/2026-11-23", stats[i]);
        rejected(uri, HF_INVALID, "bad_stat", "stat");
    }
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        snprintf(uri, sizeof uri, "/a/median/%s/18", dates[i]);
        if (strchr(dates[i], '/') == NULL)
            rejected(uri, HF_INVALID, "bad_date", "date");
        snprintf(uri, sizeof uri, "/a/median/%s", dates[i]);
        rejected(uri, HF_INVALID, "bad_date", "date");
    }
    for (size_t i = 0; i < sizeof hours / sizeof *hours; i++) {
        snprintf(uri, sizeof uri, "/a/median/2026-11-23/%s", hours[i]);
        rejected(uri, HF_INVALID, "bad_hour", "hour");
    }
    /* The first offence is the one that is named. */
    rejected("/-/x/y/z", HF_INVALID, "bad_key", "key");
    rejected("/a/x/y/z", HF_INVALID, "bad_stat", "stat");
    rejected("/a/min/y/z?by=x", HF_INVALID, "bad_date", "date");
}

static void pages_are_a_fixed_list(void **state)
{
    (void)state;
    static const char *const to_page[] = {"/", "/?", "/-", "/-?key=a"}, *const pages[] = {"", "style.css", "main.js", "dygraph.min.js"};
    for (size_t i = 0; i < sizeof to_page / sizeof *to_page; i++)
        assert_int_equal(accepted(to_page[i], NULL).kind, PATH_TO_PAGE);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        char uri[100];
        snprintf(uri, sizeof uri, "/-/%s?key=a&format=xml", pages[i]);
        struct query_path path = accepted(uri, NULL);
        assert_int_equal(path.kind, PATH_PAGE);
        assert_int_equal(path.page, pages_number(pages[i]));
    }
    assert_int_equal(accepted("/-/style%2ecss", NULL).page, pages_number("style.css"));
    static const char *const hostile[] = {"/-/..%2fstyle.css", "/-/%2e%2e/style.css", "/-/.", "/-/..", "/-/style.css%2f", "/-/../hourfold.conf",
                                          "/-/\\style.css", "/-/%5cstyle.css", "/%2d/../style.css", "/-/etc%2fpasswd", "/-//", "/-/style.css/"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct query_path path;
        struct sample_fault fault;
        assert_int_not_equal(query_path_read(hostile[i], NULL, &path, &fault), HF_OK);
    }
}

static void gzip_is_named(void **state)
{
    (void)state;
    static const char *const yes[] = {"gzip", "deflate, gzip", "br;q=1.0, GZIP ; q=0.1", "gzip;q=1"},
                             *const no[] = {"", "identity", "gzip;q=0", "deflate, gzip;q=0.0", "x-gzip", "gzip;q=x", "gzi p", ","};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true_of(query_accepts_gzip(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_true_of(!query_accepts_gzip(no[i]), "%s", no[i]);
    assert_false(query_accepts_gzip(NULL));
}

static void unknown_paths_are_not_found(void **state)
{
    (void)state;
    static const char *const uris[] = {
        "", "//", "?", "/a", "/a/", "/a/median", "/a/median/2026-11-23/18/", "/a/median/2026-11-23/18/0",
        "/a/median/2026-11-23/18//", "/a/b/c/d/e/f/g/h", "/-/key", "/-/index.html", "/-/style.css%00", "/-/STYLE.css", "/-/keys%00", "/-/Keys", "/-/%", "/%/keys",
        "/-%2fkeys", "/-//keys/x/y", "a/median/2026-11-23/18", "http://host/a/median/2026-11-23/18", "*", "/collect",
        "/favicon.ico", "/-/healthhealthhealthhealthhealthhealthhealth"};
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++)
        rejected(uris[i], HF_NOTFOUND, "not_found", "");
    char *slashes = malloc(100001);
    memset(slashes, '/', 100000);
    slashes[100000] = '\0';
    rejected(slashes, HF_NOTFOUND, "not_found", "");
    memset(slashes + 1, 'a', 99999);
    rejected(slashes, HF_NOTFOUND, "not_found", "");
    memcpy(slashes + 99980, "/min/2026-11-23/0\0", 18);
    rejected(slashes, HF_INVALID, "bad_key", "key");
    free(slashes);
}

static void bad_parameters_are_named(void **state)
{
    (void)state;
    static const struct { const char *query, *parameter; } cases[] = {
        {"by=hour", "by"}, {"by=", "by"}, {"by", "by"}, {"by=Minute", "by"}, {"by=minute%00", "by"}, {"by=%", "by"},
        {"by=minute&by=minute", "by"}, {"b%79=x", "by"}, {"format=xml", "format"}, {"format=", "format"}, {"format=CSV", "format"},
        {"format=csv&format=csv", "format"}, {"x=1&by=second", "by"}, {"by=minutebyminutebyminutebyminutebyminute", "by"}};
    static const struct { const char *query, *parameter; } keys[] = {
        {"limit=0", "limit"}, {"limit=10001", "limit"}, {"limit=-1", "limit"}, {"limit=", "limit"}, {"limit=1e3", "limit"},
        {"limit=99999999999999999999999", "limit"}, {"limit=+5", "limit"}, {"limit=5&limit=5", "limit"}, {"prefix=a%00", "prefix"}, {"match=", "match"}, {"match=a,,b", "match"}, {"match=a%2f*", "match"},
        {"match=a*&prefix=a", "match"}, {"prefix=&match=a*", "match"}, {"match=a&match=b", "match"},
        {"prefix=a+b", "prefix"}, {"prefix=%2F", "prefix"}, {"prefix=*", "prefix"}, {"prefix=" K200 "a", "prefix"},
        {"prefix=%e9", "prefix"}, {"after=a/b", "after"}, {"after=" K200 "a", "after"}, {"after=%", "after"},
        {"after=a&after=b", "after"}, {"format=text", "format"}};
    char uri[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(uri, sizeof uri, "/a/median/2026-11-23/18?%s", cases[i].query);
        rejected(uri, HF_INVALID, "bad_parameter", cases[i].parameter);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(uri, sizeof uri, "/-/keys?%s", keys[i].query);
        rejected(uri, HF_INVALID, "bad_parameter", keys[i].parameter);
    }
    rejected("/a/median/2026-11-23?by=minute", HF_INVALID, "bad_parameter", "by");
    rejected("/a/median/2026-11-23/3?tz=UTC", HF_INVALID, "bad_parameter", "tz");
}

static void parameters_of_series_are_checked(void **state)
{
    (void)state;
    static const struct { const char *query, *code, *parameter; } cases[] = {
        {"", "missing_parameter", "key"}, {"stat=max", "missing_parameter", "key"}, {"key=a", "missing_parameter", "stat"},
        {"key=&stat=max", "bad_key", "key"}, {"key=a,&stat=max", "bad_key", "key"}, {"key=,a&stat=max", "bad_key", "key"},
        {"key=a+b&stat=max", "bad_key", "key"}, {"key=a%00&stat=max", "bad_key", "key"}, {"key=a/b&stat=max", "bad_key", "key"},
        {"key=[a]&stat=max", "bad_key", "key"}, {"key=a&key=b&stat=max", "bad_parameter", "key"},
        {"key=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,A,B,C,D,E,F,G&stat=max", "bad_key", "key"},
        {"key=a&stat=all", "bad_stat", "stat"}, {"key=a&stat=p101", "bad_stat", "stat"}, {"key=a&stat=max&step=day", "bad_parameter", "step"},
        {"key=a&stat=max&from=yesterday", "bad_parameter", "from"}, {"key=a&stat=max&from=-1", "bad_parameter", "from"},
        {"key=a&stat=max&to=1969-12-31", "bad_parameter", "to"}, {"key=a&stat=max&to=1e300", "bad_parameter", "to"},
        {"key=a&stat=max&to=", "bad_parameter", "to"}, {"key=a&stat=max&to=2026-11-31", "bad_parameter", "to"},
        {"key=a&stat=max&from=2026-11-23T18:00:00", "bad_parameter", "from"}, {"key=a&stat=max&tz=", "bad_parameter", "tz"},
        {"key=a&stat=max&tz=../UTC", "bad_parameter", "tz"}, {"key=a&stat=max&tz=/etc/passwd", "bad_parameter", "tz"},
        {"key=a&stat=max&tz=%2e%2e/UTC", "bad_parameter", "tz"}, {"key=a&stat=max&tz=5", "bad_parameter", "tz"},
        {"key=a&stat=max&tz=UTC%00", "bad_parameter", "tz"}, {"key=a&stat=max&format=xml", "bad_parameter", "format"}};
    char uri[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(uri, sizeof uri, "/-/series?%s", cases[i].query);
        rejected(uri, HF_INVALID, cases[i].code, cases[i].parameter);
    }
}

/* ---- mounts ---- */

static void mounts_are_found(void **state)
{
    (void)state;
#define P "/a/median/2026-11-23/18"
    static const struct { const char *uri, *mount, *script_name, *path_info; size_t expected; } cases[] = {
        {P, NULL, NULL, NULL, 0},
        {P, NULL, "", P, 0},                           /* at the root */
        {P, NULL, "/", P, 0},
        {P, NULL, P, "", 0},                           /* ProxyPass: SCRIPT_NAME is the whole path */
        {P, NULL, P, NULL, 0},
        {"/stats" P, NULL, "/stats", P, 6},            /* ScriptAlias, fastcgi.server */
        {"/stats" P, NULL, "/stats/", P, 6},
        {"/stats" P "?by=minute", NULL, "/stats", P, 6},
        {"/x/y" P, NULL, "/x/y", P, 4},
        {"/st%61ts" P, NULL, "/stats", P, 8},          /* the server has decoded it */
        {"/my%20stats" P, NULL, "/my stats", P, 11},
        {"/dir" P, NULL, "/dir/query.fcgi", P, 4},     /* .htaccess: the script is not in the URL */
        {P, NULL, "/query.fcgi", P, 0},
        {"/dir/a%2Fb/median/2026-11-23/18", NULL, "/dir/query.fcgi", "/a/b/median/2026-11-23/18x", 4},
        {"/dir//a/median/2026-11-23/18", NULL, "/dir/query.fcgi", P, 5},
        {"/statsx" P, NULL, "/stats", "", 0},          /* not at the end of a part */
        {"/stats", NULL, "/stats", "", 0},
        {"/stats/", NULL, "/stats", "/", 6},
        {"/stats" P, "/stats", P, P, 6},               /* configured */
        {"/stats" P, "/stats/", NULL, NULL, 6},
        {"/stats" P, "", "/stats", P, 0},
        {"/stats" P, "/other", "/stats", P, 0},
        {"/stats" P, "stats", NULL, NULL, 0},
        {"", NULL, "/stats", "/x", 0},
        {"/%", NULL, "/%", "/%", 0},
        {"/%zz" P, NULL, "/%zz", P, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t got = query_path_mount(cases[i].uri, cases[i].mount, cases[i].script_name, cases[i].path_info);
        assert_true_of(got == cases[i].expected, "case %zu: %s: %zu", i, cases[i].uri, got);
    }
    char *slashes = malloc(60001);
    memset(slashes, '/', 60000);
    slashes[60000] = '\0';
    for (int i = 0; i < 100; i++)
        (void)query_path_mount(slashes, NULL, "/x", slashes); /* its square would take minutes */
    free(slashes);
#undef P
}

static void accept_is_weighed(void **state)
{
    (void)state;
    static const struct { const char *accept; bool csv; } cases[] = {
        {NULL, false}, {"", false}, {"*/*", false}, {"text/csv", true}, {"application/json", false},
        {"text/csv, application/json", false}, {"application/json;q=0.5, text/csv", true},
        {"text/csv;q=0.5, application/json", false}, {"text/csv, */*", true}, {"*/*, text/csv", true},
        {"text/csv;q=0.9, */*", false}, {"text/*", true}, {"text/*;q=0.5, */*;q=0.8", false},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false}, {"TEXT/CSV", true},
        {"text/csv; charset=utf-8", true}, {"text/csv;header=present;q=0.3, application/json;q=0.2", true},
        {"text/csv ; Q=0.1 , application/json ; q=0.2", false}, {"text/csv;q=0", false}, {"text/csv;q=x", false},
        {"text/csv;q=", false}, {"text/csv;q=2", false}, {",,,text/csv,,", true}, {"text/csvx", false}, {";q=1", false},
        {"application/*;q=0.1, text/csv;q=0.05", false}, {"application/json;q=0, text/csv;q=0", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true_of(query_accepts_csv(cases[i].accept) == cases[i].csv, "%s",
                       cases[i].accept != NULL ? cases[i].accept : "(none)");
    /* ?format= beats the header, either way. */
    assert_int_equal(accepted("/a/min/2026-11-23/1", "text/csv").format, PATH_CSV);
    assert_int_equal(accepted("/a/min/2026-11-23/1?format=json", "text/csv").format, PATH_JSON);
    assert_int_equal(accepted("/a/min/2026-11-23/1?format=csv", "application/json").format, PATH_CSV);
}

/* ---- names of statistics ---- */

static void statistics_have_one_name(void **state)
{
    (void)state;
    static const struct { const char *text, *name; uint64_t numerator; unsigned decimals; } cases[] = {
        {"p0", "p0", 0, 0}, {"p00", "p0", 0, 0}, {"p0.000", "p0", 0, 0}, {"p100", "p100", 100, 0},
        {"p100.000000000000", "p100", 100, 0}, {"p99.9", "p99.9", 999, 1}, {"p99.90", "p99.9", 999, 1},
        {"p099.9", "p99.9", 999, 1}, {"p0.000000000001", "p0.000000000001", 1, 12},
        {"p99.999999999999", "p99.999999999999", 99999999999999, 12}, {"p5", "p5", 5, 0}, {"p50.05", "p50.05", 5005, 2}};
    struct stat_spec stat;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(stat_parse(cases[i].text, strlen(cases[i].text), &stat), HF_OK);
        assert_int_equal(stat.kind, STAT_PERCENTILE);
        assert_string_equal(stat.name, cases[i].name);
        assert_true(stat.numerator == cases[i].numerator && stat.decimals == cases[i].decimals);
    }
    for (size_t i = 0; i < STAT_ALL_COUNT; i++) {
        assert_int_equal(stat_parse(stat_all[i].name, strlen(stat_all[i].name), &stat), HF_OK);
        assert_int_equal(stat.kind, stat_all[i].kind);
        assert_string_equal(stat.name, stat_all[i].name);
        assert_true(stat.numerator == stat_all[i].numerator && stat.decimals == stat_all[i].decimals);
    }
}

UNIT_TESTS(unit(hours_are_read), unit(other_paths_are_read), unit(times_and_zones_are_read), unit(parameters_of_series_are_checked), unit(malformed_parts_are_named),
           unit(unknown_paths_are_not_found), unit(pages_are_a_fixed_list), unit(gzip_is_named), unit(bad_parameters_are_named), unit(mounts_are_found),
           unit(accept_is_weighed), unit(statistics_have_one_name))
