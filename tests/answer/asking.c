/* SPDX-License-Identifier: Apache-2.0 */
#include "asking.h"

struct store *reader;
struct hf_conf conf;
struct access *access_all;
struct answer *answer;
int64_t clock_ms = AS_OF_MS + 500;

int open_to_ask(void)
{
    reader = open_store(STORE_READER);
    conf = (struct hf_conf){.store.path = folder,
                            .query = {.threads = 1, .max_cells = 1500, .cors_origin = "*"},
                            .consumer = {.commit_interval_ms = 1000},
                            .collect = {.token_sha256 = "", .spool = "", .tally = ""}};
    ok(access_new(&conf, &access_all, &why));
    answer = answer_new(&conf, access_all);
    return answer == NULL ? -1 : 0;
}

void close_to_ask(void)
{
    answer_free(&answer);
    access_free(&access_all);
    store_close(&reader);
}

/* ---- asking ---- */

struct answer_request request_of(const char *uri)
{
    return (struct answer_request){.method = "GET", .uri = uri, .store = reader, .now_ms = clock_ms};
}

const char *header(const struct answer_response *response, const char *name)
{
    static char value[256];
    for (const char *line = response->headers; *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        assert_non_null(end);
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            const char *start = line + strlen(name) + 2;
            snprintf(value, sizeof value, "%.*s", (int)(end - start), start);
            return value;
        }
        line = end + 2;
    }
    return NULL;
}

bool header_is(const struct answer_response *response, const char *name, const char *expected)
{
    const char *value = header(response, name);
    return value == NULL ? expected == NULL : expected != NULL && strcmp(value, expected) == 0;
}

const struct answer_response *ask(const char *uri, unsigned status)
{
    struct answer_request request = request_of(uri);
    const struct answer_response *response = answer_request(answer, &request);
    assert_true_of(response->status == status, "%s: %u: %.*s", uri, response->status, (int)response->body_bytes,
                   (const char *)response->body);
    assert_true(header_is(response, "X-Content-Type-Options", "nosniff"));
    assert_true(header_is(response, "Access-Control-Allow-Origin", "*"));
    return response;
}

json_object *parse(const struct answer_response *response)
{
    json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    json_object *parsed = json_tokener_parse_ex(tokener, response->body, (int)response->body_bytes - 1);
    assert_true_of(json_tokener_get_error(tokener) == json_tokener_success ||
                       (parsed == NULL && json_tokener_get_error(tokener) == json_tokener_continue),
                   "%.*s", (int)response->body_bytes, (const char *)response->body);
    assert_non_null(parsed);
    assert_int_equal(((const char *)response->body)[response->body_bytes - 1], '\n');
    json_tokener_free(tokener);
    return parsed;
}

json_object *ask_json(const char *uri)
{
    const struct answer_response *response = ask(uri, 200);
    assert_true(header_is(response, "Content-Type", "application/json"));
    return parse(response);
}

json_object *member(json_object *object, const char *name)
{
    json_object *value = NULL;
    assert_true_of(json_object_object_get_ex(object, name, &value), "no member %s in %s", name,
                   json_object_to_json_string(object));
    return value;
}

double number(json_object *object, const char *name)
{
    json_object *value = member(object, name);
    assert_true_of(json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int), "%s", name);
    return json_object_get_double(value);
}

bool truth(json_object *object, const char *name)
{
    json_object *value = member(object, name);
    assert_true_of(json_object_is_type(value, json_type_boolean), "%s", name);
    return json_object_get_boolean(value);
}

const char *text(json_object *object, const char *name) { return json_object_get_string(member(object, name)); }

void must_have_members(json_object *object, const char *names)
{
    char found[2048] = "";
    struct json_object_iterator at = json_object_iter_begin(object), end = json_object_iter_end(object);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        strcat(found, found[0] == '\0' ? "" : " ");
        strcat(found, json_object_iter_peek_name(&at));
    }
    assert_string_equal(found, names);
}

void must_refuse(const struct answer_response *response, const char *code, const char *parameter)
{
    json_object *document = parse(response), *error = member(document, "error"), *value;
    assert_string_equal(text(error, "code"), code);
    assert_true(strlen(text(error, "message")) > 10);
    assert_int_equal(json_object_object_get_ex(error, "parameter", &value), parameter != NULL);
    if (parameter != NULL)
        assert_string_equal(json_object_get_string(value), parameter);
    assert_true(header_is(response, "Content-Type", "application/json"));
    assert_true(header_is(response, "Cache-Control", "no-store"));
    assert_null(header(response, "ETag"));
    json_object_put(document);
}

/* ---- the truth ---- */

double naive(const struct stat_spec *stat, const double *values, size_t count, unsigned seconds)
{
    long double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - sum / count) * (values[i] - sum / count);
    switch (stat->kind) {
    case STAT_AVERAGE: return (double)(sum / count);
    case STAT_MIN: return values[0];
    case STAT_MAX: return values[count - 1];
    case STAT_MEDIAN: return (values[(count - 1) / 2] + values[count / 2]) / 2;
    case STAT_COUNT: return (double)count;
    case STAT_SUM: return (double)sum;
    case STAT_STDDEV: return (double)sqrtl(squares / count);
    case STAT_THROUGHPUT: return (double)count / seconds;
    case STAT_PERCENTILE: {
        long double rank = ceill((long double)stat->numerator / powl(10, stat->decimals) * count / 100);
        return values[rank < 1 ? 0 : (size_t)rank - 1];
    }
    case STAT_ALL: break;
    }
    fail();
    return 0;
}

void must_agree(const struct stat_spec *stat, double value, double low, double high, bool exact, double expected)
{
    bool sums = stat->kind == STAT_AVERAGE || stat->kind == STAT_SUM || stat->kind == STAT_STDDEV;
    double slack = sums ? 1e-12 * (fabs(expected) + 1) : 0;
    assert_true_of(low <= value && value <= high, "%s: %.17g in [%.17g, %.17g]", stat->name, value, low, high);
    assert_true_of(low - slack <= expected && expected <= high + slack, "%s: the truth %.17g in [%.17g, %.17g]", stat->name,
                   expected, low, high);
    assert_int_equal(exact, low == high);
    if (sums || stat->kind == STAT_COUNT || stat->kind == STAT_THROUGHPUT || stat->kind == STAT_MIN || stat->kind == STAT_MAX)
        assert_true(exact);
}

int set_up_asking(void **state)
{
    (void)state;
    if (make_folder() != 0)
        return -1;
    make_samples();
    write_world();
    return open_to_ask();
}

int tear_down_asking(void **state)
{
    (void)state;
    close_to_ask();
    free(samples);
    return remove_folder();
}
