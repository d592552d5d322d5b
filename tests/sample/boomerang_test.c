/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of boomerang's beacons. */
#include "samples.h"

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X100 X50 X50

static uint32_t dropped[SAMPLE_DROPS];

static enum hf_err by_get(const char *text, size_t len, const struct sample_limits *limits, struct sample_list *list,
                          struct sample_fault *fault)
{
    return sample_read_boomerang(&(struct sample_form){.query = text, .query_bytes = len}, limits, list, fault, dropped);
}

static enum hf_err by_post(const char *text, size_t len, const struct sample_limits *limits, struct sample_list *list,
                           struct sample_fault *fault)
{
    return sample_read_boomerang(&(struct sample_form){.body = text, .body_bytes = len, .referer = ""}, limits, list, fault,
                                 dropped);
}

static void must_drop(const char *text, enum sample_drop why, uint32_t count, const char *expected)
{
    must_accept_bytes(by_get, text, strlen(text), expected);
    for (unsigned i = 0; i < SAMPLE_DROPS; i++)
        assert_true_of(dropped[i] == (i == why ? count : 0), "%s: %u dropped for reason %u", text, dropped[i], i);
}

static void measurements_become_samples(void **state)
{
    (void)state;
    static const struct accept_case cases[] = {
        {"site=shop", ""},
        {"site=shop&t_resp=26&t_page=201", "shop.t_resp=26 shop.t_page=201"},
        {"site=shop&t_done=227", "shop.t_done=227 shop.error=0"},
        {"site=shop&t_done=227.5&unknown=1&&=&t_done.x=2", "shop.t_done=227.5 shop.error=0"},
        {"site=shop&%74_done=%32+", "shop.error=0"},
        {"site=shop&t%5Fdone=2%2E5e1", "shop.t_done=25 shop.error=0"},
        {"site=shop&pt.fp=104&pt.fcp=105.25&pt.lcp=106&pt.lcp.s=3534&pt.hid=1", "shop.pt.fp=104 shop.pt.fcp=105.25 shop.pt.lcp=106"},
        {"site=shop&et.fid=1&et.inp=8&et.inp.t=523", "shop.et.fid=1 shop.et.inp=8"},
        {"site=shop&bw=120000&bw_err=3&lat=12&lat_err=1", "shop.bw=120000 shop.lat=12"},
        {"site=shop&http.errno=404", "shop.error=1"},
        {"site=shop&http.errno=-998", "shop.error=1"},
        {"site=shop&http.errno=400", "shop.error=1"},
        {"site=shop&http.errno=399&t_done=1", "shop.t_done=1 shop.error=0"},
        {"site=shop&t_done=1&http.errno=500", "shop.t_done=1 shop.error=1"},
        {"site=shop&t_other=cart%7C12.5%2Ct_domloaded%7C219", "shop.t_other.cart=12.5 shop.t_other.t_domloaded=219"},
        {"site=shop&t_other=my+timer|1,a.b|2,%C3%A9|3,", "shop.t_other.my_timer=1 shop.t_other.a.b=2 shop.t_other.__=3"},
        {"site=shop&t_other=", ""},
        {"site=shop&t_done=0&t_page=3600000", "shop.t_done=0 shop.t_page=3600000 shop.error=0"}};
    must_accept_all(by_get, cases);
    must_accept_all(by_post, cases);
}

/* What the plugin NavigationTiming sent from Debian's Chromium, and moments it did not have then. */
static void points_in_time_become_durations(void **state)
{
    (void)state;
    static const struct accept_case cases[] = {
        {"site=s&nt_nav_st=1795526454983&nt_fet_st=1795526454984&nt_dns_st=1795526454984&nt_dns_end=1795526454985"
         "&nt_con_st=1795526454986&nt_ssl_st=1795526454988&nt_con_end=1795526454990&nt_req_st=1795526454995&nt_res_st=1795526455009"
         "&nt_res_end=1795526455012&nt_domloading=1795526455040&nt_domint=1795526455201&nt_domcontloaded_st=1795526455202"
         "&nt_domcontloaded_end=1795526455203&nt_domcomp=1795526455210&nt_load_st=1795526455210&nt_load_end=1795526455213"
         "&nt_first_paint=1795526455087&nt_red_st=1795526454983&nt_red_end=1795526454984&nt_red_cnt=1&nt_enc_size=675",
         "s.nt_redirect=1 s.nt_dns=1 s.nt_connect=4 s.nt_ssl=2 s.nt_request=14 s.nt_response=3 s.nt_first_byte=26 "
         "s.nt_first_paint=104 s.nt_interactive=218 s.nt_dom_loaded=219 s.nt_dom_loaded_event=1 s.nt_complete=227 "
         "s.nt_load_event=3 s.nt_load=230"},
        {"site=s&nt_dns_st=1795526454984", ""},
        {"site=s&nt_dns_end=1795526454984", ""},
        {"site=s&nt_red_st=0&nt_red_end=0&nt_load_st=1795526454984&nt_load_end=0", ""}};
    must_accept_all(by_get, cases);
}

