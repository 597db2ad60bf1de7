/* The gradient of the filters by Winograd: rows of tiles are transformed, some at a
 * time, and multiplied into U, the sums for every point of every filter.
 *
 * Where there are few channels U is small and a member takes a slice of the batch all
 * the way into a U of its own; the slices are added up at the end. What one member
 * writes no other reads, but for these sums: otherwise each would wait for the other's
 * cache most of the time. Where there are many, members share one U: its filters are
 * theirs to divide. */

#include "worker/nn/conv_winograd.h"

#include "worker/nn/lanes.h"
#include "worker/nn/team.h"

enum {
    /* Reals of transformed tiles at a time, for each member, which stay in its
     * second-level cache. */
    CHUNK_MAX = 160 * 1024,
    /* The least columns there are for reading and writing U to be worth it. */
    COLUMNS_MIN = 128,
    /* The largest filters of which every slice has a U of its own, 600 KiB. */
    SLICED_MAX = 64 * 64,
    /* Of a batch: as many as there are groups of lanes in the usual 128 images. */
    SLICES_MAX = 16,
};

struct plan {
    struct wino_map map;
    int rows;       /* of tiles, of all images */
    bool sliced;    /* each member for itself */
    int slice;      /* rows of a slice */
    int slices;     /* 1: not sliced */
    int chunk;      /* rows that are transformed at a time */
    int C, O;       /* channels with those that fill up */
    int width;      /* reals of a panel's row of C */
    size_t columns; /* of a chunk */
    size_t V_point, M_point, U_point;
    size_t member; /* reals to turn a row of tiles around */
};

static struct plan plan_of(const struct conv *v, int B, int threads)
{
    struct plan p = {
        .map = wino_map_of(v, false),
        .C = round_up(v->C, WINO_TURN),
        .O = round_up(v->O, WINO_TURN),
        .sliced = v->C * v->O <= SLICED_MAX,
        .slices = 1,
    };
    const int row = p.map.TW * L;
    const int fit = CHUNK_MAX / (WINO_POINTS * (p.C + p.O) * row);
    const int least = (COLUMNS_MIN + row - 1) / row;
    const int chunk = fit > least ? fit : least;

    p.rows = lanes_round(B) / L * p.map.TH;
    p.slice = p.rows;
    if (p.sliced) {
        p.slice = (p.rows + SLICES_MAX - 1) / SLICES_MAX;
        p.slice = p.slice > least ? p.slice : least;
        p.slices = (p.rows + p.slice - 1) / p.slice;
    }
    p.chunk = min_int(p.sliced ? chunk : chunk * threads, p.slice);
    p.width = min_int(p.C, GEMM_COLS);
    p.columns = (size_t)p.chunk * (size_t)row;
    p.V_point = point_size((size_t)round_up(p.C, p.width) * p.columns);
    p.M_point = point_size((size_t)p.O * p.columns);
    p.U_point = point_size((size_t)v->O * (size_t)round_up(p.C, p.width));
    p.member = wino_row_scratch(&p.map);
    return p;
}

/* A chunk's V and M, of each member or shared. */
static size_t chunk_reals(const struct plan *p)
{
    return WINO_POINTS * (p->V_point + p->M_point);
}

/* A smaller batch never has more slices, nor longer chunks: both grow with rows. */
size_t wino_weights_scratch(const struct conv *v, int batch_max, int threads)
{
    const struct plan p = plan_of(v, batch_max, threads);
    const size_t members = (size_t)threads;
    const size_t U = p.sliced ? (size_t)min_int(p.rows, SLICES_MAX) : 1;

    return (p.sliced ? members : 1) * chunk_reals(&p) + U * WINO_POINTS * p.U_point +
           members * p.member;
}

struct pass {
    struct plan plan;
    const struct wino_grad_kernels *wino;
    const struct gemm_kernels *gemm;
    real *chunks, *U, *members;
    const real *in, *dout;
    real *dW;
    int first, count; /* rows of tiles, of the chunk that members share */
    int parts;        /* of the output channels for an item; shared */
};

/* Rows [first, first + count) of tiles, and where their sums go. */
struct chunk {
    real *V, *M, *U, *scratch;
    int first, count;
    bool add; /* to what U has */
};

static struct chunk chunk_of(const struct pass *s, int who, int slice)
{
    const struct plan *p = &s->plan;
    real *V = s->chunks + (p->sliced ? (size_t)who * chunk_reals(p) : 0);

    return (struct chunk){.V = V,
                          .M = V + WINO_POINTS * p->V_point,
                          .U = s->U + (size_t)slice * WINO_POINTS * p->U_point,
                          .scratch = s->members + (size_t)who * p->member};
}

/* Channels of the input and of the outputs' gradient, WINO_TURN at a time. */
static int turns(const struct plan *p)
{
    return (p->C + p->O) / WINO_TURN;
}

/* One turn of one row of tiles. */
static void turn(const struct pass *s, const struct chunk *k, int row, int turn)
{
    const struct plan *p = &s->plan;
    const int channel = turn * WINO_TURN, o = channel - p->C;
    const size_t column = (size_t)row * (size_t)p->map.TW * L;
    const size_t width = (size_t)p->width, panel = p->columns * GEMM_ROWS;
    struct wino_row at = {(k->first + row) / p->map.TH, (k->first + row) % p->map.TH,
                          channel};

    if (o < 0) {
        real *V = k->V + (size_t)(channel / p->width) * width * p->columns +
                  column * width + channel % p->width;
        s->wino->input(&p->map, V, p->V_point, width, s->in, at, k->scratch);
    } else {
        at.channel = o;
        s->wino->output(&p->map,
                        k->M + (size_t)o / GEMM_ROWS * panel + column * GEMM_ROWS,
                        p->M_point, panel, s->dout, at, k->scratch);
    }
}

