/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration with inih.
 *
 * inih (ini.c, as Debian builds it) holds a line in 200 bytes, cuts section names at 49, takes an indented line
 * for a continuation, tells its handler no line number and says nothing of a section without options. So the
 * reader that gives it its lines does more than that: it counts them, refuses those that would be cut, drops
 * indentation, and reads section headers itself; inih divides the other lines into names and values.
 */
#include "base/conf.h"

#include <ini.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/conf_table.h"
#include "base/log.h"

extern char **environ;

#define FILE_BYTES_MAX 1048576u
#define LINE_BYTES_MAX 197u /* without its end: inih's 200 less "\r\n" and NUL */
#define VIEWS_MAX 256u      /* what a struct access_grant has bits for */
#define VIEW_NAME_MAX 64u
#define OUTSIDE_TEXT 96 /* bytes of a text from the file that a message repeats */

_Static_assert(sizeof(enum conf_durability) == sizeof(unsigned), "an ENUM field is stored as an unsigned");

/* Texts that the configuration owns, in a list. */
struct text {
    struct text *next;
    char bytes[];
};

struct loaded {
    struct hf_conf conf; /* first: this is what the caller holds */
    struct text *texts;
    struct conf_view *views;
};

struct reading {
    struct loaded *loaded;
    const char *name; /* of the file */
    const char *at, *end;
    unsigned long line;
    const struct conf_section *section; /* NULL before the first */
    struct conf_view *view;             /* the open view, or NULL */
    unsigned long view_line;
    bool expecting; /* the last line should reach the handler, and has not yet */
    bool *seen;     /* one for each option: conf_options, then conf_view_options of the open view */
    enum hf_err err;
    struct hf_why *why;
};

static struct loaded *loaded_of(struct hf_conf *conf) { return (struct loaded *)(void *)conf; }

/* ---- storing values ---- */

static char *keep_text(struct loaded *loaded, const char *a, size_t a_len, const char *b)
{
    size_t b_len = strlen(b);
    struct text *text = malloc(sizeof *text + a_len + b_len + 1);
    if (text == NULL)
        return NULL;
    memcpy(text->bytes, a, a_len);
    memcpy(text->bytes + a_len, b, b_len + 1);
    text->next = loaded->texts;
    loaded->texts = text;
    return text->bytes;
}

/* Check `value` and store it in `base`, which is a struct hf_conf or a struct conf_view. */
static enum hf_err store_value(struct loaded *loaded, const struct conf_option *option, void *base, const char *value)
{
    int64_t number = 0;
    unsigned char *field = (unsigned char *)base + option->offset;
    enum hf_err err = conf_read_value(option, value, &number);
    if (err != HF_OK)
        return err;

    const char *text;
    unsigned word = (unsigned)number;
    switch (option->type) {
    case CONF_STRING:
    case CONF_NAME:
    case CONF_SUBJECT:
    case CONF_ORIGIN:
    case CONF_HASH:
        text = keep_text(loaded, "", 0, value);
        if (text == NULL)
            return HF_NOMEM;
        memcpy(field, &text, sizeof text);
        return HF_OK;
    case CONF_ENUM:
        memcpy(field, &word, sizeof word);
        return HF_OK;
    case CONF_INTEGER:
    case CONF_SIZE:
    case CONF_DURATION:
        memcpy(field, &number, sizeof number);
        return HF_OK;
    }
    return HF_INVALID;
}

static enum hf_err store_default(struct loaded *loaded, const struct conf_option *option)
{
    const char *value;
    const struct conf_directory *directory = conf_directory_of(option->fallback, &value);
    if (directory != NULL) {
        value = keep_text(loaded, directory->path, strlen(directory->path), value);
        if (value == NULL)
            return HF_NOMEM;
    }
    return store_value(loaded, option, &loaded->conf, value);
}

static enum hf_err loaded_new(struct loaded **out)
{
    struct loaded *loaded = calloc(1, sizeof *loaded);
    if (loaded == NULL)
        return HF_NOMEM;
    enum hf_err err = HF_OK;
    for (size_t i = 0; i < conf_option_count && err == HF_OK; i++)
        err = store_default(loaded, &conf_options[i]);
    struct hf_conf *conf = &loaded->conf;
    if (err != HF_OK)
        conf_free(&conf);
    else
        *out = loaded;
    return err;
}

void conf_free(struct hf_conf **conf)
{
    if (conf == NULL || *conf == NULL)
        return;
    struct loaded *loaded = loaded_of(*conf);
    while (loaded->texts != NULL) {
        struct text *next = loaded->texts->next;
        free(loaded->texts);
        loaded->texts = next;
    }
    free(loaded->views);
    free(loaded);
    *conf = NULL;
}

