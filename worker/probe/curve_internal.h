#ifndef COORD_CURVE_INTERNAL_H
#define COORD_CURVE_INTERNAL_H

/* What the files of curves share. Nobody else includes this. */

#include "worker/eval.h"
#include "worker/nn/net_part.h"
#include "worker/probe/curve.h"

enum {
    /* Alphas whose statistics are held at once. */
    ALPHAS_MAX = 256,
    /* Bytes of batches run up to the group, kept while its alphas are gone through: at
     * most; and those that stay near. */
    STORE_BYTES = 64 << 20,
    NEAR_BYTES = 1 << 20,
    NEAR_LEAST = 4, /* batches: setting weights then is some 5 % of an MLP's point */
    /* Bytes of batches that statistics are recomputed from, kept at the group and from
     * norm to norm; beyond, batches are run again from the last place kept. 2,000
     * images of 3x32x32 have 500 MiB for each value that is alive in the first stage of
     * a ResNet-18, half as much in the next, and so on: with half of this for the
     * group, everything from its third stage on is kept. With the rest of such a probe
     * (three states of 45 MB, 260 MB of activations in all sections, 184 MB of
     * CIFAR-10) it stays below 1 GB. */
    STORE_BN_BYTES = 256 << 20,
    /* Bytes of b's own activations, kept from group to group (curve_trail.c): a batch
     * behind the first convolution of a ResNet-18 for its skip too. */
    TRAIL_BYTES = 64 << 20,
};

/* Where b's own run through a batch has come to: what was alive at a cut, with its
 * labels. cut 0: nothing is kept. */
struct mark {
    int cut;
    real *alive;
    size_t room; /* reals */
    uint8_t labels[EVAL_BATCH];
};

/* Of every batch, since groups come in the order of layers: what is before the next
 * group need not be run again from the examples. Modes differ in what norms did. */
struct trail {
    struct mark *marks[CURVE_BN_COUNT][2]; /* (batches) each, or NULL */
    size_t bytes;                          /* of all marks' alive */
};

/* A split at the end that groups share, example by example: (count) each. */
struct curve_rows {
    double *losses;
    uint8_t *labels, *right, *predicted;
};

struct curve {
    struct curve_env env;
    struct net_options engine;   /* env's own */
    struct net *net;             /* EVAL_BATCH */
    struct net *early, *late;    /* sections (curve_eval.c), or NULL */
    int turn;                    /* the step between them */
    real *theta;                 /* (S) the point; b where nothing moves */
    int line;                    /* the step before, whose output is a line for all that
                                    is in hand, is not set; 0: all are */
    bool at_b;                   /* theta has b's tensors where the line is, as ever */
    real *stats;                 /* (ALPHAS_MAX, S - P) recomputed, by alpha */
    struct net_moments *rebased; /* b's own; NULL: not yet */
    struct net_moments *found;   /* of the point in hand; NULL as that is */
    size_t *places;              /* (steps) of recomputing; NULL as found is */
    bool *varied;                /* (tensors) */
    real *store;                 /* batches in hand */
    size_t store_size;
    struct trail trail;
    real *x; /* examples */
    struct tally_sum end[CURVE_BN_COUNT][2];
    bool have_end[CURVE_BN_COUNT][2];
    struct curve_rows end_rows[CURVE_BN_COUNT][2]; /* NULL where nobody is told */
};

/* A curve in the making. */
struct making {
    struct curve *curve;
    enum curve_bn bn;
    enum net_norms norms;
    const double *alphas;
    size_t n;
    size_t first; /* of them, among those of the curve */
    struct tally_sum *ret;
    int cut;     /* steps before it are done once */
    bool lerp;   /* so is the step before the cut, as a line */
    bool trail;  /* groups may come that begin behind this one */
    int agree;   /* from here on points differ in statistics only, and are evaluated
                    several at once; all steps: one by one */
    size_t done; /* points times batches; for tick */
    size_t total;
};

/* A batch that has been run up to its cut. */
struct held {
    int cut; /* m's; or one before, where the ends of the line are not finite */
    int64_t from;
    int B;
    uint8_t labels[EVAL_BATCH];
    real *alive; /* at the cut; and behind, for a line, its beginning */
};

/* The sections of a curve's network. */
int curve_sections_open(struct curve *curve, struct error *err);

/* m's agree, once varied is set. */
int curve_agree(const struct making *m);

/* Whether point i is the end that all groups have in common. */
bool curve_is_shared(const struct making *m, size_t i);

/* Evaluate some points from i on at the batches in hand: how many. */
size_t curve_points(const struct making *m, size_t i, enum split split,
                    const struct held *held, size_t count);

/* Room for what the shared end has to tell, where somebody is told. */
int curve_rows_open(struct curve *curve, enum curve_bn bn, struct error *err);
void curve_rows_close(struct curve *curve);

/* Tell of a batch, and keep it if it is the shared end's. */
void curve_rows_tell(struct curve *curve, const struct curve_batch *batch,
                     enum curve_bn bn, bool shared);

/* Tell of a batch of the shared end that was kept: batch has point, split, from, B. */
void curve_rows_repeat(struct curve *curve, struct curve_batch *batch, enum curve_bn bn);

/* Room for marks of all batches. ERR_NO_MEMORY. */
int curve_trail_open(struct curve *curve, enum curve_bn bn, struct error *err);
void curve_trail_close(struct curve *curve);

/* Take up a batch where b's own run was left, at a step no later than `upto`: which; 0:
 * nowhere, and net and labels are as they were. */
int curve_trail_take(const struct making *m, enum split split, int64_t from, int B,
                     int upto, uint8_t *labels);

/* Leave it at held's cut, if there is room. */
void curve_trail_leave(const struct making *m, enum split split, const struct held *held);

/* At least so many bytes at *store, of which *size are there, from one curve to the
 * next: NULL when there is no memory. */
real *curve_room(real **store, size_t *size, size_t bytes);

/* z = a + alpha (b - a): exact at both ends, and between equal numbers. z may be b. */
void curve_lerp(real *z, const real *a, const real *b, double alpha, size_t n);

/* ReLU of that. */
void curve_lerp_relu(real *z, const real *a, const real *b, double alpha, size_t n);

/* Set the tensors that move to alpha, parameters and statistics. */
void curve_set(struct curve *curve, enum curve_bn bn, double alpha);

/* The tensors that move and that a step reads, parameters only. */
void curve_set_step(struct curve *curve, int step, double alpha);

/* Examples from .. from + EVAL_BATCH or up to count: how many. */
int curve_batch_size(int64_t from, int64_t count);

/* Fetch these and take them up: their number. labels (EVAL_BATCH). */
int curve_fetch(struct curve *curve, enum split split, int64_t from, int64_t count,
                uint8_t *labels);

/* Recompute the statistics of b, once; theta is b. */
int curve_rebase(struct curve *curve, struct error *err);

/* Recompute those of n <= ALPHAS_MAX points into stats, once those of b are there and
 * varied is set. Uses theta up. */
int curve_recompute(struct curve *curve, const double *alphas, size_t n,
                    struct error *err);

#endif
