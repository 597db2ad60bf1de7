#ifndef COORD_NN_TRANSPOSE_H
#define COORD_NN_TRANSPOSE_H

/* Rows that become columns: what a change of layout or the packing of a matrix comes
 * down to. Numbers are moved, not computed with, so it has no bits of its own. */

#include "worker/nn/real.h"

#include <stddef.h>

/* to[j * to_row + i] = from[i * from_row + j] for i < rows, j < columns. They do not
 * overlap; what lies between the rows of `to` is left alone. */
void transpose(real *to, size_t to_row, const real *from, size_t from_row, size_t rows,
               size_t columns);

#endif
