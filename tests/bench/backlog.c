/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fill the stream for a consumer that is not there: BATCHES batches of SAMPLES samples each, of KEYS keys, pipelined.
 *
 * usage: backlog URL BATCHES SAMPLES KEYS
 */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utc.h"
#include "batch/batch.h"
#include "bus/bus.h"

enum { OUT_MOST = 200, SAMPLES_MOST = 100000, KEY_BYTES = 32, WAIT_MS = 10000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned out;
static struct sample samples[SAMPLES_MOST];
static char keys[SAMPLES_MOST][KEY_BYTES];

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "backlog: %s\n", what);
    _Exit(1);
}

static void on_result(void *context, void *ticket, enum hf_err result, const char *text)
{
    (void)context, (void)ticket;
    must(result == HF_OK, text);
    pthread_mutex_lock(&mutex);
    if (out-- == OUT_MOST || out == 0)
        pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

static void wait_for(unsigned most)
{
    pthread_mutex_lock(&mutex);
    while (out > most)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static double uniform(void)
{
    static uint64_t state = UINT64_C(88172645463325252);
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

/* Log-normal values with three decimals, as latencies are, of keys that take turns. */
static void make_batch(struct batch_writer *writer, unsigned count, unsigned key_count, int64_t time_ms)
{
    static unsigned turn;
    struct sample_list list = {.samples = samples, .count = count, .capacity = SAMPLES_MOST};
    for (unsigned i = 0; i < count; i++) {
        char *key = keys[i];
        int key_bytes = snprintf(key, KEY_BYTES, "app.host-%u.latency", turn++ % key_count);
        double normal = sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
        samples[i] = (struct sample){.key = key, .key_bytes = (uint8_t)key_bytes, .time_ms = time_ms,
                                     .value = round(exp(3 + normal) * 1000) / 1000};
    }
    batch_writer_reset(writer);
    must(batch_add(writer, &list) == HF_OK, "a batch does not take the samples");
}

int main(int argc, char **argv)
{
    struct hf_why why = {""};
    struct bus *bus;
    struct bus_stream stream;
    struct hf_buf message = {0};
    struct timespec now;
    must(argc == 5 && sodium_init() >= 0, "usage: backlog URL BATCHES SAMPLES KEYS");
    unsigned long batches = strtoul(argv[2], NULL, 10);
    unsigned count = (unsigned)strtoul(argv[3], NULL, 10), key_count = (unsigned)strtoul(argv[4], NULL, 10);
    must(count > 0 && count <= SAMPLES_MOST && key_count > 0, "too many samples, or none");
    struct bus_options options = {.name = "backlog", .url = argv[1], .stream = "HOURFOLD", .subject = "hourfold.samples",
                                  .credentials = "", .tls_ca = "", .replicas = 1, .max_messages = 10000000,
                                  .max_age_ms = 7 * HF_DAY_MS, .ack_wait_ms = WAIT_MS, .on_result = on_result};
    struct batch_writer *writer = batch_writer_new();
    must(writer != NULL && bus_open(&options, &bus, &why) == HF_OK, "the bus cannot be opened");
    for (int i = 0; !bus_connected(bus) && i < WAIT_MS; i += 10)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    must(bus_stream_ensure(bus, &stream, &why) == HF_OK, why.text);
    uint64_t producer;
    randombytes_buf(&producer, sizeof producer);
    clock_gettime(CLOCK_REALTIME, &now);
    for (unsigned long i = 0; i < batches; i++) {
        wait_for(OUT_MOST - 1);
        make_batch(writer, count, key_count, (int64_t)now.tv_sec * 1000);
        must(batch_seal(writer, producer, i + 1, &message) == HF_OK, "a batch cannot be sealed");
        pthread_mutex_lock(&mutex);
        out++;
        pthread_mutex_unlock(&mutex);
        must(bus_publish(bus, message.data, message.len, producer, i + 1, NULL) == HF_OK, "publishing fails");
    }
    wait_for(0);
    bus_close(&bus, WAIT_MS);
    batch_writer_free(&writer);
    hf_buf_free(&message);
    return 0;
}
