/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/checksum.h"
#include "base/utc.h"
#include "batch/batch.h"
#include "cell/cell.h"
#include "fold/fold.h"
#include "store/store.h"

#define START_MS INT64_C(1795435200000) /* 2026-11-23T12:00:00Z */
#define CREATED_NS INT64_C(1795435100000000000)
#define SUM_KEY "hourfold faults!"

enum {
    STEP_MS = 5400000, /* from one message to the next: two hours in three, so that hours expire */
    PRODUCERS = 3,
    KEYS = 24,
    SAMPLES = 90, /* of a message */
    MESSAGES = 60,
    STEADY_KEYS = 8000,
    STEADY_MESSAGES = 14,
    COMMIT_EVERY = 4,
    CHECKPOINT_EVERY = 20,
    EXPIRE_EVERY = 12,
    RETRIES = 5
};

static struct hf_buf messages[MESSAGES + 1];
static uint64_t message_count;
static enum stream_kind kind;
static struct stream_ledger *ledger;

uint64_t stream_messages(void) { return message_count; }

/* ---- messages ---- */

static int64_t stored_ms_of(uint64_t seq) { return START_MS + (int64_t)seq * (kind == STREAM_VARIED ? STEP_MS : 1); }

static void id_of(uint64_t number, char id[16]) { snprintf(id, 16, "i%llu", (unsigned long long)number); }

static void key_of(uint64_t number, char key[32]) { snprintf(key, 32, "app.web-%llu.latency", (unsigned long long)number); }

static void seal(uint64_t seq, struct sample *samples, size_t count)
{
    struct sample_list list = {.samples = samples, .count = count, .capacity = count};
    struct batch_writer *writer = batch_writer_new();
    uint64_t number = seq / PRODUCERS + 1 - (seq % 11 == 10); /* some come twice */
    if (writer == NULL || batch_add(writer, &list) != HF_OK ||
        batch_seal(writer, 77 + seq % PRODUCERS, number, &messages[seq]) != HF_OK)
        abort();
    batch_writer_free(&writer);
}

/* One in ten samples has an id, which comes again in the next message; each has its own time, some of the hour before. */
static void make_message(uint64_t seq, unsigned long long *random)
{
    static char keys[SAMPLES][32], ids[SAMPLES][16];
    static struct sample samples[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        key_of(fault_random(random) % KEYS, keys[i]);
        samples[i] = (struct sample){.key = keys[i],
                                     .key_bytes = (uint8_t)strlen(keys[i]),
                                     .value = (double)(fault_random(random) % 1000000) / 7,
                                     .time_ms = stored_ms_of(seq) - (int64_t)(fault_random(random) % HF_HOUR_MS)};
        if (i % 10 == 0) {
            id_of(seq * SAMPLES + i - (i % 20 == 0 ? SAMPLES : 0), ids[i]);
            samples[i].id = ids[i];
            samples[i].id_bytes = (uint8_t)strlen(ids[i]);
            key_of(1, keys[i]);
            samples[i].key_bytes = (uint8_t)strlen(keys[i]);
        }
    }
    seal(seq, samples, SAMPLES);
}

static void make_steady_message(uint64_t seq)
{
    static char keys[STEADY_KEYS][32];
    static struct sample samples[STEADY_KEYS];
    for (unsigned i = 0; i < STEADY_KEYS; i++) {
        key_of(i, keys[i]);
        samples[i] = (struct sample){.key = keys[i], .key_bytes = (uint8_t)strlen(keys[i]), .value = i % 100, .time_ms = START_MS};
    }
    seal(seq, samples, STEADY_KEYS);
}

void stream_prepare(enum stream_kind which)
{
    unsigned long long random = 1;
    if (sodium_init() < 0)
        abort();
    kind = which;
    message_count = kind == STREAM_VARIED ? MESSAGES : STEADY_MESSAGES;
    for (uint64_t seq = 1; seq <= message_count; seq++)
        if (kind == STREAM_VARIED)
            make_message(seq, &random);
        else
            make_steady_message(seq);
}

/* ---- what the store holds ---- */

struct contents {
    struct hf_buf bytes;
    unsigned counts[5];
    uint64_t samples; /* in the cells of the table at hand */
    bool whole;
};

static void add_up(struct contents *contents, const void *bytes, size_t len)
{
    unsigned char sum[HF_CHECKSUM_BYTES];
    hf_checksum(SUM_KEY, bytes, len, sum);
    hf_buf_put(&contents->bytes, sum, sizeof sum);
}

