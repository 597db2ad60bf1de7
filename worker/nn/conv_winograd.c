#include "worker/nn/conv_winograd.h"

#include "worker/nn/lanes.h"
#include "worker/nn/simd/gemm.h"
#include "worker/nn/simd/winograd.h"
#include "worker/nn/team.h"

enum {
    PANEL = GEMM_COLS / L, /* tiles of one panel */
    /* The largest filters that are multiplied with few tiles at a time: together they
     * stay in a second-level cache. With larger ones the tiles must be many instead, for
     * reading all filters to be worth it. */
    FILTERS_FEW = 128 * 128,
    /* Reals of transformed tiles at a time: few of them, in one member's cache, or many,
     * which all members share. */
    FEW_MAX = 64 * 1024,
    MANY_MAX = 5 * 1024 * 1024,
    /* And of products that wait for their transform back. */
    PRODUCTS_MAX = 64 * 1024,
};

/* One direction through the layer, and how it is cut. */
struct plan {
    struct wino_map map;
    bool few;     /* tiles at a time, a block for each member */
    int tiles;    /* of all images */
    int block;    /* of them at a time */
    int channels; /* of the output at a time */
    size_t U_point, V_point, M_point;
};

struct wino_map wino_map_of(const struct conv *v, bool data)
{
    struct wino_map map = {
        .C = v->C,
        .H = v->H,
        .W = v->W,
        .O = v->O,
        .OH = v->OH,
        .OW = v->OW,
        .pad = v->pad,
    };

    if (data)
        map = (struct wino_map){
            .C = v->O,
            .H = v->OH,
            .W = v->OW,
            .O = v->C,
            .OH = v->H,
            .OW = v->W,
            .pad = v->kernel - 1 - v->pad,
        };
    map.TH = (map.OH + WINO_OUT - 1) / WINO_OUT;
    map.TW = (map.OW + WINO_OUT - 1) / WINO_OUT;
    return map;
}

/* Whole panels that fit, and no more than every member's share. */
static int block_tiles(const struct plan *p, int rows, int max, int shares)
{
    const int panels = max / (WINO_POINTS * GEMM_COLS * rows);
    const int share = round_up((p->tiles + shares - 1) / shares, PANEL);

    return min_int(panels < 1 ? PANEL : panels * PANEL, share);
}

static struct plan plan_of(const struct conv *v, bool data, int B, int threads)
{
    struct plan p = {.map = wino_map_of(v, data)};
    const int C = p.map.C, O = p.map.O;

    p.few = C * O <= FILTERS_FEW;
    p.tiles = lanes_round(B) / L * p.map.TH * p.map.TW;
    p.channels = round_up(O, GEMM_ROWS);
    if (p.few) {
        p.block = block_tiles(&p, C, FEW_MAX, threads);
        const int fit = PRODUCTS_MAX / (WINO_POINTS * L * p.block);
        p.channels = min_int(p.channels,
                             fit < GEMM_ROWS ? GEMM_ROWS : fit / GEMM_ROWS * GEMM_ROWS);
    } else {
        p.block = block_tiles(&p, C + O, MANY_MAX, 1);
    }
    const size_t columns = (size_t)round_up(p.block, PANEL) * L;
    p.U_point = point_size((size_t)round_up(O, GEMM_ROWS) * (size_t)C);
    p.V_point = point_size((size_t)C * columns);
    /* Not less for a smaller batch, of which more channels fit. */
    const size_t M = (size_t)p.channels * columns, few = PRODUCTS_MAX / WINO_POINTS;
    p.M_point = point_size(M < few ? few : M);
    return p;
}

/* U, then V and M once or for every member. */
static size_t plan_scratch(const struct plan *p, int threads)
{
    const size_t blocks = p->few ? (size_t)threads : 1;

    return WINO_POINTS * (p->U_point + blocks * (p->V_point + p->M_point));
}

