#include "common/rise.h"

#include <math.h>

static double level(double value)
{
    return isfinite(value) ? value : (double)INFINITY;
}

struct rise rise_find(const double *values, size_t n)
{
    struct rise rise = {0};
    size_t lowest = 0;

    for (size_t i = 1; i < n; i++) {
        const double low = level(values[lowest]), here = level(values[i]);
        if (here < low)
            lowest = i;
        else if (here > low && here - low > rise.height)
            rise = (struct rise){here - low, lowest, i};
    }
    return rise;
}
