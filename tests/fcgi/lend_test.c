/* SPDX-License-Identifier: Apache-2.0 */
/* Processes with a socket each, as mod_fcgid starts them: which one serves, and what becomes of its lenders. */
#include "../unit.h"

#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../fcgi/lend.h"
#include "../../fcgi/loop.h"
#include "../bus/server.h"
#include "client.h"

#define PROCESSES 4
#define GIVEN_UP_MS 15000 /* more than the looks of a lender take */

struct process {
    char path[100];
    int listening; /* mod_fcgid keeps it open too */
    pid_t pid;     /* 0: not running */
};

static struct rig {
    char dir[64];
    int gate[2]; /* a byte in it lets one request pass at /wait */
    int told[2]; /* a byte in it: no descriptor is left at /squeeze */
    rlim_t files; /* the most descriptors of one; 0: as many as we may have */
    struct process processes[PROCESSES];
} rig;

/* ---- one process: it answers who it is ---- */

static int next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void wait_at_gate(void)
{
    char byte;
    if (read(rig.gate[0], &byte, 1) != 1)
        _exit(9);
}

/* Returns the milliseconds of processor time that all of this process took while it could open no descriptor. */
static long squeeze(void)
{
    struct rlimit before, none;
    int next = next_descriptor();
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    clock_t start = clock();
    if (write(rig.told[1], "s", 1) != 1)
        _exit(9);
    wait_at_gate();
    clock_t took = clock() - start;
    setrlimit(RLIMIT_NOFILE, &before);
    return (long)(took / (CLOCKS_PER_SEC / 1000));
}

static void handle(void *context, void *state, struct request *request)
{
    char text[32];
    const char *uri = request_param(request, "REQUEST_URI");
    (void)context, (void)state;
    if (strcmp(uri, "/wait") == 0)
        wait_at_gate();
    snprintf(text, sizeof text, "%ld", strcmp(uri, "/squeeze") == 0 ? squeeze() : (long)getpid());
    request_answer(request, 200, "", text, strlen(text));
}

static void shed(void *context, struct request *request)
{
    (void)context;
    request_error(request, 503, "", "unavailable", "shed", NULL);
}

static int serve(const char *group)
{
    if (rig.files > 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = rig.files, .rlim_max = rig.files});
    struct loop_options options = {
        .group = group, .threads = 4, .body_max = 1000, .queue_wait_ms = 60000, .handle = handle, .shed = shed};
    struct loop *loop;
    if (loop_open(&options, &loop, NULL) != HF_OK)
        return 2;
    if (loop != NULL && loop_run(loop, NULL) != HF_OK)
        return 3;
    loop_close(&loop);
    return 0;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd > 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void spawn(unsigned at, const char *name, const char *group)
{
    struct process *process = &rig.processes[at];
    char path[sizeof process->path];
    snprintf(path, sizeof path, "%s/%s", rig.dir, name);
    memcpy(process->path, path, sizeof path);
    process->listening = listen_at(process->path);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        dup2(process->listening, 0);
        for (unsigned i = 0; i < PROCESSES; i++)
            if (rig.processes[i].listening > 0)
                close(rig.processes[i].listening);
        _exit(serve(group));
    }
}

/* Each under a name as mod_fcgid gives. */
static void spawn_some(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "4711.%u", i);
        spawn(i, name, rig.dir); /* a group of this test's own */
    }
}

/* Its exit code, or the number of the signal that ended it with a minus. */
static int await_end(unsigned at)
{
    int status;
    pid_t pid = rig.processes[at].pid;
    rig.processes[at].pid = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int end(unsigned at, int signal_number)
{
    kill(rig.processes[at].pid, signal_number);
    return await_end(at);
}

/* Returns when it does nothing any more. */
static void halt(unsigned at)
{
    int status;
    kill(rig.processes[at].pid, SIGSTOP);
    assert_int_equal(waitpid(rig.processes[at].pid, &status, WUNTRACED), rig.processes[at].pid);
    assert_true(WIFSTOPPED(status));
}

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    snprintf(rig.dir, sizeof rig.dir, "/tmp/hf-lend-XXXXXX");
    assert_non_null(mkdtemp(rig.dir));
    return pipe(rig.gate) != 0 || pipe(rig.told) != 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (rig.processes[i].pid > 0) {
            kill(rig.processes[i].pid, SIGCONT);
            end(i, SIGKILL);
        }
        if (rig.processes[i].listening > 0)
            close(rig.processes[i].listening);
        unlink(rig.processes[i].path);
    }
    for (unsigned i = 0; i < 2; i++) {
        close(rig.gate[i]);
        close(rig.told[i]);
    }
    return rmdir(rig.dir);
}

