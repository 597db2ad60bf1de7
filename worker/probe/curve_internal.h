#ifndef COORD_CURVE_INTERNAL_H
#define COORD_CURVE_INTERNAL_H

/* What curve.c and curve_bn.c share. Nobody else includes this. */

#include "worker/probe/curve.h"

enum {
    /* Alphas whose statistics are held at once. */
    ALPHAS_MAX = 256,
    /* Bytes of batches run up to the group, kept while its alphas are gone through:
     * of the small networks where setting a point costs as much as evaluating a
     * batch, a whole test set. */
    STORE_BYTES = 64 << 20,
    /* The same for the one large batch of CURVE_RECOMPUTE; beyond, the steps before
     * the group are run again for every alpha. */
    STORE_BN_BYTES = 256 << 20,
};

/* A split at the end that groups share, example by example: (count) each. */
struct curve_rows {
    double *losses;
    uint8_t *labels, *right, *predicted;
};

struct curve {
    struct curve_env env;
    struct net_options engine; /* env's own */
    struct net *net;           /* EVAL_BATCH */
    struct net *big;           /* bn_count; NULL until statistics are recomputed */
    real *base;    /* (S) what does not move: b, or b with recomputed statistics */
    real *theta;   /* (S) the point */
    real *start;   /* (S) base, but a's where tensors move */
    real *stats;   /* (ALPHAS_MAX, S - P) recomputed, by alpha */
    real *rebased; /* (S - P) b's own, recomputed; NULL: not yet */
    bool *varied;  /* (tensors) */
    real *store;   /* batches in hand */
    size_t store_size;
    real *store_bn; /* the large batch in hand */
    size_t store_bn_size;
    real *x, *x_bn; /* examples */
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

/* Recompute the statistics of b into base. */
int curve_rebase(struct curve *curve, struct error *err);

/* Recompute those of n <= ALPHAS_MAX points into stats, once base, start and varied
 * are set. */
int curve_recompute(struct curve *curve, const double *alphas, size_t n,
                    struct error *err);

#endif
