/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../child.h"
#include "store/inside.h"
#include "store/store.h"

#define ok(call) assert_true_of((call) == HF_OK, "%s: %s", #call, why.text)
#define fails(call, err) assert_true_of((call) == (err), "%s: not %s; %s", #call, hf_strerror(err), why.text)

static char folder[64], path[80];
static struct hf_why why;

static int remove_entry(const char *file, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(file);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/store_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/store", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int64_t now_ms(void) { return share_clock_ms(); }

static void sleep_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* ---- small steps ---- */

static enum hf_err try_open(enum store_role role, struct store **out)
{
    struct store_options options = {.path = path, .role = role, .cache_mb = 8};
    *out = NULL;
    strcpy(why.text, "");
    return store_open(&options, out, &why);
}

static struct store *open_store(enum store_role role)
{
    struct store *store;
    ok(try_open(role, &store));
    return store;
}

static struct store_write *begin_write(struct store *store)
{
    struct store_write *write;
    ok(store_write_begin(store, &write, &why));
    return write;
}

static struct store_read *begin_read(struct store *store)
{
    struct store_read *read;
    ok(store_read_begin(store, &read, &why));
    return read;
}

static void write_cell(struct store_write *write, enum store_table table, const char *key, uint32_t slot, const void *bytes,
                       size_t len)
{
    ok(store_write_cell(write, table, key, strlen(key), slot, bytes, len));
}

static void commit_cell(struct store *store, enum store_table table, const char *key, uint32_t slot, const char *text)
{
    struct store_write *write = begin_write(store);
    write_cell(write, table, key, slot, text, strlen(text));
    ok(store_write_commit(&write, &why));
    assert_null(write);
}

static void must_read(struct store_read *read, enum store_table table, const char *key, uint32_t slot, const char *text)
{
    struct hf_buf buf = {0};
    enum hf_err err = store_read_cell(read, table, key, strlen(key), slot, &buf);
    assert_int_equal(err, text == NULL ? HF_NOTFOUND : HF_OK);
    if (text != NULL) {
        assert_int_equal(buf.len, strlen(text));
        assert_memory_equal(buf.data, text, buf.len);
    }
    hf_buf_free(&buf);
}

static void must_hold(struct store *store, enum store_table table, const char *key, uint32_t slot, const char *text)
{
    struct store_read *read = begin_read(store);
    must_read(read, table, key, slot, text);
    store_read_end(&read);
    assert_null(read);
}

/* Run `body` in a process of its own and return its status. It starts without any store. */
static pid_t start_child(void (*body)(void))
{
    fflush(NULL);
    pid_t pid = test_fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* What a child found wrong is its exit status: cmocka's own way is the parent's alone. */
#define child_must(condition)                                                          \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "# line %d: %s; %s\n", __LINE__, #condition, why.text);    \
            _exit(1);                                                                  \
        }                                                                              \
    } while (0)

/* ---- records ---- */

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITER);
    commit_cell(writer, STORE_HOURS, "a.b", 7, "one");
    must_hold(writer, STORE_HOURS, "a.b", 7, "one");
    struct store *reader = open_store(STORE_READER);
    must_hold(reader, STORE_HOURS, "a.b", 7, "one");
    must_hold(reader, STORE_MINUTES, "a.b", 7, NULL);
    must_hold(reader, STORE_HOURS, "a.b", 8, NULL);
    must_hold(reader, STORE_HOURS, "a.", 7, NULL);
    must_hold(reader, STORE_HOURS, "a.bc", 7, NULL);
    commit_cell(writer, STORE_HOURS, "a.b", 7, "two");
    must_hold(reader, STORE_HOURS, "a.b", 7, "two");
    store_close(&writer);
    assert_null(writer);
    must_hold(reader, STORE_HOURS, "a.b", 7, "two");
    writer = open_store(STORE_WRITER);
    must_hold(reader, STORE_HOURS, "a.b", 7, "two");
    store_close(&reader);
    store_close(&writer);
    store_close(&writer); /* of nothing */
}

/* Around the sizes at which Berkeley DB moves a record to pages of its own, and far beyond. */
static void cells_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 30, 300, 990, 1000, 1010, 1023, 1024, 1025, 4000, 4096, 4500, 65535, 65536, 300000};
    static unsigned char bytes[300000];
    struct hf_buf buf = {0};
    struct store *store = open_store(STORE_WRITER);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t len = sizes[turn == 0 ? i : sizeof sizes / sizeof *sizes - 1 - i];
            struct store_write *write = begin_write(store);
            write_cell(write, STORE_MINUTES, "k", i, bytes, len);
            ok(store_write_commit(&write, &why));
            struct store_read *read = begin_read(store);
            ok(store_read_cell(read, STORE_MINUTES, "k", 1, i, &buf));
            assert_int_equal(buf.len, len);
            assert_memory_equal(buf.data, bytes, len);
            store_read_end(&read);
        }
    }
    hf_buf_free(&buf);
    store_close(&store);
}

static void keys_of_any_length(void **state)
{
    (void)state;
    char key[STORE_KEY_MAX + 2];
    memset(key, 'x', sizeof key);
    struct hf_buf buf = {0};
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write = begin_write(store);
    for (size_t len = 1; len <= STORE_KEY_MAX; len++) {
        ok(store_write_cell(write, STORE_HOURS, key, len, 1, &len, sizeof len));
        ok(store_write_key(write, key, len, (uint32_t)len));
    }
    fails(store_write_cell(write, STORE_HOURS, key, STORE_KEY_MAX + 1, 1, "", 0), HF_INVALID);
    fails(store_write_key(write, key, STORE_KEY_MAX + 1, 1), HF_INVALID);
    ok(store_write_commit(&write, &why));
    struct store_read *read = begin_read(store);
    for (size_t len = 1; len <= STORE_KEY_MAX; len++) {
        uint32_t first_hour = 0;
        size_t back;
        ok(store_read_key(read, key, len, &first_hour));
        assert_int_equal(first_hour, len);
        ok(store_read_cell(read, STORE_HOURS, key, len, 1, &buf));
        memcpy(&back, buf.data, sizeof back);
        assert_int_equal(back, len);
    }
    fails(store_read_cell(read, STORE_HOURS, key, STORE_KEY_MAX + 1, 1, &buf), HF_NOTFOUND);
    fails(store_read_key(read, "x.y", 3, NULL), HF_NOTFOUND);
    store_read_end(&read);
    hf_buf_free(&buf);
    store_close(&store);
}

static void other_records_are_kept(void **state)
{
    (void)state;
    unsigned char id[STORE_ID_BYTES] = {0, 1, 2, 255};
    int64_t seen_ms = 0;
    struct hf_buf buf = {0};
    struct store_status status, back;
    struct hf_buf encoded = {0}, encoded_back = {0};
    memset(&status, 0xFF, sizeof status); /* every field at an end of its range */
    status.view.bus = STORE_BUS_UNFIT;
    struct store *store = open_store(STORE_WRITER);
    struct store_read *read = begin_read(store);
    ok(store_read_status(read, &back));
    assert_true(back.position == 0 && back.folded == 0 && back.as_of_ms == 0);
    fails(store_read_id(read, id, &seen_ms), HF_NOTFOUND);
    fails(store_read_producer(read, 1, &buf), HF_NOTFOUND);
    store_read_end(&read);

    struct store_write *write = begin_write(store);
    ok(store_write_id(write, id, -77));
    ok(store_write_producer(write, UINT64_MAX, "window", 6));
    ok(store_write_status(write, &status));
    ok(store_write_commit(&write, &why));

    read = begin_read(store);
    ok(store_read_id(read, id, &seen_ms));
    assert_true(seen_ms == -77);
    ok(store_read_producer(read, UINT64_MAX, &buf));
    assert_int_equal(buf.len, 6);
    assert_memory_equal(buf.data, "window", 6);
    fails(store_read_producer(read, 1, &buf), HF_NOTFOUND);
    ok(store_read_status(read, &back));
    meta_encode_status(&status, &encoded);
    meta_encode_status(&back, &encoded_back);
    assert_int_equal(encoded.len, encoded_back.len);
    assert_memory_equal(encoded.data, encoded_back.data, encoded.len);
    hf_buf_free(&encoded);
    hf_buf_free(&encoded_back);
    store_read_end(&read);
    hf_buf_free(&buf);
    store_close(&store);
}

