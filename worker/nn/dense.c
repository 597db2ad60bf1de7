#include "worker/nn/dense.h"

#include "worker/nn/blas.h"
#include "worker/nn/vec.h"

#include <stddef.h>
#include <string.h>

/* Every row of out starts as the bias, and the product is added to it: OpenBLAS
 * would otherwise spend the same pass on clearing. */
static void fill_rows(real *out, const real *b, int B, int O)
{
    const size_t row = (size_t)O;

    for (size_t i = 0; i < (size_t)B; i++) {
        if (b)
            memcpy(out + i * row, b, row * sizeof *out);
        else
            memset(out + i * row, 0, row * sizeof *out);
    }
}

void dense_forward(real *out, const real *in, const real *W, const real *b, int B, int I,
                   int O)
{
    fill_rows(out, b, B, O);
    blas_gemm(BLAS_PLAIN, BLAS_TRANSPOSED, B, O, I, in, I, W, I, 1, out, O);
}

/* to[i] += from[i] */
static void add_row(real *to, const real *from, size_t n)
{
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vec_store(to + i, vec_load(to + i) + vec_load(from + i));
    for (; i < n; i++)
        to[i] += from[i];
}

void dense_backward(real *din, real *dW, real *db, const real *dout, const real *in,
                    const real *W, int B, int I, int O)
{
    blas_gemm(BLAS_TRANSPOSED, BLAS_PLAIN, O, I, B, dout, O, in, I, 1, dW, I);
    if (db)
        for (size_t i = 0; i < (size_t)B; i++)
            add_row(db, dout + i * (size_t)O, (size_t)O);
    if (din)
        blas_gemm(BLAS_PLAIN, BLAS_PLAIN, B, I, O, dout, O, W, I, 0, din, I);
}
