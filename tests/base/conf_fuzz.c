/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: taken or refused with a line that says where. */
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What no input of a fuzzer is long enough for. */
static void refuse_too_long(void)
{
    static const char text[(1 << 20) + 1];
    struct hf_conf *conf = NULL;
    if (conf_parse(text, sizeof text, "fuzz", &conf, NULL) != HF_INVALID || conf != NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    if (!begun)
        refuse_too_long();
    begun = true;
    struct hf_conf *conf = NULL;
    struct hf_why why = {""};
    enum hf_err err = conf_parse(size == 0 ? "" : (const char *)data, size, "fuzz", &conf, &why);
    if (err == HF_OK) {
        if (conf == NULL || conf->store.buckets < 16 || conf->store.buckets > 65536 || conf->collect.max_body < 1024)
            abort();
        for (size_t i = 0; i < conf->view_count; i++)
            if (conf->views[i].keys[0] == '\0' || strlen(conf->views[i].name) > 64)
                abort();
    } else if (err != HF_INVALID || conf != NULL || strncmp(why.text, "fuzz:", 5) != 0 || strchr(why.text, '\n') != NULL)
        abort();
    conf_free(&conf);
    return 0;
}
