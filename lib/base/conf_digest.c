/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <string.h>

#include "base/conf.h"
#include "base/conf_table.h"

_Static_assert(CONF_DIGEST_TEXT == 2 * crypto_generichash_BYTES_MIN + 1, "a digest in hexadecimal");

static void add_text(crypto_generichash_state *state, const char *text)
{
    crypto_generichash_update(state, (const unsigned char *)text, strlen(text) + 1);
}

/* Each value after its name, so that none can be taken for another's. */
static void add_options(crypto_generichash_state *state, const struct conf_option *options, size_t count, const void *base)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned char *field = (const unsigned char *)base + options[i].offset;
        const char *text;
        add_text(state, options[i].section);
        add_text(state, options[i].name);
        switch (options[i].type) {
        case CONF_STRING:
        case CONF_NAME:
        case CONF_SUBJECT:
        case CONF_ORIGIN:
        case CONF_HASH:
            memcpy(&text, field, sizeof text);
            add_text(state, text);
            break;
        case CONF_ENUM:
            crypto_generichash_update(state, field, sizeof(unsigned));
            break;
        case CONF_INTEGER:
        case CONF_SIZE:
        case CONF_DURATION:
            crypto_generichash_update(state, field, sizeof(int64_t));
            break;
        }
    }
}

const char *conf_digest(const struct hf_conf *conf, char out[CONF_DIGEST_TEXT])
{
    crypto_generichash_state state;
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    add_options(&state, conf_options, conf_option_count, conf);
    for (size_t i = 0; i < conf->view_count; i++) {
        add_text(&state, conf->views[i].name);
        add_options(&state, conf_view_options, conf_view_option_count, &conf->views[i]);
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    return sodium_bin2hex(out, CONF_DIGEST_TEXT, hash, sizeof hash);
}