/* ---- errors ---- */

/* Say "file:line: …". The first error counts: reading stops there. */
static void HF_PRINTF(3, 4) fail_at(struct reading *r, unsigned long line, const char *format, ...)
{
    char what[HF_WHY_BYTES];
    va_list args;
    if (r->err != HF_OK)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    r->err = hf_fail(r->why, HF_INVALID, "%.200s:%lu: %s", r->name, line, what);
}

static const char *quote(const char *text, size_t len, char out[OUTSIDE_TEXT])
{
    return hf_log_quote(text, len, out, OUTSIDE_TEXT);
}

static void fail_memory(struct reading *r)
{
    if (r->err == HF_OK)
        r->err = hf_fail(r->why, HF_NOMEM, "%s: out of memory", r->name);
}

/* "where: section.option: "value" is not permitted, permitted: range". */
static enum hf_err fail_value(struct hf_why *why, const char *where, const struct conf_option *option, const char *value)
{
    char quoted[OUTSIDE_TEXT], range[CONF_RANGE_TEXT];
    return hf_fail(why, HF_INVALID, "%s: %s.%s: %s is not permitted, permitted: %s", where, option->section, option->name,
                   quote(value, strlen(value), quoted), conf_range(option, range));
}

/* ---- sections ---- */

static const struct conf_section *find_section(const char *name, size_t len)
{
    for (size_t i = 0; i < conf_section_count; i++)
        if (strlen(conf_sections[i].name) == len && memcmp(conf_sections[i].name, name, len) == 0)
            return &conf_sections[i];
    return NULL;
}

static bool is_view_name(const char *name, size_t len)
{
    return len >= 1 && len <= VIEW_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") >= len;
}

static void close_view(struct reading *r)
{
    if (r->view != NULL && *r->view->keys == '\0')
        fail_at(r, r->view_line, "view.keys: missing from view %s, permitted: 1 to 4000 bytes of text", r->view->name);
    r->view = NULL;
}

