#include "worker/nn/avgpool.h"

#include "worker/nn/vec.h"

#include <string.h>

enum { L = VEC_LANES };

/* The part of one window, along one side, that lies in the plane. */
struct reach {
    int from, to;
};

static inline struct reach reach_at(const struct avgpool *v, int size, int out_size,
                                    int o)
{
    const int start = o * v->stride - v->pad, end = start + v->kernel;

    if (v->adaptive)
        return (struct reach){
            (int)((long)o * size / out_size),
            (int)(((long)(o + 1) * size + out_size - 1) / out_size),
        };
    return (struct reach){start > 0 ? start : 0, end < size ? end : size};
}

struct window {
    struct reach h, w;
    real count; /* what its sum is divided by */
};

static inline struct window window_at(const struct avgpool *v, int oh, int ow)
{
    struct window at = {reach_at(v, v->H, v->OH, oh), reach_at(v, v->W, v->OW, ow), 0};
    const int held = (at.h.to - at.h.from) * (at.w.to - at.w.from);

    at.count = (real)(v->adaptive ? held : v->kernel * v->kernel);
    return at;
}

/* One window that is the whole plane: the end of every ResNet. */
static bool is_global(const struct avgpool *v)
{
    return v->adaptive && v->OH == 1 && v->OW == 1;
}

/* n neighbouring pixels, four sums at once: a single one would wait for itself. */
static inline vec run_sum(const real *at, size_t n)
{
    vec sum[4] = {{0}};
    size_t i = 0;

    for (; i + 4 <= n; i += 4, at += (size_t)4 * L) {
        sum[0] += vec_load(at);
        sum[1] += vec_load(at + L);
        sum[2] += vec_load(at + (size_t)2 * L);
        sum[3] += vec_load(at + (size_t)3 * L);
    }
    for (; i < n; i++, at += L)
        sum[0] += vec_load(at);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static inline vec window_sum(const struct avgpool *v, const real *plane, struct window at)
{
    vec sum = {0};

    for (int h = at.h.from; h < at.h.to; h++)
        for (int w = at.w.from; w < at.w.to; w++)
            sum += vec_load(plane + (size_t)(h * v->W + w) * L);
    return sum;
}

static inline void window_add(const struct avgpool *v, real *plane, struct window at,
                              vec share)
{
    for (int h = at.h.from; h < at.h.to; h++) {
        for (int w = at.w.from; w < at.w.to; w++) {
            real *d = plane + (size_t)(h * v->W + w) * L;
            vec_store(d, vec_load(d) + share);
        }
    }
}

void avgpool_forward(const struct avgpool *v, real *out, const real *in, size_t P)
{
    const size_t n = (size_t)v->H * (size_t)v->W;

    for (size_t p = 0; p < P; p++, in += n * L) {
        if (is_global(v)) {
            vec_store(out, run_sum(in, n) / (real)n);
            out += L;
            continue;
        }
        for (int oh = 0; oh < v->OH; oh++) {
            for (int ow = 0; ow < v->OW; ow++, out += L) {
                const struct window at = window_at(v, oh, ow);
                vec_store(out, window_sum(v, in, at) / at.count);
            }
        }
    }
}

void avgpool_backward(const struct avgpool *v, real *din, const real *dout, size_t P)
{
    const size_t n = (size_t)v->H * (size_t)v->W;

    for (size_t p = 0; p < P; p++, din += n * L) {
        if (is_global(v)) {
            const vec share = vec_load(dout) / (real)n;
            for (size_t i = 0; i < n; i++)
                vec_store(din + i * L, share);
            dout += L;
            continue;
        }
        memset(din, 0, n * L * sizeof *din);
        for (int oh = 0; oh < v->OH; oh++) {
            for (int ow = 0; ow < v->OW; ow++, dout += L) {
                const struct window at = window_at(v, oh, ow);
                window_add(v, din, at, vec_load(dout) / at.count);
            }
        }
    }
}
