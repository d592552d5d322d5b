/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/conf_table.h"

static struct hf_buf read_whole(const char *path)
{
    struct hf_buf out = {0};
    char block[4096];
    FILE *file = fopen(path, "rb");
    assert_true_of(file != NULL, "%s cannot be opened", path);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        hf_buf_put(&out, block, n);
    fclose(file);
    assert_true(hf_buf_ok(&out));
    return out;
}

static struct hf_conf *must_parse(const char *text)
{
    struct hf_conf *conf = NULL;
    struct hf_why why = {""};
    enum hf_err err = conf_parse(text, strlen(text), "test", &conf, &why);
    assert_true_of(err == HF_OK, "%s", why.text);
    return conf;
}

/* conf/NAME.conf holds an input, conf/NAME.expected "OK" or the error. */
static void check_case(const char *dir, const char *input)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", dir, input);
    struct hf_buf text = read_whole(path);
    snprintf(path + strlen(path) - strlen(".conf"), sizeof ".expected", ".expected");
    struct hf_buf expected = read_whole(path);
    assert_true(expected.len > 1 && expected.data[expected.len - 1] == '\n');
    expected.data[expected.len - 1] = '\0';

    struct hf_conf *conf = NULL;
    struct hf_why why = {"OK"};
    enum hf_err err = conf_parse(text.len == 0 ? "" : (char *)text.data, text.len, input, &conf, &why);
    assert_true_of(strcmp(why.text, (char *)expected.data) == 0, "%s:\n got      %s\n expected %s", input, why.text,
                   (char *)expected.data);
    assert_int_equal(err, strcmp(why.text, "OK") == 0 ? HF_OK : HF_INVALID);
    assert_true((conf != NULL) == (err == HF_OK));
    conf_free(&conf);
    hf_buf_free(&text);
    hf_buf_free(&expected);
}

static void inputs_give_what_is_expected(void **state)
{
    (void)state;
    char dir[4096];
    int count = 0;
    snprintf(dir, sizeof dir, "%s/tests/base/conf", getenv("srcdir"));
    DIR *entries = opendir(dir);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0) {
            check_case(dir, entry->d_name);
            count++;
        }
    }
    closedir(entries);
    assert_true(count > 50);
}

static void defaults_are_permitted_and_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_option_count; i++) {
        int64_t number;
        assert_true_of(conf_read_value(&conf_options[i], conf_options[i].fallback, &number) == HF_OK, "default of %s.%s",
                       conf_options[i].section, conf_options[i].name);
    }
    struct hf_conf *conf = must_parse("");
    assert_string_equal(conf->store.path, HF_LOCALSTATEDIR "/lib/hourfold/store");
    assert_int_equal(conf->store.buckets, 2048);
    assert_string_equal(conf->bus.url, "nats://127.0.0.1:4222");
    assert_int_equal(conf->bus.max_age_ms, INT64_C(7) * 86400000);
    assert_int_equal(conf->consumer.commit_interval_ms, 1000);
    assert_int_equal(conf->consumer.id_memory_ms, 86400000);
    assert_int_equal(conf->collect.max_body, 1048576);
    assert_int_equal(conf->collect.max_age_ms, INT64_C(31) * 86400000);
    assert_int_equal(conf->collect.max_skew_ms, 600000);
    assert_string_equal(conf->collect.spool, "");
    assert_int_equal(conf->collect.durability, CONF_DURABILITY_PROCESS);
    assert_string_equal(conf->query.cors_origin, "*");
    assert_int_equal(conf->query.max_cells, 1500);
    assert_int_equal(conf->view_count, 0);
    conf_free(&conf);
    assert_null(conf);
}

static void values_are_read_in_their_units(void **state)
{
    (void)state;
    struct hf_conf *conf = must_parse("[consumer]\ncommit_interval = 1500ms\nid_memory = 90\n[bus]\nmax_age=5m\n"
                                      "[collect]\nmax_age=24h\nmax_skew = 10s\nmax_body=64k\ndurability=power\n");
    assert_int_equal(conf->consumer.commit_interval_ms, 1500);
    assert_int_equal(conf->consumer.id_memory_ms, 90000);
    assert_int_equal(conf->bus.max_age_ms, 300000);
    assert_int_equal(conf->collect.max_age_ms, 86400000);
    assert_int_equal(conf->collect.max_skew_ms, 10000);
    assert_int_equal(conf->collect.max_body, 65536);
    assert_int_equal(conf->collect.durability, CONF_DURABILITY_POWER);
    conf_free(&conf);
}

