/* A probe that is cut into parts, by groups, alphas and examples, each made by itself,
 * comes to the bytes of one that is not; parts that are not its own are refused. */

#include "tests/unit/partkit.h"

#include "common/part.h"

#include "worker/nn/team.h"

enum { TRAIN = 300, TEST = 400, INPUTS_MAX = 2 + PARTS_MAX };

/* Parts of a probe, and what they left. */
struct parts {
    size_t count;
    struct part list[PARTS_MAX];
    struct buf specs[PARTS_MAX];
    char hashes[PARTS_MAX][HASH_TEXT], paths[PARTS_MAX][256];
};

static void parts_free(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        buf_free(&parts->specs[i]);
}

static void run(const struct fixture *fix, const struct spec *spec,
                const struct msg_input *inputs, size_t count, struct team *team,
                struct sink *sink)
{
    const struct probe_env env = {.dir = fix->dir, .team = team};
    struct error err = {0};

    if (probe_run(spec, inputs, count, &env, sink, &err))
        fail_msg("%s", err.text);
}

static void make_part(const struct fixture *fix, const struct subject *s,
                      const struct spec *whole, struct parts *parts, size_t i,
                      struct team *team)
{
    struct sink *sink = sink_new(NULL, NULL);
    struct msg_result rows = {0};
    struct spec spec;
    char name[64];

    assert_non_null(sink);
    assert_int_equal(spec_copy(whole, &spec, NULL), 0);
    assert_int_equal(part_set(&spec, &parts->list[i], NULL), 0);
    spec_text(&spec, &parts->specs[i]);
    run(fix, &spec, s->inputs, 2, team, sink);
    sink_fill(sink, &rows);
    assert_int_equal(rows.point_count + rows.distance_count + rows.rise_count, 0);
    assert_int_equal(rows.state_count, 1);
    assert_true(slice_is(rows.states[0].name, PART_STATE) && rows.states[0].stored);
    snprintf(parts->hashes[i], HASH_TEXT, "%.*s", (int)rows.states[0].hash.size,
             rows.states[0].hash.data);
    snprintf(name, sizeof name, "%s.safetensors", parts->hashes[i]);
    fixture_path(fix, name, parts->paths[i], sizeof parts->paths[i]);
    spec_free(&spec);
    sink_free(&sink);
}

static size_t inputs_of(const struct subject *s, const struct parts *parts,
                        struct msg_input ret[INPUTS_MAX])
{
    memcpy(ret, s->inputs, sizeof s->inputs);
    for (size_t i = 0; i < parts->count; i++)
        ret[2 + i] =
            (struct msg_input){.role = slice_of("p"),
                               .state = slice_of(PART_STATE),
                               .spec = {parts->specs[i].data, parts->specs[i].size},
                               .hash = slice_of(parts->hashes[i]),
                               .stored = true,
                               .path = slice_of(parts->paths[i])};
    return 2 + parts->count;
}

static void encode(const struct fixture *fix, const struct spec *spec,
                   const struct msg_input *inputs, size_t count, struct buf *ret)
{
    struct sink *sink = sink_new(NULL, NULL);

    assert_non_null(sink);
    run(fix, spec, inputs, count, NULL, sink);
    assert_int_equal(sink_encode(sink, ret, NULL), 0);
    sink_free(&sink);
}

static void check(const struct fixture *fix, const struct subject *s,
                  const struct spec *spec, struct parts *parts)
{
    struct msg_input inputs[INPUTS_MAX];
    struct team *team = team_new(3, NULL);
    struct buf whole = {0}, made = {0};

    for (size_t i = parts->count; i-- > 0;)
        make_part(fix, s, spec, parts, i, i % 2 ? team : NULL);
    encode(fix, spec, s->inputs, 2, &whole);
    encode(fix, spec, inputs, inputs_of(s, parts, inputs), &made);
    assert_int_equal(whole.size, made.size);
    assert_memory_equal(whole.data, made.data, whole.size);
    buf_free(&whole);
    buf_free(&made);
    parts_free(parts);
    team_free(&team);
}

