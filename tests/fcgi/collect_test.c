/* SPDX-License-Identifier: Apache-2.0 */
/* hourfold-collect as a process, between a peer that speaks FastCGI and a real nats-server. */
#include "../unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/hold.h"
#include "../bus/proxy.h"
#include "../bus/server.h"
#include "batch/batch.h"
#include "bus/bus.h"
#include "client.h"
#include "tally/tally.h"

/* SHA-256 of "alpha". */
#define VIEW_HASH "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8"
#define TOKEN_HASH "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" /* of "test" */
#define SENDERS 6
#define SENT_BY_EACH 400

struct rig {
    struct server server;
    const char *url; /* of the bus; NULL: that of the server */
    char socket[100];
    char conf[100];
    char log[100];
    pid_t pid; /* of hourfold-collect; 0: not running */
};

static struct rig rig;

/* ---- the process ---- */

static const char *program_path(void)
{
    static char path[512];
    const char *build = getenv("builddir");
    snprintf(path, sizeof path, "%s/fcgi/hourfold-collect", build != NULL ? build : ".");
    return path;
}

static void write_conf(const char *more)
{
    FILE *file = fopen(rig.conf, "w");
    assert_non_null(file);
    fprintf(file, "[store]\npath = %s\n[bus]\nurl = %s\nstream = TEST\nsubject = test.samples\n%s",
            rig.server.dir, rig.url != NULL ? rig.url : rig.server.url, more);
    fclose(file);
}

static void spawn(bool with_socket)
{
    char address[128];
    snprintf(address, sizeof address, "unix:%s", rig.socket);
    rig.pid = fork();
    if (rig.pid == 0) {
        int log = open(rig.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(log, 1);
        dup2(log, 2);
        unsetenv("HOURFOLD_CONF");
        if (with_socket)
            execl(program_path(), "hourfold-collect", "-c", rig.conf, "-s", address, (char *)NULL);
        else
            execl(program_path(), "hourfold-collect", "-c", rig.conf, (char *)NULL);
        _exit(127);
    }
    assert_true(rig.pid > 0);
}

static void show_log(void)
{
    char line[512];
    FILE *file = fopen(rig.log, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        print_error("# %s", line);
    if (file != NULL)
        fclose(file);
}

/* Wait for a line of the log that holds `text`. */
static void await_log(const char *text)
{
    char line[512];
    bool found = false;
    for (long long until = test_now_ms() + PATIENT_MS; !found; test_sleep_ms(5)) {
        FILE *file = fopen(rig.log, "r");
        while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
            found = strstr(line, text) != NULL;
        if (file != NULL)
            fclose(file);
        assert_true_of(test_now_ms() < until, "not in the log: %s", text);
    }
}

static void start(const char *more)
{
    write_conf(more);
    spawn(true);
    long long until = test_now_ms() + PATIENT_MS;
    int fd;
    while ((fd = fcgi_connect(rig.socket)) < 0) {
        if (test_now_ms() > until || waitpid(rig.pid, NULL, WNOHANG) != 0) {
            show_log();
            fail_msg("hourfold-collect does not listen");
        }
        test_sleep_ms(2);
    }
    close(fd);
}

/* Wait for the process to end; return its exit code, or 1000 and the signal that killed it. */
static int ended(void)
{
    int status = 0;
    long long until = test_now_ms() + PATIENT_MS;
    while (waitpid(rig.pid, &status, WNOHANG) == 0) {
        assert_true_of(test_now_ms() < until, "%s", "hourfold-collect does not end");
        test_sleep_ms(2);
    }
    rig.pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- what it has counted ---- */

static uint64_t counted(enum tally_family family, unsigned index)
{
    char path[128];
    struct hf_why why = {""};
    struct tally_values values;
    snprintf(path, sizeof path, "%s/tally", rig.server.dir);
    assert_true_of(tally_read(path, &values, &why) == HF_OK, "%s", why.text);
    return values.counts[family][index];
}

static uint64_t counted_in_all(enum tally_family family)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < tally_about[family].count; i++)
        sum += counted(family, i);
    return sum;
}

/* While nothing is under way: where every sample went. */
static void check_counts(void)
{
    uint64_t accepted = counted(TALLY_ACCEPTED, 0), sent = counted(TALLY_SENT, 0);
    assert_int_equal(counted(TALLY_RECEIVED, 0),
                     accepted + counted_in_all(TALLY_REFUSED) + counted_in_all(TALLY_SHED));
    assert_int_equal(accepted, counted(TALLY_PUBLISHED, 0) + counted(TALLY_SPOOLED, 0));
    assert_true(accepted + counted(TALLY_UNCERTAIN, 0) <= sent);
    assert_true((accepted > 0) == (counted(TALLY_REQUESTS, TALLY_OK) > 0));
    assert_int_equal(counted_in_all(TALLY_REQUESTS_SHED),
                     counted(TALLY_REQUESTS, TALLY_UNAVAILABLE) + counted(TALLY_REQUESTS, TALLY_TOO_MANY_REQUESTS));
}

static void stop(int signal_number)
{
    kill(rig.pid, signal_number);
    int code = ended();
    if (code != 0)
        show_log();
    assert_int_equal(code, 0);
    check_counts();
}

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    server_make(&rig.server);
    snprintf(rig.socket, sizeof rig.socket, "%s/socket", rig.server.dir);
    snprintf(rig.conf, sizeof rig.conf, "%s/conf", rig.server.dir);
    snprintf(rig.log, sizeof rig.log, "%s/collect.log", rig.server.dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (rig.pid > 0) {
        kill(rig.pid, SIGKILL);
        waitpid(rig.pid, NULL, 0);
        show_log();
    }
    server_remove(&rig.server);
    return 0;
}

/* ---- what is in the stream ---- */

/* Call `each` for every sample of every batch, each batch once however often it is there. Return the number of samples. */
typedef void (*sample_fn)(void *context, const char *key, const struct sample *sample);

struct known {
    uint64_t producer;
    uint64_t number;
};

static bool is_new(struct known *known, size_t *count, const struct batch *batch)
{
    for (size_t i = 0; i < *count; i++)
        if (known[i].producer == batch->producer && known[i].number == batch->number)
            return false;
    known[(*count)++] = (struct known){batch->producer, batch->number};
    return true;
}

static unsigned long read_batch(const struct batch *batch, struct batch_reader *reader, sample_fn each, void *context)
{
    unsigned long samples = 0;
    struct sample sample;
    uint32_t key_index;
    while (batch_next(reader, &sample, &key_index) == HF_OK) {
        char key[SAMPLE_KEY_MAX + 1];
        memcpy(key, batch->keys[key_index].text, batch->keys[key_index].bytes);
        key[batch->keys[key_index].bytes] = '\0';
        if (each != NULL)
            each(context, key, &sample);
        samples++;
    }
    assert_int_equal(samples, batch->sample_count);
    return samples;
}

static unsigned long read_stream(sample_fn each, void *context)
{
    struct bus_options options = {.name = "test", .url = rig.server.url, .stream = "TEST", .subject = "test.samples",
                                  .credentials = "", .tls_ca = "", .replicas = 1, .max_messages = 1000,
                                  .ack_wait_ms = 1000};
    struct hf_why why = {""};
    struct bus *bus = NULL;
    struct bus_stream stream;
    assert_int_equal(bus_open(&options, &bus, &why), HF_OK);
    for (long long until = test_now_ms() + PATIENT_MS; bus_stream_info(bus, &stream, &why) != HF_OK;) {
        assert_true_of(test_now_ms() < until, "%s", why.text);
        test_sleep_ms(5);
    }
    assert_int_equal(bus_deliver_from(bus, 1, &why), HF_OK);
    struct batch_reader *reader = batch_reader_new();
    struct known *known = calloc(stream.messages + 1, sizeof *known);
    size_t known_count = 0;
    unsigned long samples = 0;
    for (uint64_t i = 0; i < stream.messages; i++) {
        struct bus_message message;
        const struct batch *batch = NULL;
        assert_int_equal(bus_next(bus, 5000, &message), HF_OK);
        assert_int_equal(batch_open(reader, message.bytes, message.len, &batch), HF_OK);
        if (is_new(known, &known_count, batch))
            samples += read_batch(batch, reader, each, context);
        bus_message_free(&message);
    }
    free(known);
    batch_reader_free(&reader);
    bus_close(&bus, 0);
    return samples;
}

/* ---- requests ---- */

static void must_answer(const struct fcgi_ask *ask, unsigned status, const char *code, const char *parameter)
{
    struct fcgi_answer answer;
    char expected[160] = "";
    char value[256];
    fcgi_exchange(rig.socket, ask, &answer);
    assert_true_of(answer.status == status, "%s %s %.40s: status %u %s", ask->method != NULL ? ask->method : "GET",
                   ask->uri, ask->body != NULL ? ask->body : "", answer.status, answer.body);
    assert_string_equal(fcgi_header(&answer, "Cache-Control:", value), "no-store");
    assert_string_equal(fcgi_header(&answer, "Access-Control-Allow-Origin:", value), "*");
    if (code != NULL) {
        snprintf(expected, sizeof expected, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
        assert_true_of(strncmp(answer.body, expected, strlen(expected)) == 0, "%s: %s", ask->uri, answer.body);
        snprintf(expected, sizeof expected, "\"parameter\":\"%s\"}}\n", parameter != NULL ? parameter : "");
        assert_true_of((strstr(answer.body, expected) != NULL) == (parameter != NULL), "%s: %s", ask->uri, answer.body);
        assert_string_equal(fcgi_header(&answer, "Content-Type:", value), "application/json");
    } else {
        assert_int_equal(answer.body_bytes, 0);
    }
    fcgi_answer_free(&answer);
}

static void get(const char *uri, unsigned status, const char *code, const char *parameter)
{
    must_answer(&(struct fcgi_ask){.uri = uri}, status, code, parameter);
}

static void post(const char *uri, const char *type, const char *body, unsigned status, const char *code,
                 const char *parameter)
{
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = uri, .type = type, .body = body}, status, code, parameter);
}

