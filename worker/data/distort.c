#include "worker/data/distort.h"

#include "common/error.h"
#include "common/rng.h"
#include "common/spec.h"

#include <stdlib.h>
#include <string.h>

struct distort {
    struct shape shape;
    int blur;        /* factor; 1: off */
    int shuffle;     /* side of a block; 0: off */
    uint32_t *order; /* out's block i is in's block order[i] */
    int64_t *sums;   /* of the blocks of a plane that is blurred */
    uint8_t *image;  /* a copy to read from */
};

/* Two neighbouring blocks and how much of each, in 1/(2k), a pixel gets. */
struct mix {
    int low, high;
    int64_t of_low, of_high;
};

/* Pixel p lies at (p + 1/2) / k - 1/2 of the blocks' centres. */
static struct mix mix_at(int p, int k, int blocks)
{
    int unit = 2 * k;
    int place = 2 * p + 1 - k; /* in 1/unit of a block, at least 1 - k */
    int low = place < 0 ? -1 : place / unit;
    int rest = place - low * unit;
    struct mix mix = {low, low + 1, unit - rest, rest};

    if (mix.low < 0)
        mix.low = 0;
    if (mix.high > blocks - 1)
        mix.high = blocks - 1;
    return mix;
}

static void sum_blocks(const uint8_t *plane, struct shape shape, int k, int64_t *sums)
{
    int across = shape.W / k;

    memset(sums, 0, (size_t)(shape.H / k) * (size_t)across * sizeof *sums);
    for (int y = 0; y < shape.H; y++)
        for (int x = 0; x < shape.W; x++)
            sums[y / k * across + x / k] += *plane++;
}

static void blur_plane(struct distort *distort, uint8_t *plane)
{
    const struct shape shape = distort->shape;
    const int64_t k = distort->blur, whole = 2 * k * 2 * k * k * k;
    const int across = shape.W / distort->blur, down = shape.H / distort->blur;
    const int64_t *sums = distort->sums;

    sum_blocks(plane, shape, distort->blur, distort->sums);
    for (int y = 0; y < shape.H; y++) {
        struct mix v = mix_at(y, distort->blur, down);
        for (int x = 0; x < shape.W; x++) {
            struct mix h = mix_at(x, distort->blur, across);
            int64_t low = sums[v.low * across + h.low] * h.of_low +
                          sums[v.low * across + h.high] * h.of_high;
            int64_t high = sums[v.high * across + h.low] * h.of_low +
                           sums[v.high * across + h.high] * h.of_high;
            *plane++ = (uint8_t)((low * v.of_low + high * v.of_high + whole / 2) / whole);
        }
    }
}

static void shuffle_plane(const struct distort *distort, const uint8_t *in, uint8_t *out)
{
    const size_t W = (size_t)distort->shape.W, H = (size_t)distort->shape.H;
    const size_t k = (size_t)distort->shuffle, across = W / k;

    for (size_t b = 0; b < across * (H / k); b++) {
        size_t from = distort->order[b];
        const uint8_t *source = in + from / across * k * W + from % across * k;
        uint8_t *target = out + b / across * k * W + b % across * k;
        for (size_t row = 0; row < k; row++)
            memcpy(target + row * W, source + row * W, k);
    }
}

void distort_image(struct distort *distort, uint8_t *image)
{
    size_t plane = (size_t)distort->shape.H * (size_t)distort->shape.W;
    size_t channels = (size_t)distort->shape.C;

    if (distort->blur > 1)
        for (size_t c = 0; c < channels; c++)
            blur_plane(distort, image + c * plane);
    if (distort->shuffle > 0) {
        memcpy(distort->image, image, channels * plane);
        for (size_t c = 0; c < channels; c++)
            shuffle_plane(distort, distort->image + c * plane, image + c * plane);
    }
}

static int check_block(const char *name, int k, struct shape shape, struct error *err)
{
    if (k == 0 || (shape.H % k == 0 && shape.W % k == 0))
        return 0;
    return err_set(err, ERR_INVALID, "%s: blocks of %d do not tile images of %d x %d",
                   name, k, shape.H, shape.W);
}

static int take_memory(struct distort *distort, struct error *err)
{
    struct rng rng = rng_at(0, RNG_SHUFFLE, 0, 0);
    size_t k = (size_t)(distort->shuffle > 0 ? distort->shuffle : 1);
    size_t plane = (size_t)distort->shape.H * (size_t)distort->shape.W;
    size_t blocks = plane / (k * k);

    distort->order = malloc(blocks * sizeof *distort->order);
    distort->sums = malloc(plane * sizeof *distort->sums);
    distort->image = malloc((size_t)distort->shape.C * plane);
    if (!distort->order || !distort->sums || !distort->image)
        return err_set(err, ERR_NO_MEMORY, "no memory to change images");
    rng_permutation(&rng, distort->order, (uint32_t)blocks);
    return 0;
}

int distort_new(const struct spec *spec, struct shape shape, struct distort **ret,
                struct error *err)
{
    int blur = (int)spec_int(spec, "data.blur");
    int shuffle = (int)spec_int(spec, "data.shuffle");
    struct distort *distort;

    *ret = NULL;
    if (check_block("data.blur", blur, shape, err) ||
        check_block("data.shuffle", shuffle, shape, err))
        return -1;
    if (blur == 1 && shuffle == 0)
        return 0;
    distort = calloc(1, sizeof *distort);
    if (!distort)
        return err_set(err, ERR_NO_MEMORY, "no memory to change images");
    distort->shape = shape;
    distort->blur = blur;
    distort->shuffle = shuffle;
    if (take_memory(distort, err)) {
        distort_free(&distort);
        return -1;
    }
    *ret = distort;
    return 0;
}

void distort_free(struct distort **distort)
{
    if (!*distort)
        return;
    free((*distort)->order);
    free((*distort)->sums);
    free((*distort)->image);
    free(*distort);
    *distort = NULL;
}
