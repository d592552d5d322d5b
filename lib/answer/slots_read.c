/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/slots.h"

#include "answer/attempt.h"

/* A read is kept for milliseconds only: while it lasts the store cannot recover. */
#define CELLS_OF_ONE_READ 256u

/* A run of slots whose cells lie in one table one behind the other. */
struct run {
    const struct slots *slots;
    size_t at;        /* the slot that is being gathered, or the next to be */
    struct cell *sum; /* of its cells so far; NULL: none yet */
    slot_fn each;
    void *context;
    enum hf_err err;
};

/* With the largest limit, so that decoding and merging lose nothing that the stored cells still knew. */
static enum hf_err add_cell(struct run *run, const void *bytes, size_t len)
{
    struct cell *cell = NULL;
    enum hf_err err = cell_decode(bytes, len, CELL_BUCKETS_MAX, &cell);
    if (err != HF_OK)
        return err == HF_INVALID ? HF_CORRUPT : err;
    if (run->sum == NULL) {
        run->sum = cell;
        return HF_OK;
    }
    err = cell_merge(run->sum, cell);
    cell_free(&cell);
    return err;
}

/* Hand over what was gathered, and go on to the next slot. */
static enum hf_err finish_slot(struct run *run)
{
    enum hf_err err = HF_OK;
    if (run->sum != NULL && cell_count(run->sum) > 0)
        err = run->each(run->context, run->at, run->sum);
    cell_free(&run->sum);
    run->at++;
    return err;
}

static bool take_cell(void *context, uint32_t number, const void *bytes, size_t len)
{
    struct run *run = context;
    const struct slot *list = run->slots->list;
    while (run->err == HF_OK && number - list[run->at].first >= list[run->at].cells)
        run->err = finish_slot(run);
    if (run->err == HF_OK)
        run->err = add_cell(run, bytes, len);
    return run->err == HF_OK;
}

/* Where the run that begins with a slot ends. */
static size_t run_end(const struct slots *slots, size_t begin, size_t cells_max)
{
    const struct slot *list = slots->list;
    size_t end = begin + 1, cells = list[begin].cells;
    for (; end < slots->count && cells + list[end].cells <= cells_max; end++) {
        if (list[end].table != list[begin].table || list[end].first != list[end - 1].first + list[end - 1].cells)
            break;
        cells += list[end].cells;
    }
    return end;
}

static enum hf_err read_run(struct store_read *read, const char *key, size_t key_bytes, struct run *run, size_t end)
{
    const struct slot *first = &run->slots->list[run->at], *last = &run->slots->list[end - 1];
    enum hf_err err = store_read_range(read, first->table, key, key_bytes, first->first, last->first + last->cells - 1, take_cell,
                                       run);
    if (err == HF_OK)
        err = run->err;
    while (err == HF_OK && run->at < end)
        err = finish_slot(run);
    cell_free(&run->sum);
    return err;
}

enum hf_err slots_read(struct store_read *read, const char *key, size_t key_bytes, const struct slots *slots, size_t *next,
                       size_t cells_max, slot_fn each, void *context)
{
    struct run run = {.slots = slots, .at = *next, .each = each, .context = context};
    enum hf_err err = HF_OK;
    for (size_t cells = 0; err == HF_OK && run.at < slots->count && cells < cells_max;) {
        size_t begin = run.at, end = run_end(slots, begin, cells_max - cells);
        if (slots->list[begin].start_ms < 0) { /* cells count from 1970 */
            run.at++;
            continue;
        }
        for (size_t i = begin; i < end; i++)
            cells += slots->list[i].cells;
        err = read_run(read, key, key_bytes, &run, end);
    }
    *next = run.at;
    return err;
}

struct reading {
    const char *key;
    size_t key_bytes;
    const struct slots *slots;
    size_t next;
    slot_fn each;
    void *context;
};

static enum hf_err read_some(struct store_read *read, void *context)
{
    struct reading *reading = context;
    return slots_read(read, reading->key, reading->key_bytes, reading->slots, &reading->next, CELLS_OF_ONE_READ, reading->each,
                      reading->context);
}

enum hf_err slots_read_all(struct store *store, const char *key, size_t key_bytes, const struct slots *slots, slot_fn each,
                           void *context, struct hf_why *why)
{
    struct reading reading = {key, key_bytes, slots, 0, each, context};
    enum hf_err err = HF_OK;
    while (err == HF_OK && reading.next < slots->count)
        err = attempt_read(store, read_some, &reading, why);
    return err;
}
