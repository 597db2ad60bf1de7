#include "worker/nn/init.h"

#include "common/error.h"
#include "common/rng.h"
#include "common/spec.h"
#include "worker/nn/noise.h"
#include "worker/nn/orthogonal.h"
#include "worker/nn/permute.h"

#include <math.h>
#include <stdlib.h>
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

/* He et al. 2015 over the outputs, as the authors of fixup have it. */
static struct draw draw_fixup(struct fans fans, double fan)
{
    (void)fan;
    return (struct draw){true, sqrt(2 / fans.out)};
}

static void fill(real *to, size_t n, struct draw draw, struct rng rng)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (real)(draw.normal ? draw.width * rng_normal(&rng)
                                   : draw.width * (2 * rng_uniform(&rng) - 1));
}

/* What a tensor's filling needs to know. */
struct order {
    const struct spec *spec;
    double fan;   /* as init.mode says */
    double scale; /* factor on everything */
    struct rng rng;
};

/* ---- schemes that see the whole tensor ---------------------------------------- */

static int no_memory(const struct tensor *weight, struct error *err)
{
    return err_set(err, ERR_NO_MEMORY, "no memory to draw %s", weight->name);
}

/* orthogonal_(gain=1): the tensor as a matrix (O, the rest); its shorter side
 * counts the vectors. Weights are drawn row by row, whichever side that is. */
static int make_orthogonal(const struct order *order, const struct tensor *weight,
                           real *to, struct error *err)
{
    size_t rows = (size_t)weight->dim[0], cols = weight->count / rows;
    size_t n = rows < cols ? rows : cols, m = rows < cols ? cols : rows;
    double *a = malloc(weight->count * sizeof *a);
    double *work = malloc(2 * n * sizeof *work);
    struct rng rng = order->rng;
    int rc = -1;

    if (!a || !work) {
        no_memory(weight, err);
        goto done;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            a[rows < cols ? i * m + j : j * m + i] = rng_normal(&rng);
    orthogonal_columns(a, n, m, work);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            to[i * cols + j] =
                (real)(order->scale * a[rows < cols ? i * m + j : j * m + i]);
    rc = 0;

done:
    free(a);
    free(work);
    return rc;
}

/* sparse_(sparsity, std), Martens 2010: normal draws; then in every column of the
 * matrix (O, the rest) the same number of zeros, at rows of its own. */
static int make_sparse(const struct order *order, const struct tensor *weight, real *to,
                       struct error *err)
{
    size_t rows = (size_t)weight->dim[0], cols = weight->count / rows;
    double sparsity = spec_real(order->spec, "init.sparsity");
    double std = spec_real(order->spec, "init.std") * order->scale;
    size_t zeros = (size_t)ceil(sparsity * (double)rows);
    uint32_t *places = malloc(rows * sizeof *places);
    struct rng rng = order->rng;

    if (!places)
        return no_memory(weight, err);
    for (size_t i = 0; i < weight->count; i++)
        to[i] = (real)(std * rng_normal(&rng));
    for (size_t j = 0; j < cols; j++) {
        rng_permutation(&rng, places, (uint32_t)rows);
        for (size_t z = 0; z < zeros; z++)
            to[places[z] * cols + j] = 0;
    }
    free(places);
    return 0;
}

/* ---- all ---------------------------------------------------------------------- */

static const struct scheme {
    const char *name;
    struct draw (*draw)(struct fans fans, double fan); /* each number alone; or */
    int (*make)(const struct order *order, const struct tensor *weight, real *to,
                struct error *err);
    bool biases; /* drawn too, else zero */
} SCHEMES[] = {
    {"default", .draw = draw_default, .biases = true},
    {"kaiming_normal", .draw = draw_kaiming_normal},
    {"kaiming_uniform", .draw = draw_kaiming_uniform},
    {"xavier_normal", .draw = draw_xavier_normal},
    {"xavier_uniform", .draw = draw_xavier_uniform},
    {"orthogonal", .make = make_orthogonal},
    {"sparse", .make = make_sparse},
};

static const struct scheme *scheme_find(const char *name)
{
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++)
        if (strcmp(SCHEMES[i].name, name) == 0)
            return &SCHEMES[i];
    return NULL;
}

/* PyTorch's default is not meant for networks without norms. */
static const struct scheme FIXUP = {"fixup", .draw = draw_fixup};

static bool is_fixup(const struct spec *spec)
{
    return strcmp(spec_string(spec, "model.norm"), "fixup") == 0;
}

static const struct scheme *scheme_of(const struct spec *spec, struct error *err)
{
    const char *name = spec_string(spec, "init.scheme");
    const struct scheme *scheme = scheme_find(name);

    if (!scheme)
        err_set(err, ERR_UNSUPPORTED, "init.scheme '%s' is not built yet", name);
    return scheme && is_fixup(spec) && scheme == scheme_find("default") ? &FIXUP : scheme;
}

/* ---- residual branches -------------------------------------------------------- */

/* The output from which the branch and the shortcut of a sum part. */
static int parting_of(const struct arch *arch, const struct layer *add)
{
    const struct layer *other = &arch->layers[add->other];

    if (other->kind == LAYER_NORM)
        other = &arch->layers[other->input];
    return other->kind == LAYER_CONV || other->kind == LAYER_SUBSAMPLE ? other->input
                                                                       : add->other;
}

