/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/render.h"

#include <inttypes.h>

#include "base/utc.h"

#define END_OF_LINE "\r\n"

void render_rows_begin(const struct query_path *path, struct hf_buf *out)
{
    hf_buf_puts(out, path->format == PATH_CSV ? "time,key,value,count" END_OF_LINE : "[");
}

void render_rows_end(const struct query_path *path, struct hf_buf *out)
{
    if (path->format != PATH_CSV)
        hf_buf_puts(out, "]\n");
}

const char *render_slot_time(const struct query_path *path, const struct slot *slot, char text[HF_UTC_TEXT])
{
    return *path->tz == '\0' ? hf_format_utc(slot->start_ms, text) : hf_format_local(slot->start_ms, slot->offset_ms, text);
}

static void put_csv(const char *time, const char *key, const struct cell_estimate *estimate, uint64_t count, struct hf_buf *out)
{
    hf_buf_printf(out, "%s,%s,", time, key);
    if (estimate != NULL)
        hf_buf_json_double(out, estimate->value);
    hf_buf_printf(out, ",%" PRIu64 END_OF_LINE, count);
}

void render_row(const struct query_path *path, const char *key, const struct slot *slot, const struct cell_estimate *estimate,
                uint64_t count, struct hf_buf *out)
{
    char text[HF_UTC_TEXT];
    const char *time = render_slot_time(path, slot, text);
    if (path->format == PATH_CSV) {
        put_csv(time, key, estimate, count, out);
        return;
    }
    bool first = out->len == 1; /* the bracket alone */
    hf_buf_printf(out, "%s{\"time\":\"%s\",\"key\":\"%s\",\"value\":", first ? "" : ",", time, key);
    if (estimate != NULL)
        hf_buf_json_double(out, estimate->value);
    else
        hf_buf_puts(out, "null");
    hf_buf_printf(out, ",\"count\":%" PRIu64 "}", count);
}
