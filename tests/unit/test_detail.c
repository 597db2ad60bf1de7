/* What a probe tells beyond its points: classes add up to their point, kept losses are
 * those of the examples, and states lie where a naive twin says. */

#include "tests/unit/run_fixture.h"

#include "common/arch.h"
#include "common/safetensors.h"
#include "worker/ckpt/ckpt.h"
#include "worker/endpoint.h"
#include "worker/eval.h"
#include "worker/probe/detail.h"
#include "worker/probe/path.h"
#include "worker/probe/probe.h"
#include "worker/probe/trajectory.h"

#include <math.h>
#include <stdio.h>

enum { ALPHAS = 5, TRAIN = 300, TEST = 400, KEPT = 150, STATES = 5 };

#define RUN "\"00000000000000000000000000000000\""

/* A trained run, and inputs of its states "init", "final", "epoch:1", "step:9" and of a
 * run that has none. */
struct subject {
    struct spec spec;
    struct buf text;
    struct outcome out;
    struct arch *arch;
    char paths[STATES][256];
    struct msg_input inputs[STATES];
};

static struct subject make_subject(const struct fixture *fix)
{
    static const char *const ROLES[] = {"a", "b", "s1", "s2"};
    static const char *const NAMES[] = {"init", "final", "epoch:1", "step:9"};
    struct subject s = {.spec = run_spec()};

    fixture_set(&s.spec, "train.keep", "[\"final\",\"step:9\",\"epoch:1\"]");
    spec_text(&s.spec, &s.text);
    s.out = run_train(fix, &s.spec);
    s.arch = arch_build(&s.spec, NULL);
    assert_non_null(s.arch);
    for (int i = 0; i < 4; i++) {
        const struct msg_state *row = outcome_state(&s.out, NAMES[i]);
        char name[64];

        assert_non_null(row);
        snprintf(name, sizeof name, "%.*s.safetensors", (int)row->hash.size,
                 row->hash.data);
        fixture_path(fix, name, s.paths[i], sizeof s.paths[i]);
        s.inputs[i] = (struct msg_input){.role = slice_of(ROLES[i]),
                                         .state = slice_of(NAMES[i]),
                                         .spec = {s.text.data, s.text.size},
                                         .hash = row->hash,
                                         .stored = row->stored};
    }
    return s;
}

/* Slices into the subject itself, so where it lies for good. */
static void place_paths(struct subject *s)
{
    for (int i = 0; i < 4; i++)
        if (s->inputs[i].stored)
            s->inputs[i].path = slice_of(s->paths[i]);
}

static void subject_free(struct subject *s)
{
    arch_free(&s->arch);
    outcome_free(&s->out);
    buf_free(&s->text);
    spec_free(&s->spec);
}

static struct spec probe_spec(void)
{
    struct spec spec = fixture_spec(
        JOB_PROBE, "a.run", RUN, "a.state", "\"init\"", "b.run", RUN, "b.state",
        "\"final\"", "probe.kind", "\"layers\"", "probe.groups", "[\"all\",\"fc1\"]",
        "probe.alphas", "5", "probe.splits.train", "300", "probe.splits.test", "400",
        "probe.classes", "true", "probe.examples", "150", NULL);

    return spec;
}

static struct outcome run_probe(const struct fixture *fix, const struct spec *spec,
                                const struct subject *s, size_t inputs, bool naive)
{
    const struct probe_env env = {.dir = fix->dir, .naive = naive};
    struct outcome out = {.sink = sink_new(NULL, NULL)};
    struct error err = {0};

    assert_non_null(out.sink);
    if (probe_run(spec, s->inputs, inputs, &env, out.sink, &err))
        fail_msg("%s", err.text);
    sink_fill(out.sink, &out.result);
    return out;
}

/* ---- classes --------------------------------------------------------------------- */

