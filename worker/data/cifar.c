#include "worker/data/cifar.h"

#include "common/error.h"

#include <string.h>

int64_t cifar_count(size_t size, int label_bytes, const char *name, struct error *err)
{
    size_t record = (size_t)label_bytes + CIFAR_PIXELS;

    if (size == 0 || size % record != 0)
        return err_set(err, ERR_DATA,
                       "%s: %zu bytes, expected a multiple of the record's %zu", name,
                       size, record);
    return (int64_t)(size / record);
}

void cifar_unpack(const void *bytes, int64_t count, int label_bytes, uint8_t *pixels,
                  uint8_t *labels)
{
    const uint8_t *at = bytes;

    for (int64_t i = 0; i < count; i++) {
        labels[i] = at[label_bytes - 1];
        at += label_bytes;
        memcpy(pixels + i * CIFAR_PIXELS, at, CIFAR_PIXELS);
        at += CIFAR_PIXELS;
    }
}
