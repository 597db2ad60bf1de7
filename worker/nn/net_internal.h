#ifndef COORD_NN_NET_INTERNAL_H
#define COORD_NN_NET_INTERNAL_H

/* What net.c, net_part.c and net_moments.c share. Nobody else includes this. */

#include "worker/nn/net.h"
#include "worker/nn/plan.h"
#include "worker/nn/step.h"

struct net {
    const struct arch *arch; /* borrowed */
    struct net_options options;
    struct plan plan;
    real *memory;   /* the plan's spans */
    uint8_t *right; /* (batch_max) */
    /* net_keep: the state, and what is ready of it (steps) */
    const real *kept;
    bool *ready;
    /* parts: the batch in hand */
    const real *x;
    int B;
};

struct net_moments;

/* What all steps of one pass share. */
struct pass {
    struct net *net;
    const real *x, *state;
    real *running;                     /* statistics that move, or NULL */
    const struct net_moments *moments; /* that batch norms take, or NULL */
    bool training, batch, replace;
    real *grad;
    const struct net_draw *draw;
    int B;
};

/* A span of the net's memory; NULL for NONE. */
real *net_span(const struct net *net, int span);

/* What was found for a step's batch norm; NULL: nothing, or it is none. */
const struct norm_moments *net_moments_at(const struct net_moments *moments,
                                          const struct step *step);

/* Run steps [from, to) forward. */
void net_forward_steps(const struct pass *pass, int from, int to);

#endif
