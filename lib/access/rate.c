/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GCRA, the generic cell rate algorithm: of each address one number is kept, the
 * time at which it would have used up what it has sent, had it sent at exactly its
 * rate. A request moves it on by 1/rate, from now at the earliest, and may pass
 * when it then lies no more than a second ahead.
 *
 * A slot is a tag of 64 bits, a keyed hash of the address, and that time. The
 * table is divided into rows; an address belongs to one of them. In a full row the
 * slot whose time is least gives way, which is that of the address that has been
 * silent for the longest, or else has the least to wait for; so whoever sends too much
 * is not forgotten for others who come. The key of the hash is random, so that nobody can choose
 * addresses to meet in one row.
 *
 * The file, version 1, integers in the byte order of the machine:
 *
 *   bytes   field
 *   8       magic "HFRATE", 0, version 1
 *   16      the key of the hash; a word of it that is 0 is not chosen yet
 *   104     zero
 *   524288  4,096 rows of 8 slots: tag (0: free), time
 *
 * A slot is taken by exchanging its tag; a time is moved on by exchanging it too.
 * Between the two, a slot has the time of the address before, which has passed or is the least
 * in its row: nobody is limited by it who would not soon be let in again.
 */
#include "access/rate.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mapped.h"

#define MAGIC "HFRATE\0\1"
#define ROWS 4096u
#define ROW_SLOTS 8u
#define SECOND_NS 1000000000
#define BURST_MAX_NS (2 * (int64_t)SECOND_NS)

struct slot {
    _Atomic uint64_t tag;
    _Atomic int64_t time_ns;
};

struct table {
    char magic[8];
    _Atomic uint64_t key[2];
    char zero[104];
    struct slot rows[ROWS][ROW_SLOTS];
};
_Static_assert(sizeof(struct table) == 128 + 524288, "the layout of the file");
_Static_assert(sizeof(uint64_t[2]) == crypto_shorthash_KEYBYTES && sizeof(uint64_t) == crypto_shorthash_BYTES,
               "SipHash-2-4");

struct rate {
    int64_t step_ns;          /* 1/rate, rounded up */
    int64_t burst_ns;         /* rate steps: a second, and up to two where rounding tells */
    struct table *_Atomic at; /* `own`, or `mapped` */
    struct table *own;
    void *mapped;             /* NULL: not joined */
};

/* ---- the table ---- */

/* Choose the key, unless another process has. */
static void choose_key(struct table *table)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t none = 0;
        uint64_t word;
        do
            randombytes_buf(&word, sizeof word);
        while (word == 0);
        atomic_compare_exchange_strong(&table->key[i], &none, word);
    }
}

enum hf_err rate_new(uint64_t per_second, struct rate **out)
{
    struct rate *rate = calloc(1, sizeof *rate);
    struct table *own = calloc(1, sizeof *own);
    if (rate == NULL || own == NULL || sodium_init() < 0) {
        free(rate);
        free(own);
        return rate == NULL || own == NULL ? HF_NOMEM : HF_IO;
    }
    choose_key(own);
    rate->step_ns = (SECOND_NS + (int64_t)per_second - 1) / (int64_t)per_second;
    rate->burst_ns = rate->step_ns * (int64_t)per_second;
    rate->own = own;
    atomic_store(&rate->at, own);
    *out = rate;
    return HF_OK;
}

void rate_free(struct rate **rate)
{
    if (*rate == NULL)
        return;
    if ((*rate)->mapped != NULL)
        munmap((*rate)->mapped, sizeof(struct table));
    free((*rate)->own);
    free(*rate);
    *rate = NULL;
}

enum hf_err rate_join(struct rate *rate, const char *path, struct hf_why *why)
{
    if (rate->mapped != NULL)
        return HF_OK;
    enum hf_err err = mapped_open(path, MAGIC, sizeof(struct table), &rate->mapped, why);
    if (err != HF_OK)
        return err;
    choose_key(rate->mapped);
    atomic_store(&rate->at, rate->mapped); /* another thread may be in `own` still: it stays */
    return HF_OK;
}

/* ---- addresses ---- */

static uint64_t tag_of(struct table *table, const struct address *address)
{
    static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
    uint64_t key[2] = {atomic_load_explicit(&table->key[0], memory_order_relaxed),
                       atomic_load_explicit(&table->key[1], memory_order_relaxed)};
    struct address known = *address;
    if (memcmp(known.bytes, v4_prefix, sizeof v4_prefix) != 0)
        memset(known.bytes + 8, 0, 8); /* one network, which has as many addresses as it likes */
    uint64_t tag;
    crypto_shorthash((unsigned char *)&tag, known.bytes, sizeof known.bytes, (const unsigned char *)key);
    return tag != 0 ? tag : 1;
}

/* A time that lies further ahead than any request can have moved it is of another start of the machine. */
static int64_t time_of(const struct slot *slot, int64_t now_ns)
{
    int64_t time_ns = atomic_load_explicit(&slot->time_ns, memory_order_relaxed);
    return time_ns > now_ns + BURST_MAX_NS ? 0 : time_ns;
}

/* The slot of a tag: one that has it, or else one that is taken for it. */
static struct slot *slot_of(struct table *table, uint64_t tag, int64_t now_ns)
{
    struct slot *row = table->rows[tag % ROWS];
    for (;;) {
        struct slot *least = &row[0];
        uint64_t found = 0;
        for (unsigned i = 0; i < ROW_SLOTS; i++) {
            uint64_t other = atomic_load_explicit(&row[i].tag, memory_order_relaxed);
            if (other == tag)
                return &row[i];
            if (i == 0 || time_of(&row[i], now_ns) < time_of(least, now_ns)) {
                least = &row[i];
                found = other;
            }
        }
        if (atomic_compare_exchange_strong(&least->tag, &found, tag)) {
            atomic_store_explicit(&least->time_ns, 0, memory_order_relaxed);
            return least;
        }
    }
}

int64_t rate_take(struct rate *rate, const struct address *address, int64_t now_ns)
{
    struct table *table = atomic_load_explicit(&rate->at, memory_order_acquire);
    struct slot *slot = slot_of(table, tag_of(table, address), now_ns);
    int64_t was = atomic_load_explicit(&slot->time_ns, memory_order_relaxed);
    int64_t next;
    do {
        int64_t begin = was < now_ns || was > now_ns + BURST_MAX_NS ? now_ns : was;
        next = begin + rate->step_ns;
        if (next > now_ns + rate->burst_ns)
            return (next - now_ns - rate->burst_ns + 999999) / 1000000;
    } while (!atomic_compare_exchange_weak_explicit(&slot->time_ns, &was, next, memory_order_relaxed, memory_order_relaxed));
    return 0;
}