/* Send until it is stored: for the moments while the bus comes back. */
static void get_until_stored(const char *uri)
{
    long long until = test_now_ms() + PATIENT_MS;
    unsigned status;
    do {
        struct fcgi_answer answer;
        fcgi_exchange(rig.socket, &(struct fcgi_ask){.uri = uri}, &answer);
        status = answer.status;
        fcgi_answer_free(&answer);
        assert_true_of(test_now_ms() < until, "still %u", status);
    } while (status != 204);
}

/* ---- tests ---- */

struct sums {
    unsigned long count;
    double sum;
    unsigned ids;
    bool old;
};

static void sum_up(void *context, const char *key, const struct sample *sample)
{
    struct sums *t = context;
    if (strcmp(key, "t.v") != 0 && strcmp(key, "h.cpu-0.cpu-idle.value") != 0 && strncmp(key, "t.pt.f", 6) != 0 &&
        strcmp(key, "t.bw") != 0)
        fail_msg("unexpected key %s", key);
    t->count++;
    t->sum += sample->value;
    t->ids += sample->id != NULL && (sample->id_bytes == 32 || memcmp(sample->id, "i1", 2) == 0);
    t->old |= sample->time_ms % 1000 == 250;
}

static void every_form_is_stored(void **state)
{
    (void)state;
    char uri[128];
    char body[256];
    server_start(&rig.server);
    start("");
    get("/collect?key=t.v&value=1", 204, NULL, NULL);
    get("/some/mount/collect?key=t.v&value=2&id=i1", 204, NULL, NULL);
    snprintf(uri, sizeof uri, "/collect?key=t.v&value=3,4,5&ts=%lld.25", (long long)time(NULL) - 100);
    get(uri, 204, NULL, NULL);
    get("/collect?data=%7B%22t.v%22:[6,7]%7D", 204, NULL, NULL);
    post("/collect", "application/json", "{\"t.v\":[8,9]}", 204, NULL, NULL);
    post("/collect", "text/plain;charset=UTF-8", "{\"key\":\"t.v\",\"value\":10}", 204, NULL, NULL);
    post("/collect", "Application/JSON ; charset=utf-8", "[{\"key\":\"t.v\",\"value\":11}]", 204, NULL, NULL);
    snprintf(body, sizeof body,
             "[{\"values\":[12],\"dstypes\":[\"gauge\"],\"dsnames\":[\"value\"],\"time\":%lld.5,\"interval\":10,"
             "\"host\":\"h\",\"plugin\":\"cpu\",\"plugin_instance\":\"0\",\"type\":\"cpu\",\"type_instance\":\"idle\"}]",
             (long long)time(NULL));
    post("/x/collect/collectd", "application/json", body, 204, NULL, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/collect", .type = "application/json",
                                   .body = "{\"t.v\":13}", .length = "-"}, 204, NULL, NULL);
    struct sums t = {0};
    assert_int_equal(read_stream(sum_up, &t), 13);
    assert_true(t.sum == 13 * 14 / 2);
    assert_int_equal(t.ids, 1);
    assert_true(t.old);
    stop(SIGTERM);
    assert_int_equal(counted(TALLY_RECEIVED, 0), 13);
    assert_int_equal(counted(TALLY_ACCEPTED, 0), 13);
    assert_int_equal(counted(TALLY_SENT, 0), 13);
    assert_int_equal(counted(TALLY_PUBLISHED, 0), 13);
    assert_int_equal(counted_in_all(TALLY_REQUESTS), 9);
    assert_int_equal(counted(TALLY_REQUESTS, TALLY_OK), 9);
    assert_int_equal(counted(TALLY_STARTS, 0), 1);
    assert_int_equal(counted(TALLY_ENDS, 0), 1);
}

