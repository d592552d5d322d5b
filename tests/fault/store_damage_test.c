/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random damage to the files of a store: tables, log, regions and the shared
 * state, after the consumer has ended in order or was killed. Whoever reads or
 * goes on to fold then comes to what is right, or is refused; never to a count
 * that is wrong without a word, nor to its end or a standstill.
 *
 * HF_TEST_DAMAGE is how many times, HF_TEST_SEED makes a run's damages the same again.
 */
#include "../unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

enum { SHORT_ROUNDS = 12, MOST_S = 40, FILES_MOST = 64, PIECE_BYTES = 65536 };

struct copy {
    char path[400];
    unsigned char *bytes;
    unsigned char *used; /* which pieces of PIECE_BYTES hold anything but zeros */
    size_t len;
};

struct tally {
    unsigned damages, right, refused;
};

/* A store as it is left: all its files. */
struct left {
    const char *name;
    enum stream_kind stream;
    unsigned killed_at;     /* in hundredths of the calls; 0: it was closed */
    uint64_t whole;         /* the sum of what it has to hold in the end */
    uint64_t position, sum; /* what a reader finds in it */
    struct tally tallies[5];
    struct copy files[FILES_MOST];
    unsigned count;
};

static struct stream_ledger *ledger;
static char root[64];
static unsigned long long seed;
static bool verbose; /* HF_TEST_VERBOSE=1 tells of each */
/* In the last, the tail of the log is all that says which commits the pages are of. */
static struct left lefts[] = {{.name = "closed", .stream = STREAM_VARIED},
                              {.name = "killed", .stream = STREAM_VARIED, .killed_at = 60},
                              {.name = "killed, steady", .stream = STREAM_STEADY, .killed_at = 70}};
enum { LEFTS = sizeof lefts / sizeof *lefts };
static const char *const kinds[5] = {"data", "log", "env", "state", "other"};

static enum fault_end run(bool (*what)(void *), enum fault_how how, unsigned long at)
{
    ledger->wrong = false;
    ledger->sum = 0;
    return fault_run(&ledger->board, what, ledger, root, how, at, MOST_S);
}

/* ---- copies ---- */

static bool all_zero(const unsigned char *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* Zeros are not written into the copy: of a region, which is mostly that, little takes memory and time then. */
static void read_all(int fd, struct copy *copy)
{
    static unsigned char piece[PIECE_BYTES];
    for (size_t at = 0; at < copy->len; at += PIECE_BYTES) {
        size_t len = copy->len - at < PIECE_BYTES ? copy->len - at : PIECE_BYTES;
        assert_true(pread(fd, piece, len, (off_t)at) == (ssize_t)len);
        copy->used[at / PIECE_BYTES] = !all_zero(piece, len);
        if (copy->used[at / PIECE_BYTES])
            memcpy(copy->bytes + at, piece, len);
    }
}

static void take_file(struct left *left, const char *path)
{
    struct stat info;
    struct copy *copy = &left->files[left->count];
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        if (fd >= 0)
            close(fd);
        return;
    }
    assert_true(left->count++ < FILES_MOST);
    snprintf(copy->path, sizeof copy->path, "%s", path);
    copy->len = (size_t)info.st_size;
    copy->bytes = calloc(1, copy->len + 1);
    copy->used = calloc(1, copy->len / PIECE_BYTES + 1);
    assert_true(copy->bytes != NULL && copy->used != NULL);
    read_all(fd, copy);
    close(fd);
}

static void take_folder(struct left *left, const char *path)
{
    char file[400];
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        snprintf(file, sizeof file, "%s/%.250s", path, entry->d_name);
        take_file(left, file);
    }
    closedir(folder);
}

static void take(struct left *left)
{
    char path[120];
    static const char *const folders[] = {"", "/env", "/data", "/log"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", ledger->path, folders[i]);
        take_folder(left, path);
    }
}

static void put_file(const struct copy *copy)
{
    int fd = open(copy->path, O_WRONLY | O_CREAT | O_TRUNC, 0660);
    assert_true(fd >= 0 && ftruncate(fd, (off_t)copy->len) == 0);
    for (size_t at = 0; at < copy->len; at += PIECE_BYTES) {
        size_t len = copy->len - at < PIECE_BYTES ? copy->len - at : PIECE_BYTES;
        if (copy->used[at / PIECE_BYTES])
            assert_true(pwrite(fd, copy->bytes + at, len, (off_t)at) == (ssize_t)len);
    }
    close(fd);
}

static void put(const struct left *left)
{
    char path[120];
    static const char *const folders[] = {"", "/env", "/data", "/log"};
    fault_remove_folder(ledger->path);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", ledger->path, folders[i]);
        assert_true(mkdir(path, 0770) == 0);
    }
    for (unsigned i = 0; i < left->count; i++)
        put_file(&left->files[i]);
}

