/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the spool: append, claim, read, damage, limits, and who owns them. */
#include "../unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "../child.h"
#include "bus/spool.h"

#define PRODUCER UINT64_C(0x0123456789abcdef)
#define MIB (UINT64_C(1) << 20)

static char root[64];
static char dir[80];
static struct spool *spool;

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/hourfold-spool-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(dir, sizeof dir, "%s/spool", root);
    assert_true(sodium_init() >= 0);
    assert_int_equal(spool_open(dir, 64 * MIB, &spool, NULL), HF_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char path[400];
    spool_close(&spool);
    DIR *list = opendir(dir);
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (list != NULL)
        closedir(list);
    rmdir(dir);
    rmdir(root);
    return 0;
}

static const char *path_of(uint64_t producer, const char *ending)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%016" PRIx64 ".%s", dir, producer, ending);
    return path;
}

/* ---- a made-up batch: its bytes follow from its number ---- */

static size_t batch_of(uint64_t number, unsigned char bytes[600])
{
    size_t len = 1 + (size_t)(number * 37 % 300);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(number * 131 + i * 7 + (i >> 3) * number);
    return len;
}

static bool is_batch(const struct spool_record *record)
{
    unsigned char bytes[600];
    return record->len == batch_of(record->number, bytes) && memcmp(bytes, record->bytes, record->len) == 0;
}

static struct spool_file *create(uint64_t producer)
{
    struct spool_file *file = NULL;
    assert_int_equal(spool_create(spool, producer, "", &file, NULL), HF_OK);
    return file;
}

static void append(struct spool_file *file, uint64_t number)
{
    unsigned char bytes[600];
    size_t len = batch_of(number, bytes);
    assert_int_equal(spool_append(file, number, bytes, len, NULL), HF_OK);
}

static void make(uint64_t producer, uint64_t records)
{
    struct spool_file *file = create(producer);
    for (uint64_t number = 1; number <= records; number++)
        append(file, number);
    spool_release(&file);
}

/* What reading a file found. */
struct found {
    bool numbers[64];
    unsigned records, damaged;
    enum hf_err end;
    uint64_t at;
};

static void read_all(struct spool_file *file, struct found *found)
{
    struct spool_record record;
    uint64_t last = 0;
    *found = (struct found){0};
    for (;;) {
        uint64_t before = found->at;
        enum hf_err err = spool_read(file, &found->at, &record);
        if (err == HF_OK) {
            assert_true_of(is_batch(&record) && record.producer == PRODUCER, "record %" PRIu64 " is not what was written",
                           record.number);
            assert_true(record.number > last && record.number < 64);
            found->numbers[last = record.number] = true;
            found->records++;
        } else if (err == HF_CORRUPT) {
            assert_true(found->at > before);
            found->damaged++;
        } else {
            found->end = err;
            return;
        }
    }
}

static void claim_and_read(struct found *found)
{
    struct spool_file *file;
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    read_all(file, found);
    spool_release(&file);
}

static unsigned char *load(size_t *len)
{
    static unsigned char bytes[100000];
    FILE *file = fopen(path_of(PRODUCER, "spool"), "rb");
    assert_non_null(file);
    *len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return bytes;
}

/* In place: a file that is emptied and written anew is flushed to the disk by some file systems. */
static void store(const unsigned char *bytes, size_t len)
{
    int fd = open(path_of(PRODUCER, "spool"), O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0);
    close(fd);
}

/* ---- tests ---- */

static void what_is_appended_is_read(void **state)
{
    (void)state;
    struct found found;
    struct spool_entry *entries;
    struct spool_file *file;
    size_t count;
    make(PRODUCER, 40);
    assert_int_equal(spool_list(spool, &entries, &count), HF_OK);
    assert_int_equal(count, 1);
    assert_true(entries[0].producer == PRODUCER && entries[0].bytes > 64);
    free(entries);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    read_all(file, &found);
    assert_true(found.records == 40 && found.damaged == 0 && found.end == HF_NOTFOUND);
    assert_true(found.at == spool_file_bytes(file));
    assert_int_equal(spool_finish(&file, NULL), HF_OK);
    assert_null(file);
    assert_int_equal(access(path_of(PRODUCER, "spool"), F_OK), -1);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_NOTFOUND);
}

