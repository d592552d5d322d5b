/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory ends at each allocation in turn: configuration, access, pages, tally, bus, spool,
 * store and answers. What was under way fails with HF_NOMEM, nothing is left
 * behind, and the next try with memory goes well.
 */
#include "../answer/world.h"
#include "../memory.h"

#include <sodium.h>

#include "answer/pages.h"
#include "bus/bus.h"
#include "bus/spool.h"
#include "tally/tally.h"

static char place[400]; /* a file or folder below `folder` */

static const char *in_folder(const char *name)
{
    snprintf(place, sizeof place, "%s/%s", folder, name);
    return place;
}

/* HF_OK when there was memory, HF_NOMEM when not; a library may make another error of it, and need not fail. */
#define assert_as_planned(err) assert_true_of((err) == (memory_failed() ? HF_NOMEM : HF_OK), "line %d: %s", __LINE__, hf_strerror(err))

/* ---- configuration and access ---- */

static const char conf_text[] = "[store]\npath = /tmp/a\n[bus]\nurl = nats://a:1,nats://b:2\n[collect]\ncors_origin = https://a\n"
                                "[view one]\nkeys = a.*, b.*\nstats = median, p99\n"
                                "[view two]\nkeys = *\nstats = *\ntoken_sha256 = "
                                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

static void configure(void *context)
{
    (void)context;
    struct hf_conf *conf = NULL;
    struct access *access = NULL;
    struct hf_why told = {""};
    enum hf_err err = conf_parse(conf_text, sizeof conf_text - 1, "conf", &conf, &told);
    if (err == HF_OK)
        err = access_new(conf, &access, &told);
    assert_as_planned(err);
    assert_true(err == HF_OK || told.text[0] != '\0');
    access_free(&access);
    conf_free(&conf);
}

static void configure_from_file(void *context)
{
    struct hf_conf *conf = NULL;
    struct hf_why told = {""};
    enum hf_err err = conf_load(context, &conf, &told);
    assert_as_planned(err);
    conf_free(&conf);
}

static void read_pages(void *context)
{
    struct pages *pages = NULL;
    struct hf_why told;
    enum hf_err err = pages_read(context, context, &pages, &told);
    assert_as_planned(err);
    assert_true((pages == NULL) == (err != HF_OK));
    pages_free(&pages);
}

static void configurations(void **state)
{
    (void)state;
    assert_true(memory_each(configure, NULL) > 10);
    FILE *file = fopen(in_folder("hourfold.conf"), "w");
    assert_non_null(file);
    fputs(conf_text, file);
    fclose(file);
    setenv("HOURFOLD_BUS_STREAM", "OTHER", 1);
    assert_true(memory_each(configure_from_file, place) > 10);
    unsetenv("HOURFOLD_BUS_STREAM");
    const char *source = getenv("srcdir");
    snprintf(place, sizeof place, "%.300s/fcgi/pages", source != NULL ? source : ".");
    assert_true(memory_each(read_pages, place) > 20);
}

/* ---- tally and bus ---- */

static void tally(void *context)
{
    (void)context;
    struct tally *one = tally_new();
    assert_true((one == NULL) == memory_failed());
    tally_free(&one);
}

static void no_result(void *context, void *ticket, enum hf_err result, const char *text)
{
    (void)context, (void)ticket, (void)result, (void)text;
}

/* Nobody listens there: the bus is opened all the same, and its thread finds it out with or without memory. */
static void open_bus(void *context)
{
    (void)context;
    struct bus *bus = NULL;
    struct hf_why told = {""};
    struct bus_options options = {.name = "test", .url = "nats://127.0.0.1:1", .stream = "S", .subject = "s", .credentials = "",
                                  .tls_ca = "", .replicas = 1, .max_messages = 10, .max_age_ms = 1000, .ack_wait_ms = 100,
                                  .on_result = no_result};
    enum hf_err err = bus_open(&options, &bus, &told);
    assert_true(err == HF_OK || (err == HF_NOMEM && memory_failed()));
    if (err == HF_OK)
        bus_close(&bus, 0);
    assert_null(bus);
}

