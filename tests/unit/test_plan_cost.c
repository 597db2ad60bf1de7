/* What jobs cost, by counting products by hand. */

#include "tests/unit/plankit.h"

#include "coordinator/plan_cost.h"

#define SMALL                                                                            \
    SWEEP "[base]\ndata = { name = \"spiral\", train = 200 }\n"                          \
          "model = { name = \"mlp\", widths = [8] }\n"                                   \
          "train = { epochs = 3, eval = { train = 100, test = 50 } }\n"

static double cost(const char *text, size_t number)
{
    struct plan *plan = plankit_make(text);
    struct error err = {0};
    double cost;

    assert_int_equal(plan_cost(plan, number - 1, &cost, &err), 0);
    plan_free(&plan);
    return cost;
}

/* 2 -> 8 -> 2 units: 2 * (16 + 16) operations a pass. */
static void test_run(void **state)
{
    (void)state;
    assert_true(cost(SMALL, 1) == 64 * (3 * 3 * 200 + 4 * (100 + 50)));
}

static void test_probe(void **state)
{
    static const char PATH[] = SMALL "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
                                     "alphas = 5\nsplits = { train = 30, test = 20 }\n";

    (void)state;
    assert_true(cost(PATH, 2) == 64 * 5 * (30 + 20));
}

/* Batch norm has 8 products more; of two ways one reads 40 examples more at every
 * point. */
static void test_recomputed(void **state)
{
    static const char GRID[] =
        SWEEP "[base]\ndata = { name = \"spiral\", train = 200 }\n"
              "model = { name = \"mlp\", widths = [8], norm = \"batch\" }\n"
              "train = { epochs = 3, eval = { train = 100, test = 50 } }\n"
              "[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = 5\n"
              "splits = { train = 30, test = 20, bn = 40 }\n";

    (void)state;
    assert_true(cost(GRID, 2) == 80 * 5 * (2 * (30 + 20) + 40));
}

static void test_derived(void **state)
{
    (void)state;
    assert_true(cost(SMALL "[derive.d]\nkind = \"permute\"\nfrom = \"final\"\n"
                           "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
                           "set = { init.from = \"derive:d\" }\n",
                     2) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_recomputed),
        cmocka_unit_test(test_derived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
