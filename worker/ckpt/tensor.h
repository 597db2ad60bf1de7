#ifndef COORD_CKPT_TENSOR_H
#define COORD_CKPT_TENSOR_H

/* One tensor of a network against one of a file: what reading a state and importing
 * one share. path is for messages. Private to worker/ckpt. */

#include "common/arch.h"
#include "common/safetensors.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

struct error;

bool tensor_same_shape(const struct tensor *tensor, const struct st_tensor *stored);

/* ERR_DATA with both shapes; -1. */
int tensor_say_shapes(const char *path, const struct tensor *tensor,
                      const struct st_tensor *stored, struct error *err);

/* ERR_DATA unless it is float32 or float64. */
int tensor_check_type(const char *path, const struct st_tensor *stored,
                      struct error *err);

/* count numbers of such a tensor, rounded to float32. */
void tensor_copy(const struct st_tensor *stored, real *to, size_t count);

#endif