static void a_record_is_read_again_from_where_it_is(void **state)
{
    (void)state;
    struct spool_file *file;
    struct spool_record record;
    uint64_t at = 0, places[11];
    make(PRODUCER, 10);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    for (unsigned i = 1; i <= 10; i++) {
        assert_int_equal(spool_read(file, &at, &record), HF_OK);
        places[i] = record.at;
    }
    for (unsigned i = 10; i >= 1; i--) {
        at = places[i];
        assert_int_equal(spool_read(file, &at, &record), HF_OK);
        assert_true(record.number == i && is_batch(&record));
    }
    spool_release(&file);
}

static void largest_and_smallest_batches(void **state)
{
    (void)state;
    struct spool_record record;
    uint64_t at = 0;
    unsigned char *bytes = malloc(SPOOL_BATCH_BYTES_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, 0xF5, SPOOL_BATCH_BYTES_MAX + 1); /* what magic begins with */
    struct spool_file *file = create(PRODUCER);
    assert_int_equal(spool_append(file, 1, bytes, 0, NULL), HF_IO);
    assert_int_equal(spool_append(file, 1, bytes, SPOOL_BATCH_BYTES_MAX + 1, NULL), HF_IO);
    assert_int_equal(spool_append(file, 1, bytes, SPOOL_BATCH_BYTES_MAX, NULL), HF_OK);
    assert_int_equal(spool_append(file, UINT64_MAX, bytes, 1, NULL), HF_OK);
    spool_release(&file);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    assert_int_equal(spool_read(file, &at, &record), HF_OK);
    assert_true(record.number == 1 && record.len == SPOOL_BATCH_BYTES_MAX);
    assert_memory_equal(record.bytes, bytes, record.len);
    assert_int_equal(spool_read(file, &at, &record), HF_OK);
    assert_true(record.number == UINT64_MAX && record.len == 1);
    assert_int_equal(spool_read(file, &at, &record), HF_NOTFOUND);
    spool_release(&file);
    free(bytes);
}

static void every_torn_tail_is_passed_over(void **state)
{
    (void)state;
    struct found found;
    size_t len, ends[8], end = 0;
    struct spool_file *file = create(PRODUCER);
    ends[0] = 64;
    for (uint64_t number = 1; number <= 7; number++) {
        append(file, number);
        ends[number] = spool_file_bytes(file);
    }
    spool_release(&file);
    unsigned char *bytes = load(&len);
    for (size_t cut = 0; cut <= len; cut++) {
        while (end < 7 && ends[end + 1] <= cut)
            end++;
        store(bytes, cut);
        claim_and_read(&found);
        assert_true_of(found.records == end && found.damaged == 0 && found.end == HF_NOTFOUND,
                       "cut at %zu: %u records, %u damaged", cut, found.records, found.damaged);
    }
}

/* One flip costs at most the record it is in. */
static void every_flip_costs_its_own_record_alone(void **state)
{
    (void)state;
    struct found found;
    size_t len, ends[13];
    struct spool_file *file = create(PRODUCER);
    ends[0] = 64;
    for (uint64_t number = 1; number <= 12; number++) {
        append(file, number);
        ends[number] = spool_file_bytes(file);
    }
    spool_release(&file);
    unsigned char *bytes = load(&len);
    for (size_t bit = 0; bit < len * 8; bit += 3) {
        unsigned record = 0;
        while (ends[record] <= bit / 8)
            record++;
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        store(bytes, len);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        claim_and_read(&found);
        assert_true_of(found.damaged == 1 && found.end == HF_NOTFOUND, "bit %zu: %u damaged, end %d", bit, found.damaged,
                       (int)found.end);
        for (unsigned i = 1; i <= 12; i++)
            assert_true_of(found.numbers[i] == (i != record), "bit %zu in record %u: record %u", bit, record, i);
    }
}

