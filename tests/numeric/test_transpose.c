#include "worker/nn/transpose.h"

#include "tests/numeric/numkit.h"

/* Every size around the squares it goes by, with room between the rows. */
static void turns_rows_into_columns(void **state)
{
    (void)state;
    for (size_t rows = 0; rows <= 19; rows++)
        for (size_t columns = 0; columns <= 19; columns++) {
            const size_t from_row = columns + 3, to_row = rows + 5;
            real *from = num_random((rows + 1) * from_row, 1);
            real *to = num_filled((columns + 1) * to_row, 7);

            transpose(to, to_row, from, from_row, rows, columns);
            for (size_t j = 0; j <= columns; j++)
                for (size_t i = 0; i < to_row; i++)
                    assert_true(to[j * to_row + i] ==
                                (i < rows && j < columns ? from[i * from_row + j] : 7));
            free(from);
            free(to);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(turns_rows_into_columns)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