static void other_beacons_than_of_loads_are_told_apart(void **state)
{
    (void)state;
    static const struct accept_case cases[] = {
        {"site=s&t_done=1&http.initiator=", "s.t_done=1 s.error=0"},
        {"site=s&t_done=1&bw=2&http.initiator=spa_hard", "s.t_done=1 s.bw=2 s.error=0"},
        {"site=s&t_done=1&bw=2&lat=3&http.initiator=xhr", "s.xhr.t_done=1 s.xhr.error=0"},
        {"site=s&t_done=1&http.initiator=xhr&http.errno=503", "s.xhr.t_done=1 s.xhr.error=1"},
        {"site=s&t_done=1&http.initiator=a%2Fb", "s.a_b.t_done=1 s.a_b.error=0"},
        /* As a page is left, its t_done comes again, and bw and lat of the client. */
        {"site=s&t_done=1&t_page=2&t_resp=3&bw=4&lat=5&rt.quit=&et.inp=8&t_other=late%7C9", "s.et.inp=8 s.t_other.late=9"},
        {"site=s&t_done=1&rt.quit=&http.errno=404", "s.error=1"},
        {"site=s&t_done=1&bw=2&rt.quit=&rt.abld=", "s.abandoned.t_done=1 s.abandoned.error=0"},
        {"site=s&t_done=1&early=1", ""},
        {"early=1&t_done=1", ""}};
    must_accept_all(by_get, cases);
}

static void the_site_is_named_or_a_host(void **state)
{
    (void)state;
    static const struct accept_case cases[] = {
        {"site=My%20Shop&t_resp=1", "My_Shop.t_resp=1"},
        {"site=a.b:c-d_e&u=http://x/&t_resp=1", "a.b:c-d_e.t_resp=1"},
        {"site=collect&t_resp=1", "collect.t_resp=1"},
        {"site=&u=https%3A%2F%2FShop.Example%3A8443%2Fa%3Fb%3Dhttp%3A%2F%2Fc&t_resp=1", "shop.example.t_resp=1"},
        {"u=https%3A%2F%2Fuser%40a:secret@shop.example/x@y&t_resp=1", "shop.example.t_resp=1"},
        {"u=http://[2001:DB8::1]:80/&t_resp=1", "2001:db8::1.t_resp=1"},
        {"u=http://shop.example?x&t_resp=1", "shop.example.t_resp=1"},
        {"u=http://shop.example%23x&t_resp=1", "shop.example.t_resp=1"},
        {"u=http://shop.example\\@x&t_resp=1", "shop.example.t_resp=1"},
        {"u=http://api.example/&pgu=http://shop.example/&t_resp=1", "shop.example.t_resp=1"},
        {"pgu=file:///home/x&u=http://shop.example/&t_resp=1", "shop.example.t_resp=1"},
        {"u=http://" X100 "/&t_resp=1", X100 ".t_resp=1"}};
    static const struct refuse_case faults[] = {
        {"", "missing_parameter", "site"},
        {"t_done=1", "missing_parameter", "site"},
        {"r=http://elsewhere.example/&t_done=1", "missing_parameter", "site"},
        {"u=/x&t_done=1", "missing_parameter", "site"},
        {"u=a:&t_done=1", "missing_parameter", "site"},
        {"u=http://&t_done=1", "missing_parameter", "site"},
        {"u=http://@:80&t_done=1", "missing_parameter", "site"},
        {"u=http://[]&t_done=1", "missing_parameter", "site"},
        {"u=http%3A%2F%2Fshop.example%2&t_done=1", "missing_parameter", "site"},
        {"site=_x&t_done=1", "bad_key", "site"},
        {"site=.x&t_done=1", "bad_key", "site"},
        {"u=http://[::1]/&t_done=1", "bad_key", "site"},
        {"site=" X100 "x&t_done=1", "bad_key", "site"},
        {"u=http://" X100 "x/&t_done=1", "bad_key", "site"},
        {"site=a&site=a", "bad_key", "site"},
        {"site=a&t_done=1&t_done=1", "bad_value", "t_done"},
        {"site=a&n=1&n=2", "bad_value", "n"}};
    must_accept_all(by_get, cases);
    must_refuse_all(by_get, faults);
    must_refuse_all(by_post, faults);
}

