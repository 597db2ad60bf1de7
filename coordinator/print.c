#include "coordinator/print.h"

#include "common/json.h"
#include "common/mask.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- CSV and JSON ---------------------------------------------------------- */

static void csv_text(struct buf *out, const char *text, size_t size)
{
    bool quoted = size == 0;

    for (size_t i = 0; i < size; i++)
        quoted |= strchr(",\"\r\n", text[i]) != NULL;
    if (!quoted) {
        buf_add(out, text, size);
        return;
    }
    buf_puts(out, "\"");
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            buf_puts(out, "\"");
        buf_add(out, text + i, 1);
    }
    buf_puts(out, "\"");
}

/* Full digits; NaN and infinities by name, as the column `nonfinite` has them. */
static void real_full(struct buf *out, double real)
{
    if (isnan(real))
        buf_puts(out, "nan");
    else if (isinf(real))
        buf_puts(out, real > 0 ? "inf" : "-inf");
    else
        json_put_number(out, real);
}

void csv_row(struct buf *out, const struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_puts(out, ",");
        switch (cells[i].type) {
        case CELL_NONE:
            break;
        case CELL_INT:
            buf_printf(out, "%lld", (long long)cells[i].integer);
            break;
        case CELL_REAL:
            real_full(out, cells[i].real);
            break;
        case CELL_TEXT:
            csv_text(out, cells[i].text, cells[i].text_size);
            break;
        }
    }
    buf_puts(out, "\n");
}

void json_row(struct buf *out, const char *const *names, const struct cell *cells,
              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i == 0 ? "{" : ", ");
        json_put_text(out, names[i], strlen(names[i]));
        buf_puts(out, ": ");
        switch (cells[i].type) {
        case CELL_NONE:
            buf_puts(out, "null");
            break;
        case CELL_INT:
            buf_printf(out, "%lld", (long long)cells[i].integer);
            break;
        case CELL_REAL:
            json_put_number(out, cells[i].real);
            break;
        case CELL_TEXT:
            json_put_text(out, cells[i].text, cells[i].text_size);
            break;
        }
    }
    buf_puts(out, "}");
}

/* --- tables ------------------------------------------------------------------ */

/* Cell texts lie one after another in `texts`; ends[] says where each stops. */
struct table {
    size_t columns;
    char **names;
    bool *numeric; /* every cell so far is a number or nothing */
    bool *filled;  /* some cell so far is something */
    bool hide_empty;
    struct buf texts;
    size_t *ends;
    size_t end_count, end_room;
};

struct table *table_new(const char *const *names, size_t columns)
{
    struct table *table = calloc(1, sizeof *table);

    if (!table)
        return NULL;
    table->columns = columns;
    table->names = calloc(columns + 1, sizeof *table->names);
    table->numeric = calloc(columns + 1, sizeof *table->numeric);
    table->filled = calloc(columns + 1, sizeof *table->filled);
    if (!table->names || !table->numeric || !table->filled)
        goto fail;
    for (size_t i = 0; i < columns; i++) {
        table->numeric[i] = true;
        table->names[i] = strdup(names[i]);
        if (!table->names[i])
            goto fail;
    }
    return table;

fail:
    table_free(&table);
    return NULL;
}

void table_free(struct table **table_p)
{
    struct table *table = *table_p;

    if (!table)
        return;
    for (size_t i = 0; table->names && i < table->columns; i++)
        free(table->names[i]);
    free(table->names);
    free(table->numeric);
    free(table->filled);
    free(table->ends);
    buf_free(&table->texts);
    free(table);
    *table_p = NULL;
}

static void cell_text(struct buf *out, const struct cell *cell)
{
    switch (cell->type) {
    case CELL_NONE:
        buf_puts(out, "-");
        break;
    case CELL_INT:
        buf_printf(out, "%lld", (long long)cell->integer);
        break;
    case CELL_REAL:
        buf_printf(out, "%.4g", cell->real);
        break;
    case CELL_TEXT:
        /* A line break would break the table, the rest the terminal. */
        buf_add(out, cell->text, cell->text_size);
        if (!out->failed && cell->text_size > 0)
            mask_controls(out->data + out->size - cell->text_size, cell->text_size, "");
        break;
    }
}

/* A loss that is not finite is stored as a word. */
static bool is_number(const struct cell *cell)
{
    static const char *const WORDS[] = {"nan", "inf", "-inf"};

    if (cell->type != CELL_TEXT)
        return true;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (strlen(WORDS[i]) == cell->text_size &&
            memcmp(WORDS[i], cell->text, cell->text_size) == 0)
            return true;
    return false;
}

static bool is_something(const struct cell *cell)
{
    return cell->type != CELL_NONE && (cell->type != CELL_TEXT || cell->text_size > 0);
}

