/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "harness.h"

#include <ftw.h>
#include <unistd.h>

#include "base/utc.h"
#include "batch/batch.h"

struct hf_why harness_why;
struct store *store;
struct fold *fold;
struct fold_options fold_options;
uint64_t random_state = 1;

static char folder[64];

/* ---- store and fold ---- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

void harness_open(void)
{
    if (store == NULL) {
        struct store_options options = {.path = folder, .role = STORE_WRITER, .cache_mb = 8};
        assert_ok(store_open(&options, &store, &harness_why));
    }
    fold_options.store = store;
    assert_ok(fold_open(&fold_options, &fold, &harness_why));
}

void harness_crash(void) { fold_free(&fold); }

void harness_close(void)
{
    fold_free(&fold);
    store_close(&store);
}

int harness_setup(void **state)
{
    (void)state;
    /* In memory where that can be: what a disk does is the store's to test. */
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fold_test.XXXXXX" : "/tmp/fold_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    fold_options = (struct fold_options){.hour_buckets = 2048,
                                         .cache_bytes = 1 << 20,
                                         .limits = {.id_memory_ms = HF_DAY_MS, .minute_days = 35, .max_keys = 1000}};
    harness_open();
    return 0;
}

int harness_teardown(void **state)
{
    (void)state;
    harness_close();
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- messages ---- */

struct sample sample_of(const char *key, double value, int64_t time_ms, const char *id)
{
    return (struct sample){.key = key,
                           .key_bytes = (uint8_t)strlen(key),
                           .value = value,
                           .time_ms = time_ms,
                           .id = id,
                           .id_bytes = (uint8_t)(id == NULL ? 0 : strlen(id))};
}

struct message *message_new(uint64_t producer, uint64_t number, const struct sample *samples, size_t count)
{
    struct message *message = calloc(1, sizeof *message);
    struct batch_writer *writer = batch_writer_new();
    assert_non_null(message);
    assert_non_null(writer);
    message->producer = producer;
    message->number = number;
    message->count = count;
    message->samples = malloc(count * sizeof *samples);
    assert_non_null(message->samples);
    memcpy(message->samples, samples, count * sizeof *samples);
    struct sample_list list = {.samples = message->samples, .count = count, .capacity = count};
    assert_int_equal(batch_add(writer, &list), HF_OK);
    assert_int_equal(batch_seal(writer, producer, number, &message->bytes), HF_OK);
    batch_writer_free(&writer);
    return message;
}

void message_free(struct message *message)
{
    free(message->samples);
    hf_buf_free(&message->bytes);
    free(message);
}

enum hf_err apply_batch(uint64_t seq, int64_t stored_ms, uint64_t producer, uint64_t number,
                        const struct sample *samples, size_t count)
{
    struct message *message = message_new(producer, number, samples, count);
    enum hf_err err = fold_apply(fold, seq, stored_ms, message->bytes.data, message->bytes.len, &harness_why);
    message_free(message);
    return err;
}

enum hf_err apply_one(uint64_t seq, int64_t stored_ms, uint64_t number, struct sample sample)
{
    return apply_batch(seq, stored_ms, 7, number, &sample, 1);
}

/* ---- what the store holds ---- */

static struct store_read *begin_read(void)
{
    struct store_read *read;
    assert_ok(store_read_begin(store, &read, &harness_why));
    return read;
}

uint64_t stored_count(enum store_table table, const char *key, uint32_t slot)
{
    struct store_read *read = begin_read();
    struct hf_buf bytes = {0};
    struct cell *cell = NULL;
    uint64_t count = 0;
    enum hf_err err = store_read_cell(read, table, key, strlen(key), slot, &bytes);
    if (err == HF_OK) {
        assert_int_equal(cell_decode(bytes.data, bytes.len, 2048, &cell), HF_OK);
        count = cell_count(cell);
        assert_true(count > 0);
        cell_free(&cell);
    } else
        assert_int_equal(err, HF_NOTFOUND);
    store_read_end(&read);
    hf_buf_free(&bytes);
    return count;
}

bool stored_key(const char *key, uint32_t *first_hour)
{
    struct store_read *read = begin_read();
    enum hf_err err = store_read_key(read, key, strlen(key), first_hour);
    store_read_end(&read);
    assert_true(err == HF_OK || err == HF_NOTFOUND);
    return err == HF_OK;
}

struct store_status stored_status(void)
{
    struct store_read *read = begin_read();
    struct store_status status;
    assert_int_equal(store_read_status(read, &status), HF_OK);
    store_read_end(&read);
    return status;
}

/* ---- the model ---- */

/* Lists that are searched from front to back: slow, and nothing to get wrong. */
struct model_cell {
    enum store_table table;
    char key[SAMPLE_KEY_MAX + 1];
    uint32_t slot;
    struct cell *cell;
};

struct model_seen {
    uint64_t producer, number; /* of a batch */
    char key[SAMPLE_KEY_MAX + 1], id[SAMPLE_ID_MAX + 1]; /* of an id */
    int64_t seen_ms;
};

struct model {
    struct model_cell *cells;
    struct model_seen *batches, *ids;
    size_t cell_count, batch_count, id_count;
    uint64_t accepted, folded, duplicate, late;
};

struct model *model_new(void)
{
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    return model;
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->cell_count; i++)
        cell_free(&model->cells[i].cell);
    free(model->cells);
    free(model->batches);
    free(model->ids);
    free(model);
}

