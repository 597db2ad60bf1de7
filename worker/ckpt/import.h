#ifndef COORD_CKPT_IMPORT_H
#define COORD_CKPT_IMPORT_H

/* A state from a file that somebody else wrote, PyTorch for one: tensors are taken by
 * name and shape. Unlike ckpt_read it forgives what is known to differ:
 *
 *   - `*.num_batches_tracked` is ignored
 *   - the last dense layer stays drawn where only its number of classes differs
 *   - with `partial`, so does whatever the file lacks or has in another shape, and
 *     what the network lacks is ignored
 *
 * Everything else is an error that names the tensor: one that is missing, surplus, of
 * another shape (both are named) or type, or holds NaN or Inf. */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stdbool.h>

struct error;

/* state (arch->state_count) has been drawn; tensors that are taken are overwritten.
 * drawn (arch->tensor_count): tensors not to be taken; on return, all that were not.
 * ERR_DATA also when the file has none at all; ERR_IO, ERR_NO_MEMORY. */
int ckpt_import(const char *path, const struct arch *arch, bool partial, bool *drawn,
                real *state, struct error *err);

#endif
