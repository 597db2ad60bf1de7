/* What a run saves is what it goes on from, to the last bit; a file that is damaged, or
 * of another run or engine, is refused and nothing is changed. And runs: stopped at any
 * step and taken up, they give what an undisturbed run gives. */

#include "tests/unit/run_fixture.h"

#include "common/file.h"
#include "common/rng.h"
#include "common/safetensors.h"
#include "common/spec.h"
#include "worker/nn/team.h"
#include "worker/train_resume.h"

static const char KEY[] = "00112233445566778899aabbccddeeff";

enum { STATE = 5, KEPT = 3 };

/* A run of two vectors, in the middle of its second epoch. */
struct small {
    real state[STATE], kept[KEPT];
    struct resume resume;
    struct sink *sink;
};

static void small_init(struct small *small)
{
    *small = (struct small){.state = {1, -0.0f, 3e-39f, 4, 5}, .kept = {0.1f, 0.2f, 7}};
    small->resume = (struct resume){
        .key = KEY,
        .examples = 100,
        .batch = 30,
        .epochs = 4,
        .vectors = {{"state", small->state, STATE}, {"optim.0", small->kept, KEPT}},
        .vector_count = 2,
        .epoch = 1,
        .step = 6,
        .place = 60,
        .optim_steps = 6,
        .batches = {60, 31, 0, 0, {{1, 2, 3}}, {{UINT64_MAX, 0, 0, 5}}},
        .seconds = 1.5,
        .best_accuracy = 0.75,
        .best_epoch = 1,
        .best_step = 4,
    };
    small->sink = sink_new(NULL, NULL);
    assert_non_null(small->sink);
}

static void small_rows(struct small *small)
{
    struct msg_history row = {.epoch = 1,
                              .split = slice_of("test"),
                              .tally = {10, 5, 0, 0, 0.1, 0.2},
                              .lr = 0.1};
    struct msg_state kept = {.name = slice_of("epoch:1"),
                             .hash = slice_of(KEY),
                             .size = 3,
                             .epoch = 1,
                             .step = 4,
                             .stored = true};
    struct msg_state init = {.name = slice_of("init"), .hash = slice_of(KEY)};

    assert_int_equal(sink_history(small->sink, &row, NULL), 0);
    assert_int_equal(sink_state(small->sink, &init, NULL), 0);
    assert_int_equal(sink_state(small->sink, &kept, NULL), 0);
}

static void store(const struct fixture *fix, const struct small *small, char path[256])
{
    char hash[HASH_TEXT], is[HASH_TEXT], name[64];
    struct error err = {0};
    uint64_t size, is_size;

    if (resume_store(fix->dir, &small->resume, small->sink, hash, &size, &err))
        fail_msg("%s", err.text);
    snprintf(name, sizeof name, "%s.safetensors", hash);
    fixture_path(fix, name, path, 256);
    assert_int_equal(hash_file(path, is, &is_size, &err), 0);
    assert_string_equal(is, hash);
    assert_int_equal(is_size, size);
}