static void form(const char *uri, const char *body)
{
    post(uri, "application/x-www-form-urlencoded", body, 204, NULL, NULL);
}

static void beacons_are_taken(void **state)
{
    (void)state;
    const char *const referer[] = {"HTTP_REFERER", "https://t/x", NULL};
    server_start(&rig.server);
    start("");
    get("/collect/boomerang?u=http%3A%2F%2Ft%2F&pt.fp=1&pt.fcp=2&rt.si=a&pid=b&n=1", 204, NULL, NULL);
    form("/x/collect/boomerang?site=t", "pt.fp=3&sb=1");
    post("/collect/boomerang", "text/plain;charset=UTF-8", "site=t&pt.fp=4", 204, NULL, NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/collect/boomerang", .type = "Application/X-WWW-form-urlencoded",
                                   .body = "pt.fp=5", .more = referer}, 204, NULL, NULL);
    form("/collect/boomerang", "site=t&early=1&pt.fp=6");
    form("/collect/boomerang?site=t", "pt.fp=-1&pt.fcp=1795460402500&pt.lcp=x&et.fid=1e9&t_other=x,%7C2&lat=7e6&bw=6");
    struct sums t = {0};
    assert_int_equal(read_stream(sum_up, &t), 6);
    assert_true(t.sum == 1 + 2 + 3 + 4 + 5 + 6);
    assert_int_equal(t.ids, 2);
    stop(SIGTERM);
    assert_int_equal(counted(TALLY_RECEIVED, 0), 6);
    assert_int_equal(counted(TALLY_ACCEPTED, 0), 6);
    assert_int_equal(counted(TALLY_REQUESTS, TALLY_OK), 5);
    assert_int_equal(counted(TALLY_REQUESTS, TALLY_EMPTY), 1);
    assert_int_equal(counted(TALLY_DROPPED, TALLY_NEGATIVE), 1);
    assert_int_equal(counted(TALLY_DROPPED, TALLY_EPOCH), 1);
    assert_int_equal(counted(TALLY_DROPPED, TALLY_NOT_A_NUMBER), 1);
    assert_int_equal(counted(TALLY_DROPPED, TALLY_TOO_HIGH), 2);
    assert_int_equal(counted(TALLY_DROPPED, TALLY_BAD_NAME), 2);
}

static void refused_requests_store_nothing(void **state)
{
    (void)state;
    char *big = malloc(70000);
    memset(big, ' ', 69999);
    big[69999] = '\0';
    server_start(&rig.server);
    start("[collect]\nmax_body = 65536\nmax_samples = 10\n");
    get("/", 404, "not_found", NULL);
    get("/collect/", 404, "not_found", NULL);
    get("/collection?key=a&value=1", 404, "not_found", NULL);
    get("/Collect?key=a&value=1", 404, "not_found", NULL);
    get("/%63ollect?key=a&value=1", 404, "not_found", NULL);
    get("/collect%3Fkey=a&value=1", 404, "not_found", NULL);
    get("/x?/collect", 404, "not_found", NULL);
    get("/collect/boomerangs", 404, "not_found", NULL);
    get("/collect/boomerang", 400, "missing_parameter", "site");
    get("/collect/boomerang?site=_&t_done=1", 400, "bad_key", "site");
    post("/collect/boomerang", "application/json", "{}", 415, "unsupported_type", NULL);
    post("/collect/boomerang", "application/x-www-form-urlencoded", big, 413, "too_large", NULL);
    must_answer(&(struct fcgi_ask){.method = "PUT", .uri = "/collect/boomerang"}, 405, "method_not_allowed", NULL);
    get("/collect", 400, "missing_parameter", "key");
    get("/collect?key=a", 400, "missing_parameter", "value");
    get("/collect?key=a%20b&value=1", 400, "bad_key", "key");
    get("/collect?key=a&value=nan", 400, "bad_value", "value");
    get("/collect?key=a&value=1&ts=yesterday", 400, "bad_timestamp", "ts");
    get("/collect?key=a&value=1&ts=1", 400, "timestamp_out_of_range", "ts");
    get("/collect?key=a&value=1&id=%0a", 400, "bad_id", "id");
    get("/collect?data={", 400, "bad_json", "data");
    get("/collect?key=a&value=1,2,3,4,5,6,7,8,9,10,11", 400, "too_many_samples", NULL);
    get("/collect/collectd", 405, "method_not_allowed", NULL);
    must_answer(&(struct fcgi_ask){.method = "PUT", .uri = "/collect?key=a&value=1"}, 405, "method_not_allowed", NULL);
    must_answer(&(struct fcgi_ask){.method = "DELETE", .uri = "/collect"}, 405, "method_not_allowed", NULL);
    must_answer(&(struct fcgi_ask){.method = "get", .uri = "/collect?key=a&value=1"}, 405, "method_not_allowed", NULL);
    post("/collect", "application/x-www-form-urlencoded", "key=a&value=1", 415, "unsupported_type", NULL);
    post("/collect", "application/jsonx", "{\"a\":1}", 415, "unsupported_type", NULL);
    post("/collect", "application/json x", "{\"a\":1}", 415, "unsupported_type", NULL);
    post("/collect", NULL, "{\"a\":1}", 415, "unsupported_type", NULL);
    post("/collect", "application/json", "", 400, "bad_json", NULL);
    post("/collect", "application/json", "{\"a\":1,}", 400, "bad_json", NULL);
    post("/collect", "application/json", big, 413, "too_large", NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/collect", .type = "application/json", .body = big,
                                   .length = "-"}, 413, "too_large", NULL);
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/collect", .type = "application/json",
                                   .body = "{\"a\":1}", .length = "8"}, 400, "bad_json", NULL);
    assert_int_equal(read_stream(NULL, NULL), 0);
    stop(SIGTERM);
    assert_int_equal(counted_in_all(TALLY_REQUESTS), 35);
    assert_int_equal(counted(TALLY_REQUESTS, TALLY_NOT_FOUND), 8);
    assert_int_equal(counted(TALLY_REQUESTS, TALLY_OTHER), 0);
    assert_int_equal(counted(TALLY_REFUSED, TALLY_TOO_MANY_SAMPLES), 11);
    assert_int_equal(counted(TALLY_REFUSED, TALLY_BAD_VALUE), 1);
    assert_int_equal(counted(TALLY_ACCEPTED, 0), 0);
    free(big);
}

