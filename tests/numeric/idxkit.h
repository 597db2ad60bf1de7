#ifndef COORD_IDXKIT_H
#define COORD_IDXKIT_H

/* Images of 28x28 pixels and their labels as a data set's files, for tests that know
 * what PyTorch saw. At most 255 records. */

#include "tests/numeric/numkit.h"
#include "tests/unit/fixture.h"

/* An IDX file of count records of `each` bytes: images, or labels for each = 1. */
static inline void idxkit_write(const struct fixture *fix, const char *name,
                                const uint8_t *bytes, int count, size_t each)
{
    const uint8_t header[16] = {
        0, 0, 8, each == 1 ? 1 : 3, 0, 0, 0, (uint8_t)count, 0, 0, 0, 28, 0, 0, 0, 28};
    const size_t head = each == 1 ? 8 : 16, size = (size_t)count * each;
    uint8_t *file = num_alloc(head + size, 1);

    memcpy(file, header, head);
    memcpy(file + head, bytes, size);
    fixture_write(fix, name, file, head + size);
    free(file);
}

#endif