static void others_can_be_counted(void **state)
{
    (void)state;
    unsigned char id[STORE_ID_BYTES] = {0};
    struct store_place place = {0};
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write = begin_write(store);
    for (uint64_t i = 0; i < 1000; i++) {
        memcpy(id, &i, sizeof i);
        ok(store_write_id(write, id, 1));
        if (i < 70)
            ok(store_write_producer(write, i, &i, sizeof i));
    }
    ok(store_write_commit(&write, &why));
    unsigned calls = 0;
    for (; !place.end && calls < 100; calls++) {
        struct store_read *read = begin_read(store);
        ok(store_read_others(read, 100, &place));
        store_read_end(&read);
    }
    assert_int_equal(place.ids, 1000);
    assert_int_equal(place.producer_count, 70);
    assert_true(calls >= 11 && calls < 20);
    store_close(&store);
}

static void what_is_aborted_never_was(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "old");
    struct store_write *write = begin_write(store);
    write_cell(write, STORE_HOURS, "k", 1, "new", 3);
    write_cell(write, STORE_HOURS, "k", 2, "new", 3);
    store_write_abort(&write);
    assert_null(write);
    store_write_abort(&write); /* of nothing */
    must_hold(store, STORE_HOURS, "k", 1, "old");
    must_hold(store, STORE_HOURS, "k", 2, NULL);
    store_close(&store);
    store = open_store(STORE_WRITER);
    must_hold(store, STORE_HOURS, "k", 1, "old");
    store_close(&store);
}

static void a_read_does_not_wait_for_a_commit(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITER), *reader = open_store(STORE_READER);
    commit_cell(writer, STORE_HOURS, "k", 1, "old");
    struct store_write *write = begin_write(writer);
    for (uint32_t slot = 0; slot < 500; slot++)
        write_cell(write, STORE_HOURS, "k", slot, "being written", 13);
    int64_t begin_ms = now_ms();
    must_hold(reader, STORE_HOURS, "k", 1, "being written");
    must_hold(reader, STORE_HOURS, "j", 1, NULL);
    struct store *late = open_store(STORE_READER); /* nor does joining */
    must_hold(late, STORE_HOURS, "k", 499, "being written");
    assert_true(now_ms() - begin_ms < 1000);
    store_write_abort(&write);
    must_hold(reader, STORE_HOURS, "k", 1, "old");
    store_close(&late);
    store_close(&reader);
    store_close(&writer);
}

/* A step on a thread of its own, which has to wait for something here. */
struct step {
    struct store *store;
    enum hf_err err;
    struct hf_buf buf;
    _Atomic bool done;
};

static void *read_consistently(void *context)
{
    struct step *step = context;
    struct store_read *read;
    struct hf_why ignored;
    do {
        step->err = store_read_begin_consistent(step->store, &read, &ignored);
        if (step->err == HF_OK) {
            step->err = store_read_cell(read, STORE_HOURS, "k", 1, 1, &step->buf);
            store_read_end(&read);
        }
    } while (step->err == HF_AGAIN);
    step->done = true;
    return NULL;
}

static void *write_new(void *context)
{
    struct step *step = context;
    struct store_write *write;
    struct hf_why ignored;
    step->err = store_write_begin(step->store, &write, &ignored);
    if (step->err == HF_OK) {
        step->err = store_write_cell(write, STORE_HOURS, "k", 1, 1, "newer", 5);
        if (step->err == HF_OK)
            step->err = store_write_commit(&write, &ignored);
    }
    step->done = true;
    return NULL;
}

static void a_consistent_read_is_of_one_commit(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITER), *reader = open_store(STORE_READER);
    struct step reading = {.store = reader}, writing = {.store = writer};
    pthread_t thread;
    commit_cell(writer, STORE_HOURS, "k", 1, "old");

    struct store_write *write = begin_write(writer);
    write_cell(write, STORE_HOURS, "k", 1, "new", 3);
    assert_int_equal(pthread_create(&thread, NULL, read_consistently, &reading), 0);
    sleep_ms(200);
    assert_false(reading.done); /* it waits for the commit */
    ok(store_write_commit(&write, &why));
    pthread_join(thread, NULL);
    assert_int_equal(reading.err, HF_OK);
    assert_int_equal(reading.buf.len, 3);
    assert_memory_equal(reading.buf.data, "new", 3);
    hf_buf_free(&reading.buf);

    struct store_read *read;
    ok(store_read_begin_consistent(reader, &read, &why));
    must_read(read, STORE_HOURS, "k", 1, "new");
    assert_int_equal(pthread_create(&thread, NULL, write_new, &writing), 0);
    sleep_ms(200);
    assert_false(writing.done); /* the commit waits for it */
    must_read(read, STORE_HOURS, "k", 1, "new");
    store_read_end(&read);
    pthread_join(thread, NULL);
    assert_int_equal(writing.err, HF_OK);
    must_hold(reader, STORE_HOURS, "k", 1, "newer");
    store_close(&reader);
    store_close(&writer);
}

/* ---- ranges ---- */

struct seen {
    char text[4096]; /* what was seen, in order */
    unsigned count, most;
};

static bool HF_PRINTF(2, 3) see(struct seen *seen, const char *format, ...)
{
    va_list args;
    size_t at = strlen(seen->text);
    va_start(args, format);
    vsnprintf(seen->text + at, sizeof seen->text - at, format, args);
    va_end(args);
    return ++seen->count != seen->most;
}

static bool see_slot(void *context, uint32_t slot, const void *bytes, size_t len)
{
    return see(context, "%lu=%.*s ", (unsigned long)slot, (int)len, (const char *)bytes);
}

static bool see_key(void *context, const char *key, size_t key_bytes)
{
    return see(context, "%.*s ", (int)key_bytes, key);
}

static bool see_cell(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    return see(context, "%lu/%.*s=%.*s ", (unsigned long)slot, (int)key_bytes, key, (int)len, (const char *)bytes);
}

static void must_range(struct store_read *read, const char *key, uint32_t first, uint32_t last, unsigned most, const char *text)
{
    struct seen seen = {.most = most};
    ok(store_read_range(read, STORE_HOURS, key, strlen(key), first, last, see_slot, &seen));
    assert_string_equal(seen.text, text);
}