static void test_comes_back(void **state)
{
    struct small from, to;
    struct msg_result rows = {0};
    struct error err = {0};
    char path[256];

    small_init(&from);
    small_rows(&from);
    store(*state, &from, path);
    small_init(&to);
    memset(to.state, 0, sizeof to.state);
    memset(to.kept, 0, sizeof to.kept);
    to.resume = (struct resume){
        .key = KEY,
        .examples = 100,
        .batch = 30,
        .epochs = 4,
        .vectors = {{"state", to.state, STATE}, {"optim.0", to.kept, KEPT}},
        .vector_count = 2};
    if (resume_read(path, &to.resume, to.sink, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(to.state, from.state, sizeof to.state);
    assert_memory_equal(to.kept, from.kept, sizeof to.kept);
    assert_int_equal(to.resume.epoch, 1);
    assert_int_equal(to.resume.step, 6);
    assert_int_equal(to.resume.place, 60);
    assert_int_equal(to.resume.optim_steps, 6);
    assert_memory_equal(&to.resume.batches, &from.resume.batches,
                        sizeof to.resume.batches);
    assert_true(to.resume.seconds == 1.5 && to.resume.best_accuracy == 0.75);
    assert_int_equal(to.resume.best_epoch, 1);
    assert_int_equal(to.resume.best_step, 4);
    sink_fill(to.sink, &rows);
    assert_int_equal(rows.history_count, 1);
    assert_true(slice_is(rows.history[0].split, "test"));
    assert_true(rows.history[0].tally.sum_sq == 0.2);
    assert_int_equal(rows.state_count, 2);
    assert_false(rows.states[0].stored || rows.states[0].earlier);
    assert_true(rows.states[1].stored && rows.states[1].earlier);
    sink_free(&from.sink);
    sink_free(&to.sink);
}

/* Nothing of the run is changed by a file that is not taken. */
static void assert_refused(const char *path, const struct resume *wanted,
                           enum err_code code, const char *text)
{
    struct small to;
    struct small same;
    struct msg_result rows = {0};
    struct error err = {0};

    small_init(&to);
    small_init(&same);
    to.resume.key = wanted->key;
    to.resume.examples = wanted->examples;
    to.resume.batch = wanted->batch;
    to.resume.epochs = wanted->epochs;
    to.resume.vector_count = wanted->vector_count;
    for (size_t i = 0; i < 2; i++) {
        to.resume.vectors[i].name = wanted->vectors[i].name;
        to.resume.vectors[i].count = wanted->vectors[i].count;
    }
    to.resume.step = 99;
    assert_int_equal(resume_read(path, &to.resume, to.sink, &err), -1);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, text))
        fail_msg("'%s' lacks '%s'", err.text, text);
    assert_memory_equal(to.state, same.state, sizeof to.state);
    assert_memory_equal(to.kept, same.kept, sizeof to.kept);
    assert_int_equal(to.resume.step, 99);
    sink_fill(to.sink, &rows);
    assert_int_equal(rows.history_count + rows.state_count, 0);
    sink_free(&to.sink);
    sink_free(&same.sink);
}

static void test_other_runs_are_refused(void **state)
{
    struct small from;
    struct resume wanted;
    char path[256];

    small_init(&from);
    small_rows(&from);
    store(*state, &from, path);

    wanted = from.resume;
    wanted.key = "ffffffffffffffffffffffffffffffff";
    assert_refused(path, &wanted, ERR_DATA, "its key is '0011");
    wanted = from.resume;
    wanted.vectors[0].count = STATE - 1;
    assert_refused(path, &wanted, ERR_DATA, "'state' has 5 numbers, expected 4");
    wanted = from.resume;
    wanted.vectors[1].name = "optim.1";
    assert_refused(path, &wanted, ERR_DATA, "'optim.1' is missing");
    wanted = from.resume;
    wanted.vector_count = 1;
    assert_refused(path, &wanted, ERR_DATA, "6 tensors, expected 5");
    wanted = from.resume;
    wanted.epochs = 1;
    assert_refused(path, &wanted, ERR_DATA, "step 6, epoch 1, example 60");
    wanted = from.resume;
    wanted.batch = 31;
    assert_refused(path, &wanted, ERR_DATA, "no place of the run");
    assert_refused("/nonexistent/file", &from.resume, ERR_NOT_FOUND, "/nonexistent");
    sink_free(&from.sink);
}

/* Any bit of it: the header's own rules, the check, or the contents find it. */
static void test_damage_is_refused(void **state)
{
    struct fixture *fix = *state;
    struct small from;
    struct buf bytes = {0};
    char path[256], bad[256];

    small_init(&from);
    small_rows(&from);
    store(fix, &from, path);
    fixture_path(fix, "bad", bad, sizeof bad);
    assert_int_equal(file_read(path, 1 << 20, &bytes, NULL), 0);
    for (size_t i = 0; i < bytes.size; i += 7) {
        struct small to;
        struct error err = {0};

        bytes.data[i] = (char)(bytes.data[i] ^ (1 << i % 8));
        assert_int_equal(file_write(bad, bytes.data, bytes.size, &err), 0);
        bytes.data[i] = (char)(bytes.data[i] ^ (1 << i % 8));
        small_init(&to);
        /* Blanks between the header and the data mean nothing. */
        if (resume_read(bad, &to.resume, to.sink, &err) == 0 &&
            memcmp(to.state, from.state, sizeof to.state) != 0)
            fail_msg("byte %zu: taken", i);
        assert_true(err.code == ERR_NONE || err.code == ERR_DATA);
        sink_free(&to.sink);
    }
    assert_int_equal(file_write(bad, bytes.data, bytes.size / 2, NULL), 0);
    assert_refused(bad, &from.resume, ERR_DATA, "bad");
    assert_int_equal(file_write(bad, "", 0, NULL), 0);
    assert_refused(bad, &from.resume, ERR_DATA, "bad");
    /* The state of a run is no such file. */
    const struct st_tensor tensor = {.name = "w",
                                     .dtype = ST_F32,
                                     .rank = 1,
                                     .dim = {STATE},
                                     .data = from.state,
                                     .size = sizeof from.state};
    assert_int_equal(st_write(bad, &tensor, 1, NULL, 0, NULL), 0);
    assert_refused(bad, &from.resume, ERR_DATA, "not what a job has saved");
    buf_free(&bytes);
    sink_free(&from.sink);
}

