/* SPDX-License-Identifier: Apache-2.0 */
/* A bus: its options, its keeper, its end. */
#include "bus/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bus/internal.h"

#define SERVERS_MAX 32
#define PING_MS 5000
#define PINGS_OUT 2
#define WRITE_WAIT_MS 5000 /* a server that is stopped must not hold a writer, who has the connection locked */

/* ---- time ---- */

long long bus_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct timespec bus_timespec(long long monotonic_ms)
{
    return (struct timespec){monotonic_ms / 1000, monotonic_ms % 1000 * 1000000};
}

long long bus_backoff_ms(struct bus *bus, unsigned attempts)
{
    long long ms = attempts < 6 ? (long long)BUS_BACKOFF_MIN_MS << attempts : BUS_BACKOFF_MAX_MS;
    if (ms > BUS_BACKOFF_MAX_MS)
        ms = BUS_BACKOFF_MAX_MS;
    bus->random = bus->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ms / 2 + (long long)((bus->random >> 33) % (uint64_t)(ms / 2 + 1));
}

/* ---- errors ---- */

static enum hf_err of_status(natsStatus status)
{
    switch (status) {
    case NATS_OK: return HF_OK;
    case NATS_NO_MEMORY: return HF_NOMEM;
    case NATS_TIMEOUT: return HF_TIMEOUT;
    case NATS_NOT_FOUND: return HF_NOTFOUND;
    case NATS_NO_SERVER:
    case NATS_NO_RESPONDERS:
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_YET_CONNECTED:
    case NATS_STALE_CONNECTION:
    case NATS_IO_ERROR:
    case NATS_INVALID_SUBSCRIPTION: return HF_AWAY;
    default: return HF_IO;
    }
}

enum hf_err bus_error(natsStatus status, jsErrCode code)
{
    switch ((int)code) {
    case 0: return of_status(status);
    case JSStreamNotFoundErr: return HF_NOTFOUND;
    case JSStreamStoreFailedErr: /* the stream is full, or its disk is */
    case JSInsufficientResourcesErr:
    case JSStorageResourcesExceededErr: return HF_FULL;
    case JSClusterNotAvailErr:
    case JSClusterNotLeaderErr:
    case JSClusterNoPeersErr:
    case JSNotEnabledErr:
    case JSNotEnabledForAccountErr: return HF_AWAY;
    default: return HF_IO;
    }
}

enum hf_err bus_fail(struct hf_why *why, const char *what, natsStatus status, jsErrCode code)
{
    natsStatus last = NATS_OK;
    const char *text = nats_GetLastError(&last);
    if (last != status || text == NULL || text[0] == '\0')
        text = natsStatus_GetText(status);
    if (text[0] == '(' && strstr(text, "): ") != NULL) /* where in the library's source */
        text = strstr(text, "): ") + 3;
    return hf_fail(why, bus_error(status, code), "%s: %s", what, text);
}

/* ---- the keeper ---- */

/* Watch over the link until it is lost or the bus closes. */
static void keep(struct bus *bus, struct link *link)
{
    for (;;) {
        long long due = publish_expire(bus, bus_now_ms());
        pthread_mutex_lock(&bus->lock);
        bool over = link->closed || bus->closing;
        if (!over && due >= 0) {
            struct timespec until = bus_timespec(due + 1);
            pthread_cond_timedwait(&bus->wake_keeper, &bus->lock, &until);
        } else if (!over && bus->out == 0) {
            pthread_cond_wait(&bus->wake_keeper, &bus->lock);
        }
        pthread_mutex_unlock(&bus->lock);
        if (over)
            return;
    }
}

/* Have `link`, or none. */
static void set_link(struct bus *bus, struct link *link)
{
    pthread_mutex_lock(&bus->lock);
    bus->link = link;
    bus->refuse_until_ms = 0;
    bus->refusals = 0;
    if (link != NULL)
        bus->error[0] = '\0';
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->lock);
    if (bus->options.on_state != NULL)
        bus->options.on_state(bus->options.context, link != NULL);
}

/* Wait before the next attempt to connect. False when the bus closes. */
static bool back_off(struct bus *bus, unsigned attempts, const char *error)
{
    pthread_mutex_lock(&bus->lock);
    if (error != NULL)
        snprintf(bus->error, sizeof bus->error, "%s", error);
    struct timespec until = bus_timespec(bus_now_ms() + bus_backoff_ms(bus, attempts));
    while (!bus->closing && pthread_cond_timedwait(&bus->wake_keeper, &bus->lock, &until) != ETIMEDOUT)
        continue;
    bool go_on = !bus->closing;
    pthread_mutex_unlock(&bus->lock);
    return go_on;
}

