#ifndef COORD_NN_INIT_H
#define COORD_NN_INIT_H

/* The initial state as a pure function of (spec, arch): tensor t draws from
 * the stream (seed.init, RNG_INIT, index t) only, so one tensor can be drawn
 * anew without touching the others. Formulas are PyTorch 1.13's
 * (torch/nn/init.py): "default" is U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weight
 * and bias; the other schemes set weights and zero the biases. orthogonal and
 * sparse see a weight as the matrix (O, everything else), gain 1; sparse_ takes
 * no convolutions in PyTorch, here it does. init.scale multiplies what a scheme
 * gives, so it is orthogonal's gain.
 *
 * Norms begin with weight 1 and bias 0 (init.zero_gamma: weight 0 of the last one of
 * every residual branch), mean 0 and variance 1. With fixup the last convolution of
 * every branch and the network's last layer are 0, the other convolutions of L
 * branches of m have a factor L^(-1/(2m-2)), numbers added are 0 and multiplied 1;
 * and "default" is N(0, 2 / fan_out), without biases (Zhang, Dauphin and Ma 2019,
 * arXiv 1901.09321, and the authors' code). */

#include "common/arch.h"
#include "worker/nn/real.h"

struct error;
struct spec;

/* Overwrite theta (arch->state_count) with what a train spec asks for where it starts
 * from no other state: init_draw, then init_alter. */
int init_params(const struct spec *spec, const struct arch *arch, real *theta,
                struct error *err);

/* What is drawn, by the scheme. */
int init_draw(const struct spec *spec, const struct arch *arch, real *theta,
              struct error *err);

/* What is done to a start in the end, drawn or taken: hidden units permuted
 * (init.permute), noise added (init.noise), both by seed.init. */
int init_alter(const struct spec *spec, const struct arch *arch, real *theta,
               struct error *err);

#endif
