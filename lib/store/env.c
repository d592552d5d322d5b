/* SPDX-License-Identifier: Apache-2.0 */
#include "store/env.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/page.h"
#include "store/region.h"
#include "store/restore.h"
#include "store/store.h"

#define MEGABYTE (1024u * 1024u)
#define LOG_BUFFER_BYTES (1u * MEGABYTE)
#define LOG_FILE_BYTES (8u * MEGABYTE)
#define LOCKS STORE_WRITES_MOST /* what they take is used as needed */
#define LOCK_BUCKETS 16384u
#define LOCKERS 8192u
#define TRANSACTIONS 1024u
#define FILE_MODE 0660
#define FOLDER_MODE 0770

static const struct table {
    const char *name;
    bool dirty; /* see env_dirty_flag() */
} tables[ENV_TABLES] = {
    [ENV_HOURS] = {"hours", true}, [ENV_MINUTES] = {"minutes", true},      [ENV_KEYS] = {"keys", true},
    [ENV_IDS] = {"ids", false},    [ENV_PRODUCERS] = {"producers", false}, [ENV_META] = {"meta", true}};

const char *env_table_name(enum env_table table) { return tables[table].name; }

u_int32_t env_dirty_flag(enum env_table table) { return tables[table].dirty ? DB_READ_UNCOMMITTED : 0; }

/* ---- errors ---- */

/* Berkeley DB says what is wrong in a callback without context of the call, on the calling thread. The first
 * message is the cause, later ones follow from it. */
static _Thread_local char said[256];

void env_forget(void) { said[0] = '\0'; }

const char *env_said(void) { return said; }

#define NO_REGIONS "BDB1544" /* unable to find environment: said of regions that are about to be made */

static void listen(const DB_ENV *handle, const char *prefix, const char *message)
{
    (void)handle, (void)prefix;
    if (said[0] == '\0' && strncmp(message, NO_REGIONS, strlen(NO_REGIONS)) != 0)
        snprintf(said, sizeof said, "%s", message);
}

/* What it has to tell beside errors, it would write to standard output. */
static void ignore(const DB_ENV *handle, const char *message) { (void)handle, (void)message; }

/* What else it says only of damage, or of a full disk. */
static const char *const damaged[] = {"checksum", "Checksum", "catastrophic", "past end of log", "Log sequence error",
                                      "not a multiple of the pagesize", "page type", "unexpected file type", "zero length records", NULL};
static const char *const full[] = {"No space left on device", "Disk quota exceeded", NULL};

static bool said_any(const char *const signs[])
{
    for (; *signs != NULL; signs++)
        if (strstr(said, *signs) != NULL)
            return true;
    return false;
}

enum hf_err env_error(int code)
{
    switch (code) {
    case 0: return HF_OK;
    case DB_NOTFOUND:
    case DB_KEYEMPTY: return HF_NOTFOUND;
    case ENOENT: return said_any(damaged) ? HF_CORRUPT : HF_NOTFOUND; /* recovery could not open a table */
    case DB_LOCK_DEADLOCK:
    case DB_LOCK_NOTGRANTED: return HF_AGAIN;
    case DB_RUNRECOVERY:
    case DB_VERSION_MISMATCH: return said_any(full) ? HF_FULL : said_any(damaged) ? HF_CORRUPT : HF_STALE;
    case DB_CHKSUM_FAIL:
    case DB_PAGE_NOTFOUND:
    case DB_VERIFY_BAD:
    case DB_OLD_VERSION: return HF_CORRUPT;
    case ENOMEM: return HF_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return HF_FULL;
    default: return said_any(damaged) ? HF_CORRUPT : HF_IO;
    }
}

enum hf_err env_fail(struct hf_why *why, int code, const char *what)
{
    enum hf_err err = env_error(code);
    const char *advice = "";
    if (err == HF_CORRUPT)
        advice = "; " STORE_DAMAGE_ADVICE;
    else if (err == HF_FULL)
        advice = "; make room on that disk";
    const char *text = code == DB_CHKSUM_FAIL ? "its bytes are not those that were written" : db_strerror(code);
    return hf_fail(why, err, "%s: %s%s%s%s", what, text, said[0] != '\0' ? ": " : "", said, advice);
}

/* ---- settings ---- */

