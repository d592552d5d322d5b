/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing. Each publish takes a slot, and its acknowledgement comes to an
 * inbox that names the slot and its turn. Whoever frees the slot (the
 * acknowledgement, the deadline, the loss of the link, or the publish itself
 * when sending fails) gives the result, so there is exactly one.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "bus/internal.h"

#define TEXT_BYTES 200

/* Take a free slot. Under the lock. NULL when all are taken. */
static struct slot *slot_take(struct bus *bus, void *ticket)
{
    if (bus->out == BUS_OUT_MAX)
        return NULL;
    while (bus->slots[bus->next_slot].taken)
        bus->next_slot = (bus->next_slot + 1) % BUS_OUT_MAX;
    struct slot *slot = &bus->slots[bus->next_slot];
    bus->next_slot = (bus->next_slot + 1) % BUS_OUT_MAX;
    slot->taken = true;
    slot->turn++;
    slot->ticket = ticket;
    slot->deadline_ms = bus_now_ms() + bus->options.ack_wait_ms;
    if (bus->out++ == 0)
        pthread_cond_signal(&bus->wake_keeper);
    return slot;
}

/* Free a slot and return its ticket. Under the lock; the caller gives the result after it. */
static void *slot_free(struct bus *bus, struct slot *slot)
{
    slot->taken = false;
    if (--bus->out == 0)
        pthread_cond_broadcast(&bus->changed);
    return slot->ticket;
}

/* Free the first taken slot whose deadline is not after `due_ms`, and give its result. */
static bool resolve_one(struct bus *bus, long long due_ms, enum hf_err result, const char *text)
{
    void *ticket = NULL;
    bool found = false;
    pthread_mutex_lock(&bus->lock);
    for (unsigned i = 0; i < BUS_OUT_MAX && !found && bus->out > 0; i++)
        if (bus->slots[i].taken && bus->slots[i].deadline_ms <= due_ms) {
            ticket = slot_free(bus, &bus->slots[i]);
            found = true;
        }
    pthread_mutex_unlock(&bus->lock);
    if (found)
        bus->options.on_result(bus->options.context, ticket, result, text);
    return found;
}

void publish_fail_all(struct bus *bus, enum hf_err result, const char *text)
{
    while (resolve_one(bus, LLONG_MAX, result, text))
        continue;
}

long long publish_expire(struct bus *bus, long long now_ms)
{
    char text[TEXT_BYTES];
    pthread_mutex_lock(&bus->lock);
    snprintf(text, sizeof text, "no acknowledgement in time%s%.150s", bus->error[0] != '\0' ? "; " : "", bus->error);
    pthread_mutex_unlock(&bus->lock);
    while (resolve_one(bus, now_ms, HF_TIMEOUT, text))
        continue;
    long long next = -1;
    pthread_mutex_lock(&bus->lock);
    for (unsigned i = 0; i < BUS_OUT_MAX && bus->out > 0; i++)
        if (bus->slots[i].taken && (next < 0 || bus->slots[i].deadline_ms < next))
            next = bus->slots[i].deadline_ms;
    pthread_mutex_unlock(&bus->lock);
    return next;
}

/* The number after `name` in JetStream's answer, or 0. It is compact JSON, and a string in it has its quotes escaped, so
 * that a quoted name with a colon is never part of one. */
static uint64_t number_after(const char *json, const char *name)
{
    const char *at = strstr(json, name);
    uint64_t v = 0;
    if (at == NULL)
        return 0;
    at += strlen(name);
    if (hf_parse_u64(at, strspn(at, "0123456789"), UINT64_MAX, &v) != HF_OK)
        return 0;
    return v;
}

static void copy_description(const char *json, char text[TEXT_BYTES])
{
    static const char name[] = "\"description\":\"";
    const char *at = strstr(json, name);
    if (at == NULL)
        return;
    at += sizeof name - 1;
    snprintf(text, TEXT_BYTES, "%.*s", (int)strcspn(at, "\""), at);
}

