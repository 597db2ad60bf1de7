/* Any bytes as a CIFAR file: inflated if they look like gzip, then read as records of
 * one and of two label bytes. Nothing may be read beyond what was loaded, nor written
 * beyond what the count says. */

#include "common/buf.h"
#include "common/error.h"
#include "worker/data/cifar.h"
#include "worker/data/gzfile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_records(const struct buf *bytes, int label_bytes)
{
    struct error err;
    int64_t count = cifar_count(bytes->size, label_bytes, "fuzz", &err);
    uint8_t *pixels, *labels;

    if (count < 0)
        return;
    assert((size_t)count * (size_t)(label_bytes + CIFAR_PIXELS) == bytes->size);
    pixels = malloc((size_t)count * CIFAR_PIXELS);
    labels = malloc((size_t)count);
    assert(pixels && labels);
    cifar_unpack(bytes->data, count, label_bytes, pixels, labels);
    for (int64_t i = 0; i < count; i++) {
        const char *record = bytes->data + i * (label_bytes + CIFAR_PIXELS);
        assert(labels[i] == (uint8_t)record[label_bytes - 1]);
        assert(memcmp(pixels + i * CIFAR_PIXELS, record + label_bytes, CIFAR_PIXELS) ==
               0);
    }
    free(pixels);
    free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    struct buf bytes = {0};
    struct error err;
    char path[64];

    assert(fd >= 0);
    if (write(fd, data, size) == (ssize_t)size) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (gzfile_load(path, 1 << 20, &bytes, &err) == 0)
            for (int label_bytes = 1; label_bytes <= 2; label_bytes++)
                read_records(&bytes, label_bytes);
    }
    (void)close(fd);
    buf_free(&bytes);
    return 0;
}