/* One point, output channels [from, to). */
static void sum(const struct pass *s, const struct chunk *k, int point, int from, int to)
{
    const struct plan *p = &s->plan;
    const size_t at = (size_t)point, width = (size_t)p->width;
    const size_t panel = p->columns * GEMM_ROWS;
    const struct gemm g = {
        .M = to - from,
        .N = round_up(p->map.C, L),
        .K = k->count * p->map.TW * L,
        .A = k->M + at * p->M_point + (size_t)from / GEMM_ROWS * panel,
        .A_panel = panel,
        .A_step = GEMM_ROWS,
        .B = k->V + at * p->V_point,
        .B_panel = p->columns * width,
        .B_step = width,
        .C = k->U + at * p->U_point + (size_t)from * width,
        .C_panel = (size_t)p->map.O * width,
        .C_row = width,
        .add = k->add,
    };

    s->gemm->multiply(&g);
}

/* ---- each member for itself ------------------------------------------------------ */

static void slice_item(void *arg, int item, int who)
{
    const struct pass *s = arg;
    const struct plan *p = &s->plan;
    const int end = min_int((item + 1) * p->slice, p->rows);
    struct chunk k = chunk_of(s, who, item);

    for (k.first = item * p->slice; k.first < end; k.first += k.count) {
        k.count = min_int(p->chunk, end - k.first);
        for (int i = 0; i < k.count * turns(p); i++)
            turn(s, &k, i / turns(p), i % turns(p));
        for (int point = 0; point < WINO_POINTS; point++)
            sum(s, &k, point, 0, p->map.O);
        k.add = true;
    }
}

/* ---- all together ---------------------------------------------------------------- */

static struct chunk shared_chunk(const struct pass *s, int who)
{
    struct chunk k = chunk_of(s, who, 0);

    k.first = s->first;
    k.count = s->count;
    k.add = s->first > 0;
    return k;
}

static void turn_item(void *arg, int item, int who)
{
    const struct pass *s = arg;
    const struct chunk k = shared_chunk(s, who);

    turn(s, &k, item / turns(&s->plan), item % turns(&s->plan));
}

static void sum_item(void *arg, int item, int who)
{
    const struct pass *s = arg;
    const struct chunk k = shared_chunk(s, who);
    const struct wino_share it = wino_share_of(s->parts, item, s->plan.map.O);

    sum(s, &k, it.item, it.from, it.to);
}

static void run_shared(struct pass *s, struct team *team)
{
    const struct plan *p = &s->plan;

    for (; s->first < p->rows; s->first += s->count) {
        s->count = min_int(p->chunk, p->rows - s->first);
        team_run(team, s->count * turns(p), turn_item, s);
        team_run(team, WINO_POINTS * s->parts, sum_item, s);
    }
}

/* ---- the end --------------------------------------------------------------------- */

/* U of one output channel: slices after the first to the first, in order. */
static void add_slices(const struct pass *s, int o)
{
    const struct plan *p = &s->plan;
    const size_t each = WINO_POINTS * p->U_point, width = (size_t)p->width;

    for (int point = 0; point < WINO_POINTS; point++)
        for (int c = 0; c < p->map.C; c += p->width) {
            real *to = s->U + (size_t)point * p->U_point + (size_t)c * (size_t)p->map.O +
                       (size_t)o * width;
            for (int slice = 1; slice < p->slices; slice++) {
                const real *from = to + (size_t)slice * each;
                for (size_t i = 0; i < width; i += L)
                    vec_store(to + i, vec_load(to + i) + vec_load(from + i));
            }
        }
}

/* One output channel. */
static void taps_item(void *arg, int o, int who)
{
    const struct pass *s = arg;
    const struct plan *p = &s->plan;
    const int C = p->map.C;

    (void)who;
    add_slices(s, o);
    for (int c = 0; c < C; c += p->width) {
        const size_t at = (size_t)c * (size_t)p->map.O + (size_t)(o * p->width);
        s->wino->filters(s->dW + (size_t)(o * C + c) * 9, min_int(p->width, C - c),
                         s->U + at, p->U_point);
    }
}

void wino_weights_run(const struct conv_call *call, real *dW, const real *dout,
                      const real *in)
{
    const int threads = team_size(call->team);
    struct pass s = {
        .plan = plan_of(call->conv, call->B, threads),
        .wino = ISA_PICK(wino_grad_kernels, call->isa),
        .gemm = gemm_kernels(call->isa),
        .chunks = call->scratch,
        .in = in,
        .dout = dout,
        .dW = dW,
        .parts = threads > 1 ? 4 : 1,
    };
    const struct plan *p = &s.plan;
    const size_t shares = p->sliced ? (size_t)threads : 1;

    s.U = s.chunks + shares * chunk_reals(p);
    s.members = s.U + (size_t)p->slices * WINO_POINTS * p->U_point;
    if (p->sliced)
        team_run(call->team, p->slices, slice_item, &s);
    else
        run_shared(&s, call->team);
    team_run(call->team, p->map.O, taps_item, &s);
}