static bool take_cell(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    struct contents *contents = context;
    struct cell *cell;
    if (cell_decode(bytes, len, CELL_BUCKETS_MAX, &cell) != HF_OK) {
        contents->whole = false;
        return false;
    }
    contents->samples += cell_count(cell);
    cell_free(&cell);
    add_up(contents, key, key_bytes);
    add_up(contents, &slot, sizeof slot);
    add_up(contents, bytes, len);
    return true;
}

static bool take_hour(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    ((struct contents *)context)->counts[0]++;
    return take_cell(context, key, key_bytes, slot, bytes, len);
}

static bool take_minute(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    ((struct contents *)context)->counts[1]++;
    return take_cell(context, key, key_bytes, slot, bytes, len);
}

static bool take_key(void *context, const char *key, size_t key_bytes)
{
    struct contents *contents = context;
    contents->counts[2]++;
    add_up(contents, key, key_bytes);
    return true;
}

static enum hf_err take_cells(struct store_read *read, const struct store_status *status, struct contents *contents)
{
    contents->whole = true;
    contents->samples = 0;
    enum hf_err err = store_read_cells(read, STORE_MINUTES, 0, "", 0, UINT32_MAX, take_minute, contents);
    contents->samples = 0;
    if (err == HF_OK && contents->whole)
        err = store_read_cells(read, STORE_HOURS, 0, "", 0, UINT32_MAX, take_hour, contents);
    if (err != HF_OK)
        return err;
    if (!contents->whole) {
        fault_say(&ledger->board, "a cell does not decode");
        return HF_CORRUPT;
    }
    if (contents->samples + status->expired != status->folded ||
        status->accepted != status->folded + status->duplicate || status->refused != 0 || status->rewinds != 0) {
        ledger->wrong = true;
        fault_say(&ledger->board, "%llu samples in hours, %llu expired, but %llu folded, %llu duplicate, %llu accepted",
                  (unsigned long long)contents->samples, (unsigned long long)status->expired,
                  (unsigned long long)status->folded, (unsigned long long)status->duplicate,
                  (unsigned long long)status->accepted);
        return HF_CORRUPT;
    }
    return HF_OK;
}

/* Ids by their hash are the fold's own; whether they are there shows in what counts as duplicate. */
static enum hf_err take_others(struct store_read *read, struct contents *contents)
{
    struct hf_buf producer = {0};
    enum hf_err err = store_read_keys(read, "", "", take_key, contents);
    for (unsigned i = 0; i < PRODUCERS && err == HF_OK; i++) {
        hf_buf_clear(&producer);
        err = store_read_producer(read, 77 + i, &producer);
        if (err == HF_OK) {
            contents->counts[4]++;
            add_up(contents, producer.data, producer.len);
        } else if (err == HF_NOTFOUND)
            err = HF_OK;
    }
    hf_buf_free(&producer);
    return err;
}

static enum hf_err take_contents(struct store_read *read, struct contents *contents, struct store_status *status)
{
    enum hf_err err = store_read_status(read, status);
    if (err == HF_OK)
        err = take_cells(read, status, contents);
    if (err == HF_OK)
        err = take_others(read, contents);
    add_up(contents, status, sizeof *status);
    return err;
}

/* Sum up all of it. */
static bool sum_up(struct store *store)
{
    struct contents contents = {0};
    struct store_status status = {0};
    struct store_read *read = NULL;
    struct hf_why why = {""};
    unsigned char sum[HF_CHECKSUM_BYTES];
    enum hf_err err = store_read_begin(store, &read, &why);
    if (err == HF_OK)
        err = take_contents(read, &contents, &status);
    store_read_end(&read);
    hf_checksum(SUM_KEY, contents.bytes.data, contents.bytes.len, sum);
    memcpy(&ledger->sum, sum, sizeof sum);
    memcpy(ledger->counts, contents.counts, sizeof contents.counts);
    ledger->folded_to = status.position;
    hf_buf_free(&contents.bytes);
    return err == HF_OK || fault_say(&ledger->board, "reading: %s: %s", hf_strerror(err), why.text);
}

/* ---- the life of a consumer ---- */

/* What ends the consumer, to be started again. It has to say why. */
static void end_if_fatal(enum hf_err err, const struct hf_why *why)
{
    if (err != HF_OK && why->text[0] == '\0') {
        fault_say(&ledger->board, "%s, without a reason", hf_strerror(err));
        _exit(1);
    }
    if (err == HF_STALE || err == HF_IO || err == HF_BUSY) {
        fault_say(&ledger->board, "ending: %s: %s", hf_strerror(err), why->text);
        _exit(FAULT_AGAIN_CODE);
    }
}

