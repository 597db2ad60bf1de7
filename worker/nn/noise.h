#ifndef COORD_NN_NOISE_H
#define COORD_NN_NOISE_H

/* Gaussian noise added to a state: a number of the stream (seed, RNG_NOISE, index t) for
 * each one of parameter tensor t, all times one factor, so that what is added is `share`
 * times as long as what it is added to (Euclidean norm over all chosen parameters; a
 * state of zeros stays one). Running statistics stay. */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stdint.h>

/* chosen: of the tensors, those that get noise; NULL: all parameters. */
void noise_add(const struct arch *arch, uint64_t seed, double share, const bool *chosen,
               real *theta);

#endif