static void classes_add_up(void **state)
{
    struct fixture *fix = *state;
    struct subject s = make_subject(fix);
    struct spec spec = probe_spec();
    struct outcome out;
    uint32_t at = 0;

    place_paths(&s);
    out = run_probe(fix, &spec, &s, 2, false);
    assert_int_equal(out.result.point_count, 2 * ALPHAS * 2);
    for (uint32_t p = 0; p < out.result.point_count; p++) {
        const struct tally *want = &out.result.points[p].tally;
        struct tally got = {0};
        uint32_t classes = 0;

        for (; at < out.result.class_count && out.result.classes[at].point == p; at++) {
            const struct msg_class *row = &out.result.classes[at];
            assert_int_equal(row->class, classes++);
            got.count += row->tally.count;
            got.correct += row->tally.correct;
            got.sum += row->tally.sum;
            got.sum_sq += row->tally.sum_sq;
        }
        assert_int_equal(classes, s.arch->classes);
        assert_int_equal(got.count, want->count);
        assert_int_equal(got.correct, want->correct);
        assert_true(fabs(got.sum / want->sum - 1) < 1e-14);
        assert_true(fabs(got.sum_sq / want->sum_sq - 1) < 1e-14);
    }
    assert_int_equal(at, out.result.class_count);
    outcome_free(&out);
    subject_free(&s);
    spec_free(&spec);
}

/* ---- examples -------------------------------------------------------------------- */

static struct st_file *open_kept(const struct fixture *fix, const struct outcome *out)
{
    const struct msg_state *row = outcome_state(out, DETAIL_STATE);
    char name[64], path[256], hash[HASH_TEXT];
    struct error err = {0};
    uint64_t size;

    assert_non_null(row);
    assert_true(row->stored);
    snprintf(name, sizeof name, "%.*s.safetensors", (int)row->hash.size, row->hash.data);
    fixture_path(fix, name, path, sizeof path);
    assert_int_equal(hash_file(path, hash, &size, &err), 0);
    assert_true(slice_is(row->hash, hash) && size == row->size);
    struct st_file *file = st_open(path, &err);
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static const struct st_tensor *find(const struct st_file *file, const char *name,
                                    enum st_dtype dtype, int rank, int64_t n, int64_t k)
{
    const struct st_tensor *tensor = st_find(file, name);

    if (!tensor)
        fail_msg("no tensor %s", name);
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor->rank, rank);
    assert_int_equal(tensor->dim[0], n);
    if (rank > 1)
        assert_int_equal(tensor->dim[1], k);
    return tensor;
}

/* Example by example, with a network and a state of its own. */
static void check_kept(const struct subject *s, const struct st_file *file,
                       const real *theta, const char *split, int index)
{
    const enum split which = strcmp(split, "train") ? SPLIT_TEST : SPLIT_TRAIN;
    const struct net_options engine = {.batch_max = EVAL_BATCH, .isa = isa_choose()};
    struct dataset *data = dataset_open(&s->spec, NULL, NULL);
    struct net *net = net_new(s->arch, &engine, NULL);
    float x[2 * EVAL_BATCH], got;
    char name[64];
    uint8_t label, right, predicted;
    double loss;

    assert_true(data && net);
    snprintf(name, sizeof name, "all/none/%s/losses", split);
    const struct st_tensor *losses = find(file, name, ST_F32, 2, ALPHAS, KEPT);
    snprintf(name, sizeof name, "all/none/%s/predicted", split);
    const struct st_tensor *answers = find(file, name, ST_U8, 2, ALPHAS, KEPT);
    snprintf(name, sizeof name, "%s/labels", split);
    const struct st_tensor *labels = find(file, name, ST_U8, 1, KEPT, 0);
    for (uint32_t i = 0; i < KEPT; i++) {
        const size_t at = (size_t)index * KEPT + i;

        dataset_fetch(data, which, &i, 1, x, &label);
        const real *logits = net_forward(net, theta, x, 1);
        loss_softmax(&loss, &right, NULL, logits, &label, 1, s->arch->classes);
        loss_predict(&predicted, logits, 1, s->arch->classes);
        memcpy(&got, (const uint8_t *)losses->data + at * sizeof got, sizeof got);
        assert_true(fabs((double)got - loss) <= 1e-5 * (1 + loss));
        assert_int_equal(((const uint8_t *)answers->data)[at], predicted);
        assert_int_equal(((const uint8_t *)labels->data)[i], label);
    }
    net_free(&net);
    dataset_free(&data);
}

