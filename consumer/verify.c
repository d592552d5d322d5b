/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recompute what must hold, and say whether it does.
 *
 * The store is read in many short reads, so that neither the consumer nor a
 * recovery waits for us. While the consumer runs, the sum over the hours is
 * therefore not that of one moment; it must lie between what was folded (less
 * what had expired) before and after. With nothing committed meanwhile the two
 * are the same, and the check is exact. An hour and its minutes are read as of
 * one moment always.
 */
#include <stdio.h>
#include <string.h>

#include "answer/stat.h"
#include "base/utc.h"
#include "cell/cell.h"
#include "sample/sample.h"
#include "tool.h"

enum { HOURS_AT_ONCE = 16, MINUTES_AT_ONCE = 512, OTHERS_AT_ONCE = 5000, FAULTS_SHOWN = 10 };

/* Where a walk over a table stands, and what it has just seen. */
struct place {
    uint32_t slot;
    char key[SAMPLE_KEY_MAX];
    size_t key_bytes;
    unsigned seen;
};

struct hour {
    char key[SAMPLE_KEY_MAX];
    size_t key_bytes;
    uint32_t slot;
    struct cell *cell; /* NULL: damaged */
};

struct verify {
    struct tool *tool;
    struct store_status before, after;
    struct store_status now; /* as of the read at hand */
    struct place place;
    struct hour hours[HOURS_AT_ONCE];
    struct cell *minutes;  /* the sum of those of one hour */
    enum hf_err err;       /* of a callback */
    struct tool_progress progress;
    uint64_t hour_cells, minute_cells, key_count;
    uint64_t samples;      /* in the hours */
    struct store_place others;
    unsigned long faults;
};

static void fault(struct verify *verify, const char *key, size_t key_bytes, uint32_t slot, int64_t slot_ms,
                  const char *what)
{
    char time[HF_UTC_TEXT];
    if (++verify->faults <= FAULTS_SHOWN)
        printf("bad: %s of %.*s at %s: %s\n", slot_ms == HF_HOUR_MS ? "hour" : "minute", (int)key_bytes, key,
               hf_format_utc((int64_t)slot * slot_ms, time), what);
}

static void say(struct verify *verify, bool good, const char *text)
{
    if (!good)
        verify->faults++;
    printf("%s: %s\n", good ? "good" : "bad", text);
}

static void move_place(struct place *place, const char *key, size_t key_bytes, uint32_t slot)
{
    memcpy(place->key, key, key_bytes);
    place->key_bytes = key_bytes;
    place->slot = slot;
    place->seen++;
}

/* ---- hours, each with its minutes ---- */

static bool take_hour(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    struct verify *verify = context;
    struct hour *hour = &verify->hours[verify->place.seen];
    *hour = (struct hour){.slot = slot, .key_bytes = key_bytes < SAMPLE_KEY_MAX ? key_bytes : SAMPLE_KEY_MAX};
    memcpy(hour->key, key, hour->key_bytes);
    enum hf_err err = cell_decode(bytes, len, CELL_BUCKETS_MAX, &hour->cell);
    if (err == HF_NOMEM) {
        verify->err = err;
        return false;
    }
    move_place(&verify->place, hour->key, hour->key_bytes, slot);
    return verify->place.seen < HOURS_AT_ONCE;
}

static bool add_minute(void *context, uint32_t slot, const void *bytes, size_t len)
{
    struct verify *verify = context;
    struct cell *minute;
    (void)slot;
    verify->err = cell_decode(bytes, len, CELL_BUCKETS_MAX, &minute);
    if (verify->err != HF_OK)
        return false;
    verify->err = cell_merge(verify->minutes, minute);
    cell_free(&minute);
    return verify->err == HF_OK;
}

/* Do two cells have the same extremes and the same exact sum? */
static bool same_figures(struct cell *a, struct cell *b)
{
    static enum hf_err (*const figures[])(struct cell *, struct cell_estimate *) = {cell_min, cell_max, cell_sum,
                                                                                   cell_stddev};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        struct cell_estimate x, y;
        if (figures[i](a, &x) != HF_OK || figures[i](b, &y) != HF_OK || x.value != y.value)
            return false;
    }
    return true;
}