static void tally_and_bus(void **state)
{
    (void)state;
    assert_true(memory_each(tally, NULL) > 0);
    assert_true(memory_each(open_bus, NULL) > 5);
}

/* ---- spool ---- */

static unsigned kept, found;

static enum hf_err fill(struct spool *spool)
{
    struct spool_file *file;
    static unsigned char bytes[70000];
    enum hf_err err = spool_create(spool, 5, "boot", &file, NULL);
    if (err != HF_OK)
        return err;
    for (unsigned number = 1; number <= 3; number++) {
        enum hf_err one = spool_append(file, number, bytes, number * 20000, NULL);
        kept += one == HF_OK;
        err = one != HF_OK ? one : err;
    }
    spool_release(&file);
    return err;
}

static enum hf_err drain(struct spool *spool)
{
    struct spool_entry *entries = NULL;
    struct spool_file *file;
    struct spool_record record;
    size_t count = 0;
    enum hf_err err = spool_list(spool, &entries, &count);
    free(entries);
    if (err != HF_OK)
        return err;
    err = spool_claim(spool, 5, &file, NULL);
    if (err != HF_OK)
        return err;
    found = 0;
    uint64_t at = 0;
    while ((err = spool_read(file, &at, &record)) == HF_OK || err == HF_CORRUPT)
        found += err == HF_OK;
    if (err == HF_NOTFOUND)
        return spool_finish(&file, NULL);
    spool_release(&file);
    return err;
}

static void use_spool(void *context)
{
    struct spool *spool;
    kept = found = 0;
    enum hf_err err = spool_open(context, 1 << 20, &spool, NULL);
    if (err != HF_OK) {
        assert_as_planned(err);
        return;
    }
    err = fill(spool);
    assert_as_planned(err);
    err = drain(spool);
    bool drained = err == HF_OK || (err == HF_NOTFOUND && kept == 0);
    assert_true(drained || (err == HF_NOMEM && memory_failed()));
    memory_pause();
    if (!drained)
        err = drain(spool);
    assert_true(err == HF_OK || (err == HF_NOTFOUND && kept == 0));
    assert_int_equal(found, kept);
    spool_close(&spool);
}

static void spools(void **state)
{
    (void)state;
    assert_true(memory_each(use_spool, (void *)(uintptr_t)in_folder("spool")) > 5);
}

/* ---- store ---- */

static struct store *store;

static bool any_key(void *context, const char *key, size_t key_bytes)
{
    (void)key, (void)key_bytes;
    ++*(unsigned *)context;
    return true;
}

static bool any_cell(void *context, uint32_t slot, const void *bytes, size_t len)
{
    (void)slot, (void)bytes, (void)len;
    ++*(unsigned *)context;
    return true;
}

static bool any_of_all(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    (void)key, (void)key_bytes;
    return any_cell(context, slot, bytes, len);
}

static enum hf_err read_store(struct store_read *read)
{
    unsigned count = 0;
    struct store_status status;
    struct hf_buf cell = {0};
    enum hf_err err = store_read_status(read, &status);
    if (err == HF_OK)
        err = store_read_cell(read, STORE_HOURS, KEY, strlen(KEY), hf_hour_of(DAY_MS) + 3, &cell);
    hf_buf_free(&cell);
    if (err == HF_OK)
        err = store_read_keys(read, "", "", any_key, &count);
    if (err == HF_OK)
        err = store_read_range(read, STORE_HOURS, KEY, strlen(KEY), 0, UINT32_MAX, any_cell, &count);
    if (err == HF_OK)
        err = store_read_cells(read, STORE_MINUTES, 0, "", 0, UINT32_MAX, any_of_all, &count);
    assert_true(err != HF_OK || count > 20);
    return err;
}

static void read_all(void *context)
{
    (void)context;
    struct store_read *read = NULL;
    enum hf_err err = store_read_begin(store, &read, &why);
    if (err == HF_OK)
        err = read_store(read);
    store_read_end(&read);
    assert_as_planned(err);
}