static void ranges_of_one_key(void **state)
{
    (void)state;
    static const struct { const char *key; uint32_t slot; const char *text; } cells[] = {
        {"b", 5, "b5"}, {"b", 6, "b6"}, {"b", 9, "b9"}, {"b", 400000, "b4"}, {"b", UINT32_MAX, "bm"}, {"b", 0, "b0"},
        {"a", 6, "a6"}, {"a", 7, "a7"}, {"c", 7, "c7"}, {"ba", 7, "ba"}, {"c", 300, "c3"}, {"a", 5000, "a5"}, {"c", 400000, "c4"}};
    struct store *store = open_store(STORE_WRITER);
    struct store_read *read = begin_read(store);
    must_range(read, "b", 0, UINT32_MAX, 0, "");
    store_read_end(&read);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        commit_cell(store, STORE_HOURS, cells[i].key, cells[i].slot, cells[i].text);
    read = begin_read(store);
    must_range(read, "b", 0, UINT32_MAX, 0, "0=b0 5=b5 6=b6 9=b9 400000=b4 4294967295=bm ");
    must_range(read, "b", 5, 9, 0, "5=b5 6=b6 9=b9 ");
    must_range(read, "b", 6, 8, 0, "6=b6 ");
    must_range(read, "b", 7, 8, 0, "");
    must_range(read, "b", 9, 5, 0, "");
    must_range(read, "b", 1, UINT32_MAX - 1, 0, "5=b5 6=b6 9=b9 400000=b4 ");
    must_range(read, "b", 10, 400000, 0, "400000=b4 ");
    must_range(read, "b", UINT32_MAX, UINT32_MAX, 0, "4294967295=bm ");
    must_range(read, "b", 0, UINT32_MAX, 2, "0=b0 5=b5 ");
    must_range(read, "a", 0, UINT32_MAX, 0, "6=a6 7=a7 5000=a5 ");
    must_range(read, "ba", 0, UINT32_MAX, 0, "7=ba ");
    must_range(read, "c", 0, 400000, 0, "7=c7 300=c3 400000=c4 ");
    must_range(read, "d", 0, UINT32_MAX, 0, "");
    must_range(read, "", 0, UINT32_MAX, 0, "");
    store_read_end(&read);
    store_close(&store);
}

static void must_cells(struct store_read *read, uint32_t first, const char *after, uint32_t last, unsigned most, const char *text)
{
    struct seen seen = {.most = most};
    ok(store_read_cells(read, STORE_HOURS, first, after, strlen(after), last, see_cell, &seen));
    assert_string_equal(seen.text, text);
}

static void cells_in_order(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "b", 256, "1");
    commit_cell(store, STORE_HOURS, "a", 256, "2");
    commit_cell(store, STORE_HOURS, "ab", 256, "3");
    commit_cell(store, STORE_HOURS, "z", 1, "4");
    commit_cell(store, STORE_HOURS, "a", 65536, "5");
    commit_cell(store, STORE_MINUTES, "a", 1, "6");
    struct store_read *read = begin_read(store);
    must_cells(read, 0, "", UINT32_MAX, 0, "1/z=4 256/a=2 256/ab=3 256/b=1 65536/a=5 ");
    must_cells(read, 1, "", 256, 0, "1/z=4 256/a=2 256/ab=3 256/b=1 ");
    must_cells(read, 256, "a", 256, 0, "256/ab=3 256/b=1 ");
    must_cells(read, 256, "aa", 256, 0, "256/ab=3 256/b=1 ");
    must_cells(read, 256, "b", UINT32_MAX, 0, "65536/a=5 ");
    must_cells(read, 2, "", 255, 0, "");
    must_cells(read, 65536, "a", UINT32_MAX, 0, "");
    must_cells(read, 0, "", UINT32_MAX, 2, "1/z=4 256/a=2 ");
    store_read_end(&read);
    store_close(&store);
}

/* ---- commits among what is there ---- */

/* What the two tables of cells hold: the length of each record and its first byte; 0: none. */
#define PLACES 1200u /* of a table: 4 slots of 300 keys */
struct place {
    unsigned len;
    unsigned char byte;
};
static struct place held[2][PLACES];
static uint64_t drawn;

static unsigned draw(unsigned below)
{
    drawn ^= drawn << 13, drawn ^= drawn >> 7, drawn ^= drawn << 17;
    return (unsigned)((drawn >> 11) % below);
}

/* Some are on pages of their own. */
static unsigned draw_length(void) { return draw(40) == 0 ? 4000 + draw(20000) : 1 + draw(draw(3) == 0 ? 1500 : 150); }

static void write_place(struct store_write *write, unsigned table, unsigned at, struct place place[2][PLACES])
{
    static unsigned char bytes[24000];
    char key[16];
    place[table][at] = (struct place){draw_length(), (unsigned char)draw(256)};
    memset(bytes, place[table][at].byte, place[table][at].len);
    snprintf(key, sizeof key, "k%03u", at % 300);
    write_cell(write, (enum store_table)table, key, at / 300, bytes, place[table][at].len);
}

static bool see_place(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    struct place *seen = context;
    assert_true(key_bytes == 4 && slot < 4);
    unsigned at = slot * 300 + (unsigned)((key[1] - '0') * 100 + (key[2] - '0') * 10 + (key[3] - '0'));
    const unsigned char *byte = bytes;
    seen[at] = (struct place){(unsigned)len, *byte};
    for (size_t i = 1; i < len; i++)
        assert_int_equal(byte[i], *byte);
    return true;
}

static void must_hold_all(struct store *store)
{
    struct store_read *read = begin_read(store);
    for (unsigned table = 0; table < 2; table++) {
        static struct place seen[PLACES];
        memset(seen, 0, sizeof seen);
        ok(store_read_cells(read, (enum store_table)table, 0, "", 0, UINT32_MAX, see_place, seen));
        for (unsigned at = 0; at < PLACES; at++)
            assert_true_of(seen[at].len == held[table][at].len && seen[at].byte == held[table][at].byte, "table %u place %u", table, at);
    }
    store_read_end(&read);
}

/* Both tables from front to back, one place in `sparse`, as commits write; or from back to front and between the tables in turn. */
static void write_places(struct store_write *write, unsigned sparse, bool in_order, struct place place[2][PLACES])
{
    for (unsigned i = 0; i < 2 * PLACES; i++) {
        unsigned table = in_order ? i / PLACES : i % 2, at = in_order ? i % PLACES : PLACES - 1 - i / 2;
        if (draw(sparse) == 0)
            write_place(write, table, at, place);
    }
}

/* Records that are new and old, larger and smaller than before, with others between them, before all and after all, on pages
 * that split and beside records deleted in the same transaction: now and then it is all undone. */
