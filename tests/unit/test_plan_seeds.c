/* Seeds of a plan: which streams get them, and that points which differ in them alone are
 * planned as if each were the only one. */

#include "plankit.h"

#include <stdio.h>

static int64_t seed_of(const struct plan *plan, size_t job, const char *stream)
{
    return spec_int(&plan->jobs[job].spec, stream);
}

static void test_shared_seeds(void **state)
{
    struct plan *plan =
        plankit_make("[sweep]\nname = \"s\"\nseeds = [9]\n[base]\nseed.order = 3\n"
                     "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
                     "set = { init.scale = 2 }\n");

    (void)state;
    for (size_t job = 0; job < 2; job++) {
        assert_int_equal(seed_of(plan, job, "seed.init"), 9);
        assert_int_equal(seed_of(plan, job, "seed.order"), 3);
    }
    plan_free(&plan);
}

static void test_independent_seeds(void **state)
{
    struct plan *a = plankit_make("[sweep]\nname = \"a\"\nseeds = 2\n"
                                  "seed_policy = \"independent\"\n"
                                  "[axes]\noptimizer.lr = [1, 2]\n");
    struct plan *b = plankit_make("[sweep]\nname = \"b\"\nseeds = 1\n"
                                  "seed_policy = \"independent\"\n"
                                  "[axes]\noptimizer.lr = [2]\n");

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(seed_of(a, i, "seed.init") != seed_of(a, i, "seed.order"));
        assert_true(seed_of(a, i, "seed.init") >= 0);
        assert_true(seed_of(a, i, "seed.init") < 9007199254740992);
        for (size_t j = 0; j < i; j++)
            assert_true(seed_of(a, i, "seed.init") != seed_of(a, j, "seed.init"));
    }
    /* the same point of another sweep is the same job */
    assert_string_equal(a->jobs[2].key, b->jobs[0].key);
    assert_int_equal(seed_of(b, 0, "seed.init"), 0x13e9aa4f8ebace);
    plan_free(&a);
    plan_free(&b);
}

/* A grid of all the ways in which seeds come in: with these, and this in it. */
static struct plan *make_seeded(const char *seeds, const char *rest)
{
    static const char BODY[] =
        "model = { name = \"mlp\", widths = [8] }\n"
        "[axes]\noptimizer.lr = [0.25, 1e-3]\n\"train.epochs\" = [1, 2]\n"
        "[run.before]\nset = { data.train = 100 }\n"
        "[[intervention]]\nname = \"after\"\nrole = \"init\"\n"
        "set = { init.from = \"run:before\" }\n"
        "[[intervention]]\nname = \"own\"\nrole = \"init\"\nset = { seed.init = 11 }\n"
        "[[probe]]\nname = \"p\"\nkind = \"path\"\n";
    char text[2048];

    snprintf(text, sizeof text, "[sweep]\nname = \"s\"\nseeds = %s\n%s[base]\n%s", seeds,
             rest, BODY);
    return plankit_make(text);
}

static bool has_key(const struct plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->job_count; i++)
        if (strcmp(plan->jobs[i].key, key) == 0)
            return true;
    return false;
}

/* What is found once for all seeds of a point must be what each would have found. */
static void test_seeds_together_and_alone(void **state)
{
    static const char *const RESTS[] = {
        "",
        "seed_policy = \"independent\"\n",
        "[[exclude]]\nwhere = { seed = 7, optimizer.lr = 0.25 }\n",
    };
    static const char *const SEEDS[] = {"[7]", "[4]", "[1]"};

    (void)state;
    for (size_t rest = 0; rest < 3; rest++) {
        struct plan *all = make_seeded("[4, 7, 1]", RESTS[rest]);
        size_t alone = 0;

        for (size_t i = 0; i < all->job_count; i++) {
            struct buf again = {0};
            spec_text(&all->jobs[i].spec, &again);
            assert_string_equal(again.data, all->jobs[i].text.data);
            buf_free(&again);
        }
        /* An exclude that leaves nothing out is an error: only the seed it names. */
        for (size_t s = 0; s < (rest == 2 ? 1 : 3); s++) {
            struct plan *one = make_seeded(SEEDS[s], RESTS[rest]);
            for (size_t i = 0; i < one->job_count; i++)
                assert_true(has_key(all, one->jobs[i].key));
            alone += one->job_count;
            plan_free(&one);
        }
        assert_true(rest == 2 ? alone < all->job_count : alone == all->job_count);
        plan_free(&all);
    }
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_shared_seeds),
        cmocka_unit_test(test_independent_seeds),
        cmocka_unit_test(test_seeds_together_and_alone),
    };

    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
