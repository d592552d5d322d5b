/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each cell. A key without wildcards is read by its own slots;
 * anything else is a walk over the table from slot to slot.
 */
#include <stdio.h>
#include <string.h>

#include "access/access.h"
#include "answer/stat.h"
#include "base/utc.h"
#include "sample/sample.h"
#include "tool.h"

enum { FORMAT, FROM, TO, MINUTES }; /* the options, in the order of the table below */
enum { CELLS_AT_ONCE = 256 };       /* of one read */

static const char *const columns[] = {"count", "min", "max", "average", "median", "p90", "p99", "sum", "stddev"};
#define COLUMN_COUNT (sizeof columns / sizeof *columns)

struct export {
    struct tool *tool;
    bool csv;
    enum store_table table;
    int64_t slot_ms;
    uint32_t first, last; /* slots to come */
    struct stat_spec stats[COLUMN_COUNT];
    const char *pattern; /* NULL: all */
    char after[SAMPLE_KEY_MAX + 1]; /* of the slot `first`, this key was the last seen; "" none */
    size_t after_bytes;
    struct hf_buf lines;
    unsigned seen;   /* cells of this read, matching or not */
    uint64_t cells;
    enum hf_err err; /* of one cell */
    char fault[HF_WHY_BYTES];
};

/* ---- a line ---- */

static void write_head(struct export *export, const char *key, size_t key_bytes, uint32_t slot)
{
    char time[HF_UTC_TEXT];
    hf_format_utc((int64_t)slot * export->slot_ms, time);
    if (export->csv) {
        hf_buf_put(&export->lines, key, key_bytes); /* no byte of a key needs quoting */
        hf_buf_printf(&export->lines, ",%s", time);
        return;
    }
    hf_buf_puts(&export->lines, "{\"key\":");
    hf_buf_json_string(&export->lines, key, key_bytes);
    hf_buf_printf(&export->lines, ",\"time\":\"%s\"", time);
}

static enum hf_err write_line(struct export *export, const char *key, size_t key_bytes, uint32_t slot,
                              struct cell *cell)
{
    write_head(export, key, key_bytes, slot);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        struct cell_estimate estimate;
        enum hf_err err = stat_of_cell(&export->stats[i], cell, (unsigned)(export->slot_ms / 1000), &estimate);
        if (err != HF_OK)
            return err;
        if (export->csv)
            hf_buf_u8(&export->lines, ',');
        else
            hf_buf_printf(&export->lines, ",\"%s\":", columns[i]);
        if (i == 0)
            hf_buf_printf(&export->lines, "%llu", (unsigned long long)cell_count(cell));
        else
            hf_buf_json_double(&export->lines, estimate.value);
    }
    hf_buf_puts(&export->lines, export->csv ? "\n" : "}\n");
    return hf_buf_ok(&export->lines) ? HF_OK : HF_NOMEM;
}

static enum hf_err write_cell(struct export *export, const char *key, size_t key_bytes, uint32_t slot,
                              const void *bytes, size_t len)
{
    struct cell *cell;
    enum hf_err err = cell_decode(bytes, len, CELL_BUCKETS_MAX, &cell);
    if (err == HF_OK) {
        err = write_line(export, key, key_bytes, slot, cell);
        cell_free(&cell);
    }
    if (err != HF_INVALID)
        return err;
    snprintf(export->fault, sizeof export->fault, "the cell of %.*s at slot %lu is damaged", (int)key_bytes, key,
             (unsigned long)slot);
    return HF_CORRUPT;
}

/* ---- reading ---- */

/* Take one cell and note that it was. False when the read has seen enough. */
static bool take(struct export *export, const char *key, size_t key_bytes, uint32_t slot, const void *bytes,
                 size_t len, bool wanted)
{
    if (wanted) {
        export->err = write_cell(export, key, key_bytes, slot, bytes, len);
        if (export->err != HF_OK)
            return false;
        export->cells++;
    }
    export->first = slot;
    memcpy(export->after, key, key_bytes);
    export->after_bytes = key_bytes;
    return ++export->seen < CELLS_AT_ONCE;
}

static bool take_any(void *context, const char *key, size_t key_bytes, uint32_t slot, const void *bytes, size_t len)
{
    struct export *export = context;
    if (key_bytes > SAMPLE_KEY_MAX)
        return true;
    bool wanted = export->pattern == NULL || access_glob(export->pattern, strlen(export->pattern), key, key_bytes);
    return take(export, key, key_bytes, slot, bytes, len, wanted);
}

static bool take_own(void *context, uint32_t slot, const void *bytes, size_t len)
{
    struct export *export = context;
    return take(export, export->pattern, strlen(export->pattern), slot, bytes, len, true);
}

/* Cells after the last one seen. A read that has to be begun anew goes on there too: nothing comes twice. */
static enum hf_err read_any(void *context, struct store_read *read)
{
    struct export *export = context;
    return store_read_cells(read, export->table, export->first, export->after, export->after_bytes, export->last,
                            take_any, export);
}