static void open_view(struct reading *r, const char *name, size_t len)
{
    struct loaded *loaded = r->loaded;
    size_t count = loaded->conf.view_count;
    if (!is_view_name(name, len)) {
        fail_at(r, r->line, "view: a name is 1 to 64 letters, digits, dots, _ and -, as in [view NAME]");
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (strlen(loaded->views[i].name) == len && memcmp(loaded->views[i].name, name, len) == 0) {
            fail_at(r, r->line, "view %s: repeated, permitted: once", loaded->views[i].name);
            return;
        }
    if (count == VIEWS_MAX) {
        fail_at(r, r->line, "view: too many, permitted: %u", VIEWS_MAX);
        return;
    }
    struct conf_view *views = realloc(loaded->views, (count + 1) * sizeof *views);
    char *kept = keep_text(loaded, name, len, "");
    if (views != NULL)
        loaded->conf.views = loaded->views = views;
    if (views == NULL || kept == NULL) {
        fail_memory(r);
        return;
    }
    r->view = &views[count];
    *r->view = (struct conf_view){.name = kept, .keys = "", .stats = "*", .token_sha256 = ""};
    r->view_line = r->line;
    loaded->conf.view_count = count + 1;
    memset(r->seen + conf_option_count, 0, conf_view_option_count * sizeof *r->seen);
}

static const char *skip_blank(const char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
        s++;
    return s;
}

/* `line` is "[name]" or "[view NAME]", and perhaps a comment. */
static void enter_section(struct reading *r, const char *line)
{
    const char *name = skip_blank(line + 1), *close = strchr(name, ']');
    const char *rest = close == NULL ? NULL : skip_blank(close + 1);
    close_view(r);
    if (rest == NULL || (*rest != '\0' && *rest != ';' && *rest != '#')) {
        fail_at(r, r->line, "a section is written [name], alone on its line");
        return;
    }
    while (close > name && (close[-1] == ' ' || close[-1] == '\t'))
        close--;
    size_t len = strcspn(name, " \t");
    if (len > (size_t)(close - name))
        len = (size_t)(close - name);
    const char *argument = skip_blank(name + len);

    r->section = find_section(name, len);
    bool is_view = r->section != NULL && strcmp(r->section->name, "view") == 0;
    if (is_view)
        open_view(r, argument, argument < close ? (size_t)(close - argument) : 0);
    else if (r->section == NULL || argument < close) {
        char quoted[OUTSIDE_TEXT];
        fail_at(r, r->line, "unknown section %s, permitted: store, bus, consumer, collect, query, view NAME",
                quote(name, (size_t)(close - name), quoted));
    }
}

/* ---- lines ---- */

static bool is_control(char c) { return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f; }

/* Copy the next line without indentation and end, and count it. False at the end and after an error. */
static bool take_line(struct reading *r, char out[LINE_BYTES_MAX + 1])
{
    if (r->err != HF_OK || r->at == r->end)
        return false;
    const char *start = r->at, *newline = memchr(start, '\n', (size_t)(r->end - start));
    const char *end = newline == NULL ? r->end : newline;
    r->at = newline == NULL ? end : newline + 1;
    r->line++;

    if (end > start && end[-1] == '\r')
        end--;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    if ((size_t)(end - start) > LINE_BYTES_MAX) {
        fail_at(r, r->line, "line too long, permitted: %u bytes", LINE_BYTES_MAX);
        return false;
    }
    for (const char *p = start; p < end; p++)
        if (is_control(*p)) {
            fail_at(r, r->line, "a control character, permitted: text");
            return false;
        }
    memcpy(out, start, (size_t)(end - start));
    out[end - start] = '\0';
    return true;
}

/* fgets() for inih. Whatever is no option goes to it as an empty line. */
static char *give_line(char *out, int room, void *stream)
{
    struct reading *r = stream;
    char line[LINE_BYTES_MAX + 1];
    if (r->expecting)
        fail_at(r, r->line, "an option is written name = value, and a comment begins with # or ;");
    if (!take_line(r, line))
        return NULL;
    if (*line == '[')
        enter_section(r, line);
    r->expecting = *line != '[' && *line != '#' && *line != ';' && *line != '\0';
    /* Lines fit into any buffer of inih as it is built today; in a smaller one they must not be cut. */
    int len = snprintf(out, (size_t)room, "%s\n", r->expecting ? line : "");
    if (len >= room)
        fail_at(r, r->line, "line too long");
    return r->err == HF_OK ? out : NULL;
}

static const char *list_names(const struct conf_option *options, size_t count, const char *section, char out[256])
{
    int at = 0;
    *out = '\0';
    for (size_t i = 0; i < count && at < 256; i++)
        if (strcmp(options[i].section, section) == 0)
            at += snprintf(out + at, (size_t)(256 - at), "%s%s", at == 0 ? "" : ", ", options[i].name);
    return out;
}

static void take_option(struct reading *r, const struct conf_option *options, size_t count, bool *seen, void *base,
                        const char *name, const char *value)
{
    char where[256], names[256];
    size_t i = 0;
    while (i < count && (strcmp(options[i].section, r->section->name) != 0 || strcmp(options[i].name, name) != 0))
        i++;
    if (i == count) {
        char quoted[OUTSIDE_TEXT];
        fail_at(r, r->line, "%s: unknown option %s, permitted: %s", r->section->name, quote(name, strlen(name), quoted),
                list_names(options, count, r->section->name, names));
        return;
    }
    if (seen[i]) {
        fail_at(r, r->line, "%s.%s: repeated, permitted: once", options[i].section, options[i].name);
        return;
    }
    seen[i] = true;
    snprintf(where, sizeof where, "%.200s:%lu", r->name, r->line);
    enum hf_err err = store_value(r->loaded, &options[i], base, value);
    if (err == HF_NOMEM)
        fail_memory(r);
    else if (err != HF_OK)
        r->err = fail_value(r->why, where, &options[i], value);
}

/* inih's handler. Its section is cut at 49 bytes; the reader's is whole. */
static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    (void)section;
    struct reading *r = user;
    r->expecting = false;
    if (r->section == NULL)
        fail_at(r, r->line, "an option before the first [section]");
    if (r->err != HF_OK)
        return 0;
    if (r->view != NULL)
        take_option(r, conf_view_options, conf_view_option_count, r->seen + conf_option_count, r->view, name, value);
    else
        take_option(r, conf_options, conf_option_count, r->seen, &r->loaded->conf, name, value);
    return r->err == HF_OK;
}

enum hf_err conf_parse(const char *text, size_t len, const char *name, struct hf_conf **out, struct hf_why *why)
{
    struct reading r = {.name = name, .at = text, .end = text + len, .why = why};
    if (len > FILE_BYTES_MAX)
        return hf_fail(why, HF_INVALID, "%s: too long, permitted: 1 MiB", name);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        r.at += 3;
    r.seen = calloc(conf_option_count + conf_view_option_count, sizeof *r.seen);
    if (r.seen == NULL || loaded_new(&r.loaded) != HF_OK) {
        free(r.seen);
        return hf_fail(why, HF_NOMEM, "%s: out of memory", name);
    }
    /* Its result tells no more than r.err: the reader saw each line it could object to. */
    (void)ini_parse_stream(give_line, &r, take_pair, &r);
    close_view(&r);
    free(r.seen);

