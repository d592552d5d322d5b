/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <string.h>

enum {
    SYNC_INTERVAL_MS = 1000,
    CHECKPOINT_INTERVAL_MS = 30000,
    EXPIRE_INTERVAL_MS = 10000,   /* when there was nothing more to do */
    EXPIRE_FAILED_MS = 600000,
    COMMIT_FIRST_MS = 250,        /* waits after a commit that failed */
    COMMIT_LAST_MS = 5000,
    LOG_INTERVAL_MS = 60000
};

bool fold_full(const struct consumer *consumer)
{
    return fold_memory_bytes(consumer->fold) > MEMORY_MOST_BYTES || fold_dirty_records(consumer->fold) > RECORDS_MOST;
}

/* What ends the process: the store is no longer ours to use. */
static bool fatal(enum hf_err err) { return err == HF_STALE || err == HF_IO || err == HF_BUSY; }

static void log_failure(struct hf_log_limit *limit, enum hf_err err, const char *event, const struct hf_why *why)
{
    unsigned long held;
    char text[HF_WHY_BYTES];
    if (fatal(err) || hf_log_allowed(limit, monotonic_ms(), LOG_INTERVAL_MS, &held))
        hf_log(HF_ERROR, event, "result=\"%s\" text=%s", hf_strerror(err),
               hf_log_quote(why->text, strlen(why->text), text, sizeof text));
}

static enum hf_err commit(struct consumer *consumer)
{
    struct hf_why why = {""};
    int64_t start_ms = monotonic_ms();
    size_t records = fold_dirty_records(consumer->fold);
    enum hf_err err = fold_commit(consumer->fold, &why);
    int64_t now_ms = monotonic_ms(), took_ms = now_ms - start_ms;
    if (err != HF_OK) {
        log_failure(&consumer->commit_log, err, "commit_failed", &why);
        back_off_fail(&consumer->commit, now_ms, COMMIT_FIRST_MS, COMMIT_LAST_MS);
        consumer->commit_failed = true;
        return fatal(err) ? err : HF_OK;
    }
    if (consumer->commit_failed)
        hf_log(HF_NOTICE, "commit_done", "text=\"commits succeed again\"");
    consumer->commit_failed = false;
    hf_log(HF_INFO, "committed", "records=%zu took_ms=%lld", records, (long long)took_ms);
    back_off_reset(&consumer->commit);
    consumer->commit_log = (struct hf_log_limit){0};
    consumer->checkpoint_due = true;
    /* A commit may take a quarter of the time; when it takes more, there are to be fewer. */
    int64_t interval_ms = consumer->commit_interval_ms;
    consumer->commit_ms = start_ms + (4 * took_ms > interval_ms ? 4 * took_ms : interval_ms);
    return HF_OK;
}

/* Not for a commit that moved as_of_ms alone: nothing is lost with it. */
static enum hf_err sync_log(struct consumer *consumer, int64_t now_ms)
{
    struct hf_why why = {""};
    uint64_t position = fold_committed(consumer->fold)->position;
    consumer->sync_ms = now_ms + SYNC_INTERVAL_MS;
    if (position == consumer->synced_position)
        return HF_OK;
    enum hf_err err = store_sync(consumer->store, &why);
    if (err == HF_OK)
        consumer->synced_position = position;
    else
        log_failure(&consumer->commit_log, err, "sync_failed", &why);
    return fatal(err) ? err : HF_OK;
}

static enum hf_err checkpoint(struct consumer *consumer, int64_t now_ms)
{
    struct hf_why why = {""};
    consumer->checkpoint_ms = now_ms + CHECKPOINT_INTERVAL_MS;
    if (!consumer->checkpoint_due)
        return HF_OK;
    enum hf_err err = store_checkpoint(consumer->store, &why);
    if (err == HF_OK)
        consumer->checkpoint_due = false;
    else
        log_failure(&consumer->commit_log, err, "checkpoint_failed", &why);
    return fatal(err) ? err : HF_OK;
}

static enum hf_err expire(struct consumer *consumer, int64_t now_ms)
{
    struct hf_why why = {""};
    bool more = false;
    enum hf_err err = fold_expire(consumer->fold, &more, &why);
    int64_t end_ms = monotonic_ms();
    if (err != HF_OK) {
        log_failure(&consumer->expire_log, err, "expire_failed", &why);
        consumer->expire_ms = end_ms + EXPIRE_FAILED_MS;
        return fatal(err) ? err : HF_OK;
    }
    /* While there is more, at most a quarter of the time goes into it. */
    consumer->expire_ms = end_ms + (more ? 3 * (end_ms - now_ms) : EXPIRE_INTERVAL_MS);
    return HF_OK;
}

void upkeep_begin(struct consumer *consumer, int64_t now_ms)
{
    consumer->commit_ms = now_ms + consumer->commit_interval_ms;
    consumer->sync_ms = now_ms + SYNC_INTERVAL_MS;
    consumer->checkpoint_ms = now_ms + CHECKPOINT_INTERVAL_MS;
    consumer->expire_ms = now_ms + EXPIRE_INTERVAL_MS;
}

static bool commit_is_due(const struct consumer *consumer, int64_t now_ms)
{
    if (!fold_dirty(consumer->fold))
        return false;
    if (consumer->commit_failed)
        return now_ms >= consumer->commit.next_ms;
    return now_ms >= consumer->commit_ms || fold_full(consumer);
}

enum hf_err upkeep(struct consumer *consumer, int64_t now_ms)
{
    enum hf_err err = HF_OK;
    if (commit_is_due(consumer, now_ms))
        err = commit(consumer);
    if (err == HF_OK && now_ms >= consumer->sync_ms)
        err = sync_log(consumer, now_ms);
    if (err == HF_OK && now_ms >= consumer->checkpoint_ms)
        err = checkpoint(consumer, now_ms);
    if (err == HF_OK && now_ms >= consumer->expire_ms && !consumer->commit_failed)
        err = expire(consumer, now_ms);
    return err;
}

int64_t upkeep_next(const struct consumer *consumer)
{
    int64_t next_ms = consumer->sync_ms < consumer->expire_ms ? consumer->sync_ms : consumer->expire_ms;
    int64_t commit_ms = consumer->commit_failed ? consumer->commit.next_ms : consumer->commit_ms;
    return fold_dirty(consumer->fold) && commit_ms < next_ms ? commit_ms : next_ms;
}

bool upkeep_finish(struct consumer *consumer)
{
    if (fold_dirty(consumer->fold) && (commit(consumer) != HF_OK || consumer->commit_failed))
        return false;
    return sync_log(consumer, monotonic_ms()) == HF_OK &&
           consumer->synced_position == fold_committed(consumer->fold)->position;
}
