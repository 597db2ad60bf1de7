#include "worker/nn/pool_lanes.h"

#include "worker/nn/vec.h"

#include <string.h>

enum { L = VEC_LANES };

/* The best so far and which tap it was, lane by lane. */
struct winner {
    vec value;
    vec_mask tap;
};

/* A greater value wins, and NaN, also over an earlier NaN: as in PyTorch. */
static inline void contest(struct winner *w, vec value, int tap)
{
    const vec_mask wins = (value > w->value) | vec_is_nan(value);

    w->value = vec_select(wins, value, w->value);
    w->tap = (wins & tap) | (~wins & w->tap);
}

/* The taps of one window that lie in the plane. */
struct window {
    int h0, h1, w0, w1;
};

static inline struct window window_at(const struct pool *v, int oh, int ow)
{
    const int h = oh * v->stride - v->pad, w = ow * v->stride - v->pad;

    return (struct window){
        h > 0 ? h : 0,
        h + v->kernel < v->H ? h + v->kernel : v->H,
        w > 0 ? w : 0,
        w + v->kernel < v->W ? w + v->kernel : v->W,
    };
}

/* tap counts the places of the window in scan order, whatever its shape. */
static inline struct winner window_max(const struct pool *v, const real *plane,
                                       struct window at)
{
    struct winner best = {vec_load(plane + (size_t)(at.h0 * v->W + at.w0) * L), {0}};
    int tap = 0;

    for (int h = at.h0; h < at.h1; h++)
        for (int w = at.w0; w < at.w1; w++, tap++)
            if (tap > 0)
                contest(&best, vec_load(plane + (size_t)(h * v->W + w) * L), tap);
    return best;
}

static inline void window_back(const struct pool *v, real *plane, struct window at,
                               vec_mask winner, vec dout)
{
    int tap = 0;

    for (int h = at.h0; h < at.h1; h++) {
        for (int w = at.w0; w < at.w1; w++, tap++) {
            real *d = plane + (size_t)(h * v->W + w) * L;
            vec_store(d, vec_load(d) + vec_keep(winner == tap, dout));
        }
    }
}

/* The usual case, without bounds or additions: every input is in one window. */
static int is_2x2(const struct pool *v)
{
    return v->kernel == 2 && v->stride == 2 && v->pad == 0;
}

static inline struct winner max_2x2(const real *in, size_t row)
{
    struct winner best = {vec_load(in), {0}};

    contest(&best, vec_load(in + L), 1);
    contest(&best, vec_load(in + row), 2);
    contest(&best, vec_load(in + row + L), 3);
    return best;
}

static inline void back_2x2(real *din, size_t row, vec_mask winner, vec dout)
{
    vec_store(din, vec_keep(winner == 0, dout));
    vec_store(din + L, vec_keep(winner == 1, dout));
    vec_store(din + row, vec_keep(winner == 2, dout));
    vec_store(din + row + L, vec_keep(winner == 3, dout));
}

void pool_lanes_forward(const struct pool *v, real *out, const real *in, size_t P)
{
    const size_t row = (size_t)v->W * L, plane = (size_t)v->H * row;

    for (size_t p = 0; p < P; p++, in += plane) {
        for (int oh = 0; oh < v->OH; oh++) {
            for (int ow = 0; ow < v->OW; ow++, out += L) {
                struct winner best =
                    is_2x2(v) ? max_2x2(in + 2 * ((size_t)oh * row + (size_t)ow * L), row)
                              : window_max(v, in, window_at(v, oh, ow));
                vec_store(out, best.value);
            }
        }
    }
}

void pool_lanes_backward(const struct pool *v, real *din, const real *dout,
                         const real *in, size_t P)
{
    const size_t row = (size_t)v->W * L, plane = (size_t)v->H * row;
    /* 2x2 windows that cover the plane write all of it. */
    const int covered = is_2x2(v) && v->H % 2 == 0 && v->W % 2 == 0;

    if (!covered)
        memset(din, 0, P * plane * sizeof *din);
    for (size_t p = 0; p < P; p++, in += plane, din += plane) {
        for (int oh = 0; oh < v->OH; oh++) {
            for (int ow = 0; ow < v->OW; ow++, dout += L) {
                const size_t corner = 2 * ((size_t)oh * row + (size_t)ow * L);
                const struct window at = window_at(v, oh, ow);
                if (is_2x2(v))
                    back_2x2(din + corner, row, max_2x2(in + corner, row).tap,
                             vec_load(dout));
                else
                    window_back(v, din, at, window_max(v, in, at).tap, vec_load(dout));
            }
        }
    }
}
