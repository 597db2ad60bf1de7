#include "worker/nn/simd/plane.h"

#include "worker/nn/simd/simd.h"

#include <string.h>

enum {
    PLACES = 4, /* pixels with partial sums of their own */
    WIDES = PLACES / WIDE_PIXELS,
};

/* ---- a wide and its pixels --------------------------------------------------- */

#if defined SIMD_AVX512 && defined __AVX512F__
#define WIDE_IS_TWO 1
#else
#define WIDE_IS_TWO 0
#endif

typedef __typeof__((wide){0} <= (wide){0}) wide_mask;

/* x where not (of <= 0), which is true for NaN; elsewhere 0. */
static inline wide positive(wide x, wide of)
{
#if WIDE_IS_TWO && defined NN_DOUBLE
    return (wide)_mm512_maskz_mov_pd(
        _mm512_cmp_pd_mask((__m512d)of, _mm512_setzero_pd(), _CMP_NLE_UQ), (__m512d)x);
#elif WIDE_IS_TWO
    return (wide)_mm512_maskz_mov_ps(
        _mm512_cmp_ps_mask((__m512)of, _mm512_setzero_ps(), _CMP_NLE_UQ), (__m512)x);
#else
    return (wide)(~(of <= (wide){0}) & (wide_mask)x);
#endif
}

/* A pixel beside another of zeros: what is left over at the end of a plane. */
static inline wide wide_one(vec pixel)
{
#if WIDE_IS_TWO && defined NN_DOUBLE
    return (wide)_mm512_zextpd256_pd512((__m256d)pixel);
#elif WIDE_IS_TWO
    return (wide)_mm512_zextps256_ps512((__m256)pixel);
#else
    return pixel;
#endif
}

static inline wide wide_twice(vec pixel)
{
#if WIDE_IS_TWO && defined NN_DOUBLE
    return (wide)_mm512_broadcast_f64x4((__m256d)pixel);
#elif WIDE_IS_TWO
    return (wide)_mm512_broadcast_f32x8((__m256)pixel);
#else
    return pixel;
#endif
}

static inline vec wide_first(wide value)
{
#if WIDE_IS_TWO && defined NN_DOUBLE
    return (vec)_mm512_castpd512_pd256((__m512d)value);
#elif WIDE_IS_TWO
    return (vec)_mm512_castps512_ps256((__m512)value);
#else
    return value;
#endif
}

/* The even pixel plus the odd one. */
static inline vec wide_fold(wide value)
{
#if WIDE_IS_TWO && defined NN_DOUBLE
    return wide_first(value) + (vec)_mm512_extractf64x4_pd((__m512d)value, 1);
#elif WIDE_IS_TWO
    return wide_first(value) + (vec)_mm512_extractf32x8_ps((__m512)value, 1);
#else
    return value;
#endif
}

static inline wide load(const real *at, bool whole)
{
    return whole ? wide_load(at) : wide_one(vec_load(at));
}

static inline void store(real *at, wide value, bool whole)
{
    if (whole)
        wide_store(at, value);
    else
        vec_store(at, wide_first(value));
}

/* ---- sums -------------------------------------------------------------------- */

struct partial {
    wide at[WIDES];
};

/* Add the partial sums of the first `live` lanes to the caller's. */
static inline void partial_end(double *sum, const struct partial *p, int live)
{
    static const real LANE[] = {0, 1, 2, 3, 4, 5, 6, 7};
    typedef real four __attribute__((vector_size(4 * sizeof(real))));
    typedef double sums
        __attribute__((vector_size(4 * sizeof(double)), aligned(8), may_alias));
    const wide even = p->at[0] + p->at[WIDES / 2];
    const wide odd = p->at[WIDES / 2 - 1] + p->at[WIDES - 1];
    const vec all = WIDES == 2 ? wide_fold(even) : wide_fold(even) + wide_fold(odd);
    const vec counted = vec_keep(vec_load(LANE) < vec_all((real)live), all);

    for (size_t k = 0; k < LANES; k += 4) {
        four part;
        memcpy(&part, (const char *)&counted + k * sizeof(real), sizeof part);
        *(sums *)(sum + k) += __builtin_convertvector(part, sums);
    }
}

/* What a sum is over. */
struct terms {
    const real *x, *out, *z;
    wide center;
    bool relu;
};

/* Add the terms of the pixels at offset i; those of one pixel if not whole. */
typedef void terms_fn(const struct terms *t, size_t i, bool whole, wide *a, wide *b);

static VEC_UNROLLED void sum_terms(const struct terms *t, size_t i, bool whole, wide *a,
                                   wide *b)
{
    (void)b;
    *a += load(t->x + i, whole);
}

static VEC_UNROLLED void moment_terms(const struct terms *t, size_t i, bool whole,
                                      wide *a, wide *b)
{
    wide d = load(t->z + i, whole) - t->center;

    if (!whole)
        d = wide_one(wide_first(d));
    *a += d;
    *b = wide_fma(d, d, *b);
}

static VEC_UNROLLED void slope_terms(const struct terms *t, size_t i, bool whole, wide *a,
                                     wide *b)
{
    wide g = load(t->x + i, whole), d = load(t->z + i, whole) - t->center;

    if (t->relu)
        g = positive(g, load(t->out + i, whole));
    if (!whole)
        d = wide_one(wide_first(d));
    *a += g;
    *b = wide_fma(g, d, *b);
}

