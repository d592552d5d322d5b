/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/render.h"

#include <inttypes.h>
#include <string.h>

#include "base/utc.h"

#define END_OF_LINE "\r\n"

/* No field needs quotes: keys, names, numbers and times hold no comma, quote or line end. */

void render_field(double v, bool known, struct hf_buf *out)
{
    hf_buf_puts(out, ",");
    if (known)
        hf_buf_json_double(out, v);
}

static void put_header(const struct query_path *path, const struct series *series, struct hf_buf *out)
{
    hf_buf_printf(out, "key,stat,date,hour%s%s", path->by_minute ? ",minute" : "", *path->tz != '\0' ? ",time" : "");
    if (path->stat.kind == STAT_ALL) {
        for (size_t i = 0; i < series->stat_count; i++)
            hf_buf_printf(out, ",%s", series->stats[i].name);
        for (size_t i = 0; i < series->stat_count; i++)
            hf_buf_printf(out, ",%s_low,%s_high", series->stats[i].name, series->stats[i].name);
    } else
        hf_buf_puts(out, ",value,low,high,exact,count");
    hf_buf_puts(out, ",complete,as_of" END_OF_LINE);
}

static void put_one(const struct series_slot *slot, struct hf_buf *out)
{
    const struct cell_estimate *e = &slot->estimates[0];
    bool known = slot->count > 0;
    render_field(e->value, known, out);
    render_field(e->low, known, out);
    render_field(e->high, known, out);
    hf_buf_printf(out, ",%s,%" PRIu64, !known ? "" : e->exact ? "true" : "false", slot->count);
}

static void put_all(const struct series *series, const struct series_slot *slot, struct hf_buf *out)
{
    bool known = slot->count > 0;
    for (size_t i = 0; i < series->stat_count; i++)
        if (series->stats[i].kind == STAT_COUNT)
            hf_buf_printf(out, ",%" PRIu64, slot->count);
        else
            render_field(slot->estimates[i].value, known, out);
    for (size_t i = 0; i < series->stat_count; i++) {
        render_field(slot->estimates[i].low, known, out);
        render_field(slot->estimates[i].high, known, out);
    }
}

static void put_row(const struct query_path *path, const struct series *series, unsigned hour, size_t index,
                    const struct series_slot *slot, struct hf_buf *out)
{
    char text[HF_UTC_TEXT];
    hf_buf_printf(out, "%s,%s,%s,%u", path->key, path->stat.name, hf_format_date(path->date_ms, text), hour);
    if (path->by_minute)
        hf_buf_printf(out, ",%zu", index);
    if (*path->tz != '\0')
        hf_buf_printf(out, ",%s", hf_format_local(series->layout->list[index].start_ms, series->layout->list[index].offset_ms, text));
    if (path->stat.kind == STAT_ALL)
        put_all(series, slot, out);
    else
        put_one(slot, out);
    hf_buf_printf(out, ",%s,%s" END_OF_LINE, slot->complete ? "true" : "false",
                  series->as_of_ms == 0 ? "" : hf_format_utc(series->as_of_ms, text));
}

void render_series_csv(const struct query_path *path, const struct series *series, struct hf_buf *out)
{
    put_header(path, series, out);
    if (series->slot_count == 0)
        put_row(path, series, path->hour, 0, &series->whole, out);
    for (size_t i = 0; i < series->slot_count; i++)
        put_row(path, series, path->kind == PATH_HOUR ? path->hour : render_hour(&series->layout->list[i]), i, &series->slots[i], out);
}

void render_keys_csv(const struct keys_page *page, struct hf_buf *out)
{
    const char *at = (const char *)page->text.data;
    hf_buf_puts(out, "key" END_OF_LINE);
    for (size_t i = 0; i < page->count; i++, at += strlen(at) + 1) {
        hf_buf_puts(out, at);
        hf_buf_puts(out, END_OF_LINE);
    }
}