static void load(const struct subject *s, const char *role, struct endpoint *ret)
{
    struct error err = {0};

    if (endpoint_load(s->inputs, 4, role, ret, &err))
        fail_msg("%s", err.text);
}

static void kept_losses_are_the_examples(void **state)
{
    struct fixture *fix = *state;
    struct subject s = make_subject(fix);
    struct spec spec = probe_spec();
    struct endpoint a, b;
    struct outcome out, naive;

    place_paths(&s);
    load(&s, "a", &a);
    load(&s, "b", &b);
    out = run_probe(fix, &spec, &s, 2, false);
    naive = run_probe(fix, &spec, &s, 2, true);
    struct st_file *file = open_kept(fix, &out);
    real *theta = malloc(s.arch->state_count * sizeof *theta);
    assert_non_null(theta);
    for (int i = 0; i < ALPHAS; i++) {
        const struct st_tensor *alphas =
            find(file, "all/none/alphas", ST_F64, 1, ALPHAS, 0);
        double alpha;
        memcpy(&alpha, (const uint8_t *)alphas->data + (size_t)i * sizeof alpha,
               sizeof alpha);
        assert_true(alpha == i / 4.0);
        path_lerp(theta, a.theta, b.theta, alpha, s.arch->state_count);
        check_kept(&s, file, theta, "train", i);
        check_kept(&s, file, theta, "test", i);
    }
    /* The end that all groups share is every group's. */
    const struct st_tensor *all = st_find(file, "all/none/test/losses");
    const struct st_tensor *fc1 = st_find(file, "fc1/none/test/losses");
    assert_true(all && fc1);
    assert_memory_equal((const float *)all->data + 4 * KEPT,
                        (const float *)fc1->data + 4 * KEPT, KEPT * sizeof(float));
    assert_int_equal(st_count(file), 2 * 5 + 2);
    assert_non_null(outcome_state(&naive, DETAIL_STATE));
    free(theta);
    st_close(&file);
    endpoint_free(&a);
    endpoint_free(&b);
    outcome_free(&out);
    outcome_free(&naive);
    subject_free(&s);
    spec_free(&spec);
}

static void nothing_asked_nothing_kept(void **state)
{
    struct fixture *fix = *state;
    struct subject s = make_subject(fix);
    struct spec spec = probe_spec();
    struct outcome out;

    place_paths(&s);
    fixture_set(&spec, "probe.classes", "false");
    fixture_set(&spec, "probe.examples", "0");
    out = run_probe(fix, &spec, &s, 2, false);
    assert_int_equal(out.result.class_count, 0);
    assert_int_equal(out.result.state_count, 0);
    assert_int_equal(out.result.place_count, 0);
    outcome_free(&out);
    fixture_set(&spec, "probe.examples", "301");
    struct sink *sink = sink_new(NULL, NULL);
    const struct probe_env env = {.dir = fix->dir};
    struct error err = {0};
    assert_int_equal(probe_run(&spec, s.inputs, 2, &env, sink, &err), -1);
    assert_string_equal(err.text, "losses of 301 examples are to be kept, but only 300 of"
                                  " the train split are evaluated");
    sink_free(&sink);
    subject_free(&s);
    spec_free(&spec);
}

