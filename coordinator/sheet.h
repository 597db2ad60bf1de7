#ifndef COORD_SHEET_H
#define COORD_SHEET_H

/* Rows that are computed rather than queried, to be printed (cli.h). It owns its
 * texts. Cells are added one after another, a row when all columns have theirs.
 * Lack of memory shows in `failed`. */

#include "coordinator/print.h"

struct sheet {
    const char *const *names; /* (columns), borrowed */
    size_t columns;
    struct cell *cells; /* (rows, columns) */
    size_t count, room; /* cells */
    bool failed;
};

void sheet_free(struct sheet *sheet);
size_t sheet_rows(const struct sheet *sheet);

void sheet_text(struct sheet *sheet, const char *text); /* "": nothing there */
void sheet_int(struct sheet *sheet, int64_t integer);
void sheet_real(struct sheet *sheet, double real); /* NaN: nothing there */

#endif
