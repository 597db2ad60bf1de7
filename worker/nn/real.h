#ifndef COORD_NN_REAL_H
#define COORD_NN_REAL_H

/* The engine's number. Compiled with NN_DOUBLE it is double, for gradient
 * checks: the same sources, only the precision differs. Reductions over a data
 * set are double either way. No fast-math: NaN and Inf are results. */

#ifdef NN_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