/* Points that a curve asks for itself have it all, too. */
static void asked_points_have_it_all(void **state)
{
    struct fixture *fix = *state;
    struct subject s = make_subject(fix);
    struct spec spec = probe_spec();
    struct outcome out;
    size_t count;

    place_paths(&s);
    fixture_set(&spec, "probe.kind", "\"path\"");
    fixture_set(&spec, "probe.groups", "[]");
    fixture_set(&spec, "probe.alphas", "[0.0,1.0]");
    fixture_set(&spec, "probe.adapt.most", "9");
    fixture_set(&spec, "probe.adapt.tolerance", "0.001");
    out = run_probe(fix, &spec, &s, 2, false);
    count = out.result.point_count / 2;
    assert_true(count > 2 && count <= 11);
    assert_int_equal(out.result.class_count, 2 * count * (size_t)s.arch->classes);
    struct st_file *file = open_kept(fix, &out);
    const struct st_tensor *alphas =
        find(file, "all/none/alphas", ST_F64, 1, (int64_t)count, 0);
    find(file, "all/none/test/losses", ST_F32, 2, (int64_t)count, KEPT);
    for (size_t i = 0; i < 2 * count; i++) {
        const struct msg_point *point = &out.result.points[i];
        assert_memory_equal((const uint8_t *)alphas->data + i / 2 * sizeof(double),
                            &point->alpha, sizeof point->alpha);
    }
    st_close(&file);
    outcome_free(&out);
    subject_free(&s);
    spec_free(&spec);
}

/* ---- batches told by hand ---------------------------------------------------------- */

static void tell(struct detail *detail, size_t point, int64_t from, int B, double loss)
{
    double losses[8];
    uint8_t labels[8], right[8], predicted[8];
    const struct curve_batch batch = {.point = point,
                                      .split = SPLIT_TEST,
                                      .from = from,
                                      .B = B,
                                      .losses = losses,
                                      .labels = labels,
                                      .right = right,
                                      .predicted = predicted};

    for (int i = 0; i < B; i++) {
        losses[i] = loss + (double)(from + i);
        labels[i] = predicted[i] = (uint8_t)((from + i) % 2);
        right[i] = 1;
    }
    detail_batch(detail, &batch);
}

/* Points in any order, and one that is told again counts once. */
static void told_again_counts_once(void **state)
{
    const struct detail_plan plan = {.classes = true, .class_count = 2};
    struct detail *detail = detail_new(&plan, NULL);
    struct sink *sink = sink_new(NULL, NULL);
    struct msg_result result = {0};
    const struct msg_point point = {
        .grp = slice_of("all"), .bn = slice_of("none"), .split = slice_of("test")};

    (void)state;
    tell(detail, 3, 0, 8, 1);
    tell(detail, 0, 0, 8, NAN);
    tell(detail, 3, 8, 3, 1);
    tell(detail, 3, 0, 8, 2);
    tell(detail, 3, 8, 3, 2);
    assert_int_equal(sink_point(sink, &point, NULL), 0);
    assert_int_equal(detail_point(detail, 3, SPLIT_TEST, 0.5, sink, NULL), 0);
    assert_int_equal(sink_point(sink, &point, NULL), 0);
    assert_int_equal(detail_point(detail, 0, SPLIT_TEST, 0.25, sink, NULL), 0);
    sink_fill(sink, &result);
    assert_int_equal(result.class_count, 4);
    assert_int_equal(result.classes[0].point, 0);
    assert_int_equal(result.classes[0].tally.count, 6);
    assert_true(result.classes[0].tally.sum == 6 * 2 + 30);
    assert_int_equal(result.classes[1].tally.count, 5);
    assert_true(result.classes[1].tally.sum == 5 * 2 + 25);
    assert_int_equal(result.classes[2].point, 1);
    assert_int_equal(result.classes[2].tally.nan_count, 4);
    sink_free(&sink);
    detail_free(&detail);
}

