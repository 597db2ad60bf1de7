/* States made from others, in a grid: which jobs they come to, what these need, what is
 * shared, and every error. */

#include "tests/unit/plankit.h"

#include "common/condition.h"

#include <math.h>
#include <stdio.h>

#define FROM(text)                                                                       \
    "[[intervention]]\nname = \"x\"\nrole = \"init\"\nset = { init.from = \"" text       \
    "\" }\n"
#define PATH   "[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = 3\n"
#define LAYERS "[[probe]]\nname = \"l\"\nkind = \"layers\"\nalphas = 3\n"
#define UP     "[run.up]\nset = { optimizer.lr = 0.5 }\n"
#define POINT  "[derive.d]\nkind = \"point\"\nprobe = \"p\"\n"

static void assert_jobs(const char *text, const char *expected)
{
    plankit_expect(text, expected, plankit_put_jobs);
}

/* The lines of a job's spec that are a derive job's own. */
static void assert_spec(const char *text, size_t number, const char *expected)
{
    struct plan *plan = plankit_make(text);
    const char *line = plan->jobs[number - 1].text.data;
    struct buf got = {0};

    while (line && *line) {
        size_t size = strcspn(line, "\n") + 1;
        if (strncmp(line, "derive.", 7) == 0 && strncmp(line, "derive.probe", 12) != 0)
            buf_add(&got, line, size);
        line += size;
    }
    assert_string_equal(got.data ? got.data : "", expected);
    buf_free(&got);
    plan_free(&plan);
}

/* The probe is the baseline's, which is asked for once; the derived state stands between
 * it and the run. */
static void test_point(void **state)
{
    (void)state;
    assert_jobs(SWEEP FROM("derive:d") POINT PATH,
                "1 baseline/0 | 2 p baseline/0 a 1 init b 1 final | "
                "3 derive:d/0 a 1 init b 1 final probe 2 curve | 4 x/0 init 3 final | "
                "5 p x/0 a 4 init b 4 final");
    assert_spec(SWEEP FROM("derive:d") POINT PATH, 3,
                "derive.bn=\"none\"\nderive.kind=\"point\"\n");
    assert_jobs(SWEEP FROM("derive:d") POINT "run = \"up\"\n" PATH UP,
                "1 baseline/0 | 2 run:up/0 | 3 p run:up/0 a 2 init b 2 final | "
                "4 derive:d/0 a 2 init b 2 final probe 3 curve | 5 x/0 init 4 final | "
                "6 p baseline/0 a 1 init b 1 final | 7 p x/0 a 5 init b 5 final");
    assert_spec(SWEEP FROM("derive:d") "[derive.d]\nkind = \"point\"\nprobe = \"l\"\n"
                                       "group = \"fc2\"\nbn = \"recompute\"\n"
                                       "split = \"train\"\nalpha = \"alpha_max\"\n"
                                       "[base]\nmodel.norm = \"batch\"\n" LAYERS,
                3,
                "derive.at=\"alpha_max\"\nderive.bn=\"recompute\"\n"
                "derive.group=\"fc2\"\nderive.kind=\"point\"\nderive.split=\"train\"\n");
}

/* Where alpha is given and no condition set, no curve is read. */
static void test_point_given(void **state)
{
    (void)state;
    assert_jobs(SWEEP FROM("derive:d") POINT "alpha = 0.25\n" PATH,
                "1 baseline/0 | 2 derive:d/0 a 1 init b 1 final | 3 x/0 init 2 final | "
                "4 p baseline/0 a 1 init b 1 final | 5 p x/0 a 3 init b 3 final");
    assert_spec(SWEEP FROM("derive:d") POINT "alpha = 1\nbn = \"end\"\n" PATH
                                             "[base]\nmodel.norm = \"batch\"\n",
                2,
                "derive.alpha=1.0\nderive.at=\"value\"\nderive.bn=\"end\"\n"
                "derive.kind=\"point\"\n");
    assert_spec(
        SWEEP FROM("derive:d") POINT "alpha = 0.25\nwhere = { bump = \">1\" }\n" PATH, 3,
        "derive.alpha=0.25\nderive.at=\"value\"\nderive.bn=\"none\"\n"
        "derive.kind=\"point\"\nderive.where=[\"bump>1.0\"]\n");
}