static void headers_are_as_promised(void **state)
{
    (void)state;
    char value[256];
    struct fcgi_answer answer;
    server_start(&rig.server);
    start("[collect]\ncors_origin = https://shop.example\n");
    fcgi_exchange(rig.socket, &(struct fcgi_ask){.method = "OPTIONS", .uri = "/collect"}, &answer);
    assert_int_equal(answer.status, 204);
    assert_string_equal(fcgi_header(&answer, "Access-Control-Allow-Origin:", value), "https://shop.example");
    assert_string_equal(fcgi_header(&answer, "Vary:", value), "Origin");
    assert_string_equal(fcgi_header(&answer, "Access-Control-Allow-Methods:", value), "GET, POST, OPTIONS");
    assert_string_equal(fcgi_header(&answer, "Access-Control-Allow-Headers:", value), "Authorization, Content-Type");
    assert_non_null(fcgi_header(&answer, "Access-Control-Max-Age:", value));
    fcgi_answer_free(&answer);
    fcgi_exchange(rig.socket, &(struct fcgi_ask){.method = "PUT", .uri = "/collect/collectd"}, &answer);
    assert_int_equal(answer.status, 405);
    assert_string_equal(fcgi_header(&answer, "Allow:", value), "POST, OPTIONS");
    fcgi_answer_free(&answer);
    stop(SIGTERM);
    start("[collect]\ncors_origin =\n");
    fcgi_exchange(rig.socket, &(struct fcgi_ask){.uri = "/collect?key=a&value=1"}, &answer);
    assert_int_equal(answer.status, 204);
    assert_null(fcgi_header(&answer, "Access-Control-Allow-Origin:", value));
    assert_string_equal(fcgi_header(&answer, "Cache-Control:", value), "no-store");
    fcgi_answer_free(&answer);
    stop(SIGUSR1);
}

static void only_the_bearer_of_the_token_sends(void **state)
{
    (void)state;
    char value[256];
    struct fcgi_answer answer;
    server_start(&rig.server);
    start("[collect]\ntoken_sha256 = " TOKEN_HASH "\n[view looks]\nkeys = *\ntoken_sha256 = " VIEW_HASH "\n");
    fcgi_exchange(rig.socket, &(struct fcgi_ask){.uri = "/collect?key=a&value=1"}, &answer);
    assert_int_equal(answer.status, 401);
    assert_string_equal(fcgi_header(&answer, "WWW-Authenticate:", value), "Bearer");
    fcgi_answer_free(&answer);
    must_answer(&(struct fcgi_ask){.uri = "/collect?key=a&value=1", .authorization = "Bearer wrong"}, 401,
                "unauthorized", NULL);
    must_answer(&(struct fcgi_ask){.uri = "/collect?key=a&value=1&token=test", .authorization = "Basic dGVzdA=="}, 401,
                "unauthorized", NULL);
    must_answer(&(struct fcgi_ask){.uri = "/collect?key=a&value=1", .authorization = "Bearer alpha"}, 403, "forbidden",
                NULL);
    must_answer(&(struct fcgi_ask){.method = "OPTIONS", .uri = "/collect"}, 204, NULL, NULL);
    must_answer(&(struct fcgi_ask){.uri = "/collect?key=a&value=1", .authorization = "Bearer test"}, 204, NULL, NULL);
    assert_int_equal(read_stream(NULL, NULL), 1);
    stop(SIGTERM);
}

static void what_cannot_be_done_is_refused_at_the_start(void **state)
{
    (void)state;
    static const char *const confs[] = {"[collect]\ndurability = power\n", "[collect]\nspool = /tmp\n",
                                        "[collect]\nspool = /nowhere/spool\n",
                                        "[collect]\nproxies = 10.0.0.0/8,proxy\n", "[collect]\ncors_origin = a b\n",
                                        "[collect]\nnonsense = 1\n"};
    for (size_t i = 0; i < sizeof confs / sizeof *confs; i++) {
        write_conf(confs[i]);
        spawn(true);
        int code = ended();
        assert_true_of(code == 2, "%s: exit code %d", confs[i], code);
    }
    write_conf("");
    spawn(false);
    assert_int_equal(ended(), 2);
    write_conf("url = http://x\n");
    spawn(true);
    assert_int_equal(ended(), 2);
}

static unsigned from(const char *remote, const char *forwarded, char retry_after[256])
{
    const char *const more[] = {"REMOTE_ADDR", remote, forwarded != NULL ? "HTTP_X_FORWARDED_FOR" : NULL, forwarded, NULL};
    struct fcgi_answer answer;
    fcgi_exchange(rig.socket, &(struct fcgi_ask){.uri = "/collect?key=a&value=1", .more = more}, &answer);
    unsigned status = answer.status;
    if (status == 429) {
        assert_non_null(fcgi_header(&answer, "Retry-After:", retry_after));
        assert_non_null(strstr(answer.body, "\"too_many_requests\""));
    }
    fcgi_answer_free(&answer);
    return status;
}

static void one_client_may_send_so_much(void **state)
{
    (void)state;
    char retry_after[256] = "";
    unsigned stored = 0;
    server_start(&rig.server);
    start("[collect]\nrate = 2\nproxies = 127.0.0.1, 10.0.0.0/8\n");
    get_until_stored("/collect?key=a&value=1");
    long long begin = test_now_ms();
    for (unsigned i = 0; i < 20; i++)
        stored += from("192.0.2.1", NULL, retry_after) == 204;
    long long took = test_now_ms() - begin;
    assert_in_range(stored, 2, 2 + 2 * (took / 1000 + 1));
    assert_string_equal(retry_after, "1");
    assert_int_equal(from("192.0.2.2", NULL, retry_after), 204);
    for (unsigned i = 0; i < 20; i++) { /* each of another client, through the same proxy */
        char forwarded[64];
        snprintf(forwarded, sizeof forwarded, "198.51.100.1, 203.0.113.%u, 10.0.0.9", i);
        assert_int_equal(from("127.0.0.1", forwarded, retry_after), 204);
    }
    unsigned limited = 0;
    for (unsigned i = 0; i < 20; i++) /* this one is no proxy of ours */
        limited += from("192.0.2.3", i % 2 == 0 ? "203.0.113.100" : "203.0.113.101", retry_after) == 429;
    assert_true(limited > 10);
    stop(SIGTERM);
}