    struct hf_conf *conf = &r.loaded->conf;
    if (r.err != HF_OK)
        conf_free(&conf);
    else
        *out = conf;
    return r.err;
}

/* ---- the file and the environment ---- */

static enum hf_err read_file(const char *path, struct hf_buf *out, struct hf_why *why)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return hf_fail(why, errno == ENOENT ? HF_NOTFOUND : HF_IO, "%s: %s", path, strerror(errno));
    enum hf_err err = hf_buf_reserve(out, FILE_BYTES_MAX + 1);
    if (err != HF_OK)
        hf_fail(why, err, "%s: out of memory", path);
    else {
        errno = 0;
        out->len = fread(out->data, 1, FILE_BYTES_MAX + 1, file);
        if (ferror(file))
            err = hf_fail(why, HF_IO, "%s: %s", path, strerror(errno));
    }
    fclose(file);
    return err;
}

#define VARIABLE_BYTES 64

/* The environment variable of an option. Return its length. */
static size_t variable_of(const struct conf_option *option, char out[VARIABLE_BYTES])
{
    int len = snprintf(out, VARIABLE_BYTES, "HOURFOLD_%s_%s", option->section, option->name);
    for (int i = 0; i < len; i++)
        if (out[i] >= 'a' && out[i] <= 'z')
            out[i] = (char)(out[i] - 'a' + 'A');
    return (size_t)len;
}

/* Whether a "NAME=value" looks like a variable of an option, and is none. */
static bool is_unknown(const char *variable)
{
    static const char *const others[] = {"HOURFOLD_CONF=", "HOURFOLD_MOUNT="};
    char name[VARIABLE_BYTES];
    bool unknown = strncmp(variable, "HOURFOLD_", strlen("HOURFOLD_")) == 0;
    for (size_t i = 0; i < sizeof others / sizeof *others && unknown; i++)
        unknown = strncmp(variable, others[i], strlen(others[i])) != 0;
    for (size_t i = 0; i < conf_option_count && unknown; i++) {
        size_t len = variable_of(&conf_options[i], name);
        unknown = strncmp(variable, name, len) != 0 || variable[len] != '=';
    }
    return unknown;
}

size_t conf_unknown_variables(char *out, size_t room)
{
    size_t at = 0, count = 0;
    *out = '\0';
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        if (!is_unknown(*variable))
            continue;
        int name = (int)strcspn(*variable, "=");
        count++;
        if (at < room)
            at += (size_t)snprintf(out + at, room - at, "%s%.*s", at == 0 ? "" : " ", name, *variable);
    }
    return count;
}

static enum hf_err take_environment(struct loaded *loaded, struct hf_why *why)
{
    for (size_t i = 0; i < conf_option_count; i++) {
        char name[VARIABLE_BYTES];
        variable_of(&conf_options[i], name);
        const char *value = getenv(name);
        if (value == NULL)
            continue;
        enum hf_err err = store_value(loaded, &conf_options[i], &loaded->conf, value);
        if (err == HF_NOMEM)
            return hf_fail(why, err, "%s: out of memory", name);
        if (err != HF_OK)
            return fail_value(why, name, &conf_options[i], value);
    }
    return HF_OK;
}

/* What no option tells alone. */
static enum hf_err check_together(const struct hf_conf *conf, struct hf_why *why)
{
    if (conf->collect.durability == CONF_DURABILITY_POWER && conf->collect.spool[0] == '\0')
        return hf_fail(why, HF_INVALID, "collect.durability = power needs a directory in collect.spool");
    return HF_OK;
}

enum hf_err conf_load(const char *path, struct hf_conf **out, struct hf_why *why)
{
    const char *from_environment = getenv("HOURFOLD_CONF");
    bool may_be_missing = false;
    if (path == NULL && from_environment != NULL && *from_environment != '\0')
        path = from_environment;
    if (path == NULL) {
        path = HF_SYSCONFDIR "/hourfold.conf";
        may_be_missing = true;
    }

    struct hf_buf text = {0};
    struct hf_conf *conf = NULL;
    enum hf_err err = read_file(path, &text, why);
    if (err == HF_NOTFOUND)
        err = may_be_missing ? HF_OK : HF_IO;
    if (err == HF_OK)
        err = conf_parse(text.len == 0 ? "" : (const char *)text.data, text.len, path, &conf, why);
    if (err == HF_OK)
        err = take_environment(loaded_of(conf), why);
    if (err == HF_OK)
        err = check_together(conf, why);
    hf_buf_free(&text);
    if (err != HF_OK)
        conf_free(&conf);
    else
        *out = conf;
    return err;
}
