#ifndef COORD_ALPHAS_H
#define COORD_ALPHAS_H

/* The alphas of a probe that its spec alone gives: those of the grid, and those of
 * refinements near a point. Knows nothing of losses: what a curve asks for while it is
 * computed is worker/probe/refine.h.
 *
 *   grid     a count n gives from + (to - from) i / (n - 1), both ends exact; a list is
 *            taken as it is.
 *   refine   n points towards `near` c, which lies in the span of the grid, on each of
 *            its sides that does: all of them at an end of the span, else the larger
 *            half below c and the rest above. The k-th of m on a side, k = 1 .. m, is at
 *            the distance
 *                w 2^-j (1 - (t - j) / 2),   t = k min(1, 10 / m),   j = floor(t)
 *            which halves with every whole t: up to ten points halve it each, more
 *            stand evenly between the halvings, and none is nearer than w / 1024. w is
 *            the width, cut off at the span's end; a width of 0 reaches to the next
 *            alpha of the grid on that side.
 *            Points that are there already are left out: alphas that differ by less
 *            than 1e-12 of the span are one.
 */

#include <stddef.h>

struct error;
struct spec;
struct value;

enum alpha_origin { ALPHA_GRID, ALPHA_REFINE, ALPHA_ADAPT };

/* "grid", "refine", "adapt". */
const char *alpha_origin_name(enum alpha_origin origin);

struct alphas {
    double *at;   /* the grid's ascending; then the others, ascending */
    size_t grid;  /* of the grid */
    size_t count; /* all */
};

/* The points of one grid, a count or a list, as above: how many, and which. */
size_t alphas_size(const struct value *points);
void alphas_fill(const struct value *points, double from, double to, double *at);

/* Of a probe's spec that has passed spec_check. alphas_free frees it. ERR_NO_MEMORY. */
int alphas_of(const struct spec *spec, struct alphas *ret, struct error *err);
void alphas_free(struct alphas *alphas);

enum alpha_origin alphas_origin(const struct alphas *alphas, size_t i);

/* The rules of probe.refine and probe.adapt, as spec_check has them: 0, or -1 with a
 * sentence and the option's name. */
int alphas_check(const struct spec *spec, const char **ret_name, struct error *err);

#endif
