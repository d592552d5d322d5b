/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/pages.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* the largest window, and a gzip header */
#define GZIP_MEMORY 8

#define SCRIPT "text/javascript; charset=utf-8"

static const struct {
    const char *name;
    const char *file; /* NULL: the name */
    const char *type;
    bool dygraphs; /* whose file it is */
} files[] = {
    {"", "index.html", "text/html; charset=utf-8", false},
    {"style.css", NULL, "text/css; charset=utf-8", false},
    {"icon.svg", NULL, "image/svg+xml", false},
    {"api.js", NULL, SCRIPT, false},
    {"chart.js", NULL, SCRIPT, false},
    {"dom.js", NULL, SCRIPT, false},
    {"format.js", NULL, SCRIPT, false},
    {"grid.js", NULL, SCRIPT, false},
    {"hourfold.js", NULL, SCRIPT, false}, /* the client for the pages of others */
    {"keys.js", NULL, SCRIPT, false},
    {"main.js", NULL, SCRIPT, false},
    {"state.js", NULL, SCRIPT, false},
    {"status.js", NULL, SCRIPT, false},
    {"dygraph.min.js", NULL, SCRIPT, true},
};
#define FILES (sizeof files / sizeof *files)

struct pages {
    struct page list[FILES];
};

int pages_number(const char *name)
{
    for (size_t i = 0; i < FILES; i++)
        if (strcmp(name, files[i].name) == 0)
            return (int)i;
    return -1;
}

const struct page *pages_get(const struct pages *pages, int number)
{
    if (pages == NULL || number < 0 || (size_t)number >= FILES || pages->list[number].plain.len == 0)
        return NULL;
    return &pages->list[number];
}

/* ---- reading ---- */

static enum hf_err read_all(FILE *file, struct hf_buf *out)
{
    char part[8192];
    size_t n;
    while ((n = fread(part, 1, sizeof part, file)) > 0) {
        hf_buf_put(out, part, n);
        if (!hf_buf_ok(out))
            return HF_NOMEM;
        if (out->len > PAGES_FILE_MAX)
            return HF_FULL;
    }
    return ferror(file) ? HF_IO : HF_OK;
}

static enum hf_err read_file(const char *directory, const char *name, struct hf_buf *out)
{
    struct hf_buf path = {0};
    hf_buf_printf(&path, "%s/%s", directory, name);
    hf_buf_u8(&path, 0);
    if (!hf_buf_ok(&path)) {
        hf_buf_free(&path);
        return HF_NOMEM;
    }
    FILE *file = fopen((const char *)path.data, "rb");
    enum hf_err err = file == NULL ? HF_NOTFOUND : read_all(file, out);
    if (file != NULL)
        fclose(file);
    hf_buf_free(&path);
    return err;
}

/* Compress into `out`, which stays empty where nothing is gained by it. */
static enum hf_err compress_bytes(const struct hf_buf *plain, struct hf_buf *out)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return HF_NOMEM;
    enum hf_err err = hf_buf_reserve(out, plain->len);
    if (err == HF_OK) {
        stream.next_in = plain->data;
        stream.avail_in = (uInt)plain->len;
        stream.next_out = out->data;
        stream.avail_out = (uInt)plain->len;
        if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
            out->len = stream.total_out;
    }
    deflateEnd(&stream);
    return err;
}

static enum hf_err read_page(const char *directory, size_t i, struct page *page)
{
    enum hf_err err = read_file(directory, files[i].file != NULL ? files[i].file : files[i].name, &page->plain);
    page->type = files[i].type;
    if (err == HF_OK && page->plain.len > 0)
        err = compress_bytes(&page->plain, &page->gzip);
    if (err != HF_OK)
        hf_buf_free(&page->plain);
    else
        etag_of_bytes(page->plain.data, page->plain.len, page->etag);
    return err;
}

enum hf_err pages_read(const char *directory, const char *dygraphs, struct pages **out, struct hf_why *why)
{
    struct pages *pages = calloc(1, sizeof *pages);
    enum hf_err err = pages == NULL ? HF_NOMEM : HF_OK;
    why->text[0] = '\0';
    for (size_t i = 0; i < FILES && err == HF_OK && *directory != '\0'; i++) {
        const char *from = files[i].dygraphs ? dygraphs : directory;
        err = read_page(from, i, &pages->list[i]);
        if (err == HF_OK || err == HF_NOMEM)
            continue;
        if (why->text[0] == '\0')
            snprintf(why->text, sizeof why->text, "%.400s/%s cannot be read", from, files[i].file != NULL ? files[i].file : files[i].name);
        err = HF_OK;
    }
    if (err != HF_OK)
        pages_free(&pages);
    *out = pages;
    return err;
}

void pages_free(struct pages **pages)
{
    if (*pages == NULL)
        return;
    for (size_t i = 0; i < FILES; i++) {
        hf_buf_free(&(*pages)->list[i].plain);
        hf_buf_free(&(*pages)->list[i].gzip);
    }
    free(*pages);
    *pages = NULL;
}
