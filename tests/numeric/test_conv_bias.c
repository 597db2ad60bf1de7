#include "worker/nn/conv_op.h"
#include "worker/nn/lanes.h"
#include "worker/nn/team.h"

#include "tests/numeric/numkit.h"

#include <string.h>

static const struct {
    int B, O, OH, OW;
} SIZES[] = {{128, 6, 28, 28}, {1, 3, 5, 5}, {13, 17, 1, 1}, {8, 2, 33, 35}};

static void sums_over_images_and_pixels(void **state)
{
    const size_t L = (size_t)lanes_round(1);
    (void)state;

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        const struct conv v = {.O = SIZES[i].O, .OH = SIZES[i].OH, .OW = SIZES[i].OW};
        const size_t O = (size_t)v.O, n = (size_t)(v.OH * v.OW);
        const size_t groups = (size_t)lanes_round(SIZES[i].B) / L,
                     all = groups * O * n * L;
        real *dout = num_random(all, 1), *db = num_filled(O, NAN);
        struct num *want = num_zeros(O);
        for (size_t k = 0; k < all; k++) {
            if (k / (O * n * L) * L + k % L >= (size_t)SIZES[i].B)
                dout[k] = 0;
            num_add(&want[k / (n * L) % O], (double)dout[k]);
        }
        conv_bias(&(struct conv_call){&v, SIZES[i].B, ISA_AVX2, NULL, NULL}, db, dout);
        num_check("db", db, want, O);

        for (int threads = 1; threads <= 3; threads++) {
            struct team *team = team_new(threads, NULL);
            real *again = num_filled(O, NAN);
            conv_bias(&(struct conv_call){&v, SIZES[i].B, isa_choose(), team, NULL},
                      again, dout);
            assert_memory_equal(db, again, O * sizeof *db);
            free(again);
            team_free(&team);
        }
        free(dout);
        free(db);
        free(want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_over_images_and_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
