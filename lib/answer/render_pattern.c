/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/render.h"

#include <inttypes.h>

#include "base/utc.h"

#define END_OF_LINE "\r\n"

static const char *bool_text(bool v) { return v ? "true" : "false"; }

/* When the hours begin and end, each in the offset of its own time; null where there are none. */
static void put_range(const struct query_path *path, const struct slots *slots, struct hf_buf *out)
{
    char text[HF_UTC_TEXT];
    if (slots->count == 0) {
        hf_buf_puts(out, ",\"from\":null,\"to\":null");
        return;
    }
    struct slot end = slots->list[slots->count - 1];
    end.start_ms = slot_end_ms(&end);
    hf_buf_printf(out, ",\"from\":\"%s\"", render_slot_time(path, &slots->list[0], text));
    hf_buf_printf(out, ",\"to\":\"%s\"", render_slot_time(path, &end, text));
}

void render_pattern_begin(const struct query_path *path, const struct slots *slots, bool complete, struct hf_buf *out)
{
    if (path->format == PATH_CSV) {
        hf_buf_puts(out, "key,stat,weekday,hour,value,low,high,exact,count,slots" END_OF_LINE);
        return;
    }
    render_head(path, out);
    put_range(path, slots, out);
    hf_buf_printf(out, ",\"complete\":%s,\"hours\":[", bool_text(complete));
}

static void put_csv(const struct query_path *path, const struct pattern_hour *hour, struct hf_buf *out)
{
    hf_buf_printf(out, "%s,%s,%u,%u,", path->key, path->stat.name, hour->weekday, hour->hour);
    if (hour->count > 0) {
        hf_buf_json_double(out, hour->estimate->value);
        hf_buf_puts(out, ",");
        hf_buf_json_double(out, hour->estimate->low);
        hf_buf_puts(out, ",");
        hf_buf_json_double(out, hour->estimate->high);
        hf_buf_printf(out, ",%s", bool_text(hour->estimate->exact));
    } else
        hf_buf_puts(out, ",,,");
    hf_buf_printf(out, ",%" PRIu64 ",%zu" END_OF_LINE, hour->count, hour->slots);
}

void render_pattern_hour(const struct query_path *path, const struct pattern_hour *hour, struct hf_buf *out)
{
    if (path->format == PATH_CSV) {
        put_csv(path, hour, out);
        return;
    }
    bool first = hour->weekday == 1 && hour->hour == 0;
    hf_buf_printf(out, "%s{\"weekday\":%u,\"hour\":%u,\"value\":", first ? "" : ",", hour->weekday, hour->hour);
    if (hour->count > 0) {
        hf_buf_json_double(out, hour->estimate->value);
        hf_buf_puts(out, ",\"low\":");
        hf_buf_json_double(out, hour->estimate->low);
        hf_buf_puts(out, ",\"high\":");
        hf_buf_json_double(out, hour->estimate->high);
        hf_buf_printf(out, ",\"exact\":%s", bool_text(hour->estimate->exact));
    } else
        hf_buf_puts(out, "null,\"low\":null,\"high\":null,\"exact\":null");
    hf_buf_printf(out, ",\"count\":%" PRIu64 ",\"slots\":%zu}", hour->count, hour->slots);
}

void render_pattern_end(const struct query_path *path, struct hf_buf *out)
{
    if (path->format != PATH_CSV)
        hf_buf_puts(out, "]");
}
