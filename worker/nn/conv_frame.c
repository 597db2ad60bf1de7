#include "worker/nn/conv_frame.h"

#include "worker/nn/vec.h"

#include <string.h>

enum { L = VEC_LANES };

size_t frame_size(const struct frame *f, int channels)
{
    return (size_t)channels * (size_t)f->rows * (size_t)f->kept * (size_t)f->cols * L;
}

bool frame_is_source(const struct frame *f)
{
    return f->top == 0 && f->left == 0 && f->step == 1 && f->rows == f->H &&
           f->cols == f->W;
}

static int at_least(int a, int b)
{
    return a > b ? a : b;
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

/* One row as it is. */
static void copy_row(const struct frame *f, real *to, const real *from)
{
    const int first = at_most(at_least(f->left, 0), f->cols);
    const int end = at_least(at_most(f->left + f->W, f->cols), first);

    memset(to, 0, (size_t)first * L * sizeof *to);
    memcpy(to + (size_t)first * L, from + (size_t)(first - f->left) * L,
           (size_t)(end - first) * L * sizeof *to);
    memset(to + (size_t)end * L, 0, (size_t)(f->cols - end) * L * sizeof *to);
}

/* Every step-th pixel of a row, from w on. */
static void copy_every(const struct frame *f, real *to, const real *from, int w)
{
    /* the first that is not before the row, the first that is behind it */
    const int first = w < 0 ? at_most((-w + f->step - 1) / f->step, f->cols) : 0;
    const int end = at_least(at_most((f->W - w + f->step - 1) / f->step, f->cols), first);

    for (int i = 0; i < first; i++)
        vec_store(to + (size_t)i * L, (vec){0});
    for (int i = first; i < end; i++)
        vec_store(to + (size_t)i * L, vec_load(from + (size_t)(w + i * f->step) * L));
    for (int i = end; i < f->cols; i++)
        vec_store(to + (size_t)i * L, (vec){0});
}

void frame_fill(const struct frame *f, int channels, real *to, const real *from)
{
    const size_t row = (size_t)f->kept * (size_t)f->cols * L;

    for (int c = 0; c < channels; c++, from += (size_t)f->H * (size_t)f->W * L) {
        for (int r = 0; r < f->rows; r++, to += row) {
            const int h = r - f->top;
            if (r % f->step >= f->kept)
                continue;
            if (h < 0 || h >= f->H)
                memset(to, 0, row * sizeof *to);
            else if (f->step == 1)
                copy_row(f, to, from + (size_t)h * (size_t)f->W * L);
            else
                for (int i = 0; i < f->kept; i++)
                    copy_every(f, to + (size_t)(i * f->cols) * L,
                               from + (size_t)h * (size_t)f->W * L, i - f->left);
        }
    }
}
