/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hourfold-consumer: fold the samples of the stream into the store.
 *
 * One loop on the main thread takes messages, and commits about once a second.
 * Whatever goes wrong with the store ends the process; started again, it folds
 * on from the stored position. While the bus is away it waits for it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "daemon.h"

static const struct cli_program program = {
    .name = "hourfold-consumer",
    .letters = "clv",
    .operands = "",
    .text = "Fold the samples that JetStream delivers into the store: one process for each store. Runs in\n"
            "the foreground. SIGTERM and SIGINT end it when everything taken is on the disk; SIGHUP makes\n"
            "it read the configuration again.\n",
    .sections = "store bus consumer",
};

enum { LOOP_MOST_MS = 1000 }; /* between two looks at the signals */

static volatile sig_atomic_t stop_asked, reload_asked;

static void on_signal(int number)
{
    if (number == SIGHUP)
        reload_asked = 1;
    else
        stop_asked = 1;
}

/* Block (or unblock) what on_signal() serves: threads made meanwhile never take it from the main thread. */
static void mask_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(how, &set, NULL);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* ---- configuration ---- */

static struct fold_limits limits_of(const struct hf_conf *conf)
{
    return (struct fold_limits){.id_memory_ms = conf->consumer.id_memory_ms,
                                .minute_days = conf->store.minute_days,
                                .hour_days = conf->store.hour_days,
                                .max_keys = (uint64_t)conf->consumer.max_keys};
}

/* Say so of every section where something changed that is only read at the start. */
static void log_restart_needed(const struct hf_conf *was, const struct hf_conf *now)
{
    if (strcmp(was->store.path, now->store.path) != 0 || was->store.cache_mb != now->store.cache_mb ||
        was->store.buckets != now->store.buckets)
        hf_log(HF_WARNING, "restart_needed", "text=\"[store] path, cache_mb and buckets are read at the start alone\"");
    if (strcmp(was->bus.url, now->bus.url) != 0 || strcmp(was->bus.stream, now->bus.stream) != 0 ||
        strcmp(was->bus.subject, now->bus.subject) != 0 ||
        strcmp(was->bus.credentials, now->bus.credentials) != 0 || strcmp(was->bus.tls_ca, now->bus.tls_ca) != 0 ||
        was->bus.replicas != now->bus.replicas || was->bus.max_messages != now->bus.max_messages ||
        was->bus.max_mb != now->bus.max_mb ||
        was->bus.max_age_ms != now->bus.max_age_ms)
        hf_log(HF_WARNING, "restart_needed", "text=\"[bus] is read at the start alone\"");
    if (strcmp(was->collect.spool, now->collect.spool) != 0 || was->collect.durability != now->collect.durability)
        hf_log(HF_WARNING, "restart_needed", "text=\"[collect] spool and durability are read at the start alone\"");
}

static void reload(struct consumer *consumer, const char *conf_path)
{
    struct hf_conf *now;
    struct hf_why why = {""};
    if (conf_load(conf_path, &now, &why) != HF_OK) {
        char text[HF_WHY_BYTES];
        hf_log(HF_ERROR, "reload_failed", "text=%s", hf_log_quote(why.text, strlen(why.text), text, sizeof text));
        return;
    }
    struct fold_limits limits = limits_of(now);
    fold_set_limits(consumer->fold, &limits);
    consumer->commit_interval_ms = now->consumer.commit_interval_ms;
    log_restart_needed(consumer->conf, now);
    hf_log(HF_NOTICE, "reloaded", "commit_interval_ms=%lld", (long long)consumer->commit_interval_ms);
    conf_free(&now);
}

/* ---- start, run, end ---- */

/* A mutex of the store may be held for ever: nothing can be closed any more. */
static void on_lost(void *context, const char *text)
{
    (void)context;
    hf_log(HF_ERROR, "store_lost", "text=\"%s\"", text);
    _exit(CLI_FAILED);
}

