#include "worker/nn/conv.h"

#include "worker/nn/blas.h"
#include "worker/nn/vec.h"

#include <string.h>

/* The patches of a block of images stay in a second-level cache, where im2col
 * leaves them and the product finds them: half of the 1 MiB that most nodes have
 * and still within the 512 KiB of a Zen core with the rest of the block. */
enum { BLOCK_BYTES = 384 * 1024 };

/* Sizes of a layer that the loops below share. */
struct sizes {
    size_t plane, out_plane; /* H*W, OH*OW */
    size_t patch;            /* C*k*k */
};

static struct sizes sizes_of(const struct conv *v)
{
    return (struct sizes){
        .plane = (size_t)v->H * (size_t)v->W,
        .out_plane = (size_t)v->OH * (size_t)v->OW,
        .patch = (size_t)v->C * (size_t)v->kernel * (size_t)v->kernel,
    };
}

/* The patches of a 1x1 convolution are its input. */
static int is_pointwise(const struct conv *v)
{
    return v->kernel == 1 && v->stride == 1 && v->pad == 0;
}

/* Images a block: counted in floats also where real is double, so that both
 * builds add in the same order. */
static int block_images(const struct conv *v, int B)
{
    const struct sizes n = sizes_of(v);
    size_t images = BLOCK_BYTES / (n.patch * n.out_plane * sizeof(float));

    if (is_pointwise(v))
        return B;
    if (images < 1)
        images = 1;
    return images < (size_t)B ? (int)images : B;
}

size_t conv_scratch(const struct conv *v, int batch_max)
{
    const struct sizes n = sizes_of(v);

    if (is_pointwise(v))
        return 0;
    return n.patch * n.out_plane * (size_t)block_images(v, batch_max);
}

/* The output positions [first, end) along one axis whose tap at offset k falls
 * inside the image: 0 <= position * stride + k - pad < size. */
static void tap_range(const struct conv *v, int k, int size, int out_size, int *ret_first,
                      int *ret_end)
{
    const int before = v->pad - k;          /* positions * stride to skip */
    const int last = size - 1 + v->pad - k; /* largest position * stride */
    const int first = before > 0 ? (before + v->stride - 1) / v->stride : 0;
    const int end = last < 0 ? 0 : last / v->stride + 1;

    *ret_end = end < out_size ? end : out_size;
    *ret_first = first < *ret_end ? first : *ret_end;
}

/* Rows are short, a call of memcpy would cost more than the copy. The last
 * vector overlaps the one before it. */
static inline void copy_run(real *to, const real *from, size_t n)
{
    size_t i = 0;

    if (n < VEC_LANES) {
        for (; i < n; i++)
            to[i] = from[i];
        return;
    }
    for (; i + VEC_LANES < n; i += VEC_LANES)
        vec_store(to + i, vec_load(from + i));
    vec_store(to + n - VEC_LANES, vec_load(from + n - VEC_LANES));
}

static inline void add_run(real *to, const real *from, size_t n)
{
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vec_store(to + i, vec_load(to + i) + vec_load(from + i));
    for (; i < n; i++)
        to[i] += from[i];
}

static inline void zero_run(real *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = 0;
}

/* One tap (c,kh,kw) of one image: an output plane of the inputs it meets, zero
 * where it meets padding. */
static void gather_tap(const struct conv *v, real *to, const real *image, int kh, int kw)
{
    const size_t OW = (size_t)v->OW, step = (size_t)v->stride;
    int h0, h1, w0, w1;

    tap_range(v, kh, v->H, v->OH, &h0, &h1);
    tap_range(v, kw, v->W, v->OW, &w0, &w1);
    zero_run(to, (size_t)h0 * OW);
    for (int oh = h0; oh < h1; oh++) {
        const int h = oh * v->stride + kh - v->pad;
        const int w = w0 * v->stride + kw - v->pad;
        const size_t run = (size_t)(w1 - w0);
        const real *from = image + (ptrdiff_t)h * v->W + w;
        real *row = to + (size_t)oh * OW;

        zero_run(row, (size_t)w0);
        if (step == 1)
            copy_run(row + w0, from, run);
        else
            for (size_t i = 0; i < run; i++)
                row[(size_t)w0 + i] = from[i * step];
        zero_run(row + w1, OW - (size_t)w1);
    }
    zero_run(to + (size_t)h1 * OW, (size_t)(v->OH - h1) * OW);
}

/* The adjoint of gather_tap: adds, and what met padding is dropped. */
static void scatter_tap(const struct conv *v, real *image, const real *from, int kh,
                        int kw)
{
    const size_t OW = (size_t)v->OW, step = (size_t)v->stride;
    int h0, h1, w0, w1;

    tap_range(v, kh, v->H, v->OH, &h0, &h1);
    tap_range(v, kw, v->W, v->OW, &w0, &w1);
    for (int oh = h0; oh < h1; oh++) {
        const int h = oh * v->stride + kh - v->pad;
        const int w = w0 * v->stride + kw - v->pad;
        const size_t run = (size_t)(w1 - w0);
        const real *row = from + (size_t)oh * OW + w0;
        real *to = image + (ptrdiff_t)h * v->W + w;

        if (step == 1)
            add_run(to, row, run);
        else
            for (size_t i = 0; i < run; i++)
                to[i * step] += row[i];
    }
}

