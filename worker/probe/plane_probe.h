#ifndef COORD_PLANE_PROBE_H
#define COORD_PLANE_PROBE_H

/* A probe of kind plane: plane.h for every group and every way to get running
 * statistics, told to a sink. The inputs are "a" at (0,0), "b" at (1,0) and "c" at
 * (0,1); along random directions only b, which is in the middle. The data are those of
 * run b. An unfinished one goes on at the row of a grid where it stopped. */

#include "worker/probe/probe.h"

/* As probe_run, for a spec of that kind. */
int plane_probe_run(const struct spec *spec, const struct msg_input *inputs,
                    size_t input_count, const struct probe_env *env, struct sink *sink,
                    struct error *err);

#endif
