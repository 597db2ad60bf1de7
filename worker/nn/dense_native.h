#ifndef COORD_NN_DENSE_NATIVE_H
#define COORD_NN_DENSE_NATIVE_H

/* The passes of dense.h through OpenBLAS. For dense.c only. */

#include "worker/nn/dense.h"

void dense_native_forward(const struct dense_call *call, real *out, const real *in,
                          const real *W, const real *b);
void dense_native_data(const struct dense_call *call, real *din, bool add,
                       const real *dout, const real *W);
void dense_native_weights(const struct dense_call *call, real *dW, real *db,
                          const real *dout, const real *in);

#endif
