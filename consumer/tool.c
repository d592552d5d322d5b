/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/access.h"
#include "sample/sample.h"

enum {
    KEYS_AT_ONCE = 500, /* of one read */
    RETRIES = 60,
    RETRY_MS = 100,     /* a recovery takes less than a second, as a rule */
    PROGRESS_MS = 300,
    BUS_WAIT_MS = 1000,
    BUS_LOOK_MS = 20
};

/* A tool that a stuck mutex holds up ends with a word rather than without one. */
static void on_lost(void *context, const char *text)
{
    const struct tool *tool = context;
    fprintf(stderr, "%s: the store is being recovered, try again: %s\n", tool->program->name, text);
    _exit(CLI_FAILED);
}

/* What root would leave behind in the store when it has to recover it, its own user could not write. */
static int become_owner(const struct tool *tool)
{
    struct stat st;
    if (geteuid() != 0 || stat(tool->store_path, &st) != 0 || st.st_uid == 0)
        return -1;
    if (setgid(st.st_gid) == 0 && setuid(st.st_uid) == 0)
        return -1;
    return tool_fail(tool, CLI_FAILED, "cannot become the user that %s belongs to: %s", tool->store_path, strerror(errno));
}

int tool_open_store(struct tool *tool)
{
    struct hf_why why = {""};
    int code = become_owner(tool);
    if (code >= 0)
        return code;
    const struct store_options options = {.path = tool->store_path,
                                          .role = STORE_READER,
                                          .cache_mb = (uint32_t)tool->conf->store.cache_mb,
                                          .on_lost = on_lost,
                                          .context = tool};
    enum hf_err err = store_open(&options, &tool->store, &why);
    return err == HF_OK ? -1 : tool_store_failed(tool, err, &why);
}

int tool_store_failed(const struct tool *tool, enum hf_err err, const struct hf_why *why)
{
    if (ferror(stdout))
        return CLI_FAILED; /* it was the output; the flush at the end says so */
    return tool_fail(tool, CLI_FAILED, "the store in %s cannot be read: %s", tool->store_path,
                     why->text[0] != '\0' ? why->text : hf_strerror(err));
}

enum hf_err tool_print(struct hf_buf *buf)
{
    if (!hf_buf_ok(buf))
        return HF_NOMEM;
    bool written = fwrite(buf->data, 1, buf->len, stdout) == buf->len;
    hf_buf_clear(buf);
    return written ? HF_OK : HF_IO;
}

static enum hf_err read_once(const struct tool *tool, tool_read_fn read_in, void *context, struct hf_why *why)
{
    struct store_read *read;
    enum hf_err err = tool->consistent ? store_read_begin_consistent(tool->store, &read, why)
                                       : store_read_begin(tool->store, &read, why);
    if (err != HF_OK)
        return err;
    err = read_in(context, read);
    if (err == HF_CORRUPT && store_read_why(read, why) == HF_OK)
        hf_fail(why, err, "a record of the store; " STORE_DAMAGE_ADVICE);
    store_read_end(&read);
    return err;
}

enum hf_err tool_read(const struct tool *tool, tool_read_fn read_in, void *context, struct hf_why *why)
{
    enum hf_err err = read_once(tool, read_in, context, why);
    for (int tries = 0; (err == HF_AGAIN || err == HF_TIMEOUT) && tries < RETRIES; tries++) {
        struct timespec pause = {0, RETRY_MS * 1000000L};
        nanosleep(&pause, NULL);
        err = read_once(tool, read_in, context, why);
    }
    return err;
}

/* ---- the bus ---- */

bool tool_ask_stream(const struct tool *tool, struct bus_stream *out)
{
    const struct bus_options options = bus_options_of(tool->conf, "hourfold");
    struct bus *bus;
    if (bus_open(&options, &bus, NULL) != HF_OK)
        return false;
    struct timespec pause = {0, BUS_LOOK_MS * 1000000L};
    for (int waited_ms = 0; waited_ms < BUS_WAIT_MS && !bus_connected(bus); waited_ms += BUS_LOOK_MS)
        nanosleep(&pause, NULL);
    bool heard = bus_connected(bus) && bus_stream_info(bus, out, NULL) == HF_OK;
    bus_close(&bus, 0);
    return heard;
}

/* ---- progress ---- */

void tool_progress(struct tool_progress *progress, uint64_t done, const char *what)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (now_ms < progress->next_ms || !isatty(STDERR_FILENO))
        return;
    if (progress->next_ms != 0) { /* not within the first moment */
        fprintf(stderr, "\r\033[K%llu %s", (unsigned long long)done, what);
        progress->shown = true;
    }
    progress->next_ms = now_ms + PROGRESS_MS;
}

void tool_progress_end(const struct tool_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
}

/* ---- keys ---- */

struct key_page {
    const char *prefix;
    char after[SAMPLE_KEY_MAX + 1];
    struct hf_buf keys; /* each as a byte of length and its text */
    unsigned count;
};

static bool take_key(void *context, const char *key, size_t key_bytes)
{
    struct key_page *page = context;
    hf_buf_u8(&page->keys, (uint8_t)key_bytes);
    hf_buf_put(&page->keys, key, key_bytes);
    return ++page->count < KEYS_AT_ONCE;
}

static enum hf_err read_page(void *context, struct store_read *read)
{
    struct key_page *page = context;
    hf_buf_clear(&page->keys);
    page->count = 0;
    enum hf_err err = store_read_keys(read, page->prefix, page->after, take_key, page);
    return err == HF_OK && !hf_buf_ok(&page->keys) ? HF_NOMEM : err;
}

static enum hf_err show_page(struct key_page *page, const char *pattern, tool_key_fn each, void *context)
{
    struct hf_cur cur = hf_cur_of(page->keys.data, page->keys.len);
    enum hf_err err = HF_OK;
    while (err == HF_OK && hf_cur_left(&cur) > 0) {
        size_t len = hf_cur_u8(&cur);
        const char *key = (const char *)hf_cur_bytes(&cur, len);
        if (key == NULL || len > SAMPLE_KEY_MAX)
            return HF_CORRUPT;
        memcpy(page->after, key, len);
        page->after[len] = '\0';
        if (pattern == NULL || access_glob(pattern, strlen(pattern), key, len))
            err = each(context, key, len);
    }
    return err;
}

enum hf_err tool_each_key(const struct tool *tool, const char *pattern, tool_key_fn each, void *context,
                          struct hf_why *why)
{
    char prefix[SAMPLE_KEY_MAX + 1] = ""; /* what the pattern begins with, up to its first wildcard */
    size_t len = pattern == NULL ? 0 : strcspn(pattern, "*?");
    memcpy(prefix, pattern == NULL ? "" : pattern, len < SAMPLE_KEY_MAX ? len : SAMPLE_KEY_MAX);
    struct key_page page = {.prefix = prefix};
    enum hf_err err;
    do {
        err = tool_read(tool, read_page, &page, why);
        if (err == HF_OK)
            err = show_page(&page, pattern, each, context);
    } while (err == HF_OK && page.count == KEYS_AT_ONCE);
    hf_buf_free(&page.keys);
    return err;
}
