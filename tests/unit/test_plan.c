/* Plans: exact expansions, what is shared, what is counted, and the errors that
 * only a whole point can show. */

#include "coordinator/plan.h"

#include "common/error.h"
#include "coordinator/plan_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SWEEP "[sweep]\nname = \"s\"\n" /* lines 1 and 2 */
#define SPIRAL                                                                           \
    "[base]\ndata.name = \"spiral\"\nmodel = { name = \"mlp\", widths = [4] }\n"

static struct plan *make(const char *text)
{
    struct error err = {0};
    struct plan *plan = plan_from_grid(text, strlen(text), "g.toml", &err);

    if (!plan)
        fail_msg("%s", err.text);
    return plan;
}

/* "1 train baseline/0 | 2 probe p baseline/0 needs 1 a=init 1 b=final": every job
 * with all its members. */
static void put_jobs(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        buf_printf(out, "%s%zu %s", i ? " | " : "", i + 1, job_kind_name(job->spec.kind));
        for (size_t m = 0; m < job->member_count; m++) {
            const struct plan_member *member = &job->members[m];
            buf_printf(out, "%s %s%s%s/%lld", m ? "," : "", member->probe,
                       *member->probe ? " " : "", member->intervention,
                       (long long)member->seed);
            if (member->param_count)
                buf_puts(out, " ");
            plan_put_params(member, out);
        }
        for (size_t n = 0; n < job->need_count; n++)
            buf_printf(out, "%s %zu %s=%s", n ? "" : " needs", job->needs[n].job + 1,
                       job->needs[n].role, job->needs[n].state);
    }
}

static void assert_jobs(const char *text, const char *expected)
{
    struct plan *plan = make(text);
    struct buf got = {0};

    put_jobs(plan, &got);
    assert_string_equal(got.data, expected);
    buf_free(&got);
    plan_free(&plan);
    assert_null(plan);
    plan_free(&plan);
}

static void assert_spec(const struct plan *plan, size_t job, const char *expected)
{
    assert_true(job < plan->job_count);
    assert_string_equal(plan->jobs[job].text.data, expected);
}

/* ---- expansion --------------------------------------------------------------- */

static void test_one_run(void **state)
{
    struct plan *plan = make(SWEEP);

    (void)state;
    assert_string_equal(plan->name, "s");
    assert_string_equal(plan->file, "g.toml");
    assert_string_equal(plan->grid, SWEEP);
    assert_int_equal(plan->point_count, 1);
    assert_int_equal(plan->varied_count, 0);
    assert_spec(plan, 0,
                "coord-spec 1 train\nnumerics=3\nseed.augment=0\n"
                "seed.dropout=0\nseed.init=0\nseed.labels=0\nseed.order=0\n");
    plan_free(&plan);
}

static void test_product(void **state)
{
    (void)state;
    assert_jobs("[sweep]\nname = \"s\"\nseeds = [4, 2]\n"
                "[axes]\noptimizer.lr = [1, 2]\ntrain.epochs = [3, 4]\n",
                "1 train baseline/4 optimizer.lr=1.0, train.epochs=3 | "
                "2 train baseline/2 optimizer.lr=1.0, train.epochs=3 | "
                "3 train baseline/4 optimizer.lr=1.0, train.epochs=4 | "
                "4 train baseline/2 optimizer.lr=1.0, train.epochs=4 | "
                "5 train baseline/4 optimizer.lr=2.0, train.epochs=3 | "
                "6 train baseline/2 optimizer.lr=2.0, train.epochs=3 | "
                "7 train baseline/4 optimizer.lr=2.0, train.epochs=4 | "
                "8 train baseline/2 optimizer.lr=2.0, train.epochs=4");
}