static void test_where(void **state)
{
    (void)state;
    assert_spec(SWEEP FROM("derive:d") POINT
                "where = { plateau = [\">=0.1\", \"<1\"], monotone = false,"
                " bump = \"<=1e3\" }\n" PATH,
                3,
                "derive.bn=\"none\"\nderive.kind=\"point\"\n"
                "derive.where=[\"bump<=1000.0\",\"monotone=0.0\",\"plateau<1.0\","
                "\"plateau>=0.1\"]\n");
}

/* One for each seed that needs it, of that seed's states; one upstream run however many
 * states are made of it. */
static void test_seeds(void **state)
{
    (void)state;
    assert_jobs(
        SWEEP "seeds = 2\n" FROM(
            "derive:d") "[derive.d]\nkind = \"noise\"\nfrom = \"run:up\"\nnorm = 0.1\n"
                        "[derive.e]\nkind = \"permute\"\nfrom = \"run:up\"\n"
                        "[[include]]\nset = { init.from = \"derive:e\" }\n" UP,
        "1 baseline/0 | 2 baseline/1 | 3 run:up/0 | 4 derive:d/0 a 3 final | "
        "5 x/0 init 4 final | 6 run:up/1 | 7 derive:d/1 a 6 final | "
        "8 x/1 init 7 final | 9 derive:e/0 a 3 final | "
        "10 baseline/0 init 9 final | 11 derive:e/1 a 6 final | "
        "12 baseline/1 init 11 final");
    assert_spec(SWEEP
                "seeds = [5]\n" FROM("derive:d") "[derive.d]\nkind = \"noise\"\nfrom = "
                                                 "\"run:up\"\nnorm = 0.1\n" UP,
                3, "derive.kind=\"noise\"\nderive.noise=0.1\nderive.seed=5\n");
}

/* States are kept for it; a chain of derived states; groups in network order. */
static void test_mix(void **state)
{
    static const char GRID[] =
        SWEEP FROM("derive:d") "[derive.d]\nkind = \"mix\"\nfrom = \"epoch:2\"\n"
                               "groups = { \"fc3\" = \"run:up:epoch:1\", \"conv1\" = "
                               "\"derive:e\" }\n"
                               "[derive.e]\nkind = \"reset\"\nfrom = \"final\"\ngroups = "
                               "[\"conv1\"]\n"
                               "only = [\"weights\"]\nseed = 9\n" UP;
    struct plan *plan = plankit_make(GRID);
    char expected[256];

    (void)state;
    assert_non_null(
        strstr(plan->jobs[0].text.data, "train.keep=[\"final\",\"epoch:2\"]"));
    assert_non_null(strstr(plan->jobs[1].text.data,
                           "train.keep=[\"final\",\"epoch:1\",\"epoch:2\"]"));
    (void)snprintf(expected, sizeof expected,
                   "derive.kind=\"mix\"\nderive.sources=[\"conv1=%s:final\","
                   "\"fc3=%s:epoch:1\"]\n",
                   plan->jobs[2].key, plan->jobs[1].key);
    assert_non_null(strstr(plan->jobs[3].text.data, expected));
    (void)snprintf(expected, sizeof expected, "init.from=\"derive:%s\"\n",
                   plan->jobs[3].key);
    assert_non_null(strstr(plan->jobs[4].text.data, expected));
    plan_free(&plan);
    assert_jobs(GRID, "1 baseline/0 | 2 run:up/0 | 3 derive:e/0 a 1 final | "
                      "4 derive:d/0 a 1 epoch:2 m01 3 final m02 2 epoch:1 | "
                      "5 x/0 init 4 final");
    assert_spec(GRID, 3,
                "derive.groups=[\"conv1\"]\nderive.kind=\"reset\"\n"
                "derive.only=[\"weights\"]\nderive.seed=9\n");
}

/* A derived state at either end of a probe. */
static void test_ends_of_probes(void **state)
{
    (void)state;
    assert_jobs(SWEEP "[derive.d]\nkind = \"permute\"\nfrom = \"final\"\n" PATH
                      "to = \"derive:d\"\n",
                "1 baseline/0 | 2 derive:d/0 a 1 final | "
                "3 p baseline/0 a 1 init b 2 final");
    assert_jobs(SWEEP "[derive.d]\nkind = \"permute\"\nfrom = \"final\"\n" PATH
                      "from = \"derive:d\"\n",
                "1 baseline/0 | 2 derive:d/0 a 1 final | "
                "3 p baseline/0 a 2 final b 1 final");
}

