#include "coordinator/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sheet_free(struct sheet *sheet)
{
    for (size_t i = 0; i < sheet->count; i++)
        if (sheet->cells[i].type == CELL_TEXT)
            free((char *)sheet->cells[i].text);
    free(sheet->cells);
    *sheet = (struct sheet){0};
}

size_t sheet_rows(const struct sheet *sheet)
{
    return sheet->columns ? sheet->count / sheet->columns : 0;
}

static struct cell *add(struct sheet *sheet)
{
    if (sheet->count == sheet->room) {
        size_t room = 2 * sheet->room + 64;
        struct cell *cells = realloc(sheet->cells, room * sizeof *cells);
        if (!cells) {
            sheet->failed = true;
            return NULL;
        }
        sheet->cells = cells;
        sheet->room = room;
    }
    sheet->cells[sheet->count] = (struct cell){.type = CELL_NONE};
    return &sheet->cells[sheet->count++];
}

void sheet_text(struct sheet *sheet, const char *text)
{
    struct cell *cell = add(sheet);
    char *copy;

    if (!cell || !*text)
        return;
    copy = strdup(text);
    if (!copy) {
        sheet->failed = true;
        return;
    }
    cell->type = CELL_TEXT;
    cell->text = copy;
    cell->text_size = strlen(copy);
}

void sheet_int(struct sheet *sheet, int64_t integer)
{
    struct cell *cell = add(sheet);

    if (cell) {
        cell->type = CELL_INT;
        cell->integer = integer;
    }
}

void sheet_real(struct sheet *sheet, double real)
{
    struct cell *cell = add(sheet);

    if (cell && !isnan(real)) {
        cell->type = CELL_REAL;
        cell->real = real;
    }
}
