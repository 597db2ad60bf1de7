#include "worker/nn/dense_native.h"

#include "worker/nn/blas.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum {
    /* Weights from which on a layer's products are cut: 512 x 512. */
    CUT_WEIGHTS = 1 << 18,
    SLICE_ROWS = 64,     /* examples, of out and din */
    SLICE_OUTPUTS = 128, /* of dW */
};

/* What the slices of a product share. */
struct work {
    const struct dense_call *call;
    real *to, *to_b;
    const real *from, *W, *b, *dout;
    bool add;
    int slice;
};

static int slice_of_layer(const struct dense_call *call, int slice)
{
    return (size_t)call->I * (size_t)call->O < CUT_WEIGHTS ? INT_MAX : slice;
}

/* Where slice number item begins, and how much of `all` it has. */
static int slice_at(const struct work *w, int item, int all, int *ret_count)
{
    const int from = item > 0 ? item * w->slice : 0;

    *ret_count = all - from < w->slice ? all - from : w->slice;
    return from;
}

static void run_slices(struct work *w, int all, team_item *item)
{
    team_run(w->call->team, (all - 1) / w->slice + 1, item, w);
}

/* Every row of out starts as the bias, and the product is added to it: OpenBLAS
 * would otherwise spend the same pass on clearing. */
static void fill_rows(real *out, const real *b, size_t rows, size_t O)
{
    for (size_t i = 0; i < rows; i++) {
        if (b)
            memcpy(out + i * O, b, O * sizeof *out);
        else
            memset(out + i * O, 0, O * sizeof *out);
    }
}

static void forward_item(void *arg, int item, int who)
{
    const struct work *w = arg;
    const int I = w->call->I, O = w->call->O;
    int rows;
    const size_t row = (size_t)slice_at(w, item, w->call->B, &rows);
    real *out = w->to + row * (size_t)O;

    (void)who;
    fill_rows(out, w->b, (size_t)rows, (size_t)O);
    blas_gemm(BLAS_PLAIN, BLAS_TRANSPOSED, rows, O, I, w->from + row * (size_t)I, I, w->W,
              I, 1, out, O);
}

void dense_native_forward(const struct dense_call *call, real *out, const real *in,
                          const real *W, const real *b)
{
    struct work work = {.call = call,
                        .to = out,
                        .from = in,
                        .W = W,
                        .b = b,
                        .slice = slice_of_layer(call, SLICE_ROWS)};

    run_slices(&work, call->B, forward_item);
}

static void data_item(void *arg, int item, int who)
{
    const struct work *w = arg;
    const int I = w->call->I, O = w->call->O;
    int rows;
    const size_t row = (size_t)slice_at(w, item, w->call->B, &rows);

    (void)who;
    blas_gemm(BLAS_PLAIN, BLAS_PLAIN, rows, I, O, w->dout + row * (size_t)O, O, w->W, I,
              w->add, w->to + row * (size_t)I, I);
}

void dense_native_data(const struct dense_call *call, real *din, bool add,
                       const real *dout, const real *W)
{
    struct work work = {.call = call,
                        .to = din,
                        .dout = dout,
                        .W = W,
                        .add = add,
                        .slice = slice_of_layer(call, SLICE_ROWS)};

    run_slices(&work, call->B, data_item);
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

static void weights_item(void *arg, int item, int who)
{
    const struct work *w = arg;
    const int B = w->call->B, I = w->call->I, O = w->call->O;
    int outputs;
    const size_t at = (size_t)slice_at(w, item, O, &outputs);

    (void)who;
    blas_gemm(BLAS_TRANSPOSED, BLAS_PLAIN, outputs, I, B, w->dout + at, O, w->from, I, 0,
              w->to + at * (size_t)I, I);
    if (!w->to_b)
        return;
    memset(w->to_b + at, 0, (size_t)outputs * sizeof *w->to_b);
    for (size_t i = 0; i < (size_t)B; i++)
        add_row(w->to_b + at, w->dout + i * (size_t)O + at, (size_t)outputs);
}

void dense_native_weights(const struct dense_call *call, real *dW, real *db,
                          const real *dout, const real *in)
{
    struct work work = {.call = call,
                        .to = dW,
                        .to_b = db,
                        .from = in,
                        .dout = dout,
                        .slice = slice_of_layer(call, SLICE_OUTPUTS)};

    run_slices(&work, call->O, weights_item);
}