void table_add(struct table *table, const struct cell *cells)
{
    if (table->end_count + table->columns > table->end_room) {
        size_t room = 2 * (table->end_room + table->columns);
        size_t *ends = realloc(table->ends, room * sizeof *ends);
        if (!ends) {
            table->texts.failed = true;
            return;
        }
        table->ends = ends;
        table->end_room = room;
    }
    for (size_t i = 0; i < table->columns; i++) {
        cell_text(&table->texts, &cells[i]);
        table->numeric[i] = table->numeric[i] && is_number(&cells[i]);
        table->filled[i] = table->filled[i] || is_something(&cells[i]);
        table->ends[table->end_count++] = table->texts.size;
    }
}

size_t table_rows(const struct table *table)
{
    return table->columns ? table->end_count / table->columns : 0;
}

void table_hide_empty(struct table *table)
{
    table->hide_empty = true;
}

static bool is_shown(const struct table *table, size_t column)
{
    return table->filled[column] || !table->hide_empty || table_rows(table) == 0;
}

/* Every byte but UTF-8 continuation bytes starts a character. */
size_t text_columns(const char *text, size_t size)
{
    size_t columns = 0;

    for (size_t i = 0; i < size; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

static struct slice table_cell(const struct table *table, size_t index)
{
    size_t begin = index == 0 ? 0 : table->ends[index - 1];

    return (struct slice){table->texts.data + begin, table->ends[index] - begin};
}

static size_t column_width(const struct table *table, size_t column, size_t max)
{
    size_t width = text_columns(table->names[column], strlen(table->names[column]));

    for (size_t i = column; i < table->end_count; i += table->columns) {
        struct slice cell = table_cell(table, i);
        size_t columns = text_columns(cell.data, cell.size);
        if (columns > width)
            width = columns;
    }
    return width < max ? width : max;
}

static void put_blanks(struct buf *out, size_t count)
{
    while (count-- > 0)
        buf_puts(out, " ");
}

/* Cut a long text to width-1 characters and an ellipsis. */
static void put_cut(struct buf *out, struct slice text, size_t width)
{
    size_t seen = 0;

    for (size_t i = 0; i < text.size; i++) {
        seen += ((unsigned char)text.data[i] & 0xC0) != 0x80;
        if (seen == width)
            break;
        buf_add(out, text.data + i, 1);
    }
    buf_puts(out, "…");
}

static void put_cell(struct buf *out, struct slice text, size_t width, bool right,
                     bool last)
{
    size_t columns = text_columns(text.data, text.size);

    if (columns > width) {
        put_cut(out, text, width);
        return;
    }
    if (right)
        put_blanks(out, width - columns);
    buf_add(out, text.data, text.size);
    if (!right && !last)
        put_blanks(out, width - columns);
}

static void put_row(struct buf *out, const struct table *table, size_t row,
                    const size_t *widths, bool right)
{
    size_t last = table->columns;
    const char *gap = "";

    while (last > 0 && !is_shown(table, last - 1))
        last--;
    for (size_t i = 0; i < last; i++) { /* row 0 is the header */
        struct slice text = row == 0 ? slice_of(table->names[i])
                                     : table_cell(table, (row - 1) * table->columns + i);
        if (!is_shown(table, i))
            continue;
        buf_puts(out, gap);
        put_cell(out, text, widths[i], table->numeric[i] && right, i + 1 == last);
        gap = "  ";
    }
}

void table_write(const struct table *table, size_t width_max, bool bold, struct buf *out)
{
    size_t rows = table_rows(table);
    size_t *widths = calloc(table->columns + 1, sizeof *widths);

    if (!widths || table->texts.failed) {
        free(widths);
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < table->columns; i++)
        widths[i] = column_width(table, i, width_max);
    buf_puts(out, bold ? "\033[1m" : "");
    put_row(out, table, 0, widths, rows > 0);
    buf_puts(out, bold ? "\033[0m\n" : "\n");
    for (size_t row = 1; row <= rows; row++) {
        put_row(out, table, row, widths, true);
        buf_puts(out, "\n");
    }
    free(widths);
}

/* --- Markdown ----------------------------------------------------------------- */

static void put_markdown(struct buf *out, struct slice text)
{
    buf_puts(out, " ");
    for (size_t i = 0; i < text.size; i++) {
        buf_puts(out, text.data[i] == '|' ? "\\" : "");
        buf_add(out, text.data + i, 1);
    }
    buf_puts(out, " |");
}

void table_write_markdown(const struct table *table, struct buf *out)
{
    size_t rows = table_rows(table);

    buf_puts(out, "|");
    for (size_t i = 0; i < table->columns; i++)
        if (is_shown(table, i))
            put_markdown(out, slice_of(table->names[i]));
    buf_puts(out, "\n|");
    for (size_t i = 0; i < table->columns; i++)
        if (is_shown(table, i))
            buf_puts(out, rows > 0 && table->numeric[i] ? "---:|" : "---|");
    for (size_t row = 0; row < rows; row++) {
        buf_puts(out, "\n|");
        for (size_t i = 0; i < table->columns; i++)
            if (is_shown(table, i))
                put_markdown(out, table_cell(table, row * table->columns + i));
    }
    buf_puts(out, "\n");
    out->failed = out->failed || table->texts.failed;
}
