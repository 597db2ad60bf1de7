#include "worker/nn/dense.h"

#include "worker/nn/dense_native.h"
#include "worker/nn/simd/gemm.h"
#include "worker/nn/team.h"
#include "worker/nn/transpose.h"

#include <string.h>

enum {
    PANEL = GEMM_COLS,
    /* Of an item at most, so that its columns stay in the second-level cache; and at
     * least, or packing a panel would cost more than the product. */
    ROWS_MAX = 384,
    ROWS_MIN = 32,
    GROUP = 8 * GEMM_ROWS, /* outputs of an item of packing */
};

/* A product C (M,N) = start + A (M,K) * B (K,N), cut into items of rows and a panel of
 * columns. */
struct product {
    const struct dense_call *call;
    int M, N, K;
    const real *A; /* plain; or in panels of GEMM_ROWS rows, packed densely */
    bool panels;
    const real *B;
    bool transposed;    /* B is (N,K) */
    const real *packed; /* or NULL: what is in B, in panels of PANEL columns */
    real *C;
    const real *b; /* (N), what every row starts with; or NULL */
    bool add;      /* starts with what C holds */
    int rows;      /* of an item */
    int across;    /* items of a row of items: panels */
};

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int round_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

static size_t panels_of(int n, int panel)
{
    return (size_t)((n + panel - 1) / panel);
}

/* ---- scratch -------------------------------------------------------------------- */

/* A member's stretch of a panel; where a panel is not full, also what its rows start
 * with, and its columns. */
enum {
    PACK_REALS = GEMM_STRETCH * PANEL,
    ROW_REALS = PANEL,
    MEMBER_REALS = PACK_REALS + ROW_REALS + ROWS_MAX * PANEL,
};

/* For gradients of weights, dout in panels of outputs after that. */
size_t dense_scratch(int O, int batch_max, int threads)
{
    return (size_t)threads * MEMBER_REALS +
           (size_t)round_up(O, GEMM_ROWS) * (size_t)batch_max;
}

/* ---- packing -------------------------------------------------------------------- */

/* Rows k0 .. k0 + K of a panel of B, wide columns of which n are B's. */
static void pack_stretch(const struct product *p, real *to, int j0, int n, int wide,
                         int k0, int K)
{
    const size_t N = (size_t)p->N, at = (size_t)j0;

    if (p->transposed) {
        const real *from = p->B + at * (size_t)p->K + (size_t)k0;
        transpose(to, PANEL, from, (size_t)p->K, (size_t)n, (size_t)K);
    } else {
        const real *from = p->B + (size_t)k0 * N + at;
        for (int k = 0; k < K; k++)
            memcpy(to + (size_t)k * PANEL, from + (size_t)k * N, (size_t)n * sizeof *to);
    }
    for (int k = 0; k < K && n < wide; k++)
        memset(to + (size_t)k * PANEL + n, 0, (size_t)(wide - n) * sizeof *to);
}

/* Columns of panel number item; *ret_wide are those that the kernel is given. */
static int panel_at(const struct product *p, int item, int *ret_n, int *ret_wide)
{
    const int j0 = item * PANEL;

    *ret_n = least(p->N - j0, PANEL);
    *ret_wide = round_up(*ret_n, VEC_LANES);
    return j0;
}

struct packing {
    struct product product;
    real *to;
};

static void pack_item(void *arg, int item, int who)
{
    const struct packing *w = arg;
    const struct product *p = &w->product;
    int n, wide;
    const int j0 = panel_at(p, item, &n, &wide);
    real *to = w->to + (size_t)j0 * (size_t)p->K;

    (void)who;
    for (int k0 = 0; k0 < p->K; k0 += GEMM_STRETCH)
        pack_stretch(p, to + (size_t)k0 * PANEL, j0, n, wide, k0,
                     least(p->K - k0, GEMM_STRETCH));
}

size_t dense_packed(int I, int O)
{
    return panels_of(O, PANEL) * PANEL * (size_t)I;
}

void dense_pack(const struct dense_call *call, real *packed, const real *W)
{
    struct packing w = {{.N = call->O, .K = call->I, .B = W, .transposed = true}, packed};

    if (!call->native)
        team_run(call->team, (int)panels_of(call->O, PANEL), pack_item, &w);
}

/* ---- products ------------------------------------------------------------------- */

static void copy_rows(real *to, size_t to_row, const real *from, size_t from_row,
                      int rows, int n)
{
    for (size_t i = 0; i < (size_t)rows; i++)
        memcpy(to + i * to_row, from + i * from_row, (size_t)n * sizeof *to);
}

