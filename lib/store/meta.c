/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table meta:
 *
 *   "format"  u32: version of the layout of all tables; 2 now
 *   "status"  varints, in the order of struct store_status; times are signed ones
 */
#include "store/inside.h"

#include <string.h>

const char meta_status_key[] = "status";
static const char format_key[] = "format";

static enum hf_err read_format(struct env *env, uint32_t *format, struct hf_why *why)
{
    unsigned char bytes[64];
    DB *meta = env->tables[ENV_META];
    DBT key = dbt_of(format_key, sizeof format_key - 1);
    DBT value = {.data = bytes, .ulen = sizeof bytes, .flags = DB_DBT_USERMEM};
    int code = meta->get(meta, NULL, &key, &value, env_dirty_flag(ENV_META));
    if (code != 0)
        return env_fail(why, code, "reading the format of the store in data/meta");
    struct hf_cur cur = hf_cur_of(bytes, value.size);
    *format = hf_cur_u32(&cur);
    if (!hf_cur_ok(&cur) || hf_cur_left(&cur) != 0)
        return hf_fail(why, HF_CORRUPT, "the store's format record, in data/meta; " STORE_DAMAGE_ADVICE);
    if (*format < STORE_FORMAT_OLDEST || *format > STORE_FORMAT)
        return hf_fail(why, HF_INVALID, "the store has format %lu, this version of hourfold knows only %u to %u",
                       (unsigned long)*format, STORE_FORMAT_OLDEST, STORE_FORMAT);
    return HF_OK;
}

enum hf_err meta_check_format(struct env *env, struct hf_why *why)
{
    uint32_t format;
    return read_format(env, &format, why);
}

enum hf_err meta_make_format(struct env *env, struct hf_why *why)
{
    uint32_t format = 0;
    enum hf_err err = read_format(env, &format, why);
    if (err != HF_NOTFOUND && (err != HF_OK || format == STORE_FORMAT))
        return err;
    unsigned char bytes[4];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(STORE_FORMAT >> 8 * i);
    DBT key = dbt_of(format_key, sizeof format_key - 1), value = dbt_of(bytes, sizeof bytes);
    int code = env->tables[ENV_META]->put(env->tables[ENV_META], NULL, &key, &value, 0);
    return code == 0 ? HF_OK : env_fail(why, code, "writing the format of the store");
}

enum hf_err meta_read_status(struct env *env, struct store_status *out, struct hf_why *why)
{
    unsigned char bytes[256];
    DB *meta = env->tables[ENV_META];
    DBT key = dbt_of(meta_status_key, strlen(meta_status_key));
    DBT value = {.data = bytes, .ulen = sizeof bytes, .flags = DB_DBT_USERMEM};
    *out = (struct store_status){0};
    int code = meta->get(meta, NULL, &key, &value, env_dirty_flag(ENV_META));
    if (code != 0)
        return code == DB_NOTFOUND ? HF_OK : env_fail(why, code, "reading the status of the store");
    enum hf_err err = meta_decode_status(bytes, value.size, out);
    return err == HF_OK ? HF_OK : hf_fail(why, err, "the store's status record, in data/meta; " STORE_DAMAGE_ADVICE);
}

void meta_encode_status(const struct store_status *status, struct hf_buf *out)
{
    hf_buf_varint(out, status->position);
    hf_buf_svarint(out, status->position_ms);
    hf_buf_svarint(out, status->stream_created_ns);
    hf_buf_svarint(out, status->as_of_ms);
    hf_buf_varint(out, status->accepted);
    hf_buf_varint(out, status->folded);
    hf_buf_varint(out, status->duplicate);
    hf_buf_varint(out, status->late);
    hf_buf_varint(out, status->refused);
    hf_buf_varint(out, status->expired);
    hf_buf_varint(out, status->keys);
    hf_buf_varint(out, status->rewinds);
    hf_buf_varint(out, status->minutes_from);
    hf_buf_varint(out, status->repeated);
    hf_buf_svarint(out, status->view.seen_ms);
    hf_buf_varint(out, status->view.bus);
    hf_buf_svarint(out, status->view.since_ms);
    hf_buf_svarint(out, status->view.rewound_ms);
    hf_buf_varint(out, status->view.waiting);
    hf_buf_varint(out, status->view.messages);
    hf_buf_varint(out, status->view.messages_max);
}

/* What format 1 does not have. */
static bool decode_more(struct hf_cur *cur, struct store_status *status)
{
    status->repeated = hf_cur_varint(cur);
    status->view.seen_ms = hf_cur_svarint(cur);
    uint64_t bus = hf_cur_varint(cur);
    status->view.bus = (enum store_bus)bus;
    status->view.since_ms = hf_cur_svarint(cur);
    status->view.rewound_ms = hf_cur_svarint(cur);
    status->view.waiting = hf_cur_varint(cur);
    status->view.messages = hf_cur_varint(cur);
    status->view.messages_max = hf_cur_varint(cur);
    return bus <= STORE_BUS_UNFIT;
}

enum hf_err meta_decode_status(const void *bytes, size_t len, struct store_status *out)
{
    struct hf_cur cur = hf_cur_of(bytes, len);
    struct store_status status = {0};
    status.position = hf_cur_varint(&cur);
    status.position_ms = hf_cur_svarint(&cur);
    status.stream_created_ns = hf_cur_svarint(&cur);
    status.as_of_ms = hf_cur_svarint(&cur);
    status.accepted = hf_cur_varint(&cur);
    status.folded = hf_cur_varint(&cur);
    status.duplicate = hf_cur_varint(&cur);
    status.late = hf_cur_varint(&cur);
    status.refused = hf_cur_varint(&cur);
    status.expired = hf_cur_varint(&cur);
    status.keys = hf_cur_varint(&cur);
    status.rewinds = hf_cur_varint(&cur);
    uint64_t minutes_from = hf_cur_varint(&cur);
    status.minutes_from = (uint32_t)minutes_from;
    if (hf_cur_left(&cur) > 0 && !decode_more(&cur, &status))
        return HF_CORRUPT;
    if (!hf_cur_ok(&cur) || hf_cur_left(&cur) != 0 || minutes_from > UINT32_MAX)
        return HF_CORRUPT;
    *out = status;
    return HF_OK;
}
