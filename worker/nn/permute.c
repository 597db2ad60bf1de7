#include "worker/nn/permute.h"

#include "common/arch_units.h"
#include "common/error.h"
#include "common/rng.h"

#include <stdlib.h>
#include <string.h>

/* ---- drawing ------------------------------------------------------------------ */

struct orders {
    const struct arch_units *units;
    uint32_t **place; /* (sets) where each unit goes */
    uint32_t *list;   /* units of one colour */
    uint32_t *drawn;  /* and their order */
};

/* Shuffle the units from `first` on that have its colour and are not the middle. */
static void shuffle_colour(struct orders *orders, int s, int first, struct rng *rng)
{
    const struct unit_set *set = &orders->units->sets[s];
    const int middle = set->from < 0 ? 0 : orders->units->sets[set->from].count;
    uint32_t n = 0;

    for (int c = first; c < set->count; c++)
        if (set->colour[c] == set->colour[first] &&
            (set->from < 0 || c < set->at || c >= set->at + middle))
            orders->list[n++] = (uint32_t)c;
    rng_permutation(rng, orders->drawn, n);
    for (uint32_t i = 0; i < n; i++)
        orders->place[s][orders->list[i]] = orders->list[orders->drawn[i]];
}

/* Sets come after those that are their middle. */
static void draw_set(struct orders *orders, int s, uint64_t seed)
{
    const struct unit_set *set = &orders->units->sets[s];
    const int middle = set->from < 0 ? 0 : orders->units->sets[set->from].count;
    struct rng rng = rng_at(seed, RNG_PERMUTE, 0, (uint32_t)s);

    for (int c = 0; c < set->count; c++)
        orders->place[s][c] = UINT32_MAX;
    for (int c = 0; c < middle; c++)
        orders->place[s][set->at + c] = (uint32_t)set->at + orders->place[set->from][c];
    for (int c = 0; c < set->count; c++)
        if (orders->place[s][c] == UINT32_MAX)
            shuffle_colour(orders, s, c, &rng);
}

static int draw(struct orders *orders, uint64_t seed)
{
    const struct arch_units *units = orders->units;
    size_t largest = 1;

    for (int s = 0; s < units->set_count; s++)
        if ((size_t)units->sets[s].count > largest)
            largest = (size_t)units->sets[s].count;
    orders->place = calloc((size_t)units->set_count + 1, sizeof *orders->place);
    orders->list = calloc(largest, sizeof *orders->list);
    orders->drawn = calloc(largest, sizeof *orders->drawn);
    if (!orders->place || !orders->list || !orders->drawn)
        return -1;
    for (int s = 0; s < units->set_count; s++) {
        orders->place[s] = calloc((size_t)units->sets[s].count, sizeof *orders->place[s]);
        if (!orders->place[s])
            return -1;
        draw_set(orders, s, seed);
    }
    return 0;
}

static void orders_free(struct orders *orders)
{
    for (int s = 0; orders->place && s < orders->units->set_count; s++)
        free(orders->place[s]);
    free(orders->place);
    free(orders->list);
    free(orders->drawn);
}

/* ---- moving ------------------------------------------------------------------- */

/* A tensor with a number for each unit. */
static void move_vector(const struct tensor *tensor, const uint32_t *place,
                        const real *from, real *to)
{
    for (size_t c = 0; c < tensor->count; c++)
        to[tensor->offset + place[c]] = from[tensor->offset + c];
}

/* A weight (O, I, the rest); every unit of the input has `repeat` of the I. */
static void move_weight(const struct tensor *tensor, const uint32_t *out,
                        const uint32_t *in, int repeat, const real *from, real *to)
{
    const size_t O = (size_t)tensor->dim[0], I = (size_t)tensor->dim[1];
    const size_t rest = tensor->count / (O * I), piece = rest * (size_t)repeat;

    for (size_t o = 0; o < O; o++)
        for (size_t i = 0; i < I / (size_t)repeat; i++)
            memcpy(to + tensor->offset + out[o] * I * rest + in[i] * piece,
                   from + tensor->offset + o * I * rest + i * piece, piece * sizeof *to);
}

static void move_layer(const struct arch *arch, const struct orders *orders, int i,
                       const real *from, real *to)
{
    const struct layer *layer = &arch->layers[i];
    const int vectors[] = {layer->bias, layer->kind == LAYER_NORM ? layer->weight : -1,
                           layer->mean, layer->var};
    const uint32_t *place = orders->place[orders->units->of[i]];
    int repeat, in = arch_units_input(orders->units, layer, &repeat);

    if (layer->kind != LAYER_DENSE && layer->kind != LAYER_CONV &&
        layer->kind != LAYER_NORM)
        return; /* fixup's numbers are the same for all units */
    for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++)
        if (vectors[v] >= 0)
            move_vector(&arch->tensors[vectors[v]], place, from, to);
    if (layer->kind != LAYER_NORM)
        move_weight(&arch->tensors[layer->weight], place, orders->place[in], repeat, from,
                    to);
}

int permute_units(const struct arch *arch, uint64_t seed, const real *from, real *to,
                  struct error *err)
{
    struct arch_units units = {0};
    struct orders orders = {.units = &units};
    int rc = -1;

    if (arch_check_permute(arch, err) || arch_units_find(arch, &units, err))
        goto done;
    if (draw(&orders, seed)) {
        err_set(err, ERR_NO_MEMORY, "no memory for a permutation");
        goto done;
    }
    memcpy(to, from, arch->state_count * sizeof *to);
    for (int i = 0; i < arch->layer_count; i++)
        move_layer(arch, &orders, i, from, to);
    rc = 0;

done:
    orders_free(&orders);
    arch_units_free(&units);
    return rc;
}