static void *keeper_main(void *argument)
{
    struct bus *bus = argument;
    struct hf_why why;
    unsigned attempts = 0;
    do {
        struct link *link = NULL;
        why.text[0] = '\0';
        if (link_open(bus, &link, &why) == HF_OK) {
            long long since = bus_now_ms();
            set_link(bus, link);
            keep(bus, link);
            set_link(bus, NULL);
            publish_fail_all(bus, HF_AWAY, "the connection was lost");
            link_put(link);
            if (bus_now_ms() - since > BUS_BACKOFF_MAX_MS)
                attempts = 0;
        }
    } while (back_off(bus, attempts++, why.text[0] != '\0' ? why.text : NULL));
    nats_ReleaseThreadMemory();
    return NULL;
}

/* ---- open ---- */

static enum hf_err check_url(const char *url, struct hf_why *why)
{
    const char *host = strstr(url, "://");
    const char *shown = strrchr(url, '@') != NULL ? strrchr(url, '@') + 1 : url; /* without a password */
    if (host != NULL && strncmp(url, "nats://", 7) != 0 && strncmp(url, "tls://", 6) != 0)
        return hf_fail(why, HF_INVALID, "\"%s\": a bus url begins with nats:// or tls://", shown);
    host = host != NULL ? host + 3 : url;
    if (*host == '\0' || *host == ':' || *host == '/' || strpbrk(url, " \t\r\n\"") != NULL)
        return hf_fail(why, HF_INVALID, "\"%s\" is not a bus url; write nats://host:4222", shown);
    return HF_OK;
}

/* Give the options the servers of a comma-separated list. */
static enum hf_err set_servers(natsOptions *options, const char *url, bool *tls, struct hf_why *why)
{
    const char *servers[SERVERS_MAX];
    int count = 0;
    enum hf_err err = HF_OK;
    char *copy = strdup(url);
    char *rest = NULL;
    if (copy == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    for (char *part = strtok_r(copy, ",", &rest); part != NULL && err == HF_OK; part = strtok_r(NULL, ",", &rest)) {
        part += strspn(part, " ");
        err = count < SERVERS_MAX ? check_url(part, why)
                                  : hf_fail(why, HF_INVALID, "the bus url names more than %d servers", SERVERS_MAX);
        if (err == HF_OK)
            servers[count++] = part;
        *tls |= strncmp(part, "tls://", 6) == 0;
    }
    if (err == HF_OK && count == 0)
        err = hf_fail(why, HF_INVALID, "the bus url is empty");
    if (err == HF_OK && natsOptions_SetServers(options, servers, count) != NATS_OK)
        err = hf_fail(why, HF_INVALID, "the library takes none of the bus urls");
    free(copy);
    return err;
}

static enum hf_err set_files(natsOptions *options, const struct bus_options *from, bool tls, struct hf_why *why)
{
    const char *files[] = {from->tls_ca, from->credentials};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i][0] != '\0' && access(files[i], R_OK) != 0)
            return hf_fail(why, HF_INVALID, "%s: %s", files[i], strerror(errno));
    natsStatus s = NATS_OK;
    if (tls || from->tls_ca[0] != '\0')
        s = natsOptions_SetSecure(options, true);
    if (s == NATS_OK && from->tls_ca[0] != '\0' &&
        natsOptions_LoadCATrustedCertificates(options, from->tls_ca) != NATS_OK)
        return hf_fail(why, HF_INVALID, "%s: not a PEM file of certificates", from->tls_ca);
    if (s == NATS_OK && from->credentials[0] != '\0')
        s = natsOptions_SetUserCredentialsFromFiles(options, from->credentials, NULL);
    return s == NATS_OK ? HF_OK : bus_fail(why, "bus", s, 0);
}