static int configure(DB_ENV *handle, const char *path, uint32_t cache_mb)
{
    char folder[ENV_PATH_BYTES];
    int code = 0;
    handle->set_errcall(handle, listen);
    handle->set_msgcall(handle, ignore);
    snprintf(folder, sizeof folder, "%s/data", path);
    if (code == 0)
        code = handle->set_data_dir(handle, folder);
    snprintf(folder, sizeof folder, "%s/log", path);
    if (code == 0)
        code = handle->set_lg_dir(handle, folder);
    snprintf(folder, sizeof folder, "%s/env", path);
    if (code == 0)
        code = handle->set_tmp_dir(handle, folder);
    if (code == 0)
        code = handle->set_cachesize(handle, cache_mb / 1024, cache_mb % 1024 * MEGABYTE, 1);
    if (code == 0)
        code = handle->set_lg_bsize(handle, LOG_BUFFER_BYTES);
    if (code == 0)
        code = handle->set_lg_max(handle, LOG_FILE_BYTES);
    if (code == 0)
        code = handle->set_lk_max_locks(handle, LOCKS);
    if (code == 0)
        code = handle->set_lk_max_objects(handle, LOCKS);
    if (code == 0)
        code = handle->set_lk_tablesize(handle, LOCK_BUCKETS);
    if (code == 0)
        code = handle->set_lk_max_lockers(handle, LOCKERS);
    /* Whoever has written least gives way: a reader, never the writer. */
    if (code == 0)
        code = handle->set_lk_detect(handle, DB_LOCK_MINWRITE);
    if (code == 0)
        code = handle->set_tx_max(handle, TRANSACTIONS);
    if (code == 0)
        code = handle->set_flags(handle, DB_NOMMAP, 1);
    return code;
}

static enum hf_err make_folders(const char *path, struct hf_why *why)
{
    static const char *const names[] = {"env", "data", "log"};
    char folder[ENV_PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(folder, sizeof folder, "%s/%s", path, names[i]);
        if (mkdir(folder, FOLDER_MODE) != 0 && errno != EEXIST)
            return hf_fail(why, errno == ENOSPC ? HF_FULL : HF_IO, "%s: %s", folder, strerror(errno));
    }
    return HF_OK;
}

/* ---- open ---- */

static int open_handle(const char *path, enum env_mode mode, DB_ENV *handle)
{
    char home[ENV_PATH_BYTES];
    snprintf(home, sizeof home, "%s/env", path);
    u_int32_t flags = DB_THREAD | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL;
    if (mode == ENV_SETTLE)
        flags |= DB_CREATE | DB_RECOVER_FATAL | DB_PRIVATE;
    else if (mode != ENV_JOIN)
        flags |= DB_CREATE | DB_RECOVER;
    struct env *env = handle->app_private;
    page_watch_holes(mode != ENV_JOIN ? &env->holes : NULL);
    int code = handle->open(handle, home, flags, FILE_MODE);
    page_watch_holes(NULL);
    return code;
}

/* Whether recovery left a hole in it. */
static int check_table(const struct env *env, DB *db)
{
    int fd;
    if (env->holes.len == 0)
        return 0;
    int code = db->fd(db, &fd);
    return code == 0 ? page_check_holes(&env->holes, fd) : code;
}

static int open_table(struct env *env, enum env_table table, bool makes, DB_TXN *txn)
{
    DB *db;
    int code = db_create(&db, env->handle, 0);
    if (code != 0)
        return code;
    env->tables[table] = db;
    u_int32_t flags = DB_THREAD | env_dirty_flag(table);
    if (makes) {
        flags |= DB_CREATE;
        code = db->set_pagesize(db, PAGE_BYTES_OF_TABLES);
        if (code == 0)
            code = db->set_flags(db, DB_CHKSUM);
    }
    if (code == 0)
        code = db->open(db, txn, tables[table].name, NULL, DB_BTREE, flags, FILE_MODE);
    return code == 0 ? check_table(env, db) : code;
}

/* Opening reads pages too: of a table in which a commit is under way, so dirty again. */
static int open_tables(struct env *env, bool makes, enum env_table *at)
{
    DB_TXN *txn;
    int code = env->handle->txn_begin(env->handle, NULL, &txn, makes ? 0 : DB_READ_UNCOMMITTED);
    if (code != 0)
        return code;
    for (*at = 0; *at < ENV_TABLES && code == 0; ++*at)
        code = open_table(env, *at, makes, txn);
    if (code == 0)
        return txn->commit(txn, DB_TXN_WRITE_NOSYNC);
    --*at;
    txn->abort(txn); /* before the handles that it opened are closed: see env_close() */
    return code;
}

/* Tables are made all in one transaction. So either all are there, or none was ever made: one that is missing, or has become
 * empty, which Berkeley DB would fill anew, was lost. */