/* Any damage: what it touches is lost at most, and everything else is there, unchanged. */
static void random_damage_costs_no_other_record(void **state)
{
    (void)state;
    enum { RECORDS = 40 };
    struct found found;
    size_t len, ends[RECORDS + 1];
    uint64_t seed = 12345;
    const char *rounds_text = getenv("HF_TEST_DAMAGE");
    unsigned rounds = rounds_text != NULL ? (unsigned)atoi(rounds_text) : 3000;
    struct spool_file *file = create(PRODUCER);
    ends[0] = 64;
    for (uint64_t number = 1; number <= RECORDS; number++) {
        append(file, number);
        ends[number] = spool_file_bytes(file);
    }
    spool_release(&file);
    unsigned char *whole = load(&len);
    unsigned char *bytes = malloc(len);
    assert_non_null(bytes);
    for (unsigned round = 0; round < rounds; round++) {
        bool touched[RECORDS + 1] = {false};
        memcpy(bytes, whole, len);
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        unsigned changes = (unsigned)(seed >> 60) % 5;
        for (unsigned c = 0; c < changes; c++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            size_t from = (size_t)(seed >> 33) % len, n = 1 + (size_t)(seed >> 20) % 80;
            for (size_t i = from; i < from + n && i < len; i++) {
                bytes[i] = (seed & 1) != 0 ? 0 : (unsigned char)(bytes[i] + 1 + (seed >> 8) % 255);
                for (unsigned r = 0; r <= RECORDS; r++)
                    touched[r] |= i < ends[r] && (r == 0 || i >= ends[r - 1]);
            }
        }
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t cut = (seed >> 62) == 0 ? (size_t)(seed >> 30) % (len + 1) : len;
        store(bytes, cut);
        claim_and_read(&found);
        assert_int_equal(found.end, HF_NOTFOUND);
        for (unsigned r = 1; r <= RECORDS; r++)
            assert_true_of(found.numbers[r] || touched[r] || ends[r] > cut, "round %u: record %u is lost", round, r);
    }
    free(bytes);
}

/* Bytes gone or put in: the records around are found by their magic. */
static void a_file_that_lost_bytes_loses_no_other_record(void **state)
{
    (void)state;
    struct found found;
    size_t len, ends[13];
    struct spool_file *file = create(PRODUCER);
    ends[0] = 64;
    for (uint64_t number = 1; number <= 12; number++) {
        append(file, number);
        ends[number] = spool_file_bytes(file);
    }
    spool_release(&file);
    unsigned char *whole = load(&len);
    unsigned char *bytes = malloc(len);
    assert_non_null(bytes);
    for (unsigned gone = 1; gone <= 11; gone++) {
        size_t at = ends[gone] - 5;
        memcpy(bytes, whole, at);
        memcpy(bytes + at, whole + at + 3, len - at - 3);
        store(bytes, len - 3);
        claim_and_read(&found);
        for (unsigned r = 1; r <= 12; r++)
            assert_true_of(found.numbers[r] == (r != gone), "without 3 bytes of %u: record %u", gone, r);
        assert_int_equal(found.damaged, 1);
    }
    free(bytes);
}

static void a_damaged_file_is_kept(void **state)
{
    (void)state;
    struct found found;
    struct spool_file *file;
    size_t len;
    make(PRODUCER, 5);
    unsigned char *bytes = load(&len);
    bytes[len - 1] ^= 1;
    store(bytes, len);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    read_all(file, &found);
    assert_true(found.records == 4 && found.damaged == 1);
    assert_int_equal(spool_finish(&file, NULL), HF_OK);
    assert_int_equal(access(path_of(PRODUCER, "spool"), F_OK), -1);
    assert_int_equal(access(path_of(PRODUCER, "damaged"), F_OK), 0);
}

static void a_newer_format_is_left_alone(void **state)
{
    (void)state;
    struct found found;
    size_t len;
    make(PRODUCER, 3);
    unsigned char *bytes = load(&len);
    bytes[7] = 2;
    crypto_shorthash(bytes + 56, bytes, 56, (const unsigned char *)"hourfold spool 1");
    store(bytes, len);
    claim_and_read(&found);
    assert_true(found.end == HF_INVALID && found.records == 0);
}

static void the_limit_is_kept(void **state)
{
    (void)state;
    unsigned char bytes[5000] = {0};
    struct hf_why why;
    struct stat info;
    spool_close(&spool);
    assert_int_equal(spool_open(dir, MIB, &spool, NULL), HF_OK);
    struct spool_file *file = create(PRODUCER + 1);
    unsigned appended = 0;
    enum hf_err err;
    while ((err = spool_append(file, appended + 1, bytes, sizeof bytes, &why)) == HF_OK)
        appended++;
    assert_int_equal(err, HF_FULL);
    assert_non_null(strstr(why.text, "1048576"));
    assert_int_equal(appended, (MIB - 64) / (44 + sizeof bytes));
    spool_release(&file);
    stat(path_of(PRODUCER + 1, "spool"), &info);
    assert_true((uint64_t)info.st_size <= MIB);
    /* The bound is that of the directory. */
    file = create(PRODUCER);
    assert_int_equal(spool_append(file, 1, bytes, sizeof bytes, NULL), HF_FULL);
    append(file, 1);
    /* And there is room again at once when a file has gone. */
    unlink(path_of(PRODUCER + 1, "spool"));
    assert_int_equal(spool_append(file, 2, bytes, sizeof bytes, NULL), HF_OK);
    spool_release(&file);
}