static void parts_of_a_form_are_one(void **state)
{
    (void)state;
    struct sample_list list = {0};
    struct sample_fault fault;
    struct hf_buf got = {0};
    struct sample_form form = {.query = "site=shop", .query_bytes = 9, .body = "t_resp=1", .body_bytes = 8, .referer = "http://x/y"};
    assert_int_equal(sample_read_boomerang(&form, &test_limits, &list, &fault, dropped), HF_OK);
    list_to_text(&list, &got);
    assert_string_equal((char *)got.data, "shop.t_resp=1");
    sample_list_reset(&list);
    form.query_bytes = 0;
    assert_int_equal(sample_read_boomerang(&form, &test_limits, &list, &fault, dropped), HF_OK);
    list_to_text(&list, &got);
    assert_string_equal((char *)got.data, "x.t_resp=1");
    form.query = "t_resp=2";
    form.query_bytes = 8;
    assert_int_equal(sample_read_boomerang(&form, &test_limits, &list, &fault, dropped), HF_INVALID);
    assert_string_equal(fault.code, "bad_value");
    hf_buf_free(&got);
    sample_list_free(&list);
}

/* The id of what a beacon says, 32 digits, or "". */
static void id_of(const char *text, char id[33])
{
    struct sample_list list = {0};
    struct sample_fault fault;
    assert_int_equal(by_get(text, strlen(text), &test_limits, &list, &fault), HF_OK);
    assert_int_equal(list.count, 2);
    assert_ptr_equal(list.samples[0].id, list.samples[1].id);
    assert_true(list.samples[0].id == NULL || list.samples[0].id_bytes == 32);
    snprintf(id, 33, "%.*s", list.samples[0].id_bytes, list.samples[0].id == NULL ? "" : list.samples[0].id);
    assert_int_equal(strspn(id, "0123456789abcdef"), strlen(id));
    sample_list_free(&list);
}

static void the_id_is_of_session_page_and_number(void **state)
{
    (void)state;
    static const char *const same[] = {"site=s&t_done=1&rt.si=ab&pid=c&n=1", "n=1&pid=%63&rt.si=ab&t_done=9&site=other&sb=1"};
    static const char *const different[] = {"site=s&t_done=1&rt.si=ab&pid=c&n=2",  "site=s&t_done=1&rt.si=ab&pid=d&n=1",
                                            "site=s&t_done=1&rt.si=a&pid=bc&n=1",  "site=s&t_done=1&rt.si=abc&pid=1&n=1",
                                            "site=s&t_done=1&pid=c&n=1"};
    static const char *const without[] = {"site=s&t_done=1&rt.si=ab&pid=c", "site=s&t_done=1&rt.si=ab&n=1",
                                          "site=s&t_done=1&rt.si=ab&pid=&n=1"};
    char first[33], id[33];
    id_of(same[0], first);
    assert_int_equal(strlen(first), 32);
    id_of(same[1], id);
    assert_string_equal(id, first);
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        id_of(different[i], id);
        assert_true_of(strlen(id) == 32 && strcmp(id, first) != 0, "%s", different[i]);
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        id_of(without[i], id);
        assert_string_equal(id, "");
    }
}

