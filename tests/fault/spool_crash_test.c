/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that uses the spool is killed before, within and after each of its
 * calls that change a file, and each of them fails: whatever was acknowledged is
 * there afterwards, whole, and nothing else is but what was being written.
 *
 * The life of the process is the same in each run: it finds what others have
 * left, appends, drains, finishes, keeps and tends. What it was told is in shared
 * memory, where its death does not reach it.
 */
#include "../unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "bus/spool.h"
#include "fault.h"

#define MIB (UINT64_C(1) << 20)
#define BOOT "1c3a0f52-0d6b-4a8e-9b57-5f1f7ad20e11"
#define OTHER_BOOT "f07e6b1d-93c4-4b02-8a6f-c8d94e2b7730"

enum {
    LEFT,       /* closed by its process, three records */
    CUT,        /* its process died within the third record */
    DAMAGED,    /* one of its four records is damaged */
    OLD_KEPT,   /* kept long ago */
    OTHER_KEPT, /* kept in an earlier boot */
    FIRST_OWN,  /* the files that the process makes itself */
    MOST_FILES = FIRST_OWN + 8,
    MOST_RECORDS = 12,
    DAMAGED_RECORD = 2
};

struct ledger {
    struct fault_board board;
    bool power;                                 /* acknowledged is what is synced */
    bool acknowledged[MOST_FILES][MOST_RECORDS];
    bool known[MOST_FILES][MOST_RECORDS];       /* given to spool_append() */
    bool delivered[MOST_FILES][MOST_RECORDS];
    bool again[MOST_FILES][MOST_RECORDS];       /* after the next boot */
    bool kept[MOST_FILES];                      /* all of it has to come after the next boot */
    bool damaged[MOST_FILES];                   /* spool_read() met damage in it */
    unsigned next;                              /* of the files to make */
};

static struct ledger *ledger;
static char root[64], dir[80];

static uint64_t producer_of(unsigned file) { return UINT64_C(0xabcdef0000000000) + file; }

/* The bytes of a record follow from its file and number; one is larger than a page. */
static size_t batch_of(unsigned file, uint64_t number, unsigned char bytes[20000])
{
    size_t len = number == 4 ? 20000 : 20 + (size_t)((file + number) * 37 % 300);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(number * 131 + i * 7 + file + (i >> 3) * number);
    return len;
}

/* ---- steps; each is tried again where it failed, as the fault passes ---- */

static bool open_spool(struct spool **spool, struct hf_why *why)
{
    why->text[0] = '\0';
    return spool_open(dir, 64 * MIB, spool, why) == HF_OK ||
           fault_say(&ledger->board, "opening: %s", why->text);
}

static bool failed(enum hf_err err, const struct hf_why *why, const char *what)
{
    return fault_say(&ledger->board, "%s: %s: %s", what, hf_strerror(err), why->text);
}

static bool create(struct spool *spool, struct spool_file **file, unsigned *index)
{
    struct hf_why why = {""};
    enum hf_err err;
    for (int tries = 0; tries < 2; tries++) {
        *index = ledger->next++;
        err = spool_create(spool, producer_of(*index), BOOT, file, &why);
        if (err == HF_OK)
            return true;
        if (why.text[0] == '\0')
            return fault_say(&ledger->board, "making a file fails without a reason");
    }
    return failed(err, &why, "making a file");
}

static bool append(struct spool_file *file, unsigned index, uint64_t number)
{
    static unsigned char bytes[20000];
    struct hf_why why = {""};
    size_t len = batch_of(index, number, bytes);
    ledger->known[index][number] = true;
    enum hf_err err = spool_append(file, number, bytes, len, &why);
    if (err != HF_OK && why.text[0] == '\0')
        return fault_say(&ledger->board, "appending fails without a reason");
    fault_mend();
    if (err != HF_OK)
        err = spool_append(file, number, bytes, len, &why);
    if (err == HF_OK && !ledger->power)
        ledger->acknowledged[index][number] = true;
    return err == HF_OK || failed(err, &why, "appending");
}