static void test_interventions(void **state)
{
    (void)state;
    assert_jobs(SWEEP "[axes]\noptimizer.lr = [1, 2]\n"
                      "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
                      "set = { init.scale = 3, train.epochs = 5 }\n"
                      "axes = { train.epochs = [6, 7] }\n"
                      "[[intervention]]\nname = \"y\"\nrole = \"data\"\n"
                      "set = { data.labels.random = 0.5 }\n",
                "1 train baseline/0 optimizer.lr=1.0 | "
                "2 train baseline/0 optimizer.lr=2.0 | "
                "3 train x/0 init.scale=3.0, optimizer.lr=1.0, train.epochs=6 | "
                "4 train x/0 init.scale=3.0, optimizer.lr=1.0, train.epochs=7 | "
                "5 train x/0 init.scale=3.0, optimizer.lr=2.0, train.epochs=6 | "
                "6 train x/0 init.scale=3.0, optimizer.lr=2.0, train.epochs=7 | "
                "7 train y/0 data.labels.random=0.5, optimizer.lr=1.0 | "
                "8 train y/0 data.labels.random=0.5, optimizer.lr=2.0");
}

static void test_probes_follow_runs(void **state)
{
    (void)state;
    assert_jobs("[sweep]\nname = \"s\"\nseeds = 2\n"
                "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
                "[[probe]]\nname = \"l\"\nkind = \"layers\"\nfrom = \"epoch:3\"\n",
                "1 train baseline/0 | 2 train baseline/1 | "
                "3 probe p baseline/0 needs 1 a=init 1 b=final | "
                "4 probe l baseline/0 needs 1 a=epoch:3 1 b=final | "
                "5 probe p baseline/1 needs 2 a=init 2 b=final | "
                "6 probe l baseline/1 needs 2 a=epoch:3 2 b=final");
}

/* A point that comes to the same spec as another is the same job, listed under
 * both; and so are its probes, and two probes that ask the same. */
static void test_equal_jobs_are_one(void **state)
{
    (void)state;
    assert_jobs(SWEEP "[[intervention]]\nname = \"same\"\nrole = \"optimizer\"\n"
                      "axes = { optimizer.lr = [0.1, 0.2] }\n"
                      "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
                      "[[probe]]\nname = \"q\"\nkind = \"path\"\nalphas = 50\n",
                "1 train baseline/0, same/0 optimizer.lr=0.1 | "
                "2 train same/0 optimizer.lr=0.2 | "
                "3 probe p baseline/0, p same/0 optimizer.lr=0.1, q baseline/0, q same/0"
                " optimizer.lr=0.1 needs 1 a=init 1 b=final | "
                "4 probe p same/0 optimizer.lr=0.2, q same/0 optimizer.lr=0.2"
                " needs 2 a=init 2 b=final");
}

static void test_keys_do_not_depend_on_the_sweep(void **state)
{
    struct plan *a = make(SWEEP "[axes]\noptimizer.lr = [1, 2]\n");
    struct plan *b = make("[sweep]\nname = \"t\"\n[base.optimizer]\nlr = 2\n");

    (void)state;
    assert_string_equal(a->jobs[1].key, b->jobs[0].key);
    assert_string_not_equal(a->jobs[0].key, b->jobs[0].key);
    plan_free(&a);
    plan_free(&b);
}

static void assert_varied(const char *text, const char *expected)
{
    struct plan *plan = make(text);
    struct buf got = {0};

    buf_puts(&got, "");
    for (size_t i = 0; i < plan->varied_count; i++)
        buf_printf(&got, "%s%s", i ? " " : "", plan->varied[i]);
    assert_string_equal(got.data ? got.data : "", expected);
    buf_free(&got);
    plan_free(&plan);
}

static void test_varied(void **state)
{
    (void)state;
    assert_varied(SWEEP, "");
    assert_varied(SWEEP "[axes]\noptimizer.lr = [1]\ntrain.epochs = [2, 3]\n"
                        "[[intervention]]\nname = \"x\"\nrole = \"data\"\n"
                        "set = { data.train = 50, data.labels.random = 0.0 }\n"
                        "[[probe]]\nname = \"p\"\nkind = \"path\"\nsplits.train = 50\n",
                  "data.train train.epochs");
}

/* ---- probes ------------------------------------------------------------------ */