/* ---- the web server's side ---- */

static int ask(unsigned at, const char *uri)
{
    int fd = fcgi_connect(rig.processes[at].path);
    assert_true(fd >= 0);
    assert_true(fcgi_send(fd, &(struct fcgi_ask){.uri = uri}));
    return fd;
}

/* The process that answers; 0: none, the connection was closed. */
static pid_t answered_by(int fd)
{
    struct fcgi_answer answer;
    fcgi_receive(fd, PATIENT_MS, &answer);
    assert_true_of(answer.status == 200 || answer.status == 0, "status %u", answer.status);
    pid_t pid = answer.status == 200 ? (pid_t)strtol(answer.body, NULL, 10) : 0;
    fcgi_answer_free(&answer);
    return pid;
}

static pid_t who_serves(unsigned at) { return answered_by(ask(at, "/")); }

/* Who serves the socket of `at`, once it is another than `was`. */
static pid_t await_other(unsigned at, pid_t was)
{
    long long end_ms = test_now_ms() + PATIENT_MS;
    for (;;) {
        pid_t pid = who_serves(at);
        if (pid != was)
            return pid;
        assert_true(test_now_ms() < end_ms);
        test_sleep_ms(10);
    }
}

/* Which of the processes is `pid`? */
static unsigned place_of(pid_t pid)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        if (rig.processes[i].pid == pid)
            return i;
    fail_msg("process %ld is none of ours", (long)pid);
    return 0;
}

/* All that run are served by one of them: which? */
static unsigned the_one_that_serves(void)
{
    pid_t server = 0;
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (rig.processes[i].pid <= 0)
            continue;
        pid_t pid = who_serves(i);
        if (server == 0)
            server = pid;
        assert_int_equal(pid, server);
    }
    return place_of(server);
}

/* ---- */

static void one_serves_for_all(void **state)
{
    (void)state;
    spawn_some(PROCESSES);
    unsigned server = the_one_that_serves();
    int waiting[PROCESSES];
    for (unsigned i = 0; i < PROCESSES; i++)
        waiting[i] = ask(i, "/");
    for (unsigned i = 0; i < PROCESSES; i++)
        assert_int_equal(answered_by(waiting[i]), rig.processes[server].pid);
    for (unsigned i = 0; i < PROCESSES; i++)
        assert_int_equal(end(i, SIGTERM), 0);
}

static void when_it_is_killed_another_serves(void **state)
{
    (void)state;
    spawn_some(PROCESSES);
    for (unsigned left = PROCESSES; left > 1; left--) {
        unsigned server = the_one_that_serves();
        int waiting[PROCESSES];
        halt(server);
        for (unsigned i = 0; i < PROCESSES; i++) /* these wait in the queues of the sockets */
            waiting[i] = i != server && rig.processes[i].pid > 0 ? ask(i, "/") : -1;
        assert_int_equal(end(server, SIGKILL), -SIGKILL);
        for (unsigned i = 0; i < PROCESSES; i++)
            if (waiting[i] >= 0)
                assert_true(place_of(answered_by(waiting[i])) != server);
    }
}

