/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of boomerang's beacons, as a query string or as the body of a form:
 *
 *   t_done=227&t_other=cart%7C12.5%2Ct_domloaded%7C219&pt.fcp=104&nt_nav_st=1795460402000&…
 *   &u=https%3A%2F%2Fshop.example%2F&rt.si=a4b7928c-…&pid=5k4d8rpd&n=1
 *
 * Each measurement becomes a sample of the key <site>.<metric>, or
 * <site>.<initiator>.<metric> where the beacon is not of a page's load. What else
 * is in a beacon (addresses of pages, the session, what the browser is) is passed
 * over, save that the id of the samples is a hash of the session, page and number
 * of the beacon, from which none of them can be had again.
 *
 * Browsers measure strange things: clocks jump, laptops sleep. A value that
 * cannot be is dropped and counted, the rest of its beacon is taken: nobody is
 * there to whom a refusal would say something.
 *
 * Some measurements come more than once. An early beacon is followed by one with
 * the same and more. The one sent as a page is left repeats when that had loaded.
 */
#include <math.h>
#include <string.h>

#include <sodium.h>

#include "base/num.h"
#include "sample/form.h"
#include "sample/reader.h"

#define SITE_BYTES_MAX 100u /* leaves room for metrics, whose names are from outside, too */
#define NAME_BYTES_MAX 20u  /* of a parameter below */
#define ID_BYTES 16u        /* of the hash: it is written as twice as many */
#define TIME_MS_MAX 3600000.0
#define BANDWIDTH_MAX 125e9 /* bytes a second */
#define ERRNO_MAX 9999.0    /* boomerang has codes of its own, down to -1001 */
#define EPOCH_RANGE_MS 315576000000.0 /* ten years */

enum {
    SITE, PAGE, URL, SESSION, PAGE_ID, NUMBER, EARLY, QUIT, ABANDONED, INITIATOR, HTTP_ERRNO, T_OTHER,
    T_DONE, T_RESP, T_PAGE, PT_FP, PT_FCP, PT_LCP, ET_FID, ET_INP, BW, LAT,
    NAV, RED_ST, RED_END, DNS_ST, DNS_END, CON_ST, SSL_ST, CON_END, REQ_ST, RES_ST, RES_END, INT, DCL_ST, DCL_END, COMP, LOAD_ST,
    LOAD_END, PAINT,
    PARAMETERS
};

/* Of which beacons a value is taken. */
enum when { ALWAYS, NOT_AT_QUIT, OF_A_LOAD };

/* With `max`, the parameter is a metric by itself. */
static const struct {
    const char *name;
    double max;
    enum when when;
} parameters[PARAMETERS] = {
    [SITE] = {"site", 0, ALWAYS},
    [PAGE] = {"pgu", 0, ALWAYS},
    [URL] = {"u", 0, ALWAYS},
    [SESSION] = {"rt.si", 0, ALWAYS},
    [PAGE_ID] = {"pid", 0, ALWAYS},
    [NUMBER] = {"n", 0, ALWAYS},
    [EARLY] = {"early", 0, ALWAYS},
    [QUIT] = {"rt.quit", 0, ALWAYS},
    [ABANDONED] = {"rt.abld", 0, ALWAYS},
    [INITIATOR] = {"http.initiator", 0, ALWAYS},
    [HTTP_ERRNO] = {"http.errno", 0, ALWAYS},
    [T_OTHER] = {"t_other", 0, ALWAYS},
    [T_DONE] = {"t_done", TIME_MS_MAX, NOT_AT_QUIT},
    [T_RESP] = {"t_resp", TIME_MS_MAX, NOT_AT_QUIT},
    [T_PAGE] = {"t_page", TIME_MS_MAX, NOT_AT_QUIT},
    [PT_FP] = {"pt.fp", TIME_MS_MAX, ALWAYS},
    [PT_FCP] = {"pt.fcp", TIME_MS_MAX, ALWAYS},
    [PT_LCP] = {"pt.lcp", TIME_MS_MAX, ALWAYS},
    [ET_FID] = {"et.fid", TIME_MS_MAX, ALWAYS},
    [ET_INP] = {"et.inp", TIME_MS_MAX, ALWAYS},
    [BW] = {"bw", BANDWIDTH_MAX, OF_A_LOAD},
    [LAT] = {"lat", TIME_MS_MAX, OF_A_LOAD},
    [NAV] = {"nt_nav_st", 0, ALWAYS},
    [RED_ST] = {"nt_red_st", 0, ALWAYS},
    [RED_END] = {"nt_red_end", 0, ALWAYS},
    [DNS_ST] = {"nt_dns_st", 0, ALWAYS},
    [DNS_END] = {"nt_dns_end", 0, ALWAYS},
    [CON_ST] = {"nt_con_st", 0, ALWAYS},
    [SSL_ST] = {"nt_ssl_st", 0, ALWAYS},
    [CON_END] = {"nt_con_end", 0, ALWAYS},
    [REQ_ST] = {"nt_req_st", 0, ALWAYS},
    [RES_ST] = {"nt_res_st", 0, ALWAYS},
    [RES_END] = {"nt_res_end", 0, ALWAYS},
    [INT] = {"nt_domint", 0, ALWAYS},
    [DCL_ST] = {"nt_domcontloaded_st", 0, ALWAYS},
    [DCL_END] = {"nt_domcontloaded_end", 0, ALWAYS},
    [COMP] = {"nt_domcomp", 0, ALWAYS},
    [LOAD_ST] = {"nt_load_st", 0, ALWAYS},
    [LOAD_END] = {"nt_load_end", 0, ALWAYS},
    [PAINT] = {"nt_first_paint", 0, ALWAYS}};

