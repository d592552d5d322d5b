/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of spool files. The first byte of the input chooses what the rest is:
 * a file as it is; the same with good checksums wherever something looks like a
 * header or a head, since no fuzzer finds one; a plan of damage to a good file,
 * whose other records must all be read; or where to cut off a good file after it
 * was opened.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) ((condition) ? (void)0 : abort())
#define PRODUCER UINT64_C(0xfedcba9876543210)
#define RECORDS 12u
#define FILE_MAX 65536u

static char dir[64];
static struct spool *spool;
static int file_fd;                     /* of the one file; closed by nobody, so that its lock is not lost */
static unsigned char good[FILE_MAX];    /* a good file */
static size_t ends[RECORDS + 1];        /* of its header and records */

static void remove_dir(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%016llx.spool", dir, (unsigned long long)PRODUCER);
    unlink(path);
    rmdir(dir);
}

static void begin(void)
{
    char path[128];
    unsigned char bytes[200];
    struct spool_file *file;
    must(sodium_init() >= 0);
    snprintf(dir, sizeof dir, "%s/hourfold-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(dir) != NULL);
    atexit(remove_dir);
    must(spool_open(dir, 1u << 30, &spool, NULL) == HF_OK);
    must(spool_create(spool, PRODUCER, "boot", &file, NULL) == HF_OK);
    ends[0] = (size_t)spool_file_bytes(file);
    for (unsigned i = 1; i <= RECORDS; i++) {
        memset(bytes, (int)i, sizeof bytes);
        must(spool_append(file, i, bytes, 10 * i, NULL) == HF_OK);
        ends[i] = (size_t)spool_file_bytes(file);
    }
    spool_release(&file);
    snprintf(path, sizeof path, "%s/%016llx.spool", dir, (unsigned long long)PRODUCER);
    file_fd = open(path, O_RDWR);
    must(file_fd >= 0 && pread(file_fd, good, sizeof good, 0) == (ssize_t)ends[RECORDS]);
}

/* Read the file to its end, or to where it was cut off meanwhile. Note which records of a good file were found. */
static void read_cut_file(const unsigned char *bytes, size_t len, size_t cut, bool found[RECORDS + 1])
{
    struct spool_file *file;
    struct spool_record record;
    uint64_t at = 0, before;
    enum hf_err err;
    must(pwrite(file_fd, bytes, len, 0) == (ssize_t)len && ftruncate(file_fd, (off_t)len) == 0);
    must(spool_claim(spool, PRODUCER, &file, NULL) == HF_OK);
    must(ftruncate(file_fd, (off_t)cut) == 0);
    do {
        before = at;
        err = spool_read(file, &at, &record);
        must(at >= before && at <= len);
        must(err == HF_OK || err == HF_CORRUPT || err == HF_NOTFOUND || err == HF_INVALID || (err == HF_IO && cut < len));
        if (err == HF_OK) {
            must(record.len > 0 && record.at + 44 + record.len == at);
            must(memcmp(bytes + record.at + 44, record.bytes, record.len) == 0);
            if (record.producer == PRODUCER && record.number >= 1 && record.number <= RECORDS)
                found[record.number] = true;
        }
    } while (err == HF_OK || (err == HF_CORRUPT && at > before));
    must(err != HF_CORRUPT);
    spool_release(&file);
}

static void read_file(const unsigned char *bytes, size_t len, bool found[RECORDS + 1])
{
    read_cut_file(bytes, len, len, found);
}

static void mend(unsigned char *bytes, size_t len)
{
    static const unsigned char key[] = "hourfold spool 1";
    if (len >= 64)
        crypto_shorthash(bytes + 56, bytes, 56, key);
    for (size_t i = 0; i + 44 <= len; i++)
        if (memcmp(bytes + i, "\xF5HFB", 4) == 0) {
            size_t batch = bytes[i + 8] | (size_t)bytes[i + 9] << 8;
            if (batch <= len - i - 44)
                crypto_shorthash(bytes + i + 28, bytes + i + 44, batch, key);
            crypto_shorthash(bytes + i + 36, bytes + i, 36, key);
        }
}

/* Three bytes each: where, and what is changed there. */
static void damage(const uint8_t *plan, size_t size)
{
    unsigned char bytes[FILE_MAX];
    bool touched[RECORDS + 1] = {false}, found[RECORDS + 1] = {false};
    size_t len = ends[RECORDS];
    memcpy(bytes, good, len);
    for (; size >= 3; plan += 3, size -= 3) {
        size_t at = (plan[0] | (size_t)plan[1] << 8) % len;
        unsigned record = 0;
        while (ends[record] <= at)
            record++;
        bytes[at] ^= plan[2];
        touched[record] = true;
    }
    if (size == 2)
        len = (plan[0] | (size_t)plan[1] << 8) % (len + 1);
    read_file(bytes, len, found);
    for (unsigned i = 1; i <= RECORDS; i++)
        must(found[i] || touched[i] || ends[i] > len);
}

/* Two bytes: where to cut; and a plan of damage of three bytes. */
static void cut_off(const uint8_t *plan, size_t size)
{
    unsigned char bytes[FILE_MAX];
    bool found[RECORDS + 1] = {false};
    size_t len = ends[RECORDS];
    if (size < 2)
        return;
    size_t cut = (plan[0] | (size_t)plan[1] << 8) % len;
    memcpy(bytes, good, len);
    if (size >= 5)
        bytes[(plan[2] | (size_t)plan[3] << 8) % len] ^= plan[4];
    read_cut_file(bytes, len, cut, found);
    for (unsigned i = 1; i <= RECORDS; i++)
        must(found[i] || ends[i] > cut || size >= 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool found[RECORDS + 1] = {false};
    if (spool == NULL)
        begin();
    if (size == 0 || size > FILE_MAX)
        return 0;
    unsigned kind = data[0] % 4;
    data++;
    size--;
    if (kind == 0) {
        read_file(data, size, found);
    } else if (kind == 1) {
        unsigned char *bytes = malloc(size + 1);
        must(bytes != NULL);
        memcpy(bytes, data, size);
        mend(bytes, size);
        read_file(bytes, size, found);
        free(bytes);
    } else if (kind == 2) {
        damage(data, size);
    } else {
        cut_off(data, size);
    }
    return 0;
}
