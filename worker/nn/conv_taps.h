#ifndef COORD_NN_CONV_TAPS_H
#define COORD_NN_CONV_TAPS_H

/* The inner half of conv_lanes.c: the gradient of the weights. One group of L
 * images (lanes.h). */

#include "worker/nn/conv.h"
#include "worker/nn/real.h"

/* ADDS to sums (O,C,k,k,L), each lane its own image's part. padded is the input
 * with its padding, (C,H+2*pad,W+2*pad,L); dout (O,OH,OW,L). */
void taps_run(const struct conv *conv, real *sums, const real *padded, const real *dout);

#endif
