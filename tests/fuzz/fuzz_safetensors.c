/* Whatever st_open_bytes accepts lies within the bytes, and encodes to a file
 * that opens as the same tensors.
 *
 * Each input is tried as a file, and then as a header up to the first newline
 * with the data after it, to which the right length is added: otherwise nearly
 * every input would end at that length. The seeds have this second form.
 */

#include "common/safetensors.h"

#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(const struct st_tensor *tensor, const void *bytes, size_t size)
{
    uintptr_t begin = (uintptr_t)bytes, at = (uintptr_t)tensor->data;
    size_t need;

    if (at < begin || at - begin > size || tensor->size > size - (at - begin))
        abort();
    if (!st_shape_size(tensor, &need) || need != tensor->size)
        abort();
}

static void check_same(const struct st_tensor *a, const struct st_tensor *b)
{
    if (!b || a->dtype != b->dtype || a->rank != b->rank || a->size != b->size)
        abort();
    if (memcmp(a->dim, b->dim, sizeof a->dim) != 0)
        abort();
    if (a->size > 0 && memcmp(a->data, b->data, a->size) != 0)
        abort();
}

static void check_file(const void *bytes, size_t size)
{
    struct st_file *file = st_open_bytes(bytes, size, "fuzz", NULL), *back;
    struct buf again = {0};

    if (!file)
        return;
    for (size_t i = 0; i < st_count(file); i++)
        check_within(st_at(file, i), bytes, size);
    if (st_encode(&again, st_at(file, 0), st_count(file), NULL, 0, NULL) != 0)
        abort();
    back = st_open_bytes(again.data, again.size, "again", NULL);
    if (!back || st_count(back) != st_count(file))
        abort();
    for (size_t i = 0; i < st_count(file); i++)
        check_same(st_at(file, i), st_find(back, st_at(file, i)->name));
    st_close(&back);
    st_close(&file);
    buf_free(&again);
}

static void check_framed(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t header = newline ? (size_t)(newline - data) : size;
    struct buf file = {0};

    for (int i = 0; i < ST_PREFIX; i++) {
        unsigned char byte = (unsigned char)(header >> 8 * i);
        buf_add(&file, &byte, 1);
    }
    buf_add(&file, data, header);
    if (newline)
        buf_add(&file, newline + 1, size - header - 1);
    check_file(file.data, file.size);
    buf_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_file(data, size);
    check_framed(data, size);
    return 0;
}
