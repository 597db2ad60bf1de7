#ifndef COORD_KEEPER_H
#define COORD_KEEPER_H

/* Keeps a probe's progress (progress.h): takes it up where an earlier attempt left it,
 * saves it when that is wished, and stops. Saved are the curves that are done and, of the
 * one in hand, the points that are.
 */

#include "worker/probe/detail.h"
#include "worker/probe/probe.h"
#include "worker/probe/progress.h"

#include <stdbool.h>

struct keeper {
    struct progress progress;
    const struct probe_env *env; /* borrowed */
    struct sink *sink;           /* borrowed; for its log */
    struct sink *rows;           /* borrowed; what is saved */
    bool whole;                  /* curves: points alone do not tell all */
    struct detail *detail; /* borrowed; or NULL: of whole curves, what it has kept */
    bool anew;             /* what an earlier attempt saved is of no use */
    bool goes_on;          /* from what was saved, its rows in the sink */
    bool due, stopping;    /* what has been wished since */
};

/* Begin, from env->resume if that can be used; progress has what progress_open asks for.
 * ERR_NO_MEMORY; ERR_INVALID or ERR_DATA for a file that is whole, of this very job, and
 * has what no such job can have saved. */
int keeper_begin(struct keeper *keeper, struct error *err);
void keeper_end(struct keeper *keeper);

/* Whether to stop where nothing can be saved yet. */
bool keeper_stops(struct keeper *keeper);

/* Points of the curve in hand are done: save if that is due. Whether to stop. */
bool keeper_points(struct keeper *keeper, const struct trace_point *points);

/* What the curve in hand came to stays in progress. */
void keeper_keep(struct keeper *keeper, const struct trace_point *points);

/* The curve in hand need not be made. */
void keeper_skip(struct keeper *keeper);

/* The rows of the curve in hand are in the sink: on to the next. Whether to stop. */
bool keeper_next(struct keeper *keeper);

/* It stops here. */
void keeper_leave(struct keeper *keeper);

#endif