static void test_probe_spec(void **state)
{
    struct plan *plan =
        make(SWEEP "[[probe]]\nname = \"p\"\nkind = \"layers\"\n"
                   "groups = [\"fc2+conv1\", \"fc1\", \"all\"]\n"
                   "alphas = { from = -1, to = 2, n = 7 }\n"
                   "splits = { train = 100, test = 0.5 }\ntolerance = 0.1\n");
    struct buf expected = {0};

    (void)state;
    buf_printf(&expected,
               "coord-spec 1 probe\na.run=\"%s\"\na.state=\"init\"\nb.run=\"%s\"\n"
               "b.state=\"final\"\nnumerics=3\nprobe.alphas=7\nprobe.from=-1.0\n"
               "probe.groups=[\"all\",\"conv1+fc2\",\"fc1\"]\nprobe.kind=\"layers\"\n"
               "probe.splits.test=0.5\nprobe.splits.train=100\nprobe.to=2.0\n"
               "probe.tolerance=0.1\n",
               plan->jobs[0].key, plan->jobs[0].key);
    assert_spec(plan, 1, expected.data);
    assert_int_equal(plan->jobs[1].curve_rows, 7 * 3 * 2);
    assert_int_equal(plan->jobs[1].path_rows, 3 * 2);
    buf_free(&expected);
    plan_free(&plan);
}

/* Refined points are counted as they are; adapted ones, as many as there may be. */
static void test_more_alphas(void **state)
{
    struct plan *plan =
        make(SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = 5\n"
                   "refine = [{ near = 1, n = 7 }, { near = 1, n = 1, width = 0.25 }]\n"
                   "adapt = { tolerance = 0.1 }\n");
    struct buf text = {0};

    (void)state;
    spec_text(&plan->jobs[1].spec, &text);
    assert_non_null(strstr(text.data, "probe.adapt.most=100\nprobe.adapt.tolerance=0.1\n"
                                      "probe.alphas=5\n"));
    assert_non_null(strstr(text.data, "probe.refine=[[1.0,1,0.25],[1.0,7,0.0]]\n"));
    assert_int_equal(plan->jobs[1].curve_rows, 2 * (5 + 7 + 100));
    assert_true(plan->jobs[1].at_most && plan_count(plan).at_most);
    buf_clear(&text);
    plan_put(plan, FORM_TABLE, true, &text);
    assert_non_null(strstr(text.data, ", curve rows at most 224, path rows 2, jobs 2\n"));
    buf_clear(&text);
    plan_put(plan, FORM_JSON, true, &text);
    assert_non_null(strstr(text.data, "\"job_count\": 2, \"at_most\": true, \"jobs\""));
    buf_free(&text);
    plan_free(&plan);
}

/* Groups are resolved for each network of the sweep. */
/* A run's curves are one for each block, split and way of batch norm. What base says
 * about a network that an axis names is settled with it: one network is one job. */
static void test_blocks(void **state)
{
    struct plan *plan =
        make(SWEEP "[base]\nmodel.norm = \"batch\"\nmodel.width = 16\n"
                   "[axes]\nmodel.name = [\"resnet20\", \"resnet32\"]\n"
                   "[[intervention]]\nname = \"plain\"\nrole = \"model\"\n"
                   "set = { \"model.norm\" = \"none\", \"model.width\" = 8 }\n"
                   "[[probe]]\nname = \"p\"\nkind = \"layers\"\ngroups = \"blocks\"\n"
                   "alphas = [0, 1]\n");
    const struct plan_job *probe = &plan->jobs[4];
    struct value groups;
    struct buf text = {0};

    (void)state;
    spec_text(&plan->jobs[0].spec, &text);
    assert_null(strstr(text.data, "norm"));
    assert_null(strstr(text.data, "width"));
    buf_clear(&text);
    assert_int_equal(plan->jobs[0].spec.count, 7);
    assert_int_equal(probe->spec.kind, JOB_PROBE);
    assert_int_equal(spec_value(&probe->spec, "probe.groups", &groups, NULL), 0);
    value_text(&groups, &text);
    value_free(&groups);
    assert_string_equal(text.data, "[\"stem\",\"B1\",\"B2\",\"B3\",\"fc\"]");
    assert_int_equal(probe->curve_rows, 2 * 2 * 2 * 5);
    buf_free(&text);
    plan_free(&plan);
}

