#ifndef COORD_NN_ORTHOGONAL_H
#define COORD_NN_ORTHOGONAL_H

/* Orthonormal vectors from random ones: the Q of a QR factorisation, with the
 * signs that make R's diagonal positive. That Q is unique and, of normal draws,
 * uniform over all orthogonal matrices (Mezzadri 2007, Notices of the AMS 54(5)),
 * which is why torch.nn.init.orthogonal_ multiplies by the signs too.
 *
 * Householder reflections in double; sums in a fixed order and no function of
 * the C library's but sqrt: the same bits everywhere. */

#include <stddef.h>

/* Replace n vectors of m numbers (n <= m; vector i at a + i * m), the columns of
 * an (m,n) matrix A = Q R, by the columns of Q. work has room for 2 n numbers.
 * About 4 m n^2 operations. */
void orthogonal_columns(double *a, size_t n, size_t m, double *work);

#endif
