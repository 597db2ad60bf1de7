#include "worker/nn/transpose.h"

#include "worker/nn/vec.h"

enum { L = VEC_LANES };

/* A square of L numbers a side: pairs, then fours, then (of eight) halves change
 * places. */
#ifdef NN_DOUBLE
static VEC_UNROLLED void square(real *to, size_t to_row, const real *from,
                                size_t from_row)
{
    const vec_int low = {0, 4, 2, 6}, high = {1, 5, 3, 7};
    const vec_int left = {0, 1, 4, 5}, right = {2, 3, 6, 7};
    vec pair[L];

    for (size_t i = 0; i < L; i += 2) {
        const vec a = vec_load(from + i * from_row),
                  b = vec_load(from + (i + 1) * from_row);
        pair[i] = __builtin_shuffle(a, b, low);
        pair[i + 1] = __builtin_shuffle(a, b, high);
    }
    for (size_t i = 0; i < 2; i++) {
        vec_store(to + i * to_row, __builtin_shuffle(pair[i], pair[i + 2], left));
        vec_store(to + (i + 2) * to_row, __builtin_shuffle(pair[i], pair[i + 2], right));
    }
}
#else
static VEC_UNROLLED void square(real *to, size_t to_row, const real *from,
                                size_t from_row)
{
    const vec_int low = {0, 8, 1, 9, 4, 12, 5, 13}, high = {2, 10, 3, 11, 6, 14, 7, 15};
    const vec_int even = {0, 1, 8, 9, 4, 5, 12, 13};
    const vec_int odd = {2, 3, 10, 11, 6, 7, 14, 15};
    const vec_int left = {0, 1, 2, 3, 8, 9, 10, 11};
    const vec_int right = {4, 5, 6, 7, 12, 13, 14, 15};
    vec pair[L], four[L];

#pragma GCC unroll 4
    for (size_t i = 0; i < L; i += 2) {
        const vec a = vec_load(from + i * from_row),
                  b = vec_load(from + (i + 1) * from_row);
        pair[i] = __builtin_shuffle(a, b, low);
        pair[i + 1] = __builtin_shuffle(a, b, high);
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < L; i += 4)
#pragma GCC unroll 2
        for (size_t j = 0; j < 2; j++) {
            four[i + 2 * j] = __builtin_shuffle(pair[i + j], pair[i + 2 + j], even);
            four[i + 2 * j + 1] = __builtin_shuffle(pair[i + j], pair[i + 2 + j], odd);
        }
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        vec_store(to + j * to_row, __builtin_shuffle(four[j], four[j + 4], left));
        vec_store(to + (j + 4) * to_row, __builtin_shuffle(four[j], four[j + 4], right));
    }
}
#endif

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
