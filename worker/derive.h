#ifndef COORD_DERIVE_H
#define COORD_DERIVE_H

/* A state made from others, as a derive job's spec says (derive.kind; common/derived.h):
 *
 *   point    (1-alpha) a + alpha b in the tensors of a group, b in the others, by the
 *            arithmetic of a probe's path: the very bits that it evaluated. Running
 *            statistics move along with the group; a curve that was read with those of an
 *            end (bn start, end) gives them too. Where alpha lies is not known here.
 *   mix      a, but for groups, each from a state of its own
 *   reset    a, but for tensors drawn anew, as the run of its network would draw them
 *            with seed.init = derive.seed
 *   noise    a and noise (worker/nn/noise.h)
 *   permute  a with its hidden units in another order (worker/nn/permute.h)
 *
 * All states have the same tensors. The new one is stored as "final", at step and epoch
 * 0. */

#include "proto/fields.h"

#include <stddef.h>

struct error;
struct sink;
struct spec;

/* Run a derive spec: what is made goes to the sink, its file into dir. ERR_DATA when a
 * state is not what it should be, ERR_INVALID, ERR_IO, ERR_NO_MEMORY. */
int derive_run(const struct spec *spec, const struct msg_job *job, const char *dir,
               struct sink *sink, struct error *err);

#endif