static void write_some(void *context)
{
    (void)context;
    struct store_write *write = NULL;
    unsigned char id[STORE_ID_BYTES] = {1};
    enum hf_err err = store_write_begin(store, &write, &why);
    if (err == HF_OK)
        err = store_write_key(write, "other", 5, 1);
    if (err == HF_OK)
        err = store_write_id(write, id, 1);
    if (err == HF_OK)
        err = store_write_producer(write, 1, "abc", 3);
    if (err == HF_OK)
        err = store_write_status(write, &world_status);
    if (err == HF_OK)
        err = store_write_commit(&write, &why);
    else
        store_write_abort(&write);
    assert_as_planned(err);
}

static void open_and_close(void *context)
{
    const enum store_role *role = context;
    struct store_options options = {.path = folder, .role = *role, .cache_mb = 1};
    struct store *one = NULL;
    enum hf_err err = store_open(&options, &one, &why);
    assert_as_planned(err);
    store_close(&one);
}

static void stores(void **state)
{
    (void)state;
    static const enum store_role roles[] = {STORE_WRITER, STORE_READER};
    store = open_store(STORE_WRITER);
    assert_true(memory_each(write_some, NULL) > 3);
    assert_true(memory_each(read_all, NULL) > 3);
    store_close(&store);
    assert_true(memory_each(open_and_close, (void *)(uintptr_t)&roles[0]) > 2);
    assert_true(memory_each(open_and_close, (void *)(uintptr_t)&roles[1]) > 2);
}

/* ---- answers ---- */

static struct hf_conf *conf;
static struct access *open_to_all;

static void answer_one(void *context)
{
    struct answer_request request = {.method = "GET", .uri = context, .store = store, .now_ms = AS_OF_MS};
    struct answer *answer = answer_new(conf, open_to_all);
    if (answer == NULL) {
        assert_true(memory_failed());
        return;
    }
    const struct answer_response *response = answer_request(answer, &request);
    assert_true_of(memory_failed() ? response->status == 200 || response->status >= 500 : response->status == 200,
                   "%s: %u", request.uri, response->status);
    /* Metrics say that the store cannot be read, and are the shorter for it. */
    bool whole = response->status == 200 && strcmp(request.uri, "/-/metrics") != 0;
    size_t bytes = response->body_bytes;
    memory_pause();
    response = answer_request(answer, &request);
    assert_int_equal(response->status, 200);
    assert_true_of(!whole || response->body_bytes == bytes, "%s: %zu bytes, then %zu", request.uri, bytes,
                   response->body_bytes);
    answer_free(&answer);
}

static void answers(void **state)
{
    (void)state;
    static const char *const uris[] = {"/" KEY "/median/" DAY "/3",           "/" KEY "/all/" DAY,
                                       "/" KEY "/p99/" DAY "/9?by=minute",    "/" KEY "/all/" DAY "/18?format=csv",
                                       "/-/keys?limit=5",                     "/-/keys?format=csv",
                                       "/" KEY "/median/" DAY "?tz=Europe/London",
                                       "/-/series?key=*.latency&stat=p99&from=" DAY "&to=2026-11-24&tz=Europe/London",
                                       ("/-/series?key=" KEY "&stat=max&from=" DAY "T09:29:00Z&to=" DAY "T09:31:00Z&tz=+05:30"),
                                       "/-/spikes?key=a&date=" DAY,
                                       "/-/heatmap?key=a&date=" DAY,
                                       "/-/pattern?key=a&stat=max&from=" DAY "&to=2026-11-24",
                                       "/-/metrics"};
    struct hf_why told;
    assert_int_equal(conf_parse("", 0, "conf", &conf, &told), HF_OK);
    assert_int_equal(access_new(conf, &open_to_all, &told), HF_OK);
    store = open_store(STORE_READER);
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++)
        assert_true_of(memory_each(answer_one, (void *)(uintptr_t)uris[i]) > 2, "%s", uris[i]);
    store_close(&store);
    access_free(&open_to_all);
    conf_free(&conf);
}

static int set_up(void **state)
{
    (void)state;
    if (sodium_init() < 0 || make_folder() != 0)
        return -1;
    make_samples();
    write_world();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(samples);
    return remove_folder();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {unit(configurations), unit(tally_and_bus), unit(spools), unit(stores),
                                              unit(answers)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
