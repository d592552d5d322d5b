/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does time tell anything of a token? The test of O. Reparaz, J. Balasch and I.
 * Verbauwhede, "Dude, is my code constant time?" (DATE 2017): inputs of two classes
 * in random order, one fixed and one random, each measured once; then Welch's t
 * of the two, on all measurements and on those below each of many percentiles,
 * since what an interruption adds to some of them hides a small difference.
 *
 * Prints the largest |t| of each question. With HF_TEST_FULL=1 there are a million
 * measurements of each, and 4.5 or more is a failure; else 50,000, and only a gross
 * difference is, since what else the machine does must fail nobody's build. A
 * comparison that does leak is measured first: a run that does not find it has
 * nothing to say. HF_TEST_SEED makes the inputs the same again.
 */
#include "../answer/world.h"

#include <time.h>

#define TOKEN_BYTES (ACCESS_TOKEN_BYTES - 1)
#define CROPS 100
#define ROOM 96
#define BATCH 1000u /* inputs made at once, before the first is measured */

struct input {
    char authorization[ROOM];
    char uri[ROOM];
};

struct question {
    const char *name;
    bool leaks; /* and is to be found */
    void (*make)(struct input *input, bool fixed);
    void (*run)(const struct input *input);
};

static struct access *access_of_views;
static struct answer *answers;
static struct store *store;
static char good[ACCESS_TOKEN_BYTES];
static volatile unsigned sink;

/* ---- inputs ---- */

static void random_text(char *out, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[(size_t)(random_unit() * 64)];
}

static void make_token(struct input *input, bool fixed)
{
    char token[ACCESS_TOKEN_BYTES] = "";
    random_text(token, TOKEN_BYTES);
    snprintf(input->authorization, ROOM, "Bearer %s", fixed ? good : token);
}

/* A wrong token; for a key that is there, or for one of the same length that is not. */
static void make_key(struct input *input, bool fixed)
{
    char key[sizeof KEY] = "";
    make_token(input, false);
    random_text(key, sizeof KEY - 1);
    key[0] = 'x';
    for (size_t i = 1; i < sizeof KEY - 1; i++)
        key[i] = (char)(key[i] == '.' ? '_' : key[i]);
    snprintf(input->uri, ROOM, "/%s/median/" DAY "/03", fixed ? KEY : key);
}

/* The right token, of a view that has neither of them. */
static void make_key_outside(struct input *input, bool fixed)
{
    make_key(input, fixed);
    snprintf(input->authorization, ROOM, "Bearer %s", good);
}

/* ---- what is measured ---- */

static void compare_leaking(const struct input *input)
{
    const char *token = input->authorization + strlen("Bearer ");
    unsigned i = 0;
    while (i < TOKEN_BYTES && ((const volatile char *)token)[i] == ((const volatile char *)good)[i])
        i++;
    sink = i == TOKEN_BYTES;
}

static void check(const struct input *input)
{
    struct access_grant grant = access_check(access_of_views, input->authorization);
    sink = grant.known;
}

static void send(const struct input *input) { sink = access_send(access_of_views, input->authorization); }

static const struct answer_response *ask(const struct input *input)
{
    struct answer_request request = {.method = "GET", .uri = input->uri, .authorization = input->authorization,
                                     .store = store, .now_ms = AS_OF_MS + 5000};
    return answer_request(answers, &request);
}

static void ask_and_forget(const struct input *input) { sink = ask(input)->status; }

/* ---- statistics ---- */

struct welch {
    double n[2], mean[2], squares[2];
};

static void welch_add(struct welch *w, bool class, double x)
{
    w->n[class]++;
    double delta = x - w->mean[class];
    w->mean[class] += delta / w->n[class];
    w->squares[class] += delta * (x - w->mean[class]);
}

static double welch_t(const struct welch *w)
{
    if (w->n[0] < 1000 || w->n[1] < 1000)
        return 0;
    double error = 0;
    for (int i = 0; i < 2; i++)
        error += w->squares[i] / (w->n[i] - 1) / w->n[i];
    return error > 0 ? (w->mean[0] - w->mean[1]) / sqrt(error) : 0;
}

static double largest_t(const double *ns, const bool *classes, size_t count)
{
    double *sorted = malloc(count * sizeof *sorted), largest = 0;
    assert_non_null(sorted);
    memcpy(sorted, ns, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    for (int crop = 0; crop <= CROPS; crop++) {
        /* As dudect spaces them: close together towards the slowest. */
        double share = crop == CROPS ? 1 : 1 - pow(0.5, 10.0 * (crop + 1) / CROPS);
        double limit = sorted[(size_t)(share * (double)(count - 1))];
        struct welch w = {0};
        for (size_t i = 0; i < count; i++)
            if (ns[i] <= limit)
                welch_add(&w, classes[i], ns[i]);
        double t = fabs(welch_t(&w));
        largest = t > largest ? t : largest;
    }
    free(sorted);
    return largest;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec % 100000) * 1e9 + (double)t.tv_nsec;
}

