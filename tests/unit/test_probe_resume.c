/* Probes that are stopped anywhere, and go on from the file that they saved, give the
 * bytes of one that nothing disturbed; no curve that is done is computed again. A file
 * that cannot be used is refused, and the probe begins anew. */

#include "tests/unit/partkit.h"

#include "common/file.h"
#include "worker/nn/team.h"

/* ---- stopping -------------------------------------------------------------------- */

/* Questions while points are evaluated at once: eight and the ends, two splits of three
 * and four batches, all held. */
enum { AT_ONCE = 2 * 10 + 1 };

/* One attempt, from `resume` unless it is empty. The rows, encoded, go to ret. */
static int attempt(const struct subject *s, const struct spec *spec,
                   struct stopper *stopper, const char *resume, struct team *team,
                   FILE *log, struct buf *ret)
{
    const struct probe_env env = {.team = team,
                                  .dir = stopper->fix->dir,
                                  .resume = *resume ? resume : NULL,
                                  .wish = stop_at,
                                  .saved = note_file,
                                  .user = stopper};
    struct sink *sink = sink_new(NULL, NULL);
    struct error err = {0};

    assert_non_null(sink);
    sink_log_to(sink, log);
    int rc = probe_run(spec, s->inputs, 2, &env, sink, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    buf_clear(ret);
    assert_int_equal(sink_encode(sink, ret, &err), 0);
    sink_free(&sink);
    return rc;
}

static void run_whole(const struct fixture *fix, const struct subject *s,
                      const struct spec *spec, struct buf *ret, int *ret_asked)
{
    struct stopper never = {.fix = fix, .left = -1};

    assert_int_equal(attempt(s, spec, &never, "", NULL, NULL, ret), 0);
    *ret_asked = never.asked;
}

/* Returns how often it was stopped. */
static int check_stops(const struct fixture *fix, const struct subject *s,
                       const struct spec *spec, int every)
{
    struct stopper stopper = {.fix = fix};
    struct team *team = team_new(3, NULL);
    struct buf whole = {0}, pieces = {0};
    char resume[256] = "";
    int asked, stops = 0;

    run_whole(fix, s, spec, &whole, &asked);
    for (;; stops++) {
        stopper.left = every;
        if (attempt(s, spec, &stopper, resume, stops % 2 ? team : NULL, NULL, &pieces) ==
            0)
            break;
        memcpy(resume, stopper.path, sizeof resume);
    }
    /* What comes twice is at most what is evaluated at once. */
    assert_true(stopper.asked >= asked && stopper.asked <= asked + stops * AT_ONCE);
    assert_int_equal(whole.size, pieces.size);
    assert_memory_equal(whole.data, pieces.data, whole.size);
    buf_free(&whole);
    buf_free(&pieces);
    team_free(&team);
    return stops;
}

static void test_stops(void **state)
{
    const struct fixture *fix = *state;
    struct spec specs[] = {probe_spec("30"), probe_spec("[-0.5,0.0,0.3,1.0,1.5]"),
                           probe_spec("[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0]"),
                           probe_spec("5")};
    struct subject plain, norm;

    fixture_set(&specs[3], "probe.adapt.most", "9");
    fixture_set(&specs[3], "probe.adapt.tolerance", "0.001");
    make_subject(fix, run_spec(), &plain);
    make_subject(fix, norm_spec(), &norm);
    for (int i = 0; i < 4; i++) {
        int stops = 0;

        for (int every = 22; every <= 50; every += 9)
            stops += check_stops(fix, &plain, &specs[i], every) +
                     check_stops(fix, &norm, &specs[i], every);
        assert_true(stops >= 8);
        spec_free(&specs[i]);
    }
    subject_free(&plain);
    subject_free(&norm);
}

/* Classes and kept losses are of whole curves: such a probe goes on between them, to the
 * same rows, the file's hash among them. */
static void test_stops_with_detail(void **state)
{
    const struct fixture *fix = *state;
    struct spec spec = probe_spec("4");
    struct subject s;
    int stops = 0;

    fixture_set(&spec, "probe.classes", "true");
    fixture_set(&spec, "probe.examples", "150");
    make_subject(fix, norm_spec(), &s);
    for (int every = 13; every <= 29; every += 8) {
        struct stopper stopper = {.fix = fix};
        struct buf whole = {0}, pieces = {0};
        char resume[256] = "";
        int asked, more = 0;

        run_whole(fix, &s, &spec, &whole, &asked);
        assert_true(asked > 2 * every);
        for (; more < 10; more++) {
            stopper.left = every;
            if (attempt(&s, &spec, &stopper, resume, NULL, NULL, &pieces) == 0)
                break;
            memcpy(resume, stopper.path, sizeof resume);
        }
        stops += more;
        assert_true(stopper.asked < asked + (more + 1) * every);
        assert_int_equal(whole.size, pieces.size);
        assert_memory_equal(whole.data, pieces.data, whole.size);
        buf_free(&whole);
        buf_free(&pieces);
    }
    assert_true(stops >= 4);
    subject_free(&s);
    spec_free(&spec);
}

/* ---- files that cannot be used ----------------------------------------------------- */

/* It begins anew, says why, and comes to the same. */
static void assert_anew(const struct fixture *fix, const struct subject *s,
                        const struct spec *spec, const char *path, const char *why)
{
    struct stopper never = {.fix = fix, .left = -1};
    struct buf whole = {0}, anew = {0};
    char *text = NULL;
    size_t size = 0;
    int asked;
    FILE *log = open_memstream(&text, &size);

    assert_non_null(log);
    run_whole(fix, s, spec, &whole, &asked);
    assert_int_equal(attempt(s, spec, &never, path, NULL, log, &anew), 0);
    fclose(log);
    assert_int_equal(never.asked, asked);
    assert_int_equal(whole.size, anew.size);
    assert_memory_equal(whole.data, anew.data, whole.size);
    if (!strstr(text, "the probe begins anew: ") || !strstr(text, why))
        fail_msg("'%s' lacks '%s'", text, why);
    free(text);
    buf_free(&whole);
    buf_free(&anew);
}

static void test_other_files_are_refused(void **state)
{
    const struct fixture *fix = *state;
    struct spec spec = probe_spec("5"), other = probe_spec("6");
    struct stopper stopper = {.fix = fix, .left = 22};
    struct buf rows = {0}, bytes = {0};
    struct subject s;
    char bad[256];
    struct error err;

    make_subject(fix, norm_spec(), &s);
    assert_int_equal(attempt(&s, &spec, &stopper, "", NULL, NULL, &rows), PROBE_STOPPED);
    assert_anew(fix, &s, &spec, "/nonexistent/file", "/nonexistent");
    assert_anew(fix, &s, &other, stopper.path, "its key is '");
    assert_anew(fix, &s, &spec, s.path, "its format is");
    assert_int_equal(file_read(stopper.path, 1 << 26, &bytes, &err), 0);
    bytes.data[bytes.size - 9] ^= 4;
    fixture_path(fix, "bad", bad, sizeof bad);
    assert_int_equal(file_write(bad, bytes.data, bytes.size, &err), 0);
    assert_anew(fix, &s, &spec, bad, "is damaged");
    assert_int_equal(file_write(bad, bytes.data, bytes.size / 2, &err), 0);
    assert_anew(fix, &s, &spec, bad, bad);
    buf_free(&rows);
    buf_free(&bytes);
    spec_free(&spec);
    spec_free(&other);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stops_with_detail, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_stops, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_other_files_are_refused, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
