/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <time.h>

#include "fold/cover.h"

static int64_t look(struct cover *cover, int64_t now_ms, const uint64_t *files, unsigned count)
{
    cover_begin(cover);
    for (unsigned i = 0; i < count; i++)
        cover_file(cover, files[i]);
    return cover_end(cover, now_ms);
}

static void files_hold_it_back_to_the_look_before_they_came(void **state)
{
    (void)state;
    static struct cover cover;
    static const uint64_t a[] = {7}, ab[] = {7, 8}, b[] = {8}, bc[] = {9, 8};
    cover = (struct cover){.count = 0};
    assert_int_equal(look(&cover, 100, NULL, 0), 100);
    assert_int_equal(look(&cover, 200, a, 1), 100);
    assert_int_equal(look(&cover, 300, ab, 2), 100);
    assert_int_equal(look(&cover, 400, b, 1), 200);
    assert_int_equal(look(&cover, 500, bc, 2), 200);
    assert_int_equal(look(&cover, 600, a, 1), 500); /* a name that comes again is another file */
    assert_int_equal(look(&cover, 700, NULL, 0), 700);
    cover = (struct cover){.count = 0};
    assert_int_equal(look(&cover, 100, a, 1), 0); /* there at the start: who knows how long */
    assert_int_equal(look(&cover, 200, ab, 2), 0);
    assert_int_equal(look(&cover, 300, b, 1), 100);
}

static void more_than_there_is_room_for(void **state)
{
    (void)state;
    static struct cover cover;
    static uint64_t files[COVER_FILES_MAX + 1];
    cover = (struct cover){.count = 0};
    for (unsigned i = 0; i <= COVER_FILES_MAX; i++)
        files[i] = i + 1;
    assert_int_equal(look(&cover, 100, NULL, 0), 100);
    assert_int_equal(look(&cover, 200, files, COVER_FILES_MAX), 100);
    assert_int_equal(look(&cover, 300, files, COVER_FILES_MAX + 1), 0);
    assert_int_equal(look(&cover, 400, files + COVER_FILES_MAX, 1), 0); /* the room is made at the end of a look */
    assert_int_equal(look(&cover, 500, files + COVER_FILES_MAX, 1), 200); /* it may have been there at 300 */
    assert_int_equal(look(&cover, 600, NULL, 0), 600);
}

/* ---- against a model that knows when each sample was acknowledged ---- */

#define MODEL_FILES 12

static uint64_t chance_state;

static unsigned chance(unsigned below) /* xorshift64, G. Marsaglia 2003 */
{
    chance_state ^= chance_state << 13, chance_state ^= chance_state >> 7, chance_state ^= chance_state << 17;
    return (unsigned)(chance_state >> 33) % below;
}

static void what_waits_is_never_older_than_promised(void **state)
{
    (void)state;
    const char *wanted = getenv("HF_TEST_SEED");
    static struct cover cover;
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 10) : (uint64_t)time(NULL), next = 1;
    struct {
        uint64_t producer; /* 0: none */
        int64_t oldest_ms;
    } files[MODEL_FILES] = {{0, 0}};
    chance_state = (seed + 1) * 88172645463325252u;
    cover = (struct cover){.count = 0};
    int64_t now_ms = 1, best = 0;
    unsigned moved = 0;
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = chance(MODEL_FILES);
        now_ms += 1 + chance(3);
        if (chance(8) == 0) {
            uint64_t there[MODEL_FILES];
            unsigned count = 0;
            for (unsigned k = 0; k < MODEL_FILES; k++)
                if (files[k].producer != 0)
                    there[count++] = files[k].producer;
            int64_t until_ms = look(&cover, now_ms, there, count);
            for (unsigned k = 0; k < MODEL_FILES; k++)
                assert_true_of(files[k].producer == 0 || files[k].oldest_ms >= until_ms,
                               "HF_TEST_SEED=%llu: step %u: one of %lld waits, promised is %lld", (unsigned long long)seed, step,
                               (long long)files[k].oldest_ms, (long long)until_ms);
            assert_true(until_ms >= best); /* and never takes back what it promised */
            moved += until_ms > best;
            best = until_ms;
        } else if (files[i].producer == 0) {
            files[i].producer = next++;
            files[i].oldest_ms = now_ms; /* acknowledged at once */
        } else if (chance(3) == 0) {
            files[i].producer = 0; /* drained */
        }
    }
    assert_true_of(moved > 1000, "HF_TEST_SEED=%llu: moved %u times", (unsigned long long)seed, moved);
}

UNIT_TESTS(unit(files_hold_it_back_to_the_look_before_they_came), unit(more_than_there_is_room_for),
           unit(what_waits_is_never_older_than_promised))