/* Cut groups, alphas and batches of examples at the given number of places each. */
static struct parts cut(int64_t groups, const int64_t *alphas, const int64_t *train,
                        const int64_t *test)
{
    struct parts parts = {0};

    for (int64_t g = 0; g < groups; g++)
        for (int a = 0; alphas[a + 1]; a++)
            for (int e = 0; e < 2; e++) {
                if (e == 1 && train[1] == TRAIN && test[1] == TEST)
                    continue;
                parts.list[parts.count++] = (struct part){
                    .groups = {groups == 1 ? 0 : g, groups == 1 ? 3 : g + 1},
                    .alphas = {alphas[a], alphas[a + 1]},
                    .train = {train[e], train[e + 1]},
                    .test = {test[e], test[e + 1]}};
            }
    return parts;
}

/* Every row of one is in the other, and there are no more; whole parts are told first. */
static void assert_same_rows(const struct sink *a, const struct sink *b)
{
    struct msg_result want = {0}, got = {0};

    sink_fill(a, &want);
    sink_fill(b, &got);
    assert_int_equal(want.point_count, got.point_count);
    assert_int_equal(want.distance_count, got.distance_count);
    assert_int_equal(want.rise_count, got.rise_count);
    for (uint32_t i = 0; i < want.point_count; i++) {
        const struct msg_point *p = &want.points[i], *q = NULL;
        for (uint32_t k = 0; k < got.point_count; k++)
            if (slice_equal(got.points[k].grp, p->grp) &&
                slice_equal(got.points[k].split, p->split) &&
                got.points[k].alpha_index == p->alpha_index) {
                assert_null(q);
                q = &got.points[k];
            }
        assert_non_null(q);
        assert_tally_equal(&p->tally, &q->tally);
        assert_true(p->start_sum == q->start_sum && p->end_sq == q->end_sq);
    }
}

/* Putting parts together can be stopped after a curve, like any probe; what it saved then
 * has the rows of whole parts already, which must not be told twice. */
static void test_a_merge_that_is_stopped(void **state)
{
    const struct fixture *fix = *state;
    struct parts parts = {.count = 3,
                          .list = {{{0, 2}, {0, 5}, {0, TRAIN}, {0, TEST}},
                                   {{0, 2}, {5, 9}, {0, TRAIN}, {0, TEST}},
                                   {{2, 3}, {0, 9}, {0, TRAIN}, {0, TEST}}}};
    struct spec spec = probe_spec("9");
    struct stopper stopper = {.fix = fix};
    struct msg_input inputs[INPUTS_MAX];
    struct sink *whole = sink_new(NULL, NULL);
    struct subject s;
    int stops = 0, rc;

    make_subject(fix, run_spec(), &s);
    for (size_t i = 0; i < parts.count; i++)
        make_part(fix, &s, &spec, &parts, i, NULL);
    run(fix, &spec, s.inputs, 2, NULL, whole);
    do {
        char resume[256];
        struct probe_env env = {.dir = fix->dir,
                                .resume = stopper.path[0] ? resume : NULL,
                                .wish = stop_at,
                                .saved = note_file,
                                .user = &stopper};
        struct sink *sink = sink_new(NULL, NULL);
        struct error err = {0};

        memcpy(resume, stopper.path, sizeof resume);
        stopper.left = stops;
        rc = probe_run(&spec, inputs, inputs_of(&s, &parts, inputs), &env, sink, &err);
        if (rc < 0)
            fail_msg("%s", err.text);
        stops += rc == PROBE_STOPPED;
        if (rc == 0)
            assert_same_rows(whole, sink);
        sink_free(&sink);
    } while (rc != 0);
    assert_true(stops >= 2);
    sink_free(&whole);
    parts_free(&parts);
    spec_free(&spec);
    subject_free(&s);
}