/* What is kept goes through bytes and back, and on from there. */
static void kept_curves_are_taken_up(void **state)
{
    const struct detail_plan plan = {.examples = 3, .class_count = 2};
    struct detail *first = detail_new(&plan, NULL), *second = detail_new(&plan, NULL);
    struct sink *sink = sink_new(NULL, NULL);
    struct buf half = {0}, whole = {0}, again = {0};
    struct error err = {0};

    (void)state;
    for (int curve = 0; curve < 2; curve++) {
        if (curve == 1) {
            assert_int_equal(detail_save(first, &half, &err), 0);
            assert_int_equal(detail_load(second, half.data, half.size, "half", &err), 0);
        }
        for (int on = 0; on <= curve; on++) {
            struct detail *detail = on ? second : first;
            for (size_t i = 0; i < 2; i++) {
                tell(detail, i, 0, 8, curve + (double)i);
                assert_int_equal(
                    detail_point(detail, i, SPLIT_TEST, 0.25 * (double)i, sink, &err), 0);
            }
            assert_int_equal(
                detail_curve(detail, curve ? "fc1" : "all", CURVE_NONE, 2, &err), 0);
        }
    }
    assert_int_equal(detail_save(first, &whole, &err), 0);
    assert_int_equal(detail_save(second, &again, &err), 0);
    assert_true(whole.size == again.size && half.size < whole.size);
    assert_memory_equal(whole.data, again.data, whole.size);
    detail_free(&second);
    second = detail_new(&(struct detail_plan){.examples = 4, .class_count = 2}, NULL);
    assert_int_equal(detail_load(second, half.data, half.size, "half", &err), -1);
    assert_string_equal(err.text, "'all/none/train/losses' is missing or has another"
                                  " shape");
    assert_int_equal(detail_load(second, half.data, 20, "half", &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    buf_free(&half);
    buf_free(&whole);
    buf_free(&again);
    sink_free(&sink);
    detail_free(&first);
    detail_free(&second);
}

/* ---- trajectory ------------------------------------------------------------------- */

/* The definitions, over vectors made anew, in long double. */
static struct msg_place naive_place(const struct arch *arch, const char *group,
                                    const real *a, const real *b, const real *s)
{
    long double dd = 0, vd = 0, vv = 0, uu = 0, vu = 0, ww = 0, alpha;
    struct msg_place place;

    for (int pass = 0; pass < 2; pass++)
        for (int t = 0; t < arch->param_tensors; t++)
            for (size_t k = 0; k < arch->tensors[t].count; k++) {
                const size_t i = arch->tensors[t].offset + k;
                const long double d = (long double)b[i] - (long double)a[i];
                const long double v = (long double)s[i] - (long double)a[i];
                const long double u = (long double)b[i] - (long double)s[i];
                if (!arch_in_group(arch, t, group))
                    continue;
                if (pass == 0) {
                    dd += d * d;
                    vd += v * d;
                    vv += v * v;
                    uu += u * u;
                    vu += v * u;
                } else
                    ww += (v - vd / dd * d) * (v - vd / dd * d);
            }
    alpha = vd / dd;
    place.alpha = (double)alpha;
    place.dist = (double)sqrtl(ww);
    place.rel = (double)sqrtl(ww / dd);
    place.angle = (double)(acosl(vd / sqrtl(vv * dd)) * 180 / acosl(-1));
    place.corner = (double)(acosl(vu / sqrtl(vv * uu)) * 180 / acosl(-1));
    return place;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-10 * fabs(want)))
        fail_msg("%.17g, expected %.17g", got, want);
}

static void states_lie_where_they_do(void **state)
{
    static const char *const GROUPS[] = {"all", "fc1"};
    static const char *const ROLES[] = {"s1", "s2"};
    static const char *const NAMES[] = {"epoch:1", "step:9"};
    struct fixture *fix = *state;
    struct subject s = make_subject(fix);
    struct spec spec = probe_spec();
    struct endpoint a, b, between;
    struct outcome out;

    place_paths(&s);
    load(&s, "a", &a);
    load(&s, "b", &b);
    out = run_probe(fix, &spec, &s, 4, false);
    assert_int_equal(out.result.place_count, 4);
    for (int i = 0; i < 4; i++) {
        const struct msg_place *got = &out.result.places[i];
        load(&s, ROLES[i / 2], &between);
        const struct msg_place want =
            naive_place(s.arch, GROUPS[i % 2], a.theta, b.theta, between.theta);
        assert_true(slice_is(got->grp, GROUPS[i % 2]));
        assert_true(slice_is(got->state, NAMES[i / 2]));
        assert_near(got->alpha, want.alpha);
        assert_near(got->dist, want.dist);
        assert_near(got->rel, want.rel);
        assert_near(got->angle, want.angle);
        assert_near(got->corner, want.corner);
        assert_true(got->alpha > 0 && got->alpha < 1 && got->angle < 90);
        endpoint_free(&between);
    }
    endpoint_free(&a);
    endpoint_free(&b);
    outcome_free(&out);
    subject_free(&s);
    spec_free(&spec);
}

