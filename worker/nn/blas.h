#ifndef COORD_NN_BLAS_H
#define COORD_NN_BLAS_H

/* Matrix products. The only file that knows OpenBLAS is blas.c.
 *
 * Matrices are row-major; the leading dimension is the distance between rows.
 * The bits of a product depend on all of its sizes and on the core type that
 * OpenBLAS runs (other kernels, other order of sums); for those fixed and one
 * thread they are always the same.
 */

#include "worker/nn/real.h"

enum blas_op { BLAS_PLAIN, BLAS_TRANSPOSED };

/* C (M,N) = op(A) (M,K) * op(B) (K,N) + beta * C. With beta 0, C is overwritten
 * whatever it held; the engine uses beta 0 and 1. */
void blas_gemm(enum blas_op op_A, enum blas_op op_B, int M, int N, int K, const real *A,
               int lda, const real *B, int ldb, real beta, real *C, int ldc);

/* The kernels in use, as OpenBLAS names them: "Haswell", "Zen", "SkylakeX"; for
 * provenance. On a CPU it does not know it falls back to "Prescott", several
 * times slower: set OPENBLAS_CORETYPE before the process starts. */
const char *blas_core(void);

/* How many threads a product may use; the engine wants 1. */
void blas_set_threads(int count);

#endif