/* When it fails, nothing since the last one counts as acknowledged, and the file is done with. */
static bool sync_up_to(struct spool_file **file, unsigned index, uint64_t number)
{
    struct hf_why why = {""};
    if (!ledger->power)
        return true;
    if (spool_sync(*file, &why) != HF_OK) {
        spool_release(file);
        return why.text[0] != '\0' || fault_say(&ledger->board, "syncing fails without a reason");
    }
    for (uint64_t n = 1; n <= number; n++)
        ledger->acknowledged[index][n] = true;
    return true;
}

/* A file of its own with `count` records, synced after each second; NULL when that failed. */
static bool write_file(struct spool *spool, unsigned count, struct spool_file **file, unsigned *index)
{
    if (!create(spool, file, index))
        return false;
    for (unsigned number = 1; number <= count && *file != NULL; number++) {
        if (!append(*file, *index, number))
            return false;
        if ((number % 2 == 0 || number == count) && !sync_up_to(file, *index, number))
            return false;
    }
    return true;
}

static bool deliver(const struct spool_record *record, bool (*to)[MOST_RECORDS])
{
    static unsigned char bytes[20000];
    uint64_t file = record->producer - producer_of(0);
    if (file >= MOST_FILES || record->number == 0 || record->number >= MOST_RECORDS ||
        !ledger->known[file][record->number])
        return fault_say(&ledger->board, "record %" PRIu64 " of %" PRIx64 " was never written", record->number,
                         record->producer);
    size_t len = batch_of((unsigned)file, record->number, bytes);
    if (record->len != len || memcmp(record->bytes, bytes, len) != 0)
        return fault_say(&ledger->board, "record %" PRIu64 " of file %" PRIu64 " has other bytes", record->number, file);
    to[file][record->number] = true;
    return true;
}

/* Deliver what is in a claimed file, and count the pieces of damage. */
static bool read_file(struct spool_file *file, bool (*to)[MOST_RECORDS], unsigned *pieces)
{
    struct spool_record record;
    enum hf_err err;
    *pieces = 0;
    for (uint64_t at = 0; (err = spool_read(file, &at, &record)) != HF_NOTFOUND;) {
        if (err == HF_CORRUPT)
            ++*pieces;
        else if (err != HF_OK)
            return fault_say(&ledger->board, "reading: %s", hf_strerror(err));
        else if (!deliver(&record, to))
            return false;
    }
    return true;
}

/* Claim each file, deliver what is in it, and finish or keep it. A failure leaves it, to be drained by the next. */
static bool drain(struct spool *spool, bool (*to)[MOST_RECORDS])
{
    struct spool_entry *entries = NULL;
    size_t count = 0;
    enum hf_err err = spool_list(spool, &entries, &count);
    bool good = err == HF_OK || fault_say(&ledger->board, "listing: %s", hf_strerror(err));
    for (size_t i = 0; i < count && good; i++) {
        struct spool_file *file;
        struct hf_why why = {""};
        unsigned pieces;
        uint64_t index = entries[i].producer - producer_of(0);
        err = spool_claim(spool, entries[i].producer, &file, &why);
        if (err == HF_BUSY) /* we append to it ourselves */
            continue;
        if (err != HF_OK) {
            good = failed(err, &why, "claiming");
            break;
        }
        good = read_file(file, to, &pieces);
        if (index < MOST_FILES)
            ledger->damaged[index] |= pieces > 0;
        bool keep = ledger->power && index < MOST_FILES;
        err = keep ? spool_keep(&file, BOOT, &why) : spool_finish(&file, &why);
        if (err != HF_OK && why.text[0] == '\0')
            good = fault_say(&ledger->board, "finishing fails without a reason");
        else if (err == HF_OK && keep && pieces == 0)
            ledger->kept[index] = true;
    }
    free(entries);
    return good;
}

static bool tend(struct spool *spool, const char *boot, int64_t before_ms)
{
    enum hf_err err = spool_tend(spool, boot, before_ms);
    return err == HF_OK || fault_say(&ledger->board, "tending: %s", hf_strerror(err));
}

/* ---- lives ---- */

static void path_of(unsigned file, const char *ending, char path[160])
{
    snprintf(path, 160, "%s/%016" PRIx64 ".%s", dir, producer_of(file), ending);
}

