#include "worker/nn/conv_places.h"

#include "worker/nn/vec.h"

enum {
    L = VEC_LANES,
    /* Weights that may be laid out once for every band. */
    BANDS_WEIGHTS_MAX = 64 * 1024,
};

struct frame places_input(const struct conv *v)
{
    const int s = v->stride, k = v->kernel, columns = (v->OW - 1) * s + k;

    return (struct frame){
        .C = v->C,
        .H = v->H,
        .W = v->W,
        .top = v->pad,
        .left = v->pad,
        .step = s,
        .kept = s < k ? s : k,
        .rows = (v->OH - 1) * s + k,
        .cols = (columns + s - 1) / s,
    };
}

struct frame places_gradient(const struct conv *v)
{
    const int s = v->stride, reach = v->kernel - 1 - v->pad;
    const int before = reach > 0 ? reach / s : 0;

    return (struct frame){
        .C = v->O,
        .H = v->OH,
        .W = v->OW,
        .top = before,
        .left = before,
        .step = 1,
        .kept = 1,
        .rows = before + (v->H - 1 + v->pad) / s + 1,
        .cols = before + (v->W - 1 + v->pad) / s + 1,
    };
}

int places_room(int pixels)
{
    return (pixels + 1) / 2 * 2;
}

/* Columns first, first + 1, ... end - 1 of every row. */
static int list_columns(struct sweep_pixel *to, int n, const struct grid *g, int first,
                        int end)
{
    for (int group = 0; group < g->groups; group++)
        for (int row = 0; row < g->rows; row++)
            for (int col = first; col < end; col++)
                to[n++] = (struct sweep_pixel){
                    g->in + group * g->in_group + row * g->in_row + col * L,
                    g->out + group * g->out_group + row * g->out_row + col * g->out_col};
    return n;
}

struct pixels places_list(struct sweep_pixel *to, const struct grid *g)
{
    const int even = g->cols / 2 * 2, paired = list_columns(to, 0, g, 0, even);
    const int count = list_columns(to, paired, g, even, g->cols);

    if (count % 2)
        to[count] = to[count - 1];
    return (struct pixels){to, count, paired};
}

struct grid places_outputs(const struct conv *v, const struct frame *f, int groups,
                           int in_group)
{
    return (struct grid){
        .groups = groups,
        .rows = v->OH,
        .cols = v->OW,
        .in_group = in_group,
        .in_row = v->stride * f->kept * f->cols * L,
        .out_group = v->O * v->OH * v->OW * L,
        .out_row = v->OW * L,
        .out_col = L,
    };
}

int places_products(int *at, const struct conv *v, const struct frame *f)
{
    const int k = v->kernel, s = v->stride, row = f->kept * f->cols;
    int n = 0;

    for (int c = 0; c < v->C; c++)
        for (int kh = 0; kh < k; kh++)
            for (int kw = 0; kw < k; kw++)
                at[n++] = ((c * f->rows + kh) * row + kw % s * f->cols + kw / s) * L;
    return n;
}

/* Rows (or columns) h of the input with (h + pad) % stride == remainder. */
struct residue {
    int first, count; /* first, first + stride, ... */
    int source;       /* what tap `remainder` reads for the first */
};

static struct residue residue_of(const struct conv *v, int size, int before,
                                 int remainder)
{
    const int s = v->stride, first = ((remainder - v->pad) % s + s) % s;

    return (struct residue){first, first < size ? (size - 1 - first) / s + 1 : 0,
                            (first + v->pad - remainder) / s + before};
}

/* The rows of taps that take row h to rows of the output. */
static void useful_taps(const struct conv *v, int h, int *ret_kh0, int *ret_kh1)
{
    const int below = h + v->pad - (v->OH - 1) * v->stride, above = h + v->pad + 1;

    *ret_kh0 = below > 0 ? below : 0;
    *ret_kh1 = above < v->kernel ? above : v->kernel;
}

/* Whether a fifth of the taps' rows or more would meet padding, and weights are few
 * enough to be laid out for each band. */
static bool is_banded(const struct conv *v)
{
    int useful = 0;

    for (int h = 0; h < v->H; h++) {
        int kh0, kh1;
        useful_taps(v, h, &kh0, &kh1);
        useful += kh1 > kh0 ? kh1 - kh0 : 0;
    }
    return 5 * useful <= 4 * v->H * v->kernel &&
           v->O * v->C * v->kernel * v->kernel <= BANDS_WEIGHTS_MAX / (2 * v->kernel + 1);
}

int places_bands_max(const struct conv *v)
{
    return v->stride * v->stride * (is_banded(v) ? 2 * v->kernel + 1 : 1);
}

/* The bands of one pair of remainders. */
static int list_bands(struct band *to, const struct conv *v, struct band all)
{
    const struct residue rows = residue_of(v, v->H, 0, all.a);
    int n = 0;

    all.count = rows.count;
    if (!is_banded(v)) {
        to[0] = all;
        return 1;
    }
    for (int row = 0; row < rows.count; row++) {
        struct band one = {all.a, all.b, row, 1, 0, 0};
        useful_taps(v, rows.first + row * v->stride, &one.kh0, &one.kh1);
        if (n > 0 && to[n - 1].kh0 == one.kh0 && to[n - 1].kh1 == one.kh1)
            to[n - 1].count++;
        else
            to[n++] = one;
    }
    return n;
}

int places_bands(struct band *to, const struct conv *v)
{
    int n = 0;

    for (int a = 0; a < v->stride; a++)
        for (int b = 0; b < v->stride; b++)
            n += list_bands(to + n, v, (struct band){.a = a, .b = b, .kh1 = v->kernel});
    return n;
}

struct grid places_inputs(const struct conv *v, const struct frame *f,
                          const struct band *band)
{
    const struct residue rows = residue_of(v, v->H, f->top, band->a);
    const struct residue cols = residue_of(v, v->W, f->left, band->b);

    return (struct grid){
        .groups = 1,
        .rows = band->count,
        .cols = cols.count,
        .in = ((rows.source + band->first) * f->cols + cols.source) * L,
        .in_row = f->cols * L,
        .out = ((rows.first + band->first * v->stride) * v->W + cols.first) * L,
        .out_row = v->stride * v->W * L,
        .out_col = v->stride * L,
    };
}

int places_adjoint(int *at, int *from, const struct conv *v, const struct frame *f,
                   const struct band *band)
{
    const int k = v->kernel, s = v->stride;
    int n = 0;

    for (int o = 0; o < v->O; o++) {
        for (int kh = band->kh1 - 1; kh >= band->kh0; kh--) {
            for (int kw = k - 1; kw >= 0; kw--) {
                if (kh % s != band->a || kw % s != band->b)
                    continue;
                at[n] = ((o * f->rows - kh / s) * f->cols - kw / s) * L;
                from[n++] = (o * v->C * k + kh) * k + kw;
            }
        }
    }
    return n;
}
