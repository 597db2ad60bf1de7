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

struct error;
struct net_moments;

int net_steps(const struct net *net);

/* The first step that reads a tensor t with varied[t]; net_steps for none. */
int net_first_step(const struct net *net, const bool *varied);

/* Whether a step reads a tensor. */
bool net_reads(const struct net *net, int step, int tensor);

/* Whether a step is a convolution or a dense layer: its output is linear in its
 * tensors, weight and bias. */
bool net_is_linear(const struct net *net, int step);

/* Whether a step is the ReLU of the output of the step before it, which nobody else
 * reads. */
bool net_is_relu(const struct net *net, int step);

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

/* The same for `count` of its images from `first` on, which begins a group of
 * VEC_LANES. */
void net_load_some(struct net *net, int step, const real *from, int B, int first,
                   int count);

/* Whether the batch itself is alive at a cut, and so is borrowed by net_load. */
bool net_keeps_example(const struct net *net, int step);

/* ---- batch norms over more examples than a batch holds ------------------------
 *
 * Once the moments of all norms before a norm are known, its input is a function of
 * each example alone: so examples are run up to it batch by batch, their sums added
 * up in order, and the norm's moments settled; then the next one's. They are what one
 * batch of all examples would find, to the bit, if every batch but the last one is
 * whole groups of VEC_LANES.
 */

/* Moments of every batch norm, none of them found, for any network of net's arch.
 * ERR_NO_MEMORY. */
struct net_moments *net_moments_new(const struct net *net, struct error *err);
void net_moments_free(struct net_moments **moments);

/* The first batch norm from a step on; net_steps for none. */
int net_next_norm(const struct net *net, int from);

/* Take the moments found by another, of norms before a step only. */
void net_moments_restart(const struct net *net, struct net_moments *moments,
                         const struct net_moments *from, int step);

/* As net_run, with norms that take the moments found; all of them must be. */
void net_run_moments(struct net *net, const real *state,
                     const struct net_moments *moments, int from, int to);

/* Add the batch in hand, run up to a batch norm, to its sums. One norm at a time. */
void net_moments_add(const struct net *net, struct net_moments *moments, int step,
                     bool begin);

/* They are all: settle that norm's moments, over so many examples. */
void net_moments_settle(const struct net *net, struct net_moments *moments, int step,
                        double examples);

/* Into the running statistics of a state: the mean and the unbiased variance of every
 * norm. stats is (state_count - param_count), the part behind the parameters. */
void net_moments_write(const struct net_moments *moments, real *stats);

/* ---- sections ------------------------------------------------------------------
 *
 * Networks of one arch, each with room for some steps (net_options), that hand a batch
 * on at a cut: few images at a time where activations are large, so that they stay in
 * a cache, and many where filters are. In lanes an image's bits depend on neither.
 */

/* Filters of a convolution, one for every two channels; 0 for other steps. */
size_t net_filters(const struct net *net, int step);

/* Put the batch of `from`, run up to a cut, where no example is alive, into the batch
 * of net as its images from `first` on (the beginning of a group), which then ends
 * with them. */
void net_put(struct net *net, int first, const struct net *from, int step);

/* As net_run with running statistics, of a batch whose every `each` images (whole
 * groups) have statistics of their own: stats[k], as net_moments_write has them. */
void net_run_slices(struct net *net, const real *state, const real *const *stats,
                    int each, int from, int to);

#endif
