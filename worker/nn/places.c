#include "worker/nn/places.h"

#include "worker/nn/vec.h"

enum { L = VEC_LANES };

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

struct grid places_inputs(const struct conv *v, const struct frame *f, int a, int b)
{
    const struct residue rows = residue_of(v, v->H, f->top, a);
    const struct residue cols = residue_of(v, v->W, f->left, b);

    return (struct grid){
        .groups = 1,
        .rows = rows.count,
        .cols = cols.count,
        .in = (rows.source * f->cols + cols.source) * L,
        .in_row = f->cols * L,
        .out = (rows.first * v->W + cols.first) * L,
        .out_row = v->stride * v->W * L,
        .out_col = v->stride * L,
    };
}

int places_adjoint(int *at, int *from, const struct conv *v, const struct frame *f, int a,
                   int b)
{
    const int k = v->kernel, s = v->stride;
    int n = 0;

    for (int o = 0; o < v->O; o++) {
        for (int kh = k - 1; kh >= 0; kh--) {
            for (int kw = k - 1; kw >= 0; kw--) {
                if (kh % s != a || kw % s != b)
                    continue;
                at[n] = ((o * f->rows - kh / s) * f->cols - kw / s) * L;
                from[n++] = (o * v->C * k + kh) * k + kw;
            }
        }
    }
    return n;
}