/* col (C*k*k, images*OH*OW) of the images from n0 on. */
static void im2col(const struct conv *v, real *col, const real *in, int B, int n0,
                   int images)
{
    const struct sizes n = sizes_of(v);
    real *to = col;

    for (int c = 0; c < v->C; c++) {
        const real *block = in + ((size_t)c * (size_t)B + (size_t)n0) * n.plane;
        for (int kh = 0; kh < v->kernel; kh++) {
            for (int kw = 0; kw < v->kernel; kw++) {
                for (size_t i = 0; i < (size_t)images; i++, to += n.out_plane)
                    gather_tap(v, to, block + i * n.plane, kh, kw);
            }
        }
    }
}

/* Overwrites the images from n0 on. */
static void col2im(const struct conv *v, real *din, const real *col, int B, int n0,
                   int images)
{
    const struct sizes n = sizes_of(v);
    const size_t taps = (size_t)v->kernel * (size_t)v->kernel;

    for (int c = 0; c < v->C; c++) {
        real *block = din + ((size_t)c * (size_t)B + (size_t)n0) * n.plane;
        const real *rows = col + (size_t)c * taps * (size_t)images * n.out_plane;
        for (size_t i = 0; i < (size_t)images; i++) {
            memset(block + i * n.plane, 0, n.plane * sizeof *din);
            for (size_t t = 0; t < taps; t++)
                scatter_tap(v, block + i * n.plane,
                            rows + (t * (size_t)images + i) * n.out_plane,
                            (int)t / v->kernel, (int)t % v->kernel);
        }
    }
}

static void fill_run(real *to, real value, size_t n)
{
    const vec values = vec_all(value);
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vec_store(to + i, values);
    for (; i < n; i++)
        to[i] = value;
}

void conv_forward(const struct conv *v, real *out, const real *in, const real *W,
                  const real *b, int B, real *scratch)
{
    const struct sizes n = sizes_of(v);
    const size_t row = (size_t)B * n.out_plane; /* one channel of all images */
    const int block = block_images(v, B), K = (int)n.patch;

    for (int n0 = 0; n0 < B; n0 += block) {
        const int images = n0 + block <= B ? block : B - n0;
        const size_t width = (size_t)images * n.out_plane;
        real *to = out + (size_t)n0 * n.out_plane;
        const real *col = is_pointwise(v) ? in : scratch;

        if (!is_pointwise(v))
            im2col(v, scratch, in, B, n0, images);
        for (size_t o = 0; o < (size_t)v->O; o++)
            fill_run(to + o * row, b ? b[o] : 0, width);
        blas_gemm(BLAS_PLAIN, BLAS_PLAIN, v->O, (int)width, K, W, K, col, (int)width, 1,
                  to, (int)row);
    }
}

/* A sum of thousands of pixels: lanes keep the partial sums short. */
static real sum_run(const real *from, size_t n)
{
    vec lanes = {0};
    real sum = 0;
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        lanes += vec_load(from + i);
    for (; i < n; i++)
        sum += from[i];
    for (int k = 0; k < VEC_LANES; k++)
        sum += lanes[k];
    return sum;
}

void conv_backward(const struct conv *v, real *din, real *dW, real *db, const real *dout,
                   const real *in, const real *W, int B, real *scratch)
{
    const struct sizes n = sizes_of(v);
    const size_t row = (size_t)B * n.out_plane;
    const int block = block_images(v, B), K = (int)n.patch;

    for (int n0 = 0; n0 < B; n0 += block) {
        const int images = n0 + block <= B ? block : B - n0;
        const int width = images * (int)n.out_plane;
        const real *from = dout + (size_t)n0 * n.out_plane;
        const real *col = is_pointwise(v) ? in : scratch;
        real *dcol = is_pointwise(v) ? din : scratch;

        if (!is_pointwise(v))
            im2col(v, scratch, in, B, n0, images);
        blas_gemm(BLAS_PLAIN, BLAS_TRANSPOSED, v->O, K, width, from, (int)row, col, width,
                  1, dW, K);
        for (size_t o = 0; db && o < (size_t)v->O; o++)
            db[o] += sum_run(from + o * row, (size_t)width);
        if (!din)
            continue;
        blas_gemm(BLAS_TRANSPOSED, BLAS_PLAIN, K, width, v->O, W, K, from, (int)row, 0,
                  dcol, width);
        if (!is_pointwise(v))
            col2im(v, din, scratch, B, n0, images);
    }
}
