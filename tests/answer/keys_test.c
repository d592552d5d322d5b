/* SPDX-License-Identifier: Apache-2.0 */
/* Listings for views that see few of very many keys. */
#include "asking.h"

#include "answer/keys.h"

#define MANY (2 * KEYS_LOOKED_AT_MAX + 500)
#define SEEN_EVERY 60000

/* "k.0000000" and so on; every so many of them ends in ".seen". */
static void write_keys(void)
{
    struct store *store = open_store(STORE_WRITER);
    for (unsigned i = 0; i < MANY;) {
        struct store_write *write;
        ok(store_write_begin(store, &write, &why));
        for (unsigned end = i + 5000; i < end && i < MANY; i++) {
            char key[32];
            snprintf(key, sizeof key, "k.%07u%s", i, i % SEEN_EVERY == SEEN_EVERY / 2 ? ".seen" : "");
            ok(store_write_key(write, key, strlen(key), hf_hour_of(DAY_MS)));
        }
        ok(store_write_commit(&write, &why));
    }
    store_close(&store);
}

static struct answer *answer_for(const char *keys, struct access **access)
{
    static struct hf_conf with_view;
    static struct conf_view view;
    with_view = conf;
    view = (struct conf_view){.name = "v", .keys = keys, .stats = "*", .token_sha256 = ""};
    with_view.views = &view;
    with_view.view_count = 1;
    ok(access_new(&with_view, access, &why));
    return answer_new(&with_view, *access);
}

static void a_page_looks_at_so_many_keys_and_no_more(void **state)
{
    (void)state;
    struct access *access = NULL;
    struct answer *guarded = answer_for("*.seen", &access);
    char after[64] = "", uri[200];
    unsigned pages = 0, found = 0;
    for (bool more = true; more; pages++) {
        snprintf(uri, sizeof uri, "/-/keys?after=%s", after);
        struct answer_request request = request_of(uri);
        const struct answer_response *response = answer_request(guarded, &request);
        assert_int_equal(response->status, 200);
        json_object *document = parse(response), *list = member(document, "keys");
        for (size_t i = 0; i < json_object_array_length(list); i++, found++) {
            char expected[32];
            snprintf(expected, sizeof expected, "k.%07u.seen", found * SEEN_EVERY + SEEN_EVERY / 2);
            assert_string_equal(json_object_get_string(json_object_array_get_idx(list, i)), expected);
        }
        more = member(document, "next") != NULL;
        if (more)
            snprintf(after, sizeof after, "%s", json_object_get_string(member(document, "next")));
        json_object_put(document);
        assert_true(pages < 10);
    }
    assert_int_equal(found, 3);
    assert_true(pages > 1);
    answer_free(&guarded);
    access_free(&access);
}

static void where_none_is_seen_it_says_so(void **state)
{
    (void)state;
    struct access *access = NULL;
    struct answer *guarded = answer_for("*.none", &access);
    struct answer_request request = request_of("/-/keys");
    const struct answer_response *response = answer_request(guarded, &request);
    char body[500];
    assert_int_equal(response->status, 400);
    assert_true((size_t)snprintf(body, sizeof body, "%.*s", (int)response->body_bytes, (const char *)response->body) < sizeof body);
    assert_non_null(strstr(body, "\"too_many_keys\""));
    assert_null(strstr(body, "k.0"));
    request.uri = "/-/keys?prefix=k.012";
    assert_int_equal(answer_request(guarded, &request)->status, 200);
    answer_free(&guarded);
    access_free(&access);
}

static void all_are_listed_to_who_sees_them(void **state)
{
    (void)state;
    json_object *document = ask_json("/-/keys?limit=10000&after=k.0100000");
    assert_int_equal(json_object_array_length(member(document, "keys")), 10000);
    assert_string_equal(json_object_get_string(member(document, "next")), "k.0110000");
    json_object_put(document);
}

static void rows_are_refused(void **state)
{
    (void)state;
    const struct answer_response *response = ask("/-/series?key=*.seen&stat=max&from=" DAY, 400);
    assert_non_null(strstr(response->body, "\"too_many_keys\""));
}

static int begin(void **state)
{
    (void)state;
    if (make_folder() != 0)
        return -1;
    write_keys();
    return open_to_ask();
}

static int end(void **state)
{
    (void)state;
    close_to_ask();
    return remove_folder();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {unit(a_page_looks_at_so_many_keys_and_no_more), unit(where_none_is_seen_it_says_so),
                                              unit(all_are_listed_to_who_sees_them), unit(rows_are_refused)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, begin, end);
}
