/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "batch/batch.h"
#include "tool.h"

static enum hf_err print_header(const struct batch *batch, struct hf_buf *line)
{
    hf_buf_printf(line, "{\"producer\":\"%016llx\",\"number\":%llu,\"keys\":%lu,\"samples\":%lu}\n",
                  (unsigned long long)batch->producer, (unsigned long long)batch->number,
                  (unsigned long)batch->key_count, (unsigned long)batch->sample_count);
    return tool_print(line);
}

static enum hf_err print_sample(const struct sample *sample, struct hf_buf *line)
{
    char time[HF_UTC_TEXT];
    hf_buf_puts(line, "{\"key\":");
    hf_buf_json_string(line, sample->key, sample->key_bytes);
    hf_buf_puts(line, ",\"value\":");
    hf_buf_json_double(line, sample->value);
    hf_buf_printf(line, ",\"ts\":\"%s\"", hf_format_utc(sample->time_ms, time));
    if (sample->id != NULL) {
        hf_buf_puts(line, ",\"id\":");
        hf_buf_json_string(line, sample->id, sample->id_bytes);
    }
    hf_buf_puts(line, "}\n");
    return tool_print(line);
}

static enum hf_err print_batch(struct batch_reader *reader, const struct hf_buf *message)
{
    const struct batch *batch;
    struct sample sample;
    struct hf_buf line = {0};
    uint32_t index;
    enum hf_err err = batch_open(reader, message->data, message->len, &batch);
    if (err == HF_OK)
        err = print_header(batch, &line);
    while (err == HF_OK) {
        err = batch_next(reader, &sample, &index);
        if (err == HF_OK)
            err = print_sample(&sample, &line);
    }
    hf_buf_free(&line);
    return err == HF_NOTFOUND ? HF_OK : err;
}

static bool read_all(FILE *file, struct hf_buf *out)
{
    size_t most = BATCH_BYTES_MAX + 1, len; /* one more byte tells that it is too long */
    if (hf_buf_reserve(out, most) != HF_OK)
        return false;
    while (out->len < most && (len = fread(out->data + out->len, 1, most - out->len, file)) > 0)
        out->len += len;
    return !ferror(file);
}

static int run(struct tool *tool)
{
    const char *name = tool->operand == NULL ? "standard input" : tool->operand;
    FILE *file = tool->operand == NULL ? stdin : fopen(tool->operand, "rb");
    if (file == NULL)
        return tool_fail(tool, CLI_FAILED, "%s: %s", name, strerror(errno));
    struct hf_buf message = {0};
    struct batch_reader *reader = batch_reader_new();
    int code = CLI_DONE;
    errno = ENOMEM;
    if (reader == NULL || !read_all(file, &message))
        code = tool_fail(tool, CLI_FAILED, "%s: %s", name, strerror(errno));
    else {
        enum hf_err err = print_batch(reader, &message);
        if (err == HF_INVALID)
            code = tool_fail(tool, CLI_FAILED, "%s: not a whole and undamaged batch of at most %u bytes", name,
                             BATCH_BYTES_MAX);
        else if (err != HF_OK)
            code = ferror(stdout) ? CLI_FAILED : tool_fail(tool, CLI_FAILED, "%s: %s", name, hf_strerror(err));
    }
    batch_reader_free(&reader);
    hf_buf_free(&message);
    if (file != stdin)
        fclose(file);
    return code;
}

const struct tool_command decode_command = {
    .name = "decode",
    .operand = "[FILE]",
    .summary = "print a message of the stream as JSON lines",
    .text = "Print the batch in FILE, or on standard input, as it is on the bus: a line with its producer, number,\n"
            "and how many keys and samples it has, then one line for each sample.\n",
    .needs_conf = false,
    .run = run,
};
