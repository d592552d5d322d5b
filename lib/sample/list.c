/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list and its arena: a chain of chunks, each twice as large as the one
 * before, filled one after the other. Chunks never move, so what lies in them
 * stays where it is; a reset begins again with the first.
 */
#include <stdlib.h>
#include <string.h>

#include "sample/reader.h"

#define CHUNK_BYTES_MIN 4096u /* more than any key or id */

struct arena_chunk {
    struct arena_chunk *next;
    size_t capacity;
    char bytes[];
};

void sample_list_init(struct sample_list *list) { *list = (struct sample_list){0}; }

void sample_list_reset(struct sample_list *list)
{
    list->count = 0;
    if (list->memory != NULL)
        list->memory->current = NULL;
}

void sample_list_free(struct sample_list *list)
{
    struct sample_memory *memory = list->memory;
    if (memory != NULL) {
        for (struct arena_chunk *chunk = memory->chunks, *next; chunk != NULL; chunk = next) {
            next = chunk->next;
            free(chunk);
        }
        hf_buf_free(&memory->decoded);
        hf_buf_free(&memory->strings);
        hf_names_free(&memory->members);
        free(memory->sources);
        free(memory);
    }
    free(list->samples);
    sample_list_init(list);
}

/* Go to the next chunk, made if there is none. */
static bool next_chunk(struct sample_memory *memory)
{
    struct arena_chunk *current = memory->current;
    struct arena_chunk **link = current == NULL ? &memory->chunks : &current->next;
    if (*link == NULL) {
        size_t capacity = current == NULL ? CHUNK_BYTES_MIN : current->capacity * 2;
        struct arena_chunk *chunk = malloc(sizeof *chunk + capacity);
        if (chunk == NULL)
            return false;
        chunk->next = NULL;
        chunk->capacity = capacity;
        *link = chunk;
    }
    memory->current = *link;
    memory->used = 0;
    return true;
}

/* Copy bytes of a key or id into the arena. NULL: no memory. */
static const char *keep(struct sample_memory *memory, const char *bytes, size_t len)
{
    if ((memory->current == NULL || memory->current->capacity - memory->used < len) && !next_chunk(memory))
        return NULL;
    char *copy = memory->current->bytes + memory->used;
    memcpy(copy, bytes, len);
    memory->used += len;
    return copy;
}

enum hf_err reader_begin(struct sample_reader *reader, const struct sample_limits *limits, struct sample_list *list,
                         struct sample_fault *fault)
{
    if (list->memory == NULL && (list->memory = calloc(1, sizeof *list->memory)) == NULL)
        return HF_NOMEM;
    *reader = (struct sample_reader){.limits = limits, .list = list, .fault = fault, .first = list->count};
    return HF_OK;
}

enum hf_err reader_key(struct sample_reader *reader, const char *parameter, size_t parameter_bytes, const char *text,
                       size_t len, struct sample_head *head)
{
    if (!sample_key_valid(text, len)) {
        char quoted[QUOTE_BYTES];
        if (len == strlen(SAMPLE_KEY_RESERVED) && memcmp(text, SAMPLE_KEY_RESERVED, len) == 0)
            return reader_refuse(reader, "bad_key", parameter, parameter_bytes, "the key \"%s\" is reserved",
                                 SAMPLE_KEY_RESERVED);
        return reader_refuse(reader, "bad_key", parameter, parameter_bytes,
                             "a key is 1 to %d bytes of A-Z a-z 0-9 . _ : -, the first a letter or digit, not %s",
                             SAMPLE_KEY_MAX, reader_quote(text, len, quoted));
    }
    /* Neighbours often share their key; then they share its bytes too. */
    const struct sample_list *list = reader->list;
    const struct sample *last = list->count > 0 ? &list->samples[list->count - 1] : NULL;
    if (last != NULL && last->key_bytes == len && memcmp(last->key, text, len) == 0)
        head->key = last->key;
    else if ((head->key = keep(list->memory, text, len)) == NULL)
        return HF_NOMEM;
    head->key_bytes = len;
    return HF_OK;
}

enum hf_err reader_id(struct sample_reader *reader, const char *text, size_t len, struct sample_head *head)
{
    if (!sample_id_valid(text, len)) {
        char quoted[QUOTE_BYTES];
        return reader_refuse(reader, "bad_id", "id", 2, "an id is 1 to %d bytes of printable ASCII, not %s", SAMPLE_ID_MAX,
                             reader_quote(text, len, quoted));
    }
    head->id = keep(reader->list->memory, text, len);
    head->id_bytes = len;
    return head->id == NULL ? HF_NOMEM : HF_OK;
}

static enum hf_err grow(struct sample_list *list)
{
    size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
    struct sample *samples =
        capacity > SIZE_MAX / sizeof *samples ? NULL : realloc(list->samples, capacity * sizeof *samples);
    if (samples == NULL)
        return HF_NOMEM;
    list->samples = samples;
    list->capacity = capacity;
    return HF_OK;
}

enum hf_err reader_add(struct sample_reader *reader, const struct sample_head *head, double value)
{
    struct sample_list *list = reader->list;
    if (list->count - reader->first >= reader->limits->max_samples)
        return reader_refuse(reader, "too_many_samples", "", 0, "a request holds at most %zu samples",
                             reader->limits->max_samples);
    if (list->count == list->capacity && grow(list) != HF_OK)
        return HF_NOMEM;
    list->samples[list->count++] = (struct sample){.key = head->key,
                                                   .id = head->id,
                                                   .value = value,
                                                   .time_ms = head->time_ms,
                                                   .key_bytes = (uint8_t)head->key_bytes,
                                                   .id_bytes = (uint8_t)head->id_bytes};
    return HF_OK;
}
