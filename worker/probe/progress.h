#ifndef COORD_PROGRESS_H
#define COORD_PROGRESS_H

/* A probe between two points, as one file that it can be taken up from anywhere, to end
 * with the rows of one that nothing disturbed (worker/savefile.h):
 *
 *   "sums"     I64  exact tallies of (curves, alphas, splits), of as many curves as there
 *                   is something of
 *   "place"    I64  curves that are done, and the place in the next one (curve.h)
 *   "rows"     U8   what the probe has told so far, as an encoded RESULT
 *   metadata        format, key (of the spec), numerics, curves, alphas
 *
 * A part of a probe ends with such a file, all its curves done. This knows neither
 * networks nor which group a curve is of.
 */

#include "common/hash.h"
#include "common/tally.h"
#include "worker/probe/curve.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct sink;

struct progress {
    const char *key;        /* of the spec; borrowed */
    size_t curves, alphas;  /* in all */
    struct tally_sum *sums; /* (curves, alphas, splits) */
    size_t done;            /* curves */
    struct curve_place place;
};

/* Nothing done yet. ERR_NO_MEMORY. */
int progress_open(struct progress *progress, const char *key, size_t curves,
                  size_t alphas, struct error *err);
void progress_close(struct progress *progress);

/* The sums of one curve, (alphas, splits). */
struct tally_sum *progress_sums(const struct progress *progress, size_t curve);

/* Write DIR/HASH.safetensors, with the rows of the sink. ERR_IO, ERR_NO_MEMORY. */
int progress_store(const struct progress *progress, const char *dir,
                   const struct sink *sink, char ret_hash[HASH_TEXT], uint64_t *ret_size,
                   struct error *err);

/* Read it into an opened one, which says what is expected, and an empty sink. ERR_DATA,
 * ERR_IO or ERR_NOT_FOUND for a file that is broken, or of another job or engine: nothing
 * is changed then. ERR_NO_MEMORY. */
int progress_read(struct progress *progress, const char *path, struct sink *sink,
                  struct error *err);

#endif