static enum hf_err look_for_tables(const char *path, bool *missing, struct hf_why *why)
{
    char file[ENV_PATH_BYTES], lost[ENV_PATH_BYTES] = "";
    struct stat st;
    unsigned found = 0;
    for (enum env_table table = 0; table < ENV_TABLES; table++) {
        snprintf(file, sizeof file, "%s/data/%s", path, tables[table].name);
        if (stat(file, &st) == 0 && st.st_size > 0)
            found++;
        else
            memcpy(lost, file, sizeof lost);
    }
    *missing = found == 0;
    return found == 0 || found == ENV_TABLES ? HF_OK : hf_fail(why, HF_CORRUPT, "%.250s is gone; " STORE_DAMAGE_ADVICE, lost);
}

enum hf_err env_check_tables(const char *path, struct hf_why *why)
{
    char file[ENV_PATH_BYTES];
    enum hf_err err = HF_OK;
    for (enum env_table table = 0; table < ENV_TABLES && err == HF_OK; table++) {
        DB *db;
        struct hf_buf holes = {0}; /* verify() judges them itself */
        env_forget();
        snprintf(file, sizeof file, "%s/data/%s", path, tables[table].name);
        page_watch_holes(&holes);
        int code = page_check_first(file);
        if (code == 0)
            code = db_create(&db, NULL, 0);
        if (code == 0) {
            db->set_errcall(db, listen);
            code = db->verify(db, file, NULL, NULL, 0); /* it frees the handle, too */
        }
        page_watch_holes(NULL);
        hf_buf_free(&holes);
        if (code == EINVAL || code == DB_RUNRECOVERY)
            code = DB_VERIFY_BAD;
        if (code != 0)
            err = env_fail(why, code, file);
    }
    return err;
}

/* Of the log, whose files are log.0000000001 and so on. */
static enum hf_err check_log_heads(const char *path, struct hf_why *why)
{
    char file[ENV_PATH_BYTES];
    enum hf_err err = HF_OK;
    snprintf(file, sizeof file, "%s/log", path);
    DIR *folder = opendir(file);
    for (struct dirent *entry; err == HF_OK && folder != NULL && (entry = readdir(folder)) != NULL;) {
        snprintf(file, sizeof file, "%.250s/log/%.20s", path, entry->d_name);
        int code = strncmp(entry->d_name, "log.", 4) == 0 ? page_check_log(file) : 0;
        if (code != 0)
            err = env_fail(why, code, file);
    }
    if (folder != NULL)
        closedir(folder);
    return err;
}

/* Before Berkeley DB sees them. */
static enum hf_err check_first_pages(const char *path, struct hf_why *why)
{
    char file[ENV_PATH_BYTES];
    for (enum env_table table = 0; table < ENV_TABLES; table++) {
        snprintf(file, sizeof file, "%s/data/%s", path, tables[table].name);
        int code = page_check_first(file);
        if (code != 0)
            return env_fail(why, code, file);
    }
    return HF_OK;
}

static enum hf_err open_env(const char *path, uint32_t cache_mb, enum env_mode mode, struct env *env, struct hf_why *why)
{
    DB_ENV *handle;
    char what[300];
    env_forget();
    region_use();
    page_use();
    int code = db_env_create(&handle, 0);
    if (code != 0)
        return env_fail(why, code, "Berkeley DB");
    env->handle = handle;
    snprintf(what, sizeof what, "opening the store %.250s", path);
    handle->app_private = env;
    env->makes_regions = mode == ENV_RECOVER || mode == ENV_MAKE;
    if (env->makes_regions) {
        region_remove_all(path);
        region_free_reserve(path);
        enum hf_err err = restore_finish(path, why);
        if (err != HF_OK)
            return err;
    }
    enum hf_err err = check_first_pages(path, why);
    if (err == HF_OK && mode != ENV_JOIN) /* who joins does not read the log */
        err = check_log_heads(path, why);
    env->fault_named = err != HF_OK;
    if (err != HF_OK)
        return err;
    code = configure(handle, path, cache_mb);
    if (code == 0)
        code = open_handle(path, mode, handle);
    if (code != 0 && env->region_code != 0)
        code = env->region_code;
    if (env->makes_regions)
        env->reserved = region_take_reserve(path);
    if (code != 0)
        return env_fail(why, code, what);
    bool missing = false;
    err = mode == ENV_JOIN ? HF_OK : look_for_tables(path, &missing, why);
    if (err != HF_OK)
        return err;
    enum env_table table = 0;
    env_forget();
    code = open_tables(env, mode == ENV_MAKE && missing, &table);
    hf_buf_free(&env->holes);
    if (code != 0 && table < ENV_TABLES)
        snprintf(what, sizeof what, "opening %.250s/data/%s", path, tables[table].name);
    return code == 0 ? HF_OK : env_fail(why, code, what);
}

