/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file, version 1, integers in the byte order of the machine:
 *
 *   bytes  field
 *   8      magic "HFTALLY", version 1
 *   56     zero
 *   192    moments: 24 of 8 bytes, by enum tally_moment
 *   3840   counters: 20 families of 24, of 8 bytes each
 *
 * A file of zeros is one that is being made: its maker has it locked.
 */
#include "tally/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mapped.h"

#define MAGIC "HFTALLY\1" /* the version included */
#define PAGE_BYTES 4096u
#define MOMENTS_MAX 24u
#define FAMILIES_MAX 20u

struct page {
    char magic[64];
    _Atomic int64_t moments[MOMENTS_MAX];
    _Atomic uint64_t counts[FAMILIES_MAX][TALLY_LABELS];
};
_Static_assert(sizeof(struct page) == PAGE_BYTES, "the layout of the file");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "counters are shared between processes");
_Static_assert((unsigned)TALLY_FAMILIES <= FAMILIES_MAX && (unsigned)TALLY_MOMENTS <= MOMENTS_MAX &&
                   (unsigned)TALLY_CODES <= TALLY_LABELS && (unsigned)TALLY_STAGES <= TALLY_LABELS &&
                   (unsigned)TALLY_DROPS <= TALLY_LABELS,
               "there is room for all");

struct tally {
    struct page *_Atomic at; /* the one to count in: `own`, or the file's */
    struct page own;
    struct page *mapped; /* NULL: not joined */
};

/* ---- what is counted ---- */

static const char *const codes[] = {"accepted",
                                    "empty",
                                    "preflight",
                                    "bad_key",
                                    "bad_value",
                                    "bad_timestamp",
                                    "timestamp_out_of_range",
                                    "bad_id",
                                    "bad_json",
                                    "missing_parameter",
                                    "too_many_samples",
                                    "unauthorized",
                                    "forbidden",
                                    "not_found",
                                    "method_not_allowed",
                                    "too_large",
                                    "unsupported_type",
                                    "too_many_requests",
                                    "unavailable",
                                    "other"};
_Static_assert(sizeof codes / sizeof *codes == TALLY_CODES, "a name for each");

static const char *const stages[] = {"rate",        "overload",   "room",         "bus",
                                     "stream_full", "spool_full", "spool_failed", "memory"};
_Static_assert(sizeof stages / sizeof *stages == TALLY_STAGES, "a name for each");

static const char *const drops[] = {"not_a_number", "negative", "epoch", "too_large", "bad_name"};
_Static_assert(sizeof drops / sizeof *drops == TALLY_DROPS, "a name for each");

#define PLAIN NULL, NULL, 0, 1
#define BY_CODE(label, first) label, codes, first, TALLY_CODES
#define BY_STAGE "stage", stages, 0, TALLY_STAGES

const struct tally_about tally_about[TALLY_FAMILIES] = {
    [TALLY_REQUESTS] = {"hourfold_collect_requests_total", "Requests by what they were answered.", BY_CODE("outcome", 0)},
    [TALLY_RECEIVED] = {"hourfold_collect_samples_received_total", "Samples read from requests.", PLAIN},
    [TALLY_ACCEPTED] = {"hourfold_collect_samples_accepted_total", "Samples answered 204.", PLAIN},
    [TALLY_REFUSED] = {"hourfold_collect_samples_refused_total",
                       "Samples of requests that were at fault, as far as they were read.", BY_CODE("reason", TALLY_BAD_KEY)},
    [TALLY_SHED] = {"hourfold_collect_samples_shed_total", "Samples answered 429 or 503, by what had no room for them.",
                    BY_STAGE},
    [TALLY_REQUESTS_SHED] = {"hourfold_collect_requests_shed_total",
                             "Requests answered 429 or 503, by what had no room for them.", BY_STAGE},
    [TALLY_SENT] = {"hourfold_collect_samples_sent_total",
                    "Samples of batches that were made for the bus or the spool: an upper bound of what can be stored.", PLAIN},
    [TALLY_PUBLISHED] = {"hourfold_collect_samples_published_total",
                         "Accepted samples that JetStream acknowledged.", PLAIN},
    [TALLY_SPOOLED] = {"hourfold_collect_samples_spooled_total", "Accepted samples that the spool took.", PLAIN},
    [TALLY_REPLAYED] = {"hourfold_collect_samples_replayed_total",
                        "Samples published from the spool and acknowledged by JetStream.", PLAIN},
    [TALLY_UNCERTAIN] = {"hourfold_collect_samples_uncertain_total",
                         "Shed samples that had been sent and may be stored all the same.", PLAIN},
    [TALLY_SPOOL_DAMAGED] = {"hourfold_collect_spool_damaged_total", "Damaged places met in spool files.", PLAIN},
    [TALLY_STARTS] = {"hourfold_collect_starts_total", "Processes of hourfold-collect that began to serve.", PLAIN},
    [TALLY_ENDS] = {"hourfold_collect_ends_total", "Processes of hourfold-collect that ended in order.", PLAIN},
    [TALLY_DROPPED] = {"hourfold_collect_beacon_values_dropped_total",
                       "Values of boomerang's beacons that were dropped because they cannot be.", "reason", drops, 0, TALLY_DROPS}};