struct pass {
    const struct conv_call *call;
    struct plan plan;
    const struct wino_kernels *wino;
    const struct gemm_kernels *gemm;
    struct wino_filters filters;
    real *U, *blocks;
    struct wino_tiles tiles; /* the block that all members are at; many */
    int parts;               /* of the channels for an item; many */
    const real *in, *b;
    real *out;
    bool add;
};

static void filters_item(void *arg, int panel, int who)
{
    const struct pass *s = arg;

    (void)who;
    s->wino->filters(&s->filters, s->U, s->plan.U_point, panel);
}

static struct wino_block V_of(const struct pass *s, int who)
{
    const struct plan *p = &s->plan;
    const size_t each = WINO_POINTS * (p->V_point + p->M_point);

    return (struct wino_block){s->blocks + (size_t)who * each, p->V_point, p->map.C};
}

static struct wino_block M_of(const struct pass *s, int who)
{
    const struct plan *p = &s->plan;

    return (struct wino_block){V_of(s, who).at + WINO_POINTS * p->V_point, p->M_point,
                               p->channels};
}

/* Channels [o0, o1) of one point, into M's rows from `row` on. */
static void multiply(const struct pass *s, const struct wino_block *V,
                     const struct wino_block *M, int point, int tiles, int o0, int o1,
                     int row)
{
    const size_t C = (size_t)s->plan.map.C;
    const struct gemm g = {
        .M = o1 - o0,
        .N = tiles * L,
        .K = s->plan.map.C,
        .A = s->U + (size_t)point * s->plan.U_point + (size_t)o0 * C,
        .A_panel = C * GEMM_ROWS,
        .A_step = GEMM_ROWS,
        .B = V->at + (size_t)point * V->point,
        .B_panel = C * GEMM_COLS,
        .B_step = GEMM_COLS,
        .C = M->at + (size_t)point * M->point + (size_t)row * GEMM_COLS,
        .C_panel = (size_t)M->rows * GEMM_COLS,
        .C_row = GEMM_COLS,
    };

    s->gemm->multiply(&g);
}

/* Few tiles: a block, all the way. */
static void block_item(void *arg, int item, int who)
{
    const struct pass *s = arg;
    const struct plan *p = &s->plan;
    const struct wino_block V = V_of(s, who), M = M_of(s, who);
    const int first = item * p->block;
    const struct wino_tiles tiles = {first, min_int(p->tiles - first, p->block)};

    s->wino->input(&p->map, &V, s->in, tiles, 0, p->map.C);
    for (int o = 0; o < p->map.O; o += p->channels) {
        const int end = min_int(o + p->channels, p->map.O);
        for (int point = 0; point < WINO_POINTS; point++)
            multiply(s, &V, &M, point, tiles.count, o, end, 0);
        s->wino->output(&p->map, s->out, s->add, s->b, &M, tiles, o, end);
    }
}

/* Many tiles: the items of one block are (something, part of the channels). One panel
 * of it: */
static struct wino_tiles panel_tiles(const struct pass *s, int panel)
{
    const int first = panel * PANEL;

    return (struct wino_tiles){s->tiles.first + first,
                               min_int(s->tiles.count - first, PANEL)};
}

static void input_item(void *arg, int item, int who)
{
    const struct pass *s = arg;
    const struct wino_share it = wino_share_of(s->parts, item, s->plan.map.C);
    struct wino_block V = V_of(s, 0);

    (void)who;
    V.at += (size_t)it.item * (size_t)V.rows * GEMM_COLS;
    s->wino->input(&s->plan.map, &V, s->in, panel_tiles(s, it.item), it.from, it.to);
}

static void point_item(void *arg, int item, int who)
{
    const struct pass *s = arg;
    const struct wino_share it = wino_share_of(s->parts, item, s->plan.map.O);
    const struct wino_block V = V_of(s, 0), M = M_of(s, 0);

    (void)who;
    multiply(s, &V, &M, it.item, s->tiles.count, it.from, it.to, it.from);
}

