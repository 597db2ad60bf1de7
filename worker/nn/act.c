#include "worker/nn/act.h"

#include "worker/nn/vec.h"

#include <math.h>

#ifdef NN_DOUBLE
#define TANH tanh
#define EXP  exp
#define ERF  erf
#else
#define TANH tanhf
#define EXP  expf
#define ERF  erff
#endif

static const real ROOT_HALF = (real)0.70710678118654752440;
static const real ROOT_2PI_INVERSE = (real)0.39894228040143267794;

/* ---- relu: "not (x <= 0)" throughout, which is true for NaN ------------------ */

static void relu_forward(real *out, const real *in, size_t n)
{
    const vec zero = {0};
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec x = vec_load(in + i);
        vec_store(out + i, vec_keep(~(x <= zero), x));
    }
    for (; i < n; i++)
        out[i] = in[i] <= 0 ? 0 : in[i];
}

static void relu_backward(real *din, const real *dout, const real *in, const real *out,
                          size_t n)
{
    const vec zero = {0};
    size_t i = 0;

    (void)in;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vec_store(din + i, vec_keep(~(vec_load(out + i) <= zero), vec_load(dout + i)));
    for (; i < n; i++)
        din[i] = out[i] <= 0 ? 0 : dout[i];
}

/* ---- the others, element by element through libm ----------------------------- */

static void tanh_forward(real *out, const real *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = TANH(in[i]);
}

static void tanh_backward(real *din, const real *dout, const real *in, const real *out,
                          size_t n)
{
    (void)in;
    for (size_t i = 0; i < n; i++)
        din[i] = dout[i] * (1 - out[i] * out[i]);
}

static void sigmoid_forward(real *out, const real *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = 1 / (1 + EXP(-in[i]));
}

static void sigmoid_backward(real *din, const real *dout, const real *in, const real *out,
                             size_t n)
{
    (void)in;
    for (size_t i = 0; i < n; i++)
        din[i] = dout[i] * (1 - out[i]) * out[i];
}

/* Phi, the share of a normal distribution below x. */
static real normal_below(real x)
{
    return (1 + ERF(x * ROOT_HALF)) / 2;
}

static void gelu_forward(real *out, const real *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[i] * normal_below(in[i]);
}

static void gelu_backward(real *din, const real *dout, const real *in, const real *out,
                          size_t n)
{
    (void)out;
    for (size_t i = 0; i < n; i++) {
        const real x = in[i], density = EXP(-x * x / 2) * ROOT_2PI_INVERSE;
        din[i] = dout[i] * (normal_below(x) + x * density);
    }
}

static const struct {
    void (*forward)(real *out, const real *in, size_t n);
    void (*backward)(real *din, const real *dout, const real *in, const real *out,
                     size_t n);
    bool needs_input;
} ACTS[] = {
    [ACT_RELU] = {relu_forward, relu_backward, false},
    [ACT_TANH] = {tanh_forward, tanh_backward, false},
    [ACT_SIGMOID] = {sigmoid_forward, sigmoid_backward, false},
    [ACT_GELU] = {gelu_forward, gelu_backward, true},
};

bool act_needs_input(enum act_kind kind)
{
    return ACTS[kind].needs_input;
}

void act_forward(enum act_kind kind, real *out, const real *in, size_t n)
{
    ACTS[kind].forward(out, in, n);
}

void act_backward(enum act_kind kind, real *din, const real *dout, const real *in,
                  const real *out, size_t n)
{
    ACTS[kind].backward(din, dout, in, out, n);
}