/* Ends, a point of the line, a state behind a, and no line at all. */
static void places_at_the_edges(void **state)
{
    struct spec spec = run_spec();
    struct arch *arch = arch_build(&spec, NULL);
    const size_t n = arch->state_count;
    real *a = calloc(n, sizeof *a), *b = calloc(n, sizeof *b), *s = calloc(n, sizeof *s);
    struct msg_place at;

    (void)state;
    assert_true(a && b && s);
    a[0] = 1;
    b[0] = 5;
    memcpy(s, a, n * sizeof *s);
    at = trajectory_place(arch, "all", a, b, s);
    assert_true(at.alpha == 0 && at.dist == 0 && isnan(at.angle) && isnan(at.corner));
    memcpy(s, b, n * sizeof *s);
    at = trajectory_place(arch, "all", a, b, s);
    assert_true(at.alpha == 1 && at.dist == 0 && at.angle == 0 && isnan(at.corner));
    s[0] = 2;
    at = trajectory_place(arch, "all", a, b, s);
    assert_true(at.alpha == 0.25 && at.rel == 0 && at.angle == 0 && at.corner == 0);
    s[0] = -1;
    at = trajectory_place(arch, "all", a, b, s);
    assert_true(at.alpha == -0.5 && at.angle == 180 && at.corner == 180);
    s[0] = 3;
    s[1] = 2;
    at = trajectory_place(arch, "all", a, b, s);
    assert_true(at.alpha == 0.5 && at.dist == 2 && at.rel == 0.5);
    assert_near(at.angle, 45);
    assert_near(at.corner, 90);
    at = trajectory_place(arch, "fc2", a, b, s);
    assert_true(isnan(at.alpha) && at.dist == 0 && isnan(at.rel) && isnan(at.angle));
    at = trajectory_place(arch, "all", a, a, s);
    assert_true(isnan(at.alpha) && at.dist == sqrt(8) && isnan(at.corner));
    s[7] = NAN;
    at = trajectory_place(arch, "all", a, b, s);
    assert_true(isnan(at.alpha) && isnan(at.dist) && isnan(at.angle));
    free(a);
    free(b);
    free(s);
    arch_free(&arch);
    spec_free(&spec);
}

static void a_damaged_state_is_refused(void **state)
{
    struct fixture *fix = *state;
    struct subject s = make_subject(fix);
    struct spec spec = probe_spec();
    struct sink *sink = sink_new(NULL, NULL);
    const struct probe_env env = {.dir = fix->dir};
    struct error err = {0};
    char text[256];

    place_paths(&s);
    s.inputs[3].hash = s.inputs[2].hash;
    assert_int_equal(probe_run(&spec, s.inputs, 4, &env, sink, &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    snprintf(text, sizeof text,
             "state 'step:9' for 's2' has the hash %.32s, expected %.32s: it was made by"
             " other code, or is damaged",
             outcome_state(&s.out, "step:9")->hash.data, s.inputs[2].hash.data);
    assert_string_equal(err.text, text);
    sink_free(&sink);
    subject_free(&s);
    spec_free(&spec);
}

#define WITH_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(classes_add_up),
        WITH_FOLDER(kept_losses_are_the_examples),
        WITH_FOLDER(asked_points_have_it_all),
        WITH_FOLDER(nothing_asked_nothing_kept),
        cmocka_unit_test(told_again_counts_once),
        cmocka_unit_test(kept_curves_are_taken_up),
        WITH_FOLDER(states_lie_where_they_do),
        cmocka_unit_test(places_at_the_edges),
        WITH_FOLDER(a_damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