/* ---- runs -------------------------------------------------------------------- */

/* Asks a run to stop before its n-th step, and remembers where it saved itself. */
/* Run a spec, stopping before every given step (-1 ends the list) and going on, with
 * one thread and three by turns. */
static struct outcome run_in_pieces(const struct fixture *fix, const struct spec *spec,
                                    const int *stops)
{
    struct stopper stopper = {.fix = fix};
    struct outcome out = {0};
    struct error err = {0};
    struct team *team = team_new(3, &err);
    int done = 0, rc, piece = 0;

    assert_non_null(team);
    do {
        char resume[256];
        struct train_env env = {.state_dir = fix->dir,
                                .team = piece++ % 2 ? team : NULL,
                                .resume = stopper.path[0] ? resume : NULL,
                                .wish = stop_at,
                                .saved = note_file,
                                .user = &stopper};

        memcpy(resume, stopper.path, sizeof resume);
        sink_free(&out.sink);
        out.sink = sink_new(NULL, NULL);
        stopper.left = *stops < 0 ? -1 : *stops - done;
        done = *stops;
        rc = train_run(spec, &env, out.sink, &err);
        if (rc < 0)
            fail_msg("%s", err.text);
        assert_int_equal(rc, *stops < 0 ? 0 : TRAIN_STOPPED);
        stops++;
    } while (rc != 0);
    team_free(&team);
    sink_fill(out.sink, &out.result);
    return out;
}

static void assert_same_run(const struct msg_result *a, const struct msg_result *b)
{
    assert_int_equal(a->history_count, b->history_count);
    for (uint32_t i = 0; i < a->history_count; i++) {
        assert_int_equal(a->history[i].epoch, b->history[i].epoch);
        assert_true(slice_equal(a->history[i].split, b->history[i].split));
        assert_true(a->history[i].lr == b->history[i].lr);
        assert_tally_equal(&a->history[i].tally, &b->history[i].tally);
        assert_true(i == 0 || b->history[i].seconds >= b->history[i - 1].seconds);
    }
    assert_int_equal(a->state_count, b->state_count);
    for (uint32_t i = 0; i < a->state_count; i++) {
        assert_true(slice_equal(a->states[i].name, b->states[i].name));
        assert_true(slice_equal(a->states[i].hash, b->states[i].hash));
        assert_int_equal(a->states[i].step, b->states[i].step);
        assert_int_equal(a->states[i].epoch, b->states[i].epoch);
        assert_int_equal(a->states[i].stored, b->states[i].stored);
    }
    assert_int_equal(a->epochs, b->epochs);
    assert_int_equal(a->steps, b->steps);
    assert_true(slice_equal(a->cause, b->cause));
}

static void check_spec(const struct fixture *fix, const struct spec *spec,
                       const int *stops)
{
    struct outcome whole = run_train(fix, spec);
    struct outcome pieces = run_in_pieces(fix, spec, stops);

    assert_same_run(&whole.result, &pieces.result);
    outcome_free(&whole);
    outcome_free(&pieces);
}

/* Of 8 steps an epoch: in the middle, at the very beginning, between epochs, at the
 * last step, and twice at the same place. */
static const int STOPS[] = {0, 3, 3, 8, 13, 23, -1};

