#ifndef COORD_NN_NET_H
#define COORD_NN_NET_H

/* A network that can be run: an arch (common/arch.h), executed. It owns the
 * activations, planned once for the largest batch; nothing is allocated while
 * training or evaluating. Parameters are the caller's flat vector theta
 * (arch->param_count reals), so that an optimizer, a checkpoint and a point on a
 * path are all loops over one vector.
 *
 *   B batch, C,H,W example shape, K classes; row-major, last index fastest
 *   x (B,C,H,W)   labels (B)   logits (B,K)   theta, grad (P)
 *
 * One thread. Same input, same bits. What an example's logits are never depends
 * on which other examples are in the batch. Convolution, pooling and activation
 * in lanes (lanes.h) do not depend on the size of the batch either; the products
 * of dense layers do, in the last bits, since BLAS cuts a matrix by its size. So
 * evaluations use a fixed batch (worker/eval.h).
 */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stdint.h>

struct error;
struct net;

/* arch is borrowed and must outlive the net. training: room for gradients of
 * activations too. ERR_NO_MEMORY, ERR_INVALID (batch_max < 1). */
struct net *net_new(const struct arch *arch, int batch_max, bool training,
                    struct error *err);
void net_free(struct net **net);

const struct arch *net_arch(const struct net *net);

/* Run B <= batch_max examples; returns logits (B,K), valid until the next call.
 * x is borrowed until net_backward. */
const real *net_forward(struct net *net, const real *theta, const real *x, int B);

/* After net_forward of the same theta and x on a net made for training:
 * overwrite grad with d loss / d theta, where loss is the mean cross-entropy
 * over the B examples, against smoothed labels if so told, and losses (B) with
 * each example's loss (nats). Returns how many of the B were right (first largest
 * logit). */
int net_backward(struct net *net, const real *theta, const uint8_t *labels, int B,
                 real *grad, double *losses);

/* From now on net_backward gives every class share/K of the target and the label
 * the rest (train.label_smoothing); at first, 0. */
void net_smooth_labels(struct net *net, double share);

/* Softmax cross-entropy of logits (B,K): losses (B) in nats and right (B, 0 or
 * 1). If dlogits is not NULL it is overwritten with the gradient of the MEAN
 * loss. Max-subtracted, exp and log in double. NaN logits give NaN loss; an
 * example whose logits hold NaN is never right. */
void loss_softmax(double *losses, uint8_t *right, real *dlogits, const real *logits,
                  const uint8_t *labels, int B, int K);

/* The same against smoothed targets, as torch.nn.CrossEntropyLoss has them: the
 * label's 1 - share, and share/K for every class (the label too). A share of 0
 * gives the bits of loss_softmax. */
void loss_smoothed(double *losses, uint8_t *right, real *dlogits, const real *logits,
                   const uint8_t *labels, int B, int K, double share);

#endif
