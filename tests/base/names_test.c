/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/names.h"

static uint64_t seed = 88172645463325252u;

static uint64_t below(uint64_t n) /* xorshift64, G. Marsaglia 2003 */
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % n;
}

static void names_are_numbered_as_they_come(void **state)
{
    (void)state;
    struct hf_names names = {0};
    uint32_t index;
    bool added;
    static const char *const texts[] = {"", "a", "b", "aa", "a\0b", "a\0c"};
    static const size_t lens[] = {0, 1, 1, 2, 3, 3};
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 6; i++) {
            assert_int_equal(hf_names_add(&names, 0, texts[i], lens[i], &index, &added), HF_OK);
            assert_int_equal(index, i);
            assert_true(added == (round == 0));
        }
    assert_int_equal(names.count, 6);
    hf_names_free(&names);
    assert_null(names.list);
}

/* The set as a plain list: looked through from the start of the scope. */
struct model {
    uint32_t names[4000]; /* numbers of words */
    uint32_t count;
    uint32_t scopes[9]; /* where each begins */
    int depth;
};

static void add_one(struct hf_names *names, struct model *model, char words[][8], uint32_t word)
{
    const uint32_t from = model->scopes[model->depth];
    uint32_t expected = from, index = 4711;
    bool added;
    while (expected < model->count && model->names[expected] != word)
        expected++;
    assert_int_equal(hf_names_add(names, from, words[word], strlen(words[word]), &index, &added), HF_OK);
    assert_int_equal(index, expected);
    assert_true(added == (expected == model->count));
    if (added)
        model->names[model->count++] = word;
    assert_int_equal(names->count, model->count);
}

static void scopes_nest_as_in_a_plain_list(void **state)
{
    (void)state;
    static char words[3000][8];
    for (uint32_t i = 0; i < 3000; i++)
        snprintf(words[i], sizeof words[i], "w%u", i);
    for (int round = 0; round < 300; round++) {
        static struct model model;
        const uint64_t vocabulary = round % 3 == 0 ? 20 : round % 3 == 1 ? 300 : 3000;
        model.count = 0;
        model.depth = 0;
        struct hf_names names = {0};
        for (int step = 0; step < 600; step++) {
            uint64_t what = below(40);
            if (what == 0 && model.depth < 8)
                model.scopes[++model.depth] = model.count;
            else if (what == 1 && model.depth > 0)
                hf_names_cut(&names, model.count = model.scopes[model.depth--]);
            else if (what == 2 && model.count > model.scopes[model.depth]) {
                uint32_t left = model.scopes[model.depth] + (uint32_t)below(model.count - model.scopes[model.depth]);
                hf_names_cut(&names, model.count = left);
            } else
                add_one(&names, &model, words, (uint32_t)below(vocabulary));
        }
        hf_names_cut(&names, 0);
        model.count = 0;
        model.depth = 0;
        add_one(&names, &model, words, 0);
        hf_names_free(&names);
    }
}

UNIT_TESTS(unit(names_are_numbered_as_they_come), unit(scopes_nest_as_in_a_plain_list))