static void test_cuts(void **state)
{
    static const int64_t whole_line[] = {0, 9, 0}, halves[] = {0, 4, 9, 0},
                         thirds[] = {0, 1, 8, 9, 0};
    static const int64_t all_train[] = {0, TRAIN, TRAIN}, all_test[] = {0, TEST, TEST},
                         some_train[] = {0, 128, TRAIN}, some_test[] = {0, 384, TEST},
                         no_train[] = {0, 0, TRAIN}, no_test[] = {0, TEST, TEST};
    const struct fixture *fix = *state;
    struct spec spec = probe_spec("9");
    struct subject runs[2];

    make_subject(fix, run_spec(), &runs[0]);
    make_subject(fix, norm_spec(), &runs[1]);
    for (int r = 0; r < 2; r++) {
        struct parts cuts[] = {
            cut(3, whole_line, all_train, all_test), cut(3, halves, all_train, all_test),
            cut(3, whole_line, some_train, some_test),
            cut(1, thirds, some_train, some_test), cut(1, halves, no_train, no_test)};
        for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++)
            check(fix, &runs[r], &spec, &cuts[i]);
        subject_free(&runs[r]);
    }
    spec_free(&spec);
}

/* Curves that ask for points themselves, and classes, are cut by groups. */
static void test_groups(void **state)
{
    static const int64_t whole_line[] = {0, 5, 0}, all_train[] = {0, TRAIN, TRAIN},
                         all_test[] = {0, TEST, TEST};
    const struct fixture *fix = *state;
    struct spec spec = probe_spec("5");
    struct parts parts = cut(3, whole_line, all_train, all_test);
    struct subject s;

    fixture_set(&spec, "probe.adapt.most", "9");
    fixture_set(&spec, "probe.adapt.tolerance", "0.001");
    fixture_set(&spec, "probe.classes", "true");
    make_subject(fix, norm_spec(), &s);
    check(fix, &s, &spec, &parts);
    subject_free(&s);
    spec_free(&spec);
}

/* ---- parts that are not the probe's ------------------------------------------------ */

static void assert_refused(const struct fixture *fix, const struct spec *spec,
                           const struct msg_input *inputs, size_t count, const char *why)
{
    const struct probe_env env = {.dir = fix->dir};
    struct sink *sink = sink_new(NULL, NULL);
    struct error err = {0};

    assert_non_null(sink);
    assert_int_equal(probe_run(spec, inputs, count, &env, sink, &err), -1);
    if (!strstr(err.text, why))
        fail_msg("'%s' lacks '%s'", err.text, why);
    sink_free(&sink);
}

static void test_others_are_refused(void **state)
{
    static const int64_t halves[] = {0, 4, 9, 0}, some_train[] = {0, 128, TRAIN},
                         some_test[] = {0, 384, TEST};
    const struct fixture *fix = *state;
    struct spec spec = probe_spec("9"), other = probe_spec("9");
    struct parts parts = cut(1, halves, some_train, some_test);
    struct msg_input inputs[INPUTS_MAX];
    struct subject s;
    struct part bad = parts.list[0];

    fixture_set(&other, "probe.splits.bn", "100");
    make_subject(fix, norm_spec(), &s);
    for (size_t i = 0; i < parts.count; i++)
        make_part(fix, &s, &spec, &parts, i, NULL);
    const size_t n = inputs_of(&s, &parts, inputs);
    assert_refused(fix, &other, inputs, n, "a part of another probe");
    /* Its neighbour's file. */
    inputs[2].path = inputs[3].path;
    assert_refused(fix, &spec, inputs, n, "its key is '");
    inputs_of(&s, &parts, inputs);
    assert_refused(fix, &spec, inputs, n - 1, "have ");
    bad.train[0] = 1;
    assert_int_equal(part_set(&spec, &bad, NULL), 0);
    assert_refused(fix, &spec, s.inputs, 2, "has no such part");
    bad = parts.list[0];
    bad.groups[1] = 4;
    assert_int_equal(part_set(&spec, &bad, NULL), 0);
    assert_refused(fix, &spec, s.inputs, 2, "has no such part");
    parts_free(&parts);
    spec_free(&spec);
    spec_free(&other);
    subject_free(&s);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_cuts),
        CASE(test_a_merge_that_is_stopped),
        CASE(test_groups),
        CASE(test_others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