/* The points in time of Navigation Timing, in ms since 1970, as durations. */
static const struct {
    const char *metric;
    int from, to;
} differences[] = {{"nt_redirect", RED_ST, RED_END},
                   {"nt_dns", DNS_ST, DNS_END},
                   {"nt_connect", CON_ST, CON_END},
                   {"nt_ssl", SSL_ST, CON_END},
                   {"nt_request", REQ_ST, RES_ST},
                   {"nt_response", RES_ST, RES_END},
                   {"nt_first_byte", NAV, RES_ST},
                   {"nt_first_paint", NAV, PAINT},
                   {"nt_interactive", NAV, INT},
                   {"nt_dom_loaded", NAV, DCL_ST},
                   {"nt_dom_loaded_event", DCL_ST, DCL_END},
                   {"nt_complete", NAV, COMP},
                   {"nt_load_event", LOAD_ST, LOAD_END},
                   {"nt_load", NAV, LOAD_END}};

struct beacon {
    struct slice found[PARAMETERS]; /* decoded */
    struct sample_head head;        /* the id and the time of all */
    struct key_text prefix;         /* <site> or <site>.<initiator> */
    bool quit, load;                /* it was sent as a page was left; when one had loaded */
    uint32_t *dropped;
};

/* ---- parameters ---- */

static int parameter_of(struct slice name)
{
    char decoded[3 * NAME_BYTES_MAX]; /* every byte of it encoded */
    struct slice plain = form_name(name, decoded, sizeof decoded);
    int which = 0;
    while (which < PARAMETERS && !slice_is(plain, parameters[which].name))
        which++;
    return which;
}

/* Find our parameters and decode them; one that cannot be decoded stays as it is, and is no number then. */
static enum hf_err find_parameters(struct sample_reader *reader, struct slice form, struct beacon *beacon)
{
    struct hf_buf *decoded = &reader->list->memory->decoded; /* room for all was made before */
    struct slice name, value;
    while (form_next(&form, &name, &value)) {
        int which = parameter_of(name);
        if (which == PARAMETERS)
            continue;
        const char *parameter = parameters[which].name;
        if (beacon->found[which].text != NULL)
            return reader_refuse(reader, which == SITE ? "bad_key" : "bad_value", parameter, strlen(parameter),
                                 "%s is given twice", parameter);
        char *out = (char *)decoded->data + decoded->len;
        if (form_decode(value, out, &value.len))
            value.text = out;
        beacon->found[which] = value;
        decoded->len += value.len;
    }
    return HF_OK;
}

static bool given(const struct beacon *beacon, int which) { return beacon->found[which].text != NULL; }

/* ---- the site ---- */

/* The host of an absolute URL, without user, password and port; empty when there is none. */
static struct slice host_of(struct slice url)
{
    const char *end = url.text + url.len, *at = url.text;
    while (end - at >= 3 && memcmp(at, "://", 3) != 0)
        at++;
    if (end - at < 3)
        return (struct slice){NULL, 0};
    at += 3;
    struct slice host = {at, 0};
    for (; at < end && *at != '/' && *at != '?' && *at != '#' && *at != '\\'; at++)
        if (*at == '@')
            host.text = at + 1;
    const char *host_end = at;
    bool bracket = host.text < host_end && *host.text == '[';
    host.text += bracket;
    for (at = host.text; at < host_end && *at != (bracket ? ']' : ':'); at++)
        host.len++;
    return host;
}