static void test_groups_follow_the_model(void **state)
{
    struct plan *plan =
        make(SWEEP "[axes]\nmodel.name = [\"lenet5\", \"lenet-300-100\"]\n"
                   "[[probe]]\nname = \"p\"\nkind = \"layers\"\n"
                   "alphas = [0, 1]\n");
    struct value groups;
    struct buf text = {0};

    (void)state;
    for (size_t job = 2; job < 4; job++) {
        assert_int_equal(spec_value(&plan->jobs[job].spec, "probe.groups", &groups, NULL),
                         0);
        value_text(&groups, &text);
        value_free(&groups);
    }
    assert_string_equal(text.data, "[\"conv1\",\"conv2\",\"fc1\",\"fc2\",\"fc3\"]"
                                   "[\"fc1\",\"fc2\",\"fc3\"]");
    assert_int_equal(plan->jobs[2].curve_rows, 20);
    assert_int_equal(plan->jobs[3].curve_rows, 12);
    buf_free(&text);
    plan_free(&plan);
}

/* States in mid-training are kept because a probe needs them, and are part of
 * the run's key. */
static void test_needed_states_are_kept(void **state)
{
    struct plan *plan = make(SWEEP "[base]\ntrain.keep = [\"epoch:7\"]\n"
                                   "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
                                   "from = \"epoch:2\"\nto = \"step:9\"\n"
                                   "[[probe]]\nname = \"q\"\nkind = \"path\"\n");

    (void)state;
    assert_non_null(
        strstr(plan->jobs[0].text.data,
               "train.keep=[\"final\",\"step:9\",\"epoch:2\",\"epoch:7\"]\n"));
    plan_free(&plan);
}

static void test_counts(void **state)
{
    struct plan *plan = make("[sweep]\nname = \"s\"\nseeds = 3\n"
                             "[[intervention]]\nname = \"same\"\nrole = \"init\"\n"
                             "set = { init.scale = 1.0 }\n"
                             "[[probe]]\nname = \"p\"\nkind = \"path\"\n");
    struct plan_counts counts = plan_count(plan);

    (void)state;
    assert_int_equal(plan->point_count, 6);
    assert_int_equal(counts.jobs, 6);
    assert_int_equal(counts.runs, 6);
    assert_int_equal(counts.probes, 6);
    assert_int_equal(counts.curve_rows, 6 * 50 * 2);
    assert_int_equal(counts.path_rows, 6 * 2);
    plan_free(&plan);
}

static void test_limits(void **state)
{
    struct plan *plan = make("[sweep]\nname = \"s\"\nmax_running = 0\n"
                             "[limits]\ntime = 60\n");

    (void)state;
    assert_int_equal(plan->max_running, 0);
    assert_int_equal(plan->time_limit_s, 60);
    plan_free(&plan);
}

/* ---- errors ------------------------------------------------------------------ */