enum tally_code tally_code_of(const char *code)
{
    for (unsigned i = 0; i < TALLY_OTHER; i++)
        if (strcmp(codes[i], code) == 0)
            return (enum tally_code)i;
    return TALLY_OTHER;
}

/* ---- where it is ---- */

const char *tally_path(const struct hf_conf *conf, char out[TALLY_PATH_BYTES])
{
    if (conf->collect.tally[0] != '\0')
        snprintf(out, TALLY_PATH_BYTES, "%s", conf->collect.tally);
    else
        snprintf(out, TALLY_PATH_BYTES, "%s/tally", conf->store.path);
    return out;
}

/* ---- count ---- */

struct tally *tally_new(void)
{
    struct tally *tally = calloc(1, sizeof *tally);
    if (tally != NULL)
        atomic_store(&tally->at, &tally->own);
    return tally;
}

void tally_free(struct tally **tally)
{
    if (*tally != NULL && (*tally)->mapped != NULL)
        munmap((*tally)->mapped, PAGE_BYTES);
    free(*tally);
    *tally = NULL;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void note(_Atomic int64_t *moment, int64_t now_ms)
{
    int64_t was = atomic_load_explicit(moment, memory_order_relaxed);
    while (was < now_ms &&
           !atomic_compare_exchange_weak_explicit(moment, &was, now_ms, memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* Add what was counted in memory of our own. Another thread may have been about to count there: it is found the next time. */
static void move_own(struct tally *tally)
{
    for (unsigned i = 0; i < TALLY_FAMILIES; i++)
        for (unsigned j = 0; j < TALLY_LABELS; j++) {
            uint64_t n = atomic_exchange_explicit(&tally->own.counts[i][j], 0, memory_order_relaxed);
            if (n != 0)
                count(&tally->mapped->counts[i][j], n);
        }
    for (unsigned i = 0; i < TALLY_MOMENTS; i++)
        note(&tally->mapped->moments[i], atomic_load_explicit(&tally->own.moments[i], memory_order_relaxed));
}

enum hf_err tally_join(struct tally *tally, const char *path, struct hf_why *why)
{
    if (tally->mapped == NULL) {
        void *page = NULL;
        enum hf_err err = mapped_open(path, MAGIC, PAGE_BYTES, &page, why);
        if (err != HF_OK)
            return err;
        tally->mapped = page;
        atomic_store(&tally->at, tally->mapped);
    }
    move_own(tally);
    return HF_OK;
}

void tally_add(struct tally *tally, enum tally_family family, unsigned index, uint64_t n)
{
    count(&atomic_load_explicit(&tally->at, memory_order_acquire)->counts[family][index], n);
}

void tally_shed(struct tally *tally, enum tally_stage stage, uint64_t samples)
{
    tally_add(tally, TALLY_REQUESTS_SHED, stage, 1);
    tally_add(tally, TALLY_SHED, stage, samples);
}

void tally_note(struct tally *tally, enum tally_moment moment, int64_t now_ms)
{
    note(&atomic_load_explicit(&tally->at, memory_order_acquire)->moments[moment], now_ms);
}

/* ---- read ---- */

static void copy(const struct page *page, struct tally_values *out)
{
    for (unsigned i = 0; i < TALLY_FAMILIES; i++)
        for (unsigned j = 0; j < TALLY_LABELS; j++)
            out->counts[i][j] = atomic_load_explicit(&page->counts[i][j], memory_order_relaxed);
    for (unsigned i = 0; i < TALLY_MOMENTS; i++)
        out->moments[i] = atomic_load_explicit(&page->moments[i], memory_order_relaxed);
}

enum hf_err tally_read(const char *path, struct tally_values *out, struct hf_why *why)
{
    struct stat info;
    struct page *page = NULL;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return hf_fail(why, errno == ENOENT || errno == ENOTDIR ? HF_NOTFOUND : HF_IO, "cannot open %s: %s", path,
                       strerror(errno));
    enum hf_err err = HF_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        err = hf_fail(why, HF_INVALID, "%s is no plain file", path);
    else if (info.st_size != PAGE_BYTES)
        err = hf_fail(why, info.st_size == 0 ? HF_NOTFOUND : HF_INVALID, "%s is no tally of this version", path);
    else if ((page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        err = hf_fail(why, HF_IO, "cannot map %s: %s", path, strerror(errno));
    close(fd);
    if (err != HF_OK)
        return err;
    if (memcmp(page->magic, MAGIC, MAPPED_MAGIC_BYTES) == 0)
        copy(page, out);
    else
        err = hf_fail(why, page->magic[0] == '\0' ? HF_NOTFOUND : HF_INVALID, "%s is no tally of this version", path);
    munmap(page, PAGE_BYTES);
    return err;
}
