/* SPDX-License-Identifier: Apache-2.0 */
/* The pages for browsers. They hold no figures, so that no token is needed to see them. */
#include "answer/inside.h"

/* Everything comes from where the page does, nothing from inside of it, and nobody may put it into a frame. */
#define POLICY                                                                                                          \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "                      \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

void answer_page(struct answer *answer, const struct answer_request *request)
{
    const struct page *page = pages_get(request->pages, answer->path.page);
    if (page == NULL) {
        reply_refuse_with(answer, 404, "not_found", "",
                          "This file of the pages is not there: see query.pages and query.dygraphs of the configuration.");
        return;
    }
    bool same = etag_matches(request->if_none_match, page->etag);
    const struct hf_buf *body = &page->plain;
    answer->response.status = same ? 304 : 200;
    if (page->gzip.len > 0) {
        reply_header(answer, "Vary", "Accept-Encoding");
        if (query_accepts_gzip(request->accept_encoding)) {
            reply_header(answer, "Content-Encoding", "gzip");
            body = &page->gzip;
        }
    }
    reply_header(answer, "ETag", page->etag);
    reply_header(answer, "Cache-Control", "no-cache"); /* that is, asked about each time, and answered 304 */
    reply_header(answer, "Content-Security-Policy", POLICY);
    reply_header(answer, "Referrer-Policy", "no-referrer");
    if (same)
        return;
    reply_header(answer, "Content-Type", page->type);
    answer->response.body = body->data;
    answer->response.body_bytes = body->len;
}

void answer_to_page(struct answer *answer)
{
    answer->response.status = 302;
    reply_header(answer, "Location", "-/"); /* relative: no web server need tell where it mounted the program */
    reply_header(answer, "Cache-Control", "no-store");
}
