#include "worker/data/spiral.h"

#include "common/rng.h"

#include <math.h>

static const double TURNS = 1.75;
static const double RADIUS = 2.0;
static const double NOISE = 0.05;

void spiral_make(int split, int64_t count, real *points, uint8_t *labels)
{
    for (int64_t i = 0; i < count; i++) {
        struct rng rng = rng_at(0, RNG_DATA, (uint32_t)split, (uint32_t)i);
        int label = (int)(i % 2);
        double t = sqrt(rng_uniform(&rng));
        double phi = M_PI * (2 * TURNS * t + label);
        double noise_x = NOISE * rng_normal(&rng);
        double noise_y = NOISE * rng_normal(&rng);

        points[2 * i] = (real)(RADIUS * t * cos(phi) + noise_x);
        points[2 * i + 1] = (real)(RADIUS * t * sin(phi) + noise_y);
        labels[i] = (uint8_t)label;
    }
}