static void without_the_bus_it_says_so_at_once(void **state)
{
    (void)state;
    char value[256];
    struct fcgi_answer answer;
    start(""); /* the server is not there yet */
    long long begin = test_now_ms();
    get("/collect?key=a&value=1", 503, "unavailable", NULL);
    assert_true_of(test_now_ms() - begin < 3000, "took %lld ms", test_now_ms() - begin);
    server_start(&rig.server);
    get_until_stored("/collect?key=a&value=2");
    server_kill(&rig.server, SIGTERM);
    begin = test_now_ms();
    fcgi_exchange(rig.socket, &(struct fcgi_ask){.uri = "/collect?key=a&value=3"}, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(fcgi_header(&answer, "Retry-After:", value));
    fcgi_answer_free(&answer);
    begin = test_now_ms();
    get("/collect?key=a&value=3", 503, "unavailable", NULL);
    assert_true_of(test_now_ms() - begin < HOLD_WAIT_MS / 2, "took %lld ms", test_now_ms() - begin);
    get("/collect?key=a", 400, "missing_parameter", "value"); /* what is wrong stays wrong */
    server_start(&rig.server);
    get_until_stored("/collect?key=a&value=4");
    assert_int_equal(read_stream(NULL, NULL), 2);
    stop(SIGTERM);
}

/* ---- with a spool ---- */

static void start_with_spool(void)
{
    char more[200];
    snprintf(more, sizeof more, "[collect]\nspool = %s/spool\n", rig.server.dir);
    start(more);
}

static unsigned spool_files(void)
{
    char path[200];
    unsigned files = 0;
    snprintf(path, sizeof path, "%s/spool", rig.server.dir);
    DIR *list = opendir(path);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        files += strstr(entry->d_name, ".spool") != NULL;
    closedir(list);
    return files;
}

static void await_empty_spool(void)
{
    for (long long until = test_now_ms() + PATIENT_MS; spool_files() > 0; test_sleep_ms(5))
        assert_true_of(test_now_ms() < until, "the spool is not drained");
}

static void with_a_spool_samples_are_kept_while_the_bus_is_away(void **state)
{
    (void)state;
    start_with_spool(); /* the server is not there yet */
    long long begin = test_now_ms();
    for (unsigned i = 0; i < 50; i++)
        get("/collect?key=a&value=1", 204, NULL, NULL);
    assert_true_of(test_now_ms() - begin < 5000, "took %lld ms", test_now_ms() - begin);
    assert_int_equal(spool_files(), 1);
    server_start(&rig.server);
    await_empty_spool();
    get_until_stored("/collect?key=a&value=1");
    server_kill(&rig.server, SIGKILL);
    for (unsigned i = 0; i < 50; i++)
        get("/collect?key=a&value=1", 204, NULL, NULL);
    kill(rig.pid, SIGKILL);
    ended();
    assert_int_equal(spool_files(), 1);
    server_start(&rig.server);
    start_with_spool();
    await_empty_spool();
    assert_int_equal(read_stream(NULL, NULL), 101);
    stop(SIGTERM);
    assert_int_equal(counted(TALLY_ACCEPTED, 0), 101);
    assert_int_equal(counted(TALLY_SENT, 0), 101);
    assert_true(counted(TALLY_SPOOLED, 0) >= 100);
    assert_int_equal(counted(TALLY_REPLAYED, 0), counted(TALLY_SPOOLED, 0));
    assert_int_equal(counted(TALLY_STARTS, 0), counted(TALLY_ENDS, 0) + 1); /* the one that was killed */
}

static void with_a_spool_a_file_stays_until_all_of_it_is_acknowledged(void **state)
{
    (void)state;
    struct proxy proxy;
    proxy_start(&proxy, &rig.server);
    rig.url = proxy.url;
    start_with_spool();
    for (unsigned i = 0; i < 20; i++)
        get("/collect?key=a&value=1", 204, NULL, NULL);
    proxy_lose(&proxy, "\"seq\":3", 1000); /* however often it is published */
    server_start(&rig.server);
    for (long long until = test_now_ms() + PATIENT_MS; proxy_lost(&proxy) < 2; test_sleep_ms(5)) {
        assert_true_of(test_now_ms() < until, "nothing is published again");
        assert_true(spool_files() > 0);
    }
    proxy_lose(&proxy, "", 0);
    await_empty_spool();
    assert_int_equal(read_stream(NULL, NULL), 20);
    stop(SIGTERM);
    proxy_stop(&proxy);
}

static void with_a_spool_a_full_stream_is_tried_again(void **state)
{
    (void)state;
    struct hf_why why = {""};
    char more[200];
    struct bus *bus = NULL;
    server_start(&rig.server);
    snprintf(more, sizeof more, "max_messages = 1000\n[collect]\nspool = %s/spool\n", rig.server.dir);
    start(more);
    for (unsigned i = 0; i < 1100; i++)
        get("/collect?key=a&value=1", 204, NULL, NULL);
    assert_int_equal(spool_files(), 1);
    struct bus_options options = {.name = "test", .url = rig.server.url, .stream = "TEST", .subject = "test.samples",
                                  .credentials = "", .tls_ca = "", .replicas = 1, .max_messages = 1000};
    assert_int_equal(bus_open(&options, &bus, &why), HF_OK);
    for (long long until = test_now_ms() + PATIENT_MS; bus_stream_trim(bus, 201, &why) != HF_OK; test_sleep_ms(5))
        assert_true_of(test_now_ms() < until, "%s", why.text);
    bus_close(&bus, 0);
    await_empty_spool();
    assert_int_equal(read_stream(NULL, NULL), 900);
    stop(SIGTERM);
}

/* How many files there are with this ending, and the path of one of them. */
static unsigned files_of(const char *ending, char path[500])
{
    char dir[200];
    unsigned files = 0;
    snprintf(dir, sizeof dir, "%s/spool", rig.server.dir);
    DIR *list = opendir(dir);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        const char *dot = strchr(entry->d_name, '.');
        if (dot == entry->d_name || dot == NULL || strcmp(dot, ending) != 0)
            continue;
        snprintf(path, 500, "%s/%s", dir, entry->d_name);
        files++;
    }
    closedir(list);
    return files;
}

