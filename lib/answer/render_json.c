/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/render.h"

#include <inttypes.h>
#include <string.h>

#include "base/utc.h"

static const char *bool_text(bool v) { return v ? "true" : "false"; }

void render_number(const char *name, double v, bool known, struct hf_buf *out)
{
    hf_buf_printf(out, ",\"%s\":", name);
    if (known)
        hf_buf_json_double(out, v);
    else
        hf_buf_puts(out, "null");
}

static void put_one(const struct series_slot *slot, struct hf_buf *out)
{
    const struct cell_estimate *e = &slot->estimates[0];
    bool known = slot->count > 0;
    render_number("value", e->value, known, out);
    render_number("low", e->low, known, out);
    render_number("high", e->high, known, out);
    hf_buf_printf(out, ",\"exact\":%s,\"count\":%" PRIu64, known ? bool_text(e->exact) : "null", slot->count);
}

static void put_bounds(const struct series *series, const struct series_slot *slot, struct hf_buf *out)
{
    hf_buf_puts(out, ",\"bounds\":");
    if (slot->count == 0) {
        hf_buf_puts(out, "null");
        return;
    }
    for (size_t i = 0; i < series->stat_count; i++) {
        const struct cell_estimate *e = &slot->estimates[i];
        hf_buf_printf(out, "%s\"%s\":{\"low\":", i == 0 ? "{" : ",", series->stats[i].name);
        hf_buf_json_double(out, e->low);
        hf_buf_puts(out, ",\"high\":");
        hf_buf_json_double(out, e->high);
        hf_buf_printf(out, ",\"exact\":%s}", bool_text(e->exact));
    }
    hf_buf_puts(out, "}");
}

static void put_all(const struct series *series, const struct series_slot *slot, struct hf_buf *out)
{
    for (size_t i = 0; i < series->stat_count; i++)
        if (series->stats[i].kind == STAT_COUNT)
            hf_buf_printf(out, ",\"count\":%" PRIu64, slot->count);
        else
            render_number(series->stats[i].name, slot->estimates[i].value, slot->count > 0, out);
    put_bounds(series, slot, out);
}

static void put_numbers(const struct query_path *path, const struct series *series, const struct series_slot *slot,
                        struct hf_buf *out)
{
    if (path->stat.kind == STAT_ALL)
        put_all(series, slot, out);
    else
        put_one(slot, out);
    hf_buf_printf(out, ",\"complete\":%s", bool_text(slot->complete));
}

void render_time(int64_t time_ms, struct hf_buf *out)
{
    char text[HF_UTC_TEXT];
    if (time_ms == 0)
        hf_buf_puts(out, "null");
    else
        hf_buf_printf(out, "\"%s\"", hf_format_utc(time_ms, text));
}

unsigned render_hour(const struct slot *slot)
{
    return (unsigned)(((slot->start_ms + slot->offset_ms) % HF_DAY_MS + HF_DAY_MS) % HF_DAY_MS / HF_HOUR_MS);
}

/* What a slot is called: its minute; its hour, and in a zone the moment it begins too, since hours may be repeated. */
static void put_slot(const struct query_path *path, const struct slot *slot, size_t i, struct hf_buf *out)
{
    char time[HF_UTC_TEXT];
    if (path->kind == PATH_DAY)
        hf_buf_printf(out, "%s{\"hour\":%u", i == 0 ? "" : ",", render_hour(slot));
    else
        hf_buf_printf(out, "%s{\"minute\":%zu", i == 0 ? "" : ",", i);
    if (*path->tz != '\0')
        hf_buf_printf(out, ",\"time\":\"%s\"", hf_format_local(slot->start_ms, slot->offset_ms, time));
}

/* The alphabets of keys, statistics and zones hold nothing that JSON would escape. */
void render_head(const struct query_path *path, struct hf_buf *out)
{
    char date[HF_UTC_TEXT];
    hf_buf_printf(out, "{\"key\":\"%s\"", path->key);
    if (*path->stat.name != '\0')
        hf_buf_printf(out, ",\"stat\":\"%s\"", path->stat.name);
    if (path->kind != PATH_PATTERN)
        hf_buf_printf(out, ",\"date\":\"%s\"", hf_format_date(path->date_ms, date));
    if (*path->tz != '\0')
        hf_buf_printf(out, ",\"tz\":\"%s\"", path->tz);
}

void render_end(int64_t as_of_ms, struct hf_buf *out)
{
    hf_buf_puts(out, ",\"as_of\":");
    render_time(as_of_ms, out);
    hf_buf_puts(out, "}\n");
}

void render_series_json(const struct query_path *path, const struct series *series, struct hf_buf *out)
{
    bool day = path->kind == PATH_DAY;
    render_head(path, out);
    if (!day)
        hf_buf_printf(out, ",\"hour\":%u", path->hour);
    put_numbers(path, series, &series->whole, out);
    hf_buf_puts(out, ",\"as_of\":");
    render_time(series->as_of_ms, out);
    for (size_t i = 0; i < series->slot_count; i++) {
        if (i == 0)
            hf_buf_printf(out, ",\"%s\":[", day ? "hours" : "minutes");
        put_slot(path, &series->layout->list[i], i, out);
        put_numbers(path, series, &series->slots[i], out);
        hf_buf_puts(out, "}");
    }
    hf_buf_puts(out, series->slot_count > 0 ? "]}\n" : "}\n");
}

void render_keys_json(const struct keys_page *page, struct hf_buf *out)
{
    const char *at = (const char *)page->text.data;
    hf_buf_puts(out, "{\"keys\":[");
    for (size_t i = 0; i < page->count; i++, at += strlen(at) + 1) {
        hf_buf_puts(out, i == 0 ? "" : ",");
        hf_buf_json_string(out, at, strlen(at));
    }
    hf_buf_puts(out, "],\"next\":");
    if (page->more)
        hf_buf_json_string(out, page->last, strlen(page->last));
    else
        hf_buf_puts(out, "null");
    hf_buf_puts(out, "}\n");
}

void render_error(const struct sample_fault *fault, struct hf_buf *out)
{
    hf_buf_puts(out, "{\"error\":{\"code\":");
    hf_buf_json_string(out, fault->code, strlen(fault->code));
    hf_buf_puts(out, ",\"message\":");
    hf_buf_json_string(out, fault->message, strlen(fault->message));
    if (fault->parameter[0] != '\0') {
        hf_buf_puts(out, ",\"parameter\":");
        hf_buf_json_string(out, fault->parameter, strlen(fault->parameter));
    }
    hf_buf_puts(out, "}}\n");
}
