#ifndef COORD_PRINT_H
#define COORD_PRINT_H

/* Rows for people and pipes: a table, CSV or JSON. Pure formatting: it is given
 * cells and appends text to a buffer; it opens and prints nothing. */

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One cell. Text is borrowed until the row has been added. */
enum cell_type { CELL_NONE, CELL_INT, CELL_REAL, CELL_TEXT };

struct cell {
    enum cell_type type;
    int64_t integer;
    double real;
    const char *text;
    size_t text_size;
};

/* CSV as RFC 4180 says: quoted where needed, numbers with full digits. A line
 * ends with \n, which every reader takes. */
void csv_row(struct buf *out, const struct cell *cells, size_t count);

/* One JSON object {"name": value, ...}; CELL_NONE is null. */
void json_row(struct buf *out, const char *const *names, const struct cell *cells,
              size_t count);

/* A table collects its rows and is written once, with each column as wide as its
 * widest cell (at most width_max characters; longer text ends in "…"). Numbers
 * stand to the right (also "nan" and "inf" as text), reals have 4 significant
 * digits, CELL_NONE is "-". */
struct table;

struct table *table_new(const char *const *names, size_t columns);
void table_free(struct table **table);
void table_add(struct table *table, const struct cell *cells);
size_t table_rows(const struct table *table);
/* Leave out the columns in which no row has anything. */
void table_hide_empty(struct table *table);
/* bold: the header in bold (a terminal). */
void table_write(const struct table *table, size_t width_max, bool bold, struct buf *out);

/* The same as a table of Markdown, numbers to the right. */
void table_write_markdown(const struct table *table, struct buf *out);

/* How many terminal columns a UTF-8 text takes, one per code point. */
size_t text_columns(const char *text, size_t size);

#endif