static void texts_are_kept_whole(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    memcpy(text, "[store]\npath = /", 16);
    text[8 + 197] = '\0'; /* the longest line there may be */
    struct hf_conf *conf = must_parse(text);
    assert_string_equal(conf->store.path, text + 15);
    conf_free(&conf);

    conf = must_parse("[store]\n   path = /a b ; c\n   buckets: 20\n[view  x.1 ]\n\tkeys = a.*,b\n[view y]\nkeys=#\nstats=p99\n");
    assert_string_equal(conf->store.path, "/a b");
    assert_int_equal(conf->store.buckets, 20);
    assert_int_equal(conf->view_count, 2);
    assert_string_equal(conf->views[0].name, "x.1");
    assert_string_equal(conf->views[0].keys, "a.*,b");
    assert_string_equal(conf->views[0].stats, "*");
    assert_string_equal(conf->views[0].token_sha256, "");
    assert_string_equal(conf->views[1].keys, "#");
    assert_string_equal(conf->views[1].stats, "p99");
    conf_free(&conf);
}

static void views_and_files_are_bounded(void **state)
{
    (void)state;
    struct hf_buf text = {0};
    struct hf_conf *conf = NULL;
    struct hf_why why;
    for (int i = 0; i < 256; i++)
        hf_buf_printf(&text, "[view %d]\nkeys=*\n", i);
    assert_int_equal(conf_parse((char *)text.data, text.len, "test", &conf, &why), HF_OK);
    assert_int_equal(conf->view_count, 256);
    assert_string_equal(conf->views[255].name, "255");
    conf_free(&conf);
    hf_buf_puts(&text, "[view 256]\nkeys=*\n");
    assert_int_equal(conf_parse((char *)text.data, text.len, "test", &conf, &why), HF_INVALID);
    assert_string_equal(why.text, "test:513: view: too many, permitted: 256");

    hf_buf_clear(&text);
    while (text.len < 1048576)
        hf_buf_puts(&text, "#234567\n");
    assert_int_equal(conf_parse((char *)text.data, text.len, "test", &conf, &why), HF_OK);
    conf_free(&conf);
    hf_buf_puts(&text, "\n");
    assert_int_equal(conf_parse((char *)text.data, text.len, "test", &conf, &why), HF_INVALID);
    assert_string_equal(why.text, "test: too long, permitted: 1 MiB");
    hf_buf_free(&text);
}

static void the_environment_overrides_the_file(void **state)
{
    (void)state;
    char path[] = "/tmp/conf_test.XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "[store]\nbuckets = 100\n[query]\nmax_cells = 200\n";
    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);

    struct hf_conf *conf = NULL;
    struct hf_why why;
    setenv("HOURFOLD_CONF", path, 1);
    setenv("HOURFOLD_STORE_BUCKETS", "50", 1);
    setenv("HOURFOLD_COLLECT_SPOOL", "", 1);
    setenv("HOURFOLD_QUERY_PORT", "tcp://10.0.0.1:80", 1); /* not an option: ignored */
    assert_int_equal(conf_load(NULL, &conf, &why), HF_OK);
    assert_int_equal(conf->store.buckets, 50);
    assert_int_equal(conf->query.max_cells, 200);
    conf_free(&conf);
    char names[64];
    setenv("HOURFOLD_MOUNT", "/x", 1);
    assert_int_equal(conf_unknown_variables(names, sizeof names), 1);
    assert_string_equal(names, "HOURFOLD_QUERY_PORT");
    setenv("HOURFOLD_STORE_BUCKETS_", "50", 1);
    assert_int_equal(conf_unknown_variables(names, 30), 2);
    assert_int_equal(strlen(names), 29);
    unsetenv("HOURFOLD_STORE_BUCKETS_");
    unsetenv("HOURFOLD_QUERY_PORT");
    unsetenv("HOURFOLD_MOUNT");
    assert_int_equal(conf_unknown_variables(names, sizeof names), 0);

    setenv("HOURFOLD_STORE_BUCKETS", "5", 1);
    assert_int_equal(conf_load(path, &conf, &why), HF_INVALID);
    assert_string_equal(why.text, "HOURFOLD_STORE_BUCKETS: store.buckets: \"5\" is not permitted, permitted: 16 to 65536 buckets");
    setenv("HOURFOLD_STORE_BUCKETS", "", 1);
    assert_int_equal(conf_load(path, &conf, &why), HF_INVALID);
    unsetenv("HOURFOLD_STORE_BUCKETS");

    /* What no line of a file can hold. */
    char longest[4002];
    memset(longest, 'x', sizeof longest);
    longest[4001] = '\0';
    setenv("HOURFOLD_STORE_PATH", longest, 1);
    assert_int_equal(conf_load(path, &conf, &why), HF_INVALID);
    longest[4000] = '\0';
    setenv("HOURFOLD_STORE_PATH", longest, 1);
    assert_int_equal(conf_load(path, &conf, &why), HF_OK);
    assert_string_equal(conf->store.path, longest);
    conf_free(&conf);
    setenv("HOURFOLD_STORE_PATH", "/a\nb", 1);
    assert_int_equal(conf_load(path, &conf, &why), HF_INVALID);
    unsetenv("HOURFOLD_STORE_PATH");

    setenv("HOURFOLD_CONF", "/nowhere", 1); /* a path that is given goes before it */
    assert_int_equal(conf_load(path, &conf, &why), HF_OK);
    assert_int_equal(conf->store.buckets, 100);
    conf_free(&conf);
    setenv("HOURFOLD_CONF", path, 1);

    unlink(path);
    assert_int_equal(conf_load(NULL, &conf, &why), HF_IO);
    assert_non_null(strstr(why.text, "No such file"));
    assert_int_equal(conf_load("/", &conf, &why), HF_IO);
    assert_null(conf);
    unsetenv("HOURFOLD_CONF");
}