static enum hf_err start(struct consumer *consumer, struct hf_why *why)
{
    const struct hf_conf *conf = consumer->conf;
    const struct store_options store_options = {.path = conf->store.path,
                                                .role = STORE_WRITER,
                                                .cache_mb = (uint32_t)conf->store.cache_mb,
                                                .on_lost = on_lost};
    struct fold_options fold_options = {.hour_buckets = (uint32_t)conf->store.buckets,
                                        .cache_bytes = MEMORY_CACHE_BYTES,
                                        .limits = limits_of(conf)};
    struct bus_options bus_options = bus_options_of(conf, program.name);
    bus_options.on_state = feed_on_state;
    bus_options.context = consumer;
    enum hf_err err = store_open(&store_options, &consumer->store, why);
    if (err != HF_OK)
        return err;
    fold_options.store = consumer->store;
    err = fold_open(&fold_options, &consumer->fold, why);
    if (err != HF_OK)
        return err;
    return bus_open(&bus_options, &consumer->bus, why);
}

static enum hf_err run(struct consumer *consumer, const char *conf_path)
{
    enum hf_err err = HF_OK;
    upkeep_begin(consumer, monotonic_ms());
    if (consumer->conf->collect.durability == CONF_DURABILITY_POWER && spool_boot_id(consumer->boot_id, NULL) != HF_OK)
        consumer->boot_id[0] = '\0'; /* nor does collect run without it */
    consumer->view.rewound_ms = fold_committed(consumer->fold)->view.rewound_ms;
    while (err == HF_OK && !stop_asked) {
        if (reload_asked) {
            reload_asked = 0;
            reload(consumer, conf_path);
        }
        int64_t now_ms = monotonic_ms();
        feed_look(consumer, now_ms);
        err = upkeep(consumer, now_ms);
        if (err != HF_OK)
            break;
        int64_t until_ms = upkeep_next(consumer), most_ms = now_ms + LOOP_MOST_MS;
        err = feed(consumer, until_ms < most_ms ? until_ms : most_ms);
    }
    return err;
}

/* After an orderly run: all is committed, or else left to the stream. After a failure nothing is written any more. */
static int finish(struct consumer *consumer, enum hf_err err)
{
    bool done = err == HF_OK && upkeep_finish(consumer);
    if (err == HF_STALE || err == HF_IO) {
        hf_log(HF_ERROR, "ending", "text=\"the store cannot be used any more; start again\"");
        _exit(CLI_FAILED); /* closing could block for ever */
    }
    if (err == HF_OK)
        hf_log(done ? HF_NOTICE : HF_ERROR, "stopped", "position=%llu%s",
               (unsigned long long)fold_committed(consumer->fold)->position,
               done ? "" : " text=\"not all could be written; the stream keeps the rest for the next start\"");
    return done ? CLI_DONE : CLI_FAILED;
}

static void close_all(struct consumer *consumer)
{
    bus_close(&consumer->bus, 0);
    fold_free(&consumer->fold);
    store_close(&consumer->store);
}

int main(int argc, char **argv)
{
    struct cli_args args;
    struct hf_conf *conf;
    int code = cli_parse(&program, argc, argv, &args);
    if (code < 0)
        code = cli_conf(&program, &args, &conf);
    if (code >= 0)
        return code;

    struct hf_why why = {""};
    struct consumer consumer = {.conf = conf, .commit_interval_ms = conf->consumer.commit_interval_ms};
    catch_signals();
    mask_signals(SIG_BLOCK);
    enum hf_err err = start(&consumer, &why);
    mask_signals(SIG_UNBLOCK);
    if (err != HF_OK)
        code = cli_fail(&program, CLI_FAILED, "%s", why.text);
    else {
        hf_log(HF_NOTICE, "started", "store=%s position=%llu", conf->store.path,
               (unsigned long long)fold_committed(consumer.fold)->position);
        code = finish(&consumer, run(&consumer, args.conf_path));
    }
    close_all(&consumer);
    conf_free(&conf);
    return code;
}
