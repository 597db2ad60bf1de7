#ifndef COORD_NN_AVGPOOL_H
#define COORD_NN_AVGPOOL_H

/* Average pooling in the batch-in-lane layout (lanes.h), as in PyTorch:
 *
 *   P planes (one channel of one group of images)
 *   in, din (P,H,W,L)   out, dout (P,OH,OW,L)
 *
 * A window of AvgPool2d is kernel x kernel; what it covers of the padding counts
 * as zeros, and the divisor is kernel * kernel (count_include_pad). A window of
 * AdaptiveAvgPool2d is rows floor(oh * H / OH) up to ceil((oh + 1) * H / OH),
 * columns likewise, divided by what it holds; OH and OW may be larger than H and
 * W, and 1x1 is global pooling.
 *
 * Lanes do not mix, and lanes of zeros stay zeros. Planes do not either, so calls
 * for some of them may run at once. Nothing allocates.
 */

#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

struct avgpool {
    int H, W, OH, OW;
    bool adaptive;
    int kernel, stride, pad; /* not adaptive; pad <= kernel / 2 */
};

/* Overwrites out. */
void avgpool_forward(const struct avgpool *pool, real *out, const real *in, size_t P);

/* Overwrites din. */
void avgpool_backward(const struct avgpool *pool, real *din, const real *dout, size_t P);

#endif
