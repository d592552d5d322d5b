/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../child.h"
#include "tally/tally.h"

#define PROCESSES 6
#define KILLS 60
#define THREADS 4
#define ADDS 20000

static char folder[64];
static char path[96];
static struct hf_why why;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/hourfold-tally-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/tally", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct tally *joined(void)
{
    struct tally *tally = tally_new();
    assert_non_null(tally);
    assert_true_of(tally_join(tally, path, &why) == HF_OK, "%s", why.text);
    return tally;
}

static struct tally_values values(void)
{
    struct tally_values out;
    assert_true_of(tally_read(path, &out, &why) == HF_OK, "%s", why.text);
    return out;
}

static void counts_stay_when_their_process_ends(void **state)
{
    (void)state;
    struct tally_values out;
    assert_int_equal(tally_read(path, &out, &why), HF_NOTFOUND);
    for (uint64_t round = 1; round <= 3; round++) {
        struct tally *tally = joined();
        tally_add(tally, TALLY_RECEIVED, 0, 10);
        tally_add(tally, TALLY_REQUESTS, TALLY_OTHER, 1);
        tally_shed(tally, TALLY_MEMORY, 7);
        tally_note(tally, TALLY_LAST_UNANSWERED, (int64_t)(100 - round));
        tally_free(&tally);
        assert_null(tally);
        out = values();
        assert_int_equal(out.counts[TALLY_RECEIVED][0], 10 * round);
        assert_int_equal(out.counts[TALLY_REQUESTS][TALLY_OTHER], round);
        assert_int_equal(out.counts[TALLY_SHED][TALLY_MEMORY], 7 * round);
        assert_int_equal(out.counts[TALLY_REQUESTS_SHED][TALLY_MEMORY], round);
        assert_int_equal(out.counts[TALLY_REQUESTS_SHED][TALLY_RATE], 0);
        assert_int_equal(out.moments[TALLY_LAST_UNANSWERED], 99); /* the latest, not the last said */
    }
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true((size_t)info.st_blocks * 512 >= (size_t)info.st_size); /* no holes: nothing to be allocated later */
}

static void what_was_counted_before_is_taken_along(void **state)
{
    (void)state;
    struct tally *tally = tally_new();
    tally_add(tally, TALLY_ACCEPTED, 0, 5);
    tally_note(tally, TALLY_LAST_ACK, 1234);
    assert_int_equal(tally_join(tally, "/tmp/no/such/directory/tally", &why), HF_NOTFOUND);
    tally_add(tally, TALLY_ACCEPTED, 0, 6);
    assert_int_equal(tally_join(tally, path, &why), HF_OK);
    assert_int_equal(values().counts[TALLY_ACCEPTED][0], 11);
    assert_int_equal(tally_join(tally, path, &why), HF_OK);
    tally_add(tally, TALLY_ACCEPTED, 0, 1);
    assert_int_equal(values().counts[TALLY_ACCEPTED][0], 12);
    assert_int_equal(values().moments[TALLY_LAST_ACK], 1234);
    tally_free(&tally);
}

static void *add_many(void *argument)
{
    for (int i = 0; i < ADDS; i++)
        tally_add(argument, TALLY_SENT, 0, 1);
    return NULL;
}

static void threads_lose_nothing_while_it_joins(void **state)
{
    (void)state;
    struct tally *tally = tally_new();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, tally), 0);
    assert_int_equal(tally_join(tally, path, &why), HF_OK);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(tally_join(tally, path, &why), HF_OK);
    assert_int_equal(values().counts[TALLY_SENT][0], THREADS * ADDS);
    tally_free(&tally);
}

/* ---- processes that are killed ---- */

static void count_for_ever(_Atomic uint64_t *known)
{
    struct tally *tally = tally_new();
    if (tally == NULL || tally_join(tally, path, NULL) != HF_OK)
        _exit(1);
    for (;;) {
        tally_add(tally, TALLY_RECEIVED, 0, 1);
        atomic_fetch_add(known, 1);
    }
}

static pid_t spawn(_Atomic uint64_t *known)
{
    pid_t pid = test_fork();
    assert_true(pid >= 0);
    if (pid == 0)
        count_for_ever(known);
    return pid;
}

static void *shared_memory(size_t bytes)
{
    char name[] = "/tmp/hourfold-tally-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    unlink(name);
    close(fd);
    return at;
}