static void it_ends_when_it_has_answered(void **state)
{
    (void)state;
    spawn_some(3);
    unsigned server = the_one_that_serves(), other = (server + 1) % 3;
    pid_t pid = rig.processes[server].pid;
    int waiting[2] = {ask(server, "/wait"), ask(other, "/wait")};
    who_serves(other); /* so both were accepted, being before it */
    who_serves(server);
    kill(pid, SIGTERM);
    assert_true(await_other(other, pid) != 0);
    assert_int_equal(write(rig.gate[1], "ab", 2), 2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(answered_by(waiting[i]), pid);
    assert_int_equal(await_end(server), 0);
    assert_true(the_one_that_serves() != server);
}

static void a_lender_may_end(void **state)
{
    (void)state;
    spawn_some(3);
    unsigned server = the_one_that_serves(), ends = (server + 1) % 3, killed = (server + 2) % 3;
    int waiting = ask(ends, "/wait");
    assert_int_equal(end(ends, SIGTERM), 0);
    assert_int_equal(end(killed, SIGKILL), -SIGKILL);
    assert_int_equal(write(rig.gate[1], "a", 1), 1);
    assert_int_equal(answered_by(waiting), rig.processes[server].pid); /* though it is gone whose socket that was */
    assert_int_equal(the_one_that_serves(), server);
}

static void who_waits_for_a_lender_is_served_when_it_ends(void **state)
{
    (void)state;
    spawn_some(2);
    unsigned server = the_one_that_serves(), lender = 1 - server;
    halt(server);
    int waiting[3];
    for (unsigned i = 0; i < 3; i++)
        waiting[i] = ask(lender, "/");
    kill(rig.processes[lender].pid, SIGTERM);
    kill(rig.processes[server].pid, SIGCONT);
    for (unsigned i = 0; i < 3; i++)
        assert_true(answered_by(waiting[i]) != 0);
    assert_int_equal(await_end(lender), 0);
    assert_int_equal(the_one_that_serves(), server);
}

/* A web server that restarts stops all at once. Nobody but the lender is left for who waits then. */
static void who_waits_is_served_when_both_end(void **state)
{
    (void)state;
    spawn_some(2);
    unsigned server = the_one_that_serves(), lender = 1 - server;
    pid_t pid = rig.processes[lender].pid;
    int waiting[3];
    halt(lender);
    kill(pid, SIGTERM);
    assert_int_equal(end(server, SIGTERM), 0);
    for (unsigned i = 0; i < 3; i++)
        waiting[i] = ask(lender, "/");
    kill(pid, SIGCONT);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(answered_by(waiting[i]), pid);
    assert_int_equal(await_end(lender), 0);
}

static void a_lender_ends_beside_one_that_hangs(void **state)
{
    (void)state;
    spawn_some(2);
    unsigned server = the_one_that_serves(), lender = 1 - server;
    pid_t pid = rig.processes[lender].pid;
    halt(server);
    int waiting = ask(lender, "/");
    assert_int_equal(end(lender, SIGTERM), 0);
    assert_int_equal(answered_by(waiting), pid);
}

static void without_descriptors_it_waits(void **state)
{
    struct fcgi_answer answer;
    char byte;
    (void)state;
    spawn(0, "4711.0", rig.dir);
    int squeezed = ask(0, "/squeeze");
    assert_int_equal(read(rig.told[0], &byte, 1), 1);
    spawn(1, "4711.1", rig.dir);
    test_sleep_ms(500);
    assert_int_equal(write(rig.gate[1], "a", 1), 1);
    fcgi_receive(squeezed, PATIENT_MS, &answer);
    assert_int_equal(answer.status, 200);
    assert_true_of(strtol(answer.body, NULL, 10) < 50, "%s ms of 500", answer.body);
    fcgi_answer_free(&answer);
    assert_int_equal(who_serves(1), rig.processes[0].pid);
}

static void one_that_hangs_is_left(void **state)
{
    (void)state;
    spawn_some(2);
    unsigned server = the_one_that_serves(), other = 1 - server;
    halt(server);
    int waiting = ask(other, "/");
    long long since_ms = test_now_ms();
    assert_int_equal(answered_by(waiting), rig.processes[other].pid);
    assert_true(test_now_ms() - since_ms < GIVEN_UP_MS);
    kill(rig.processes[server].pid, SIGCONT);
    assert_int_equal(who_serves(server), rig.processes[server].pid);
    assert_int_equal(who_serves(other), rig.processes[other].pid);
}

static void only_those_that_are_alike(void **state)
{
    (void)state;
    spawn(0, "4711.0", rig.dir);
    spawn(1, "4711.1", "another");
    spawn(2, "fcgi.socket-0", rig.dir);
    spawn(3, "4711.3", NULL);
    for (unsigned i = 0; i < PROCESSES; i++)
        assert_int_equal(who_serves(i), rig.processes[i].pid);
}

/* Lend `fd` in a process of its own. Its exit code: 10 to serve with others to come, 11 to serve alone, 12 when it was stopped. */
static pid_t spawn_lender(int fd)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sigset_t stop;
        int meeting;
        sigemptyset(&stop);
        sigaddset(&stop, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &stop, NULL);
        enum lend_outcome outcome = lend(fd, rig.dir, &stop, &meeting);
        _exit(outcome == LEND_STOPPED ? 12 : meeting >= 0 ? 10 : 11);
    }
    return pid;
}

