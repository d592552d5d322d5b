/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one INI file, read once into a constant struct.
 *
 * Every option is one line of base/options.def (section, name, type, default,
 * range, unit, text). The fields below, the parser, `--help`, the commented
 * etc/hourfold.conf and the manual page hourfold.conf(5) all come from it.
 *
 * The order, later over earlier: the default; the file; the environment
 * variable HOURFOLD_<SECTION>_<NAME>. A string option's default may begin
 * with ${localstatedir} or ${pkgdatadir}, directories of the installation, known when the library is built.
 */
#ifndef HF_BASE_CONF_H
#define HF_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum conf_durability { CONF_DURABILITY_PROCESS, CONF_DURABILITY_POWER };

/* One [view NAME] section. Strings are lists as written, comma separated; "" where the option is absent. */
struct conf_view {
    const char *name;
    const char *keys;         /* glob patterns */
    const char *stats;        /* names of statistics; "*" is all, the default */
    const char *token_sha256; /* 64 hexadecimal digits, or "" for a public view */
};

struct hf_conf {
    struct {
        const char *path;     /* directory of the Berkeley DB environment */
        int64_t cache_mb;
        int64_t buckets;      /* of an hour cell */
        int64_t minute_days;  /* 0 keeps for ever */
        int64_t hour_days;    /* 0 keeps for ever */
    } store;
    struct {
        const char *url;         /* one or more, comma separated */
        const char *stream;
        const char *subject;
        const char *credentials; /* a NATS credentials file, or "" */
        const char *tls_ca;      /* a PEM file, or "" */
        int64_t replicas;
        int64_t max_messages;
        int64_t max_mb;
        int64_t max_age_ms;
    } bus;
    struct {
        int64_t commit_interval_ms;
        int64_t id_memory_ms;
        int64_t max_keys;
    } consumer;
    struct {
        int64_t threads;
        int64_t max_body;     /* bytes */
        int64_t max_samples;  /* of one request */
        int64_t max_age_ms;
        int64_t max_skew_ms;
        const char *spool;    /* a directory, or "" for none */
        int64_t spool_max_mb;
        const char *tally;    /* a file, or "" for the one beside the store: see tally_path() */
        enum conf_durability durability;
        const char *cors_origin;
        int64_t rate;         /* requests a second of one client address; 0 is unlimited */
        const char *proxies;  /* addresses and networks, comma separated */
        const char *token_sha256; /* 64 hexadecimal digits; "" lets everybody send */
    } collect;
    struct {
        int64_t threads;
        int64_t max_cells;
        const char *cors_origin;
        const char *pages;    /* a directory, or "" for none */
        const char *dygraphs; /* a directory */
    } query;
    const struct conf_view *views;
    size_t view_count;
};

/* Read the configuration. `path` NULL means $HOURFOLD_CONF, or else the installed file; only that last one may
 * be missing, and all is default then. HF_INVALID with "file:line: option: what is wrong, permitted range" (or
 * the environment variable's name in place of file:line); HF_IO when the file cannot be read; HF_NOMEM. On
 * HF_OK `*out` belongs to the caller and is freed with conf_free(). */
HF_MUST_CHECK enum hf_err conf_load(const char *path, struct hf_conf **out, struct hf_why *why);

/* Write the names of those environment variables that begin with HOURFOLD_ and name no option, with spaces between, as far as there is
 * room; return how many there are. They may be mistakes, or somebody else's: HOURFOLD_QUERY_PORT is what Kubernetes gives to the
 * neighbours of a service "hourfold-query". */
size_t conf_unknown_variables(char *out, size_t room);

/* The same from text in memory, without the environment; for tests and fuzzing. */
HF_MUST_CHECK enum hf_err conf_parse(const char *text, size_t len, const char *name, struct hf_conf **out,
                                     struct hf_why *why);

void conf_free(struct hf_conf **conf); /* NULL inside is allowed; sets it to NULL */

#define CONF_DIGEST_TEXT 33u

/* Write what stands for the values of all options: the same for two configurations exactly when they say the same (BLAKE2b, 128 bits in
 * hexadecimal). Return `out`. */
const char *conf_digest(const struct hf_conf *conf, char out[CONF_DIGEST_TEXT]);

/* ---- the table, printed ---- */

/* Each writes the options of base/options.def; the caller checks the stream for errors. In a template
 * the directories of the installation in defaults are "@localstatedir@" and "@pkgdatadir@", else they are those of this build. */

/* The commented INI file that is installed as hourfold.conf: all options, each with its default, as comments. */
void conf_print_ini(FILE *out, bool template);
/* The options as a part of a manual page, in mdoc(7). */
void conf_print_mdoc(FILE *out, bool template);
/* Options with their defaults for --help, of the sections in `sections`: names with spaces between. */
void conf_print_help(FILE *out, const char *sections);

#endif