static enum hf_err find_site(struct sample_reader *reader, const char *referer, struct beacon *beacon)
{
    char lower[SITE_BYTES_MAX];
    struct slice site = beacon->found[SITE];
    bool is_host = site.len == 0;
    const struct slice urls[] = {beacon->found[PAGE], beacon->found[URL],
                                 {referer, referer == NULL ? 0 : strlen(referer)}};
    for (size_t i = 0; site.len == 0 && i < sizeof urls / sizeof *urls; i++)
        if (urls[i].len > 0)
            site = host_of(urls[i]);
    if (site.len == 0)
        return reader_refuse(reader, "missing_parameter", "site", 4, "a beacon needs site, or the address of its page as u");
    if (site.len > SITE_BYTES_MAX)
        return reader_refuse(reader, "bad_key", "site", 4, "a site is at most %u bytes", SITE_BYTES_MAX);
    for (size_t i = 0; i < site.len; i++)
        lower[i] = (char)(is_host && site.text[i] >= 'A' && site.text[i] <= 'Z' ? site.text[i] | 0x20 : site.text[i]);
    key_append(&beacon->prefix, lower, site.len);
    return HF_OK;
}

/* Tell beacons of other things from those of a page's load, which are what a person waits for. */
static void add_initiator(struct beacon *beacon)
{
    struct slice initiator = beacon->found[INITIATOR];
    beacon->quit = given(beacon, QUIT) && !given(beacon, ABANDONED);
    if (given(beacon, ABANDONED))
        initiator = (struct slice){"abandoned", strlen("abandoned")};
    beacon->load = initiator.len == 0 || slice_is(initiator, "spa_hard");
    if (beacon->load)
        return;
    key_append(&beacon->prefix, ".", 1);
    key_append(&beacon->prefix, initiator.text, initiator.len);
}

/* ---- the id ---- */

static void hash_part(crypto_generichash_state *hash, struct slice part)
{
    unsigned char length[8];
    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)(part.len >> 8 * i);
    crypto_generichash_update(hash, length, sizeof length);
    if (part.len > 0)
        crypto_generichash_update(hash, (const unsigned char *)part.text, part.len);
}

/* Without a page and a number there is no id. */
static enum hf_err make_id(struct sample_reader *reader, struct beacon *beacon)
{
    crypto_generichash_state hash;
    unsigned char sum[ID_BYTES];
    char id[2 * ID_BYTES + 1];
    if (beacon->found[PAGE_ID].len == 0 || beacon->found[NUMBER].len == 0)
        return HF_OK;
    crypto_generichash_init(&hash, NULL, 0, sizeof sum);
    for (int which = SESSION; which <= NUMBER; which++)
        hash_part(&hash, beacon->found[which]);
    crypto_generichash_final(&hash, sum, sizeof sum);
    sodium_bin2hex(id, sizeof id, sum, sizeof sum);
    return reader_id(reader, id, sizeof id - 1, &beacon->head);
}

/* ---- values ---- */

static enum hf_err drop(struct beacon *beacon, enum sample_drop why)
{
    beacon->dropped[why]++;
    return HF_OK;
}

/* Is it Unix time, of about now, in seconds or ms? */
static bool is_epoch(double value, int64_t now_ms)
{
    double now = (double)now_ms;
    return fabs(value - now) < EPOCH_RANGE_MS || fabs(value * 1000 - now) < EPOCH_RANGE_MS;
}

static enum hf_err add(struct sample_reader *reader, struct beacon *beacon, const char *group, struct slice metric, double value,
                       double max)
{
    if (value < 0)
        return drop(beacon, SAMPLE_DROP_NEGATIVE);
    if (value > max)
        return drop(beacon, is_epoch(value, reader->limits->now_ms) ? SAMPLE_DROP_EPOCH : SAMPLE_DROP_TOO_LARGE);
    struct key_text key = beacon->prefix;
    key_append(&key, ".", 1);
    key_append(&key, group, strlen(group));
    key_append(&key, metric.text, metric.len);
    if (key.len > SAMPLE_KEY_MAX)
        return drop(beacon, SAMPLE_DROP_BAD_NAME);
    enum hf_err err = reader_key(reader, "site", 4, key.text, key.len, &beacon->head);
    return err == HF_OK ? reader_add(reader, &beacon->head, value) : err;
}

static enum hf_err add_text(struct sample_reader *reader, struct beacon *beacon, const char *group, struct slice metric,
                            struct slice text, double max)
{
    double value;
    if (hf_parse_double(text.text, text.len, &value) != HF_OK)
        return drop(beacon, SAMPLE_DROP_NOT_A_NUMBER);
    return add(reader, beacon, group, metric, value, max);
}

static struct slice name_of(const char *text) { return (struct slice){text, strlen(text)}; }

