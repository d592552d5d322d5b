/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kill -9, at random moments, of the writer and of readers.
 *
 * Transaction p adds one to STEPS hours and to as many minutes, chosen by p
 * alone, and says position = p, folded = STEPS * p. So every state is known by
 * its position. A quarter of the readers read one committed state as a whole: its
 * sums must be STEPS * position. The others read as queries do: no cell may be
 * older than the status read before it, or newer than the transaction after
 * the status read behind it.
 *
 * A process that ends by itself with STORE_LOST_EXIT, or that a recovery killed,
 * is started again, as a web server or systemd would.
 *
 * HF_TEST_SEED makes the same choices again. HF_TEST_KILLS is the number of kills (30); HF_TEST_FULL=1 kills 500 readers in ten
 * minutes too, in which the writer must never get nothing done for longer than 1.5 s. HF_TEST_HANG_MS (5000) is what counts as a
 * hang, and scales the other: for a machine that has other things to do.
 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../child.h"
#include "store/store.h"

#define STEPS 12u        /* cells of each table that a transaction touches */
#define KEYS 40u
#define SLOTS 3u
#define FIRST_SLOT 1000u
#define READERS 8
#define PROCESSES (READERS + 1)
#define WRITER READERS   /* its place among them */
#define HANG_MS 5000
#define RESTART_MS 1500 /* of HANG_MS */
#define FULL_KILLS 500u
#define FULL_EVERY_MS 1200 /* between two of the ten minutes */
#define DUTY_MS 20       /* between two syncs of the writer */
#define PAUSE_MS 2       /* between two reads */
#define LONG_PAUSE_MS 30 /* and two consistent ones, which keep the writer waiting */

/* What the processes tell each other. */
struct board {
    struct {
        _Atomic int64_t beat_ms; /* when it last got something done, or was started */
        _Atomic uint64_t done;
    } process[PROCESSES];
    _Atomic uint64_t committed; /* the last transaction whose commit has returned */
    _Atomic bool stop;
    _Atomic int failures;
    char text[400]; /* of the first failure */
};

static struct board *board;
static char folder[64], path[80];
static int64_t hang_ms;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* splitmix64, S. Vigna 2015 */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

