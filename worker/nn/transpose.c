#include "worker/nn/transpose.h"

#include "worker/nn/vec.h"

enum { L = VEC_LANES };

static void square(real *to, size_t to_row, const real *from, size_t from_row)
{
    vec rows[L], columns[L];

    for (size_t i = 0; i < L; i++)
        rows[i] = vec_load(from + i * from_row);
    vec_turn(columns, rows);
    for (size_t j = 0; j < L; j++)
        vec_store(to + j * to_row, columns[j]);
}

static void one_by_one(real *to, size_t to_row, const real *from, size_t from_row,
                       size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[j * to_row + i] = from[i * from_row + j];
}

void transpose(real *to, size_t to_row, const real *from, size_t from_row, size_t rows,
               size_t columns)
{
    const size_t whole_rows = rows / L * L, whole_columns = columns / L * L;

    for (size_t i = 0; i < whole_rows; i += L) {
        for (size_t j = 0; j < whole_columns; j += L)
            square(to + j * to_row + i, to_row, from + i * from_row + j, from_row);
        one_by_one(to + whole_columns * to_row + i, to_row,
                   from + i * from_row + whole_columns, from_row, L,
                   columns - whole_columns);
    }
    one_by_one(to + whole_rows, to_row, from + whole_rows * from_row, from_row,
               rows - whole_rows, columns);
}
