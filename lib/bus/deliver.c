/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery in order: an ephemeral push consumer without acknowledgements, whose
 * messages the server numbers 1, 2, 3 … A number that does not follow, a
 * heartbeat that names a number not received, or silence: the delivery is broken
 * off, and the caller begins another one after the last message it took.
 *
 * The server sends no more than its flow-control window ahead of us: it puts a
 * request between the messages, which is answered when it is taken from the
 * queue, so that memory stays bounded however long the stream is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "bus/internal.h"

#define SILENCE_MS (2 * BUS_HEARTBEAT_MS + 500)

void delivery_end(struct bus *bus)
{
    struct delivery *delivery = &bus->delivery;
    if (delivery->link == NULL)
        return;
    natsSubscription_Unsubscribe(delivery->sub);
    natsSubscription_Destroy(delivery->sub);
    link_put(delivery->link);
    *delivery = (struct delivery){0};
}

static natsStatus add_consumer(struct link *link, const char *inbox, uint64_t seq, jsErrCode *code)
{
    jsConsumerConfig config;
    jsConsumerInfo *info = NULL;
    natsStatus s = jsConsumerConfig_Init(&config);
    if (s != NATS_OK)
        return s;
    config.DeliverSubject = inbox;
    config.DeliverPolicy = js_DeliverByStartSequence;
    config.OptStartSeq = seq > 0 ? seq : 1;
    config.AckPolicy = js_AckNone;
    config.MaxDeliver = 1;
    config.FlowControl = true;
    config.Heartbeat = BUS_HEARTBEAT_MS * INT64_C(1000000);
    config.MemoryStorage = true;
    config.Replicas = 1;
    s = js_AddConsumer(&info, link->js, link->bus->options.stream, &config, NULL, code);
    jsConsumerInfo_Destroy(info);
    return s;
}

enum hf_err bus_deliver_from(struct bus *bus, uint64_t seq, struct hf_why *why)
{
    delivery_end(bus);
    struct link *link = link_take(bus, why);
    if (link == NULL)
        return HF_AWAY;
    struct delivery delivery = {.link = link, .heard_ms = bus_now_ms()};
    natsInbox *inbox = NULL;
    jsErrCode code = 0;
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK)
        s = natsConnection_SubscribeSync(&delivery.sub, link->nc, inbox);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(delivery.sub, -1, -1);
    if (s == NATS_OK)
        s = add_consumer(link, inbox, seq, &code);
    natsInbox_Destroy(inbox);
    bus->delivery = delivery;
    if (s == NATS_OK)
        return HF_OK;
    enum hf_err err = bus_fail(why, bus->options.stream, s, code);
    delivery_end(bus);
    return err;
}

static uint64_t header_number(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    uint64_t v = 0;
    if (natsMsgHeader_Get(msg, name, &value) != NATS_OK || value == NULL)
        return 0;
    return hf_parse_u64(value, strlen(value), UINT64_MAX, &v) == HF_OK ? v : 0;
}

/* A flow-control request or a heartbeat. False when it shows that a message is missing. */
static bool take_status(struct delivery *delivery, natsMsg *msg)
{
    const char *stalled = NULL;
    const char *reply = natsMsg_GetReply(msg);
    if (reply != NULL && reply[0] != '\0') {
        natsConnection_Publish(delivery->link->nc, reply, NULL, 0);
        return true;
    }
    if (natsMsgHeader_Get(msg, "Nats-Consumer-Stalled", &stalled) == NATS_OK && stalled != NULL)
        natsConnection_Publish(delivery->link->nc, stalled, NULL, 0);
    return header_number(msg, "Nats-Last-Consumer") <= delivery->received;
}

/* Where the fields of a message's reply subject begin that end in <deliveries>.<stream sequence>.<consumer
 * sequence>.<nanoseconds>.<pending>. It is $JS.ACK.<stream>.<consumer>. and these, or, from later servers,
 * $JS.ACK.<domain>.<account>.<stream>.<consumer>. and these and one more. */