static enum hf_err make_nats_options(struct bus *bus, struct hf_why *why)
{
    bool tls = false;
    natsStatus s = natsOptions_Create(&bus->nats);
    if (s == NATS_OK)
        s = natsOptions_SetName(bus->nats, bus->options.name);
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(bus->nats, false);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(bus->nats, BUS_CONNECT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(bus->nats, PING_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(bus->nats, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(bus->nats, WRITE_WAIT_MS);
    if (s == NATS_OK) /* what is published are batches: there is nothing to gain from gathering them */
        s = natsOptions_SetSendAsap(bus->nats, true);
    if (s != NATS_OK)
        return bus_fail(why, "bus", s, 0);
    enum hf_err err = set_servers(bus->nats, bus->options.url, &tls, why);
    return err != HF_OK ? err : set_files(bus->nats, &bus->options, tls, why);
}

static void free_strings(struct bus_options *options)
{
    const char *strings[] = {options->name,    options->url,         options->stream,
                             options->subject, options->credentials, options->tls_ca};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free((char *)(uintptr_t)strings[i]);
}

/* Make a copy with strings of its own. */
static enum hf_err copy_options(const struct bus_options *from, struct bus_options *to)
{
    *to = *from;
    to->name = strdup(from->name);
    to->url = strdup(from->url);
    to->stream = strdup(from->stream);
    to->subject = strdup(from->subject);
    to->credentials = strdup(from->credentials != NULL ? from->credentials : "");
    to->tls_ca = strdup(from->tls_ca != NULL ? from->tls_ca : "");
    if (to->name != NULL && to->url != NULL && to->stream != NULL && to->subject != NULL && to->credentials != NULL &&
        to->tls_ca != NULL)
        return HF_OK;
    free_strings(to);
    return HF_NOMEM;
}

static void bus_free(struct bus *bus)
{
    natsOptions_Destroy(bus->nats);
    pthread_cond_destroy(&bus->changed);
    pthread_cond_destroy(&bus->wake_keeper);
    pthread_mutex_destroy(&bus->lock);
    free_strings(&bus->options);
    free(bus);
}

static struct bus *bus_new(const struct bus_options *options)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (bus == NULL || copy_options(options, &bus->options) != HF_OK) {
        free(bus);
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&bus->changed, &monotonic);
    pthread_cond_init(&bus->wake_keeper, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&bus->lock, NULL);
    bus->random = (uint64_t)bus_now_ms() ^ ((uint64_t)getpid() << 32);
    return bus;
}

enum hf_err bus_check(const struct bus_options *options, struct hf_why *why)
{
    struct bus *bus = bus_new(options);
    if (bus == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    enum hf_err err = make_nats_options(bus, why);
    bus_free(bus);
    return err;
}

enum hf_err bus_open(const struct bus_options *options, struct bus **out, struct hf_why *why)
{
    natsStatus s = nats_Open(0); /* a lock is waited for, not spun on: threads outnumber processors */
    if (s != NATS_OK)
        return bus_fail(why, "bus", s, 0);
    struct bus *bus = bus_new(options);
    if (bus == NULL)
        return hf_fail(why, HF_NOMEM, "no memory");
    enum hf_err err = make_nats_options(bus, why);
    if (err == HF_OK) {
        int failure = pthread_create(&bus->keeper, NULL, keeper_main, bus);
        if (failure != 0)
            err = hf_fail(why, HF_IO, "cannot start a thread: %s", strerror(failure));
    }
    if (err != HF_OK) {
        bus_free(bus);
        return err;
    }
    *out = bus;
    return HF_OK;
}

void bus_close(struct bus **bus_in, int64_t wait_ms)
{
    struct bus *bus = *bus_in;
    if (bus == NULL)
        return;
    struct timespec until = bus_timespec(bus_now_ms() + wait_ms);
    pthread_mutex_lock(&bus->lock);
    while (bus->out > 0 && pthread_cond_timedwait(&bus->changed, &bus->lock, &until) != ETIMEDOUT)
        continue;
    bus->closing = true;
    pthread_cond_signal(&bus->wake_keeper);
    pthread_mutex_unlock(&bus->lock);
    pthread_join(bus->keeper, NULL);
    delivery_end(bus);
    pthread_mutex_lock(&bus->lock);
    while (bus->links > 0)
        pthread_cond_wait(&bus->changed, &bus->lock);
    pthread_mutex_unlock(&bus->lock);
    bus_free(bus);
    *bus_in = NULL;
}

bool bus_connected(const struct bus *bus)
{
    struct bus *mutable = (struct bus *)(uintptr_t)bus;
    pthread_mutex_lock(&mutable->lock);
    bool connected = bus->link != NULL;
    pthread_mutex_unlock(&mutable->lock);
    return connected;
}
