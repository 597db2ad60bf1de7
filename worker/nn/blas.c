#include "worker/nn/blas.h"

#include <cblas.h>

#ifdef NN_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

static enum CBLAS_TRANSPOSE transpose(enum blas_op op)
{
    return op == BLAS_TRANSPOSED ? CblasTrans : CblasNoTrans;
}

void blas_gemm(enum blas_op op_A, enum blas_op op_B, int M, int N, int K, const real *A,
               int lda, const real *B, int ldb, real beta, real *C, int ldc)
{
    GEMM(CblasRowMajor, transpose(op_A), transpose(op_B), M, N, K, 1, A, lda, B, ldb,
         beta, C, ldc);
}

const char *blas_core(void)
{
    return openblas_get_corename();
}

void blas_set_threads(int count)
{
    openblas_set_num_threads(count);
}
