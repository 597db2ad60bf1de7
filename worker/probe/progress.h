#ifndef COORD_PROGRESS_H
#define COORD_PROGRESS_H

/* A probe between two points, as one file that it can be taken up from anywhere, to end
 * with the rows of one that nothing disturbed (worker/savefile.h):
 *
 *   "place"    I64  curves that are done; 1: there is something of the next one
 *   "points"   I64  of that one, or of all so far where all are kept: the exact sums of
 *                   the points that its spec asks for (trace.h)
 *   "rows"     U8   what the probe has told so far, as an encoded RESULT
 *   "kept"     U8   bytes of the caller's
 *   metadata        format, key (of the spec), numerics, curves, alphas
 *
 * A part of a probe ends with such a file, all its curves done. This knows neither
 * networks nor which group a curve is of.
 */

#include "common/buf.h"
#include "common/hash.h"
#include "worker/probe/trace.h"

#include <stdbool.h>

#include <stddef.h>
#include <stdint.h>

struct error;
struct sink;

struct progress {
    const char *key;            /* of the spec; borrowed */
    size_t curves, alphas;      /* in all */
    bool all;                   /* the points of all curves are kept: a part's, of slices,
                                   and where parts are put together */
    size_t done;                /* curves */
    bool begun;                 /* there are points of the next one */
    struct trace_point *points; /* (curves, alphas), or (alphas) of the one in hand */
    bool keeps;                 /* bytes of the caller's are saved with it */
    struct buf kept;            /* these, of any number; freed with it */
};

/* Given key, curves and alphas, perhaps all and keeps, the rest zeroed: nothing done.
 * ERR_NO_MEMORY. */
int progress_open(struct progress *progress, struct error *err);
void progress_close(struct progress *progress);

/* The points of one curve, (alphas); unless all are kept, of the one in hand. */
struct trace_point *progress_points(const struct progress *progress, size_t curve);

/* The curve in hand is done: on to the next, of which there is nothing yet. */
void progress_next(struct progress *progress);

/* Write DIR/HASH.safetensors, with the rows of the sink. ERR_IO, ERR_NO_MEMORY. */
int progress_store(const struct progress *progress, const char *dir,
                   const struct sink *sink, char ret_hash[HASH_TEXT], uint64_t *ret_size,
                   struct error *err);

/* Read it into an opened one, which says what is expected; its rows are added to those
 * of the sink. ERR_DATA, ERR_IO or ERR_NOT_FOUND for a file that is broken, or of another
 * job or engine: nothing is changed then. ERR_NO_MEMORY; ERR_INVALID for more rows than a
 * sink takes. */
int progress_read(struct progress *progress, const char *path, struct sink *sink,
                  struct error *err);

#endif