static void multiply_item(void *arg, int item, int who)
{
    const struct product *p = arg;
    int n, wide;
    const int i0 = item / p->across * p->rows, rows = least(p->M - i0, p->rows);
    const int j0 = panel_at(p, item % p->across, &n, &wide), stretch = gemm_stretch(p->K);
    real *mine = p->call->scratch + (size_t)who * MEMBER_REALS;
    real *C = p->C + (size_t)i0 * (size_t)p->N + (size_t)j0;
    const bool full = n == wide;
    struct gemm g = {
        .M = rows,
        .N = wide,
        .A_panel = (size_t)p->K * GEMM_ROWS,
        .A_step = GEMM_ROWS,
        .A_row = p->panels ? 0 : (size_t)p->K,
        .B_step = PANEL,
        .C = full ? C : mine + PACK_REALS + ROW_REALS,
        .C_row = full ? (size_t)p->N : PANEL,
        .start_row = p->b ? p->b + j0 : NULL,
        .add = p->add,
    };

    if (p->b && !full)
        g.start_row = memcpy(mine + PACK_REALS, p->b + j0, (size_t)n * sizeof *mine);
    if (p->add && !full)
        copy_rows(g.C, PANEL, C, (size_t)p->N, rows, n);
    for (int k0 = 0; k0 < p->K; k0 += stretch) {
        g.K = least(p->K - k0, stretch);
        g.A = p->A + (size_t)i0 * (size_t)p->K +
              (size_t)k0 * (p->panels ? (size_t)GEMM_ROWS : 1);
        g.B = mine;
        if (p->packed)
            g.B = p->packed + (size_t)j0 * (size_t)p->K + (size_t)k0 * PANEL;
        else
            pack_stretch(p, mine, j0, n, wide, k0, g.K);
        gemm_kernels(p->call->isa)->multiply(&g);
        g.add = true;
        g.start_row = NULL;
    }
    if (!full)
        copy_rows(C, (size_t)p->N, g.C, PANEL, rows, n);
}

/* Rows of an item: few enough for everybody to have work. */
static void multiply(struct product *p)
{
    const int threads = team_size(p->call->team);
    int down = (p->M + ROWS_MAX - 1) / ROWS_MAX;

    p->across = (int)panels_of(p->N, PANEL);
    while (threads > 1 && down * p->across < 3 * threads && p->M / (2 * down) >= ROWS_MIN)
        down *= 2;
    p->rows = round_up((p->M + down - 1) / down, GEMM_ROWS);
    down = (p->M + p->rows - 1) / p->rows;
    team_run(p->call->team, down * p->across, multiply_item, p);
}

void dense_forward(const struct dense_call *call, real *out, const real *in,
                   const real *W, const real *packed, const real *b)
{
    struct product product = {.call = call,
                              .M = call->B,
                              .N = call->O,
                              .K = call->I,
                              .A = in,
                              .B = W,
                              .transposed = true,
                              .packed = packed,
                              .C = out,
                              .b = b};

    if (call->native)
        dense_native_forward(call, out, in, W, b);
    else
        multiply(&product);
}

void dense_backward_data(const struct dense_call *call, real *din, bool add,
                         const real *dout, const real *W)
{
    struct product product = {.call = call,
                              .M = call->B,
                              .N = call->I,
                              .K = call->O,
                              .A = dout,
                              .B = W,
                              .C = din,
                              .add = add};

    if (call->native)
        dense_native_data(call, din, add, dout, W);
    else
        multiply(&product);
}

/* ---- gradients of weights ------------------------------------------------------- */

/* dout in panels of outputs, and its sums. */
struct gathering {
    const struct dense_call *call;
    real *to, *db;
    const real *dout;
};

/* Outputs o .. o + GEMM_ROWS of all examples. */
static void gather_panel(const struct gathering *g, size_t o)
{
    enum { VECS = GEMM_ROWS / VEC_LANES };
    const size_t B = (size_t)g->call->B, O = (size_t)g->call->O;
    real *to = g->to + o * B;
    vec sum[VECS] = {{0}};

    for (size_t i = 0; i < B; i++)
        for (size_t j = 0; j < VECS; j++) {
            const vec from = vec_load(g->dout + i * O + o + j * VEC_LANES);
            vec_store(to + i * GEMM_ROWS + j * VEC_LANES, from);
            sum[j] += from;
        }
    for (size_t j = 0; j < VECS && g->db; j++)
        vec_store(g->db + o + j * VEC_LANES, sum[j]);
}

/* The last of them, n < GEMM_ROWS of which there are. */
static void gather_rest(const struct gathering *g, size_t o, size_t n)
{
    const size_t B = (size_t)g->call->B, O = (size_t)g->call->O;
    real *to = g->to + o * B;
    real sum[GEMM_ROWS] = {0};

    for (size_t i = 0; i < B; i++) {
        const real *from = g->dout + i * O + o;
        for (size_t j = 0; j < n; j++) {
            to[i * GEMM_ROWS + j] = from[j];
            sum[j] += from[j];
        }
    }
    if (g->db)
        memcpy(g->db + o, sum, n * sizeof *sum);
}

static void gather_item(void *arg, int item, int who)
{
    const struct gathering *g = arg;
    const int O = g->call->O, end = least(O, (item + 1) * GROUP);

    (void)who;
    for (int o = item * GROUP; o < end; o += GEMM_ROWS) {
        if (end - o >= GEMM_ROWS)
            gather_panel(g, (size_t)o);
        else
            gather_rest(g, (size_t)o, (size_t)(end - o));
    }
}

void dense_backward_weights(const struct dense_call *call, real *dW, real *db,
                            const real *dout, const real *in)
{
    real *gathered = call->scratch + dense_scratch(0, 0, team_size(call->team));
    struct gathering gathering = {call, gathered, db, dout};
    struct product product = {.call = call,
                              .M = call->O,
                              .N = call->I,
                              .K = call->B,
                              .A = gathered,
                              .panels = true,
                              .B = in,
                              .C = dW};

    if (call->native) {
        dense_native_weights(call, dW, db, dout, in);
        return;
    }
    team_run(call->team, (int)panels_of(call->O, GROUP), gather_item, &gathering);
    multiply(&product);
}