static void commits_go_among_what_is_there(void **state)
{
    (void)state;
    static struct place next[2][PLACES];
    const char *given = getenv("HF_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    drawn = seed * 2654435761u + 1;
    print_message("# HF_TEST_SEED=%llu\n", (unsigned long long)seed);
    memset(held, 0, sizeof held);
    struct store *store = open_store(STORE_WRITER);
    for (unsigned round = 0; round < 24; round++) {
        memcpy(next, held, sizeof next);
        struct store_write *write = begin_write(store);
        if (round % 6 == 5) {
            unsigned deleted;
            ok(store_expire_cells(write, STORE_HOURS, 1 + draw(4), 300, NULL, NULL, &deleted));
            for (unsigned at = 0; deleted > 0; at++)
                if (next[0][at].len != 0)
                    next[0][at].len = next[0][at].byte = 0, deleted--;
        }
        write_places(write, 1u << draw(8), draw(4) != 0, next);
        if (round % 5 == 3) {
            store_write_abort(&write);
        } else {
            ok(store_write_commit(&write, &why));
            memcpy(held, next, sizeof held);
        }
        must_hold_all(store);
    }
    store_close(&store);
    ok(env_check_tables(path, &why));
}

struct tally {
    unsigned cells;
    size_t bytes;
};

static bool add_up(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    struct tally *tally = context;
    char expected[16];
    snprintf(expected, sizeof expected, "k%05u", tally->cells % 1000);
    assert_true(slot == tally->cells / 1000 && key_bytes == 6 && memcmp(key, expected, 6) == 0);
    assert_int_equal(len, tally->cells % 97 == 0 ? 70000 : tally->cells % 300);
    assert_true(len == 0 || *(const unsigned char *)bytes == (unsigned char)tally->cells);
    tally->cells++;
    tally->bytes += len;
    return true;
}

/* More than a batch holds, and now and then a record that is larger than one. */
static void long_walks_miss_nothing(void **state)
{
    (void)state;
    static unsigned char bytes[70000];
    char key[16];
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write = begin_write(store);
    for (unsigned i = 0; i < 3000; i++) {
        memset(bytes, (int)i, sizeof bytes);
        snprintf(key, sizeof key, "k%05u", i % 1000);
        write_cell(write, STORE_HOURS, key, i / 1000, bytes, i % 97 == 0 ? 70000 : i % 300);
    }
    ok(store_write_commit(&write, &why));
    struct tally tally = {0};
    struct store_read *read = begin_read(store);
    ok(store_read_cells(read, STORE_HOURS, 0, "", 0, UINT32_MAX, add_up, &tally));
    store_read_end(&read);
    assert_int_equal(tally.cells, 3000);
    store_close(&store);
}

static void must_list(struct store_read *read, const char *prefix, const char *after, unsigned most, const char *text)
{
    struct seen seen = {.most = most};
    ok(store_read_keys(read, prefix, after, see_key, &seen));
    assert_true_of(strcmp(seen.text, text) == 0, "prefix \"%s\" after \"%s\": %s", prefix, after, seen.text);
}

static void keys_are_listed(void **state)
{
    (void)state;
    static const char *const keys[] = {"web.b", "app.x", "web", "web.a", "web-1", "web.a.c", "zoo", "0"};
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write = begin_write(store);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        ok(store_write_key(write, keys[i], strlen(keys[i]), 1));
    ok(store_write_commit(&write, &why));
    char longest[400];
    memset(longest, 'w', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct store_read *read = begin_read(store);
    must_list(read, "", "", 0, "0 app.x web web-1 web.a web.a.c web.b zoo ");
    must_list(read, "web", "", 0, "web web-1 web.a web.a.c web.b ");
    must_list(read, "web.", "", 0, "web.a web.a.c web.b ");
    must_list(read, "web", "web", 0, "web-1 web.a web.a.c web.b ");
    must_list(read, "web", "web.a", 0, "web.a.c web.b ");
    must_list(read, "web", "web.aa", 0, "web.b ");
    must_list(read, "web", "app", 0, "web web-1 web.a web.a.c web.b ");
    must_list(read, "web", "zoo", 0, "");
    must_list(read, "", "web.b", 0, "zoo ");
    must_list(read, "", "zoo", 0, "");
    must_list(read, "", "", 3, "0 app.x web ");
    must_list(read, "x", "", 0, "");
    must_list(read, "", longest, 0, "zoo ");
    must_list(read, longest, "", 0, "");
    store_read_end(&read);
    store_close(&store);
}

/* ---- expiry ---- */

static void old_cells_go_from_the_front(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    for (uint32_t slot = 1; slot <= 6; slot++) {
        commit_cell(store, STORE_HOURS, "a", slot, "x");
        commit_cell(store, STORE_HOURS, "b", slot, "y");
    }
    unsigned deleted;
    struct seen seen = {.most = 0};
    struct store_write *write = begin_write(store);
    ok(store_expire_cells(write, STORE_HOURS, 4, 4, see_slot, &seen, &deleted));
    ok(store_write_commit(&write, &why));
    assert_int_equal(deleted, 4);
    assert_string_equal(seen.text, "1=x 1=y 2=x 2=y ");
    write = begin_write(store);
    ok(store_expire_cells(write, STORE_HOURS, 4, 100, NULL, NULL, &deleted));
    ok(store_write_commit(&write, &why));
    assert_int_equal(deleted, 2);
    /* Nothing of an aborted call is gone; and `each` may end it. */
    write = begin_write(store);
    seen = (struct seen){.most = 2};
    ok(store_expire_cells(write, STORE_HOURS, 100, 100, see_slot, &seen, &deleted));
    assert_int_equal(deleted, 1);
    store_write_abort(&write);
    struct store_read *read = begin_read(store);
    must_cells(read, 0, "", UINT32_MAX, 0, "4/a=x 4/b=y 5/a=x 5/b=y 6/a=x 6/b=y ");
    store_read_end(&read);
    write = begin_write(store);
    ok(store_expire_cells(write, STORE_MINUTES, 100, 100, NULL, NULL, &deleted));
    assert_int_equal(deleted, 0);
    store_write_abort(&write);
    store_close(&store);
}

static void old_ids_go_in_turns(void **state)
{
    (void)state;
    unsigned char id[STORE_ID_BYTES] = {0};
    int64_t seen_ms;
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write = begin_write(store);
    for (unsigned i = 0; i < 1000; i++) {
        id[0] = (unsigned char)(i * 37);
        id[1] = (unsigned char)(i >> 8);
        id[2] = (unsigned char)i;
        ok(store_write_id(write, id, i % 100));
    }
    ok(store_write_commit(&write, &why));
    unsigned deleted, total = 0;
    for (int call = 0; call < 20; call++) {
        write = begin_write(store);
        ok(store_expire_ids(write, 10, 20, &deleted));
        ok(store_write_commit(&write, &why));
        assert_true(deleted <= 20);
        total += deleted;
    }
    assert_int_equal(total, 100);
    struct store_read *read = begin_read(store);
    for (unsigned i = 0; i < 1000; i++) {
        id[0] = (unsigned char)(i * 37);
        id[1] = (unsigned char)(i >> 8);
        id[2] = (unsigned char)i;
        fails(store_read_id(read, id, &seen_ms), i % 100 < 10 ? HF_NOTFOUND : HF_OK);
    }
    store_read_end(&read);
    store_close(&store);
}

static bool is_odd(void *context, uint64_t producer, const void *bytes, size_t len)
{
    (void)context;
    assert_true(len == sizeof producer && memcmp(bytes, &producer, len) == 0);
    return producer % 2 == 1;
}

static void old_producers_go_in_turns(void **state)
{
    (void)state;
    struct hf_buf buf = {0};
    struct store *store = open_store(STORE_WRITER);
    struct store_write *write = begin_write(store);
    for (uint64_t i = 0; i < 100; i++)
        ok(store_write_producer(write, i, &i, sizeof i));
    ok(store_write_commit(&write, &why));
    unsigned deleted, total = 0;
    for (int call = 0; call < 20; call++) {
        write = begin_write(store);
        ok(store_expire_producers(write, is_odd, NULL, 10, &deleted));
        ok(store_write_commit(&write, &why));
        total += deleted;
    }
    assert_int_equal(total, 50);
    struct store_read *read = begin_read(store);
    for (uint64_t i = 0; i < 100; i++)
        fails(store_read_producer(read, i, &buf), i % 2 == 1 ? HF_NOTFOUND : HF_OK);
    store_read_end(&read);
    hf_buf_free(&buf);
    store_close(&store);
}

static void sync_and_checkpoint(void **state)
{
    (void)state;
    static unsigned char bytes[4000];
    char command[120], first[120];
    struct store *store = open_store(STORE_WRITER);
    snprintf(first, sizeof first, "%s/log/log.0000000001", path);
    assert_int_equal(access(first, F_OK), 0);
    for (unsigned i = 0; i < 2000; i++) {
        struct store_write *write = begin_write(store);
        memset(bytes, (int)i, sizeof bytes);
        write_cell(write, STORE_HOURS, "k", i % 10, bytes, sizeof bytes);
        ok(store_write_commit(&write, &why));
    }
    ok(store_sync(store, &why));
    ok(store_checkpoint(store, &why));
    assert_int_equal(access(first, F_OK), -1); /* not needed any more */
    snprintf(command, sizeof command, "%s/data/hours", path);
    assert_int_equal(access(command, F_OK), 0);
    store_close(&store);
}

/* ---- who may open ---- */

static void a_child_cannot_write(void)
{
    struct store *store;
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld ", (long)getppid());
    int64_t begin_ms = now_ms();
    child_must(try_open(STORE_WRITER, &store) == HF_BUSY);
    child_must(now_ms() - begin_ms < 2000);
    child_must(strstr(why.text, pid) != NULL);
    child_must(try_open(STORE_READER, &store) == HF_OK);
    struct store_read *read;
    struct hf_buf buf = {0};
    child_must(store_read_begin(store, &read, &why) == HF_OK);
    child_must(store_read_cell(read, STORE_HOURS, "k", 1, 1, &buf) == HF_OK);
    store_read_end(&read);
    store_close(&store);
}

static void there_is_one_writer(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER), *second;
    commit_cell(store, STORE_HOURS, "k", 1, "x");
    fails(try_open(STORE_WRITER, &second), HF_BUSY);
    assert_null(second);
    assert_int_equal(status_of(start_child(a_child_cannot_write)), 0);
    commit_cell(store, STORE_HOURS, "k", 1, "y");
    store_close(&store);
    second = open_store(STORE_WRITER);
    must_hold(second, STORE_HOURS, "k", 1, "y");
    store_close(&second);
}

static void a_reader_before_the_store(void **state)
{
    (void)state;
    struct store *store;
    fails(try_open(STORE_READER, &store), HF_NOTFOUND);
    assert_non_null(strstr(why.text, path));
    assert_int_equal(mkdir(path, 0700), 0);
    fails(try_open(STORE_READER, &store), HF_NOTFOUND);
    store = open_store(STORE_WRITER);
    store_close(&store);
    store = open_store(STORE_READER);
    must_hold(store, STORE_HOURS, "k", 1, NULL);
    store_close(&store);
}

static void a_child_without_rights(void)
{
    struct store *store;
    if (geteuid() == 0) {
        child_must(chmod(folder, 0755) == 0 && chmod(path, 0755) == 0);
        child_must(setgid(65534) == 0 && setuid(65534) == 0);
    }
    child_must(try_open(STORE_READER, &store) == HF_IO);
    child_must(strstr(why.text, "write permission") != NULL);
    child_must(try_open(STORE_WRITER, &store) == HF_IO);
    child_must(strstr(why.text, strerror(EACCES)) != NULL);
}

static int make_read_only(const char *file, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    return type == FTW_F ? chmod(file, 0444) : 0;
}

static void who_may_not_write_is_told(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    store_close(&store);
    assert_int_equal(nftw(path, make_read_only, 16, FTW_PHYS), 0);
    assert_int_equal(status_of(start_child(a_child_without_rights)), 0);
}

static void overwrite(const char *name, off_t at, const void *bytes, size_t len)
{
    char file[120];
    snprintf(file, sizeof file, "%s/%s", path, name);
    int fd = open(file, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

static void put_meta(struct store *store, const char *name, const void *bytes, size_t len)
{
    struct store_write *write = begin_write(store);
    DBT key = dbt_of(name, strlen(name)), value = dbt_of(bytes, len);
    assert_int_equal(store->env->tables[ENV_META]->put(store->env->tables[ENV_META], write->txn, &key, &value, 0), 0);
    ok(store_write_commit(&write, &why));
}

static uint64_t position_of(struct store *store, uint64_t *repeated)
{
    struct store_status status;
    struct store_read *read = begin_read(store);
    ok(store_read_status(read, &status));
    store_read_end(&read);
    *repeated = status.repeated;
    return status.position;
}

static void format_1_becomes_2(void **state)
{
    (void)state;
    uint64_t repeated;
    unsigned char bytes[64];
    static const unsigned char status[13] = {5, 4, 4, 4, 9, 9, 0, 0, 0, 0, 1, 0, 7}, one[4] = {1, 0, 0, 0};
    struct store *store = open_store(STORE_WRITER);
    put_meta(store, "status", status, sizeof status);
    put_meta(store, "format", one, sizeof one);
    store_close(&store);
    store = open_store(STORE_READER);
    assert_int_equal(position_of(store, &repeated), 5);
    assert_int_equal(repeated, 0);
    store_close(&store);
    store = open_store(STORE_WRITER);
    assert_int_equal(position_of(store, &repeated), 5);
    DBT key = dbt_of("format", 6), value = {.data = bytes, .ulen = sizeof bytes, .flags = DB_DBT_USERMEM};
    assert_int_equal(store->env->tables[ENV_META]->get(store->env->tables[ENV_META], NULL, &key, &value, 0), 0);
    assert_int_equal(bytes[0], 2);
    store_close(&store);
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    static const unsigned char format[4] = {3, 0, 0, 0};
    put_meta(store, "format", format, sizeof format);
    store_close(&store);
    fails(try_open(STORE_READER, &store), HF_INVALID);
    assert_non_null(strstr(why.text, "format 3"));
    fails(try_open(STORE_WRITER, &store), HF_INVALID);
    assert_non_null(strstr(why.text, "format 3"));
    unsigned char version = 9;
    overwrite("state", 8, &version, 1);
    fails(try_open(STORE_READER, &store), HF_INVALID);
    assert_non_null(strstr(why.text, "version"));
}

/* Read everything until something is wrong. */
static enum hf_err read_everything(struct store *store)
{
    struct store_read *read;
    struct seen seen = {.most = 0};
    enum hf_err err = store_read_begin(store, &read, &why);
    if (err != HF_OK)
        return err;
    err = store_read_cells(read, STORE_HOURS, 0, "", 0, UINT32_MAX, see_cell, &seen);
    strcpy(why.text, "");
    assert_int_equal(store_read_why(read, &why), err == HF_CORRUPT ? HF_CORRUPT : HF_OK);
    store_read_end(&read);
    return err;
}

static void must_advise(const char *file)
{
    assert_true_of(strstr(why.text, file) != NULL && strstr(why.text, "`hourfold verify`") != NULL &&
                       strstr(why.text, "`hourfold restore --replace BACKUP`") != NULL && strchr(why.text, '\n') == NULL,
                   "%s", why.text);
}

static void damage_is_told(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    for (uint32_t slot = 0; slot < 200; slot++)
        commit_cell(store, STORE_HOURS, "a.key.of.some.length", slot, "and a cell that makes for several pages of them");
    store_close(&store);
    overwrite("data/hours", 3 * 4096 + 2000, "XXXX", 4);
    /* The cache is empty: pages are read from the file. */
    store = open_store(STORE_WRITER);
    struct store *reader = open_store(STORE_READER);
    assert_int_equal(read_everything(reader), HF_CORRUPT);
    must_advise("store/data/hours");
    struct store_write *write;
    fails(store_write_begin(store, &write, &why), HF_STALE);
    store_close(&store);
    /* What is whole can be read; what is not is never told otherwise. */
    must_hold(reader, STORE_HOURS, "a.key.of.some.length", 0, "and a cell that makes for several pages of them");
    assert_int_equal(read_everything(reader), HF_CORRUPT);
    must_hold(reader, STORE_HOURS, "a.key.of.some.length", 199, "and a cell that makes for several pages of them");
    store_close(&reader);
    overwrite("data/hours", 100, "XXXX", 4); /* its first page */
    fails(try_open(STORE_WRITER, &store), HF_CORRUPT);
    must_advise("store/data/hours");
    fails(try_open(STORE_READER, &store), HF_CORRUPT);
    must_advise("store/data/hours");
}

/* A table that is gone, or has become empty, is not made anew as if it had never been. */
static void a_table_may_be_lost(void **state)
{
    (void)state;
    char file[120];
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "x");
    store_close(&store);
    snprintf(file, sizeof file, "%s/data/producers", path);
    assert_int_equal(truncate(file, 0), 0);
    fails(try_open(STORE_WRITER, &store), HF_CORRUPT);
    must_advise("store/data/producers");
    assert_int_equal(unlink(file), 0);
    fails(try_open(STORE_WRITER, &store), HF_CORRUPT);
    must_advise("store/data/producers");
    fails(try_open(STORE_READER, &store), HF_CORRUPT);
    must_advise("store/data/producers");
}

/* ---- backups ---- */

static void back_up(const char *to)
{
    char partial[120];
    snprintf(partial, sizeof partial, "%s.partial", to);
    ok(store_copy(path, partial, 8, &why));
    ok(store_pack(partial, to, &why));
}

static void a_backup_is_of_one_moment(void **state)
{
    (void)state;
    char backup[100];
    snprintf(backup, sizeof backup, "%s/backup", folder);
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "before");
    struct store_write *write = begin_write(store);
    write_cell(write, STORE_HOURS, "k", 1, "not committed", 13);
    back_up(backup);
    ok(store_write_commit(&write, &why));
    store_close(&store);
    strcpy(path, backup);
    store = open_store(STORE_WRITER);
    must_hold(store, STORE_HOURS, "k", 1, "before");
    store_close(&store);
}

#define BLOCKS 75u /* of as many cells each; commit p writes p into all of block p % BLOCKS */
#define BLOCK_CELLS 40u

/* Commit and write pages back all the time. */
static void churn(void)
{
    static char text[1000];
    struct store *store;
    child_must(try_open(STORE_WRITER, &store) == HF_OK);
    for (uint64_t p = 1;; p++) {
        struct store_write *write;
        struct store_status status = {.position = p};
        child_must(store_write_begin(store, &write, &why) == HF_OK);
        snprintf(text, sizeof text, "%llu", (unsigned long long)p);
        for (unsigned i = 0; i < BLOCK_CELLS; i++)
            child_must(store_write_cell(write, STORE_HOURS, "k", 1, (uint32_t)(i * BLOCKS + p % BLOCKS), text, sizeof text) == HF_OK);
        child_must(store_write_status(write, &status) == HF_OK);
        child_must(store_write_commit(&write, &why) == HF_OK);
        if (p > BLOCKS)
            child_must(store_checkpoint(store, &why) == HF_OK);
    }
}

/* Every cell is as of the position that the copy has. */
static void must_be_of_one_commit(const char *copy)
{
    struct store *store;
    struct store_read *read;
    struct store_status status;
    struct hf_buf cell = {0};
    struct store_options options = {.path = copy, .role = STORE_READER, .cache_mb = 8};
    ok(store_open(&options, &store, &why));
    read = begin_read(store);
    ok(store_read_status(read, &status));
    assert_true(status.position > BLOCKS);
    for (uint32_t slot = 0; slot < BLOCKS * BLOCK_CELLS; slot++) {
        ok(store_read_cell(read, STORE_HOURS, "k", 1, slot, &cell));
        uint64_t ago = (status.position + BLOCKS - slot % BLOCKS) % BLOCKS;
        assert_int_equal(strtoull((const char *)cell.data, NULL, 10), status.position - ago);
    }
    hf_buf_free(&cell);
    store_read_end(&read);
    store_close(&store);
}

static void a_store_in_use_is_copied(void **state)
{
    (void)state;
    char copy[100];
    pid_t pid = start_child(churn);
    struct store *store = NULL;
    struct store_status status = {0};
    for (int64_t end_ms = now_ms() + PATIENT_MS; status.position <= 2 * BLOCKS && now_ms() < end_ms; sleep_ms(20)) {
        struct store_read *read;
        if (store == NULL && try_open(STORE_READER, &store) != HF_OK)
            continue;
        if (store_read_begin(store, &read, &why) != HF_OK)
            continue;
        (void)!store_read_status(read, &status);
        store_read_end(&read);
    }
    store_close(&store);
    snprintf(copy, sizeof copy, "%s/copy", folder);
    for (int i = 0; i < 5; i++) {
        ok(store_copy(path, copy, 8, &why));
        must_be_of_one_commit(copy);
        store_remove(copy);
    }
    kill(pid, SIGKILL);
    status_of(pid);
}

static void readers_follow_a_restore(void **state)
{
    (void)state;
    char restoring[120], other[100];
    bool exists;
    snprintf(restoring, sizeof restoring, "%s/" STORE_RESTORING, path);
    struct store *writer = open_store(STORE_WRITER);
    commit_cell(writer, STORE_HOURS, "k", 1, "old");
    back_up(restoring);
    commit_cell(writer, STORE_HOURS, "k", 1, "new");
    fails(store_may_replace(path, &exists, &why), HF_BUSY);
    fails(store_replace(path, &why), HF_BUSY);
    assert_non_null(strstr(why.text, "stop hourfold-consumer"));
    struct store *reader = open_store(STORE_READER);
    store_close(&writer);
    must_hold(reader, STORE_HOURS, "k", 1, "new");
    ok(store_may_replace(path, &exists, &why));
    assert_true(exists);
    ok(store_replace(path, &why));
    must_hold(reader, STORE_HOURS, "k", 1, "old");
    store_close(&reader);
    /* What is no store is left alone. */
    snprintf(other, sizeof other, "%s/other", folder);
    ok(store_may_replace(other, &exists, &why));
    assert_false(exists);
    assert_int_equal(mkdir(other, 0700), 0);
    ok(store_may_replace(other, &exists, &why));
    snprintf(other, sizeof other, "%s/other/tally", folder);
    assert_int_equal(mkdir(other, 0700), 0); /* as hourfold-collect has put there */
    snprintf(other, sizeof other, "%s/other", folder);
    ok(store_may_replace(other, &exists, &why));
    assert_false(exists);
    snprintf(other, sizeof other, "%s/other/log", folder); /* as in /var */
    assert_int_equal(mkdir(other, 0700), 0);
    snprintf(other, sizeof other, "%s/other", folder);
    fails(store_may_replace(other, &exists, &why), HF_INVALID);
    assert_non_null(strstr(why.text, "log"));
}

/* Whoever replaced the store died as soon as it was decided, or later: it is finished by a reader, or by a writer. */
static void a_restore_is_finished(void **state)
{
    (void)state;
    char backup[100], from[120], to[120];
    struct share *share;
    pid_t owner;
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "old");
    for (int moved = 0; moved <= 2; moved++) {
        snprintf(backup, sizeof backup, "%s/restored", path);
        back_up(backup);
        commit_cell(store, STORE_HOURS, "k", 1, "new");
        must_hold(store, STORE_HOURS, "k", 1, "new");
        store_close(&store);
        ok(share_open(path, false, &share, &why));
        ok(share_own(share, &owner));
        share_set_phase(share, SHARE_RECOVERING);
        share_disown(share);
        share_close(&share);
        for (int i = 0; i < moved; i++) {
            static const char *const names[] = {"data", "log"};
            snprintf(to, sizeof to, "%s/%s", path, names[i]);
            snprintf(from, sizeof from, "%s/%s", backup, names[i]);
            assert_int_equal(nftw(to, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
            assert_int_equal(rename(from, to), 0);
        }
        store = open_store(moved == 1 ? STORE_WRITER : STORE_READER);
        must_hold(store, STORE_HOURS, "k", 1, "old");
        store_close(&store);
        assert_int_equal(access(backup, F_OK), -1);
        store = open_store(STORE_WRITER);
    }
    store_close(&store);
}

/* ---- trouble ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {0};
    child_must(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    child_must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static enum hf_err try_to_commit(struct store *store, uint32_t slot)
{
    static char bytes[50000];
    struct store_write *write;
    enum hf_err err = store_write_begin(store, &write, &why);
    if (err != HF_OK)
        return err;
    err = store_write_cell(write, STORE_HOURS, "k", 1, slot, bytes, sizeof bytes);
    if (err == HF_OK)
        return store_write_commit(&write, &why);
    child_must(store_write_why(write, &why) == err);
    store_write_abort(&write);
    return err;
}

static void large_commits_have_room(void **state)
{
    (void)state;
    char file[120];
    struct stat before, after;
    struct store *store = open_store(STORE_WRITER);
    snprintf(file, sizeof file, "%s/env/__db.001", path);
    assert_int_equal(stat(file, &before), 0);
    ok(store_write_prepare(store, 1000, &why));
    assert_int_equal(stat(file, &after), 0);
    assert_int_equal(after.st_blocks, before.st_blocks);
    ok(store_write_prepare(store, 200000, &why));
    assert_int_equal(stat(file, &after), 0);
    assert_true(after.st_blocks * 512 >= 200000 * 420 && after.st_size == before.st_size);
    ok(store_write_prepare(store, STORE_WRITES_MOST, &why));
    assert_int_equal(stat(file, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    store_close(&store);
}

/* A limit of the size of files has the same effect as a full disk. */
static void fill_up(void)
{
    struct store *store, *reader;
    enum hf_err err = HF_OK;
    uint32_t slot = 0;
    int64_t for_ms = -1;
    signal(SIGXFSZ, SIG_IGN);
    child_must(try_open(STORE_WRITER, &store) == HF_OK && try_open(STORE_READER, &reader) == HF_OK);
    child_must(store_trouble(reader, &for_ms) == STORE_SOUND && for_ms == 0);
    limit_files(1 << 20);
    while (err == HF_OK && slot < 1000)
        err = try_to_commit(store, slot++);
    child_must(err == HF_FULL && strstr(why.text, "make room") != NULL);
    child_must(store_trouble(reader, &for_ms) == STORE_FULL && for_ms >= 0);
    child_must(try_to_commit(store, slot) == HF_FULL);
    limit_files(0);
    while (slot > 0)
        child_must(try_to_commit(store, --slot) == HF_OK);
    child_must(store_trouble(reader, &for_ms) == STORE_SOUND && for_ms == 0);
    child_must(store_checkpoint(store, &why) == HF_OK);
    limit_files(1 << 20);
    for (err = HF_OK; err == HF_OK && slot < 1000; slot++)
        err = try_to_commit(store, slot);
    child_must(err == HF_FULL);
    _exit(0);
}

static void trouble_is_seen_from_outside(void **state)
{
    (void)state;
    assert_int_equal(status_of(start_child(fill_up)), 0);
    /* It stays, until somebody recovers. */
    struct share *share;
    ok(share_open(path, false, &share, &why));
    int64_t since_ms;
    assert_int_equal(share_trouble(share, &since_ms), HF_FULL);
    share_close(&share);
    struct store *reader = open_store(STORE_READER);
    assert_int_equal(store_trouble(reader, NULL), STORE_UNATTENDED);
    store_close(&reader);
}

/* ---- recovery ---- */

static void the_regions_may_be_lost(void **state)
{
    (void)state;
    char env[100];
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "x");
    store_close(&store);
    snprintf(env, sizeof env, "%s/env", path);
    assert_int_equal(nftw(env, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(mkdir(env, 0700), 0);
    store = open_store(STORE_READER);
    must_hold(store, STORE_HOURS, "k", 1, "x");
    store_close(&store);
}

/* The machine was started anew: what was mapped is not to be trusted. */
static void regions_of_another_boot(void **state)
{
    (void)state;
    if (access("/proc/sys/kernel/random/boot_id", R_OK) != 0)
        skip();
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "x");
    uint64_t generation = share_generation(store->share), boot = 4711;
    store_close(&store);
    overwrite("state", 24, &boot, sizeof boot);
    store = open_store(STORE_READER);
    assert_int_equal(share_generation(store->share), generation + 1);
    assert_true(share_of_this_boot(store->share));
    must_hold(store, STORE_HOURS, "k", 1, "x");
    store_close(&store);
}

static void write_for_ever(void)
{
    struct store *store;
    child_must(try_open(STORE_WRITER, &store) == HF_OK);
    for (uint64_t i = 1;; i++) {
        struct store_write *write;
        struct store_status status = {.position = i};
        child_must(store_write_begin(store, &write, &why) == HF_OK);
        child_must(store_write_cell(write, STORE_HOURS, "k", 1, 1, "x", 1) == HF_OK);
        child_must(store_write_status(write, &status) == HF_OK);
        child_must(store_write_commit(&write, &why) == HF_OK);
    }
}

static void wait_for_store(void)
{
    struct store *store;
    struct store_status status = {0};
    for (int64_t end_ms = now_ms() + PATIENT_MS; status.position == 0; sleep_ms(5)) {
        assert_true(now_ms() < end_ms);
        if (try_open(STORE_READER, &store) != HF_OK)
            continue;
        struct store_read *read = begin_read(store);
        ok(store_read_status(read, &status));
        store_read_end(&read);
        store_close(&store);
    }
}

/* The writer is gone, and nobody starts it again. */
static void a_reader_recovers_where_nobody_else_does(void **state)
{
    (void)state;
    pid_t pid = start_child(write_for_ever);
    wait_for_store();
    struct store *reader = open_store(STORE_READER);
    must_hold(reader, STORE_HOURS, "k", 1, "x");
    kill(pid, SIGKILL);
    status_of(pid);
    int64_t begin_ms = now_ms();
    must_hold(reader, STORE_HOURS, "k", 1, "x");
    assert_true(now_ms() - begin_ms < 3000);
    assert_int_equal(share_phase(reader->share), SHARE_CLOSED);
    store_close(&reader);
    struct store *writer = open_store(STORE_WRITER);
    must_hold(writer, STORE_HOURS, "k", 1, "x");
    store_close(&writer);
}

/* A read that is never ended. */
static void read_for_ever(void)
{
    struct store *store;
    struct store_read *read;
    child_must(try_open(STORE_READER, &store) == HF_OK);
    child_must(store_read_begin(store, &read, &why) == HF_OK);
    char file[100];
    snprintf(file, sizeof file, "%s/inside", folder);
    child_must(open(file, O_CREAT | O_WRONLY, 0600) >= 0);
    for (;;)
        pause();
}

static void wait_for_file(const char *name)
{
    char file[100];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    for (int64_t end_ms = now_ms() + PATIENT_MS; access(file, F_OK) != 0; sleep_ms(2))
        assert_true(now_ms() < end_ms);
}

static void who_stays_inside_is_killed(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITER);
    commit_cell(writer, STORE_HOURS, "k", 1, "x");
    store_close(&writer);
    pid_t pid = start_child(read_for_ever);
    wait_for_file("inside");
    int64_t begin_ms = now_ms();
    writer = open_store(STORE_WRITER);
    assert_true(now_ms() - begin_ms >= 400 && now_ms() - begin_ms < 4000);
    int status = status_of(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    must_hold(writer, STORE_HOURS, "k", 1, "x");
    store_close(&writer);
}

/* One who died inside, seen by the next reader before it waits for a mutex of the dead. */
static void who_died_inside_is_seen(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "x");
    store_close(&store);
    pid_t pid = start_child(read_for_ever);
    wait_for_file("inside");
    store = open_store(STORE_READER);
    uint64_t generation = share_generation(store->share);
    assert_false(share_somebody_died(store->share));
    kill(pid, SIGKILL);
    status_of(pid);
    assert_true(share_somebody_died(store->share));
    sleep_ms(150); /* it looks no more often */
    must_hold(store, STORE_HOURS, "k", 1, "x");
    assert_int_equal(share_generation(store->share), generation + 1);
    assert_false(share_somebody_died(store->share));
    store_close(&store);
}

static void hold_recovery(void)
{
    struct share *share = NULL;
    pid_t owner;
    child_must(share_open(path, false, &share, &why) == HF_OK);
    child_must(share_own(share, &owner) == HF_OK);
    share_set_phase(share, SHARE_RECOVERING);
    char file[100];
    snprintf(file, sizeof file, "%s/inside", folder);
    child_must(open(file, O_CREAT | O_WRONLY, 0600) >= 0);
    for (;;)
        pause();
}

static void a_read_waits_for_a_recovery_but_not_for_ever(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    commit_cell(store, STORE_HOURS, "k", 1, "x");
    store_close(&store);
    store = open_store(STORE_READER);
    pid_t pid = start_child(hold_recovery);
    wait_for_file("inside");
    struct store_read *read = NULL;
    int64_t begin_ms = now_ms();
    fails(store_read_begin(store, &read, &why), HF_TIMEOUT);
    assert_true(now_ms() - begin_ms < 4000);
    kill(pid, SIGKILL);
    status_of(pid);
    must_hold(store, STORE_HOURS, "k", 1, "x"); /* it did not live to recover: so this one does */
    store_close(&store);
}

static void a_read_at_once_waits_for_nothing(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITER), *reader = open_store(STORE_READER);
    struct store_read *read = NULL;
    commit_cell(writer, STORE_HOURS, "k", 1, "x");
    ok(store_read_begin_at_once(reader, &read));
    must_read(read, STORE_HOURS, "k", 1, "x");
    struct store_read *other = begin_read(reader);
    store_read_end(&other);
    commit_cell(writer, STORE_HOURS, "k", 1, "y");
    must_read(read, STORE_HOURS, "k", 1, "y");
    store_read_end(&read);
    store_close(&writer);
    ok(store_read_begin_at_once(reader, &read)); /* there is no writer, and all is well */
    store_read_end(&read);
    writer = open_store(STORE_WRITER); /* which recovers */
    fails(store_read_begin_at_once(reader, &read), HF_BUSY); /* it would have to join */
    must_hold(reader, STORE_HOURS, "k", 1, "y");
    ok(store_read_begin_at_once(reader, &read));
    store_read_end(&read);
    store_close(&writer);
    pid_t pid = start_child(hold_recovery);
    wait_for_file("inside");
    int64_t begin_ms = now_ms();
    fails(store_read_begin_at_once(reader, &read), HF_BUSY);
    assert_true(now_ms() - begin_ms < 1000);
    kill(pid, SIGKILL);
    status_of(pid);
    fails(store_read_begin_at_once(reader, &read), HF_BUSY); /* it would have to recover */
    must_hold(reader, STORE_HOURS, "k", 1, "y");
    ok(store_read_begin_at_once(reader, &read));
    store_read_end(&read);
    store_close(&reader);
}