/* Where the system takes only a part of a record, nothing of it stays. */
static void a_full_disk_leaves_the_file_whole(void **state)
{
    (void)state;
    struct found found;
    struct rlimit before, limit;
    unsigned char bytes[3000] = {0};
    struct hf_why why;
    struct spool_file *file = create(PRODUCER);
    append(file, 1);
    append(file, 2);
    uint64_t len = spool_file_bytes(file);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)len + 1000;
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(spool_append(file, 3, bytes, sizeof bytes, &why), HF_FULL);
    setrlimit(RLIMIT_FSIZE, &before);
    struct stat info;
    stat(path_of(PRODUCER, "spool"), &info);
    assert_int_equal((uint64_t)info.st_size, len);
    append(file, 4);
    spool_release(&file);
    claim_and_read(&found);
    assert_true(found.records == 3 && found.numbers[1] && found.numbers[2] && found.numbers[4] && found.damaged == 0);
}

static bool there_is(const char *ending) { return access(path_of(PRODUCER, ending), F_OK) == 0; }

static void what_is_kept_comes_back_after_a_boot(void **state)
{
    (void)state;
    struct found found;
    struct spool_file *file = NULL;
    struct stat info;
    assert_int_equal(spool_create(spool, PRODUCER, "first", &file, NULL), HF_OK);
    for (uint64_t number = 1; number <= 5; number++)
        append(file, number);
    assert_int_equal(spool_sync(file, NULL), HF_OK);
    assert_int_equal(spool_keep(&file, "first", NULL), HF_OK);
    assert_true(file == NULL && there_is("kept") && !there_is("spool"));
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_NOTFOUND);
    /* Neither old nor of another boot: it stays. */
    stat(path_of(PRODUCER, "kept"), &info);
    int64_t kept_ms = (int64_t)info.st_mtim.tv_sec * 1000;
    assert_int_equal(spool_tend(spool, "first", kept_ms - 1000), HF_OK);
    assert_true(there_is("kept"));
    /* Of another boot, however old: it is there again, once. */
    assert_int_equal(spool_tend(spool, "second", kept_ms + 1000000), HF_OK);
    assert_true(there_is("spool") && !there_is("kept"));
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    read_all(file, &found);
    assert_true(found.records == 5 && found.damaged == 0);
    assert_int_equal(spool_keep(&file, "second", NULL), HF_OK);
    assert_int_equal(spool_tend(spool, "second", kept_ms - 1000), HF_OK);
    assert_true(there_is("kept") && !there_is("spool"));
    /* Old: it goes. */
    assert_int_equal(spool_tend(spool, "second", kept_ms + 1000000), HF_OK);
    assert_true(!there_is("kept") && !there_is("spool"));
}

static void a_damaged_file_is_not_kept_for_a_boot(void **state)
{
    (void)state;
    struct found found;
    struct spool_file *file;
    size_t len;
    make(PRODUCER, 5);
    unsigned char *bytes = load(&len);
    bytes[len - 1] ^= 1;
    store(bytes, len);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    read_all(file, &found);
    assert_int_equal(spool_keep(&file, "boot", NULL), HF_OK);
    assert_true(there_is("damaged") && !there_is("kept") && !there_is("spool"));
    file = create(PRODUCER);
    assert_int_equal(spool_keep(&file, "boot", NULL), HF_OK);
    assert_true(!there_is("kept") && !there_is("spool"));
}

/* ---- other processes ---- */

