#include "worker/data/spoil.h"

#include "common/error.h"
#include "common/rng.h"
#include "common/spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct spoil {
    uint64_t seed;
    double random, noise; /* shares of labels */
    uint32_t classes;
    size_t values, zeros; /* of an image, and how many become 0 */
    uint8_t *image;
    uint32_t *places; /* 0, 1, ..., values - 1 between calls */
    uint32_t *swaps;  /* (zeros) */
};

/* The two ways to spoil labels draw from streams of their own. */
enum { DRAW_RANDOM, DRAW_NOISE, DRAWS };

static struct rng label_rng(const struct spoil *spoil, uint32_t copy, uint32_t draw,
                            uint32_t example)
{
    return rng_at(spoil->seed, RNG_LABELS, DRAWS * copy + draw, example);
}

uint8_t spoil_label(const struct spoil *spoil, uint32_t copy, uint32_t example,
                    uint8_t label)
{
    struct rng random = label_rng(spoil, copy, DRAW_RANDOM, example);
    struct rng noise = label_rng(spoil, copy, DRAW_NOISE, example);
    uint32_t is = label;

    if (spoil->random > 0 && rng_uniform(&random) < spoil->random)
        is = rng_below(&random, spoil->classes);
    if (spoil->noise > 0 && rng_uniform(&noise) < spoil->noise)
        is = (is + 1 + rng_below(&noise, spoil->classes - 1)) % spoil->classes;
    return (uint8_t)is;
}

static void swap_places(uint32_t *places, size_t i, size_t j)
{
    uint32_t place = places[i];

    places[i] = places[j];
    places[j] = place;
}

/* The first zeros of a random permutation, by the beginning of Fisher and Yates's
 * shuffle from the front; then the swaps are taken back, which costs less than to
 * count up again. */
const uint8_t *spoil_image(struct spoil *spoil, uint32_t copy, uint32_t example,
                           const uint8_t *image)
{
    struct rng rng = rng_at(spoil->seed, RNG_ZERO, copy, example);

    if (spoil->zeros == 0)
        return image;
    memcpy(spoil->image, image, spoil->values);
    for (size_t i = 0; i < spoil->zeros; i++) {
        spoil->swaps[i] = (uint32_t)i + rng_below(&rng, (uint32_t)(spoil->values - i));
        swap_places(spoil->places, i, spoil->swaps[i]);
        spoil->image[spoil->places[i]] = 0;
    }
    for (size_t i = spoil->zeros; i-- > 0;)
        swap_places(spoil->places, i, spoil->swaps[i]);
    return spoil->image;
}

struct spoil *spoil_new(const struct spec *spec, int classes, size_t values,
                        struct error *err)
{
    struct spoil *spoil = calloc(1, sizeof *spoil);

    if (!spoil)
        goto fail;
    spoil->seed = (uint64_t)spec_int(spec, "seed.labels");
    spoil->random = spec_real(spec, "data.labels.random");
    spoil->noise = spec_real(spec, "data.labels.noise");
    spoil->classes = (uint32_t)classes;
    spoil->values = values;
    spoil->zeros = (size_t)llround(spec_real(spec, "data.zero_out") * (double)values);
    spoil->image = malloc(values);
    spoil->places = malloc(values * sizeof *spoil->places);
    spoil->swaps = malloc(values * sizeof *spoil->swaps);
    if (!spoil->image || !spoil->places || !spoil->swaps)
        goto fail;
    for (size_t i = 0; i < values; i++)
        spoil->places[i] = (uint32_t)i;
    return spoil;

fail:
    spoil_free(&spoil);
    err_set(err, ERR_NO_MEMORY, "no memory to spoil examples");
    return NULL;
}

void spoil_free(struct spoil **spoil)
{
    if (!*spoil)
        return;
    free((*spoil)->image);
    free((*spoil)->places);
    free((*spoil)->swaps);
    free(*spoil);
    *spoil = NULL;
}
