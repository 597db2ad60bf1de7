/* The same in double, where rounding hides nothing and nothing is allowed for it: the
 * formulas are PyTorch's, in every network, with either way to convolve. */

#include "tests/numeric/paritykit.h"

static const struct mode EXACT = {"exact", true, 1e-10, 1e-9, 0};
static const struct mode FAST = {"fast", false, 1e-10, 1e-9, 0};

static void exact_networks_are_pytorchs(void **state)
{
    (void)state;
    check_all(&EXACT);
}

static void fast_networks_are_pytorchs(void **state)
{
    (void)state;
    check_all(&FAST);
}

static void optimizers_are_pytorchs(void **state)
{
    (void)state;
    check_optimizers(&EXACT);
    check_optimizers(&FAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_networks_are_pytorchs),
        cmocka_unit_test(fast_networks_are_pytorchs),
        cmocka_unit_test(optimizers_are_pytorchs),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
