/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

#define ok(call) assert_true_of((call) == HF_OK, "%s: %s", #call, why.text)

static char folder[64];
static struct hf_why why;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/store_test.XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct store *open_store(enum store_role role)
{
    struct store_options options = {.path = folder, .role = role, .cache_mb = 8};
    struct store *store = NULL;
    ok(store_open(&options, &store, &why));
    return store;
}

static void commit_cell(struct store *store, enum store_table table, const char *key, uint32_t slot, const char *text)
{
    struct store_write *write;
    ok(store_write_begin(store, &write, &why));
    ok(store_write_cell(write, table, key, strlen(key), slot, text, strlen(text)));
    ok(store_write_commit(&write, &why));
}

static void must_hold(struct store *store, enum store_table table, const char *key, uint32_t slot, const char *text)
{
    struct store_read *read;
    struct hf_buf buf = {0};
    ok(store_read_begin(store, &read, &why));
    enum hf_err err = store_read_cell(read, table, key, strlen(key), slot, &buf);
    if (text == NULL)
        assert_int_equal(err, HF_NOTFOUND);
    else {
        assert_int_equal(err, HF_OK);
        assert_int_equal(buf.len, strlen(text));
        assert_memory_equal(buf.data, text, buf.len);
    }
    hf_buf_free(&buf);
    store_read_end(&read);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITER);
    commit_cell(writer, STORE_HOURS, "a.b", 7, "one");
    must_hold(writer, STORE_HOURS, "a.b", 7, "one");
    struct store *reader = open_store(STORE_READER);
    must_hold(reader, STORE_HOURS, "a.b", 7, "one");
    must_hold(reader, STORE_MINUTES, "a.b", 7, NULL);
    commit_cell(writer, STORE_HOURS, "a.b", 7, "two");
    must_hold(reader, STORE_HOURS, "a.b", 7, "two");
    store_close(&writer);
    must_hold(reader, STORE_HOURS, "a.b", 7, "two");
    writer = open_store(STORE_WRITER);
    must_hold(reader, STORE_HOURS, "a.b", 7, "two");
    store_close(&reader);
    store_close(&writer);
}

#define test(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)
UNIT_TESTS(test(what_is_written_is_read))