/* ---- damage ---- */

static unsigned kind_of(const char *path)
{
    for (unsigned i = 0; i < 3; i++) {
        char part[16];
        snprintf(part, sizeof part, "/%s/", kinds[i]);
        if (strstr(path, part) != NULL)
            return i;
    }
    return strstr(path, "/state") != NULL ? 3 : 4;
}

/* A file of a kind chosen at random, so that a few large ones do not get all. Those that hold nothing are passed over. */
static const struct copy *choose(const struct left *left)
{
    for (;;) {
        static const unsigned often[2][8] = {{0, 0, 0, 0, 1, 1, 2, 3}, {0, 1, 1, 1, 1, 1, 1, 1}};
        unsigned kind = often[left->stream][fault_random(&seed) % 8];
        const struct copy *copy = &left->files[fault_random(&seed) % left->count];
        if (kind_of(copy->path) == kind && copy->len > 0 && strstr(copy->path, "/reserve") == NULL)
            return copy;
    }
}

/* A place where something is: most of a region or of a log file is empty. The head of a file, which says how to read it, gets
 * more than its share. */
static size_t choose_place(const struct copy *copy)
{
    if (fault_random(&seed) % 8 == 0)
        return (size_t)(fault_random(&seed) % (copy->len < 96 ? copy->len : 96));
    for (int tries = 0; tries < 200; tries++) {
        size_t at = (size_t)(fault_random(&seed) % copy->len), from = at < 32 ? 0 : at - 32;
        size_t len = copy->len - from < 64 ? copy->len - from : 64;
        if (!all_zero(copy->bytes + from, len))
            return at;
    }
    return (size_t)(fault_random(&seed) % copy->len);
}

static void damage(const struct copy *copy, char *what, size_t what_bytes)
{
    size_t at = choose_place(copy), len = 1;
    unsigned char bytes[4096] = {0};
    int fd = open(copy->path, O_RDWR);
    assert_true(fd >= 0);
    unsigned kind = (unsigned)(fault_random(&seed) % 8);
    if (kind < 4) {
        bytes[0] = (unsigned char)(copy->bytes[at] ^ 1u << fault_random(&seed) % 8);
    } else if (kind < 6) {
        len = 1 + (size_t)(fault_random(&seed) % 64);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)fault_random(&seed);
    } else if (kind < 7) {
        len = fault_random(&seed) % 2 == 0 ? 512 : sizeof bytes;
        at = at / len * len;
    }
    if (kind == 7)
        assert_true(ftruncate(fd, (off_t)at) == 0);
    else
        assert_true(pwrite(fd, bytes, len < copy->len - at ? len : copy->len - at, (off_t)at) > 0);
    close(fd);
    snprintf(what, what_bytes, "%s of %s at %zu, %zu bytes", kind < 4 ? "a flip" : kind < 6 ? "noise" : kind < 7 ? "zeros" : "cut",
             copy->path + strlen(ledger->path), at, len);
}

/* ---- rounds ---- */

static void judge(enum fault_end end, bool right, struct tally *tally, const char *who, const char *what)
{
    assert_true_of(!ledger->wrong, "%s: %s: %s", what, who, ledger->board.text);
    assert_true_of(end != FAULT_ENDED || right, "%s: %s finds something else", what, who);
    tally->right += end == FAULT_ENDED;
    tally->refused += end == FAULT_FAILED || end == FAULT_AGAIN;
    if (verbose)
        print_message("# %s: %s: %s\n", what, who, end == FAULT_ENDED ? "right" : ledger->board.text);
    assert_true_of(end != FAULT_CRASHED, "%s: %s: %s", what, who, ledger->board.text);
}

static void damage_once(struct left *left)
{
    char what[500];
    put(left);
    atomic_store(&ledger->position, 0);
    atomic_store(&ledger->open_calls, 1);
    const struct copy *copy = choose(left);
    damage(copy, what + snprintf(what, sizeof what, "%s, ", left->name), sizeof what - 20);
    struct tally *tally = &left->tallies[kind_of(copy->path)];
    tally->damages++;
    enum fault_end end = run(stream_look, FAULT_NONE, 0);
    /* An earlier commit is no wrong answer: it says as of when it is. */
    judge(end, ledger->folded_to < left->position || ledger->sum == left->sum, tally, "a reader", what);
    end = run(stream_fold, FAULT_NONE, 0);
    judge(end, ledger->sum == left->whole, tally, "the consumer", what);
}

