#include "worker/nn/point.h"

#include "worker/nn/vec.h"

void point_add(real *out, const real *a, const real *b, size_t n)
{
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vec_store(out + i, vec_load(a + i) + vec_load(b + i));
    for (; i < n; i++)
        out[i] = a[i] + b[i];
}
