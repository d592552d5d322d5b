/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make a store wrong on purpose, while no consumer runs, to see whether
 * `hourfold verify` tells:
 *
 *     spoil PATH hours|minutes KEY SLOT add        one sample more than was counted
 *     spoil PATH hours|minutes KEY SLOT garbage    bytes that are no cell
 *     spoil PATH counters                          one sample folded that nobody accepted
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"
#include "store/store.h"

static struct hf_why why;

static void must(enum hf_err err, const char *what)
{
    if (err == HF_OK)
        return;
    fprintf(stderr, "spoil: %s: %s %s\n", what, hf_strerror(err), why.text);
    exit(1);
}

static void read_cell(struct store *store, enum store_table table, const char *key, uint32_t slot, struct hf_buf *out)
{
    struct store_read *read;
    must(store_read_begin(store, &read, &why), "read");
    must(store_read_cell(read, table, key, strlen(key), slot, out), "cell");
    store_read_end(&read);
}

static void add_one(struct hf_buf *bytes)
{
    struct cell *cell;
    must(cell_decode(bytes->data, bytes->len, CELL_BUCKETS_MAX, &cell), "decode");
    must(cell_add(cell, 1), "add");
    hf_buf_clear(bytes);
    must(cell_encode(cell, bytes), "encode");
    cell_free(&cell);
}

static void spoil_cell(struct store *store, char **args)
{
    enum store_table table = strcmp(args[0], "hours") == 0 ? STORE_HOURS : STORE_MINUTES;
    uint32_t slot = (uint32_t)strtoul(args[2], NULL, 10);
    struct hf_buf bytes = {0};
    struct store_write *write;
    read_cell(store, table, args[1], slot, &bytes);
    if (strcmp(args[3], "add") == 0)
        add_one(&bytes);
    else
        memset(bytes.data, 0xEE, bytes.len);
    must(store_write_begin(store, &write, &why), "write");
    must(store_write_cell(write, table, args[1], strlen(args[1]), slot, bytes.data, bytes.len), "write cell");
    must(store_write_commit(&write, &why), "commit");
    hf_buf_free(&bytes);
}

static void spoil_counters(struct store *store)
{
    struct store_status status;
    struct store_read *read;
    struct store_write *write;
    must(store_read_begin(store, &read, &why), "read");
    must(store_read_status(read, &status), "status");
    store_read_end(&read);
    status.folded++;
    must(store_write_begin(store, &write, &why), "write");
    must(store_write_status(write, &status), "write status");
    must(store_write_commit(&write, &why), "commit");
}

int main(int argc, char **argv)
{
    struct store *store;
    if (argc != 3 && argc != 6)
        return 2;
    struct store_options options = {.path = argv[1], .role = STORE_WRITER, .cache_mb = 8};
    must(store_open(&options, &store, &why), "open");
    if (argc == 3)
        spoil_counters(store);
    else
        spoil_cell(store, argv + 2);
    store_close(&store);
    return 0;
}
