#include "worker/data/idx.h"

#include "common/error.h"

enum { MAGIC_SIZE = 4, DIM_SIZE = 4, TYPE_U8 = 0x08 };

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           bytes[3];
}

static int check_magic(const uint8_t *bytes, size_t size, int rank, const char *name,
                       struct error *err)
{
    if (size < MAGIC_SIZE)
        return err_set(err, ERR_DATA,
                       "%s: truncated: %zu bytes, an IDX file has a header", name, size);
    if (bytes[0] != 0 || bytes[1] != 0)
        return err_set(err, ERR_DATA,
                       "%s: wrong magic 0x%08x: an IDX file begins with 00 00", name,
                       big_endian(bytes));
    if (bytes[2] != TYPE_U8)
        return err_set(err, ERR_DATA,
                       "%s: element type 0x%02x, expected 0x08 (unsigned bytes)", name,
                       bytes[2]);
    if (bytes[3] != rank)
        return err_set(err, ERR_DATA, "%s: %d dimensions, expected %d", name, bytes[3],
                       rank);
    if (size < MAGIC_SIZE + DIM_SIZE * (size_t)rank)
        return err_set(err, ERR_DATA, "%s: truncated: the header is not whole", name);
    return 0;
}

int idx_parse(const void *bytes, size_t size, int rank, const char *name, struct idx *ret,
              struct error *err)
{
    const uint8_t *at = bytes;
    struct idx idx = {.rank = rank};
    uint64_t count = 1; /* 2^24 * 2^12 * 2^12 fits */
    size_t header = MAGIC_SIZE + DIM_SIZE * (size_t)rank;

    if (check_magic(at, size, rank, name, err))
        return -1;
    for (int d = 0; d < rank; d++) {
        uint32_t max = d == 0 ? IDX_COUNT_MAX : IDX_SIDE_MAX;

        idx.dim[d] = big_endian(at + MAGIC_SIZE + (size_t)DIM_SIZE * (size_t)d);
        if (idx.dim[d] < 1 || idx.dim[d] > max)
            return err_set(err, ERR_DATA, "%s: dimension %d is %u, expected 1 to %u",
                           name, d + 1, idx.dim[d], max);
        count *= idx.dim[d];
    }
    if (size - header < count)
        return err_set(err, ERR_DATA,
                       "%s: truncated: %zu of the %llu bytes that its header announces",
                       name, size - header, (unsigned long long)count);
    if (size - header > count)
        return err_set(err, ERR_DATA, "%s: %llu trailing bytes", name,
                       (unsigned long long)(size - header - count));
    idx.data = at + header;
    *ret = idx;
    return 0;
}