/* Zhang, Dauphin and Ma 2019: of m convolutions of each of L branches the last is 0,
 * the others have a factor L^(-1/(2m-2)); the last layer of the network is 0. */
static void set_fixup_factors(const struct arch *arch, double *factor)
{
    int branches = 0;

    for (int i = 0; i < arch->layer_count; i++)
        branches += arch->layers[i].kind == LAYER_ADD;
    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *add = &arch->layers[i];
        int convs = 0;
        if (add->kind != LAYER_ADD)
            continue;
        const int start = parting_of(arch, add);
        for (int at = add->input; at != start; at = arch->layers[at].input)
            convs += arch->layers[at].kind == LAYER_CONV;
        const double others = pow(branches, -1.0 / (2 * convs - 2));
        bool last = true;
        for (int at = add->input; at != start; at = arch->layers[at].input)
            if (arch->layers[at].kind == LAYER_CONV) {
                factor[at] *= last ? 0 : others;
                last = false;
            }
    }
    factor[arch->layer_count - 1] = 0;
}

/* The last norm of a branch, before the sum. */
static void zero_gammas(const struct arch *arch, real *theta)
{
    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *add = &arch->layers[i];
        const struct layer *last =
            add->kind == LAYER_ADD ? &arch->layers[add->input] : NULL;
        if (!last || last->kind != LAYER_NORM)
            continue;
        const struct tensor *weight = &arch->tensors[last->weight];
        memset(theta + weight->offset, 0, weight->count * sizeof *theta);
    }
}

/* ---- layers ------------------------------------------------------------------- */

static void set_all(const struct arch *arch, int t, real value, real *theta)
{
    for (size_t i = 0; t >= 0 && i < arch->tensors[t].count; i++)
        theta[arch->tensors[t].offset + i] = value;
}

/* A dense layer or a convolution. */
static int init_layer(const struct scheme *scheme, const struct spec *spec,
                      const struct arch *arch, const struct layer *layer, double scale,
                      real *theta, struct error *err)
{
    const struct tensor *weight = &arch->tensors[layer->weight];
    const uint64_t seed = (uint64_t)spec_int(spec, "seed.init");
    const bool fan_out = strcmp(spec_string(spec, "init.mode"), "fan_out") == 0;
    const struct fans fans = fans_of(weight);
    const struct order order = {spec, fan_out ? fans.out : fans.in, scale,
                                rng_at(seed, RNG_INIT, 0, (uint32_t)layer->weight)};

    if (scheme->make)
        return scheme->make(&order, weight, theta + weight->offset, err);
    struct draw draw = scheme->draw(fans, order.fan);

    draw.width *= scale;
    fill(theta + weight->offset, weight->count, draw, order.rng);
    if (layer->bias < 0 || !scheme->biases)
        return 0;
    fill(theta + arch->tensors[layer->bias].offset, arch->tensors[layer->bias].count,
         draw, rng_at(seed, RNG_INIT, 0, (uint32_t)layer->bias));
    return 0;
}

int init_draw(const struct spec *spec, const struct arch *arch, real *theta,
              struct error *err)
{
    const struct scheme *scheme = scheme_of(spec, err);
    double *factor = malloc((size_t)arch->layer_count * sizeof *factor);
    int rc = scheme ? 0 : -1;

    if (!factor)
        rc = err_set(err, ERR_NO_MEMORY, "no memory for initial parameters");
    for (int i = 0; i < arch->layer_count && rc == 0; i++)
        factor[i] = spec_real(spec, "init.scale");
    if (rc == 0 && is_fixup(spec))
        set_fixup_factors(arch, factor);
    memset(theta, 0, arch->state_count * sizeof *theta);
    for (int i = 0; i < arch->layer_count && rc == 0; i++) {
        const struct layer *layer = &arch->layers[i];
        const bool matrix = layer->kind == LAYER_DENSE || layer->kind == LAYER_CONV;
        if (matrix && factor[i] != 0)
            rc = init_layer(scheme, spec, arch, layer, factor[i], theta, err);
        if (!matrix)
            set_all(arch, layer->weight, 1, theta);
        set_all(arch, layer->var, 1, theta);
    }
    if (spec_bool(spec, "init.zero_gamma"))
        zero_gammas(arch, theta);
    free(factor);
    return rc;
}

/* ---- what is done to a start ---------------------------------------------------- */

static int permute(const struct arch *arch, uint64_t seed, real *theta, struct error *err)
{
    const size_t size = arch->state_count * sizeof *theta;
    real *from = malloc(size);
    int rc;

    if (!from)
        return err_set(err, ERR_NO_MEMORY, "no memory for a second state");
    memcpy(from, theta, size);
    rc = permute_units(arch, seed, from, theta, err);
    free(from);
    return rc;
}

int init_alter(const struct spec *spec, const struct arch *arch, real *theta,
               struct error *err)
{
    const uint64_t seed = (uint64_t)spec_int(spec, "seed.init");
    const double share = spec_real(spec, "init.noise");

    if (spec_bool(spec, "init.permute") && permute(arch, seed, theta, err))
        return -1;
    if (share > 0)
        noise_add(arch, seed, share, NULL, theta);
    return 0;
}

int init_params(const struct spec *spec, const struct arch *arch, real *theta,
                struct error *err)
{
    return init_draw(spec, arch, theta, err) || init_alter(spec, arch, theta, err) ? -1
                                                                                   : 0;
}