static const char *reply_fields(const char *reply)
{
    unsigned dots = 0;
    for (const char *p = reply; *p != '\0'; p++)
        dots += *p == '.';
    if (strncmp(reply, "$JS.ACK.", 8) != 0 || (dots != 8 && dots < 10))
        return NULL;
    for (unsigned skip = dots == 8 ? 4 : 6; skip > 0; skip--)
        reply = strchr(reply, '.') + 1;
    return reply;
}

static bool read_reply(const char *reply, uint64_t *stream_seq, uint64_t *consumer_seq, int64_t *time_ms)
{
    uint64_t fields[4];
    const char *at = reply != NULL ? reply_fields(reply) : NULL;
    if (at == NULL)
        return false;
    for (size_t i = 0; i < 4; i++) {
        size_t len = strcspn(at, ".");
        if (hf_parse_u64(at, len, INT64_MAX, &fields[i]) != HF_OK || at[len] != '.')
            return false;
        at += len + 1;
    }
    *stream_seq = fields[1];
    *consumer_seq = fields[2];
    *time_ms = (int64_t)(fields[3] / 1000000);
    return true;
}

/* Turn what came into a message. HF_AGAIN: it was for us here alone, and is freed; HF_STALE: something is missing. */
static enum hf_err take(struct delivery *delivery, natsMsg *msg, struct bus_message *out)
{
    const char *status = NULL;
    uint64_t seq = 0;
    uint64_t number = 0;
    int64_t time_ms = 0;
    enum hf_err err = HF_STALE;
    if (natsMsgHeader_Get(msg, "Status", &status) == NATS_OK && status != NULL) {
        if (take_status(delivery, msg))
            err = HF_AGAIN;
    } else if (read_reply(natsMsg_GetReply(msg), &seq, &number, &time_ms) && number == delivery->received + 1) {
        delivery->received = number;
        *out = (struct bus_message){seq, time_ms, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), msg};
        return HF_OK;
    }
    natsMsg_Destroy(msg);
    return err;
}

/* Without a delivery: wait for a connection to begin the next one on, so that a caller who tries again does not spin. */
static enum hf_err await_link(struct bus *bus, long long until_ms)
{
    struct timespec until = bus_timespec(until_ms);
    pthread_mutex_lock(&bus->lock);
    bool away = bus->link == NULL;
    while (bus->link == NULL && pthread_cond_timedwait(&bus->changed, &bus->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&bus->lock);
    return away ? HF_AWAY : HF_STALE;
}

enum hf_err bus_next(struct bus *bus, int64_t wait_ms, struct bus_message *out)
{
    struct delivery *delivery = &bus->delivery;
    long long until = bus_now_ms() + wait_ms;
    enum hf_err err = HF_AGAIN;
    while (delivery->link != NULL && err == HF_AGAIN) {
        natsMsg *msg = NULL;
        long long now = bus_now_ms(), silent = delivery->heard_ms + SILENCE_MS + 1, wake = until < silent ? until : silent;
        natsStatus s = natsSubscription_NextMsg(&msg, delivery->sub, wake > now ? wake - now : 0);
        now = bus_now_ms();
        if (s == NATS_OK) {
            delivery->heard_ms = now;
            err = take(delivery, msg, out);
        } else if (s != NATS_TIMEOUT) {
            delivery_end(bus); /* the connection is lost */
        } else if (now - delivery->heard_ms > SILENCE_MS) {
            err = HF_STALE;
        } else if (now >= until) {
            err = HF_TIMEOUT;
        }
    }
    if (err == HF_STALE)
        delivery_end(bus);
    return err != HF_AGAIN ? err : await_link(bus, until);
}

void bus_message_free(struct bus_message *message)
{
    natsMsg_Destroy(message->handle);
    *message = (struct bus_message){0};
}