static void compare_minutes(struct verify *verify, const struct hour *hour)
{
    uint64_t count = cell_count(hour->cell), minutes = cell_count(verify->minutes);
    bool whole = hour->slot >= verify->now.minutes_from;
    if (minutes > count)
        fault(verify, hour->key, hour->key_bytes, hour->slot, HF_HOUR_MS, "its minutes hold more samples than it has");
    else if (whole && minutes < count)
        fault(verify, hour->key, hour->key_bytes, hour->slot, HF_HOUR_MS, "its minutes hold fewer samples than it has");
    else if (minutes == count && !same_figures(hour->cell, verify->minutes))
        fault(verify, hour->key, hour->key_bytes, hour->slot, HF_HOUR_MS,
              "its minutes do not have its min, max, sum and stddev");
}

static enum hf_err check_hour(struct verify *verify, struct store_read *read, const struct hour *hour)
{
    if (hour->cell == NULL) {
        fault(verify, hour->key, hour->key_bytes, hour->slot, HF_HOUR_MS, "damaged");
        return HF_OK;
    }
    enum hf_err err = store_read_key(read, hour->key, hour->key_bytes, NULL);
    if (err == HF_NOTFOUND)
        fault(verify, hour->key, hour->key_bytes, hour->slot, HF_HOUR_MS, "its key is not in the list of keys");
    else if (err != HF_OK)
        return err;
    verify->minutes = cell_new(CELL_MINUTE_BUCKETS);
    if (verify->minutes == NULL)
        return HF_NOMEM;
    err = store_read_range(read, STORE_MINUTES, hour->key, hour->key_bytes, hour->slot * 60, hour->slot * 60 + 59,
                           add_minute, verify);
    if (err == HF_OK && verify->err == HF_OK)
        compare_minutes(verify, hour);
    else if (err == HF_OK && verify->err == HF_INVALID)
        verify->err = HF_OK; /* the walk over the minutes tells which */
    cell_free(&verify->minutes);
    return err == HF_OK ? verify->err : err;
}

static enum hf_err read_hours(void *context, struct store_read *read)
{
    struct verify *verify = context;
    const struct place start = verify->place;
    unsigned long faults = verify->faults;
    verify->place.seen = 0;
    enum hf_err err = store_read_status(read, &verify->now);
    if (err == HF_OK)
        err = store_read_cells(read, STORE_HOURS, start.slot, start.key, start.key_bytes, UINT32_MAX, take_hour,
                               verify);
    if (err == HF_OK)
        err = verify->err;
    uint64_t samples = 0;
    for (unsigned i = 0; i < verify->place.seen; i++) {
        struct hour *hour = &verify->hours[i];
        if (err == HF_OK)
            err = check_hour(verify, read, hour);
        samples += hour->cell == NULL ? 0 : cell_count(hour->cell);
        cell_free(&hour->cell);
    }
    if (err == HF_OK) {
        verify->hour_cells += verify->place.seen;
        verify->samples += samples;
        return HF_OK;
    }
    /* It may be begun anew: then from the same place. */
    unsigned seen = verify->place.seen;
    verify->place = start;
    verify->place.seen = seen;
    verify->faults = faults;
    return err;
}

/* ---- minutes ---- */

static bool take_minute(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    struct verify *verify = context;
    struct cell *cell = NULL;
    enum hf_err err = cell_decode(bytes, len, CELL_BUCKETS_MAX, &cell);
    cell_free(&cell);
    if (err == HF_NOMEM) {
        verify->err = err;
        return false;
    }
    key_bytes = key_bytes < SAMPLE_KEY_MAX ? key_bytes : SAMPLE_KEY_MAX;
    if (err != HF_OK)
        fault(verify, key, key_bytes, slot, HF_MINUTE_MS, "damaged");
    move_place(&verify->place, key, key_bytes, slot);
    verify->minute_cells++;
    return verify->place.seen < MINUTES_AT_ONCE;
}

static enum hf_err read_minutes(void *context, struct store_read *read)
{
    struct verify *verify = context;
    verify->place.seen = 0;
    enum hf_err err = store_read_cells(read, STORE_MINUTES, verify->place.slot, verify->place.key,
                                       verify->place.key_bytes, UINT32_MAX, take_minute, verify);
    return err == HF_OK ? verify->err : err;
}

/* ---- ids and producers ---- */

static enum hf_err read_others(void *context, struct store_read *read)
{
    struct verify *verify = context;
    return store_read_others(read, OTHERS_AT_ONCE, &verify->others);
}

static enum hf_err walk_others(struct verify *verify, struct hf_why *why)
{
    enum hf_err err;
    do {
        err = tool_read(verify->tool, read_others, verify, why);
        tool_progress(&verify->progress, verify->others.ids, "ids checked");
    } while (err == HF_OK && !verify->others.end);
    tool_progress_end(&verify->progress);
    return err;
}

