/* SPDX-License-Identifier: Apache-2.0 */
/* hourfold-query as a process, between a peer that speaks FastCGI and a store. Nothing else runs. */
#include "../answer/world.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../bus/server.h"
#include "client.h"

#define HOUR_URI "/" KEY "/median/" DAY "/18"
#define HASH_ALPHA "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8" /* of "alpha" */
#define PROCESSES 3
#define KILLS 20 /* HF_TEST_KILLS sets another number */

struct process {
    char socket[100];
    pid_t pid;      /* 0: not running */
    unsigned files; /* the most descriptors it may have; 0: as many as this process */
};

static struct process processes[PROCESSES];
static char home[40], conf_path[100], log_path[100];

/* ---- processes ---- */

static const char *program_path(void)
{
    static char path[512];
    const char *build = getenv("builddir");
    snprintf(path, sizeof path, "%s/fcgi/hourfold-query", build != NULL ? build : ".");
    return path;
}

static void write_conf(const char *more)
{
    FILE *file = fopen(conf_path, "w");
    assert_non_null(file);
    fprintf(file, "[store]\npath = %s\ncache_mb = 8\n%s", folder, more);
    fclose(file);
}

static void spawn(struct process *process)
{
    char address[128];
    snprintf(address, sizeof address, "unix:%s", process->socket);
    process->pid = fork();
    if (process->pid == 0) {
        int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(log, 1);
        dup2(log, 2);
        unsetenv("HOURFOLD_CONF");
        if (process->files > 0) { /* by a shell: valgrind keeps what setrlimit() says to itself */
            char files[16];
            snprintf(files, sizeof files, "%u", process->files);
            execl("/bin/sh", "sh", "-c", "ulimit -n \"$0\" && exec \"$@\"", files, program_path(), "-c", conf_path, "-s", address,
                  (char *)NULL);
        }
        execl(program_path(), "hourfold-query", "-c", conf_path, "-s", address, (char *)NULL);
        _exit(127);
    }
    assert_true(process->pid > 0);
}

