/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/utc.h"

#define LINE_BYTES 2048 /* of one event, its newline included: below PIPE_BUF, so that a write is whole */

static struct {
    const char *program;
    bool to_syslog;
    enum hf_level most;
} settings = {"hourfold", false, HF_NOTICE};

static const char *const level_names[] = {"error", "warning", "notice", "info"};
static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO};

void hf_log_open(const char *program, bool to_syslog, enum hf_level most)
{
    settings.program = program;
    settings.most = most;
    settings.to_syslog = to_syslog;
    if (to_syslog)
        openlog(program, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

static const char *now_text(char out[HF_UTC_TEXT])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return hf_format_utc((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, out);
}

/* A field may hold what somebody forgot to quote: one event stays one line. */
static void keep_one_line(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = '?';
}

void hf_log(enum hf_level level, const char *event, const char *format, ...)
{
    if (level > settings.most)
        return;
    char line[LINE_BYTES], time[HF_UTC_TEXT];
    size_t len = 0, room = sizeof line - 1; /* one byte for the newline */
    if (!settings.to_syslog)
        len = (size_t)snprintf(line, room, "time=%s program=%s pid=%ld ", now_text(time), settings.program, (long)getpid());
    len += (size_t)snprintf(line + len, room - len, "level=%s event=%s", level_names[level], event);
    if (*format != '\0' && len + 1 < room) {
        va_list args;
        line[len++] = ' ';
        va_start(args, format);
        vsnprintf(line + len, room - len, format, args);
        va_end(args);
        if (line[len] == '\0') /* no fields after all */
            line[len - 1] = '\0';
    }
    keep_one_line(line);
    if (settings.to_syslog) {
        syslog(priorities[level], "%s", line);
        return;
    }
    len = strlen(line);
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nobody left to tell */
}

const char *hf_log_quote(const char *text, unsigned long len, char *out, unsigned long room)
{
    static const char hex[] = "0123456789abcdef";
    unsigned long at = 0;
    if (room < 3) {
        if (room > 0)
            *out = '\0';
        return out;
    }
    out[at++] = '"';
    for (unsigned long i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
        if (at + (plain ? 1 : 4) + 2 > room)
            break;
        if (plain)
            out[at++] = (char)c;
        else {
            out[at++] = '\\';
            out[at++] = 'x';
            out[at++] = hex[c >> 4];
            out[at++] = hex[c & 15];
        }
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

bool hf_log_allowed(struct hf_log_limit *limit, long long now_ms, long long interval_ms, unsigned long *suppressed)
{
    if (now_ms < limit->next_ms && limit->next_ms - now_ms <= interval_ms) {
        limit->held++;
        return false;
    }
    *suppressed = limit->held;
    limit->held = 0;
    limit->next_ms = now_ms + interval_ms;
    return true;
}