static enum hf_err add_plain(struct sample_reader *reader, struct beacon *beacon)
{
    enum hf_err err = HF_OK;
    for (int which = 0; which < PARAMETERS && err == HF_OK; which++) {
        enum when when = parameters[which].when;
        if (parameters[which].max == 0 || !given(beacon, which) || (when != ALWAYS && beacon->quit) ||
            (when == OF_A_LOAD && !beacon->load))
            continue;
        err = add_text(reader, beacon, "", name_of(parameters[which].name), beacon->found[which], parameters[which].max);
    }
    return err;
}

/* t_other=cart|12.5,t_domloaded|219 */
static enum hf_err add_timers(struct sample_reader *reader, struct beacon *beacon)
{
    const char *at = beacon->found[T_OTHER].text, *end = at + beacon->found[T_OTHER].len;
    enum hf_err err = HF_OK;
    while (at < end && err == HF_OK) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *timer_end = comma == NULL ? end : comma;
        const char *bar = memchr(at, '|', (size_t)(timer_end - at));
        if (bar == NULL || bar == at)
            err = drop(beacon, SAMPLE_DROP_BAD_NAME);
        else
            err = add_text(reader, beacon, "t_other.", (struct slice){at, (size_t)(bar - at)},
                           (struct slice){bar + 1, (size_t)(timer_end - bar - 1)}, TIME_MS_MAX);
        at = comma == NULL ? end : comma + 1;
    }
    return err;
}

/* A moment that did not come is absent, or 0. */
static enum hf_err add_difference(struct sample_reader *reader, struct beacon *beacon, size_t i)
{
    struct slice from = beacon->found[differences[i].from], to = beacon->found[differences[i].to];
    double from_ms, to_ms;
    if (from.text == NULL || to.text == NULL)
        return HF_OK;
    if (hf_parse_double(from.text, from.len, &from_ms) != HF_OK || hf_parse_double(to.text, to.len, &to_ms) != HF_OK)
        return drop(beacon, SAMPLE_DROP_NOT_A_NUMBER);
    if (from_ms == 0 || to_ms == 0)
        return HF_OK;
    if (!isfinite(to_ms - from_ms))
        return drop(beacon, SAMPLE_DROP_TOO_LARGE);
    return add(reader, beacon, "", name_of(differences[i].metric), to_ms - from_ms, TIME_MS_MAX);
}

/* 1 for a request that failed and 0 for one that did not: their average is the rate of errors. */
static enum hf_err add_error(struct sample_reader *reader, struct beacon *beacon)
{
    struct slice text = beacon->found[HTTP_ERRNO];
    double code = 0;
    if (text.text == NULL && (!given(beacon, T_DONE) || beacon->quit))
        return HF_OK;
    if (text.text != NULL && hf_parse_double(text.text, text.len, &code) != HF_OK)
        return drop(beacon, SAMPLE_DROP_NOT_A_NUMBER);
    if (fabs(code) > ERRNO_MAX)
        return drop(beacon, SAMPLE_DROP_TOO_LARGE);
    return add(reader, beacon, "", name_of("error"), code < 0 || code >= 400, 1);
}

static enum hf_err add_samples(struct sample_reader *reader, struct beacon *beacon)
{
    enum hf_err err = add_plain(reader, beacon);
    if (err == HF_OK)
        err = add_error(reader, beacon);
    for (size_t i = 0; err == HF_OK && i < sizeof differences / sizeof *differences; i++)
        err = add_difference(reader, beacon, i);
    if (err == HF_OK && given(beacon, T_OTHER))
        err = add_timers(reader, beacon);
    return err;
}

enum hf_err sample_read_boomerang(const struct sample_form *form, const struct sample_limits *limits, struct sample_list *list,
                                  struct sample_fault *fault, uint32_t dropped[SAMPLE_DROPS])
{
    struct sample_reader reader;
    struct beacon beacon = {.head = {.time_ms = limits->now_ms}, .dropped = dropped};
    memset(dropped, 0, SAMPLE_DROPS * sizeof *dropped);
    enum hf_err err = reader_begin(&reader, limits, list, fault);
    if (err != HF_OK)
        return err;
    hf_buf_clear(&list->memory->decoded);
    if (hf_buf_reserve(&list->memory->decoded, form->query_bytes + form->body_bytes) != HF_OK)
        return HF_NOMEM;
    err = find_parameters(&reader, (struct slice){form->query, form->query_bytes}, &beacon);
    if (err == HF_OK)
        err = find_parameters(&reader, (struct slice){form->body, form->body_bytes}, &beacon);
    if (err == HF_OK && !given(&beacon, EARLY))
        err = find_site(&reader, form->referer, &beacon);
    if (err != HF_OK || given(&beacon, EARLY))
        return err;
    add_initiator(&beacon);
    err = make_id(&reader, &beacon);
    return err == HF_OK ? add_samples(&reader, &beacon) : err;
}
