#ifndef COORD_DRAW_H
#define COORD_DRAW_H

/* Pictures in Unicode characters: curves and bars. Pure: numbers in, text
 * appended to a buffer. */

#include "common/buf.h"

#include <stddef.h>

/* A picture of one curve in braille dots: `rows` lines of `columns` characters
 * (2 x 4 dots each), alpha from left to right, value from `low` (bottom) to
 * `high`. A point that is not finite is an "x" on the top line. Each line ends
 * in a newline and starts with `indent`, and the first and last carry the
 * bounds. count >= 1. */
void curve_draw(struct buf *out, const double *alphas, const double *values, size_t count,
                double low, double high, size_t columns, size_t rows, const char *indent);

/* The same in one line of block characters, low ▁ to high █, "x" where not finite:
 * one for each value, wherever its alpha. */
void curve_spark(struct buf *out, const double *values, size_t count);

/* "[#####.....] 5/10" as a bar of `columns` cells, with partial blocks. share in
 * [0,1]. */
void bar_draw(struct buf *out, double share, size_t columns);

/* A bar of at most `columns` cells and an ASCII text after it, on one line of a
 * terminal that is `width` wide: the bar gets shorter, then the text is cut, for a
 * line that wraps cannot be drawn over. */
void bar_line(struct buf *out, double share, size_t columns, const char *text,
              size_t width);

#endif
