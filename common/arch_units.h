#ifndef COORD_ARCH_UNITS_H
#define COORD_ARCH_UNITS_H

/* Which hidden units of a network (outputs of dense layers, channels of convolutions)
 * may change places so that it computes the same: the symmetry of its weights. A pure
 * function of the arch; who draws a permutation and moves weights is worker/nn/permute.h.
 *
 * Units that must move together are a set: a layer's outputs and all that norms,
 * activations and pools make of them; channels that a sum adds, so all on the shortcuts
 * of a stage; and those inside a residual block by themselves. Within a set every unit
 * has a colour, and only units of one colour change places:
 *   - the example's channels and the logits have a colour each;
 *   - a group norm gives every group its own (layer norm has one group);
 *   - a shortcut that pads with zero channels carries the order of the stage before
 *     in its middle, and zero channels move among zero channels.
 */

#include "common/arch.h"

#include <stdbool.h>

struct unit_set {
    int count;   /* units */
    int *colour; /* (count) */
    int from;    /* the set that is its middle, an earlier one; or -1 */
    int at;      /* where that begins */
};

struct arch_units {
    struct unit_set *sets; /* 0: the example's channels */
    int set_count;
    int *of;     /* (layers) set of a layer's outputs */
    int *repeat; /* (layers) outputs for each unit of the set, one after another:
                    pixels after a flatten, else 1 */
};

/* Fill *ret; the caller frees it, also after failure. ERR_NO_MEMORY. */
int arch_units_find(const struct arch *arch, struct arch_units *ret, struct error *err);
void arch_units_free(struct arch_units *units);

/* The set and repeat of what a layer reads. */
int arch_units_input(const struct arch_units *units, const struct layer *layer,
                     int *ret_repeat);

/* 0 if some two units of the network may change places; else ERR_INVALID, "no hidden
 * units ...", or ERR_NO_MEMORY. */
int arch_check_permute(const struct arch *arch, struct error *err);

#endif
