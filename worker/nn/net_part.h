#ifndef COORD_NN_NET_PART_H
#define COORD_NN_NET_PART_H

/* Evaluation of a network in parts (net.h), so that what many evaluations have in
 * common is done once. The network is a row of steps, in order; a cut is a place
 * between two of them, and what is alive there is all that the steps after it need
 * of those before. A batch run in parts gives the bits of net_forward.
 */

#include "worker/nn/net.h"

#include <stdbool.h>
#include <stddef.h>

/* Where batch norms get their statistics from. */
enum net_norms {
    NET_RUNNING, /* the state's running ones */
    NET_BATCH,   /* the batch's */
};

int net_steps(const struct net *net);

/* The first step that reads a tensor t with varied[t]; net_steps for none. */
int net_first_step(const struct net *net, const bool *varied);

/* Whether a step is a convolution or a dense layer: its output is linear in its
 * tensors, weight and bias. */
bool net_is_linear(const struct net *net, int step);

/* Take up a batch of B <= batch_max examples, borrowed until another is. */
void net_begin(struct net *net, const real *x, int B);

/* Run steps [from, to) of the batch. With NET_BATCH, moments (state_count), unless it
 * is NULL, gets the statistics that the norms among them found, where a state has its
 * running ones: the mean and the unbiased variance. */
void net_run(struct net *net, const real *state, enum net_norms norms, real *moments,
             int from, int to);

/* (B,K), after the last step. */
const real *net_logits(const struct net *net);

/* The output of a step that has just been run, *ret_n reals. */
real *net_output(struct net *net, int step, size_t *ret_n);

/* Reals that are alive at the cut before a step, of a batch of B. */
size_t net_alive(const struct net *net, int step, int B);

/* Copy them out; and take them up again in place of a batch's run up to there. `from`
 * is borrowed until another batch is begun, B that of the batch saved. */
void net_save(const struct net *net, int step, real *to);
void net_load(struct net *net, int step, const real *from, int B);

#endif