static void output_item(void *arg, int item, int who)
{
    const struct pass *s = arg;
    const struct wino_share it = wino_share_of(s->parts, item, s->plan.map.O);
    struct wino_block M = M_of(s, 0);

    (void)who;
    M.at += ((size_t)it.item * (size_t)M.rows + (size_t)it.from) * GEMM_COLS;
    s->wino->output(&s->plan.map, s->out, s->add, s->b, &M, panel_tiles(s, it.item),
                    it.from, it.to);
}

static void run_many(struct pass *s)
{
    const struct plan *p = &s->plan;
    struct team *team = s->call->team;

    s->parts = team_size(team) > 1 ? 4 : 1;
    for (int first = 0; first < p->tiles; first += p->block) {
        s->tiles = (struct wino_tiles){first, min_int(p->tiles - first, p->block)};
        const int panels = (s->tiles.count + PANEL - 1) / PANEL;
        team_run(team, panels * s->parts, input_item, s);
        team_run(team, WINO_POINTS * s->parts, point_item, s);
        team_run(team, panels * s->parts, output_item, s);
    }
}

static void run(struct pass *s, bool data)
{
    const struct conv_call *call = s->call;
    const int threads = team_size(call->team);

    s->plan = plan_of(call->conv, data, call->B, threads);
    s->wino = ISA_PICK(wino_kernels, call->isa);
    s->gemm = gemm_kernels(call->isa);
    s->U = call->scratch;
    s->blocks = s->U + WINO_POINTS * s->plan.U_point;
    s->filters.past_cache = !s->plan.few;
    team_run(call->team, (s->filters.M + GEMM_ROWS - 1) / GEMM_ROWS, filters_item, s);
    if (s->plan.few)
        team_run(call->team, (s->plan.tiles + s->plan.block - 1) / s->plan.block,
                 block_item, s);
    else
        run_many(s);
}

static void forward(const struct conv_call *call, real *out, const real *in,
                    const real *W, const real *b)
{
    const struct conv *v = call->conv;
    struct pass pass = {
        .call = call,
        .filters = {W, v->O, v->C, (size_t)v->C * 9, 9, false, false},
        .in = in,
        .b = b,
        .out = out,
    };

    run(&pass, false);
}

static void backward_data(const struct conv_call *call, real *din, bool add,
                          const real *dout, const real *W)
{
    const struct conv *v = call->conv;
    struct pass pass = {
        .call = call,
        .filters = {W, v->C, v->O, 9, (size_t)v->C * 9, true, false},
        .in = dout,
        .out = din,
        .add = add,
    };

    run(&pass, true);
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch(const struct conv *v, int batch_max, int threads)
{
    const struct plan out = plan_of(v, false, batch_max, threads);
    const struct plan data = plan_of(v, true, batch_max, threads);

    return max_size(wino_weights_scratch(v, batch_max, threads),
                    max_size(plan_scratch(&out, threads), plan_scratch(&data, threads)));
}

/* The least channels at which the transforms are paid for: at 16, two thirds of the
 * time of the direct kernels, forward and back. */
enum { CHANNELS_MIN = 16 };

/* Whether tiles are filled so far that they take two thirds of the products or less. */
static bool fills_tiles(int H, int W)
{
    const int tiles = ((H + WINO_OUT - 1) / WINO_OUT) * ((W + WINO_OUT - 1) / WINO_OUT);

    return H * W * 9 * 2 >= tiles * WINO_POINTS * 3;
}

static bool suits(const struct conv *v)
{
    return v->kernel == 3 && v->stride == 1 && v->pad <= 2 && v->C >= CHANNELS_MIN &&
           v->O >= CHANNELS_MIN && fills_tiles(v->H, v->W) && fills_tiles(v->OH, v->OW);
}

const struct conv_op conv_winograd = {
    .name = "winograd",
    .suits = suits,
    .scratch = scratch,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = wino_weights_run,
};
