#ifndef COORD_CURVE_H
#define COORD_CURVE_H

/* Curves: the loss along the line between two states when one group of tensors
 * moves, on fixed subsets of both splits.
 *
 * What the points of a curve have in common is computed once, exactly:
 *   - steps before the first tensor that moves give the same for every alpha;
 *   - the first step with such a tensor, if it is a convolution or a dense layer, has
 *     the same input for every alpha and is linear in its tensors, so its output is a
 *     line between two outputs (at alpha 0 and 1, those);
 *   - at alpha 1 nothing has moved, so all groups share that point.
 *   - groups in the order of layers go on, batch by batch, from where b's own run was
 *     left by the one before, as far as a store of a fixed size has it.
 *   - behind the last step that moves, the filters are the same for all alphas: where
 *     they are large, several points are evaluated side by side (curve_eval.c).
 * The rest is evaluated. Work goes by batches of EVAL_BATCH, as everywhere, so the
 * ends of a curve have the bits of an evaluation of the two states.
 * A point of a batch has the same bits whatever other alphas and batches the curve has:
 * curves of some alphas and examples add up (tally_merge) to the curve of all of them.
 *
 * Recomputed statistics are those that PyTorch finds when it resets the running ones
 * and takes one training step's forward pass over the whole subset as a single batch
 * with momentum 1: exact moments, in the order of the layers.
 *
 * Memory: the states, the activations of one batch, and a store of a fixed size. It
 * does not grow with examples, alphas, layers or the subset for recomputed statistics,
 * which is gone through batch by batch for every norm (net_part.h).
 */

#include "common/arch.h"
#include "common/tally.h"
#include "worker/data/dataset.h"
#include "worker/nn/net.h"

#include <stdbool.h>
#include <stddef.h>

struct curve;
struct error;
struct spec;

/* Running statistics of batch norms at theta(alpha). */
enum curve_bn {
    CURVE_NONE,      /* the network has none */
    CURVE_INTERP,    /* interpolated, as the tensors of the group are */
    CURVE_RECOMPUTE, /* estimated anew on training images */
    CURVE_END,       /* those of b */
    CURVE_START,     /* those of a in the group, of b elsewhere */
    CURVE_BATCH,     /* of the batch evaluated, its last one as short as it is */
    CURVE_BN_COUNT
};

/* "none", "interp", ...; and back, CURVE_BN_COUNT if it is no such name. */
const char *curve_bn_name(enum curve_bn bn);
enum curve_bn curve_bn_of(const char *name);

/* The ways that a probe asks for, *ret_count of them: none for a network without running
 * statistics, where one curve is all. ERR_NO_MEMORY. */
int curve_modes(const struct spec *spec, const struct arch *arch,
                enum curve_bn ret[CURVE_BN_COUNT], size_t *ret_count, struct error *err);

enum { CURVE_NO_CLASS = 255 }; /* predicted of logits that hold NaN */

/* What a batch of examples came to at one point of a curve. Slices of the subset in its
 * order; everything is borrowed for the call. */
struct curve_batch {
    size_t point; /* of the alphas that curve_run was given */
    enum split split;
    int64_t from; /* place of the first example in the subset */
    int B;
    const double *losses;                      /* (B), nats; NaN and Inf too */
    const uint8_t *labels, *right, *predicted; /* (B) */
};

/* All borrowed for the curve's life, but for engine, which is copied. */
struct curve_env {
    const struct arch *arch;
    const struct dataset *data;
    const struct net_options *engine; /* exact, team, isa */
    const real *a, *b;                /* the two states */
    int64_t count[2];                 /* examples of each split */
    int64_t first[2];                 /* of those, the first one: a multiple of
                                         EVAL_BATCH; those before are left out */
    int64_t bn_count;                 /* of the training split, for CURVE_RECOMPUTE */
    bool naive;                       /* evaluate every point by itself: for tests */
    void (*tick)(void *user, double share); /* of a curve that is done; or NULL */
    /* Or NULL. Called for every example of every point of the curve, those that are
     * shared with other curves too: the batches of a point and split in order, from
     * the subset's first example; points come in any order, and their batches may
     * alternate. */
    void (*batch)(void *user, const struct curve_batch *batch);
    /* Or NULL. Asked between two points: true ends the curve. */
    bool (*pause)(void *user);
    void *user;         /* of all */
    size_t store_bytes; /* for batches that are kept, which changes no bit; 0: as much
                           as curve_internal.h says */
    /* Input times output channels beyond which filters are large, which changes how a
     * network is gone through and no bit; 0: what a second-level cache suggests. */
    int64_t late_filters;
};

/* ERR_NO_MEMORY, ERR_INVALID. */
struct curve *curve_new(const struct curve_env *env, struct error *err);
void curve_free(struct curve **curve);

/* Bytes that it holds now: activations and its store, not the states. */
size_t curve_memory(const struct curve *curve);

enum { CURVE_STOPPED = 1 };

/* One curve: ret[2 * i + split] for alphas[i], i < n. CURVE_STOPPED when pause has said
 * so: ret is of no use then. ERR_NO_MEMORY. */
int curve_run(struct curve *curve, const char *group, enum curve_bn bn,
              const double *alphas, size_t n, struct tally_sum *ret, struct error *err);

#endif