/* As if the file had been written before the machine was started. */
static void set_boot(const char *path, const char *boot_id)
{
    unsigned char header[64];
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && pread(fd, header, sizeof header, 0) == (ssize_t)sizeof header);
    memset(header + 16, 0, 40);
    memcpy(header + 16, boot_id, strlen(boot_id));
    crypto_shorthash(header + 56, header, 56, (const unsigned char *)"hourfold spool 1");
    assert_int_equal(pwrite(fd, header, sizeof header, 0), (ssize_t)sizeof header);
    close(fd);
}

static void forget_stream(void)
{
    char command[200];
    server_kill(&rig.server, SIGKILL);
    snprintf(command, sizeof command, "rm -r %s/js", rig.server.dir);
    assert_int_equal(system(command), 0);
    server_start(&rig.server);
}

static void for_power_what_the_stream_lost_is_published_again(void **state)
{
    (void)state;
    char more[200];
    char path[500];
    snprintf(more, sizeof more, "[collect]\nspool = %s/spool\ndurability = power\n", rig.server.dir);
    server_start(&rig.server);
    start(more);
    for (unsigned i = 0; i < 30; i++)
        get("/collect?key=a&value=1", 204, NULL, NULL);
    assert_int_equal(files_of(".spool", path), 1); /* acknowledged, and there all the same */
    stop(SIGTERM);
    assert_int_equal(files_of(".spool", path), 0);
    assert_int_equal(files_of(".kept", path), 1);
    assert_int_equal(read_stream(NULL, NULL), 30);
    forget_stream();
    /* Nothing comes back while the machine runs on. */
    start(more);
    get_until_stored("/collect?key=a&value=1");
    stop(SIGTERM);
    assert_int_equal(read_stream(NULL, NULL), 1);
    assert_int_equal(files_of(".kept", path), 2);
    while (files_of(".kept", path) > 0) {
        char away[510];
        set_boot(path, "an earlier boot");
        snprintf(away, sizeof away, "%s.x", path);
        rename(path, away);
    }
    while (files_of(".kept.x", path) > 0) {
        char back[500];
        snprintf(back, sizeof back, "%.*s", (int)strlen(path) - 2, path);
        rename(path, back);
    }
    forget_stream();
    start(more);
    long long until = test_now_ms() + PATIENT_MS;
    while (read_stream(NULL, NULL) < 31)
        assert_true_of(test_now_ms() < until, "what was kept is not published");
    stop(SIGTERM);
    assert_int_equal(read_stream(NULL, NULL), 31);
    assert_int_equal(files_of(".kept", path), 2);
}

static void a_full_stream_is_said(void **state)
{
    (void)state;
    struct fcgi_answer answer;
    server_start(&rig.server);
    start("max_messages = 1000\n");
    for (unsigned i = 0; i < 1000; i++)
        get("/collect?key=a&value=1", 204, NULL, NULL);
    fcgi_exchange(rig.socket, &(struct fcgi_ask){.uri = "/collect?key=a&value=2"}, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "full"));
    fcgi_answer_free(&answer);
    assert_int_equal(read_stream(NULL, NULL), 1000);
    stop(SIGTERM);
    assert_int_equal(counted(TALLY_ACCEPTED, 0), 1000);
    assert_int_equal(counted(TALLY_SHED, TALLY_STREAM_FULL), 1);
}

static void a_request_too_large_for_a_batch_is_refused(void **state)
{
    (void)state;
    struct fcgi_answer answer;
    size_t most = 3000000;
    char *body = malloc(most + 100);
    size_t len = 0;
    server_start(&rig.server);
    start("[collect]\nmax_body = 8M\nmax_samples = 100000\n");
    for (unsigned i = 0; i < 10000; i++)
        len += (size_t)sprintf(body + len, "%s\"%0195u\":0.%u", i == 0 ? "{" : ",", i, 1000003 * i);
    len += (size_t)sprintf(body + len, "}");
    must_answer(&(struct fcgi_ask){.method = "POST", .uri = "/collect", .type = "application/json", .body = body,
                                   .body_bytes = len}, 413, "too_large", NULL);
    /* Several that fill most of a batch each follow one another in batches of their own. */
    len = 0;
    for (unsigned i = 0; i < 3000; i++)
        len += (size_t)sprintf(body + len, "%s\"%0195u\":0.%u", i == 0 ? "{" : ",", i, 1000003 * i);
    len += (size_t)sprintf(body + len, "}");
    int fds[12];
    for (unsigned i = 0; i < 12; i++) {
        fds[i] = fcgi_connect(rig.socket);
        assert_true(fcgi_send(fds[i], &(struct fcgi_ask){.method = "POST", .uri = "/collect", .type = "text/plain",
                                                         .body = body, .body_bytes = len}));
    }
    unsigned stored = 0;
    for (unsigned i = 0; i < 12; i++) {
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_true_of(answer.status == 204 || answer.status == 503, "status %u", answer.status); /* 503: a busy machine */
        stored += answer.status == 204;
        fcgi_answer_free(&answer);
    }
    assert_true_of(stored > 1, "%u of 12 were stored", stored); /* each in a batch of its own */
    assert_int_equal(read_stream(NULL, NULL), 3000 * stored);
    stop(SIGTERM);
    free(body);
}

/* Have the server stop, send `count` requests, and wait until they are taken. */
static void send_without_server(int *fds, unsigned count)
{
    server_pause(&rig.server);
    for (unsigned i = 0; i < count; i++) {
        char uri[64];
        snprintf(uri, sizeof uri, "/collect?key=held&value=%u", i);
        fds[i] = fcgi_connect(rig.socket);
        assert_true(fcgi_send(fds[i], &(struct fcgi_ask){.uri = uri}));
    }
    /* The last one has been taken when one that needs no bus is answered; with two threads, after two of them. */
    for (unsigned i = 0; i < 4; i++)
        get("/collect", 400, "missing_parameter", "key");
}

/* The same, of requests that are then held. */
static void hold(int *fds, unsigned count)
{
    send_without_server(fds, count);
    assert_true(fcgi_silent(fds[0], 100));
}

static void held_requests_are_answered_at_the_end(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGUSR1};
    int fds[200];
    server_start(&rig.server);
    for (unsigned round = 0; round < 2; round++) {
        start("");
        get_until_stored("/collect?key=a&value=1");
        hold(fds, 200);
        kill(rig.pid, signals[round]);
        kill(rig.pid, SIGTERM); /* a second one, as mod_fcgid sends it, changes nothing */
        assert_true(fcgi_silent(fds[199], 300));
        kill(rig.server.pid, SIGCONT);
        for (unsigned i = 0; i < 200; i++) {
            struct fcgi_answer answer;
            fcgi_receive(fds[i], PATIENT_MS, &answer);
            assert_int_equal(answer.status, 204);
            fcgi_answer_free(&answer);
        }
        assert_int_equal(ended(), 0);
    }
    assert_int_equal(read_stream(NULL, NULL), 402);
}

