#ifndef COORD_NN_INIT_H
#define COORD_NN_INIT_H

/* Initial parameters as a pure function of (spec, arch): tensor t draws from
 * the stream (seed.init, RNG_INIT, index t) only, so one tensor can be drawn
 * anew without touching the others. Formulas are PyTorch 1.13's
 * (torch/nn/init.py): "default" is U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weight
 * and bias; the other schemes set weights and zero the biases. orthogonal and
 * sparse see a weight as the matrix (O, everything else), gain 1; sparse_ takes
 * no convolutions in PyTorch, here it does. init.scale multiplies what a scheme
 * gives, so it is orthogonal's gain. */

#include "common/arch.h"
#include "worker/nn/real.h"

struct error;
struct spec;

/* Overwrite theta (arch->param_count) with what a train spec asks for. */
int init_params(const struct spec *spec, const struct arch *arch, real *theta,
                struct error *err);

#endif
