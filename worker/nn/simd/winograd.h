#ifndef COORD_NN_SIMD_WINOGRAD_H
#define COORD_NN_SIMD_WINOGRAD_H

/* The transforms of Winograd's minimal filtering F(4x4,3x3), after Lavin and Gray,
 * "Fast algorithms for convolutional neural networks", 2015 (arXiv 1509.09308):
 *
 *   Y = A' [ (G g G') . (B' d B) ] A
 *
 * where d is a tile of 6x6 pixels that overlaps its neighbours by two, g a filter of
 * 3x3, Y the 4x4 outputs, and . goes point by point: 36 products in place of 144. The
 * sum over channels is taken before the last transform, so that every point is one
 * matrix product (gemm.h). conv_winograd.c puts the pieces together.
 *
 * Tiles are numbered (group, row, column); all lanes of a tile stand side by side.
 * What lies point after point is `point` reals apart, the caller's choice. Outputs
 * beyond the image are computed and dropped; pixels beyond it are zeros.
 *
 * A tile's 16 outputs share what is not finite: an Inf or a NaN anywhere in d gives
 * NaN or Inf in any of them.
 */

#include "worker/nn/isa.h"
#include "worker/nn/real.h"
#include "worker/nn/simd/gemm.h"

#include <stdbool.h>
#include <stddef.h>

enum { WINO_OUT = 4, WINO_IN = 6, WINO_POINTS = 36 };

/* One direction through a layer. */
struct wino_map {
    int C, H, W;   /* from */
    int O, OH, OW; /* to */
    int pad;       /* zeros around what it is from: 0, 1 or 2 */
    int TH, TW;    /* tiles of an image */
};

/* Tiles [first, first + count). */
struct wino_tiles {
    int first, count;
};

/* Tiles that were transformed: [point][panel][row][GEMM_COLS], the first tile in the
 * first columns; a row is a channel. */
struct wino_block {
    real *at;
    size_t point; /* reals from one point to the next */
    int rows;
};

struct wino_filters {
    const real *W;
    int M, K; /* rows of the product, and what it sums over */
    size_t W_M, W_K;
    bool rotated;    /* by half a turn */
    bool past_cache; /* U is larger than a cache: write it to memory */
};

struct wino_kernels {
    /* U[point][m / GEMM_ROWS][k][m % GEMM_ROWS], rows beyond M zero: one panel. U is
     * at 64 bytes, and point a multiple of as much. */
    void (*filters)(const struct wino_filters *f, real *U, size_t point, int panel);

    /* Channels [c0, c1) of in (groups,C,H,W,L) into the block's rows of these numbers. */
    void (*input)(const struct wino_map *map, const struct wino_block *V, const real *in,
                  struct wino_tiles tiles, int c0, int c1);

    /* Channels [o0, o1) of out (groups,O,OH,OW,L) from the block's rows from 0 on, plus
     * b (O) unless NULL, plus what out holds if add. */
    void (*output)(const struct wino_map *map, real *out, bool add, const real *b,
                   const struct wino_block *M, struct wino_tiles tiles, int o0, int o1);
};

/* The gradient of the filters is the adjoint: dg = G' [ sum of (A dY A') . (B' d B) ] G
 * over all tiles of all images, which for every point is a product whose sums run over
 * the tiles and their lanes. So channels must stand side by side, not images: pixels
 * are turned around first, WINO_TURN channels at a time, a row of tiles at a time.
 * Columns are numbered (tile of the row, lane). */
enum { WINO_TURN = 2 * VEC_LANES };

struct wino_row {
    int group, row; /* of tiles */
    int channel;    /* the first of the WINO_TURN; those that are not there are zero */
};

/* Reals of scratch for one row. */
static inline size_t wino_row_scratch(const struct wino_map *map)
{
    return (size_t)(WINO_IN * (map->TW * WINO_OUT + 2)) * VEC_LANES * WINO_TURN;
}

struct wino_grad_kernels {
    /* Into V[point][column][channel], `step` reals from column to column. */
    void (*input)(const struct wino_map *map, real *V, size_t point, size_t step,
                  const real *in, struct wino_row row, real *scratch);

    /* Into M[point][channel / GEMM_ROWS][column][channel % GEMM_ROWS], `panel` reals from
     * one panel of channels to the next. */
    void (*output)(const struct wino_map *map, real *M, size_t point, size_t panel,
                   const real *dout, struct wino_row row, real *scratch);

    /* dW's filters (count,3,3) from U[point][filter]; reads whole vectors. */
    void (*filters)(real *dW, int count, const real *U, size_t point);
};

ISA_DECLARE(wino_kernels, wino_kernels);
ISA_DECLARE(wino_grad_kernels, wino_grad_kernels);

#endif
