/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/render.h"

#include <inttypes.h>

#include "base/utc.h"

#define END_OF_LINE "\r\n"

static void put_hour(const struct query_path *path, const struct heatmap *map, size_t i, struct hf_buf *out)
{
    const struct slot *slot = &map->slots->list[i];
    const struct heatmap_hour *hour = &map->hours[i];
    char time[HF_UTC_TEXT];
    hf_buf_printf(out, "%s{\"hour\":%u,\"time\":\"%s\",\"count\":%" PRIu64 ",\"uncertain\":%" PRIu64 ",\"counts\":[", i == 0 ? "" : ",",
                  render_hour(slot), render_slot_time(path, slot, time), hour->cell == NULL ? 0 : cell_count(hour->cell),
                  hour->uncertain);
    for (size_t band = 0; band < map->bands.count; band++)
        hf_buf_printf(out, "%s%" PRIu64, band == 0 ? "" : ",", hour->counts[band]);
    hf_buf_puts(out, "]}");
}

void render_heatmap_json(const struct query_path *path, const struct heatmap *map, bool complete, struct hf_buf *out)
{
    render_head(path, out);
    hf_buf_printf(out, ",\"count\":%" PRIu64 ",\"complete\":%s,\"scale\":\"%s\",\"edges\":[", map->count,
                  complete ? "true" : "false", map->bands.log ? "log" : "linear");
    for (size_t i = 0; map->bands.count > 0 && i <= map->bands.count; i++) {
        hf_buf_puts(out, i == 0 ? "" : ",");
        hf_buf_json_double(out, map->bands.edges[i]);
    }
    hf_buf_puts(out, "],\"hours\":[");
    for (size_t i = 0; i < map->slots->count; i++)
        put_hour(path, map, i, out);
    hf_buf_puts(out, "]");
}

void render_heatmap_csv(const struct query_path *path, const struct heatmap *map, struct hf_buf *out)
{
    hf_buf_puts(out, "time,key,hour,from,to,count" END_OF_LINE);
    for (size_t i = 0; i < map->slots->count; i++)
        for (size_t band = 0; band < map->bands.count; band++) {
            char time[HF_UTC_TEXT];
            hf_buf_printf(out, "%s,%s,%u,", render_slot_time(path, &map->slots->list[i], time), path->key,
                          render_hour(&map->slots->list[i]));
            hf_buf_json_double(out, map->bands.edges[band]);
            hf_buf_puts(out, ",");
            hf_buf_json_double(out, map->bands.edges[band + 1]);
            hf_buf_printf(out, ",%" PRIu64 END_OF_LINE, map->hours[i].counts[band]);
        }
}
