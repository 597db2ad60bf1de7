#ifndef COORD_CIFAR_H
#define COORD_CIFAR_H

/* The binary version of CIFAR-10 and CIFAR-100: records of one or two label
 * bytes (CIFAR-100: coarse, then fine, which is the label) and 3 x 32 x 32
 * pixels, red plane first, row by row. No header, so the size is the only check
 * of the form. https://www.cs.toronto.edu/~kriz/cifar.html describes it.
 */

#include <stddef.h>
#include <stdint.h>

struct error;

enum { CIFAR_PIXELS = 3 * 32 * 32 };

/* Number of records in a file of that size; name is the file, for messages.
 * label_bytes is 1 or 2. -1 with ERR_DATA when empty or not a multiple of the
 * record. */
int64_t cifar_count(size_t size, int label_bytes, const char *name, struct error *err);

/* Copy count records of a file: pixels (count, 3, 32, 32) and labels (count). */
void cifar_unpack(const void *bytes, int64_t count, int label_bytes, uint8_t *pixels,
                  uint8_t *labels);

#endif
