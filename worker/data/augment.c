#include "worker/data/augment.h"

#include <string.h>

/* out[y][x] = in[y + dy][x + dx] where that exists, else 0; mirrored first. */
static void shift_plane(const uint8_t *in, uint8_t *out, struct shape shape, bool flip,
                        int dy, int dx)
{
    for (int y = 0; y < shape.H; y++) {
        uint8_t *row = out + (size_t)y * (size_t)shape.W;
        int from = y + dy;

        memset(row, 0, (size_t)shape.W);
        if (from < 0 || from >= shape.H)
            continue;
        for (int x = 0; x < shape.W; x++) {
            int source = x + dx;

            if (source < 0 || source >= shape.W)
                continue;
            if (flip)
                source = shape.W - 1 - source;
            row[x] = in[(size_t)from * (size_t)shape.W + (size_t)source];
        }
    }
}

void augment_image(struct augment what, struct rng *rng, struct shape shape,
                   const uint8_t *in, uint8_t *out)
{
    size_t plane = (size_t)shape.H * (size_t)shape.W;
    bool flip = rng_uniform(rng) < 0.5;
    int dy = (int)rng_below(rng, 2 * AUGMENT_PAD + 1) - AUGMENT_PAD;
    int dx = (int)rng_below(rng, 2 * AUGMENT_PAD + 1) - AUGMENT_PAD;

    if (!what.crop)
        dy = dx = 0;
    for (int c = 0; c < shape.C; c++)
        shift_plane(in + (size_t)c * plane, out + (size_t)c * plane, shape,
                    what.flip && flip, dy, dx);
}
