#include "worker/nn/init.h"

#include "common/error.h"
#include "common/rng.h"
#include "common/spec.h"

#include <math.h>
#include <string.h>

/* How one tensor is drawn: width is the bound of a uniform distribution on
 * [-width, width) or the standard deviation of a normal one. */
struct draw {
    bool normal;
    double width;
};

struct fans {
    double in, out;
};

/* PyTorch's _calculate_fan_in_and_fan_out: of conv (O,I,KH,KW) and dense (O,I). */
static struct fans fans_of(const struct tensor *weight)
{
    double field = 1;

    for (int i = 2; i < weight->rank; i++)
        field *= weight->dim[i];
    return (struct fans){weight->dim[1] * field, weight->dim[0] * field};
}

/* kaiming_uniform_(a=sqrt(5)), which comes to U(-1/sqrt(fan_in), 1/sqrt(fan_in));
 * the bias of the layer has the same bound. */
static struct draw draw_default(struct fans fans, double fan)
{
    (void)fan;
    return (struct draw){false, 1 / sqrt(fans.in)};
}

/* gain sqrt(2), that of ReLU */
static struct draw draw_kaiming_normal(struct fans fans, double fan)
{
    (void)fans;
    return (struct draw){true, sqrt(2 / fan)};
}

static struct draw draw_kaiming_uniform(struct fans fans, double fan)
{
    (void)fans;
    return (struct draw){false, sqrt(6 / fan)};
}

/* gain 1 */
static struct draw draw_xavier_normal(struct fans fans, double fan)
{
    (void)fan;
    return (struct draw){true, sqrt(2 / (fans.in + fans.out))};
}

static struct draw draw_xavier_uniform(struct fans fans, double fan)
{
    (void)fan;
    return (struct draw){false, sqrt(6 / (fans.in + fans.out))};
}

static const struct scheme {
    const char *name;
    struct draw (*draw)(struct fans fans, double fan); /* fan: as init.mode says */
    bool biases;                                       /* drawn too, else zero */
} SCHEMES[] = {
    {"default", draw_default, true},
    {"kaiming_normal", draw_kaiming_normal, false},
    {"kaiming_uniform", draw_kaiming_uniform, false},
    {"xavier_normal", draw_xavier_normal, false},
    {"xavier_uniform", draw_xavier_uniform, false},
};

static const struct scheme *scheme_find(const char *name)
{
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++)
        if (strcmp(SCHEMES[i].name, name) == 0)
            return &SCHEMES[i];
    return NULL;
}

static void fill(real *to, size_t n, struct draw draw, struct rng rng)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (real)(draw.normal ? draw.width * rng_normal(&rng)
                                   : draw.width * (2 * rng_uniform(&rng) - 1));
}

int init_params(const struct spec *spec, const struct arch *arch, real *theta,
                struct error *err)
{
    const char *name = spec_string(spec, "init.scheme");
    const struct scheme *scheme = scheme_find(name);
    const uint64_t seed = (uint64_t)spec_int(spec, "seed.init");
    const double scale = spec_real(spec, "init.scale");
    const bool fan_out = strcmp(spec_string(spec, "init.mode"), "fan_out") == 0;

    if (!scheme)
        return err_set(err, ERR_UNSUPPORTED, "init.scheme '%s' is not built yet", name);
    memset(theta, 0, arch->param_count * sizeof *theta);
    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *layer = &arch->layers[i];
        if (layer->weight < 0)
            continue;
        const struct tensor *weight = &arch->tensors[layer->weight];
        const struct fans fans = fans_of(weight);
        struct draw draw = scheme->draw(fans, fan_out ? fans.out : fans.in);

        draw.width *= scale;
        fill(theta + weight->offset, weight->count, draw,
             rng_at(seed, RNG_INIT, 0, (uint32_t)layer->weight));
        if (layer->bias < 0 || !scheme->biases)
            continue;
        fill(theta + arch->tensors[layer->bias].offset, arch->tensors[layer->bias].count,
             draw, rng_at(seed, RNG_INIT, 0, (uint32_t)layer->bias));
    }
    return 0;
}
