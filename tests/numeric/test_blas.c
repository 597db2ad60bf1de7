#include "worker/nn/blas.h"

#include "tests/numeric/numkit.h"

#include <string.h>

struct size {
    int M, N, K, slack; /* slack: surplus columns of every matrix */
};

static const struct size SIZES[] = {
    {1, 1, 1, 0},     {3, 5, 7, 0},    {6, 784, 25, 0}, {17, 33, 1, 2},
    {128, 10, 84, 0}, {1, 64, 300, 3}, {37, 1, 64, 0},  {65, 131, 257, 5},
};

static double element(const real *x, int ld, enum blas_op op, int row, int column)
{
    return (double)(op == BLAS_PLAIN ? x[row * ld + column] : x[column * ld + row]);
}

static void check_product(struct size s, enum blas_op op_A, enum blas_op op_B, real beta)
{
    int lda = (op_A == BLAS_PLAIN ? s.K : s.M) + s.slack, ldc = s.N + s.slack;
    int ldb = (op_B == BLAS_PLAIN ? s.N : s.K) + s.slack;
    size_t size_C = (size_t)(s.M * ldc);
    real *A = num_random((size_t)((op_A == BLAS_PLAIN ? s.M : s.K) * lda), 1);
    real *B = num_random((size_t)((op_B == BLAS_PLAIN ? s.K : s.N) * ldb), 2);
    /* beta 0 must not look at what was there */
    real *C = beta == 0 ? num_filled(size_C, NAN) : num_random(size_C, 3);
    struct num *want = num_zeros((size_t)(s.M * s.N));
    real *got = num_alloc((size_t)(s.M * s.N), sizeof *got);

    for (int i = 0; i < s.M; i++) {
        for (int j = 0; j < s.N; j++) {
            struct num *sum = &want[i * s.N + j];
            if (beta != 0)
                num_add(sum, (double)C[i * ldc + j]);
            for (int k = 0; k < s.K; k++)
                num_add(sum, element(A, lda, op_A, i, k) * element(B, ldb, op_B, k, j));
        }
    }
    blas_gemm(op_A, op_B, s.M, s.N, s.K, A, lda, B, ldb, beta, C, ldc);
    for (int i = 0; i < s.M; i++)
        memcpy(got + i * s.N, C + i * ldc, (size_t)s.N * sizeof *got);
    num_check("C", got, want, (size_t)(s.M * s.N));
    free(A);
    free(B);
    free(C);
    free(want);
    free(got);
}

static void products_match_naive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++)
        for (int ops = 0; ops < 4; ops++)
            for (int beta = 0; beta < 2; beta++)
                check_product(SIZES[i], (enum blas_op)(ops & 1), (enum blas_op)(ops >> 1),
                              (real)beta);
}

/* 0 * NaN and 0 * Inf are NaN: a kernel that skips zeros would hide divergence. */
static void nonfinite_numbers_flow(void **state)
{
    const real bad[2] = {NAN, INFINITY};
    (void)state;

    for (int b = 0; b < 2; b++) {
        real A[4 * 20] = {0}, B[20 * 9] = {0}, C[4 * 9];
        B[7 * 9 + 3] = bad[b];
        blas_gemm(BLAS_PLAIN, BLAS_PLAIN, 4, 9, 20, A, 20, B, 9, 0, C, 9);
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 9; j++)
                assert_int_equal(isnan(C[i * 9 + j]) != 0, j == 3);
    }
}

static void the_core_has_a_name(void **state)
{
    (void)state;
    assert_non_null(blas_core());
    assert_true(strlen(blas_core()) > 0);
}

static void products_are_repeatable(void **state)
{
    real *A = num_random(64 * 200, 1), *B = num_random(200 * 50, 2);
    real *C = num_random(64 * 50, 3), *D = num_random(64 * 50, 4);
    (void)state;

    blas_gemm(BLAS_PLAIN, BLAS_PLAIN, 64, 50, 200, A, 200, B, 50, 0, C, 50);
    blas_gemm(BLAS_PLAIN, BLAS_PLAIN, 64, 50, 200, A, 200, B, 50, 0, D, 50);
    assert_memory_equal(C, D, 64 * 50 * sizeof *C);
    free(A);
    free(B);
    free(C);
    free(D);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_match_naive),
        cmocka_unit_test(nonfinite_numbers_flow),
        cmocka_unit_test(the_core_has_a_name),
        cmocka_unit_test(products_are_repeatable),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