/* With the "#" before every name taken away, the installed file says the defaults. */
static void the_installed_file_holds_the_defaults(void **state)
{
    (void)state;
    char line[256];
    size_t options = 0;
    FILE *file = tmpfile();
    struct hf_buf text = {0};
    assert_non_null(file);
    conf_print_ini(file, false);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL && strcmp(line, "#[view NAME]\n") != 0) {
        bool option = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
        hf_buf_puts(&text, line + option);
        options += option;
    }
    fclose(file);
    assert_int_equal(options, conf_option_count);
    hf_buf_u8(&text, 0);
    struct hf_conf *conf = must_parse((char *)text.data), *defaults = must_parse("");
    assert_string_equal(conf->store.path, defaults->store.path);
    assert_string_equal(conf->bus.url, defaults->bus.url);
    assert_memory_equal(&conf->consumer, &defaults->consumer, sizeof conf->consumer);
    assert_int_equal(conf->collect.max_body, defaults->collect.max_body);
    conf_free(&conf);
    conf_free(&defaults);
    hf_buf_free(&text);
}

/* Of configurations that all differ, and of one that says what another does in other words. */
static void what_differs_has_another_digest(void **state)
{
    static const char *const texts[] = {
        "", "[store]\npath = /a\n", "[collect]\nspool = /a\n", "[collect]\nrate = 7\n", "[collect]\ndurability = power\n",
        "[view a]\nkeys = x\n", "[view b]\nkeys = x\n", "[view a]\nkeys = x,y\n", "[view a]\nkeys = x\n[view b]\nkeys = x\n"};
    enum { COUNT = sizeof texts / sizeof *texts };
    char digests[COUNT][CONF_DIGEST_TEXT], again[CONF_DIGEST_TEXT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        struct hf_conf *conf = must_parse(texts[i]);
        conf_digest(conf, digests[i]);
        conf_free(&conf);
        for (size_t j = 0; j < i; j++)
            assert_true_of(strcmp(digests[i], digests[j]) != 0, "%s\n%s", texts[i], texts[j]);
    }
    struct hf_conf *conf = must_parse("# the default of one, the other as above\n[collect]\nmax_body = 1M\nrate=7\n");
    assert_string_equal(conf_digest(conf, again), digests[3]);
    conf_free(&conf);
}

UNIT_TESTS(unit(inputs_give_what_is_expected), unit(defaults_are_permitted_and_kept), unit(values_are_read_in_their_units),
           unit(texts_are_kept_whole), unit(views_and_files_are_bounded), unit(the_environment_overrides_the_file),
           unit(the_installed_file_holds_the_defaults), unit(what_differs_has_another_digest))
