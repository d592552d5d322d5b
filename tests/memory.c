/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <pthread.h>

#include "unit.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    enum memory_plan plan;
    unsigned long nth, count;
    size_t largest;
    bool failed;
} state;

/* ---- blocks; a table of addresses, open addressed ---- */

enum { PLACES = 1 << 17 };
static void *blocks[PLACES];
static unsigned long live;

static size_t place_of(const void *block) { return (size_t)((uintptr_t)block / 16 * UINT64_C(0x9e3779b97f4a7c15) >> 40) % PLACES; }

static void note(void *block)
{
    if (block == NULL)
        return;
    if (live > PLACES / 4 * 3)
        abort();
    size_t at = place_of(block);
    while (blocks[at] != NULL)
        at = (at + 1) % PLACES;
    blocks[at] = block;
    live++;
}

/* Those that another library allocated are not there. What follows in the table is moved up, so that it is found again. */
static void forget(const void *block)
{
    size_t at = place_of(block);
    while (blocks[at] != NULL && blocks[at] != block)
        at = (at + 1) % PLACES;
    if (block == NULL || blocks[at] == NULL)
        return;
    blocks[at] = NULL;
    live--;
    for (at = (at + 1) % PLACES; blocks[at] != NULL; at = (at + 1) % PLACES) {
        void *moved = blocks[at];
        blocks[at] = NULL;
        live--;
        note(moved);
    }
}

/* ---- allocations ---- */

static bool fails(size_t size)
{
    state.count++;
    state.largest = size > state.largest ? size : state.largest;
    bool now = (state.plan == MEMORY_ONE && state.count == state.nth) ||
               (state.plan == MEMORY_FROM_THERE && state.count >= state.nth);
    state.failed |= now;
    return now;
}

void *__wrap_malloc(size_t size)
{
    pthread_mutex_lock(&mutex);
    void *block = fails(size) ? NULL : __real_malloc(size);
    note(block);
    pthread_mutex_unlock(&mutex);
    return block;
}

void *__wrap_calloc(size_t count, size_t size)
{
    pthread_mutex_lock(&mutex);
    void *block = fails(count * size) ? NULL : __real_calloc(count, size);
    note(block);
    pthread_mutex_unlock(&mutex);
    return block;
}

void *__wrap_realloc(void *old, size_t size)
{
    pthread_mutex_lock(&mutex);
    void *block = NULL;
    if (!fails(size)) {
        forget(old);
        block = __real_realloc(old, size);
        note(block);
    }
    pthread_mutex_unlock(&mutex);
    return block;
}

char *__wrap_strdup(const char *text)
{
    pthread_mutex_lock(&mutex);
    char *copy = fails(strlen(text) + 1) ? NULL : __real_strdup(text);
    note(copy);
    pthread_mutex_unlock(&mutex);
    return copy;
}

void __wrap_free(void *block)
{
    pthread_mutex_lock(&mutex);
    forget(block);
    pthread_mutex_unlock(&mutex);
    __real_free(block);
}

/* ---- plans ---- */

void memory_plan(enum memory_plan plan, unsigned long nth)
{
    pthread_mutex_lock(&mutex);
    state.plan = plan;
    state.nth = nth;
    state.count = 0;
    state.largest = 0;
    state.failed = false;
    pthread_mutex_unlock(&mutex);
}

void memory_pause(void)
{
    pthread_mutex_lock(&mutex);
    state.plan = MEMORY_ALL_WELL;
    pthread_mutex_unlock(&mutex);
}

enum memory_plan memory_planned(void) { return state.plan; }
unsigned long memory_nth(void) { return state.nth; }
bool memory_failed(void) { return state.failed; }
unsigned long memory_count(void) { return state.count; }
size_t memory_largest(void) { return state.largest; }
unsigned long memory_live(void) { return live; }

unsigned long memory_each(void (*run)(void *context), void *context)
{
    unsigned long nth = 1;
    for (int plan = MEMORY_ONE; plan <= MEMORY_FROM_THERE; plan++) {
        bool failed = true;
        for (nth = 1; failed; nth++) {
            unsigned long before = live;
            memory_plan((enum memory_plan)plan, nth);
            run(context);
            failed = state.failed;
            memory_plan(MEMORY_ALL_WELL, 0);
            assert_true_of(live == before, "allocation %lu fails: %lu blocks stay", nth, live - before);
        }
    }
    return nth - 2;
}
