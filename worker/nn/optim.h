#ifndef COORD_NN_OPTIM_H
#define COORD_NN_OPTIM_H

/* Optimizers over the flat vector, one pass a step, with the formulas of
 * torch.optim (1.13). g is the gradient, p the parameter, s, v, m what is kept of
 * earlier steps (zero before the first), t counts steps from 1:
 *
 *   sgd      g += wd * p;  v = mu * v + g;  d = nesterov ? g + mu * v : v
 *            p -= lr * d
 *   adam     g += wd * p;  m = beta1 * m + (1 - beta1) * g
 *            s = beta2 * s + (1 - beta2) * g^2
 *            p -= lr / (1 - beta1^t) * m / (sqrt(s) / sqrt(1 - beta2^t) + eps)
 *   adamw    p *= 1 - lr * wd, then as adam without the first term
 *   rmsprop  g += wd * p;  s = alpha * s + (1 - alpha) * g^2
 *            d = g / (sqrt(s) + eps);  with momentum d = v = mu * v + d
 *            p -= lr * d
 *
 * optimizer.clip comes before all of that, as torch.nn.utils.clip_grad_norm_:
 * g *= min(1, clip / (norm + 1e-6)), norm being that of the whole gradient, here
 * summed in double. A norm of Inf makes finite gradients 0 and others NaN; a norm
 * of NaN makes all of them NaN. optimizer.decay_on = "weights" is wd = 0 for
 * every other tensor (biases). The groups of optimizer.freeze stay what they are,
 * and their gradient counts for nothing. optimizer.group_lr = ["fc=10.0"] makes the
 * learning rate of a group ten times as large, group_decay = ["fc=0.0"] says its wd,
 * whatever decay_on: PyTorch's param groups. Only the first param_count reals of theta
 * are touched: running statistics are nobody's to optimize. */

#include "worker/nn/real.h"

#include <stdint.h>

enum { OPTIM_KEPT_MAX = 2 }; /* vectors that an optimizer keeps, at most */

struct arch;
struct error;
struct spec;
struct team;
struct optim;

/* What a train spec asks for, over the parameters of arch, which is not kept.
 * ERR_NO_MEMORY. */
struct optim *optim_new(const struct spec *spec, const struct arch *arch,
                        struct error *err);
void optim_free(struct optim **optim);

/* From now on have the team share every step; NULL: the caller alone. The bits are
 * the same. The team is borrowed. */
void optim_share(struct optim *optim, struct team *team);

/* One step: theta is updated in place. grad is scratch afterwards. */
void optim_step(struct optim *optim, real *theta, real *grad, double lr);

/* All that goes from one step to the next, for a run that is taken up elsewhere: the
 * vectors that are kept (param_count numbers each; borrowed, to be read or written),
 * of which it returns how many, and the number of steps taken. */
int optim_kept(struct optim *optim, real *ret[OPTIM_KEPT_MAX]);
uint64_t optim_steps(const struct optim *optim);
void optim_set_steps(struct optim *optim, uint64_t steps);

#endif
