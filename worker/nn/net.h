#ifndef COORD_NN_NET_H
#define COORD_NN_NET_H

/* A network that can be run: an arch (common/arch.h), executed. It owns the
 * activations, planned once for the largest batch; nothing is allocated while
 * training or evaluating. The state is the caller's flat vector (state_count reals:
 * parameters, then running statistics), so that an optimizer, a checkpoint and a
 * point on a path are all loops over one vector.
 *
 *   B batch, C,H,W example shape, K classes; row-major, last index fastest
 *   x (B,C,H,W)   labels (B)   logits (B,K)   state (S)   grad (P), P <= S
 *
 * Two ways to run. Evaluation normalises with the running statistics and drops
 * nothing; an example's logits do not depend on which others are in the batch, nor
 * on how many: but with the option native they do, in the last bits, since OpenBLAS
 * cuts a matrix by its size. So evaluations use a fixed batch (worker/eval.h).
 * Training normalises with the batch's statistics, which also move the running ones
 * in the state, and drops units.
 *
 * Same input, same bits, whatever the number of threads and the instruction set.
 * NaN and Inf are results: they spread to the losses, where the caller sees them.
 */

#include "common/arch.h"
#include "worker/nn/isa.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct net;
struct team;

struct net_options {
    int batch_max;
    bool training;          /* room for net_train, several times that of evaluation */
    bool exact;             /* convolutions as direct sums only: no Winograd */
    bool native;            /* dense layers through OpenBLAS (dense.h) */
    double label_smoothing; /* as loss_smoothed; 0: none */
    struct team *team;      /* borrowed; NULL: the caller alone */
    enum isa isa;           /* isa_choose() */
    int from, to;           /* evaluation in parts (net_part.h): memory for the steps
                               [from, to) alone, and only those are run; to 0: all */
};

/* Where the dropped units of a step are drawn from: unit f of example n (as the
 * batch counts) in layer l is number f of the stream (seed, RNG_DROPOUT, step,
 * l and n). */
struct net_draw {
    uint64_t seed; /* seed.dropout */
    uint64_t step; /* steps taken before this one */
};

/* arch is borrowed and must outlive the net. ERR_NO_MEMORY, ERR_INVALID
 * (batch_max < 1, a network that is not one). */
struct net *net_new(const struct arch *arch, const struct net_options *options,
                    struct error *err);
void net_free(struct net **net);

const struct arch *net_arch(const struct net *net);

/* Bytes of activations and scratch that it holds. */
size_t net_memory(const struct net *net);

/* The smallest batch that net_train can take: 2 where a batch norm sees one pixel
 * a channel, since one number has no variance; else 1. */
int net_batch_min(const struct net *net);

/* Evaluate B <= batch_max examples; returns logits (B,K), valid until the next
 * call. */
const real *net_forward(struct net *net, const real *state, const real *x, int B);

/* Evaluation of many batches of one state: a promise that the numbers at *state stay
 * as they are until the next call, so that what is made of weights for products is
 * made at their first use and kept. NULL: of none. */
void net_keep(struct net *net, const real *state);

/* The tensors t of the kept state with varied[t] have other numbers now. */
void net_moved(struct net *net, const bool *varied);

/* One step forward and back, on a net made for training: the running statistics in
 * state are moved; grad (P) is overwritten with the gradient in the parameters of
 * the mean cross-entropy over the B examples, and losses (B) with each example's
 * (nats). Returns how many of the B were right (first largest logit). */
int net_train(struct net *net, real *state, const real *x, const uint8_t *labels, int B,
              const struct net_draw *draw, real *grad, double *losses);

/* Softmax cross-entropy of logits (B,K): losses (B) in nats and right (B, 0 or
 * 1). If dlogits is not NULL it is overwritten with the gradient of the MEAN
 * loss. Max-subtracted, exp and log in double. NaN logits give NaN loss; an
 * example whose logits hold NaN is never right. */
void loss_softmax(double *losses, uint8_t *right, real *dlogits, const real *logits,
                  const uint8_t *labels, int B, int K);

/* predicted (B) gets the first largest of each example's logits (B,K), K <= 255, or 255
 * where they hold NaN. */
void loss_predict(uint8_t *predicted, const real *logits, int B, int K);

/* The same with the kernels of an instruction set, which change no bit. */
void loss_softmax_on(enum isa isa, double *losses, uint8_t *right, real *dlogits,
                     const real *logits, const uint8_t *labels, int B, int K);

/* The same losses against smoothed targets, as torch.nn.CrossEntropyLoss has them: the
 * label's 1 - share, and share/K for every class (the label too). A share of 0
 * gives the bits of loss_softmax. */
void loss_smoothed(double *losses, uint8_t *right, real *dlogits, const real *logits,
                   const uint8_t *labels, int B, int K, double share);

#endif
