#ifndef COORD_START_H
#define COORD_START_H

/* The parameters with which a run begins: drawn (worker/nn/init.h), or taken from a
 * state of another run or from a file (init.from), but for the groups of init.reset,
 * which are drawn, and the last dense layer, which is drawn where the classes differ.
 * Running statistics go with their tensors' layer. In the end hidden units are permuted
 * and noise is added, where init.permute and init.noise say so. */

#include "common/arch.h"
#include "common/buf.h"
#include "proto/fields.h"
#include "worker/nn/real.h"

#include <stddef.h>

struct error;
struct spec;

/* Overwrite state (arch->state_count). inputs: those of the job; the one of role
 * "init" has the state to take. Appends to said what was taken and what was drawn, a
 * sentence; nothing when all is drawn. ERR_DATA when the state is not what it should
 * be, ERR_IO, ERR_NO_MEMORY. */
int start_params(const struct spec *spec, const struct arch *arch,
                 const struct msg_input *inputs, size_t input_count, real *state,
                 struct buf *said, struct error *err);

#endif