static int outcome_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void what_is_no_socket_is_not_taken(void **state)
{
    (void)state;
    spawn_some(2);
    unsigned server = the_one_that_serves();
    assert_int_equal(outcome_of(spawn_lender(rig.gate[0])), 11);
    assert_int_equal(the_one_that_serves(), server);
}

static void with_few_descriptors_each_serves_alone(void **state)
{
    (void)state;
    rig.files = 300;
    spawn_some(2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(who_serves(i), rig.processes[i].pid);
}

/* The same program, started by another web server. */
static void only_those_of_one_parent(void **state)
{
    (void)state;
    spawn(0, "4711.0", rig.dir);
    who_serves(0);
    char path[100];
    snprintf(path, sizeof path, "%s/shared", rig.dir);
    int fd = listen_at(path);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0)
        _exit(outcome_of(spawn_lender(fd)));
    assert_int_equal(outcome_of(parent), 10);
    close(fd);
    unlink(path);
}

/* A message of `bytes` with `count` descriptors. */
static void send_descriptors(int link, size_t bytes, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {.bytes = {0}};
    char mark = 'l';
    struct iovec iov = {.iov_base = &mark, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), rig.gate, count * sizeof(int));
    assert_int_equal(sendmsg(link, &message, 0), bytes);
}

static void no_descriptor_is_left_open(void **state)
{
    static const struct { size_t bytes, count; } messages[] = {{1, 1}, {0, 1}, {1, 2}, {0, 2}};
    int links[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, links), 0);
    int next = next_descriptor();
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        send_descriptors(links[0], messages[i].bytes, messages[i].count);
        assert_int_equal(lend_receive(links[1]), -1);
        assert_int_equal(next_descriptor(), next);
    }
    close(links[0]);
    close(links[1]);
}

static void there_is_a_bound(void **state)
{
    pid_t lenders[LENDERS_MAX + 1];
    int alone = 0;
    (void)state;
    spawn_some(1);
    who_serves(0);
    char path[100];
    snprintf(path, sizeof path, "%s/shared", rig.dir);
    int fd = listen_at(path);
    for (unsigned i = 0; i <= LENDERS_MAX; i++)
        lenders[i] = spawn_lender(fd);
    int status; /* one is sent away */
    pid_t gone = waitpid(-1, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 11);
    for (unsigned i = 0; i <= LENDERS_MAX; i++)
        if (lenders[i] != gone) {
            kill(lenders[i], SIGTERM);
            alone += outcome_of(lenders[i]) == 11;
        }
    assert_int_equal(alone, 0);
    assert_int_equal(who_serves(0), rig.processes[0].pid);
    close(fd);
    unlink(path);
}

#define in_folder(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        in_folder(one_serves_for_all), in_folder(when_it_is_killed_another_serves), in_folder(it_ends_when_it_has_answered),
        in_folder(a_lender_may_end), in_folder(who_waits_for_a_lender_is_served_when_it_ends), in_folder(one_that_hangs_is_left),
        in_folder(only_those_that_are_alike), in_folder(what_is_no_socket_is_not_taken),
        in_folder(who_waits_is_served_when_both_end), in_folder(a_lender_ends_beside_one_that_hangs),
        in_folder(without_descriptors_it_waits), in_folder(only_those_of_one_parent), in_folder(no_descriptor_is_left_open),
        in_folder(with_few_descriptors_each_serves_alone), in_folder(there_is_a_bound)};
    size_t count = sizeof tests / sizeof *tests;
    if (getenv("HF_TEST_SHORT") != NULL) {
        count -= 2;
        printf("# left out: the tests of a limit of descriptors (valgrind has its own) and of hundreds of processes\n");
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