/* ---- the whole ---- */

static enum hf_err walk(struct verify *verify, tool_read_fn read_in, unsigned at_once, const uint64_t *count,
                        const char *what, struct hf_why *why)
{
    verify->place = (struct place){0};
    enum hf_err err;
    do {
        err = tool_read(verify->tool, read_in, verify, why);
        tool_progress(&verify->progress, *count, what);
    } while (err == HF_OK && verify->place.seen == at_once);
    tool_progress_end(&verify->progress);
    return err;
}

static enum hf_err count_key(void *context, const char *key, size_t key_bytes)
{
    struct verify *verify = context;
    (void)key, (void)key_bytes;
    verify->key_count++;
    return HF_OK;
}

static enum hf_err read_status(void *context, struct store_read *read)
{
    return store_read_status(read, context);
}

static enum hf_err read_everything(struct verify *verify, struct hf_why *why)
{
    enum hf_err err = tool_read(verify->tool, read_status, &verify->before, why);
    if (err == HF_OK)
        err = walk(verify, read_hours, HOURS_AT_ONCE, &verify->hour_cells, "hours checked", why);
    if (err == HF_OK)
        err = walk(verify, read_minutes, MINUTES_AT_ONCE, &verify->minute_cells, "minutes checked", why);
    if (err == HF_OK)
        err = walk_others(verify, why);
    if (err == HF_OK)
        err = tool_each_key(verify->tool, NULL, count_key, verify, why);
    if (err == HF_OK)
        err = tool_read(verify->tool, read_status, &verify->after, why);
    return err;
}

static void conclude(struct verify *verify)
{
    const struct store_status *before = &verify->before, *after = &verify->after;
    char text[512], time[HF_UTC_TEXT];
    snprintf(text, sizeof text, "accepted %llu = folded %llu + duplicate %llu", (unsigned long long)after->accepted,
             (unsigned long long)after->folded, (unsigned long long)after->duplicate);
    say(verify, after->accepted == after->folded + after->duplicate, text);

    bool quiet = before->position == after->position && before->expired == after->expired;
    snprintf(text, sizeof text, "folded %llu = %llu in %llu hours%s + expired %llu%s", (unsigned long long)after->folded,
             (unsigned long long)verify->samples, (unsigned long long)verify->hour_cells, quiet ? "" : " (about)",
             (unsigned long long)after->expired, quiet ? "" : ", as far as can be told while samples arrive");
    say(verify, verify->samples + after->expired >= before->folded && verify->samples + before->expired <= after->folded,
        text);

    snprintf(text, sizeof text, "keys %llu, listed %llu", (unsigned long long)after->keys,
             (unsigned long long)verify->key_count);
    say(verify, verify->key_count >= before->keys && verify->key_count <= after->keys, text);

    if (verify->faults > FAULTS_SHOWN)
        printf("%lu faults in all\n", verify->faults);
    printf("%s: %llu hours, %llu minutes, %llu ids and %llu producers were read, as of %s\n",
           verify->faults == 0 ? "the store is consistent" : "THE STORE IS DAMAGED", (unsigned long long)verify->hour_cells, (unsigned long long)verify->minute_cells,
           (unsigned long long)verify->others.ids, (unsigned long long)verify->others.producer_count,
           after->as_of_ms == 0 ? "its beginning" : hf_format_utc(after->as_of_ms, time));
}

int tool_verify(struct tool *tool, struct store_status *status)
{
    struct hf_why why = {""};
    struct verify verify = {.tool = tool};
    tool->consistent = true;
    enum hf_err err = read_everything(&verify, &why);
    if (err != HF_OK)
        return tool_store_failed(tool, err, &why);
    conclude(&verify);
    if (status != NULL)
        *status = verify.after;
    return verify.faults == 0 ? CLI_DONE : CLI_FAILED;
}

static int run(struct tool *tool)
{
    int code = tool_open_store(tool);
    return code >= 0 ? code : tool_verify(tool, NULL);
}

const struct tool_command verify_command = {
    .name = "verify",
    .operand = "",
    .summary = "recompute the counters from the histograms and say whether they agree",
    .text = "Read all of the store. Check that every histogram is whole, that accepted = folded + duplicate, that folded is what\n"
            "the hours hold and what has expired of them, and that the minutes of an hour add up to it. Exit with 1\n"
            "when anything does not. It can run beside the consumer; the sums are exact when no samples arrive.\n",
    .needs_conf = true,
    .run = run,
};