static void HF_PRINTF(1, 2) fail(const char *format, ...)
{
    char text[sizeof board->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (atomic_fetch_add(&board->failures, 1) == 0)
        strcpy(board->text, text);
    printf("# %s\n", text);
    fflush(stdout);
}

static void beat(int me)
{
    atomic_store(&board->process[me].beat_ms, now_ms());
    atomic_fetch_add(&board->process[me].done, 1);
}

/* End as a program would that cannot go on. */
static void give_up(int me, const char *what, enum hf_err err, const struct hf_why *why)
{
    if (err != HF_STALE && err != HF_AGAIN && err != HF_TIMEOUT)
        fail("process %d: %s: %s: %s", me, what, hf_strerror(err), why->text);
    _exit(STORE_LOST_EXIT);
}

static struct store *open_store(int me, enum store_role role)
{
    struct store_options options = {.path = path, .role = role, .cache_mb = 4};
    struct hf_why why = {""};
    struct store *store = NULL;
    enum hf_err err = store_open(&options, &store, &why);
    if (err != HF_OK)
        give_up(me, "open", err, &why);
    return store;
}

/* ---- what is in the store, and what must be ---- */

/* The cell that step i of a transaction adds to. */
static unsigned cell_of(uint64_t position, unsigned i) { return (unsigned)(mix(position * 64 + i) % (KEYS * SLOTS)); }

/* What the cells of a table hold, by number; hours and minutes are alike. */
struct counts {
    uint64_t position;
    uint64_t cell[KEYS * SLOTS];
    uint64_t sum;
};

/* Bring the counts to that position. */
static void move_to(struct counts *counts, uint64_t position)
{
    for (; counts->position < position; counts->position++)
        for (unsigned i = 0; i < STEPS; i++)
            counts->cell[cell_of(counts->position + 1, i)]++;
    for (; counts->position > position; counts->position--)
        for (unsigned i = 0; i < STEPS; i++)
            counts->cell[cell_of(counts->position, i)]--;
}

static bool take_count(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    struct counts *counts = context;
    unsigned number;
    uint64_t count;
    if (key_bytes != 13 || sscanf(key, "app.metric-%2u", &number) != 1 || number >= KEYS || slot < FIRST_SLOT ||
        slot >= FIRST_SLOT + SLOTS || len < sizeof count) {
        fail("a cell that nobody wrote");
        return false;
    }
    memcpy(&count, bytes, sizeof count);
    counts->cell[number + (slot - FIRST_SLOT) * KEYS] = count;
    counts->sum += count;
    return true;
}

struct sight {
    struct store_status before, after;
    struct counts hours, minutes;
};

static enum hf_err look(struct store *store, bool consistent, struct sight *sight, struct hf_why *why)
{
    struct store_read *read;
    enum hf_err err = consistent ? store_read_begin_consistent(store, &read, why) : store_read_begin(store, &read, why);
    if (err != HF_OK)
        return err;
    memset(sight, 0, sizeof *sight);
    err = store_read_status(read, &sight->before);
    if (err == HF_OK)
        err = store_read_cells(read, STORE_HOURS, 0, "", 0, UINT32_MAX, take_count, &sight->hours);
    if (err == HF_OK)
        err = store_read_cells(read, STORE_MINUTES, 0, "", 0, UINT32_MAX, take_count, &sight->minutes);
    if (err == HF_OK)
        err = store_read_status(read, &sight->after);
    store_read_end(&read);
    return err;
}

static void check_bounds(int me, const struct sight *sight, const struct counts *seen)
{
    static struct counts low, high;
    move_to(&low, sight->before.position);
    move_to(&high, sight->after.position + 1);
    for (unsigned i = 0; i < KEYS * SLOTS; i++)
        if (seen->cell[i] < low.cell[i] || seen->cell[i] > high.cell[i])
            fail("process %d: cell %u holds %llu, at position %llu it is %llu, after %llu %llu", me, i,
                 (unsigned long long)seen->cell[i], (unsigned long long)low.position, (unsigned long long)low.cell[i],
                 (unsigned long long)high.position, (unsigned long long)high.cell[i]);
}

static enum hf_err check_once(struct store *store, int me, bool consistent, struct sight *sight, struct hf_why *why)
{
    enum hf_err err = look(store, consistent, sight, why);
    if (err != HF_OK)
        return err;
    uint64_t position = sight->before.position;
    if (sight->before.folded != STEPS * position ||
        (consistent && (sight->hours.sum != STEPS * position || sight->minutes.sum != STEPS * position)))
        fail("process %d: at position %llu folded is %llu, the hours hold %llu, the minutes %llu", me,
             (unsigned long long)position, (unsigned long long)sight->before.folded, (unsigned long long)sight->hours.sum,
             (unsigned long long)sight->minutes.sum);
    check_bounds(me, sight, &sight->hours);
    check_bounds(me, sight, &sight->minutes);
    return HF_OK;
}

/* ---- the writer ---- */

/* A cell is its count and a filling, now and then longer than a page. */
static size_t make_cell(unsigned char *out, uint64_t count, uint64_t which)
{
    size_t len = 16 + (mix(count ^ which) % 16 == 0 ? 5000 : mix(count + which) % 600);
    memset(out, (int)(count & 0xFF), len);
    memcpy(out, &count, sizeof count);
    return len;
}

static size_t name_of(unsigned which, char *key) { return (size_t)sprintf(key, "app.metric-%02u", which % KEYS); }


static enum hf_err write_all(struct store_write *write, const struct counts *counts)
{
    static unsigned char bytes[8192];
    char key[64];
    enum hf_err err = HF_OK;
    for (unsigned i = 0; i < 2 * STEPS && err == HF_OK; i++) {
        unsigned which = cell_of(counts->position, i / 2);
        size_t key_bytes = name_of(which, key);
        err = store_write_cell(write, i % 2 == 0 ? STORE_HOURS : STORE_MINUTES, key, key_bytes, FIRST_SLOT + which / KEYS,
                               bytes, make_cell(bytes, counts->cell[which], which));
        if (err == HF_OK)
            err = store_write_key(write, key, key_bytes, FIRST_SLOT);
    }
    const struct store_status status = {.position = counts->position, .folded = STEPS * counts->position};
    return err == HF_OK ? store_write_status(write, &status) : err;
}

/* One transaction; again, where it lost a race. */
static void write_once(struct store *store, int me, const struct counts *counts)
{
    struct store_write *write;
    struct hf_why why = {""};
    enum hf_err err;
    do {
        err = store_write_begin(store, &write, &why);
        if (err == HF_OK && (err = write_all(write, counts)) != HF_OK)
            store_write_abort(&write);
        else if (err == HF_OK)
            err = store_write_commit(&write, &why);
    } while (err == HF_AGAIN);
    if (err != HF_OK)
        give_up(me, "write", err, &why);
    atomic_store(&board->committed, counts->position);
}

static void write_back(struct store *store, int me, bool checkpoint)
{
    struct hf_why why = {""};
    enum hf_err err = store_sync(store, &why);
    if (err == HF_OK && checkpoint)
        err = store_checkpoint(store, &why);
    if (err != HF_OK)
        give_up(me, "sync", err, &why);
}

static void run_writer(int me)
{
    static struct sight sight;
    static struct counts counts;
    struct store *store = open_store(me, STORE_WRITER);
    struct hf_why why = {""};
    while (check_once(store, me, true, &sight, &why) == HF_AGAIN) {
    }
    if (sight.before.position < atomic_load(&board->committed))
        fail("position %llu after a kill, but %llu was committed", (unsigned long long)sight.before.position,
             (unsigned long long)atomic_load(&board->committed));
    move_to(&counts, sight.before.position);
    int64_t sync_ms = 0;
    while (!atomic_load(&board->stop)) {
        move_to(&counts, counts.position + 1);
        write_once(store, me, &counts);
        beat(me);
        if (now_ms() - sync_ms < DUTY_MS)
            continue;
        write_back(store, me, counts.position % 8 == 0);
        sync_ms = now_ms();
    }
    store_close(&store);
}

/* ---- readers ---- */

static void run_reader(int me)
{
    static struct sight sight;
    struct store *store = open_store(me, STORE_READER);
    struct hf_why why = {""};
    bool consistent = me % 4 == 0;
    while (!atomic_load(&board->stop)) {
        enum hf_err err = check_once(store, me, consistent, &sight, &why);
        sleep_ms(consistent ? LONG_PAUSE_MS : PAUSE_MS);
        if (err == HF_OK)
            beat(me);
        else if (err != HF_AGAIN && err != HF_TIMEOUT)
            give_up(me, "read", err, &why);
    }
    store_close(&store);
}

/* ---- the killer ---- */

struct tally {
    unsigned kills, lost, killed_by_recovery;
    int64_t longest_gap_ms, longest_writer_gap_ms;
};

static pid_t pids[PROCESSES];
static struct tally tally;

static void start(int me)
{
    atomic_store(&board->process[me].beat_ms, now_ms());
    fflush(stdout);
    pids[me] = test_fork();
    if (pids[me] == 0) {
        if (me == WRITER)
            run_writer(me);
        else
            run_reader(me);
        _exit(0);
    }
}

static void kill_one(int me)
{
    kill(pids[me], SIGKILL);
    waitpid(pids[me], NULL, 0);
    pids[me] = 0;
    tally.kills++;
}

/* Who ended by itself is started again. */
static void reap(void)
{
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        if (pids[i] == 0 || waitpid(pids[i], &status, WNOHANG) != pids[i])
            continue;
        pids[i] = 0;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            tally.killed_by_recovery++;
        else if (WIFEXITED(status) && WEXITSTATUS(status) == STORE_LOST_EXIT)
            tally.lost++;
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail("process %d ended with status 0x%x", i, (unsigned)status);
        if (!atomic_load(&board->stop)) {
            int64_t beat_ms = atomic_load(&board->process[i].beat_ms);
            start(i);
            atomic_store(&board->process[i].beat_ms, beat_ms); /* the wait goes on over its restarts */
        }
    }
}

