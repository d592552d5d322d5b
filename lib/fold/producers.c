/* SPDX-License-Identifier: Apache-2.0 */
#include "fold/producers.h"

#include <stdlib.h>

void producers_init(struct producers *producers, const struct table_secret *secret)
{
    *producers = (struct producers){.secret = *secret};
}

void producers_clear(struct producers *producers)
{
    struct producer *producer, *next;
    HASH_ITER(hh, producers->table, producer, next) {
        HASH_DELETE(hh, producers->table, producer);
        free(producer);
    }
    producers->bytes = 0;
}

struct producer *producers_find(const struct producers *producers, uint64_t number)
{
    struct producer *producer;
    HASH_FIND_BYHASHVALUE(hh, producers->table, &number, sizeof number,
                          table_hash(&producers->secret, &number, sizeof number), producer);
    return producer;
}

struct producer *producers_add(struct producers *producers, uint64_t number, const struct window *window)
{
    struct producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL)
        return NULL;
    producer->number = number;
    producer->window = *window;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, producers->table, &producer->number, sizeof number,
                                table_hash(&producers->secret, &number, sizeof number), producer);
    if (!TABLE_ADDED(producer)) {
        free(producer);
        return NULL;
    }
    producers->bytes += sizeof *producer;
    return producer;
}

void producers_settle(struct producers *producers, unsigned most)
{
    if (HASH_COUNT(producers->table) > most) {
        producers_clear(producers);
        return;
    }
    for (struct producer *producer = producers->table; producer != NULL; producer = producer->hh.next)
        producer->dirty = false;
}
