#ifndef COORD_PROBE_CONTROL_H
#define COORD_PROBE_CONTROL_H

/* Starts of a line that no run has been at (probe.start): what the line from the
 * initial state shows, and one from noise or zeros shows as well, is not training's
 * doing.
 *
 *   zeros      every parameter is 0
 *   noise      every tensor is Gaussian noise as long as that of `from` (which is a's)
 *   seed       the network as b's run would draw it, whatever it starts from, with the
 *              seed of control_seed
 *   permuted   b with its hidden units in another order (worker/nn/permute.h)
 *
 * Running statistics are a new network's, means 0 and variances 1; permuted, they go
 * with their units. */

#include "worker/endpoint.h"

#include <stdint.h>

struct error;
struct spec;

/* Overwrite a's tensors with what a probe spec says; nothing for "state". a and b have
 * the same network. ERR_INVALID when nothing can be permuted, ERR_NO_MEMORY. */
int control_apply(const struct spec *probe, struct endpoint *a, const struct endpoint *b,
                  struct error *err);

/* Another seed than the run's own: the first 53 bits of a hash of both. */
uint64_t control_seed(int64_t seed_init, int64_t start_seed);

#endif