static void look_for_hangs(void)
{
    for (int i = 0; i < PROCESSES; i++) {
        if (pids[i] == 0)
            continue;
        int64_t gap_ms = now_ms() - atomic_load(&board->process[i].beat_ms);
        if (gap_ms > tally.longest_gap_ms)
            tally.longest_gap_ms = gap_ms;
        if (i == WRITER && gap_ms > tally.longest_writer_gap_ms)
            tally.longest_writer_gap_ms = gap_ms;
        if (gap_ms > hang_ms)
            fail("%s %d (pid %ld) got nothing done for %lld ms", i == WRITER ? "writer" : "reader", i, (long)pids[i],
                 (long long)gap_ms);
    }
}

/* Look after the processes for that long. */
static void watch(int64_t ms)
{
    int64_t end_ms = now_ms() + ms;
    do {
        reap();
        look_for_hangs();
        sleep_ms(5);
    } while (now_ms() < end_ms && atomic_load(&board->failures) == 0);
}

static void wait_for_progress(int me)
{
    uint64_t done = atomic_load(&board->process[me].done);
    while (atomic_load(&board->process[me].done) == done && atomic_load(&board->failures) == 0)
        watch(5);
}

/* Kill anybody. The writer stays dead for up to a second, in which readers have to do without. */
static void kill_anybody(unsigned kills, uint64_t *random)
{
    int64_t writer_due_ms = 0;
    while (tally.kills < kills && atomic_load(&board->failures) == 0) {
        *random = mix(*random);
        watch(20 + (int64_t)(*random % 300));
        if (pids[WRITER] == 0 && now_ms() >= writer_due_ms)
            start(WRITER);
        int victim = (int)((*random >> 32) % (PROCESSES + 2));
        if (victim > WRITER)
            victim = WRITER;
        if (pids[victim] == 0)
            continue;
        kill_one(victim);
        if (victim == WRITER)
            writer_due_ms = now_ms() + (int64_t)((*random >> 16) % 1000);
        else
            start(victim);
    }
    if (pids[WRITER] == 0)
        start(WRITER);
    wait_for_progress(WRITER);
    for (int i = 0; i < READERS; i++)
        wait_for_progress(i);
}

