/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's tool: a command is one file with one entry of the table in
 * hourfold.c. What the commands share is here.
 */
#ifndef HF_CONSUMER_TOOL_H
#define HF_CONSUMER_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/conf.h"
#include "bus/bus.h"
#include "store/store.h"

#define TOOL_OPTIONS_MAX 4

struct tool_option {
    const char *name;     /* "--format" */
    const char *argument; /* "FORMAT", or NULL for a switch */
    const char *text;
};

/* One run of one command. */
struct tool {
    const struct cli_program *program;
    const struct tool_command *command;
    const char *conf_path;
    struct hf_conf *conf;                 /* NULL for a command that needs none */
    const char *store_path;               /* of the configuration, or of a copy */
    struct store *store;                  /* NULL until tool_open_store() */
    bool consistent;                      /* reads are of one committed state each, and wait for commits */
    const char *values[TOOL_OPTIONS_MAX]; /* by option: NULL absent, "" a switch that is set, or its argument */
    const char *operand;                  /* NULL when absent */
};

struct tool_command {
    const char *name;
    const char *operand; /* "[PATTERN]", or "" for none; at most one, always optional */
    const char *summary; /* for the list of commands */
    const char *text;    /* for its own help: whole lines */
    struct tool_option options[TOOL_OPTIONS_MAX];
    bool needs_conf;
    int (*run)(struct tool *tool); /* an exit code */
};

extern const struct tool_command backup_command, check_config_command, decode_command, export_command, keys_command,
    restore_command, stat_command, token_command, verify_command;

/* Say in one line what went wrong; return the code. */
int tool_fail(const struct tool *tool, int code, const char *format, ...) HF_PRINTF(3, 4);

/* Open the store in tool->store_path for reading; root becomes the user that it belongs to, for good. -1 to go on, or an exit code
 * after saying why. */
int tool_open_store(struct tool *tool);

/* Print and empty the buffer. HF_NOMEM when it has failed; HF_IO when standard output cannot be written. */
HF_MUST_CHECK enum hf_err tool_print(struct hf_buf *buf);

/* Say why an operation on the store failed; CLI_FAILED. */
int tool_store_failed(const struct tool *tool, enum hf_err err, const struct hf_why *why);

/* Verify the open store, as `hourfold verify` does: CLI_DONE when it is good. `*status` (may be NULL) is what it says of itself. */
int tool_verify(struct tool *tool, struct store_status *status);

/* Ask the bus how the stream is; false when it does not answer within a second. */
bool tool_ask_stream(const struct tool *tool, struct bus_stream *out);

/* Progress on a terminal: on standard error, now and then, and gone at the end. All zero at first. */
struct tool_progress {
    int64_t next_ms;
    bool shown;
};
void tool_progress(struct tool_progress *progress, uint64_t done, const char *what);
void tool_progress_end(const struct tool_progress *progress);

/* ---- reading the store in short reads, beside the running consumer ---- */

/* Read once: call `read_in` with an open read, again when it has to be begun anew. What `read_in` returns, or
 * what kept the read from beginning. */
typedef enum hf_err (*tool_read_fn)(void *context, struct store_read *read);
HF_MUST_CHECK enum hf_err tool_read(const struct tool *tool, tool_read_fn read_in, void *context, struct hf_why *why);

/* Call `each` for every known key that matches the glob pattern (NULL: all), in byte order, outside of any read; HF_OK
 * from it to go on, anything else ends the walk and is returned. */
typedef enum hf_err (*tool_key_fn)(void *context, const char *key, size_t key_bytes);
HF_MUST_CHECK enum hf_err tool_each_key(const struct tool *tool, const char *pattern, tool_key_fn each, void *context,
                                        struct hf_why *why);

#endif