static void test_optimizers(void **state)
{
    static const char *const names[] = {"\"sgd\"", "\"adam\"", "\"adamw\"",
                                        "\"rmsprop\""};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct spec spec = run_spec();

        fixture_set(&spec, "optimizer.name", names[i]);
        if (i > 0) {
            fixture_set(&spec, "optimizer.lr", "0.01");
            fixture_set(&spec, "optimizer.momentum", i == 3 ? "0.5" : "0.0");
        }
        fixture_set(&spec, "train.schedule.name", "\"cosine\"");
        fixture_set(&spec, "train.keep",
                    "[\"init\",\"final\",\"best\",\"step:2\",\"step:17\",\"epoch:1\"]");
        check_spec(*state, &spec, STOPS);
        spec_free(&spec);
    }
}

/* At three steps that a generator draws. */
static void test_anywhere(void **state)
{
    struct rng rng = rng_at(7, RNG_ORDER, 0, 0);
    struct spec spec = run_spec();
    int stops[4];

    fixture_set(&spec, "train.keep", "[\"final\",\"best\"]");
    for (int round = 0; round < 5; round++) {
        uint32_t at = 0;
        for (int i = 0; i < 3; i++)
            stops[i] = (int)(at += rng_below(&rng, 8));
        stops[3] = -1;
        check_spec(*state, &spec, stops);
    }
    spec_free(&spec);
}

/* Ends that come before the last epoch. */
static void test_ends(void **state)
{
    static const int early[] = {1, -1};
    struct spec spec = run_spec();

    fixture_set(&spec, "train.epochs", "60");
    fixture_set(&spec, "train.until.train_acc", "0.8");
    check_spec(*state, &spec, STOPS);
    spec_free(&spec);
    spec = run_spec();
    fixture_set(&spec, "optimizer.lr", "1e+30");
    check_spec(*state, &spec, early);
    spec_free(&spec);
}

static void test_augmented(void **state)
{
    static const int stops[] = {4, 15, -1};
    struct spec spec = fixture_spec(
        JOB_TRAIN, "data.train", "500", "data.augment", "[\"flip\",\"crop4\"]",
        "optimizer.lr", "0.05", "optimizer.momentum", "0.9", "optimizer.batch", "50",
        "train.epochs", "2", "train.eval.train", "100", "train.eval.test", "100", NULL);

    fixture_seeds(&spec, "3");
    check_spec(*state, &spec, stops);
    spec_free(&spec);
}

/* Running statistics and masks: all of a state goes on, and dropout knows its step. */
static void test_norm_and_dropout(void **state)
{
    static const int stops[] = {2, 7, -1};
    struct spec spec = run_spec();

    fixture_set(&spec, "model.norm", "\"batch\"");
    fixture_set(&spec, "model.dropout", "0.2");
    fixture_set(&spec, "train.keep", "[\"final\",\"best\",\"step:1\"]");
    check_spec(*state, &spec, STOPS);
    spec_free(&spec);

    spec = fixture_spec(JOB_TRAIN, "data.train", "200", "model.norm", "\"batch\"",
                        "model.dropout", "0.3", "optimizer.name", "\"adam\"",
                        "optimizer.lr", "0.001", "optimizer.batch", "50", "train.epochs",
                        "2", "train.eval.train", "100", "train.eval.test", "100", NULL);
    fixture_seeds(&spec, "5");
    check_spec(*state, &spec, stops);
    spec_free(&spec);
}

/* A file that cannot be used is no failure, and the log says so. */
static void test_begins_anew(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome whole = run_train(fix, &spec);
    char path[256], *text = NULL;
    struct train_env env = {.state_dir = fix->dir, .resume = path};
    struct sink *sink = sink_new(NULL, NULL);
    struct msg_result result = {0};
    struct error err = {0};
    size_t size = 0;
    FILE *log = open_memstream(&text, &size);

    fixture_path(fix, "no-such-file", path, sizeof path);
    sink_log_to(sink, log);
    assert_int_equal(train_run(&spec, &env, sink, &err), 0);
    sink_fill(sink, &result);
    assert_same_run(&whole.result, &result);
    fclose(log);
    assert_non_null(strstr(text, "the run begins anew: "));
    assert_non_null(strstr(text, "no-such-file"));
    free(text);
    sink_free(&sink);
    outcome_free(&whole);
    spec_free(&spec);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_comes_back),        TEST(test_other_runs_are_refused),
        TEST(test_damage_is_refused), TEST(test_optimizers),
        TEST(test_anywhere),          TEST(test_ends),
        TEST(test_augmented),         TEST(test_norm_and_dropout),
        TEST(test_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
