/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Berkeley DB, wrapped: its environment, the tables, and its error codes.
 *
 * When and by whom an environment may be opened is decided in store.c.
 */
#ifndef HF_STORE_ENV_H
#define HF_STORE_ENV_H

/* <db.h> expects these of <sys/types.h>, where POSIX alone does not define them. */
typedef unsigned int u_int;
typedef unsigned long u_long;
#include <db.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum env_table { ENV_HOURS, ENV_MINUTES, ENV_KEYS, ENV_IDS, ENV_PRODUCERS, ENV_META, ENV_TABLES };

#define ENV_PATH_BYTES 4200 /* of a file in the store */
#define ENV_REGIONS 8       /* a process maps three */

struct env {
    DB_ENV *handle;
    DB *tables[ENV_TABLES];
    bool makes_regions;
    bool fault_named;       /* why it was not opened says which file is damaged */
    bool reserved; /* whoever made the regions has a reserve for the next time */
    struct env_region {
        void *at;
        size_t bytes;
    } regions[ENV_REGIONS];
    unsigned region_count;
    int region_code; /* why one could not be mapped: of a full disk, Berkeley DB says something else */
    struct hf_buf holes; /* that recovery met; see page.h */
    struct env *next; /* once abandoned */
};

/* Of the tables that others read while a transaction writes them: take pages as they are at the moment, committed or not. A
 * read then waits for one operation of the writer at most, never for its transaction. Each record is whole. */
u_int32_t env_dirty_flag(enum env_table table);

enum env_mode {
    ENV_JOIN,    /* an environment that is there */
    ENV_RECOVER, /* make its regions anew from log and tables; nobody else may be inside */
    ENV_MAKE,    /* the same, and make tables that are missing */
    ENV_SETTLE   /* of a copy that nobody else knows of: with all of its log, and without regions that can be shared */
};

/* Open the environment below `path` (absolute) and its tables. HF_NOTFOUND: no environment or not all tables; HF_STALE: it
 * needs recovery first; HF_CORRUPT, HF_IO, HF_FULL, HF_NOMEM. */
HF_MUST_CHECK enum hf_err env_open(const char *path, uint32_t cache_mb, enum env_mode mode, struct env **out,
                                   struct hf_why *why);
/* The name of the table's file in data/. */
const char *env_table_name(enum env_table table);
/* Check the tables, which nobody has open: every page, and how they hang together. HF_CORRUPT names the first that is damaged. */
HF_MUST_CHECK enum hf_err env_check_tables(const char *path, struct hf_why *why);
/* Close in order. Waits for mutexes, so only while the environment may be used. */
void env_close(struct env **env);
/* Drop an environment that was recovered by others. It never waits; Berkeley DB lets go of the files, not of all memory. */
void env_abandon(struct env **env);

/* Note from now on how far into the log the pages go that this process writes: see page_note(). */
void env_note_pages(struct env *env, _Atomic uint64_t *where);
/* Whether the log goes that far, after a recovery. HF_CORRUPT: it was damaged, and pages hold what was never committed; HF_IO. */
HF_MUST_CHECK enum hf_err env_check_log(struct env *env, uint64_t written, struct hf_why *why);

/* ---- errors ---- */

/* What a code of Berkeley DB means: fine, an expected miss, retry, or one of the fatal ones. */
enum hf_err env_error(int code);
/* The same for a failure that a person has to act on: `what` and the path and what Berkeley DB said go into `why`. */
enum hf_err env_fail(struct hf_why *why, int code, const char *what);
/* Forget what was said on this thread so far. */
void env_forget(void);
/* What Berkeley DB said first on this thread since. "" when nothing. */
const char *env_said(void);

#endif