static void values_that_cannot_be_are_dropped_alone(void **state)
{
    (void)state;
    must_drop("site=s&t_resp=1", SAMPLE_DROPS, 0, "s.t_resp=1");
    must_drop("site=s&t_resp=NaN&t_page=1", SAMPLE_DROP_NOT_A_NUMBER, 1, "s.t_page=1");
    must_drop("site=s&t_resp=&t_page=0x10&pt.fp=1e999&pt.fcp=%2", SAMPLE_DROP_NOT_A_NUMBER, 4, "");
    must_drop("site=s&t_resp=-1&t_page=1", SAMPLE_DROP_NEGATIVE, 1, "s.t_page=1");
    must_drop("site=s&nt_dns_st=1795526454985&nt_dns_end=1795526454984", SAMPLE_DROP_NEGATIVE, 1, "");
    must_drop("site=s&nt_dns_st=x&nt_dns_end=1795526454984", SAMPLE_DROP_NOT_A_NUMBER, 1, "");
    must_drop("site=s&nt_dns_st=1795526454984&nt_dns_end=x", SAMPLE_DROP_NOT_A_NUMBER, 1, "");
    must_drop("site=s&nt_dns_st=-1e308&nt_dns_end=1e308", SAMPLE_DROP_TOO_LARGE, 1, "");
    must_drop("site=s&nt_dns_st=1&nt_dns_end=1795526454984", SAMPLE_DROP_EPOCH, 1, "");
    must_drop("site=s&t_done=1795460402500", SAMPLE_DROP_EPOCH, 1, "s.error=0");
    must_drop("site=s&t_resp=1795460402", SAMPLE_DROP_EPOCH, 1, "");
    must_drop("site=s&t_resp=3600000.5", SAMPLE_DROP_TOO_LARGE, 1, "");
    must_drop("site=s&t_resp=1e308&lat=1e100", SAMPLE_DROP_TOO_LARGE, 2, "");
    must_drop("site=s&bw=125000000000", SAMPLE_DROP_TOO_LARGE, 0, "s.bw=125000000000");
    must_drop("site=s&bw=125000000001", SAMPLE_DROP_TOO_LARGE, 1, "");
    must_drop("site=s&http.errno=x&t_done=1", SAMPLE_DROP_NOT_A_NUMBER, 1, "s.t_done=1");
    must_drop("site=s&http.errno=10000", SAMPLE_DROP_TOO_LARGE, 1, "");
    must_drop("site=s&t_other=a,|1,b|2", SAMPLE_DROP_BAD_NAME, 2, "s.t_other.b=2");
    must_drop("site=s&t_other=" X100 X100 "|1,b|2", SAMPLE_DROP_BAD_NAME, 1, "s.t_other.b=2");
    must_drop("site=s&t_other=a|x,b|2", SAMPLE_DROP_NOT_A_NUMBER, 1, "s.t_other.b=2");
    must_drop("site=s&t_other=a|-0.5,b|-0", SAMPLE_DROP_NEGATIVE, 1, "s.t_other.b=0");
    must_drop("site=s&http.initiator=" X100 X100 "&t_resp=1", SAMPLE_DROP_BAD_NAME, 1, "");
}

static void a_beacon_of_many_timers_is_bounded(void **state)
{
    (void)state;
    struct hf_buf text = {0};
    struct sample_list list = {0};
    struct sample_fault fault;
    hf_buf_puts(&text, "site=s&t_other=");
    for (size_t i = 0; i < test_limits.max_samples; i++)
        hf_buf_printf(&text, "a%zu|1,", i);
    assert_int_equal(by_post((char *)text.data, text.len, &test_limits, &list, &fault), HF_OK);
    assert_int_equal(list.count, test_limits.max_samples);
    hf_buf_puts(&text, "b|1");
    sample_list_reset(&list);
    assert_int_equal(by_post((char *)text.data, text.len, &test_limits, &list, &fault), HF_INVALID);
    assert_string_equal(fault.code, "too_many_samples");
    sample_list_free(&list);
    hf_buf_free(&text);
}

UNIT_TESTS(unit(measurements_become_samples), unit(points_in_time_become_durations),
           unit(other_beacons_than_of_loads_are_told_apart), unit(the_site_is_named_or_a_host), unit(parts_of_a_form_are_one),
           unit(the_id_is_of_session_page_and_number), unit(values_that_cannot_be_are_dropped_alone),
           unit(a_beacon_of_many_timers_is_bounded))
