#ifndef COORD_NN_CONV_H
#define COORD_NN_CONV_H

/* The shape of a 2-d convolution, of square kernels, strides and paddings:
 *
 *   C,H,W input; O,OH,OW output, OH = (H + 2 * pad - kernel) / stride + 1
 */
struct conv {
    int C, H, W;
    int O, OH, OW;
    int kernel, stride, pad;
};

#endif