static double measure(const struct question *question, size_t count)
{
    static struct input inputs[BATCH];
    double *ns = calloc(count, sizeof *ns);
    bool *classes = calloc(count, sizeof *classes);
    assert_true(ns != NULL && classes != NULL);
    for (size_t done = 0; done < count; done += BATCH) {
        size_t n = count - done < BATCH ? count - done : BATCH;
        for (size_t i = 0; i < n; i++) {
            classes[done + i] = random_unit() < 0.5;
            question->make(&inputs[i], classes[done + i]);
        }
        for (size_t i = 0; i < n; i++) {
            double begin = now_ns();
            question->run(&inputs[i]);
            ns[done + i] = now_ns() - begin;
        }
    }
    double t = largest_t(ns, classes, count);
    free(ns);
    free(classes);
    return t;
}

/* ---- the program ---- */

/* The answers of the two classes are the same to the byte. */
static bool answers_are_equal(void (*make)(struct input *input, bool fixed))
{
    struct input input[2];
    char headers[2][2048];
    struct hf_buf body = {0};
    unsigned status[2];
    bool equal = true;
    for (int i = 0; i < 2; i++) {
        make(&input[i], i == 1);
        const struct answer_response *response = ask(&input[i]);
        status[i] = response->status;
        snprintf(headers[i], sizeof headers[i], "%s", response->headers);
        equal = equal && (i == 0 || (body.len == response->body_bytes && memcmp(body.data, response->body, body.len) == 0));
        hf_buf_clear(&body);
        hf_buf_put(&body, response->body, response->body_bytes);
    }
    hf_buf_free(&body);
    return equal && status[0] == status[1] && status[0] >= 401 && strcmp(headers[0], headers[1]) == 0;
}

static void begin(void)
{
    static char hash[ACCESS_HASH_BYTES], other[ACCESS_HASH_BYTES];
    static struct conf_view views[] = {
        {.name = "one", .keys = "status.*", .stats = "*", .token_sha256 = other},
        {.name = "two", .keys = "status.*", .stats = "*", .token_sha256 = hash},
        {.name = "three", .keys = "search.*", .stats = "average", .token_sha256 = other}};
    static struct hf_conf conf = {.collect.token_sha256 = hash, .views = views, .view_count = 3, .query.max_cells = 1000,
                                  .query.cors_origin = "*"};
    char unused[ACCESS_TOKEN_BYTES];
    assert_int_equal(access_token_new(good, hash), HF_OK);
    assert_int_equal(access_token_new(unused, other), HF_OK);
    assert_int_equal(make_folder(), 0);
    make_samples();
    write_world();
    store = open_store(STORE_READER);
    ok(access_new(&conf, &access_of_views, &why));
    answers = answer_new(&conf, access_of_views);
    assert_non_null(answers);
}

int main(void)
{
    static const struct question questions[] = {
        {"a comparison that ends at the first difference", true, make_token, compare_leaking},
        {"the token of a view, right or wrong", false, make_token, check},
        {"the token of senders, right or wrong", false, make_token, send},
        {"a query with a wrong token, key there or not", false, make_key, ask_and_forget},
        {"a query of a key outside the view, there or not", false, make_key_outside, ask_and_forget}};
    bool full = getenv("HF_TEST_FULL") != NULL;
    size_t count = full ? 1000000 : 50000;
    double limit = full ? 4.5 : 50;
    const char *given = getenv("HF_TEST_SEED");
    unsigned long long seed = given != NULL ? strtoull(given, NULL, 10) : (unsigned long long)time(NULL);
    printf("1..%zu\n# HF_TEST_SEED=%llu, %zu measurements of each, |t| below %g\n", sizeof questions / sizeof *questions + 2,
           seed, count, limit);
    random_state ^= seed * 2654435761u;
    begin();
    int failed = 0, number = 0;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        double t = measure(&questions[i], count);
        bool good_t = questions[i].leaks ? t > 2 * limit : t < limit;
        failed += !good_t;
        printf("%sok %d - %s: |t| = %.2f\n", good_t ? "" : "not ", ++number, questions[i].name, t);
        fflush(stdout);
    }
    for (int i = 0; i < 2; i++) {
        bool equal = answers_are_equal(i == 0 ? make_key : make_key_outside);
        failed += !equal;
        printf("%sok %d - %s: the same answer\n", equal ? "" : "not ", ++number, questions[3 + i].name);
    }
    answer_free(&answers);
    access_free(&access_of_views);
    store_close(&store);
    remove_folder();
    return failed == 0 ? 0 : 1;
}