/* What an answer says: {"stream":"S","seq":1} or {"error":{"code":503,"err_code":10077,"description":"…"},…}. */
static enum hf_err read_ack(natsMsg *msg, char text[TEXT_BYTES])
{
    text[0] = '\0';
    if (natsMsg_IsNoResponders(msg)) {
        snprintf(text, TEXT_BYTES, "no stream takes this subject, or JetStream is not ready");
        return HF_AWAY;
    }
    const char *json = natsMsg_GetData(msg); /* terminated by the library */
    if (json == NULL || natsMsg_GetDataLength(msg) <= 0)
        return HF_IO;
    if (strstr(json, "\"error\":") == NULL)
        return number_after(json, "\"seq\":") > 0 ? HF_OK : HF_IO;
    copy_description(json, text);
    enum hf_err err = bus_error(NATS_ERR, (jsErrCode)number_after(json, "\"err_code\":"));
    return err == HF_IO && number_after(json, "\"code\":") == 503 ? HF_AWAY : err;
}

/* The slot that the subject of an answer names, if it still waits for it. Under the lock. */
static struct slot *slot_of(struct link *link, const char *subject)
{
    size_t prefix = strlen(link->inbox);
    uint64_t index;
    uint64_t turn;
    if (strncmp(subject, link->inbox, prefix) != 0 || subject[prefix] != '.')
        return NULL;
    const char *first = subject + prefix + 1;
    const char *second = strchr(first, '.');
    if (second == NULL || hf_parse_u64(first, (size_t)(second - first), BUS_OUT_MAX - 1, &index) != HF_OK ||
        hf_parse_u64(second + 1, strlen(second + 1), UINT32_MAX, &turn) != HF_OK)
        return NULL;
    struct slot *slot = &link->bus->slots[index];
    return slot->taken && slot->turn == turn ? slot : NULL;
}

void publish_on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct link *link = closure;
    struct bus *bus = link->bus;
    char text[TEXT_BYTES];
    void *ticket = NULL;
    (void)nc;
    (void)sub;
    enum hf_err result = read_ack(msg, text);
    pthread_mutex_lock(&bus->lock);
    struct slot *slot = slot_of(link, natsMsg_GetSubject(msg));
    bool found = slot != NULL;
    if (found) {
        ticket = slot_free(bus, slot);
        if (result == HF_AWAY)
            bus->refuse_until_ms = bus_now_ms() + bus_backoff_ms(bus, bus->refusals++);
        else
            bus->refusals = 0;
    }
    pthread_mutex_unlock(&bus->lock);
    natsMsg_Destroy(msg);
    if (found)
        bus->options.on_result(bus->options.context, ticket, result, text);
}

static natsStatus send_message(struct link *link, const void *bytes, size_t len, const char *id, const char *reply)
{
    natsMsg *msg = NULL;
    natsStatus s = natsMsg_Create(&msg, link->bus->options.subject, reply, bytes, (int)len);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "Nats-Msg-Id", id);
    if (s == NATS_OK)
        s = natsConnection_PublishMsg(link->nc, msg);
    natsMsg_Destroy(msg);
    return s;
}

enum hf_err bus_publish(struct bus *bus, const void *bytes, size_t len, uint64_t producer, uint64_t number, void *ticket)
{
    char id[48];
    char reply[sizeof ((struct link *)0)->inbox + 32];
    if (len > INT_MAX)
        return HF_IO;
    pthread_mutex_lock(&bus->lock);
    struct link *link = bus->link;
    if (link == NULL || bus->closing || bus_now_ms() < bus->refuse_until_ms) {
        pthread_mutex_unlock(&bus->lock);
        return HF_AWAY;
    }
    struct slot *slot = slot_take(bus, ticket);
    if (slot == NULL) {
        pthread_mutex_unlock(&bus->lock);
        return HF_FULL;
    }
    uint32_t turn = slot->turn;
    link->users++;
    pthread_mutex_unlock(&bus->lock);

    snprintf(id, sizeof id, "%016" PRIx64 "-%" PRIu64, producer, number);
    snprintf(reply, sizeof reply, "%s.%u.%" PRIu32, link->inbox, (unsigned)(slot - bus->slots), turn);
    natsStatus s = send_message(link, bytes, len, id, reply);
    link_put(link);
    if (s == NATS_OK)
        return HF_OK;

    pthread_mutex_lock(&bus->lock);
    bool mine = slot->taken && slot->turn == turn;
    if (mine)
        slot_free(bus, slot);
    pthread_mutex_unlock(&bus->lock);
    if (!mine) /* its result has been given meanwhile */
        return HF_OK;
    enum hf_err err = bus_error(s, 0);
    return err == HF_NOMEM || err == HF_IO ? err : HF_AWAY;
}
