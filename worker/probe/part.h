#ifndef COORD_PROBE_PART_H
#define COORD_PROBE_PART_H

/* Making a part of a probe (common/part.h), and the whole of parts. */

#include "common/alphas.h"
#include "common/part.h"
#include "worker/probe/progress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct msg_input;
struct sink;
struct spec;

/* A whole probe's sizes. */
struct part_whole {
    size_t groups, modes; /* curves: modes for each group */
    int64_t examples[2];  /* by split */
    const struct alphas *alphas;
};

/* Whether the probe has so much, its examples cut at whole batches. ERR_INVALID. */
int part_check(const struct part *part, const struct part_whole *whole,
               struct error *err);

/* Not all alphas and examples of its groups. */
bool part_has_slices(const struct part *part, const struct part_whole *whole);

/* The alphas that a part evaluates: its own and, since differences to them are wanted,
 * the ends; ret_at (room for all) are their places in the whole's. The caller frees
 * *ret by alphas_free. ERR_NO_MEMORY. */
int part_alphas(const struct part *part, const struct alphas *whole, struct alphas *ret,
                size_t *ret_at, struct error *err);

/* Whether any input is a part. */
bool part_is_any(const struct msg_input *inputs, size_t count);

/* Take the parts among a probe's inputs: rows of whole curves go to the sink, and
 * told[curve] is set; points of slices are added up in progress. ERR_DATA when one is
 * damaged, is none of the probe's, or when they leave out examples. */
int part_merge(const struct spec *spec, const struct part_whole *whole,
               const struct msg_input *inputs, size_t count, struct progress *progress,
               bool *told, struct sink *sink, struct error *err);

#endif
