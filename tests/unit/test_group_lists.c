/* Options that are lists of groups: one choice has one text. */

#include "tests/numeric/speckit.h"

/* NULL: it is a good one. */
static void check(const char *name, const char *text, const char *expected)
{
    struct spec spec = speckit("seed.init", "0", "seed.order", "0", "seed.augment", "0",
                               "seed.labels", "0", "seed.dropout", "0", name, text, NULL);
    struct error err = {0};
    const char *at = NULL;
    int rc = spec_check(&spec, &at, &err);

    if (!expected && rc)
        fail_msg("%s: %s", name, err.text);
    if (expected) {
        assert_int_equal(rc, -1);
        assert_string_equal(at, name);
        assert_string_equal(err.text, expected);
    }
    spec_free(&spec);
}

static void test_group_lists(void **state)
{
    (void)state;
    check("optimizer.freeze", "[\"conv1\",\"fc1\"]", NULL);
    check("optimizer.group_lr", "[\"conv1=0.1\",\"conv2=3\",\"fc1=10.0\"]", NULL);
    check("optimizer.group_lr", "[\"conv1=0.1\",\"fc1=2.0\",\"conv2=0.1\"]",
          "expected \"conv2\" before \"fc1\", as in the network");
    check("optimizer.group_decay", "[\"fc1=0.0\",\"fc1=1.0\"]", "names \"fc1\" twice");
    check("optimizer.group_decay", "[\"all=0.0\"]",
          "expected single groups, got \"all\"");
    check("optimizer.group_decay", "[\"fc9=0.0\"]",
          "unknown group \"fc9\" (did you mean \"fc1\"?)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