static enum hf_err read_own(void *context, struct store_read *read)
{
    struct export *export = context;
    uint32_t first = export->first;
    if (export->after_bytes > 0 && first++ == UINT32_MAX)
        return HF_OK;
    return store_read_range(read, export->table, export->pattern, strlen(export->pattern), first, export->last,
                            take_own, export);
}

static enum hf_err export_all(struct export *export, struct hf_why *why)
{
    struct tool_progress progress = {0};
    bool own = export->pattern != NULL && strpbrk(export->pattern, "*?") == NULL;
    enum hf_err err = HF_OK;
    if (own && strlen(export->pattern) > SAMPLE_KEY_MAX)
        return HF_OK;
    do {
        export->seen = 0;
        err = tool_read(export->tool, own ? read_own : read_any, export, why);
        if (err == HF_OK)
            err = export->err;
        if (err == HF_OK)
            err = tool_print(&export->lines);
        tool_progress(&progress, export->cells, "cells");
    } while (err == HF_OK && export->seen >= CELLS_AT_ONCE);
    tool_progress_end(&progress);
    return err;
}

/* ---- options ---- */

/* A date, RFC 3339, or Unix seconds. */
static int read_time(const struct tool *tool, int option, int64_t *time_ms)
{
    const char *text = tool->values[option];
    if (text == NULL || hf_parse_date(text, strlen(text), time_ms) == HF_OK ||
        sample_parse_time(text, strlen(text), time_ms) == HF_OK)
        return -1;
    return tool_fail(tool, CLI_USAGE,
                     "%s is a date (2026-11-23), a time (2026-11-23T18:00:00Z) or Unix seconds, not \"%s\"",
                     tool->command->options[option].name, text);
}

static int read_options(struct export *export)
{
    struct tool *tool = export->tool;
    const char *format = tool->values[FORMAT];
    if (format != NULL && strcmp(format, "jsonl") != 0 && strcmp(format, "csv") != 0)
        return tool_fail(tool, CLI_USAGE, "--format is jsonl or csv, not \"%s\"", format);
    export->csv = format != NULL && strcmp(format, "csv") == 0;
    export->table = tool->values[MINUTES] != NULL ? STORE_MINUTES : STORE_HOURS;
    export->slot_ms = export->table == STORE_MINUTES ? HF_MINUTE_MS : HF_HOUR_MS;
    export->pattern = tool->operand;

    int64_t from_ms = 0, to_ms = HF_UTC_MAX_MS;
    int code = read_time(tool, FROM, &from_ms);
    if (code < 0)
        code = read_time(tool, TO, &to_ms);
    if (code < 0 && (to_ms <= from_ms || to_ms <= 0))
        code = tool_fail(tool, CLI_USAGE, "--to must lie after --from, and after 1970");
    if (code >= 0)
        return code;
    from_ms = from_ms < 0 ? 0 : from_ms;
    export->first = (uint32_t)((from_ms + export->slot_ms - 1) / export->slot_ms);
    export->last = (uint32_t)((to_ms - 1) / export->slot_ms);
    return -1;
}

static int run(struct tool *tool)
{
    struct hf_why why = {""};
    struct export export = {.tool = tool};
    int code = read_options(&export);
    if (code < 0)
        code = tool_open_store(tool);
    if (code >= 0)
        return code;
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (stat_parse(columns[i], strlen(columns[i]), &export.stats[i]) != HF_OK)
            return tool_fail(tool, CLI_FAILED, "no statistic is called %s", columns[i]);
    if (export.csv) {
        printf("key,time");
        for (size_t i = 0; i < COLUMN_COUNT; i++)
            printf(",%s", columns[i]);
        printf("\n");
    }
    enum hf_err err = export_all(&export, &why);
    hf_buf_free(&export.lines);
    if (export.fault[0] != '\0')
        return tool_fail(tool, CLI_FAILED, "%s", export.fault);
    return err == HF_OK ? CLI_DONE : tool_store_failed(tool, err, &why);
}

const struct tool_command export_command = {
    .name = "export",
    .operand = "[PATTERN]",
    .summary = "print the statistics of every key and hour as JSON lines or CSV",
    .text = "Print one line for each key and hour that has samples: the key, the time at which the hour began,\n"
            "count, min, max, average, median, p90, p99, sum and stddev. PATTERN restricts the keys: * stands for\n"
            "any run of bytes, ? for one. Lines are in order of time, then key.\n",
    .options = {{"--format", "FORMAT", "jsonl (the default) or csv"},
                {"--from", "TIME", "hours that begin at this time or later: a date, RFC 3339, or Unix seconds"},
                {"--to", "TIME", "hours that begin before this time"},
                {"--minutes", NULL, "minutes in place of hours"}},
    .needs_conf = true,
    .run = run,
};
