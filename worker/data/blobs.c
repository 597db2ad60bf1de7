#include "worker/data/blobs.h"

#include "common/error.h"
#include "common/rng.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 4, PROTOTYPES = 2 /* as the epoch of a stream */ };

static const double MIDDLE = 128, DEVIATION = 48; /* of pixels */

static int in_blocks(int side)
{
    return (side + BLOCK - 1) / BLOCK;
}

/* Prototypes (K,C,H/4,W/4), which the caller frees. */
static double *make_prototypes(const struct dataset_info *info, struct error *err)
{
    const size_t numbers = (size_t)info->shape.C * (size_t)in_blocks(info->shape.H) *
                           (size_t)in_blocks(info->shape.W);
    double *all = malloc((size_t)info->classes * numbers * sizeof *all);

    if (!all) {
        err_set(err, ERR_NO_MEMORY, "no memory for %d prototypes", info->classes);
        return NULL;
    }
    for (int class = 0; class < info->classes; class ++) {
        struct rng rng = rng_at(0, RNG_DATA, PROTOTYPES, (uint32_t) class);

        for (size_t k = 0; k < numbers; k++)
            all[(size_t) class * numbers + k] = rng_normal(&rng);
    }
    return all;
}

static uint8_t to_pixel(double level)
{
    return level <= 0 ? 0 : level >= 255 ? 255 : (uint8_t)lround(level);
}

/* One example around a prototype (C,H/4,W/4). */
static void make_image(const struct dataset_info *info, const double *prototype,
                       struct rng *rng, uint8_t *pixel)
{
    const double scale = DEVIATION / sqrt(1 + info->spread * info->spread);
    const int rows = in_blocks(info->shape.H), columns = in_blocks(info->shape.W);

    for (int c = 0; c < info->shape.C; c++)
        for (int y = 0; y < info->shape.H; y++)
            for (int x = 0; x < info->shape.W; x++) {
                double mean = prototype[(c * rows + y / BLOCK) * columns + x / BLOCK];
                double noise = info->spread * rng_normal(rng);

                *pixel++ = to_pixel(MIDDLE + scale * (mean + noise));
            }
}

int blobs_make(const struct dataset_info *info, int split, int64_t count, uint8_t *pixels,
               uint8_t *labels, struct error *err)
{
    const struct shape shape = info->shape;
    const int blocks = shape.C * in_blocks(shape.H) * in_blocks(shape.W);
    const int64_t example = (int64_t)shape.C * shape.H * shape.W;
    double *prototypes = make_prototypes(info, err);

    if (!prototypes)
        return -1;
    for (int64_t i = 0; i < count; i++) {
        struct rng rng = rng_at(0, RNG_DATA, (uint32_t)split, (uint32_t)i);
        int label = (int)(i % info->classes);

        make_image(info, prototypes + (int64_t)label * blocks, &rng,
                   pixels + i * example);
        labels[i] = (uint8_t)label;
    }
    free(prototypes);
    return 0;
}