static void never_a_wrong_count(void **state)
{
    (void)state;
    unsigned long rounds = (unsigned long)fault_number("HF_TEST_DAMAGE", SHORT_ROUNDS);
    for (unsigned i = 0; i < LEFTS; i++) {
        struct left *left = &lefts[i];
        stream_prepare(left->stream);
        for (unsigned long round = i; round < rounds; round += LEFTS)
            damage_once(left);
        for (unsigned kind = 0; kind < 4; kind++)
            if (left->tallies[kind].damages > 0)
                print_message("# => %s, %s: %u damages; %u times right, %u refused\n", left->name, kinds[kind],
                              left->tallies[kind].damages, left->tallies[kind].right, left->tallies[kind].refused);
    }
}

static void write_at(const char *path, const void *bytes, size_t len, off_t at)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, bytes, len, at) == (ssize_t)len);
    close(fd);
}

/* Berkeley DB would take memory for as many parts as it says, before it looks whether any of that is right; of a table of any kind. */
static void a_table_in_parts_is_refused(void **state)
{
    (void)state;
    static const unsigned char flags[] = {6};
    static const uint32_t magics[] = {0x053162, 0x061561, 0x042253, 0x074582, 1}; /* btree, hash, queue, heap, none */
    struct left *left = &lefts[0];
    unsigned tried = 0;
    stream_prepare(left->stream);
    for (unsigned f = 0; f < left->count; f++) {
        const char *path = left->files[f].path;
        if (strstr(path, "/data/") == NULL)
            continue;
        put(left);
        write_at(path, flags, sizeof flags, 26);
        write_at(path, &magics[tried % (sizeof magics / sizeof *magics)], sizeof *magics, 12);
        assert_int_equal(run(stream_look, FAULT_NONE, 0), FAULT_FAILED);
        assert_non_null(strstr(ledger->board.text, path));
        assert_int_equal(run(stream_fold, FAULT_NONE, 0), FAULT_AGAIN);
        assert_non_null(strstr(ledger->board.text, path));
        tried++;
    }
    assert_true(tried > sizeof magics / sizeof *magics);
}

/* Berkeley DB would take the checksum over as many bytes as it says, past the end of what it has read. */
static void a_log_too_long_in_its_head_is_refused(void **state)
{
    (void)state;
    static const unsigned char high[] = {0x7f};
    unsigned tried = 0;
    for (unsigned i = 0; i < LEFTS; i++) {
        stream_prepare(lefts[i].stream);
        for (unsigned f = 0; f < lefts[i].count; f++) {
            const char *path = lefts[i].files[f].path;
            if (strstr(path, "/log/log.") == NULL)
                continue;
            put(&lefts[i]);
            write_at(path, high, sizeof high, 7);
            assert_int_not_equal(run(stream_fold, FAULT_NONE, 0), FAULT_CRASHED);
            assert_non_null(strstr(ledger->board.text, path));
            tried++;
        }
    }
    assert_true(tried > 0);
}

static bool make(struct left *left)
{
    stream_prepare(left->stream);
    memset(ledger, 0, sizeof *ledger);
    snprintf(ledger->path, sizeof ledger->path, "%s/store", root);
    if (run(stream_fold, FAULT_NONE, 0) != FAULT_ENDED)
        return false;
    left->whole = ledger->sum;
    if (left->killed_at != 0) {
        fault_remove_folder(ledger->path);
        atomic_store(&ledger->position, 0);
        if (run(stream_fold, FAULT_KILL_BEFORE, atomic_load(&ledger->board.calls) * left->killed_at / 100) != FAULT_KILLED)
            return false;
    }
    take(left);
    if (run(stream_look, FAULT_NONE, 0) != FAULT_ENDED)
        return false;
    left->position = ledger->folded_to;
    left->sum = ledger->sum;
    printf("# %s: position %llu of %llu\n", left->name, (unsigned long long)left->position,
           (unsigned long long)stream_messages());
    fault_remove_folder(ledger->path);
    return true;
}

static int set_up(void **state)
{
    (void)state;
    ledger = fault_share(sizeof *ledger);
    fault_make_folder(root, sizeof root, "store_damage_test");
    for (unsigned i = 0; i < LEFTS; i++)
        if (!make(&lefts[i])) {
            printf("# %s: %s\n", lefts[i].name, ledger->board.text);
            return -1;
        }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fault_remove_folder(root);
    for (unsigned i = 0; i < LEFTS; i++)
        for (unsigned f = 0; f < lefts[i].count; f++) {
            free(lefts[i].files[f].bytes);
            free(lefts[i].files[f].used);
        }
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {unit(never_a_wrong_count), unit(a_table_in_parts_is_refused),
                                               unit(a_log_too_long_in_its_head_is_refused)};
    seed = fault_number("HF_TEST_SEED", (unsigned long long)time(NULL));
    verbose = fault_number("HF_TEST_VERBOSE", 0) != 0;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    printf("# HF_TEST_SEED=%llu\n", seed);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
