#ifndef COORD_NN_CONV_TAPS_H
#define COORD_NN_CONV_TAPS_H

/* The inner half of conv_direct.c: the gradient of the weights. One group of L
 * images (lanes.h). */

#include "worker/nn/conv.h"
#include "worker/nn/real.h"

/* ADDS to sums (O,channels,k,k,L), each lane its own image's part. padded is so
 * many channels of the input with their padding, (channels,H+2*pad,W+2*pad,L); dout
 * (O,OH,OW,L). */
void taps_run(const struct conv *conv, int channels, real *sums, const real *padded,
              const real *dout);

#endif
