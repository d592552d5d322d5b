/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, networks, and who sent a request that came through proxies. */
#include "../unit.h"

#include "access/address.h"

static struct address address(const char *text)
{
    struct address made;
    assert_true_of(address_parse(text, strlen(text), &made), "not taken: %s", text);
    return made;
}

static void addresses_are_whole(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " ", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4",
                                      "1.2.3.4:80", "[::1]", ":", "::1::", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "unknown",
                                      "::ffff:1.2.3.4.5", "1.2.3.4/8", "localhost", "0x7f.1.1.1",
                                      "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    struct address made;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(address_parse(bad[i], strlen(bad[i]), &made));
    assert_false(address_parse("1.2.3.4\0", 8, &made));
    assert_true(address_parse("1.2.3.45", 7, &made));
    struct address v4 = address("1.2.3.4"), mapped = address("::ffff:1.2.3.4");
    assert_memory_equal(&made, &v4, sizeof v4);
    assert_memory_equal(&mapped, &v4, sizeof v4);
    assert_memory_equal(address("2001:db8::1").bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

static void networks_hold_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *list, *address;
        bool held;
    } cases[] = {
        {"", "1.2.3.4", false},
        {"1.2.3.4", "1.2.3.4", true},
        {"1.2.3.4", "1.2.3.5", false},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3/8", "10.9.9.9", true}, /* bits past the length mean nothing */
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.200", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "203.0.113.9", true}, /* IPv4 lies within ::ffff:0:0/96 */
        {"::ffff:10.0.0.0/104", "10.1.1.1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1/128", "::1", true},
        {" 127.0.0.1 ,\t10.0.0.0/8, ::1", "::1", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_list *list = NULL;
        struct address a = address(cases[i].address);
        assert_int_equal(address_list_new(cases[i].list, &list, NULL), HF_OK);
        assert_true_of(address_list_holds(list, &a) == cases[i].held, "\"%s\" %s", cases[i].list, cases[i].address);
        address_list_free(&list);
        assert_null(list);
    }
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {",", "1.2.3.4,", "1.2.3.4,,1.2.3.5", "1.2.3.4 1.2.3.5", "1.2.3.4/33", "1.2.3.4/",
                                      "1.2.3.4/-1", "1.2.3.4/8x", "::/129", "proxy.example", "1.2.3.4;1.2.3.5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct address_list *list = NULL;
        struct hf_why why = {""};
        assert_true_of(address_list_new(bad[i], &list, &why) == HF_INVALID, "taken: %s", bad[i]);
        assert_null(list);
        assert_non_null(strstr(why.text, "192.0.2.7"));
    }
}

static void the_client_is_who_our_proxies_say(void **state)
{
    (void)state;
    static const struct {
        const char *remote, *forwarded, *client;
    } cases[] = {
        {"203.0.113.5", "1.1.1.1", "203.0.113.5"}, /* not one of ours: what it says means nothing */
        {"203.0.113.5", NULL, "203.0.113.5"},
        {"10.0.0.1", NULL, "10.0.0.1"},
        {"10.0.0.1", "", "10.0.0.1"},
        {"10.0.0.1", "203.0.113.5", "203.0.113.5"},
        {"10.0.0.1", " 203.0.113.5\t", "203.0.113.5"},
        {"10.0.0.1", "6.6.6.6, 203.0.113.5", "203.0.113.5"}, /* what the client says of itself means nothing */
        {"10.0.0.1", "6.6.6.6, 203.0.113.5, 10.0.0.2", "203.0.113.5"},
        {"10.0.0.1", "garbage, 203.0.113.5,10.0.0.2", "203.0.113.5"},
        {"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"}, /* all are ours */
        {"10.0.0.1", "203.0.113.5, garbage", "10.0.0.1"},
        {"10.0.0.1", "203.0.113.5, garbage, 10.0.0.2", "10.0.0.1"},
        {"10.0.0.1", "203.0.113.5,", "10.0.0.1"},
        {"10.0.0.1", ",203.0.113.5", "203.0.113.5"},
        {"10.0.0.1", ",10.0.0.2", "10.0.0.1"},
        {"10.0.0.1", ",", "10.0.0.1"},
        {"10.0.0.1", "unknown", "10.0.0.1"},
        {"10.0.0.1", "203.0.113.5:1234", "10.0.0.1"},
        {"10.0.0.1", "2001:db8::7", "2001:db8::7"},
        {"::1", "2001:db8::7", "2001:db8::7"},
        {"::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"},
        {"", "203.0.113.5", "::"},
        {"nobody", "203.0.113.5", "::"},
    };
    struct address_list *proxies = NULL;
    assert_int_equal(address_list_new("10.0.0.0/24, ::1", &proxies, NULL), HF_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address client = address_of_client(proxies, cases[i].remote, cases[i].forwarded);
        struct address expected = address(cases[i].client);
        assert_true_of(memcmp(&client, &expected, sizeof client) == 0, "case %zu: not %s", i, cases[i].client);
    }
    address_list_free(&proxies);
}

UNIT_TESTS(unit(addresses_are_whole), unit(networks_hold_what_they_say), unit(bad_lists_are_refused),
           unit(the_client_is_who_our_proxies_say))
