#include "worker/nn/relu.h"

#include "worker/nn/vec.h"

/* Written with "not (x <= 0)" throughout: that is true for NaN. */

void relu_forward(real *out, const real *in, size_t n)
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

void relu_backward(real *din, const real *dout, const real *out, size_t n)
{
    const vec zero = {0};
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vec_store(din + i, vec_keep(~(vec_load(out + i) <= zero), vec_load(dout + i)));
    for (; i < n; i++)
        din[i] = out[i] <= 0 ? 0 : dout[i];
}
