#ifndef COORD_IDX_H
#define COORD_IDX_H

/* The IDX format of MNIST and Fashion-MNIST: 00 00 TYPE RANK, then RANK sizes as
 * 32-bit big-endian numbers, then the elements, last index fastest. Only
 * unsigned bytes (TYPE 08) are read: that is what images and labels are.
 * http://yann.lecun.com/exdb/mnist/ describes it.
 */

#include <stddef.h>
#include <stdint.h>

struct error;

/* Images are (n, rows, columns), labels (n). 2^24 examples is 240 MNISTs, and an
 * image side of 4096 is far beyond any network here: larger is a damaged file. */
enum { IDX_RANK_MAX = 3, IDX_COUNT_MAX = 1 << 24, IDX_SIDE_MAX = 4096 };

struct idx {
    int rank;
    uint32_t dim[IDX_RANK_MAX]; /* each at least 1 */
    const uint8_t *data;        /* borrowed; the product of dim bytes */
};

/* Read bytes as one IDX array of unsigned bytes of the given rank; name is the
 * file, for messages. ERR_DATA: wrong magic, type or rank, a size of 0 or beyond
 * the caps, truncated, trailing bytes. */
int idx_parse(const void *bytes, size_t size, int rank, const char *name, struct idx *ret,
              struct error *err);

#endif
