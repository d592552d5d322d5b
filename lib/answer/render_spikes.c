/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/render.h"

#include <inttypes.h>

#include "answer/spikes.h"
#include "base/utc.h"

#define END_OF_LINE "\r\n"
#define NEIGHBOURS 2u /* minutes before and after */

/* By which of the two a minute stands out more. */
static const struct spike_minute *foremost(const struct spike_day *day, size_t i)
{
    return day->p99[i].score > day->max[i].score ? &day->p99[i] : &day->max[i];
}

static void put_neighbours(const struct query_path *path, const struct spike_day *day, size_t i, struct hf_buf *out)
{
    size_t begin = i > NEIGHBOURS ? i - NEIGHBOURS : 0, end = i + NEIGHBOURS + 1;
    const char *comma = "";
    hf_buf_puts(out, ",\"neighbours\":[");
    for (size_t j = begin; j < end && j < day->slots->count; j++) {
        char time[HF_UTC_TEXT];
        if (j == i)
            continue;
        hf_buf_printf(out, "%s{\"time\":\"%s\",\"count\":%" PRIu64, comma,
                      render_slot_time(path, &day->slots->list[j], time), day->max[j].count);
        render_number("max", day->max[j].value, day->max[j].count > 0, out);
        render_number("p99", day->p99[j].value, day->max[j].count > 0, out);
        hf_buf_puts(out, "}");
        comma = ",";
    }
    hf_buf_puts(out, "]");
}

static void put_spike(const struct query_path *path, const struct spike_day *day, size_t i, struct hf_buf *out)
{
    char time[HF_UTC_TEXT];
    const struct spike_minute *max = &day->max[i], *p99 = &day->p99[i], *first = foremost(day, i);
    hf_buf_printf(out, "{\"time\":\"%s\",\"stat\":\"%s\"", render_slot_time(path, &day->slots->list[i], time),
                  first == max ? "max" : "p99");
    render_number("value", first->value, true, out);
    render_number("baseline", first->baseline, true, out);
    render_number("size", first->value - first->baseline, true, out);
    render_number("score", first->score, true, out);
    hf_buf_printf(out, ",\"count\":%" PRIu64, max->count);
    render_number("max", max->value, true, out);
    render_number("max_baseline", max->baseline, true, out);
    render_number("max_score", max->score, true, out);
    render_number("p99", p99->value, true, out);
    render_number("p99_baseline", p99->baseline, p99->count > 0, out);
    render_number("p99_score", p99->score, p99->count > 0, out);
    put_neighbours(path, day, i, out);
    hf_buf_puts(out, "}");
}

void render_spikes_json(const struct query_path *path, const struct spike_day *day, bool complete, struct hf_buf *out)
{
    const char *comma = "";
    render_head(path, out);
    hf_buf_printf(out, ",\"minutes\":%zu,\"complete\":%s,\"spikes\":[", day->filled, complete ? "true" : "false");
    for (size_t i = 0; i < day->slots->count; i++)
        if (foremost(day, i)->score > 1) {
            hf_buf_puts(out, comma);
            put_spike(path, day, i, out);
            comma = ",";
        }
    hf_buf_puts(out, "]");
}

static void put_row(const struct query_path *path, const struct spike_day *day, size_t i, struct hf_buf *out)
{
    char time[HF_UTC_TEXT];
    const struct spike_minute *max = &day->max[i], *p99 = &day->p99[i], *first = foremost(day, i);
    hf_buf_printf(out, "%s,%s,%s", render_slot_time(path, &day->slots->list[i], time), path->key, first == max ? "max" : "p99");
    render_field(first->value, true, out);
    render_field(first->baseline, true, out);
    render_field(first->value - first->baseline, true, out);
    render_field(first->score, true, out);
    hf_buf_printf(out, ",%" PRIu64, max->count);
    render_field(max->value, true, out);
    render_field(max->baseline, true, out);
    render_field(max->score, true, out);
    render_field(p99->value, true, out);
    render_field(p99->baseline, p99->count > 0, out);
    render_field(p99->score, p99->count > 0, out);
    hf_buf_puts(out, END_OF_LINE);
}

void render_spikes_csv(const struct query_path *path, const struct spike_day *day, struct hf_buf *out)
{
    hf_buf_puts(out, "time,key,stat,value,baseline,size,score,count,max,max_baseline,max_score,p99,p99_baseline,p99_score" END_OF_LINE);
    for (size_t i = 0; i < day->slots->count; i++)
        if (foremost(day, i)->score > 1)
            put_row(path, day, i, out);
}
