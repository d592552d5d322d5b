/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ordinary main() for a fuzz target: run it once on every file of the folders
 * (or files) named, so that the seed corpus and past crashes are part of make
 * check. Speaks TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0)
        return -1;
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size); /* exactly, so that a sanitizer sees the first byte past it */
    int result = -1;
    if ((data != NULL || size == 0) && fread(data, 1, size, file) == size) {
        LLVMFuzzerTestOneInput(data, size);
        result = 0;
    }
    free(data);
    fclose(file);
    return result;
}

static int replay_folder(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;
    if (dir == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (replay_file(file) != 0) {
            count = -1;
            break;
        }
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    printf("1..1\n");
    int count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) != 0)
            break;
        int n = S_ISDIR(info.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]) + 1;
        if (n < 1) {
            count = 0;
            break;
        }
        count += n;
    }
    printf("%s 1 - %d inputs replayed\n", count > 0 ? "ok" : "not ok", count);
    return count > 0 ? 0 : 1;
}
