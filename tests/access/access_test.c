/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <sodium.h>

#include "access/access.h"

static void globs_match(void **state)
{
    (void)state;
    static const struct { const char *pattern, *text; bool match; } cases[] = {
        {"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "anything.at-all", true}, {"?", "", false},
        {"?", "a", true}, {"?", "ab", false}, {"a", "a", true}, {"a", "b", false}, {"a", "ab", false}, {"ab", "a", false},
        {"checkout.*", "checkout.latency", true}, {"checkout.*", "checkout.", true}, {"checkout.*", "checkout", false},
        {"checkout.*", "xcheckout.a", false}, {"*.latency", "a.b.latency", true}, {"*.latency", "latency", false},
        {"*.latency", "a.latency.b", false}, {"a*b*c", "abc", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "abcb", false},
        {"a*b*c", "abcbc", true}, {"a**b", "ab", true}, {"a?c*", "abc", true}, {"a?c*", "ac", false}, {"*a", "aaaa", true},
        {"*ab", "aab", true}, {"*aab*", "aaaab", true}, {"?*?", "a", false}, {"?*?", "ab", true}, {"**", "", true},
        {"*?", "", false}, {"A", "a", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true_of(access_glob(cases[i].pattern, strlen(cases[i].pattern), cases[i].text, strlen(cases[i].text)) ==
                           cases[i].match, "\"%s\" on \"%s\"", cases[i].pattern, cases[i].text);
    /* The bytes behind the lengths do not count. */
    assert_true(access_glob("a*zzz", 2, "abczzz", 3));
    assert_false(access_glob("abc", 3, "abcd", 4));
    /* Many stars against a long text that fails at its end: exponential where every star is tried again. */
    char text[200];
    memset(text, 'a', sizeof text);
    assert_false(access_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", 34, text, sizeof text));
}

/* The definition, by trying everything. */
static bool slow_glob(const char *p, const char *t)
{
    if (*p == '\0')
        return *t == '\0';
    if (*p == '*')
        return slow_glob(p + 1, t) || (*t != '\0' && slow_glob(p, t + 1));
    return *t != '\0' && (*p == '?' || *p == *t) && slow_glob(p + 1, t + 1);
}

static void globs_agree_with_their_definition(void **state)
{
    (void)state;
    uint32_t x = 2463534242u; /* xorshift32 */
    unsigned matches = 0;
    for (int i = 0; i < 100000; i++) {
        char pattern[8], text[10];
        for (size_t k = 0; k < sizeof pattern; k++)
            x ^= x << 13, x ^= x >> 17, x ^= x << 5, pattern[k] = "aab**?\0\0"[x % 8];
        for (size_t k = 0; k < sizeof text; k++)
            x ^= x << 13, x ^= x >> 17, x ^= x << 5, text[k] = "aabb\0"[x % 5];
        pattern[sizeof pattern - 1] = text[sizeof text - 1] = '\0';
        bool expected = slow_glob(pattern, text);
        matches += expected;
        assert_true_of(access_glob(pattern, strlen(pattern), text, strlen(text)) == expected, "\"%s\" on \"%s\"", pattern,
                       text);
    }
    assert_true(matches > 1000 && matches < 99000);
}

static void tokens_are_random_and_hashed(void **state)
{
    (void)state;
    char token[ACCESS_TOKEN_BYTES], other[ACCESS_TOKEN_BYTES], hash[ACCESS_HASH_BYTES], expected[ACCESS_HASH_BYTES];
    unsigned char digest[crypto_hash_sha256_BYTES];
    assert_int_equal(access_token_new(other, hash), HF_OK);
    assert_int_equal(access_token_new(token, hash), HF_OK);
    assert_int_equal(strlen(token), 43);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    assert_string_not_equal(token, other);
    crypto_hash_sha256(digest, (const unsigned char *)token, strlen(token));
    assert_string_equal(hash, sodium_bin2hex(expected, sizeof expected, digest, sizeof digest));
}

/* ---- views ---- */

/* SHA-256 of "alpha", "beta" and "sender". */
#define HASH_ALPHA "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8"
#define HASH_BETA "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"
#define HASH_SENDER "0a367b92cf0b037dfd89960ee832d56f7fc151681bb41e53690e776f5786998a"

static const struct conf_view views[] = {
    {.name = "alpha", .keys = "checkout.*, search.latency", .stats = "*", .token_sha256 = HASH_ALPHA},
    {.name = "beta", .keys = "search.*", .stats = "avg , count,p099.90", .token_sha256 = HASH_BETA},
    {.name = "public", .keys = "status.*", .stats = "average", .token_sha256 = ""}};

static struct access *open_views(const struct conf_view *list, size_t count)
{
    struct hf_conf conf = {.collect.token_sha256 = "", .views = list, .view_count = count};
    struct access *access = NULL;
    struct hf_why why = {""};
    assert_true_of(access_new(&conf, &access, &why) == HF_OK, "%s", why.text);
    return access;
}

static bool may(const struct access *access, const char *authorization, const char *key, const char *stat)
{
    struct access_grant grant = access_check(access, authorization);
    return access_stat(&grant, key, strlen(key), stat);
}

static void without_views_all_is_open(void **state)
{
    (void)state;
    struct access *access = open_views(NULL, 0);
    struct access_grant grant = access_check(access, NULL);
    assert_true(access_open(access));
    assert_true(access_any(&grant));
    assert_true(access_key(&grant, "any", 3));
    assert_true(may(access, NULL, "any", "p99"));
    assert_true(may(access, "Bearer whatever", "any", "p99"));
    assert_true(access_send(access, NULL));
    access_free(&access);
    assert_null(access);
    access_free(&access);
}

static void views_give_what_they_say(void **state)
{
    (void)state;
    struct access *access = open_views(views, 3);
    static const struct { const char *authorization, *key, *stat; bool may; } cases[] = {
        {"Bearer alpha", "checkout.latency", "median", true},
        {"Bearer alpha", "checkout.latency", "all", true},
        {"Bearer alpha", "search.latency", "p99", true},
        {"Bearer alpha", "search.depth", "average", false},
        {"Bearer beta", "search.depth", "average", true},
        {"Bearer beta", "search.depth", "p99.9", true},
        {"Bearer beta", "search.depth", "p99", false},
        {"Bearer beta", "search.depth", "all", false},
        {"Bearer beta", "checkout.latency", "average", false},
        {"Bearer gamma", "checkout.latency", "average", false},
        {"Bearer gamma", "status.up", "average", true}, /* public, whatever comes with it */
        {NULL, "status.up", "average", true},
        {NULL, "status.up", "median", false},
        {NULL, "checkout.latency", "median", false},
        {"Bearer alpha", "status.up", "average", true},
        {"bearer alpha", "checkout.latency", "median", true},
        {"BEARER  alpha ", "checkout.latency", "median", true},
        {"Beareralpha", "checkout.latency", "median", false},
        {"Bearer", "checkout.latency", "median", false},
        {"Bearer ", "checkout.latency", "median", false},
        {"Bear", "checkout.latency", "median", false},
        {"", "checkout.latency", "median", false},
        {"alpha", "checkout.latency", "median", false},
        {"Basic alpha", "checkout.latency", "median", false},
        {"Bearer Alpha", "checkout.latency", "median", false},
        {"Bearer alph", "checkout.latency", "median", false},
        {"Bearer alphaa", "checkout.latency", "median", false},
        {"Bearer alpha beta", "checkout.latency", "median", false},
        {"Bearer " HASH_ALPHA, "checkout.latency", "median", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true_of(may(access, cases[i].authorization, cases[i].key, cases[i].stat) == cases[i].may, "%s: %s %s",
                       cases[i].authorization != NULL ? cases[i].authorization : "(none)", cases[i].key, cases[i].stat);

    struct access_grant grant = access_check(access, "Bearer beta");
    assert_true(grant.presented && grant.known);
    assert_true(access_key(&grant, "search.x", 8) && access_key(&grant, "status.x", 8));
    assert_false(access_key(&grant, "checkout.x", 10));
    grant = access_check(access, "Bearer gamma");
    assert_true(grant.presented && !grant.known);
    grant = access_check(access, NULL);
    assert_true(!grant.presented && !grant.known);
    assert_true(access_any(&grant)); /* the public view */
    assert_false(access_open(access));
    access_free(&access);
}

static void a_public_view_has_no_token(void **state)
{
    (void)state;
    /* The stored hash of a public view is all zero; so is that of a request without a token. */
    struct access *access = open_views(views, 2);
    struct access_grant grant = access_check(access, NULL);
    assert_false(grant.known);
    assert_false(access_any(&grant));
    assert_false(access_key(&grant, "checkout.x", 10));
    access_free(&access);
    access = open_views(views + 2, 1);
    grant = access_check(access, NULL);
    assert_false(grant.known);
    assert_true(access_any(&grant));
    access_free(&access);
}

static void no_token_is_not_the_token_that_hashes_to_zero(void **state)
{
    (void)state;
    const struct conf_view zero = {.name = "zero", .keys = "*", .stats = "*",
                                   .token_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"};
    struct access *access = open_views(&zero, 1);
    assert_false(may(access, NULL, "a", "min"));
    assert_false(may(access, "Basic x", "a", "min"));
    access_free(&access);
}

static void every_view_has_its_own_bit(void **state)
{
    (void)state;
    struct conf_view many[256];
    char keys[256][8], hashes[256][ACCESS_HASH_BYTES], tokens[256][ACCESS_TOKEN_BYTES], header[80];
    for (int i = 0; i < 256; i++) {
        assert_int_equal(access_token_new(tokens[i], hashes[i]), HF_OK);
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        many[i] = (struct conf_view){.name = "v", .keys = keys[i], .stats = "*", .token_sha256 = hashes[i]};
    }
    struct access *access = open_views(many, 256);
    for (int i = 0; i < 256; i++) {
        snprintf(header, sizeof header, "Bearer %.*s", ACCESS_TOKEN_BYTES, tokens[i]);
        for (int k = 0; k < 256; k++)
            assert_true_of(may(access, header, keys[k], "sum") == (i == k), "token %d, key %d", i, k);
    }
    access_free(&access);
}

static void must_look_at(const struct access *access, const char *authorization, const char *expected)
{
    char found[200] = "", prefix[ACCESS_PREFIX_BYTES];
    struct access_grant grant = access_check(access, authorization);
    for (bool any = access_next_prefix(&grant, true, prefix); any; any = access_next_prefix(&grant, false, prefix)) {
        strcat(found, prefix);
        strcat(found, ";");
    }
    assert_string_equal(found, expected);
}

static void prefixes_cover_the_keys(void **state)
{
    (void)state;
    static const struct conf_view lists[] = {
        {.name = "a", .keys = "b.*,a.x,a.x,ab?,abc.*,z", .stats = "*", .token_sha256 = HASH_ALPHA},
        {.name = "b", .keys = "*.latency,a*", .stats = "*", .token_sha256 = HASH_BETA},
        {.name = "c", .keys = "b*,status.*.up", .stats = "*", .token_sha256 = ""}};
    struct access *access = open_views(lists, 3);
    must_look_at(access, "Bearer alpha", "a.x;ab;b;status.;z;");
    must_look_at(access, "Bearer beta", ";");
    must_look_at(access, NULL, "b;status.;");
    access_free(&access);
    access = open_views(lists, 2);
    must_look_at(access, NULL, "");
    access_free(&access);
    access = open_views(NULL, 0);
    must_look_at(access, NULL, ";");
    access_free(&access);
}

static void impossible_views_are_refused(void **state)
{
    (void)state;
    static const struct { struct conf_view view; const char *named; } cases[] = {
        {{"v", "", "*", ""}, "keys"}, {{"v", "a,,b", "*", ""}, "keys"}, {{"v", "a b", "*", ""}, "keys"},
        {{"v", "a/b", "*", ""}, "keys"}, {{"v", "[ab]", "*", ""}, "keys"}, {{"v", "a,", "*", ""}, "keys"},
        {{"v", "*", "p101", ""}, "stats"}, {{"v", "*", "average,", ""}, "stats"}, {{"v", "*", "Average", ""}, "stats"},
        {{"v", "*", "p*", ""}, "stats"}, {{"v", "*", "*", "abc"}, "token_sha256"},
        {{"v", "*", "*", HASH_ALPHA "00"}, "token_sha256"},
        {{"v", "*", "*", "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223fg"}, "token_sha256"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hf_conf conf = {.collect.token_sha256 = "", .views = &cases[i].view, .view_count = 1};
        struct access *access = NULL;
        struct hf_why why = {""};
        assert_true_of(access_new(&conf, &access, &why) == HF_INVALID, "case %zu", i);
        assert_null(access);
        assert_true_of(strstr(why.text, cases[i].named) != NULL && strstr(why.text, "[view v]") != NULL, "%s", why.text);
    }
    struct conf_view many[257];
    for (size_t i = 0; i < 257; i++)
        many[i] = views[0];
    struct hf_conf conf = {.collect.token_sha256 = "", .views = many, .view_count = 257};
    struct access *access = NULL;
    assert_int_equal(access_new(&conf, &access, NULL), HF_INVALID);
    conf = (struct hf_conf){.collect.token_sha256 = "xyz"};
    assert_int_equal(access_new(&conf, &access, NULL), HF_INVALID);
}

static void sending_may_need_a_token(void **state)
{
    (void)state;
    struct hf_conf conf = {.collect.token_sha256 = HASH_SENDER, .views = views, .view_count = 3};
    struct access *access = NULL;
    assert_int_equal(access_new(&conf, &access, NULL), HF_OK);
    assert_true(access_send(access, "Bearer sender"));
    assert_false(access_send(access, NULL));
    assert_false(access_send(access, ""));
    assert_false(access_send(access, "Bearer"));
    assert_false(access_send(access, "Bearer alpha"));
    assert_false(access_send(access, "Basic sender"));
    access_free(&access);
}

UNIT_TESTS(unit(globs_match), unit(globs_agree_with_their_definition), unit(tokens_are_random_and_hashed),
           unit(without_views_all_is_open), unit(views_give_what_they_say), unit(a_public_view_has_no_token),
           unit(no_token_is_not_the_token_that_hashes_to_zero), unit(every_view_has_its_own_bit), unit(prefixes_cover_the_keys), unit(impossible_views_are_refused), unit(sending_may_need_a_token))