static void *grown(void *items, size_t count, size_t item_bytes)
{
    items = realloc(items, (count + 1) * item_bytes);
    assert_non_null(items);
    memset((char *)items + count * item_bytes, 0, item_bytes);
    return items;
}

static void model_add(struct model *model, enum store_table table, const struct sample *sample, uint32_t slot)
{
    struct model_cell *cell = NULL;
    for (size_t i = 0; i < model->cell_count && cell == NULL; i++)
        if (model->cells[i].table == table && model->cells[i].slot == slot &&
            strcmp(model->cells[i].key, sample->key) == 0)
            cell = &model->cells[i];
    if (cell == NULL) {
        model->cells = grown(model->cells, model->cell_count, sizeof *cell);
        cell = &model->cells[model->cell_count++];
        cell->table = table;
        cell->slot = slot;
        strcpy(cell->key, sample->key);
        cell->cell = cell_new(table == STORE_HOURS ? 2048 : CELL_MINUTE_BUCKETS);
        assert_non_null(cell->cell);
    }
    assert_int_equal(cell_add(cell->cell, sample->value), HF_OK);
}

static bool model_batch_seen(struct model *model, const struct message *message)
{
    for (size_t i = 0; i < model->batch_count; i++)
        if (model->batches[i].producer == message->producer && model->batches[i].number == message->number)
            return true;
    model->batches = grown(model->batches, model->batch_count, sizeof *model->batches);
    model->batches[model->batch_count].producer = message->producer;
    model->batches[model->batch_count++].number = message->number;
    return false;
}

static bool model_id_seen(struct model *model, const struct sample *sample, int64_t stored_ms)
{
    if (sample->id == NULL)
        return false;
    for (size_t i = 0; i < model->id_count; i++) {
        struct model_seen *seen = &model->ids[i];
        if (strcmp(seen->key, sample->key) != 0 || strcmp(seen->id, sample->id) != 0)
            continue;
        if (stored_ms - seen->seen_ms < fold_options.limits.id_memory_ms)
            return true;
        seen->seen_ms = stored_ms;
        return false;
    }
    model->ids = grown(model->ids, model->id_count, sizeof *model->ids);
    struct model_seen *seen = &model->ids[model->id_count++];
    strcpy(seen->key, sample->key);
    strcpy(seen->id, sample->id);
    seen->seen_ms = stored_ms;
    return false;
}

void model_apply(struct model *model, int64_t stored_ms, const struct message *message)
{
    bool seen = model_batch_seen(model, message);
    for (size_t i = 0; i < message->count; i++) {
        const struct sample *sample = &message->samples[i];
        model->accepted++;
        if (seen || model_id_seen(model, sample, stored_ms)) {
            model->duplicate++;
            continue;
        }
        model->folded++;
        model_add(model, STORE_HOURS, sample, hf_hour_of(sample->time_ms));
        model_add(model, STORE_MINUTES, sample, hf_minute_of(sample->time_ms));
        if ((hf_hour_of(sample->time_ms) + 1) * HF_HOUR_MS <= stored_ms)
            model->late++;
    }
}

static void check_cell(const struct model_cell *cell)
{
    struct hf_buf expected = {0}, stored = {0};
    struct store_read *read = begin_read();
    assert_int_equal(cell_encode(cell->cell, &expected), HF_OK);
    assert_int_equal(store_read_cell(read, cell->table, cell->key, strlen(cell->key), cell->slot, &stored), HF_OK);
    assert_true_of(stored.len == expected.len && memcmp(stored.data, expected.data, stored.len) == 0,
                   "%s %s %u differs", cell->table == STORE_HOURS ? "hour" : "minute", cell->key, cell->slot);
    store_read_end(&read);
    hf_buf_free(&expected);
    hf_buf_free(&stored);
}

static bool count_cell(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    (void)key, (void)key_bytes, (void)slot, (void)bytes, (void)len;
    ++*(size_t *)context;
    return true;
}

static bool count_key(void *context, const char *key, size_t key_bytes)
{
    (void)key, (void)key_bytes;
    ++*(size_t *)context;
    return true;
}

void model_check(struct model *model)
{
    for (size_t i = 0; i < model->cell_count; i++)
        check_cell(&model->cells[i]);
    size_t cells = 0, keys = 0;
    struct store_read *read = begin_read();
    assert_int_equal(store_read_cells(read, STORE_HOURS, 0, "", 0, UINT32_MAX, count_cell, &cells), HF_OK);
    assert_int_equal(store_read_cells(read, STORE_MINUTES, 0, "", 0, UINT32_MAX, count_cell, &cells), HF_OK);
    assert_int_equal(store_read_keys(read, "", "", count_key, &keys), HF_OK);
    store_read_end(&read);
    assert_int_equal(cells, model->cell_count);

    struct store_status status = stored_status();
    assert_int_equal(status.keys, keys);
    assert_int_equal(status.accepted, model->accepted);
    assert_int_equal(status.folded, model->folded);
    assert_int_equal(status.duplicate, model->duplicate);
    assert_int_equal(status.late, model->late);
    assert_int_equal(status.accepted, status.folded + status.duplicate);
}

uint64_t model_duplicates(const struct model *model) { return model->duplicate; }

uint64_t random_below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}
