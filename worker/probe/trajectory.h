#ifndef COORD_TRAJECTORY_H
#define COORD_TRAJECTORY_H

/* Where stored states of a run lie, seen from the line between a probe's two: of s, with
 * d = b - a and v = s - a, over the parameters of a group, no statistics,
 *
 *   alpha   <v, d> / ||d||^2        the line's nearest point
 *   dist    ||v - alpha d||         from there
 *   rel     dist / ||d||
 *   angle   between v and d         degrees, 0 to 180
 *   corner  between v and b - s     degrees: the turn that a way over s takes
 *
 * in double. What nothing defines (an angle to no direction, anything over ||d|| = 0) is
 * NaN. */

#include "common/arch.h"
#include "proto/fields.h"
#include "worker/nn/real.h"

#include <stddef.h>

struct endpoint;
struct error;
struct sink;

/* All but grp and state. */
struct msg_place trajectory_place(const struct arch *arch, const char *group,
                                  const real *a, const real *b, const real *s);

/* Of every input with a role s1, s2, ..., the place for "all" and each group, to the
 * sink. ERR_DATA when a state is damaged or of another network. */
int trajectory_run(const struct msg_input *inputs, size_t input_count,
                   const struct endpoint *a, const struct endpoint *b,
                   const char *const *groups, size_t group_count, struct sink *sink,
                   struct error *err);

#endif