/* What no run starts from and no probe goes through costs nothing. */
static void test_unused(void **state)
{
    (void)state;
    assert_jobs(SWEEP POINT PATH, "1 baseline/0 | 2 p baseline/0 a 1 init b 1 final");
}

static void test_errors_of_tables(void **state)
{
    static const struct {
        const char *text, *expected;
    } CASES[] = {
        {SWEEP "[derive]\nd = 3\n",
         "g.toml:4:1: key 'd': expected a table, got an integer"},
        {SWEEP "[derive.\"a b\"]\n",
         "g.toml:3:9: key 'a b': expected 1 to 64 letters, digits, '-', '.' and '_', got"
         " \"a b\""},
        {SWEEP "[derive.d]\n",
         "g.toml:3:9: key 'kind' of [derive.d] is missing: expected one of \"point\","
         " \"mix\", \"reset\", \"noise\", \"permute\""},
        {SWEEP "[derive.d]\nkind = \"points\"\n",
         "g.toml:4:1: key 'kind': expected one of \"point\", \"mix\", \"reset\","
         " \"noise\", \"permute\", got \"points\" (did you mean \"point\"?)"},
        {SWEEP "[derive.d]\nkin = \"point\"\n",
         "g.toml:4:1: unknown key 'kin' in [derive.d]: expected one of kind, from,"
         " groups, only, norm, seed, probe, alpha, group, bn, split, where, run (did you"
         " mean 'kind'?)"},
        {SWEEP "[derive.d]\nkind = \"point\"\n",
         "g.toml:3:9: key 'probe' of [derive.d] is missing"},
        {SWEEP "[derive.d]\nkind = \"reset\"\n",
         "g.toml:3:9: key 'from' of [derive.d] is missing"},
        {SWEEP "[derive.d]\nkind = \"noise\"\nfrom = \"final\"\n",
         "g.toml:3:9: key 'norm' of [derive.d] is missing"},
        {SWEEP "[derive.d]\nkind = \"mix\"\nfrom = \"final\"\n",
         "g.toml:3:9: key 'groups' of [derive.d] is missing"},
        {SWEEP "[derive.d]\nkind = \"permute\"\nfrom = \"final\"\ngroups = [\"fc1\"]\n",
         "g.toml:6:1: key 'groups' of [derive.d]: applies only where kind is mix or reset"
         " or noise"},
        {SWEEP POINT "seed = 3\n",
         "g.toml:6:1: key 'seed' of [derive.d]: applies only where kind is reset or noise"
         " or permute"},
        {SWEEP "[derive.d]\nkind = \"mix\"\nfrom = \"final\"\ngroups = [\"fc1\"]\n",
         "g.toml:6:1: key 'groups' of [derive.d]: expected a table such as { B1 ="
         " \"run:NAME:STATE\" }"},
        {SWEEP "[derive.d]\nkind = \"reset\"\nfrom = \"final\"\n"
               "groups = { fc1 = \"final\" }\n",
         "g.toml:6:1: key 'groups' of [derive.d]: expected a list of groups"},
        {SWEEP "[derive.d]\nkind = \"reset\"\nfrom = \"final\"\ngroups = []\n",
         "g.toml:6:1: key 'groups': expected a list of groups, or of a mix a table such"
         " as { B1 = \"run:NAME:STATE\" }"},
        {SWEEP "[derive.d]\nkind = \"reset\"\nfrom = \"derive:\"\n",
         "g.toml:5:1: key 'from': expected \"derive:NAME\", got \"derive:\""},
        {SWEEP "[derive.d]\nkind = \"reset\"\nfrom = \"derive:a:final\"\n",
         "g.toml:5:1: key 'from': expected \"derive:NAME\", got \"derive:a:final\""},
        {SWEEP POINT "alpha = \"middle\"\n",
         "g.toml:6:1: key 'alpha': expected one of \"alpha_star\", \"alpha_max\","
         " \"bump_from\", \"bump_to\", \"value\", got \"middle\""},
        {SWEEP POINT "alpha = [1]\n",
         "g.toml:6:1: key 'alpha': expected a number, or one of \"alpha_star\","
         " \"alpha_max\", \"bump_from\", \"bump_to\""},
        {SWEEP POINT "where = 3\n",
         "g.toml:6:1: key 'where': expected a table of conditions, such as"
         " { interior_bump = \">0.1\" }"},
        {SWEEP POINT "where = { bumps = \">1\" }\n",
         "g.toml:6:11: unknown key 'bumps' in where: expected one of bump, monotone,"
         " barrier_linear, barrier_mean, barrier_init, interior_bump, alpha_star,"
         " plateau, loss_start, loss_end, loss_max, alpha_max, bump_from, bump_to (did"
         " you mean 'bump'?)"},
        {SWEEP POINT "where = { bump = \"1\" }\n",
         "g.toml:6:11: key 'bump': expected one of > >= < <= = and a number, such as"
         " \">0.1\", or a list of those"},
        {SWEEP POINT "where = { bump = [] }\n",
         "g.toml:6:11: key 'bump': expected one of > >= < <= = and a number, such as"
         " \">0.1\", or a list of those"},
        {SWEEP POINT "where = { bump = [\">1\", \">1.0\"] }\n",
         "g.toml:6:25: key 'where': \"bump>1.0\" is there twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        plankit_refuse(CASES[i].text, CASES[i].expected);
}

static void test_errors_of_plans(void **state)
{
    static const struct {
        const char *text, *expected;
    } CASES[] = {
        {SWEEP FROM("derive:e") POINT PATH,
         "g.toml:6:14: key 'init.from': expected \"derive:NAME\" of a [derive.NAME] (d),"
         " got \"derive:e\" (intervention 'x' with init.from=\"derive:e\")"},
        {SWEEP FROM("derive:e") PATH,
         "g.toml:6:14: key 'init.from': expected \"derive:NAME\" of a [derive.NAME] "
         "(there"
         " is none), got \"derive:e\" (intervention 'x' with init.from=\"derive:e\")"},
        {SWEEP PATH "to = \"derive:e\"\n",
         "g.toml:7:1: key 'to': expected the state of a [derive.NAME] (there is none),"
         " got \"derive:e\" (probe 'p')"},
        {SWEEP FROM("derive:d") POINT,
         "g.toml:9:1: key 'probe': expected the name of a [[probe]] (there is none), got"
         " \"p\" (derived state 'd')"},
        {SWEEP FROM("derive:d") POINT LAYERS,
         "g.toml:9:1: key 'probe': expected the name of a [[probe]] (l), got \"p\""
         " (derived state 'd')"},
        {SWEEP FROM("derive:d") POINT
         "[[probe]]\nname = \"p\"\nkind = \"between\"\npairs = \"seeds\"\n",
         "g.toml:9:1: key 'probe': 'p' is of kind between, expected a path or layers"
         " (derived state 'd')"},
        {SWEEP FROM("derive:d") POINT PATH "start = \"zeros\"\n",
         "g.toml:9:1: key 'probe': 'p' starts from a control that is not stored, expected"
         " one that starts from a state (derived state 'd')"},
        {SWEEP FROM("derive:d") POINT "run = \"up\"\n" PATH,
         "g.toml:10:1: key 'run': expected a state of a [run.NAME] (there is none), got"
         " \"run:up:final\" (derived state 'd')"},
        {SWEEP FROM("derive:d") POINT "group = \"fc2\"\n" PATH,
         "g.toml:10:1: key 'group': probe 'p' has no curve of \"fc2\" (derived state "
         "'d')"},
        {SWEEP FROM("derive:d") POINT "group = \"fc9\"\n" PATH,
         "g.toml:10:1: key 'group': unknown group \"fc9\" (did you mean \"fc1\"?) "
         "(derived state 'd')"},
        {SWEEP FROM("derive:d") POINT "bn = \"end\"\n" PATH
                                      "[base]\nmodel.norm = \"batch\"\n",
         "g.toml:10:1: key 'bn': probe 'p' has no curve of \"end\" (derived state 'd')"},
        {SWEEP FROM("derive:d") POINT "alpha = 0.5\nsplit = \"train\"\n" PATH,
         "g.toml:11:1: key 'split': applies only where a curve is read (derived state"
         " 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"noise\"\nfrom = \"final\"\n"
                                "norm = 0\n",
         "g.toml:10:1: key 'norm': is missing: expected a number above 0 (derived state"
         " 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"reset\"\nfrom = \"final\"\n"
                                "only = [\"norms\"]\n",
         "g.toml:10:1: key 'only': leaves nothing to change (derived state 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"reset\"\nfrom = \"final\"\n"
                                "only = [\"weights\", \"norms\", \"statistics\"]\n",
         "g.toml:10:1: key 'only': names all that there are: leave it out (derived state"
         " 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"reset\"\nfrom = \"final\"\n"
                                "groups = [\"fc2\", \"fc1\"]\n",
         "g.toml:10:1: key 'groups': expected \"fc1\" before \"fc2\", as in the network"
         " (derived state 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"mix\"\nfrom = \"final\"\n"
                                "groups = { fc9 = \"init\" }\n",
         "g.toml:10:12: key 'groups': unknown group \"fc9\" (did you mean \"fc1\"?) "
         "(derived state 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"mix\"\nfrom = \"final\"\n"
                                "groups = { fc1 = \"run:w\" }\n"
                                "[run.w]\nset = { model.name = \"lenet-300-100\" }\n",
         "g.toml:10:12: key 'fc1': tensor 'conv1.weight' is not in that network (derived"
         " state 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"permute\"\nfrom = \"derive:d\"\n",
         "g.toml:7:9: 'derive:d' is made of itself, or of a chain of more than 8 states"
         " (derived state 'd')"},
        {SWEEP "[base]\ninit.from = \"derive:d\"\n"
               "[derive.d]\nkind = \"permute\"\nfrom = \"final\"\n",
         "g.toml:5:9: 'derive:d' is made of itself, or of a chain of more than 8 states"
         " (derived state 'd')"},
        {SWEEP "[axes]\n\"train.epochs\" = [1, 2]\n" FROM(
             "derive:d") "[derive.d]\nkind = \"permute\"\nfrom = \"final\"\n"
                         "[[exclude]]\nwhere = { intervention = \"baseline\", "
                         "\"train.epochs\" = 1 }\n",
         "g.toml:1:1: the baseline's point with seed 0 is excluded, and a derived state"
         " is made of its run (derived state 'd')"},
        {SWEEP FROM("derive:d") "[derive.d]\nkind = \"permute\"\nfrom = \"epoch:99\"\n",
         "g.toml:9:1: key 'from': \"epoch:99\" is after the last epoch, 10"},
        {SWEEP PATH "to = \"derive:d\"\nstart = \"seed\"\n"
                    "[derive.d]\nkind = \"permute\"\nfrom = \"final\"\n",
         "g.toml:8:1: key 'start': \"seed\" draws as the run did that has 'to', which is "
         "a"
         " derived state (probe 'p')"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        plankit_refuse(CASES[i].text, CASES[i].expected);
}

/* ---- conditions ------------------------------------------------------------------ */

static void test_conditions(void **state)
{
    static const struct {
        const char *text;
        double below, at, above; /* of 0.5: whether it holds */
    } CASES[] = {{"bump>0.5", 0, 0, 1},
                 {"bump>=0.5", 0, 1, 1},
                 {"bump<0.5", 1, 0, 0},
                 {"bump<=0.5", 1, 1, 0},
                 {"bump=0.5", 0, 1, 0}};
    static const char *const BAD[] = {"bump",      "bump>",     ">1",       "bump>x",
                                      "bump>true", "bump>>1",   "bumps>1",  "bump>nan",
                                      "bump>inf",  "bump> 1.0", "bump>[1]", ""};
    struct condition condition;

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf text = {0};
        assert_true(condition_parse(CASES[i].text, &condition));
        assert_int_equal(condition_holds(&condition, 0.4), CASES[i].below);
        assert_int_equal(condition_holds(&condition, 0.5), CASES[i].at);
        assert_int_equal(condition_holds(&condition, 0.6), CASES[i].above);
        assert_false(condition_holds(&condition, NAN));
        condition_put(&condition, &text);
        assert_string_equal(text.data, CASES[i].text);
        buf_free(&text);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        if (condition_parse(BAD[i], &condition))
            fail_msg("taken: %s", BAD[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_point),
        cmocka_unit_test(test_point_given),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_ends_of_probes),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_errors_of_tables),
        cmocka_unit_test(test_errors_of_plans),
        cmocka_unit_test(test_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