static bool commit(struct fold *fold)
{
    enum hf_err err = HF_IO;
    struct hf_why why = {""};
    for (int tries = 0; tries < RETRIES; tries++) {
        err = fold_commit(fold, &why);
        if (err == HF_OK) {
            atomic_store(&ledger->position, fold_committed(fold)->position);
            return true;
        }
        end_if_fatal(err, &why);
        fault_mend();
    }
    return fault_say(&ledger->board, "committing: %s: %s", hf_strerror(err), why.text);
}

static bool expire(struct fold *fold)
{
    struct hf_why why = {""};
    bool more = true;
    for (int tries = 0; tries < RETRIES; tries++) {
        enum hf_err err = fold_expire(fold, &more, &why);
        if (err == HF_OK) {
            atomic_store(&ledger->position, fold_committed(fold)->position);
            if (!more)
                return true;
        }
        end_if_fatal(err, &why);
        fault_mend();
    }
    return fault_say(&ledger->board, "expiring: %s", why.text);
}

static bool keep_up(struct store *store, struct fold *fold, uint64_t seq)
{
    struct hf_why why = {""};
    if (seq % COMMIT_EVERY == 0 || kind == STREAM_STEADY) {
        if (!commit(fold))
            return false;
        if (seq % (2 * COMMIT_EVERY) == 0) /* what is not on the disk yet outlives the process all the same */
            end_if_fatal(store_sync(store, &why), &why);
    }
    if (seq % CHECKPOINT_EVERY == 0)
        end_if_fatal(store_checkpoint(store, &why), &why);
    return seq % EXPIRE_EVERY != 0 || expire(fold);
}

static bool fold_all(struct store *store, struct fold *fold)
{
    uint64_t missing, seq = fold_committed(fold)->position;
    struct hf_why why = {""};
    if (seq < atomic_load(&ledger->position))
        return fault_say(&ledger->board, "position %llu, but %llu was committed", (unsigned long long)seq,
                         (unsigned long long)atomic_load(&ledger->position));
    if (fold_attach(fold, CREATED_NS, 1, message_count, &missing) != FOLD_SAME)
        return fault_say(&ledger->board, "the stream is taken for another");
    while (++seq <= message_count) {
        enum hf_err err = fold_apply(fold, seq, stored_ms_of(seq), messages[seq].data, messages[seq].len, &why);
        end_if_fatal(err, &why);
        if (err != HF_OK)
            return fault_say(&ledger->board, "applying: %s: %s", hf_strerror(err), why.text);
        fold_advance(fold, stored_ms_of(seq));
        if (!keep_up(store, fold, seq))
            return false;
    }
    return commit(fold) && expire(fold);
}

bool stream_fold(void *context)
{
    ledger = context;
    struct store *store;
    struct fold *fold = NULL;
    struct hf_why why = {""};
    struct store_options options = {.path = ledger->path, .role = STORE_WRITER, .cache_mb = 1};
    enum hf_err err = store_open(&options, &store, &why);
    if (err != HF_OK && why.text[0] != '\0') {
        fault_say(&ledger->board, "opening: %s: %s", hf_strerror(err), why.text);
        _exit(FAULT_AGAIN_CODE);
    }
    end_if_fatal(err, &why);
    atomic_store(&ledger->open_calls, atomic_load(&ledger->board.calls));
    struct fold_options fold_options = {
        .store = store,
        .hour_buckets = 2048,
        .cache_bytes = 1 << 16,
        .limits = {.id_memory_ms = 3 * HF_HOUR_MS, .minute_days = 1, .hour_days = 2, .max_keys = 100000}};
    err = fold_open(&fold_options, &fold, &why);
    end_if_fatal(err, &why);
    bool good = err == HF_OK ? fold_all(store, fold) : fault_say(&ledger->board, "%s", why.text);
    fold_free(&fold);
    good = good && sum_up(store) && (ledger->folded_to == message_count || fault_say(&ledger->board, "not all is folded"));
    store_close(&store);
    return good;
}

bool stream_look(void *context)
{
    ledger = context;
    struct store *store;
    struct hf_why why = {""};
    struct store_options options = {.path = ledger->path, .role = STORE_READER, .cache_mb = 1};
    enum hf_err err = store_open(&options, &store, &why);
    if (err != HF_OK && why.text[0] != '\0' && atomic_load(&ledger->open_calls) == 0)
        return true; /* it was never finished */
    if (err != HF_OK)
        return fault_say(&ledger->board, "opening to read: %s: %s", hf_strerror(err), why.text);
    bool good = sum_up(store);
    if (good && ledger->folded_to < atomic_load(&ledger->position))
        good = fault_say(&ledger->board, "position %llu, but %llu was committed", (unsigned long long)ledger->folded_to,
                         (unsigned long long)atomic_load(&ledger->position));
    store_close(&store);
    return good;
}