static void a_reader_follows_recoveries(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITER), *reader = open_store(STORE_READER);
    commit_cell(writer, STORE_HOURS, "k", 1, "x");
    enum hf_err err = HF_OK;
    int recoveries = 0;
    for (; err == HF_OK && recoveries < 50; recoveries++) {
        struct store_read *read;
        store_close(&writer);
        writer = open_store(STORE_WRITER);
        err = store_read_begin(reader, &read, &why);
        if (err != HF_OK)
            break;
        must_read(read, STORE_HOURS, "k", 1, "x");
        store_read_end(&read);
    }
    /* Each leaves something behind in the process, so there is an end. */
    assert_int_equal(err, HF_STALE);
    assert_true(recoveries >= 8);
    store_close(&reader);
    store_close(&writer);
}

/* ---- the watchdog ---- */

static void on_lost(void *context, const char *text)
{
    (void)context;
    child_must(strstr(text, "has not returned") != NULL);
    _exit(42);
}

static void hang(void)
{
    struct store_options options = {.path = path, .role = STORE_READER, .cache_mb = 8, .on_lost = on_lost};
    struct store *store = NULL;
    struct watch watch = {0};
    child_must(store_open(&options, &store, &why) == HF_OK);
    guard_add(store, &watch);
    watch_in(&watch);
    sleep_ms(15000);
}

