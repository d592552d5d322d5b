/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publish batches as hourfold-collect does, from lines on standard input:
 *
 *     batch PRODUCER NUMBER            begins a batch
 *     sample KEY VALUE TIME_MS [ID]    adds to it
 *     end                              publishes it
 *     raw HEX                          publishes these bytes
 *
 * Publishes are pipelined. What fails is sent again under the same number until
 * it is acknowledged; then "stored PRODUCER NUMBER" is printed (0 0 for raw).
 * Ends after the last acknowledgement; with 1 when none comes for 60 seconds.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "batch/batch.h"
#include "bus/bus.h"

enum { OUT_MOST = 128, AGAIN_MS = 20, GIVE_UP_MS = 60000, SAMPLES_MOST = 10000, TEXT_BYTES = 256 };

struct publish {
    struct publish *next;
    uint64_t producer, number;
    struct hf_buf bytes;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct publish *waiting, **waiting_end = &waiting; /* to be sent, in order */
static unsigned unfinished;                               /* waiting or sent, not acknowledged */
static int64_t progress_ms;
static struct bus *bus;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void die(const char *what)
{
    fprintf(stderr, "publish: %s\n", what);
    _Exit(1);
}

static void on_result(void *context, void *ticket, enum hf_err result, const char *text)
{
    struct publish *publish = ticket;
    (void)context, (void)text;
    pthread_mutex_lock(&mutex);
    if (result == HF_OK) {
        printf("stored %" PRIu64 " %" PRIu64 "\n", publish->producer, publish->number);
        fflush(stdout);
        hf_buf_free(&publish->bytes);
        free(publish);
        unfinished--;
        progress_ms = now_ms();
    } else {
        publish->next = waiting;
        waiting = publish;
        if (publish->next == NULL)
            waiting_end = &publish->next;
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

/* Send what waits, for ever. */
static void *run_sender(void *context)
{
    (void)context;
    for (;;) {
        pthread_mutex_lock(&mutex);
        while (waiting == NULL)
            pthread_cond_wait(&changed, &mutex);
        struct publish *publish = waiting;
        waiting = publish->next;
        if (waiting == NULL)
            waiting_end = &waiting;
        pthread_mutex_unlock(&mutex);
        publish->next = NULL;
        if (bus_publish(bus, publish->bytes.data, publish->bytes.len, publish->producer, publish->number, publish) ==
            HF_OK)
            continue;
        on_result(NULL, publish, HF_AWAY, "");
        nanosleep(&(struct timespec){0, AGAIN_MS * 1000000L}, NULL);
    }
    return NULL;
}

/* Wait until at most `most` are unfinished. */
static void wait_for(unsigned most)
{
    pthread_mutex_lock(&mutex);
    while (unfinished > most) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&changed, &mutex, &until);
        if (now_ms() - progress_ms > GIVE_UP_MS)
            die("no acknowledgement for a minute");
    }
    pthread_mutex_unlock(&mutex);
}

static void send(struct publish publish)
{
    struct publish *sent = malloc(sizeof *sent);
    if (sent == NULL)
        die("no memory");
    *sent = publish;
    sent->next = NULL;
    wait_for(OUT_MOST);
    pthread_mutex_lock(&mutex);
    progress_ms = unfinished == 0 ? now_ms() : progress_ms;
    *waiting_end = sent;
    waiting_end = &sent->next;
    unfinished++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

/* ---- the lines ---- */

static struct sample samples[SAMPLES_MOST];
static char texts[SAMPLES_MOST][2][TEXT_BYTES];
static size_t sample_count;
static uint64_t producer, number;

static void take_sample(const char *line)
{
    struct sample *sample = &samples[sample_count];
    char *key = texts[sample_count][0], *id = texts[sample_count][1];
    if (sample_count == SAMPLES_MOST)
        die("too many samples");
    int fields = sscanf(line, "sample %255s %lf %" SCNd64 " %255s", key, &sample->value, &sample->time_ms, id);
    if (fields < 3)
        die("a sample needs a key, a value and a time");
    sample->key = key;
    sample->key_bytes = (uint8_t)strlen(key);
    sample->id = fields == 4 ? id : NULL;
    sample->id_bytes = (uint8_t)(fields == 4 ? strlen(id) : 0);
    sample_count++;
}

static void seal(struct batch_writer *writer)
{
    struct publish publish = {.producer = producer, .number = number};
    struct sample_list list = {.samples = samples, .count = sample_count, .capacity = SAMPLES_MOST};
    batch_writer_reset(writer);
    if (batch_add(writer, &list) != HF_OK || batch_seal(writer, producer, number, &publish.bytes) != HF_OK)
        die("the batch cannot be made");
    sample_count = 0;
    send(publish);
}

static void send_raw(const char *hex)
{
    struct publish publish = {0};
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        hf_buf_u8(&publish.bytes, (uint8_t)byte);
    send(publish);
}

int main(int argc, char **argv)
{
    static char line[1 << 16];
    pthread_t sender;
    struct hf_why why = {""};
    if (argc != 4)
        die("usage: publish URL STREAM SUBJECT");
    struct bus_options options = {.name = "publish", .url = argv[1], .stream = argv[2], .subject = argv[3],
                                  .credentials = "", .tls_ca = "", .replicas = 1, .max_messages = 1000000,
                                  .max_age_ms = 86400000, .ack_wait_ms = 2000, .on_result = on_result};
    struct batch_writer *writer = batch_writer_new();
    if (writer == NULL || bus_open(&options, &bus, &why) != HF_OK || pthread_create(&sender, NULL, run_sender, NULL) != 0)
        die(why.text);
    progress_ms = now_ms();
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "batch %" SCNu64 " %" SCNu64, &producer, &number) == 2)
            sample_count = 0;
        else if (strncmp(line, "sample ", 7) == 0)
            take_sample(line);
        else if (strncmp(line, "end", 3) == 0)
            seal(writer);
        else if (strncmp(line, "raw ", 4) == 0)
            send_raw(line + 4);
        else
            die("unknown line");
    }
    wait_for(0);
    batch_writer_free(&writer);
    _Exit(0); /* the sender waits for ever */
}
