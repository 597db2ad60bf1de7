#ifndef COORD_NN_SIMD_GEMM_H
#define COORD_NN_SIMD_GEMM_H

/* Our own matrix product, for convolutions and dense layers,
 *
 *   C[i][j] = start[i] + sum over k of A[i][k] * B[k][j]        i < M, j < N, k < K
 *
 * or with start_row[j] in place of start[i],
 *
 * where j runs over what stands side by side in vectors: (pixels or tiles, lanes),
 * or channels. Every C[i][j] is one chain of fused multiply-adds, k after k, whatever
 * the instruction set and however the work is cut: into rows, columns, or stretches
 * of k one after another (add). So all that changes no bits, and neither does what
 * stands beside a column.
 *
 * A is packed in panels of GEMM_ROWS rows: A[i][k] is at
 *     A + (i / GEMM_ROWS) * A_panel + k * A_step + i % GEMM_ROWS
 * with A_step >= GEMM_ROWS, and rows beyond M are never read. Packed densely,
 * A_step = GEMM_ROWS and A_panel = K * GEMM_ROWS. With A_row, A is not packed but a
 * plain matrix whose rows are so far apart: A[i][k] is at A + i * A_row + k.
 *
 * B and C are cut into panels of GEMM_COLS columns: B[k][j] is at
 *     B + (j / GEMM_COLS) * B_panel + k * B_step + j % GEMM_COLS
 * and C[i][j] at
 *     C + (j / GEMM_COLS) * C_panel + i * C_row + j % GEMM_COLS
 * A plain matrix is the case B_panel = GEMM_COLS, B_step = its row; so planes of
 * activations can be read and written where they are. Packed densely, B_step =
 * GEMM_COLS and B_panel = K * GEMM_COLS, which is the fastest by far when K is large
 * and a plane's size is a multiple of 4 KiB (all rows then meet in one set of the
 * cache).
 *
 * Best with M a multiple of GEMM_ROWS (half of it with AVX2) and N of GEMM_COLS (half
 * of it with AVX2), and K of 16 or more. A, B and C of one call should fit the
 * second-level cache; no blocking is done for larger ones but along k. No alignment
 * is required; 64 bytes for the panels are faster.
 */

#include "worker/nn/isa.h"
#include "worker/nn/vec.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    GEMM_ROWS = 8,
    GEMM_COLS = 6 * VEC_LANES,
    /* Of k at a time at most, so that so much of a panel of B stays in a first-level
     * cache of 32 KiB while all rows of A pass by. */
    GEMM_STRETCH = 144,
};

/* K in equal stretches of at most GEMM_STRETCH: how long. */
static inline int gemm_stretch(int K)
{
    const int cuts = (K + GEMM_STRETCH - 1) / GEMM_STRETCH;

    return (K + cuts - 1) / cuts;
}

struct gemm {
    int M, N, K; /* N a multiple of VEC_LANES; M, N may be 0; K >= 1 */
    const real *A;
    size_t A_panel, A_step, A_row; /* A_row: 0, or the others do not count */
    const real *B;
    size_t B_panel, B_step;
    real *C; /* overlaps neither */
    size_t C_panel, C_row;
    const real *start;     /* (M), or NULL for zeros; not with add */
    const real *start_row; /* (N), or NULL; not with start or add */
    bool add;              /* start from what C holds */
};

struct gemm_kernels {
    void (*multiply)(const struct gemm *g);
};

ISA_DECLARE(gemm_kernels, gemm_kernels);

const struct gemm_kernels *gemm_kernels(enum isa isa);

#endif