static void it_ends_in_time_without_an_answer(void **state)
{
    (void)state;
    int fds[50];
    server_start(&rig.server);
    start("");
    get_until_stored("/collect?key=a&value=1");
    hold(fds, 50);
    long long begin = test_now_ms();
    kill(rig.pid, SIGTERM);
    for (unsigned i = 0; i < 50; i++) {
        struct fcgi_answer answer;
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 503);
        fcgi_answer_free(&answer);
    }
    assert_int_equal(ended(), 0);
    assert_true_of(test_now_ms() - begin < 6000, "took %lld ms", test_now_ms() - begin);
}

static void with_a_spool_the_end_keeps_what_is_not_acknowledged(void **state)
{
    (void)state;
    int fds[50];
    server_start(&rig.server);
    start_with_spool();
    get_until_stored("/collect?key=a&value=1");
    send_without_server(fds, 50);
    long long begin = test_now_ms();
    kill(rig.pid, SIGTERM);
    for (unsigned i = 0; i < 50; i++) {
        struct fcgi_answer answer;
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 204);
        fcgi_answer_free(&answer);
    }
    assert_true_of(test_now_ms() - begin < HOLD_END_MS - 500, "took %lld ms", test_now_ms() - begin);
    assert_int_equal(ended(), 0);
    assert_int_equal(spool_files(), 1);
    kill(rig.server.pid, SIGCONT);
    start_with_spool();
    await_empty_spool();
    assert_int_equal(read_stream(NULL, NULL), 51);
    stop(SIGTERM);
}

static void held_requests_survive_a_kill_of_the_server(void **state)
{
    (void)state;
    int fds[100];
    server_start(&rig.server);
    start("");
    get_until_stored("/collect?key=a&value=1");
    hold(fds, 100);
    kill(rig.server.pid, SIGCONT); /* some may be stored before the kill, and none twice after it */
    server_kill(&rig.server, SIGKILL);
    server_start(&rig.server);
    for (unsigned i = 0; i < 100; i++) {
        struct fcgi_answer answer;
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 204);
        fcgi_answer_free(&answer);
    }
    assert_int_equal(read_stream(NULL, NULL), 101);
    stop(SIGTERM);
}

static void a_lost_acknowledgement_stores_nothing_twice(void **state)
{
    (void)state;
    struct proxy proxy;
    server_start(&rig.server);
    proxy_start(&proxy, &rig.server);
    rig.url = proxy.url;
    start("");
    get("/collect?key=a&value=1", 204, NULL, NULL);
    proxy_lose(&proxy, "\"seq\":2", 1);
    get("/collect?key=a&value=2", 204, NULL, NULL);
    assert_int_equal(proxy_lost(&proxy), 1);
    get("/collect?key=a&value=3", 204, NULL, NULL);
    assert_int_equal(read_stream(NULL, NULL), 3);
    stop(SIGTERM);
    proxy_stop(&proxy);
}

static void held_requests_do_not_wait_for_ever(void **state)
{
    (void)state;
    int fds[20];
    server_start(&rig.server);
    start("");
    get_until_stored("/collect?key=a&value=1");
    long long begin = test_now_ms();
    hold(fds, 20);
    await_log("event=publish_failed"); /* from now on, one more would wait in vain */
    long long refused = test_now_ms();
    get("/collect?key=a&value=3", 503, "unavailable", NULL);
    assert_true_of(test_now_ms() - refused < HOLD_WAIT_MS / 2, "took %lld ms", test_now_ms() - refused);
    assert_true(fcgi_silent(fds[0], 50)); /* while those that were there still hope */
    for (unsigned i = 0; i < 20; i++) {
        struct fcgi_answer answer;
        fcgi_receive(fds[i], PATIENT_MS, &answer);
        assert_int_equal(answer.status, 503);
        fcgi_answer_free(&answer);
    }
    assert_true_of(test_now_ms() - begin < 6000, "took %lld ms", test_now_ms() - begin);
    kill(rig.server.pid, SIGCONT);
    get_until_stored("/collect?key=a&value=2");
    stop(SIGTERM);
    /* Some had been published when they were given up: they may be stored, whatever their clients were told. */
    uint64_t accepted = counted(TALLY_ACCEPTED, 0), uncertain = counted(TALLY_UNCERTAIN, 0);
    unsigned long stored = read_stream(NULL, NULL);
    assert_true(uncertain > 0 && counted(TALLY_SHED, TALLY_BUS) >= 21);
    assert_true_of(accepted <= stored && stored <= accepted + uncertain, "%llu accepted, %lu stored, %llu uncertain",
                   (unsigned long long)accepted, stored, (unsigned long long)uncertain);
}

/* ---- malformed FastCGI ---- */

static uint64_t chance_state;

static unsigned chance(unsigned below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (unsigned)(chance_state >> 33) % below;
}

/* Spoil a request: bits, bytes, lengths that overflow; a piece left out, doubled or moved; or nothing but noise. */
static size_t spoil(unsigned char *bytes, size_t len, size_t room)
{
    for (unsigned n = 1 + chance(4); n > 0; n--) {
        size_t at = chance((unsigned)len), other = chance((unsigned)len);
        size_t piece = 1 + chance((unsigned)(len - (at > other ? at : other)));
        switch (chance(7)) {
        case 0: bytes[at] ^= (unsigned char)(1u << chance(8)); break;
        case 1: bytes[at] = (unsigned char)chance(256); break;
        case 2: memset(bytes + at, chance(2) == 0 ? 0xff : 0x7f, len - at < 4 ? len - at : 4); break;
        case 3: memmove(bytes + at, bytes + other, piece); break;
        case 4: len = at + 1; break;
        case 5:
            if (len + piece <= room) {
                memmove(bytes + at + piece, bytes + at, len - at);
                len += piece;
            }
            break;
        default: /* the version and a record type stay, so that something is read of it */
            for (size_t i = 2; i < len; i++)
                bytes[i] = (unsigned char)chance(256);
        }
    }
    return len;
}