static bool leave_file(struct spool *spool, unsigned index, unsigned count, const char *boot)
{
    struct spool_file *file = NULL;
    struct hf_why why = {""};
    if (spool_create(spool, producer_of(index), boot, &file, &why) != HF_OK)
        return failed(HF_IO, &why, "preparing");
    for (unsigned number = 1; number <= count; number++)
        if (!append(file, index, number))
            return false;
    if (index == OLD_KEPT || index == OTHER_KEPT)
        return spool_keep(&file, boot, &why) == HF_OK;
    spool_release(&file);
    for (unsigned number = 1; number <= count; number++)
        ledger->acknowledged[index][number] = true;
    return true;
}

static bool change_byte(unsigned index, off_t from_end)
{
    char path[160];
    unsigned char byte = 0;
    path_of(index, "spool", path);
    int fd = open(path, O_RDWR);
    off_t at = lseek(fd, -from_end, SEEK_END);
    bool good = fd >= 0 && pread(fd, &byte, 1, at) == 1;
    byte = (unsigned char)~byte;
    good = good && pwrite(fd, &byte, 1, at) == 1;
    close(fd);
    return good;
}

static bool cut(unsigned index, off_t bytes)
{
    char path[160];
    struct stat info;
    path_of(index, "spool", path);
    return stat(path, &info) == 0 && truncate(path, info.st_size - bytes) == 0;
}

/* What processes before this one have left. */
static bool prepare(void *context)
{
    (void)context;
    struct spool *spool;
    struct hf_why why;
    struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    char path[160];
    ledger->next = FIRST_OWN;
    if (!open_spool(&spool, &why) || !leave_file(spool, LEFT, 3, BOOT) || !leave_file(spool, CUT, 3, BOOT) ||
        !leave_file(spool, DAMAGED, 2, BOOT) || !leave_file(spool, OLD_KEPT, 2, BOOT) ||
        !leave_file(spool, OTHER_KEPT, 3, OTHER_BOOT))
        return false;
    path_of(OLD_KEPT, "kept", path);
    if (utimensat(AT_FDCWD, path, long_ago, 0) != 0 || !cut(CUT, 7) || !change_byte(DAMAGED, 3))
        return fault_say(&ledger->board, "preparing files");
    memset(ledger->acknowledged[OLD_KEPT], 0, sizeof ledger->acknowledged[OLD_KEPT]); /* its time is over */
    for (unsigned number = 1; number <= 3; number++)
        ledger->acknowledged[OTHER_KEPT][number] = true;
    ledger->acknowledged[CUT][3] = false;
    ledger->acknowledged[DAMAGED][DAMAGED_RECORD] = false;
    spool_close(&spool);
    return true;
}

static bool live(void *context)
{
    (void)context;
    struct spool *spool;
    struct spool_file *file, *other;
    struct hf_why why = {""};
    unsigned index, second;
    if (!open_spool(&spool, &why)) {
        ledger->board.text[0] = '\0';
        return why.text[0] != '\0' || fault_say(&ledger->board, "opening fails without a reason");
    }
    (void)!spool_tend(spool, BOOT, INT64_C(2000000)); /* what it fails at is left for the next time */
    if (!write_file(spool, 5, &file, &index) ||
        !drain(spool, ledger->delivered)) /* while it has one open to append */
        return false;
    if (file != NULL) {
        if (!append(file, index, 6) || !sync_up_to(&file, index, 6))
            return false;
    }
    if (file != NULL && ledger->power) { /* all was published as well */
        memcpy(ledger->delivered[index], ledger->acknowledged[index], sizeof ledger->delivered[index]);
        if (spool_keep(&file, BOOT, &why) == HF_OK)
            ledger->kept[index] = true;
        else if (why.text[0] == '\0')
            return fault_say(&ledger->board, "keeping fails without a reason");
    }
    spool_release(&file);
    if (!create(spool, &other, &second)) /* and nothing to write */
        return false;
    spool_release(&other);
    if (!write_file(spool, 3, &file, &index))
        return false;
    spool_release(&file);
    if (!drain(spool, ledger->delivered))
        return false;
    spool_close(&spool);
    return true;
}

static unsigned missing(bool (*from)[MOST_RECORDS], unsigned file)
{
    for (unsigned number = 1; number < MOST_RECORDS; number++)
        if (ledger->acknowledged[file][number] && !from[file][number])
            return number;
    return 0;
}

