#include "tests/numeric/numkit.h"
#include "worker/nn/lanes.h"

#include <string.h>

static void packs_and_unpacks(void **state)
{
    const int L = lanes_round(1);
    (void)state;

    for (int B = 1; B <= 2 * L + 1; B++) {
        for (int F = 1; F <= 40; F += 13) {
            const int R = lanes_round(B);
            real *x = num_random((size_t)(B * F), 1);
            real *y = num_filled((size_t)(R * F), NAN);
            real *z = num_filled((size_t)(B * F), NAN);

            assert_true(R >= B && R % L == 0 && R < B + L);
            lanes_pack(y, x, B, (size_t)F);
            for (int i = 0; i < R; i++)
                for (int f = 0; f < F; f++)
                    assert_true(y[(i / L * F + f) * L + i % L] ==
                                (i < B ? x[i * F + f] : 0));
            lanes_unpack(z, y, B, (size_t)F);
            assert_memory_equal(x, z, (size_t)(B * F) * sizeof *x);
            free(x);
            free(y);
            free(z);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_and_unpacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
