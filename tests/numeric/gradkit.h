#ifndef COORD_GRADKIT_H
#define COORD_GRADKIT_H

/* Central differences in double precision against a gradient.
 *
 * With h = 1e-5 the difference quotient is off by h^2 / 6 times the third
 * derivative and by 1e-16 / h times the value: both about 1e-10 here, so a
 * relative error of GRAD_BOUND is far from either and far below any wrong
 * factor. ReLU and pooling have kinks; random numbers lie further than h from
 * them (seeds are fixed, so a test passes always or never).
 */

#include "tests/numeric/numkit.h"

#define GRAD_STEP  1e-5
#define GRAD_BOUND 1e-6

/* loss(user) is evaluated after each change of x. */
static inline void grad_check(const char *what, real *x, const real *grad, size_t n,
                              double (*loss)(void *user), void *user)
{
    double off = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        const real was = x[i];
        x[i] = was + GRAD_STEP;
        const double up = loss(user);
        x[i] = was - GRAD_STEP;
        const double down = loss(user);
        const double want = (up - down) / (2 * GRAD_STEP);
        x[i] = was;
        off += (grad[i] - want) * (grad[i] - want);
        size += want * want;
        if (!(fabs(grad[i] - want) <= GRAD_BOUND * (1 + fabs(want))))
            fail_msg("%s[%zu]: gradient %.12g, differences give %.12g", what, i, grad[i],
                     want);
    }
    if (!(size > 0 && sqrt(off) <= GRAD_BOUND * sqrt(size)))
        fail_msg("%s: off by %.3g of %.3g", what, sqrt(off), sqrt(size));
}

/* sum(r * out): makes a vector-valued layer a function with one value. */
static inline double grad_dot(const real *r, const real *out, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += r[i] * out[i];
    return sum;
}

#endif
