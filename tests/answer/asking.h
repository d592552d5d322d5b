/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking for answers and reading them, and statistics from their definition.
 */
#ifndef HF_TESTS_ANSWER_ASKING_H
#define HF_TESTS_ANSWER_ASKING_H

#include "world.h"

/* What the requests are answered with. */
extern struct store *reader;
extern struct hf_conf conf;
extern struct access *access_all;
extern struct answer *answer;
extern int64_t clock_ms;

/* Open the store of the folder to ask about it, without views; and undo that. */
int open_to_ask(void);
void close_to_ask(void);

struct answer_request request_of(const char *uri);
/* A header's value up to its line end, or NULL; "" when it is empty. */
const char *header(const struct answer_response *response, const char *name);
bool header_is(const struct answer_response *response, const char *name, const char *expected);
const struct answer_response *ask(const char *uri, unsigned status);
/* The body, read strictly; the caller puts it. */
json_object *parse(const struct answer_response *response);
json_object *ask_json(const char *uri);
json_object *member(json_object *object, const char *name);
double number(json_object *object, const char *name);
bool truth(json_object *object, const char *name);
const char *text(json_object *object, const char *name);
void must_have_members(json_object *object, const char *names);
void must_refuse(const struct answer_response *response, const char *code, const char *parameter);

/* A statistic of sorted values, from its definition. */
double naive(const struct stat_spec *stat, const double *values, size_t count, unsigned seconds);
/* Sums in long double are good to some 1e-16 of what was added up; order statistics have to be right to the bit. */
void must_agree(const struct stat_spec *stat, double value, double low, double high, bool exact, double expected);

/* For cmocka: the samples of world.h in a store of their own, to be asked about. */
int set_up_asking(void **state);
int tear_down_asking(void **state);

#endif