static VEC_UNROLLED void over_plane(terms_fn add, const struct terms *t, double *a,
                                    double *b, size_t n, int live)
{
    struct partial pa = {{{0}}}, pb = {{{0}}};
    size_t s = 0;

    for (; s + PLACES <= n; s += PLACES) {
#pragma GCC unroll 4
        for (size_t k = 0; k < WIDES; k++)
            add(t, (s + k * WIDE_PIXELS) * LANES, true, &pa.at[k], &pb.at[k]);
    }
#pragma GCC unroll 4
    for (size_t k = 0; k < WIDES; k++, s += WIDE_PIXELS) {
        if (s + WIDE_PIXELS <= n)
            add(t, s * LANES, true, &pa.at[k], &pb.at[k]);
        else if (s < n)
            add(t, s * LANES, false, &pa.at[k], &pb.at[k]);
    }
    partial_end(a, &pa, live);
    if (b)
        partial_end(b, &pb, live);
}

static void plane_sum(double *sum, const real *x, size_t n, int live)
{
    const struct terms t = {.x = x};

    over_plane(sum_terms, &t, sum, NULL, n, live);
}

static void plane_moments(double *sum, double *squares, const real *z, const real *center,
                          size_t n, int live)
{
    const struct terms t = {.z = z, .center = wide_twice(vec_load(center))};

    over_plane(moment_terms, &t, sum, squares, n, live);
}

static void plane_slopes(double *sum, double *product, const real *dout, const real *out,
                         const real *z, const real *center, size_t n, int live)
{
    const wide mid = wide_twice(vec_load(center));

    if (out) {
        const struct terms t = {dout, out, z, mid, true};
        over_plane(slope_terms, &t, sum, product, n, live);
    } else {
        const struct terms t = {dout, NULL, z, mid, false};
        over_plane(slope_terms, &t, sum, product, n, live);
    }
}

/* ---- pixel by pixel ----------------------------------------------------------- */

struct affine {
    real *out;
    const real *z, *residual;
    wide center, scale, shift;
};

static VEC_UNROLLED void affine_at(const struct affine *a, size_t i, bool whole,
                                   bool residual, bool relu)
{
    wide x = wide_fma(load(a->z + i, whole) - a->center, a->scale, a->shift);

    if (residual)
        x += load(a->residual + i, whole);
    if (relu)
        x = positive(x, x);
    store(a->out + i, x, whole);
}

static VEC_UNROLLED void affine_run(const struct affine *a, size_t n, bool residual,
                                    bool relu)
{
    size_t s = 0;

    for (; s + WIDE_PIXELS <= n; s += WIDE_PIXELS)
        affine_at(a, s * LANES, true, residual, relu);
    if (s < n)
        affine_at(a, s * LANES, false, residual, relu);
}

static void plane_affine(real *out, const real *z, const real *residual,
                         const real *center, const real *scale, const real *shift,
                         size_t n, bool relu)
{
    const struct affine a = {out,
                             z,
                             residual,
                             wide_twice(vec_load(center)),
                             wide_twice(vec_load(scale)),
                             wide_twice(vec_load(shift))};

    if (residual && relu)
        affine_run(&a, n, true, true);
    else if (residual)
        affine_run(&a, n, true, false);
    else if (relu)
        affine_run(&a, n, false, true);
    else
        affine_run(&a, n, false, false);
}

struct pull {
    real *dz, *dresidual;
    const real *dout, *out, *z;
    wide center, scale, shift, pull;
};

static VEC_UNROLLED void pull_at(const struct pull *p, size_t i, bool whole, bool relu,
                                 bool residual)
{
    const wide d = p->center - load(p->z + i, whole);
    wide g = load(p->dout + i, whole);

    if (relu)
        g = positive(g, load(p->out + i, whole));
    if (residual)
        store(p->dresidual + i, g, whole);
    store(p->dz + i, wide_fma(d, p->pull, wide_fma(g, p->scale, -p->shift)), whole);
}

static VEC_UNROLLED void pull_run(const struct pull *p, size_t n, bool relu,
                                  bool residual)
{
    size_t s = 0;

    for (; s + WIDE_PIXELS <= n; s += WIDE_PIXELS)
        pull_at(p, s * LANES, true, relu, residual);
    if (s < n)
        pull_at(p, s * LANES, false, relu, residual);
}

static void plane_pull_back(real *dz, real *dresidual, const real *dout, const real *out,
                            const real *z, const struct plane_pull *f, size_t n)
{
    const struct pull p = {dz,
                           dresidual,
                           dout,
                           out,
                           z,
                           wide_twice(vec_load(f->center)),
                           wide_twice(vec_load(f->scale)),
                           wide_twice(vec_load(f->shift)),
                           wide_twice(vec_load(f->pull))};

    if (out && dresidual)
        pull_run(&p, n, true, true);
    else if (out)
        pull_run(&p, n, true, false);
    else if (dresidual)
        pull_run(&p, n, false, true);
    else
        pull_run(&p, n, false, false);
}

const struct plane_kernels SIMD(plane_kernels) = {
    .sum = plane_sum,
    .moments = plane_moments,
    .affine = plane_affine,
    .slopes = plane_slopes,
    .pull_back = plane_pull_back,
};
