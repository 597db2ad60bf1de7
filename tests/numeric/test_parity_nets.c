/* Networks and optimizers against PyTorch, as they are used: in float. With direct sums
 * within 1e-5 of what PyTorch has in double (1e-4 after 20 steps), with Winograd's
 * within 1e-3 (1e-2). */

#include "tests/numeric/paritykit.h"

static const struct mode EXACT = {"exact", true, 1e-5, 1e-4, 3};
static const struct mode FAST = {"fast", false, 1e-3, 1e-2, 3};

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