static int in_child(int (*run)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t pid = test_fork();
    if (pid == 0)
        _exit(run());
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int child_claims(void)
{
    struct spool *other;
    struct spool_file *file;
    if (spool_open(dir, MIB, &other, NULL) != HF_OK)
        return 99;
    return (int)spool_claim(other, PRODUCER, &file, NULL);
}

static void a_file_belongs_to_one_process(void **state)
{
    (void)state;
    struct spool_file *file = create(PRODUCER), *again;
    append(file, 1);
    assert_int_equal(in_child(child_claims), HF_BUSY);
    /* Asking in the process that has it does not lose it the lock. */
    assert_int_equal(spool_claim(spool, PRODUCER, &again, NULL), HF_BUSY);
    assert_int_equal(in_child(child_claims), HF_BUSY);
    assert_int_equal(spool_create(spool, PRODUCER, "", &again, NULL), HF_BUSY);
    spool_release(&file);
    assert_int_equal(in_child(child_claims), HF_OK);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    assert_int_equal(in_child(child_claims), HF_BUSY);
    spool_release(&file);
}

static void count(void *context, const struct spool_record *record)
{
    assert_true(record->len > 0);
    ++*(int *)context;
}

static int child_looks(void)
{
    int records = 0;
    return spool_look(dir, count, &records, NULL) == HF_OK ? records : 99;
}

/* As many files as batches may wait in: at most 9. */
static int child_surveys(void)
{
    struct spool_survey survey;
    if (spool_survey(dir, "boot", &survey, NULL) != HF_OK || survey.all_bytes < survey.bytes)
        return 99;
    return (int)(survey.files + 10 * survey.damaged_files);
}

static void what_waits_is_seen_from_outside(void **state)
{
    (void)state;
    struct spool_survey survey;
    assert_int_equal(spool_survey("/tmp/no/such/directory", "", &survey, NULL), HF_NOTFOUND);
    assert_int_equal(in_child(child_surveys), 0);
    struct spool_file *file = create(PRODUCER), *other;
    append(file, 1);
    assert_int_equal(in_child(child_surveys), 1);
    spool_set_live(file, true);
    assert_int_equal(in_child(child_surveys), 0);
    assert_int_equal(in_child(child_claims), HF_BUSY);
    append(file, 2);
    spool_set_live(file, true);
    assert_int_equal(in_child(child_surveys), 0);
    assert_int_equal(in_child(child_looks), 0);
    spool_set_live(file, false);
    assert_int_equal(in_child(child_surveys), 1);
    assert_int_equal(in_child(child_claims), HF_BUSY);
    spool_set_live(file, true);
    spool_release(&file);
    assert_int_equal(in_child(child_surveys), 1); /* nobody vouches for it any more */
    assert_int_equal(in_child(child_looks), 2);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_OK);
    assert_int_equal(in_child(child_surveys), 1);
    other = create(PRODUCER + 1);
    append(other, 1);
    assert_int_equal(in_child(child_surveys), 2);
    assert_int_equal(in_child(child_looks), 3);
    assert_int_equal(spool_keep(&other, "boot", NULL), HF_OK);
    assert_int_equal(spool_finish(&file, NULL), HF_OK);
    assert_int_equal(spool_survey(dir, "boot", &survey, NULL), HF_OK); /* nothing is locked by us */
    assert_true(survey.files == 0 && survey.bytes == 0 && survey.all_bytes > 64 && survey.damaged_files == 0);
    assert_int_equal(spool_survey(dir, "", &survey, NULL), HF_OK);
    assert_int_equal(survey.files, 0);
    assert_int_equal(spool_survey(dir, "the next boot", &survey, NULL), HF_OK);
    assert_true(survey.files == 1 && survey.bytes == survey.all_bytes);
}

static int child_is_killed_while_it_appends(void)
{
    struct spool *other;
    struct spool_file *file;
    unsigned char bytes[600];
    if (spool_open(dir, MIB, &other, NULL) != HF_OK || spool_create(other, PRODUCER, "boot", &file, NULL) != HF_OK)
        return 99;
    for (uint64_t number = 1; number <= 3; number++) {
        size_t len = batch_of(number, bytes);
        if (spool_append(file, number, bytes, len, NULL) != HF_OK)
            return 99;
    }
    kill(getpid(), SIGKILL);
    return 99;
}

static void the_file_of_a_killed_process_is_claimed(void **state)
{
    (void)state;
    struct found found;
    assert_int_equal(in_child(child_is_killed_while_it_appends), 100);
    claim_and_read(&found);
    assert_true(found.records == 3 && found.damaged == 0);
}

static void a_file_without_a_record_goes_away(void **state)
{
    (void)state;
    struct spool_file *file = create(PRODUCER);
    assert_int_equal(access(path_of(PRODUCER, "spool"), F_OK), 0);
    spool_release(&file);
    assert_int_equal(access(path_of(PRODUCER, "spool"), F_OK), -1);
}

