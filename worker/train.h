#ifndef COORD_TRAIN_H
#define COORD_TRAIN_H

/* One training run, from its spec to the rows in a sink and the states in a
 * folder. A pure function of the spec: no clock but for the seconds it reports.
 *
 * Per epoch: permute (RNG_ORDER, epoch), minibatches in that order, the last one
 * as short as it is; then evaluate train.eval.{train,test} on the fixed subsets
 * (also before the first step: epoch 0). A minibatch loss that is not finite
 * ends the run there: the state and its (non-finite) evaluation are recorded as
 * final, the summary says diverged, and that is a success. train.until.train_acc
 * stops after the first evaluation (the one before the first step included)
 * whose training accuracy reaches it; final is then that state, and numbered
 * states that would have come later do not exist.
 *
 * Between two steps a run may be asked to save itself (train_resume.h), or to save
 * itself and stop. Another run of the same spec that begins from such a file gives
 * the rows and the states of one that was never interrupted, the seconds excepted.
 *
 * The init state's hash is always reported; it is stored only if train.keep
 * names it. final is always stored.
 */

#include "worker/wish.h"

#include <stddef.h>

struct error;
struct msg_input;
struct msg_state;
struct sink;
struct spec;
struct team;

enum { TRAIN_STOPPED = 1 };

struct train_env {
    /* States are written here, named by their hash: STATE_DIR/HASH.safetensors. */
    const char *state_dir;
    const char *data_dir;           /* as dataset_open; or NULL */
    const struct msg_input *inputs; /* of the job: what the run starts from */
    size_t input_count;
    struct team *team; /* or NULL: this thread alone; no result depends on it */
    /* File to go on from; NULL: none. One that cannot be used is logged, and the run
     * begins anew. */
    const char *resume;
    /* Asked between two steps; NULL: go on. */
    enum wish (*wish)(void *user);
    /* The run has saved itself to a file in state_dir, named as states are; what
     * could not be written is logged instead. */
    void (*saved)(void *user, const struct msg_state *file);
    void *user;
};

/* 0, or TRAIN_STOPPED: then the sink has the epochs and steps done and is otherwise of
 * no use. ERR_DATA for data sets, ERR_IO, ERR_NO_MEMORY. */
int train_run(const struct spec *spec, const struct train_env *env, struct sink *sink,
              struct error *err);

#endif
