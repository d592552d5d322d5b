/* SPDX-License-Identifier: Apache-2.0 */
/* Connections. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/internal.h"

#define CLOSE_WAIT_MS 10000

/* The library calls these on its own thread, for one connection one after the other; "closed" is the last. */

static void on_closed(natsConnection *nc, void *closure)
{
    struct link *link = closure;
    struct bus *bus = link->bus;
    (void)nc;
    pthread_mutex_lock(&bus->lock);
    link->closed = true;
    pthread_cond_broadcast(&bus->changed);
    pthread_cond_signal(&bus->wake_keeper);
    pthread_mutex_unlock(&bus->lock);
}

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *closure)
{
    struct bus *bus = closure;
    const char *text = NULL;
    (void)sub;
    if (natsConnection_GetLastError(nc, &text) == NATS_OK || text == NULL || text[0] == '\0')
        text = natsStatus_GetText(status);
    pthread_mutex_lock(&bus->lock);
    snprintf(bus->error, sizeof bus->error, "%s", text);
    pthread_mutex_unlock(&bus->lock);
}

static void on_acks_ended(void *closure)
{
    struct link *link = closure;
    pthread_mutex_lock(&link->bus->lock);
    link->acks_ended = true;
    pthread_cond_broadcast(&link->bus->changed);
    pthread_mutex_unlock(&link->bus->lock);
}

static natsStatus subscribe_acks(struct link *link)
{
    char subject[sizeof link->inbox + 8];
    natsInbox *inbox = NULL;
    natsStatus s = natsInbox_Create(&inbox);
    if (s != NATS_OK)
        return s;
    snprintf(link->inbox, sizeof link->inbox, "%s", inbox);
    natsInbox_Destroy(inbox);
    snprintf(subject, sizeof subject, "%s.*.*", link->inbox);
    s = natsConnection_Subscribe(&link->acks, link->nc, subject, publish_on_ack, link);
    if (s != NATS_OK)
        return s;
    s = natsSubscription_SetPendingLimits(link->acks, -1, -1);
    if (natsSubscription_SetOnCompleteCB(link->acks, on_acks_ended, link) == NATS_OK)
        link->acks_ended = false;
    return s;
}

/* Close, wait for the callbacks that know it to end, free. */
static void link_free(struct link *link)
{
    struct bus *bus = link->bus;
    natsSubscription_Unsubscribe(link->acks);
    natsConnection_Close(link->nc);
    pthread_mutex_lock(&bus->lock);
    struct timespec until = bus_timespec(bus_now_ms() + CLOSE_WAIT_MS);
    bool ended = true;
    while (ended && (!link->closed || !link->acks_ended))
        ended = pthread_cond_timedwait(&bus->changed, &bus->lock, &until) == 0;
    pthread_mutex_unlock(&bus->lock);
    jsCtx_Destroy(link->js);
    natsSubscription_Destroy(link->acks);
    natsConnection_Destroy(link->nc);
    if (ended) /* or else a callback may yet come to it */
        free(link);
    pthread_mutex_lock(&bus->lock);
    bus->links--;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->lock);
}

enum hf_err link_open(struct bus *bus, struct link **out, struct hf_why *why)
{
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    link->bus = bus;
    link->users = 1;
    link->acks_ended = true;
    natsStatus s = natsOptions_SetClosedCB(bus->nats, on_closed, link);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(bus->nats, on_error, bus);
    if (s == NATS_OK)
        s = natsConnection_Connect(&link->nc, bus->nats);
    if (s != NATS_OK) {
        free(link); /* a connection that was never made calls nobody */
        return bus_fail(why, "connecting", s, 0);
    }
    pthread_mutex_lock(&bus->lock);
    bus->links++;
    pthread_mutex_unlock(&bus->lock);
    jsOptions options;
    s = jsOptions_Init(&options);
    options.Wait = BUS_REQUEST_MS;
    if (s == NATS_OK)
        s = natsConnection_JetStream(&link->js, link->nc, &options);
    if (s == NATS_OK)
        s = subscribe_acks(link);
    if (s != NATS_OK) {
        enum hf_err err = bus_fail(why, "connecting", s, 0);
        link_free(link);
        return err;
    }
    *out = link;
    return HF_OK;
}

struct link *link_take(struct bus *bus, struct hf_why *why)
{
    pthread_mutex_lock(&bus->lock);
    struct link *link = bus->link;
    if (link != NULL)
        link->users++;
    else
        /* without the url, which may hold a password */
        hf_fail(why, HF_AWAY, "not connected%s%s", bus->error[0] != '\0' ? ": " : "", bus->error);
    pthread_mutex_unlock(&bus->lock);
    return link;
}

void link_put(struct link *link)
{
    pthread_mutex_lock(&link->bus->lock);
    bool last = --link->users == 0;
    pthread_mutex_unlock(&link->bus->lock);
    if (last)
        link_free(link);
}