static void files_have_the_access_of_the_directory(void **state)
{
    (void)state;
    struct stat info;
    stat(dir, &info);
    assert_int_equal(info.st_mode & 0777, 0700);
    make(PRODUCER, 1);
    stat(path_of(PRODUCER, "spool"), &info);
    assert_int_equal(info.st_mode & 0777, 0600);
    chmod(dir, 0770);
    make(PRODUCER + 1, 1);
    stat(path_of(PRODUCER + 1, "spool"), &info);
    assert_int_equal(info.st_mode & 0777, 0660);
}

static void a_directory_that_cannot_serve_is_refused(void **state)
{
    (void)state;
    struct spool *other;
    struct hf_why why;
    char path[200];
    snprintf(path, sizeof path, "%s/none/spool", root);
    assert_int_equal(spool_open(path, MIB, &other, &why), HF_INVALID);
    assert_non_null(strstr(why.text, path));
    assert_int_equal(spool_open("/dev/null", MIB, &other, &why), HF_INVALID);
    chmod(dir, 0777);
    assert_int_equal(spool_open(dir, MIB, &other, &why), HF_INVALID);
    assert_non_null(strstr(why.text, "everybody"));
    chmod(dir, 0500);
    assert_int_equal(spool_open(dir, MIB, &other, &why), geteuid() == 0 ? HF_OK : HF_INVALID);
    if (geteuid() == 0)
        spool_close(&other);
    chmod(dir, 0700);
}

static void what_is_no_spool_file_is_not_touched(void **state)
{
    (void)state;
    struct spool_entry *entries = NULL;
    struct spool_file *file;
    size_t count;
    static const char *const names[] = {"README", "0123456789abcdef.spool.bak", "0123456789ABCDEF.spool",
                                        "0123456789abcde.spool", "0000000000000000.spool"};
    char path[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        close(open(path, O_WRONLY | O_CREAT, 0600));
    }
    assert_int_equal(spool_list(spool, &entries, &count), HF_OK);
    assert_int_equal(count, 0);
    assert_null(entries);
    snprintf(path, sizeof path, "%s/README", dir);
    assert_int_equal(symlink(path, path_of(PRODUCER, "spool")), 0);
    assert_int_equal(spool_claim(spool, PRODUCER, &file, NULL), HF_IO);
    assert_int_equal(mkfifo(path_of(PRODUCER + 1, "spool"), 0600), 0);
    assert_int_equal(spool_claim(spool, PRODUCER + 1, &file, NULL), HF_IO);
}

static void the_oldest_file_is_listed_first(void **state)
{
    (void)state;
    struct spool_entry *entries;
    size_t count;
    for (unsigned i = 0; i < 20; i++) {
        make(PRODUCER + i, 1);
        struct timespec times[2] = {{.tv_sec = 1000 + (i * 7) % 20}, {.tv_sec = 1000 + (i * 7) % 20}};
        utimensat(AT_FDCWD, path_of(PRODUCER + i, "spool"), times, 0);
    }
    assert_int_equal(spool_list(spool, &entries, &count), HF_OK);
    assert_int_equal(count, 20);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(entries[i].changed_ms, (1000 + (int64_t)i) * 1000);
    free(entries);
}

#define spool_unit(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS(spool_unit(what_is_appended_is_read), spool_unit(a_record_is_read_again_from_where_it_is),
           spool_unit(largest_and_smallest_batches), spool_unit(every_torn_tail_is_passed_over),
           spool_unit(every_flip_costs_its_own_record_alone), spool_unit(random_damage_costs_no_other_record),
           spool_unit(a_file_that_lost_bytes_loses_no_other_record), spool_unit(a_damaged_file_is_kept),
           spool_unit(what_is_kept_comes_back_after_a_boot),
           spool_unit(a_damaged_file_is_not_kept_for_a_boot), spool_unit(a_newer_format_is_left_alone), spool_unit(the_limit_is_kept),
           spool_unit(a_full_disk_leaves_the_file_whole), spool_unit(a_file_belongs_to_one_process),
           spool_unit(what_waits_is_seen_from_outside),
           spool_unit(the_file_of_a_killed_process_is_claimed), spool_unit(a_file_without_a_record_goes_away),
           spool_unit(files_have_the_access_of_the_directory), spool_unit(a_directory_that_cannot_serve_is_refused),
           spool_unit(what_is_no_spool_file_is_not_touched), spool_unit(the_oldest_file_is_listed_first))
