/* SPDX-License-Identifier: Apache-2.0 */
/* The stream: made, checked, asked about, trimmed. */
#include <string.h>

#include "bus/internal.h"

#define DUPLICATES_NS (INT64_C(120) * 1000000000)

static void to_stream(const jsStreamInfo *info, struct bus_stream *out)
{
    const jsStreamState *state = &info->State;
    *out = (struct bus_stream){.created_ns = info->Created, .last_seq = state->LastSeq, .messages = state->Msgs,
                               .bytes = state->Bytes};
    out->first_seq = state->Msgs > 0 ? state->FirstSeq : state->LastSeq + 1;
}

static enum hf_err fail(struct bus *bus, struct hf_why *why, natsStatus s, jsErrCode code)
{
    return bus_fail(why, bus->options.stream, s, code);
}

/* Fill in what may be changed on a stream that is there. */
static void set_limits(const struct bus_options *options, jsStreamConfig *config)
{
    int64_t age_ns = options->max_age_ms * 1000000;
    config->MaxMsgs = options->max_messages;
    config->MaxBytes = -1; /* with a limit by bytes, nats-server 2.9.10 deletes what it acknowledged */
    config->MaxMsgsPerSubject = -1;
    config->MaxAge = age_ns;
    config->Replicas = options->replicas;
    config->Duplicates = age_ns > 0 && age_ns < DUPLICATES_NS ? age_ns : DUPLICATES_NS;
}

static bool same_limits(const jsStreamConfig *a, const jsStreamConfig *b)
{
    return a->MaxMsgs == b->MaxMsgs && a->MaxBytes == b->MaxBytes && a->MaxMsgsPerSubject == b->MaxMsgsPerSubject &&
           a->MaxAge == b->MaxAge && a->Replicas == b->Replicas && a->Duplicates == b->Duplicates;
}

/* Whether a stream of that name, made by somebody else, can serve. */
static enum hf_err check(const struct bus_options *options, const jsStreamConfig *config, struct hf_why *why)
{
    const char *fault = NULL;
    if (config->SubjectsLen != 1 || strcmp(config->Subjects[0], options->subject) != 0)
        fault = "its subject is not the one configured";
    else if (config->Storage != js_FileStorage)
        fault = "its storage is not file";
    else if (config->Discard != js_DiscardNew)
        fault = "its discard policy is not new";
    else if (config->Retention != js_LimitsPolicy)
        fault = "its retention is not limits";
    else if (config->NoAck)
        fault = "it does not acknowledge";
    else if (config->Mirror != NULL || config->SourcesLen > 0)
        fault = "it is a copy of another stream";
    else if (config->Sealed)
        fault = "it is sealed";
    if (fault == NULL)
        return HF_OK;
    return hf_fail(why, HF_INVALID, "stream %s exists, but %s (subject %s); set bus.stream to another name, or remove it",
                   options->stream, fault, options->subject);
}

static enum hf_err make(struct bus *bus, struct link *link, struct bus_stream *out, struct hf_why *why)
{
    const char *subject = bus->options.subject;
    jsStreamConfig config;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    jsStreamConfig_Init(&config);
    config.Name = bus->options.stream;
    config.Subjects = &subject;
    config.SubjectsLen = 1;
    config.Retention = js_LimitsPolicy;
    config.Discard = js_DiscardNew;
    config.Storage = js_FileStorage;
    set_limits(&bus->options, &config);
    natsStatus s = js_AddStream(&info, link->js, &config, NULL, &code);
    if (s != NATS_OK)
        return fail(bus, why, s, code);
    to_stream(info, out);
    jsStreamInfo_Destroy(info);
    return HF_OK;
}

static enum hf_err bring_in_line(struct bus *bus, struct link *link, const jsStreamInfo *info, struct bus_stream *out,
                                 struct hf_why *why)
{
    enum hf_err err = check(&bus->options, info->Config, why);
    if (err != HF_OK)
        return err;
    jsStreamConfig config = *info->Config;
    set_limits(&bus->options, &config);
    if (same_limits(&config, info->Config)) {
        to_stream(info, out);
        return HF_OK;
    }
    jsStreamInfo *updated = NULL;
    jsErrCode code = 0;
    natsStatus s = js_UpdateStream(&updated, link->js, &config, NULL, &code);
    if (s != NATS_OK)
        return fail(bus, why, s, code);
    to_stream(updated, out);
    jsStreamInfo_Destroy(updated);
    return HF_OK;
}

enum hf_err bus_stream_ensure(struct bus *bus, struct bus_stream *out, struct hf_why *why)
{
    struct link *link = link_take(bus, why);
    if (link == NULL)
        return HF_AWAY;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, link->js, bus->options.stream, NULL, &code);
    enum hf_err err = bus_error(s, code);
    if (err == HF_OK)
        err = bring_in_line(bus, link, info, out, why);
    else if (err == HF_NOTFOUND)
        err = make(bus, link, out, why);
    else
        err = fail(bus, why, s, code);
    jsStreamInfo_Destroy(info);
    link_put(link);
    return err;
}

enum hf_err bus_stream_info(struct bus *bus, struct bus_stream *out, struct hf_why *why)
{
    struct link *link = link_take(bus, why);
    if (link == NULL)
        return HF_AWAY;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = BUS_INFO_MS;
    natsStatus s = js_GetStreamInfo(&info, link->js, bus->options.stream, &options, &code);
    link_put(link);
    if (s != NATS_OK)
        return fail(bus, why, s, code);
    to_stream(info, out);
    jsStreamInfo_Destroy(info);
    return HF_OK;
}

enum hf_err bus_storage_limit(struct bus *bus, uint64_t *bytes, struct hf_why *why)
{
    struct link *link = link_take(bus, why);
    if (link == NULL)
        return HF_AWAY;
    jsAccountInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetAccountInfo(&info, link->js, NULL, &code);
    link_put(link);
    if (s != NATS_OK)
        return fail(bus, why, s, code);
    *bytes = info->Limits.MaxStore > 0 ? (uint64_t)info->Limits.MaxStore : 0;
    jsAccountInfo_Destroy(info);
    return HF_OK;
}

enum hf_err bus_stream_trim(struct bus *bus, uint64_t seq, struct hf_why *why)
{
    struct link *link = link_take(bus, why);
    if (link == NULL)
        return HF_AWAY;
    jsOptions options;
    jsErrCode code = 0;
    jsOptions_Init(&options);
    options.Wait = BUS_REQUEST_MS;
    options.Stream.Purge.Sequence = seq; /* the first to keep */
    natsStatus s = seq > 1 ? js_PurgeStream(link->js, bus->options.stream, &options, &code) : NATS_OK;
    link_put(link);
    return s == NATS_OK ? HF_OK : fail(bus, why, s, code);
}
