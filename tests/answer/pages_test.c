/* SPDX-License-Identifier: Apache-2.0 */
/* The pages for browsers, from files of a folder, without any store. */
#include "asking.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "answer/pages.h"

static char home[64];
static struct pages *pages;

static void write_file(const char *name, const void *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static char style[5000];

static int set_up(void **state)
{
    (void)state;
    strcpy(home, "/tmp/hourfold-pages-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    for (size_t i = 0; i < sizeof style; i++)
        style[i] = "body { margin: 0 }\n"[i % 19];
    write_file("index.html", "<!doctype html>", 15);
    write_file("style.css", style, sizeof style);
    write_file("secret", "secret", 6);
    conf = (struct hf_conf){.query = {.threads = 1, .max_cells = 1500, .cors_origin = "*"}, .collect = {.token_sha256 = ""}};
    ok(access_new(&conf, &access_all, &why));
    answer = answer_new(&conf, access_all);
    return answer == NULL || pages_read(home, "/nonexistent", &pages, &why) != HF_OK ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"index.html", "style.css", "secret"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", home, names[i]);
        unlink(path);
    }
    pages_free(&pages);
    answer_free(&answer);
    access_free(&access_all);
    return rmdir(home);
}

static const struct answer_response *get(const char *uri, const char *accept_encoding, const char *if_none_match, unsigned status)
{
    struct answer_request request = {.method = "GET", .uri = uri, .accept_encoding = accept_encoding, .if_none_match = if_none_match,
                                     .pages = pages, .no_store = HF_NOTFOUND};
    const struct answer_response *response = answer_request(answer, &request);
    assert_true_of(response->status == status, "%s: %u: %.*s", uri, response->status, (int)response->body_bytes,
                   (const char *)response->body);
    assert_true(header_is(response, "X-Content-Type-Options", "nosniff"));
    return response;
}

static void a_page_needs_no_store(void **state)
{
    (void)state;
    const struct answer_response *response = get("/-/?key=a", NULL, NULL, 200);
    assert_int_equal(response->body_bytes, 15);
    assert_memory_equal(response->body, "<!doctype html>", 15);
    assert_true(header_is(response, "Content-Type", "text/html; charset=utf-8"));
    assert_true(header_is(response, "Cache-Control", "no-cache"));
    assert_true(header_is(response, "Referrer-Policy", "no-referrer"));
    const char *policy = header(response, "Content-Security-Policy");
    assert_non_null(policy);
    assert_memory_equal(policy, "default-src 'none'; ", 20);
    assert_null(strstr(policy, "unsafe"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
}

static void what_is_large_is_compressed_for_who_can_read_it(void **state)
{
    (void)state;
    unsigned char out[2 * sizeof style];
    const struct answer_response *response = get("/-/style.css", "deflate, gzip", NULL, 200);
    assert_true(header_is(response, "Content-Encoding", "gzip"));
    assert_true(header_is(response, "Vary", "Accept-Encoding"));
    assert_true(response->body_bytes < sizeof style / 10);
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)response->body, .avail_in = (uInt)response->body_bytes, .next_out = out, .avail_out = sizeof out};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, sizeof style);
    inflateEnd(&stream);
    assert_memory_equal(out, style, sizeof style);

    response = get("/-/style.css", "gzip;q=0", NULL, 200);
    assert_null(header(response, "Content-Encoding"));
    assert_true(header_is(response, "Vary", "Accept-Encoding"));
    assert_int_equal(response->body_bytes, sizeof style);
    assert_memory_equal(response->body, style, sizeof style);
    assert_null(header(get("/-/", "gzip", NULL, 200), "Content-Encoding")); /* nothing would be gained */
}

static void a_page_is_not_sent_twice(void **state)
{
    (void)state;
    char etag[ETAG_BYTES], other[ETAG_BYTES];
    strcpy(etag, header(get("/-/style.css", NULL, NULL, 200), "ETag"));
    strcpy(other, header(get("/-/", NULL, NULL, 200), "ETag"));
    assert_string_not_equal(etag, other);
    assert_string_equal(header(get("/-/style.css", "gzip", NULL, 200), "ETag"), etag);
    const struct answer_response *response = get("/-/style.css", "gzip", etag, 304);
    assert_int_equal(response->body_bytes, 0);
    assert_true(header_is(response, "ETag", etag));
    assert_non_null(header(response, "Content-Security-Policy"));
    get("/-/style.css", NULL, other, 200);
}

static void missing_files_are_said(void **state)
{
    (void)state;
    must_refuse(get("/-/dygraph.min.js", NULL, NULL, 404), "not_found", NULL);
    must_refuse(get("/-/secret", NULL, NULL, 404), "not_found", NULL);
    struct pages *none = NULL;
    ok(pages_read(home, "/nonexistent", &none, &why));
    assert_non_null(strstr(why.text, "cannot be read"));
    pages_free(&none);
    ok(pages_read("", "/nonexistent", &none, &why));
    assert_string_equal(why.text, "");
    for (int i = 0; i < 10; i++)
        assert_null(pages_get(none, i));
    pages_free(&none);
    assert_null(pages_get(NULL, 0));
    assert_null(pages_get(pages, -1));
    assert_null(pages_get(pages, 1000));
    assert_int_equal(pages_number("secret"), -1);
    assert_int_equal(pages_number("index.html"), -1); /* it has one name */
}

static void the_address_alone_leads_to_the_page(void **state)
{
    (void)state;
    assert_true(header_is(get("/", NULL, NULL, 302), "Location", "-/"));
    assert_true(header_is(get("/-", NULL, NULL, 302), "Location", "-/"));
    struct answer_request request = {.method = "POST", .uri = "/-/", .pages = pages};
    assert_int_equal(answer_request(answer, &request)->status, 405);
}

static void a_file_too_long_is_missing(void **state)
{
    (void)state;
    char *much = calloc(1, PAGES_FILE_MAX + 1);
    struct pages *again = NULL;
    assert_non_null(much);
    write_file("style.css", much, PAGES_FILE_MAX + 1);
    ok(pages_read(home, "", &again, &why));
    assert_null(pages_get(again, pages_number("style.css")));
    assert_non_null(pages_get(again, pages_number("")));
    pages_free(&again);
    free(much);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        unit(a_page_needs_no_store), unit(what_is_large_is_compressed_for_who_can_read_it), unit(a_page_is_not_sent_twice),
        unit(missing_files_are_said), unit(the_address_alone_leads_to_the_page), unit(a_file_too_long_is_missing)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