/* The writer dies and nobody starts it again; readers die too. Whoever is left must go on reading. */
static void kill_without_writer(unsigned kills, uint64_t *random)
{
    unsigned end = tally.kills + kills;
    kill_one(WRITER);
    while (tally.kills < end && atomic_load(&board->failures) == 0) {
        *random = mix(*random);
        watch((int64_t)(*random % 200));
        int victim = (int)((*random >> 32) % READERS);
        kill_one(victim);
        start(victim);
    }
    for (int i = 0; i < READERS; i++)
        wait_for_progress(i);
}

/* How much room the regions take, in bytes. */
static int64_t region_bytes(void)
{
    char file[400];
    int64_t bytes = 0;
    struct stat st;
    snprintf(file, sizeof file, "%s/env", path);
    DIR *dir = opendir(file);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        snprintf(file, sizeof file, "%s/env/%.200s", path, entry->d_name);
        bytes += stat(file, &st) == 0 && S_ISREG(st.st_mode) ? st.st_blocks * INT64_C(512) : 0;
    }
    if (dir != NULL)
        closedir(dir);
    return bytes;
}

/* Readers alone are killed. Each time the writer ends itself and is started again; nothing may pile up with that. */
static void kill_readers(unsigned kills, int64_t every_ms, int64_t gap_most_ms, uint64_t *random)
{
    int64_t bytes = region_bytes();
    while (tally.kills < kills && atomic_load(&board->failures) == 0) {
        *random = mix(*random);
        watch(every_ms / 2 + (int64_t)(*random % (uint64_t)every_ms));
        int victim = (int)((*random >> 32) % READERS);
        if (pids[victim] == 0)
            continue;
        kill_one(victim);
        start(victim);
    }
    for (int i = 0; i < PROCESSES; i++)
        wait_for_progress(i);
    if (tally.longest_writer_gap_ms > gap_most_ms)
        fail("the writer got nothing done for %lld ms", (long long)tally.longest_writer_gap_ms);
    printf("# regions take %lld bytes, took %lld before\n", (long long)region_bytes(), (long long)bytes);
    if (region_bytes() > bytes + bytes / 20)
        fail("the regions grow");
}

