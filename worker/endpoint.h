#ifndef COORD_ENDPOINT_H
#define COORD_ENDPOINT_H

/* A state of a run that a job starts from (an end of a path, the start of another
 * run), read from its file or, for an init state
 * that was not stored, drawn anew from the run's spec. Either way the content
 * hash must be the one that the coordinator knows. A derived state (common/derived.h)
 * is always stored; the spec is that of its job. */

#include "common/arch.h"
#include "common/spec.h"
#include "proto/fields.h"
#include "worker/nn/real.h"

#include <stddef.h>

struct error;

struct endpoint {
    struct spec spec; /* of the run, or derive job, that has the state */
    struct arch *arch;
    real *theta; /* (arch->state_count) */
};

/* Find the input of that role ("a", "b", "init") and load it; the caller frees the
 * endpoint, also after a failure. ERR_DATA when the input, its spec, its file or
 * its hash is not what it should be. */
int endpoint_load(const struct msg_input *inputs, size_t input_count, const char *role,
                  struct endpoint *ret, struct error *err);
void endpoint_free(struct endpoint *end);

/* ERR_DATA unless both have the same tensors: names and shapes, in order. */
int endpoint_match(const struct endpoint *a, const struct endpoint *b, struct error *err);

#endif
