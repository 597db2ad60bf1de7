#ifndef COORD_NN_STEP_H
#define COORD_NN_STEP_H

/* What every kind of step does, forward and backward: a table of functions over
 * one description of the work. Inside the engine only. Everything runs on the
 * team, in items that do not depend on its size.
 */

#include "worker/nn/isa.h"
#include "worker/nn/net.h"
#include "worker/nn/plan.h"

#include <stdint.h>

struct team;

/* One step, now. Pointers that a step does not have are NULL. */
struct job {
    const struct step *step;
    int B;
    bool training; /* dropout */
    bool batch;    /* batch norms take the batch's statistics */
    bool replace;  /* which become those in running, rather than move them */
    enum isa isa;
    struct team *team;
    const struct net_draw *draw; /* training */
    const real *state;
    real *running;                      /* a state whose statistics move; NULL: none */
    const struct norm_moments *moments; /* that a batch norm takes; NULL: others */
    const real *in, *other;
    real *out;
    real *stats, *scratch;
    real *packed;       /* STEP_DENSE: where the weights are kept, or NULL */
    bool *packed_ready; /* and whether they are; the step says so */
    bool native;        /* STEP_DENSE */
    uint8_t *mask;
    /* backward */
    real *grad;
    real *dout;             /* may be used up */
    real *din, *dother;     /* may be dout where the plan says so */
    bool add_in, add_other; /* STEP_CONV, STEP_DENSE, STEP_ADD: to what is there */
};

/* backward overwrites its parameters' part of grad, din and dother; it is not
 * called for steps that are not active. */
struct step_kernel {
    void (*forward)(const struct job *);
    void (*backward)(const struct job *);
};

extern const struct step_kernel STEP_KERNELS[STEP_KINDS];

/* to[i] += from[i] for a value that a step reads. */
void step_accumulate(const struct job *job, real *to, const real *from, size_t size);

/* ---- for the files that fill the table -------------------------------------- */

/* Groups of images in the batch: VEC_LANES examples in either layout. */
int job_groups(const struct job *job);

/* Reals of a value of `size` an example, in the step's layout; and of one group's
 * part of it, from *ret_from on. */
size_t job_reals(const struct job *job, size_t size);
size_t job_group(const struct job *job, size_t size, int group, size_t *ret_from);

void dropout_run(const struct job *job);
void dropout_back(const struct job *job);
void subsample_run(const struct job *job);
void subsample_back(const struct job *job);
void shift_run(const struct job *job);
void shift_back(const struct job *job);
void scale_run(const struct job *job);
void scale_back(const struct job *job);

#endif