static const struct {
    const char *text, *error;
} BAD[] = {
    {SWEEP "[base]\noptimizer.nesterov = true\n",
     "g.toml:4:11: key 'optimizer.nesterov': needs optimizer.momentum above 0"},
    {SWEEP "[base]\nmodel.widths = [3]\n",
     "g.toml:4:7: key 'model.widths': applies only where model.name is mlp"},
    {SWEEP "[axes]\nmodel.widths = [[3]]\nmodel.name = [\"mlp\", \"lenet5\"]\n",
     "g.toml:4:17: key 'model.widths': applies only where model.name is mlp"
     " (intervention 'baseline' with model.name=\"lenet5\", model.widths=[3])"},
    {SWEEP "[[intervention]]\nname = \"x\"\nrole = \"optimizer\"\n"
           "set = { train.schedule.at = [3] }\n",
     "g.toml:6:24: key 'train.schedule.at': applies only where train.schedule.name is"
     " step (intervention 'x' with train.schedule.at=[3])"},
    {SWEEP "[axes]\ndata.train = [100,\n 60001]\n",
     "g.toml:5:2: key 'data.train': asks for more than the 60000 examples there are"
     " (intervention 'baseline' with data.train=60001)"},
    {SWEEP "[base]\ntrain.eval.train = 2000\n[axes]\ndata.train = [1000]\n",
     "g.toml:4:12: key 'train.eval.train': asks for more than the 1000 examples there are"
     " (intervention 'baseline' with data.train=1000)"},
    {SWEEP "[base]\ndata.train = 12001\n[axes]\ndata.classes = [[], [1, 2]]\n",
     "g.toml:4:6: key 'data.train': asks for more than the 12000 examples there are"
     " (intervention 'baseline' with data.classes=[1,2])"},
    {SWEEP SPIRAL "data.classes = [0, 1]\n",
     "g.toml:6:6: key 'data.classes': applies only where data.name is fashion-mnist or"
     " mnist or cifar10 or cifar100 or blobs"},
    {SWEEP SPIRAL "data.shuffle = 1\n",
     "g.toml:6:6: key 'data.shuffle': applies only where data.name is fashion-mnist or"
     " mnist or cifar10 or cifar100 or blobs"},
    {SWEEP "[base]\ndata.blur = 8\n[axes]\ndata.name = [\"cifar10\", \"mnist\"]\n",
     "g.toml:4:6: key 'data.blur': blocks of 8 do not tile images of 28 x 28"
     " (intervention 'baseline' with data.name=\"mnist\")"},
    {SWEEP SPIRAL "data.zero_out = 0.1\n",
     "g.toml:6:6: key 'data.zero_out': applies only where data.name is fashion-mnist or"
     " mnist or cifar10 or cifar100 or blobs"},
    {SWEEP "[base]\ndata.classes = [2, 1]\n",
     "g.toml:4:6: key 'data.classes': expected a list of integers from 0 to 99,"
     " ascending, got [2,1]"},
    {SWEEP "[base]\ntrain.keep = [\"epoch:11\"]\n",
     "g.toml:4:7: key 'train.keep': \"epoch:11\" is after the last epoch, 10"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\nfrom = \"epoch:11\"\n",
     "g.toml:6:1: key 'from': \"epoch:11\" is after the last epoch, 10 (probe 'p')"},
    {SWEEP "[base]\ntrain.epochs = 100000\n",
     "g.toml:4:7: key 'train.epochs': gives 300003 rows of history, at most 65536 can be"
     " sent"},
    {SWEEP "[base]\ndata.name = \"spiral\"\n",
     "g.toml:4:6: key 'data.name': model \"lenet5\" on data \"spiral\": layer pool1: its"
     " 2x2 window does not fit into 1x1"},
    {SWEEP SPIRAL "data.augment = [\"flip\"]\n",
     "g.toml:6:6: key 'data.augment': applies only where data.name is fashion-mnist or"
     " mnist or cifar10 or cifar100 or blobs"},
    {SWEEP SPIRAL "[[probe]]\nname = \"p\"\nkind = \"layers\"\n"
                  "groups = [\"fc1\",\n \"conv1\"]\n",
     "g.toml:10:2: key 'groups': unknown group \"conv1\": the network has fc1, fc2 "
     "(probe 'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"layers\"\ngroups = [\"fc11\"]\n",
     "g.toml:6:11: key 'groups': unknown group \"fc11\" (did you mean \"fc1\"?) (probe "
     "'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"layers\"\n"
           "groups = [\"fc1+fc2\", \"fc2+fc1\"]\n",
     "g.toml:6:22: key 'groups': group \"fc2+fc1\" is there twice (probe 'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\nsplits = { test = 10001 }\n",
     "g.toml:6:12: key 'splits.test': asks for more than the 10000 examples there are "
     "(probe 'p')"},
    {SWEEP "[base]\ndata.train = 10\n"
           "[[probe]]\nname = \"p\"\nkind = \"path\"\nsplits = { train = 11 }\n",
     "g.toml:8:12: key 'splits.train': asks for more than the 10 examples there are "
     "(probe 'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
           "alphas = { from = 1, to = 0.5, n = 3 }\n",
     "g.toml:6:12: key 'from': expected the first alpha below the last (probe 'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\nbn = [\"interp\"]\n",
     "g.toml:6:1: key 'bn': no network of this grid has norm layers to apply it to "
     "(probe 'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\nsplits.bn = 100\n",
     "g.toml:6:8: key 'splits.bn': no network of this grid has norm layers to apply it "
     "to (probe 'p')"},
    {SWEEP "[base]\ntrain.schedule = { name = \"step\", at = [10] }\n",
     "g.toml:4:35: key 'train.schedule.at': a drop after epoch 10 changes nothing,"
     " training ends after 10"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"layers\"\nalphas = 10000\n",
     "g.toml:6:1: key 'alphas': gives 100000 points, at most 65536 can be sent (probe "
     "'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"layers\"\n"
           "refine = { near = 1, n = 10000 }\n",
     "g.toml:6:1: key 'refine': gives 100500 points, at most 65536 can be sent (probe "
     "'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"layers\"\nadapt = { most = 7000 }\n",
     "g.toml:6:11: key 'adapt.most': gives up to 70500 points, at most 65536 can be"
     " sent (probe 'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
           "refine = { near = 1.01, n = 20 }\n",
     "g.toml:6:1: key 'refine': near = 1.01 is outside the alphas, 0 to 1 (probe 'p')"},
    {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
           "adapt = { most = 0, tolerance = 0.1 }\n",
     "g.toml:6:21: key 'adapt.tolerance': applies only where adapt.most is above 0 "
     "(probe 'p')"},
    {"[sweep]\nname = \"s\"\nseeds = 10000\n[axes]\n"
     "optimizer.lr = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n",
     "g.toml:1:1: the grid has more than 100000 points"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct error err = {0};
        struct plan *plan =
            plan_from_grid(BAD[i].text, strlen(BAD[i].text), "g.toml", &err);
        if (plan)
            fail_msg("no error in: %s", BAD[i].text);
        assert_string_equal(err.text, BAD[i].error);
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void test_size_is_bounded(void **state)
{
    struct error err = {0};
    size_t size = (1 << 20) + 1;
    char *text = calloc(1, size);

    (void)state;
    assert_non_null(text);
    assert_null(plan_from_grid(text, size, "g.toml", &err));
    assert_string_equal(err.text, "g.toml:1:1: a grid of more than 1048576 bytes");
    free(text);
}

static void test_many_points(void **state)
{
    struct plan *plan = make("[sweep]\nname = \"s\"\nseeds = 2000\n" SPIRAL
                             "[[probe]]\nname = \"p\"\nkind = \"path\"\n");

    (void)state;
    assert_int_equal(plan->job_count, 4000);
    assert_int_equal(plan->jobs[3999].needs[0].job, 1999);
    assert_int_equal(plan->jobs[3999].members[0].seed, 1999);
    plan_free(&plan);
}

/* ---- printing ---------------------------------------------------------------- */

static void test_print(void **state)
{
    struct plan *plan = make(SWEEP "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
                                   "set = { init.scale = 2 }\n"
                                   "[[probe]]\nname = \"p\"\nkind = \"path\"\n");
    struct buf text = {0};

    (void)state;
    plan_put(plan, FORM_TABLE, true, &text);
    assert_string_equal(text.data,
                        "s: runs 2, probes 2, curve rows 200, path rows 4, jobs 4\n"
                        "number  kind   key           intervention  seed  probe  params\n"
                        "     1  train  af8d1efd385d  baseline         0  -      -\n"
                        "     2  train  be0a0d072f9d  x                0  -      "
                        "init.scale=2.0\n"
                        "     3  probe  b9b942a0f0fd  baseline         0  p      -\n"
                        "     4  probe  284fb969f730  x                0  p      "
                        "init.scale=2.0\n");
    buf_clear(&text);
    plan_put(plan, FORM_CSV, true, &text);
    assert_non_null(strstr(text.data, "\n2,train,"));
    buf_clear(&text);
    plan_put(plan, FORM_JSON, true, &text);
    assert_non_null(strstr(text.data,
                           "\"curve_rows\": 200, \"path_rows\": 4,"
                           " \"plane_rows\": 0, \"derived\": 0, \"part_count\": 0,"
                           " \"job_count\": 4, \"jobs\": ["));
    buf_free(&text);
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_interventions),
        cmocka_unit_test(test_probes_follow_runs),
        cmocka_unit_test(test_equal_jobs_are_one),
        cmocka_unit_test(test_keys_do_not_depend_on_the_sweep),
        cmocka_unit_test(test_varied),
        cmocka_unit_test(test_probe_spec),
        cmocka_unit_test(test_more_alphas),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_groups_follow_the_model),
        cmocka_unit_test(test_needed_states_are_kept),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_size_is_bounded),
        cmocka_unit_test(test_many_points),
        cmocka_unit_test(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
