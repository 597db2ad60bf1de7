#include "worker/nn/orthogonal.h"

#include <math.h>

/* Four sums at a time hide the latency of an addition; their order is fixed. */
static double dot(const double *x, const double *y, size_t n)
{
    double sum[4] = {0};
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            sum[k] += x[i + k] * y[i + k];
    for (; i < n; i++)
        sum[0] += x[i] * y[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* y -= tau v (v.y): the reflection at the plane across v, tau = 2 / v.v */
static void reflect(const double *v, double tau, double *y, size_t n)
{
    double factor = tau * dot(v, y, n);

    for (size_t i = 0; i < n; i++)
        y[i] -= factor * v[i];
}

/* Turn column x into the v whose reflection takes it to (r,0,...,0); r has the
 * sign that does not cancel. Returns tau; 0 when there is nothing to reflect. */
static double take_reflector(double *x, size_t n, double *ret_sign)
{
    double norm = sqrt(dot(x, x, n)), square;

    *ret_sign = x[0] < 0 ? 1 : -1;
    if (norm == 0) {
        *ret_sign = 1;
        return 0;
    }
    x[0] -= *ret_sign * norm;
    square = dot(x, x, n);
    return 2 / square;
}

void orthogonal_columns(double *a, size_t n, size_t m, double *work)
{
    double *tau = work, *sign = work + n;

    for (size_t k = 0; k < n; k++) {
        double *v = a + k * m + k;
        tau[k] = take_reflector(v, m - k, &sign[k]);
        for (size_t j = k + 1; j < n; j++)
            reflect(v, tau[k], a + j * m + k, m - k);
    }
    /* Q is the product of the reflections, applied to (1,0,...), (0,1,...), ...
     * from the last to the first: column k stands where its v was. */
    for (size_t k = n; k-- > 0;) {
        double *v = a + k * m + k, head = v[0];
        for (size_t j = k + 1; j < n; j++) {
            a[j * m + k] = 0; /* R's, until now */
            reflect(v, tau[k], a + j * m + k, m - k);
        }
        for (size_t i = 0; i < m - k; i++)
            v[i] *= -tau[k] * head;
        v[0] += 1;
    }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < m; i++)
            a[k * m + i] *= sign[k];
}