/* Each process tells what it has counted after it did, so that a kill leaves at most one untold. */
static void kills_lose_nothing(void **state)
{
    (void)state;
    _Atomic uint64_t *known = shared_memory(PROCESSES * sizeof *known);
    pid_t pids[PROCESSES];
    uint64_t told = 0;
    int status;
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = spawn(&known[i]);
    for (int kills = 0; kills < KILLS; kills++) {
        int i = kills % PROCESSES;
        uint64_t before = atomic_load(&known[i]);
        while (atomic_load(&known[i]) == before && waitpid(pids[i], &status, WNOHANG) == 0)
            continue;
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFSIGNALED(status));
        pids[i] = spawn(&known[i]);
    }
    for (int i = 0; i < PROCESSES; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], &status, 0);
        told += atomic_load(&known[i]);
    }
    uint64_t counted = values().counts[TALLY_RECEIVED][0];
    assert_true_of(counted >= told && counted <= told + KILLS + PROCESSES, "told %llu, counted %llu",
                   (unsigned long long)told, (unsigned long long)counted);
    munmap((void *)(uintptr_t)known, PROCESSES * sizeof *known);
}

/* ---- what is in the way ---- */

static void write_file(const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

static void other_files_are_left_alone(void **state)
{
    (void)state;
    char bytes[4096] = "HFTALLY\2";
    struct tally *tally = tally_new();
    struct tally_values out;
    static const size_t sizes[] = {4096, 4095, 1, 8};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct stat info;
        write_file(bytes, sizes[i]);
        assert_int_equal(tally_join(tally, path, &why), HF_INVALID);
        assert_int_equal(tally_read(path, &out, &why), HF_INVALID);
        assert_non_null(strstr(why.text, path));
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_size, sizes[i]);
    }
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(tally_join(tally, path, &why), HF_OK);
    assert_int_not_equal(tally_read(path, &out, &why), HF_OK);
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_not_equal(tally_join(tally, path, &why), HF_OK);
    assert_int_not_equal(tally_read(path, &out, &why), HF_OK);
    unlink(path);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_not_equal(tally_join(tally, path, &why), HF_OK);
    tally_add(tally, TALLY_SENT, 0, 1); /* and goes on */
    tally_free(&tally);
}

static void a_file_that_was_only_begun_is_finished(void **state)
{
    (void)state;
    static const char zeros[4096];
    struct tally_values out;
    static const size_t sizes[] = {0, 4096};
    for (size_t i = 0; i < 2; i++) {
        write_file(zeros, sizes[i]);
        assert_int_equal(tally_read(path, &out, &why), HF_NOTFOUND);
        struct tally *tally = joined();
        tally_add(tally, TALLY_SENT, 0, 3);
        assert_int_equal(values().counts[TALLY_SENT][0], 3);
        tally_free(&tally);
    }
}

static void a_full_disk_only_keeps_it_from_joining(void **state)
{
    (void)state;
    struct rlimit limit, none;
    struct tally *tally = tally_new();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    none = limit;
    none.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    tally_add(tally, TALLY_SENT, 0, 1);
    enum hf_err err = tally_join(tally, path, &why);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(err, HF_FULL);
    tally_add(tally, TALLY_SENT, 0, 1);
    assert_int_equal(tally_join(tally, path, &why), HF_OK);
    assert_int_equal(values().counts[TALLY_SENT][0], 2);
    tally_free(&tally);
}

static void everything_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TALLY_FAMILIES; i++) {
        const struct tally_about *about = &tally_about[i];
        assert_non_null(about->name);
        assert_true(about->help[strlen(about->help) - 1] == '.');
        assert_true(about->count >= 1 && about->count <= TALLY_LABELS && (about->label == NULL) == (about->count == 1));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(about->name, tally_about[j].name);
    }
    for (unsigned i = 0; i < TALLY_CODES; i++)
        assert_int_equal(tally_code_of(tally_about[TALLY_REQUESTS].values[i]), i);
    assert_int_equal(tally_code_of("new_code"), TALLY_OTHER);
    assert_int_equal(tally_code_of(""), TALLY_OTHER);
}

static void the_path_is_configured(void **state)
{
    (void)state;
    char out[TALLY_PATH_BYTES];
    struct hf_conf conf = {.store.path = "/var/lib/hourfold", .collect.tally = ""};
    assert_string_equal(tally_path(&conf, out), "/var/lib/hourfold/tally");
    conf.collect.tally = "/run/tally";
    assert_string_equal(tally_path(&conf, out), "/run/tally");
}

#define with_folder(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS(with_folder(counts_stay_when_their_process_ends), with_folder(what_was_counted_before_is_taken_along),
           with_folder(threads_lose_nothing_while_it_joins), with_folder(kills_lose_nothing),
           with_folder(other_files_are_left_alone), with_folder(a_file_that_was_only_begun_is_finished),
           with_folder(a_full_disk_only_keeps_it_from_joining), unit(everything_has_a_name_of_its_own),
           unit(the_path_is_configured))