/* Recovery tells of a page, if of anything, not of its table; and an environment that has to be recovered again is damaged. */
static enum hf_err why_not_recovered(const char *path, enum hf_err err, struct hf_why *why)
{
    struct hf_why found = {""};
    char reason[sizeof said];
    if (err != HF_CORRUPT && err != HF_STALE && err != HF_IO)
        return err;
    memcpy(reason, said, sizeof said);
    if (env_check_tables(path, &found) == HF_CORRUPT)
        return hf_fail(why, HF_CORRUPT, "%s", found.text);
    return err != HF_STALE ? err : hf_fail(why, HF_CORRUPT, "%.250s/log: %.100s; " STORE_DAMAGE_ADVICE, path, reason);
}

enum hf_err env_open(const char *path, uint32_t cache_mb, enum env_mode mode, struct env **out, struct hf_why *why)
{
    enum hf_err err = mode == ENV_MAKE ? make_folders(path, why) : HF_OK;
    if (err != HF_OK)
        return err;
    struct env *env = calloc(1, sizeof *env);
    if (env == NULL)
        return hf_fail(why, HF_NOMEM, "out of memory");
    err = open_env(path, cache_mb, mode, env, why);
    if (err == HF_OK) {
        *out = env;
        return HF_OK;
    }
    bool named = mode == ENV_JOIN || env->fault_named;
    env_close(&env);
    return named ? err : why_not_recovered(path, err, why);
}

void env_note_pages(struct env *env, _Atomic uint64_t *where)
{
    int fd;
    for (int t = 0; t < ENV_TABLES; t++)
        if (env->tables[t]->fd(env->tables[t], &fd) == 0)
            page_note(env, fd, where);
}

/* A record begins there, unless all of that log file was done with and removed. */
enum hf_err env_check_log(struct env *env, uint64_t written, struct hf_why *why)
{
    DB_LOGC *cursor;
    DB_LSN lsn = {0, 0}, first = {0, 0};
    DBT record = {.flags = DB_DBT_REALLOC};
    if (written == 0)
        return HF_OK;
    int code = env->handle->log_cursor(env->handle, &cursor, 0);
    if (code != 0)
        return env_fail(why, code, "reading the log of the store");
    code = cursor->get(cursor, &first, &record, DB_FIRST);
    lsn.file = (u_int32_t)(written >> 32);
    lsn.offset = (u_int32_t)written;
    if (code == 0 && lsn.file >= first.file)
        code = cursor->get(cursor, &lsn, &record, DB_SET);
    free(record.data);
    cursor->close(cursor, 0);
    return code == 0 ? HF_OK
                     : hf_fail(why, HF_CORRUPT, "the log ends before [%lu][%lu], where pages were written from",
                               (unsigned long)lsn.file, (unsigned long)lsn.offset);
}

/* What Berkeley DB keeps of an environment that has to be recovered (some 30 KB) stays reachable: it is no leak to look for. */
static struct env *let_go;
static pthread_mutex_t let_go_mutex = PTHREAD_MUTEX_INITIALIZER;

static void close_handle(struct env *env)
{
    page_forget(env);
    hf_buf_free(&env->holes);
    int code = env->handle == NULL ? 0 : env->handle->close(env->handle, 0);
    if (code != DB_RUNRECOVERY) {
        free(env);
        return;
    }
    region_unmap_all(env);
    pthread_mutex_lock(&let_go_mutex);
    env->next = let_go;
    let_go = env;
    pthread_mutex_unlock(&let_go_mutex);
}

void env_close(struct env **env)
{
    struct env *gone = *env;
    *env = NULL;
    if (gone == NULL)
        return;
    for (int t = 0; t < ENV_TABLES; t++)
        if (gone->tables[t] != NULL)
            gone->tables[t]->close(gone->tables[t], DB_NOSYNC);
    close_handle(gone);
}

void env_abandon(struct env **env)
{
    struct env *gone = *env;
    *env = NULL;
    if (gone == NULL)
        return;
    /* Whoever recovered has removed these regions, but for the first page. Without locking, and when that page is marked as
     * dead, close() looks at nothing else in them. */
    gone->handle->set_flags(gone->handle, DB_NOLOCKING, 1);
    gone->handle->set_flags(gone->handle, DB_PANIC_ENVIRONMENT, 1);
    close_handle(gone);
}