/* Another process in the same boot, then one after the next. */
static bool look(void *context)
{
    (void)context;
    struct spool *spool;
    struct hf_why why;
    bool kept[MOST_FILES];
    if (!open_spool(&spool, &why) || !tend(spool, BOOT, INT64_C(2000000)) || !drain(spool, ledger->delivered))
        return false;
    for (unsigned file = 0; file < MOST_FILES; file++)
        if (missing(ledger->delivered, file) != 0)
            return fault_say(&ledger->board, "record %u of file %u is lost", missing(ledger->delivered, file), file);
    for (unsigned file = 0; file < MOST_FILES; file++)
        if (ledger->damaged[file] != (file == DAMAGED))
            return fault_say(&ledger->board, "file %u is %sdamaged", file, file == DAMAGED ? "not " : "");
    memcpy(kept, ledger->kept, sizeof kept);
    if (!tend(spool, OTHER_BOOT, INT64_C(2000000)) || !drain(spool, ledger->again))
        return false;
    for (unsigned file = 0; file < MOST_FILES; file++)
        if (kept[file] && missing(ledger->again, file) != 0)
            return fault_say(&ledger->board, "record %u of kept file %u does not come after a boot",
                             missing(ledger->again, file), file);
    struct spool_entry *entries = NULL;
    size_t count = 0;
    if (spool_list(spool, &entries, &count) != HF_OK || count != 0)
        return fault_say(&ledger->board, "%zu files stay", count);
    free(entries);
    spool_close(&spool);
    return true;
}

/* ---- the sweep ---- */

static unsigned long runs;

static void run_with(bool power, enum fault_how how, unsigned long at)
{
    fault_make_folder(root, sizeof root, "spool_crash_test");
    snprintf(dir, sizeof dir, "%s/spool", root);
    memset(ledger, 0, sizeof *ledger);
    enum fault_end end = fault_run(&ledger->board, prepare, NULL, root, FAULT_NONE, 0, 20);
    assert_true_of(end == FAULT_ENDED, "preparing: %s", ledger->board.text);
    ledger->power = power;
    end = fault_run(&ledger->board, live, NULL, root, how, at, 20);
    bool kills = how >= FAULT_KILL_BEFORE && how <= FAULT_KILL_AFTER;
    assert_true_of(end == (kills ? FAULT_KILLED : FAULT_ENDED), "%s, %s at call %lu (%s): %s",
                   power ? "power" : "process", fault_names[how], at, ledger->board.call, ledger->board.text);
    unsigned long calls = atomic_load(&ledger->board.calls);
    char call[sizeof ledger->board.call];
    memcpy(call, ledger->board.call, sizeof call);
    end = fault_run(&ledger->board, look, NULL, root, FAULT_NONE, 0, 20);
    assert_true_of(end == FAULT_ENDED, "%s, %s at call %lu (%s), then: %s", power ? "power" : "process",
                   fault_names[how], at, call, ledger->board.text);
    atomic_store(&ledger->board.calls, calls);
    fault_remove_folder(root);
    runs++;
}

static void sweep(bool power, enum fault_how first, enum fault_how last)
{
    runs = 0;
    run_with(power, FAULT_NONE, 0);
    unsigned long calls = atomic_load(&ledger->board.calls);
    assert_true(calls > 20);
    for (unsigned long at = 1; at <= calls; at++)
        for (int how = (int)first; how <= (int)last; how++)
            run_with(power, (enum fault_how)how, at);
    print_message("# => %s: %lu calls, %lu runs\n", power ? "power" : "process", calls, runs);
}

static void killed_at_each_call(void **state)
{
    (void)state;
    sweep(false, FAULT_KILL_BEFORE, FAULT_KILL_AFTER);
    sweep(true, FAULT_KILL_BEFORE, FAULT_KILL_AFTER);
}

static void each_call_fails(void **state)
{
    (void)state;
    sweep(false, FAULT_NO_SPACE, FAULT_SHORT);
    sweep(true, FAULT_NO_SPACE, FAULT_SHORT);
}

static int set_up(void **state)
{
    (void)state;
    ledger = fault_share(sizeof *ledger);
    return sodium_init() >= 0 ? 0 : -1;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {unit(killed_at_each_call), unit(each_call_fails)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