static void a_hang_ends_the_process(void **state)
{
    (void)state;
    struct store *store = open_store(STORE_WRITER);
    store_close(&store);
    int status = status_of(start_child(hang));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

#define test(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)
UNIT_TESTS(test(what_is_written_is_read), test(cells_of_any_size), test(keys_of_any_length), test(other_records_are_kept),
           test(others_can_be_counted), test(what_is_aborted_never_was), test(a_read_does_not_wait_for_a_commit),
           test(a_consistent_read_is_of_one_commit), test(ranges_of_one_key), test(cells_in_order), test(commits_go_among_what_is_there),
           test(long_walks_miss_nothing), test(keys_are_listed), test(old_cells_go_from_the_front),
           test(old_ids_go_in_turns), test(old_producers_go_in_turns), test(sync_and_checkpoint),
           test(there_is_one_writer), test(a_reader_before_the_store), test(who_may_not_write_is_told),
           test(format_1_becomes_2), test(other_versions_are_refused), test(large_commits_have_room), test(damage_is_told), test(a_table_may_be_lost), test(a_backup_is_of_one_moment), test(a_store_in_use_is_copied), test(readers_follow_a_restore), test(a_restore_is_finished),
           test(trouble_is_seen_from_outside), test(the_regions_may_be_lost), test(regions_of_another_boot),
           test(a_reader_recovers_where_nobody_else_does), test(who_stays_inside_is_killed),
           test(who_died_inside_is_seen), test(a_read_waits_for_a_recovery_but_not_for_ever), test(a_read_at_once_waits_for_nothing),
          
           test(a_reader_follows_recoveries), test(a_hang_ends_the_process))