static void stop_all(void)
{
    atomic_store(&board->stop, true);
    for (int64_t end_ms = now_ms() + hang_ms; now_ms() < end_ms; sleep_ms(5)) {
        reap();
        bool gone = true;
        for (int i = 0; i < PROCESSES; i++)
            gone = gone && pids[i] == 0;
        if (gone)
            return;
    }
    fail("some processes did not stop");
    for (int i = 0; i < PROCESSES; i++)
        if (pids[i] != 0)
            kill_one(i);
}

/* After all of it, what a new writer finds. */
static void check_the_end(void)
{
    fflush(stdout);
    pid_t pid = test_fork();
    if (pid == 0) {
        static struct sight sight;
        struct store *store = open_store(WRITER, STORE_WRITER);
        struct hf_why why = {""};
        if (check_once(store, WRITER, true, &sight, &why) != HF_OK)
            fail("the last check: %s", why.text);
        store_close(&store);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    if (status != 0)
        fail("the last check ended with status 0x%x", (unsigned)status);
}

static int remove_entry(const char *file, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(file);
}

static bool set_up(void)
{
    char file[128];
    const char *where = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.30s/store_kill_test.XXXXXX", where == NULL ? "/tmp" : where);
    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(file, sizeof file, "%s/board", folder);
    snprintf(path, sizeof path, "%s/store", folder);
    int fd = open(file, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *board) != 0)
        return false;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return board != MAP_FAILED;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void result(int number, const char *name)
{
    bool good = atomic_load(&board->failures) == 0;
    printf("# => kills %u; ended by themselves %u, by a recovery %u; longest time without progress %lld ms, of the writer "
           "%lld ms; position %llu\n",
           tally.kills, tally.lost, tally.killed_by_recovery, (long long)tally.longest_gap_ms, (long long)tally.longest_writer_gap_ms,
           (unsigned long long)atomic_load(&board->committed));
    printf("%s %d - %s\n", good ? "ok" : "not ok", number, name);
    fflush(stdout);
    tally = (struct tally){0};
}

int main(void)
{
    if (getenv("HF_TEST_SHORT") != NULL) {
        puts("1..0 # SKIP a kill test is about real time");
        return 0;
    }
    bool full = getenv("HF_TEST_FULL") != NULL;
    unsigned kills = (unsigned)from_environment("HF_TEST_KILLS", 30);
    uint64_t seed = from_environment("HF_TEST_SEED", (uint64_t)time(NULL)), random = seed;
    hang_ms = (int64_t)from_environment("HF_TEST_HANG_MS", HANG_MS);
    printf("1..3\n# HF_TEST_SEED=%llu HF_TEST_KILLS=%u\n", (unsigned long long)seed, kills);
    if (!set_up()) {
        perror("setting up");
        return 1;
    }
    start(WRITER);
    wait_for_progress(WRITER);
    for (int i = 0; i < READERS; i++)
        start(i);
    kill_anybody(kills, &random);
    result(1, "any process killed at any moment");
    kill_readers(full ? FULL_KILLS : kills / 3, full ? FULL_EVERY_MS : 100, full ? hang_ms * RESTART_MS / HANG_MS : hang_ms, &random);
    result(2, "readers killed while the writer writes");
    kill_without_writer(kills / 3, &random);
    stop_all();
    check_the_end();
    result(3, "readers killed while no writer lives");
    int failures = atomic_load(&board->failures);
    if (failures == 0)
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    else
        printf("# the store is left in %s\n", folder);
    return failures != 0;
}
