#include "coordinator/draw.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A braille character is U+2800 plus one bit per dot, in this order within its
 * two columns and four rows (Unicode 15, chapter 21.1). */
static const uint8_t DOT[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

static void put_braille(struct buf *out, uint8_t dots)
{
    char utf8[3] = {(char)0xE2, (char)(0xA0 | dots >> 6), (char)(0x80 | (dots & 0x3F))};

    buf_add(out, utf8, sizeof utf8);
}

/* The finite value at position alpha by linear interpolation, NaN beside a point
 * that is not finite. */
static double curve_at(const double *alphas, const double *values, size_t count,
                       double alpha)
{
    size_t i = 1;

    if (count == 1)
        return values[0];
    while (i + 1 < count && alphas[i] < alpha)
        i++;
    double span = alphas[i] - alphas[i - 1];
    double share = span > 0 ? (alpha - alphas[i - 1]) / span : 0;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return values[i - 1] + share * (values[i] - values[i - 1]);
}

struct canvas {
    uint8_t *cells; /* rows x columns of dots */
    bool *missing;  /* columns: a point that is not finite */
    size_t columns, rows;
};

static void canvas_dot(struct canvas *canvas, size_t x, size_t y)
{
    canvas->cells[y / 4 * canvas->columns + x / 2] |= DOT[y % 4][x % 2];
}

/* One dot per dot column, and the steps between neighbours filled. */
static void canvas_curve(struct canvas *canvas, const double *alphas,
                         const double *values, size_t count, double low, double high)
{
    size_t width = 2 * canvas->columns;
    size_t height = 4 * canvas->rows;
    double first = alphas[0], last = alphas[count - 1];
    double scale = high > low ? (double)(height - 1) / (high - low) : 0;
    size_t before = height; /* height: no dot yet */

    for (size_t x = 0; x < width; x++) {
        double alpha = first + (last - first) * (double)x / (double)(width - 1);
        double value = curve_at(alphas, values, count, alpha);
        if (!isfinite(value)) {
            canvas->missing[x / 2] = true;
            before = height;
            continue;
        }
        double level = (value - low) * scale;
        level = level < 0                      ? 0
                : level > (double)(height - 1) ? (double)(height - 1)
                                               : level;
        size_t y = height - 1 - (size_t)lround(level);
        canvas_dot(canvas, x, y);
        if (before == height)
            before = y;
        for (; before + 1 < y; before++)
            canvas_dot(canvas, x, before + 1);
        for (; before > y + 1; before--)
            canvas_dot(canvas, x, before - 1);
        before = y;
    }
}

void curve_draw(struct buf *out, const double *alphas, const double *values, size_t count,
                double low, double high, size_t columns, size_t rows, const char *indent)
{
    struct canvas canvas = {.columns = columns, .rows = rows};

    canvas.cells = calloc(columns * rows, 1);
    canvas.missing = calloc(columns, sizeof *canvas.missing);
    if (!canvas.cells || !canvas.missing) {
        out->failed = true;
        goto done;
    }
    canvas_curve(&canvas, alphas, values, count, low, high);
    for (size_t row = 0; row < rows; row++) {
        buf_printf(out, "%s", indent);
        for (size_t i = 0; i < columns; i++) {
            if (row == 0 && canvas.missing[i])
                buf_puts(out, "x");
            else
                put_braille(out, canvas.cells[row * columns + i]);
        }
        if (row == 0)
            buf_printf(out, "  %.4g", high);
        else if (row + 1 == rows)
            buf_printf(out, "  %.4g", low);
        buf_puts(out, "\n");
    }

done:
    free(canvas.cells);
    free(canvas.missing);
}

/* U+2581..U+2588: one to eight eighths of a block, from the bottom. */
static void put_eighths(struct buf *out, long eighths)
{
    char utf8[3] = {(char)0xE2, (char)0x96, (char)(0x80 + eighths)};

    buf_add(out, utf8, sizeof utf8);
}

void curve_spark(struct buf *out, const double *values, size_t count)
{
    double low = INFINITY, high = -INFINITY;

    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            buf_puts(out, "x");
        else
            put_eighths(
                out, 1 + (high > low ? lround(7 * (values[i] - low) / (high - low)) : 0));
    }
}

/* U+258F..U+2589: one to seven eighths from the left; U+2588: the whole. */
void bar_draw(struct buf *out, double share, size_t columns)
{
    share = share > 0 ? share < 1 ? share : 1 : 0;
    size_t eighths = (size_t)(share * 8 * (double)columns);

    for (size_t i = 0; i < columns; i++) {
        size_t here = eighths > 8 * i ? eighths - 8 * i : 0;
        if (here == 0) {
            buf_puts(out, "·");
            continue;
        }
        char utf8[3] = {(char)0xE2, (char)0x96, (char)(0x90 - (here < 8 ? here : 8))};
        buf_add(out, utf8, sizeof utf8);
    }
}

void bar_line(struct buf *out, double share, size_t columns, const char *text,
              size_t width)
{
    enum { BAR_MIN = 4 };
    size_t room = width > 1 ? width - 1 : 0; /* the last column may wrap */
    size_t size = strlen(text);
    size_t left = room > size + 1 ? room - size - 1 : 0;

    if (left >= BAR_MIN) {
        bar_draw(out, share, left < columns ? left : columns);
        buf_puts(out, " ");
    }
    buf_add(out, text, size < room ? size : room);
}
