#ifndef COORD_RISE_H
#define COORD_RISE_H

/* The largest rise along a row of numbers: max over i < j of x_j - x_i, and where.
 * What is not finite lies above every number; what follows it does not rise.
 */

#include <stddef.h>

struct rise {
    double height;   /* at least 0; infinite where the row rises to what is not finite */
    size_t from, to; /* the first such i, and the first j for it; both 0 without a rise */
};

/* n >= 1. */
struct rise rise_find(const double *values, size_t n);

#endif
