#include "tests/numeric/numkit.h"
#include "worker/nn/simd/gemm.h"

#include <string.h>

/* A product of exactly its size, in buffers packed densely; columns beyond N in the
 * last panel are there but hold NaN, and must neither spread nor change. */
struct product {
    int M, N, K;
    size_t panels_A, panels_B;
    real *A, *B, *start;
};

static void product_make(struct product *p, int M, int N, int K)
{
    *p = (struct product){
        .M = M,
        .N = N,
        .K = K,
        .panels_A = (size_t)((M + GEMM_ROWS - 1) / GEMM_ROWS),
        .panels_B = (size_t)((N + GEMM_COLS - 1) / GEMM_COLS),
    };
    p->A = num_random(p->panels_A * (size_t)K * GEMM_ROWS, 1);
    p->B = num_random(p->panels_B * (size_t)K * GEMM_COLS, 2);
    p->start = num_random((size_t)M, 3);
    for (size_t i = (size_t)M; i < p->panels_A * GEMM_ROWS; i++)
        for (int k = 0; k < K; k++)
            p->A[i / GEMM_ROWS * (size_t)K * GEMM_ROWS + (size_t)k * GEMM_ROWS +
                 i % GEMM_ROWS] = NAN;
    for (size_t j = (size_t)N; j < p->panels_B * GEMM_COLS; j++)
        for (int k = 0; k < K; k++)
            p->B[j / GEMM_COLS * (size_t)K * GEMM_COLS + (size_t)k * GEMM_COLS +
                 j % GEMM_COLS] = NAN;
}

static void product_free(struct product *p)
{
    free(p->A);
    free(p->B);
    free(p->start);
}

static size_t product_size_C(const struct product *p)
{
    return p->panels_B * (size_t)p->M * GEMM_COLS;
}

/* K in parts, which must not matter; C (panels,M,GEMM_COLS). */
static void product_run(const struct product *p, enum isa isa, real *C, int parts)
{
    for (int part = 0; part < parts; part++) {
        const int k0 = p->K * part / parts, k1 = p->K * (part + 1) / parts;
        const struct gemm g = {
            .M = p->M,
            .N = p->N,
            .K = k1 - k0,
            .A = p->A + (size_t)k0 * GEMM_ROWS,
            .A_panel = (size_t)p->K * GEMM_ROWS,
            .A_step = GEMM_ROWS,
            .B = p->B + (size_t)k0 * GEMM_COLS,
            .B_panel = (size_t)p->K * GEMM_COLS,
            .B_step = GEMM_COLS,
            .C = C,
            .C_panel = (size_t)p->M * GEMM_COLS,
            .C_row = GEMM_COLS,
            .start = part ? NULL : p->start,
            .add = part > 0,
        };

        gemm_kernels(isa)->multiply(&g);
    }
}

static void check(const struct product *p, const real *C)
{
    const size_t K = (size_t)p->K;

    for (int i = 0; i < p->M; i++) {
        for (size_t j = 0; j < p->panels_B * GEMM_COLS; j++) {
            const real *got = C + (j / GEMM_COLS * (size_t)p->M + (size_t)i) * GEMM_COLS +
                              j % GEMM_COLS;
            struct num want = {0};
            num_add(&want, (double)p->start[i]);
            for (size_t k = 0; k < K; k++)
                num_add(&want, (double)p->A[(size_t)(i / GEMM_ROWS) * K * GEMM_ROWS +
                                            k * GEMM_ROWS + (size_t)(i % GEMM_ROWS)] *
                                   (double)p->B[j / GEMM_COLS * K * GEMM_COLS +
                                                k * GEMM_COLS + j % GEMM_COLS]);
            if (j < (size_t)p->N)
                num_check("C", got, &want, 1);
            else
                assert_true(*got == 7);
        }
    }
}

static void multiplies_every_shape(void **state)
{
    static const int M[] = {1, 2, 3, 5, 7, 8, 10, 16, 31}, K[] = {1, 3, 64, 300};
    const int N = 2 * GEMM_COLS;
    (void)state;

    for (size_t m = 0; m < sizeof M / sizeof M[0]; m++) {
        for (int n = VEC_LANES; n <= N; n += VEC_LANES) {
            for (size_t k = 0; k < sizeof K / sizeof K[0]; k++) {
                struct product p;
                product_make(&p, M[m], n, K[k]);
                real *want = num_filled(product_size_C(&p), 7);
                product_run(&p, ISA_AVX2, want, 1);
                check(&p, want);
                for (int isa = 0; isa < ISA_COUNT; isa++) {
                    real *got = num_filled(product_size_C(&p), 7);
                    if (isa_usable((enum isa)isa))
                        product_run(&p, (enum isa)isa, got, p.K > 1 ? 2 : 1);
                    else
                        memcpy(got, want, product_size_C(&p) * sizeof *got);
                    assert_memory_equal(got, want, product_size_C(&p) * sizeof *got);
                    free(got);
                }
                free(want);
                product_free(&p);
            }
        }
    }
}

/* Plain matrices in place of panels: B (K,N), C (M,N), and A (M,K) with room between
 * its rows. */
static void takes_plain_matrices(void **state)
{
    enum { M = 11, N = 3 * GEMM_COLS - VEC_LANES, K = 20 };
    struct product p;
    real *B = num_alloc(K * N, sizeof *B), *C = num_filled(M * N, NAN);
    (void)state;

    product_make(&p, M, N, K);
    real *want = num_filled(product_size_C(&p), 7);
    real *A = num_filled(M * (K + 3), NAN);
    for (int i = 0; i < M; i++)
        for (int k = 0; k < K; k++)
            A[i * (K + 3) + k] = p.A[(i / GEMM_ROWS * K + k) * GEMM_ROWS + i % GEMM_ROWS];
    for (int k = 0; k < K; k++)
        for (int j = 0; j < N; j++)
            B[k * N + j] = p.B[(j / GEMM_COLS * K + k) * GEMM_COLS + j % GEMM_COLS];
    const struct gemm g = {
        .M = M,
        .N = N,
        .K = K,
        .A = p.A,
        .A_panel = K * GEMM_ROWS,
        .A_step = GEMM_ROWS,
        .B = B,
        .B_panel = GEMM_COLS,
        .B_step = N,
        .C = C,
        .C_panel = GEMM_COLS,
        .C_row = N,
        .start = p.start,
    };
    product_run(&p, ISA_AVX2, want, 1);
    struct gemm plain_A = g;
    plain_A.A_row = K + 3;
    plain_A.A = A;
    for (int isa = 0; isa < 2 * ISA_COUNT; isa++) {
        if (!isa_usable((enum isa)(isa / 2)))
            continue;
        memset(C, 0, M * N * sizeof *C);
        gemm_kernels((enum isa)(isa / 2))->multiply(isa % 2 ? &plain_A : &g);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++)
                assert_true(C[i * N + j] ==
                            want[(j / GEMM_COLS * M + i) * GEMM_COLS + j % GEMM_COLS]);
    }
    free(A);
    plain_A = g;
    plain_A.start = NULL;
    plain_A.start_row = B;
    gemm_kernels(ISA_AVX2)->multiply(&plain_A);
    for (int j = 0; j < N; j++) {
        struct num sum = {0};
        num_add(&sum, (double)B[j]);
        for (int k = 0; k < K; k++)
            num_add(&sum, (double)p.A[k * GEMM_ROWS] * (double)B[k * N + j]);
        num_check("C", &C[j], &sum, 1);
    }
    product_free(&p);
    free(B);
    free(C);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiplies_every_shape),
        cmocka_unit_test(takes_plain_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