static void show_log(void)
{
    char line[1024];
    FILE *file = fopen(log_path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        print_error("# %s", line);
    if (file != NULL)
        fclose(file);
}

static void start(struct process *process)
{
    long long until = test_now_ms() + PATIENT_MS;
    int fd;
    spawn(process);
    while ((fd = fcgi_connect(process->socket)) < 0) {
        if (test_now_ms() > until || waitpid(process->pid, NULL, WNOHANG) != 0) {
            show_log();
            fail_msg("hourfold-query does not listen");
        }
        test_sleep_ms(2);
    }
    close(fd);
}

/* Wait for the process to end; its exit code, or 1000 and the signal that killed it. */
static int ended(struct process *process)
{
    int status = 0;
    long long until = test_now_ms() + PATIENT_MS;
    while (waitpid(process->pid, &status, WNOHANG) == 0) {
        if (test_now_ms() > until) {
            show_log();
            fail_msg("hourfold-query does not end");
        }
        test_sleep_ms(2);
    }
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void stop(struct process *process, int signal_number)
{
    kill(process->pid, signal_number);
    int code = ended(process);
    if (code != 0)
        show_log();
    assert_int_equal(code, 0);
    assert_int_not_equal(access(process->socket, F_OK), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (make_folder() != 0)
        return -1;
    strcpy(home, folder);
    snprintf(folder, sizeof folder, "%s/store", home);
    snprintf(conf_path, sizeof conf_path, "%s/hourfold.conf", home);
    snprintf(log_path, sizeof log_path, "%s/log", home);
    for (int i = 0; i < PROCESSES; i++)
        processes[i] = (struct process){.pid = 0};
    for (int i = 0; i < PROCESSES; i++)
        snprintf(processes[i].socket, sizeof processes[i].socket, "%s/%d.sock", home, i);
    write_conf("");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < PROCESSES; i++)
        if (processes[i].pid > 0) {
            kill(processes[i].pid, SIGKILL);
            waitpid(processes[i].pid, NULL, 0);
        }
    strcpy(folder, home);
    return remove_folder();
}

/* ---- asking ---- */

static unsigned ask(struct process *process, const struct fcgi_ask *ask, struct fcgi_answer *out)
{
    fcgi_exchange(process->socket, ask, out);
    return out->status;
}

static void must_answer(struct process *process, const struct fcgi_ask *what, unsigned status, const char *text)
{
    struct fcgi_answer answer;
    ask(process, what, &answer);
    if (answer.status != status)
        show_log();
    assert_true_of(answer.status == status, "%s: %u: %s", what->uri, answer.status, answer.body);
    assert_true_of(text == NULL || strstr(answer.body, text) != NULL, "%s: %s", what->uri, answer.body);
    fcgi_answer_free(&answer);
}

static bool header_is(const struct fcgi_answer *answer, const char *name, const char *expected)
{
    char value[256];
    const char *found = fcgi_header(answer, name, value);
    return found == NULL ? expected == NULL : expected != NULL && strcmp(found, expected) == 0;
}

/* Ask until the answer is 200, starting the process again where it has ended: it may have to begin anew. Return how often
 * that was. */
static unsigned ask_until_good(struct process *process, const char *uri, struct fcgi_answer *out)
{
    unsigned restarts = 0;
    long long until = test_now_ms() + PATIENT_MS;
    for (;;) {
        int fd = fcgi_connect(process->socket);
        if (fd >= 0 && fcgi_send(fd, &(struct fcgi_ask){.uri = uri})) {
            fcgi_receive(fd, PATIENT_MS, out);
            if (out->status == 200)
                return restarts;
            assert_true_of(out->status == 503 || out->status == 0, "status %u", out->status);
            fcgi_answer_free(out);
        } else if (fd >= 0)
            close(fd);
        if (test_now_ms() > until) {
            show_log();
            fail_msg("no answer");
        }
        if (waitpid(process->pid, NULL, WNOHANG) == process->pid) {
            start(process);
            restarts++;
        }
        test_sleep_ms(5);
    }
}

/* ---- tests ---- */

static void it_waits_for_a_store(void **state)
{
    (void)state;
    struct process *query = &processes[0];
    struct fcgi_answer answer;
    start(query);
    assert_int_equal(ask(query, &(struct fcgi_ask){.uri = HOUR_URI}, &answer), 503);
    assert_true(header_is(&answer, "Retry-After:", "1"));
    assert_non_null(strstr(answer.body, "\"code\":\"unavailable\""));
    fcgi_answer_free(&answer);
    must_answer(query, &(struct fcgi_ask){.uri = "/x/median/" DAY "/24"}, 400, "bad_hour");
    must_answer(query, &(struct fcgi_ask){.uri = "/-/health"}, 503, "no_store");
    must_answer(query, &(struct fcgi_ask){.uri = "/-/metrics"}, 200, "hourfold_store_up 0");
    write_world();
    long long until = test_now_ms() + PATIENT_MS;
    while (ask(query, &(struct fcgi_ask){.uri = HOUR_URI}, &answer) != 200) {
        assert_int_equal(answer.status, 503);
        fcgi_answer_free(&answer);
        assert_true_of(test_now_ms() < until, "%s", "the store is not seen");
        test_sleep_ms(20);
    }
    fcgi_answer_free(&answer);
    must_answer(query, &(struct fcgi_ask){.uri = "/-/metrics"}, 200, "hourfold_store_up 1");
    stop(query, SIGTERM);
}

static void requests_reach_the_answers(void **state)
{
    (void)state;
    struct process *query = &processes[0];
    struct fcgi_answer answer, other;
    char tag[256];
    write_world();
    start(query);
    assert_int_equal(ask(query, &(struct fcgi_ask){.uri = HOUR_URI}, &answer), 200);
    assert_true(header_is(&answer, "Content-Type:", "application/json"));
    assert_true(header_is(&answer, "Cache-Control:", "max-age=60"));
    assert_true(header_is(&answer, "X-Content-Type-Options:", "nosniff"));
    assert_true(header_is(&answer, "Access-Control-Allow-Origin:", "*"));
    char length[24];
    snprintf(length, sizeof length, "%zu", answer.body_bytes);
    assert_true(header_is(&answer, "Content-Length:", length));
    assert_non_null(strstr(answer.body, "\"count\":3000,\"complete\":true"));
    assert_non_null(fcgi_header(&answer, "ETag:", tag));

    assert_int_equal(ask(query, &(struct fcgi_ask){.method = "HEAD", .uri = HOUR_URI}, &other), 200);
    assert_int_equal(other.body_bytes, 0);
    assert_true(header_is(&other, "Content-Length:", length));
    fcgi_answer_free(&other);

    const char *const unchanged[] = {"HTTP_IF_NONE_MATCH", tag, NULL};
    assert_int_equal(ask(query, &(struct fcgi_ask){.uri = HOUR_URI, .more = unchanged}, &other), 304);
    assert_int_equal(other.body_bytes, 0);
    assert_true(header_is(&other, "ETag:", tag));
    fcgi_answer_free(&other);

    const char *const csv[] = {"HTTP_ACCEPT", "text/csv", NULL};
    must_answer(query, &(struct fcgi_ask){.uri = HOUR_URI, .more = csv}, 200, "key,stat,date,hour,value");
    const char *const script[] = {"SCRIPT_NAME", "/stats", "PATH_INFO", HOUR_URI, NULL};
    must_answer(query, &(struct fcgi_ask){.uri = "/stats" HOUR_URI, .more = script}, 200, answer.body);
    const char *const mount[] = {"HOURFOLD_MOUNT", "/other/place", NULL};
    must_answer(query, &(struct fcgi_ask){.uri = "/other/place" HOUR_URI, .more = mount}, 200, answer.body);
    must_answer(query, &(struct fcgi_ask){.uri = "/" KEY "/all/" DAY}, 200, "\"hours\":[");
    must_answer(query, &(struct fcgi_ask){.uri = "/-/keys?prefix=search"}, 200, "search.depth");
    must_answer(query, &(struct fcgi_ask){.uri = "/nobody/min/" DAY}, 404, "unknown_key");
    must_answer(query, &(struct fcgi_ask){.method = "POST", .uri = HOUR_URI, .body = "{}"}, 405, "method_not_allowed");
    must_answer(query, &(struct fcgi_ask){.method = "OPTIONS", .uri = "/any"}, 204, NULL);
    must_answer(query, &(struct fcgi_ask){.uri = ""}, 404, "not_found");
    must_answer(query, &(struct fcgi_ask){.uri = NULL}, 404, "not_found");
    fcgi_answer_free(&answer);
    stop(query, SIGUSR1);
}

static void views_come_from_the_configuration(void **state)
{
    (void)state;
    struct process *query = &processes[0];
    struct fcgi_answer answer;
    const char *const redirected[] = {"REDIRECT_HTTP_AUTHORIZATION", "Bearer alpha", NULL};
    write_conf("[view shop]\nkeys = checkout.*\ntoken_sha256 = " HASH_ALPHA "\n");
    write_world();
    start(query);
    assert_int_equal(ask(query, &(struct fcgi_ask){.uri = HOUR_URI}, &answer), 401);
    assert_true(header_is(&answer, "WWW-Authenticate:", "Bearer realm=\"hourfold\""));
    fcgi_answer_free(&answer);
    must_answer(query, &(struct fcgi_ask){.uri = HOUR_URI, .authorization = "Bearer beta"}, 401, "unauthorized");
    must_answer(query, &(struct fcgi_ask){.uri = HOUR_URI, .authorization = "Bearer alpha"}, 200, "3000");
    must_answer(query, &(struct fcgi_ask){.uri = HOUR_URI, .more = redirected}, 200, "3000");
    must_answer(query, &(struct fcgi_ask){.uri = "/a/min/" DAY "/3", .authorization = "Bearer alpha"}, 403, "forbidden");
    must_answer(query, &(struct fcgi_ask){.uri = HOUR_URI "?token=alpha"}, 401, NULL);
    stop(query, SIGTERM);
}

/* With descriptors for one request at a time, the one that is slow. */
static void who_gives_way_is_told(void **state)
{
    (void)state;
    struct process *query = &processes[0];
    struct fcgi_answer answer;
    write_conf("[query]\ncors_origin = https://board.example\n");
    write_world();
    query->files = 65;
    start(query);
    int slow = fcgi_connect(query->socket);
    fcgi_send_unfinished(slow, &(struct fcgi_ask){.method = "POST", .uri = HOUR_URI, .body = "{", .length = "10"});
    must_answer(query, &(struct fcgi_ask){.uri = HOUR_URI}, 200, "3000");
    fcgi_receive(slow, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 503);
    assert_true(header_is(&answer, "Retry-After:", "2"));
    assert_true(header_is(&answer, "Cache-Control:", "no-store"));
    assert_true(header_is(&answer, "Access-Control-Allow-Origin:", "https://board.example"));
    assert_non_null(strstr(answer.body, "\"unavailable\""));
    fcgi_answer_free(&answer);
    stop(query, SIGTERM);
}

static void wrong_configuration_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"[query]\nthreads = 0\n", "[nothing]\na = 1\n", "[view v]\nkeys = a/b\n",
                                        "[view v]\nkeys = a\nstats = p101\n", "[view v]\nkeys = a\ntoken_sha256 = x\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_conf(wrong[i]);
        spawn(&processes[0]);
        assert_true_of(ended(&processes[0]) == 2, "%s", wrong[i]);
    }
}

