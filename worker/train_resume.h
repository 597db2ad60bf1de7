#ifndef COORD_TRAIN_RESUME_H
#define COORD_TRAIN_RESUME_H

/* A run between two steps, as one file that it can be taken up from anywhere, to end
 * with the bits of a run that nothing disturbed: a safetensors file of
 *
 *   the caller's vectors   F32    the state, what the optimizer keeps, the best state
 *   "counts", "reals"      numbers of struct resume
 *   "losses"               its exact sums, limb by limb
 *   "rows"                 history and states so far, as an encoded RESULT
 *   metadata               format, key, numerics, epoch, step; check: a hash of all
 *                          the rest
 *
 * What a seed draws (order, augmentation, dropout) is a function of the seed and the
 * place, so there is nothing of it to save. It knows no optimizer and no network.
 */

#include "common/hash.h"
#include "common/tally.h"
#include "worker/nn/real.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct sink;

enum { RESUME_VECTORS_MAX = 8 };

/* Named numbers of the caller's: where from, and where to. */
struct resume_vector {
    const char *name;
    real *data;
    size_t count;
};

struct resume {
    const char *key;  /* of the spec */
    int64_t examples; /* of an epoch */
    int64_t batch;    /* of a step */
    uint32_t epochs;  /* in all */
    struct resume_vector vectors[RESUME_VECTORS_MAX];
    size_t vector_count;
    uint32_t epoch; /* completed */
    uint64_t step;  /* taken */
    int64_t place;  /* in the epoch's order: examples that it has trained on */
    uint64_t optim_steps;
    struct tally_sum batches; /* of those examples, as they were trained on */
    double seconds;           /* since the run began, of all attempts */
    double best_accuracy;     /* on test; -1: none yet */
    uint32_t best_epoch;
    uint64_t best_step;
};

/* Write DIR/HASH.safetensors, with the rows of the sink. ERR_IO, ERR_NO_MEMORY. */
int resume_store(const char *dir, const struct resume *resume, const struct sink *sink,
                 char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err);

/* Read it into the vectors, the numbers and an empty sink; what stands above the
 * numbers says what is expected, and states that were stored are marked as an earlier
 * attempt's. ERR_DATA, ERR_IO or ERR_NOT_FOUND for a file that is broken, or of another
 * run or engine: nothing is changed then. ERR_NO_MEMORY. */
int resume_read(const char *path, struct resume *resume, struct sink *sink,
                struct error *err);

#endif
