/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus.h"

struct bus_options bus_options_of(const struct hf_conf *conf, const char *name)
{
    return (struct bus_options){.name = name,
                                .url = conf->bus.url,
                                .stream = conf->bus.stream,
                                .subject = conf->bus.subject,
                                .credentials = conf->bus.credentials,
                                .tls_ca = conf->bus.tls_ca,
                                .replicas = (unsigned)conf->bus.replicas,
                                .max_messages = conf->bus.max_messages,
                                .max_age_ms = conf->bus.max_age_ms};
}
