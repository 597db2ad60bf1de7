#ifndef COORD_NN_OPTIM_H
#define COORD_NN_OPTIM_H

/* Optimizers over the flat vector, one pass a step, with PyTorch's formulas:
 *   g += wd * p;  v = mu * v + g (v = g at the first step);
 *   d = nesterov ? g + mu * v : v;  p -= lr * d
 * and learning-rate schedules. */

#include "worker/nn/real.h"

#include <stddef.h>

struct error;
struct spec;
struct optim;

/* What a train spec asks for, over n parameters. */
struct optim *optim_new(const struct spec *spec, size_t n, struct error *err);
void optim_free(struct optim **optim);

/* One step: theta is updated in place. grad is scratch afterwards. */
void optim_step(struct optim *optim, real *theta, real *grad, double lr);

/* The learning rate during an epoch (counted from 0) of a train spec. The drop
 * of a step schedule at e takes effect in epoch e. */
double schedule_lr(const struct spec *spec, int epoch);

#endif
