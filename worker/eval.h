#ifndef COORD_EVAL_H
#define COORD_EVAL_H

/* Evaluation of one state (parameters and running statistics) on the first `count`
 * examples of a split (a fixed subset: worker/data/dataset.h). The one way that
 * training and probes evaluate, always in batches of EVAL_BATCH from the start of
 * the subset, so that the same state on the same subset gives the same bits
 * wherever it is evaluated. */

#include "common/tally.h"
#include "worker/data/dataset.h"
#include "worker/nn/net.h"

/* Large enough for gemm to be efficient, small enough for the activations of
 * LeNet-5 to stay in a 2 MiB cache. Part of the numerics version. */
enum { EVAL_BATCH = 128 };

struct error;
struct spec;
struct team;
struct eval; /* scratch: batch buffers and a net that can take EVAL_BATCH */

/* How a train spec is computed on this CPU: all but the batch and the passes. */
struct net_options eval_engine(const struct spec *spec, struct team *team);

/* The same engine, for evaluating batches of EVAL_BATCH alone. */
struct net_options eval_options(const struct net_options *engine);

/* With eval_options of `engine`. */
struct eval *eval_new(const struct arch *arch, const struct dataset *data,
                      const struct net_options *engine, struct error *err);
void eval_free(struct eval **eval);

/* Tally the first count examples of a split (count <= dataset_count). */
struct tally eval_run(struct eval *eval, const real *state, enum split split,
                      int64_t count);

#endif