/* Each opening of the writer is a recovery. A reader follows some of them, then says 503 and ends to begin anew. */
static void it_lives_through_recoveries(void **state)
{
    (void)state;
    struct process *query = &processes[0];
    struct fcgi_answer answer;
    unsigned restarts = 0;
    write_world();
    start(query);
    for (int i = 0; i < 12; i++) {
        struct store *writer = open_store(STORE_WRITER);
        restarts += ask_until_good(query, HOUR_URI, &answer);
        fcgi_answer_free(&answer);
        store_close(&writer);
        restarts += ask_until_good(query, HOUR_URI, &answer);
        fcgi_answer_free(&answer);
    }
    assert_true_of(restarts <= 3, "%u restarts", restarts);
    stop(query, SIGTERM);
}

/* Several processes answer under load, one after the other is killed in the midst of it; there is no writer that could
 * clean up after them. None of the others may hang, and no answer may change. */
static void kills_hurt_nobody_else(void **state)
{
    (void)state;
    const char *setting = getenv("HF_TEST_KILLS");
    int kills = setting != NULL ? atoi(setting) : KILLS;
    long long longest_ms = 0;
    struct fcgi_answer expected;
    write_world();
    for (int i = 0; i < PROCESSES; i++)
        start(&processes[i]);
    assert_int_equal(ask(&processes[0], &(struct fcgi_ask){.uri = "/" KEY "/all/" DAY}, &expected), 200);
    for (int k = 0; k < kills; k++) {
        struct process *victim = &processes[k % PROCESSES];
        int fds[4];
        for (int i = 0; i < 4; i++) { /* it dies while it answers these */
            fds[i] = fcgi_connect(victim->socket);
            assert_true(fds[i] >= 0);
            assert_true(fcgi_send(fds[i], &(struct fcgi_ask){.uri = "/" KEY "/all/" DAY}));
        }
        struct timespec some = {0, (long)(random_unit() * 3e6)};
        nanosleep(&some, NULL);
        kill(victim->pid, SIGKILL);
        assert_int_equal(ended(victim), 1000 + SIGKILL);
        for (int i = 0; i < 4; i++)
            close(fds[i]);
        for (int i = 0; i < PROCESSES; i++) {
            struct fcgi_answer answer;
            long long begun_ms = test_now_ms(), took_ms;
            if (&processes[i] == victim)
                start(victim);
            ask_until_good(&processes[i], "/" KEY "/all/" DAY, &answer);
            assert_string_equal(answer.body, expected.body);
            fcgi_answer_free(&answer);
            took_ms = test_now_ms() - begun_ms;
            longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        }
    }
    print_message("# %d kills, longest wait for an answer %lld ms\n", kills, longest_ms);
    fcgi_answer_free(&expected);
    for (int i = 0; i < PROCESSES; i++)
        stop(&processes[i], SIGTERM);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_waits_for_a_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_reach_the_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(views_come_from_the_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_gives_way_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_configuration_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_lives_through_recoveries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kills_hurt_nobody_else, set_up, tear_down)};
    make_samples();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(samples);
    return failed;
}