static void send_spoilt(int fd)
{
    static const struct fcgi_ask asks[] = {
        {.uri = "/collect?key=spoilt&value=1"},
        {.method = "POST", .uri = "/collect", .type = "application/json", .body = "{\"spoilt\":[1,2,3]}"},
        {.method = "POST", .uri = "/collect/collectd", .type = "application/json", .body = "[]"}};
    unsigned char bytes[4096];
    size_t len;
    unsigned char *whole = fcgi_bytes(&asks[chance(3)], &len);
    memcpy(bytes, whole, len);
    free(whole);
    len = spoil(bytes, len, sizeof bytes);
    for (size_t at = 0; at < len;) { /* in pieces; the peer may have closed meanwhile */
        size_t n = chance(2) == 0 ? len - at : 1 + chance((unsigned)(len - at));
        if (send(fd, bytes + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return;
        at += n;
    }
}

static void count_good(void *context, const char *key, const struct sample *sample)
{
    (void)sample;
    *(unsigned *)context += strcmp(key, "good") == 0;
}

/* HF_TEST_MALFORMED sequences, some of which stay as they are, so that a thread that waited for them would be seen. */
static void malformed_records_are_no_harm(void **state)
{
    (void)state;
    enum { OPEN = 300 };
    const char *wanted = getenv("HF_TEST_MALFORMED");
    const char *seed = getenv("HF_TEST_SEED");
    unsigned long count = wanted != NULL ? strtoul(wanted, NULL, 10) : getenv("HF_TEST_FULL") != NULL ? 100000 : 2000;
    unsigned long seeded = seed != NULL ? strtoul(seed, NULL, 10) : (unsigned long)test_now_ms();
    int open_fds[OPEN];
    unsigned good = 0, found = 0;
    long long slowest = 0;
    chance_state = seeded * 2 + 1;
    for (unsigned i = 0; i < OPEN; i++)
        open_fds[i] = -1;
    server_start(&rig.server);
    start("");
    for (unsigned long i = 0; i < count; i++) {
        int *fd = &open_fds[i % OPEN];
        if (*fd >= 0)
            close(*fd);
        *fd = fcgi_connect(rig.socket);
        assert_true_of(*fd >= 0, "seed %lu: nobody listens", seeded);
        send_spoilt(*fd);
        if (i % 100 == 99) {
            long long begin = test_now_ms();
            get("/collect?key=good&value=1", 204, NULL, NULL);
            slowest = test_now_ms() - begin > slowest ? test_now_ms() - begin : slowest;
            good++;
        }
    }
    for (unsigned i = 0; i < OPEN; i++)
        if (open_fds[i] >= 0)
            close(open_fds[i]);
    assert_true_of(slowest < 1000, "seed %lu: a good request took %lld ms", seeded, slowest);
    assert_int_equal(waitpid(rig.pid, NULL, WNOHANG), 0); /* it is still the process that was started */
    stop(SIGTERM);
    read_stream(count_good, &found);
    assert_int_equal(found, good);
    printf("# HF_TEST_SEED=%lu\n# => %lu malformed sequences, the slowest good request took %lld ms\n", seeded, count, slowest);
}

/* ---- exact under load ---- */

struct sender {
    pthread_t thread;
    unsigned index;
    unsigned char acked[SENT_BY_EACH];
};

static unsigned char seen[SENDERS * SENT_BY_EACH];

static void *send_many(void *argument)
{
    struct sender *sender = argument;
    for (unsigned i = 0; i < SENT_BY_EACH; i++) {
        char uri[64];
        struct fcgi_answer answer;
        snprintf(uri, sizeof uri, "/collect?key=n&value=%u", sender->index * SENT_BY_EACH + i);
        fcgi_exchange(rig.socket, &(struct fcgi_ask){.uri = uri}, &answer);
        sender->acked[i] = answer.status == 204;
        if (answer.status == 503)
            test_sleep_ms(5);
        fcgi_answer_free(&answer);
    }
    return NULL;
}

static void note_seen(void *context, const char *key, const struct sample *sample)
{
    (void)context;
    assert_string_equal(key, "n");
    seen[(unsigned)sample->value]++;
}

static void what_is_acknowledged_is_stored_once_through_kills(void **state)
{
    (void)state;
    static struct sender senders[SENDERS];
    memset(seen, 0, sizeof seen);
    server_start(&rig.server);
    start("");
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.index = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (unsigned kills = 0; kills < 4; kills++) {
        test_sleep_ms(40); /* at no particular moment */
        server_kill(&rig.server, SIGKILL);
        server_start(&rig.server);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    stop(SIGTERM);
    read_stream(note_seen, NULL);
    unsigned acked = 0;
    for (unsigned i = 0; i < SENDERS; i++)
        for (unsigned k = 0; k < SENT_BY_EACH; k++) {
            unsigned times = seen[i * SENT_BY_EACH + k];
            acked += senders[i].acked[k];
            assert_true_of(senders[i].acked[k] ? times == 1 : times <= 1, "%s sample is there %u times",
                           senders[i].acked[k] ? "an acknowledged" : "a refused", times);
        }
    assert_true_of(acked > SENDERS * SENT_BY_EACH / 20, "only %u acknowledged", acked);
}

#define with_rig(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        with_rig(every_form_is_stored),
        with_rig(beacons_are_taken),
        with_rig(refused_requests_store_nothing),
        with_rig(headers_are_as_promised),
        with_rig(only_the_bearer_of_the_token_sends),
        with_rig(what_cannot_be_done_is_refused_at_the_start),
        with_rig(one_client_may_send_so_much),
        with_rig(without_the_bus_it_says_so_at_once),
        with_rig(a_full_stream_is_said),
        with_rig(a_request_too_large_for_a_batch_is_refused),
        with_rig(held_requests_are_answered_at_the_end),
        with_rig(it_ends_in_time_without_an_answer),
        with_rig(with_a_spool_samples_are_kept_while_the_bus_is_away),
        with_rig(with_a_spool_the_end_keeps_what_is_not_acknowledged),
        with_rig(with_a_spool_a_file_stays_until_all_of_it_is_acknowledged),
        with_rig(with_a_spool_a_full_stream_is_tried_again),
        with_rig(for_power_what_the_stream_lost_is_published_again),
        with_rig(held_requests_survive_a_kill_of_the_server),
        with_rig(a_lost_acknowledgement_stores_nothing_twice),
        with_rig(held_requests_do_not_wait_for_ever),
        with_rig(malformed_records_are_no_harm),
        with_rig(what_is_acknowledged_is_stored_once_through_kills),
    };
    if (!server_available()) {
        printf("1..0 # SKIP nats-server is not installed (Debian: nats-server)\n");
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
