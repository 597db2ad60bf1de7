#include "worker/probe/path.h"

#include "worker/nn/quad.h"

#include <math.h>
#include <string.h>

/* In double, so that the rounding to real is the only visible one: a point
 * between two equal numbers is that number. */
void path_lerp(real *theta, const real *a, const real *b, double alpha, size_t n)
{
    const quad share = quad_all(alpha);
    size_t i = 0;

    if (alpha == 0 || alpha == 1) {
        memcpy(theta, alpha == 0 ? a : b, n * sizeof *theta);
        return;
    }
    for (; i + QUAD <= n; i += QUAD) {
        const quad from = quad_load(a + i), to = quad_load(b + i);
        quad_store(theta + i, quad_fma(share, to, quad_fma(-share, from, from)));
    }
    for (; i < n; i++)
        theta[i] =
            (real)fma(alpha, (double)b[i], fma(-alpha, (double)a[i], (double)a[i]));
}

void path_distance(const struct arch *arch, const char *group, const real *a,
                   const real *b, double *ret_l2, double *ret_rel)
{
    double moved = 0, norm = 0;

    for (int t = 0; t < arch->param_tensors; t++) {
        const struct tensor *tensor = &arch->tensors[t];

        if (!arch_in_group(arch, t, group))
            continue;
        for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
            double from = (double)a[i], step = (double)b[i] - from;

            moved += step * step;
            norm += from * from;
        }
    }
    *ret_l2 = sqrt(moved);
    *ret_rel = moved == 0 ? 0 : sqrt(moved) / sqrt(norm);
}
