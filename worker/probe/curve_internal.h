#ifndef COORD_CURVE_INTERNAL_H
#define COORD_CURVE_INTERNAL_H

/* What curve.c and curve_bn.c share. Nobody else includes this. */

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
     * a ResNet-18, half as much in the next: all but the first stage is kept. With
     * the rest (three states of 45 MB, 100 MB of activations, 184 MB of CIFAR-10)
     * a probe stays below 1 GB. */
    STORE_BN_BYTES = 384 << 20,
};

/* A split at the end that groups share, example by example: (count) each. */
struct curve_rows {
    double *losses;
    uint8_t *labels, *right, *predicted;
};

struct net_moments;

struct curve {
    struct curve_env env;
    struct net_options engine;   /* env's own */
    struct net *net;             /* EVAL_BATCH */
    real *theta;                 /* (S) the point; b where nothing moves */
    int line;                    /* the step before, whose output is a line for all that
                                    is in hand, is not set; 0: all are */
    real *stats;                 /* (ALPHAS_MAX, S - P) recomputed, by alpha */
    struct net_moments *rebased; /* b's own; NULL: not yet */
    struct net_moments *found;   /* of the point in hand; NULL as that is */
    size_t *places;              /* (steps) of recomputing; NULL as found is */
    bool *varied;                /* (tensors) */
    real *store;                 /* batches in hand */
    size_t store_size;
    real *x; /* examples */
    struct tally_sum end[CURVE_BN_COUNT][2];
    bool have_end[CURVE_BN_COUNT][2];
    struct curve_rows end_rows[CURVE_BN_COUNT][2]; /* NULL where nobody is told */
};

/* Room for what the shared end has to tell, where somebody is told. */
int curve_rows_open(struct curve *curve, enum curve_bn bn, struct error *err);
void curve_rows_close(struct curve *curve);

/* Tell of a batch, and keep it if it is the shared end's. */
void curve_rows_tell(struct curve *curve, const struct curve_batch *batch,
                     enum curve_bn bn, bool shared);

/* Tell of a batch of the shared end that was kept: batch has point, split, from, B. */
void curve_rows_repeat(struct curve *curve, struct curve_batch *batch, enum curve_bn bn);

/* At least so many bytes at *store, of which *size are there, from one curve to the
 * next: NULL when there is no memory. */
real *curve_room(real **store, size_t *size, size_t bytes);

/* z = a + alpha (z - a): exact at both ends, and between two equal numbers. */
void curve_lerp(real *z, const real *a, double alpha, size_t n);

/* Set the tensors that move to alpha, parameters and statistics. */
void curve_set(struct curve *curve, enum curve_bn bn, double alpha);

/* The tensors that move and that a step reads, parameters only. */
void curve_set_step(struct curve *curve, int step, double alpha);

/* Fetch examples from .. from + EVAL_BATCH or up to count, and take them up: their
 * number. labels (EVAL_BATCH). */
int curve_fetch(struct curve *curve, enum split split, int64_t from, int64_t count,
                uint8_t *labels);

/* Recompute the statistics of b, once; theta is b. */
int curve_rebase(struct curve *curve, struct error *err);

/* Recompute those of n <= ALPHAS_MAX points into stats, once those of b are there and
 * varied is set. Uses theta up. */
int curve_recompute(struct curve *curve, const double *alphas, size_t n,
                    struct error *err);

#endif
