/* A run is a function of its spec: same rows, same states. It learns, keeps what
 * it was asked to keep, and records divergence as a result. */

#include "tests/unit/run_fixture.h"

#include "common/arch.h"
#include "worker/ckpt/ckpt.h"
#include "worker/nn/init.h"

#include <math.h>

static void assert_same_rows(const struct msg_result *a, const struct msg_result *b)
{
    assert_int_equal(a->history_count, b->history_count);
    for (uint32_t i = 0; i < a->history_count; i++) {
        assert_int_equal(a->history[i].epoch, b->history[i].epoch);
        assert_true(slice_equal(a->history[i].split, b->history[i].split));
        assert_true(a->history[i].lr == b->history[i].lr);
        assert_tally_equal(&a->history[i].tally, &b->history[i].tally);
    }
    assert_int_equal(a->state_count, b->state_count);
    for (uint32_t i = 0; i < a->state_count; i++) {
        assert_true(slice_equal(a->states[i].name, b->states[i].name));
        assert_true(slice_equal(a->states[i].hash, b->states[i].hash));
        assert_int_equal(a->states[i].size, b->states[i].size);
        assert_int_equal(a->states[i].step, b->states[i].step);
        assert_int_equal(a->states[i].epoch, b->states[i].epoch);
        assert_int_equal(a->states[i].stored, b->states[i].stored);
    }
    assert_int_equal(a->epochs, b->epochs);
    assert_int_equal(a->steps, b->steps);
}

static void test_repeats(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome a = run_train(fix, &spec), b = run_train(fix, &spec);

    assert_same_rows(&a.result, &b.result);
    assert_string_equal(sink_data_hash_get(a.sink), sink_data_hash_get(b.sink));
    assert_int_equal(strlen(sink_data_hash_get(a.sink)), HASH_HEX);
    outcome_free(&a);
    outcome_free(&b);
    spec_free(&spec);
}

static void test_rows(void **state)
{
    static const char *const splits[] = {"train", "test", "batch", "train", "test"};
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome out;

    fixture_set(&spec, "train.schedule.name", "\"step\"");
    fixture_set(&spec, "train.schedule.at", "[2]");
    out = run_train(fix, &spec);
    assert_int_equal(out.result.history_count, 2 + 3 * 3);
    assert_int_equal(out.result.epochs, 3);
    assert_int_equal(out.result.steps, 3 * 8); /* 7 of 64 and one of 52 */
    assert_int_equal(out.result.cause.size, 0);
    for (uint32_t i = 0; i < out.result.history_count; i++) {
        const struct msg_history *row = &out.result.history[i];
        int64_t count = slice_is(row->split, "batch")   ? 500
                        : slice_is(row->split, "train") ? 300
                                                        : 400;

        assert_true(slice_is(row->split, splits[i < 2 ? i : 2 + (i - 2) % 3]));
        assert_int_equal(row->epoch, i < 2 ? 0 : 1 + (i - 2) / 3);
        assert_int_equal(row->tally.count, count);
        assert_true(row->seconds >= 0);
        assert_true(fabs(row->lr - (double[]){0, 0.1, 0.1, 0.01}[row->epoch]) < 1e-12);
    }
    outcome_free(&out);
    spec_free(&spec);
}

static void test_learns(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome out;

    fixture_set(&spec, "train.epochs", "60");
    out = run_train(fix, &spec);
    assert_true(tally_loss(&outcome_history(&out, 0, "train")->tally) > 0.6);
    assert_true(tally_loss(&outcome_history(&out, 60, "train")->tally) < 0.3);
    assert_true(tally_loss(&outcome_history(&out, 60, "batch")->tally) < 0.3);
    assert_true(tally_accuracy(&outcome_history(&out, 60, "test")->tally) > 0.9);
    outcome_free(&out);
    spec_free(&spec);
}

/* Every optimizer learns, with the rates that its schedule gives. */
static void test_optimizers(void **state)
{
    static const char *const names[] = {"\"adam\"", "\"adamw\"", "\"rmsprop\""};
    struct fixture *fix = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct spec spec = run_spec();
        struct outcome out;

        fixture_set(&spec, "optimizer.momentum", "0.0");
        fixture_set(&spec, "optimizer.name", names[i]);
        fixture_set(&spec, "optimizer.lr", "0.02");
        fixture_set(&spec, "optimizer.clip", "1.0");
        fixture_set(&spec, "train.epochs", "80");
        fixture_set(&spec, "train.schedule.name", "\"cosine\"");
        fixture_set(&spec, "train.schedule.warmup", "2");
        out = run_train(fix, &spec);
        assert_true(fabs(outcome_history(&out, 1, "batch")->lr - 0.01) < 1e-12);
        assert_true(fabs(outcome_history(&out, 3, "batch")->lr - 0.02) < 1e-12);
        assert_true(fabs(outcome_history(&out, 42, "batch")->lr - 0.01) < 1e-12);
        assert_true(tally_accuracy(&outcome_history(&out, 80, "test")->tally) > 0.9);
        outcome_free(&out);
        spec_free(&spec);
    }
}

/* With all of the target spread, the training loss is that of a guess at best;
 * evaluations know nothing of it. */
static void test_smoothing(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome plain = run_train(fix, &spec), out;

    fixture_set(&spec, "train.label_smoothing", "1.0");
    out = run_train(fix, &spec);
    assert_tally_equal(&outcome_history(&plain, 0, "train")->tally,
                       &outcome_history(&out, 0, "train")->tally);
    assert_true(tally_loss(&outcome_history(&out, 3, "batch")->tally) >= log(2));
    assert_true(tally_loss(&outcome_history(&out, 3, "train")->tally) >
                tally_loss(&outcome_history(&plain, 3, "train")->tally));
    outcome_free(&out);
    outcome_free(&plain);
    spec_free(&spec);
}

/* Each stream matters, and only where it should. */
static void test_seeds(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome base = run_train(fix, &spec), other;
    const struct msg_history *before, *after;

    fixture_set(&spec, "seed.order", "2");
    other = run_train(fix, &spec);
    before = outcome_history(&other, 0, "test");
    after = outcome_history(&other, 3, "test");
    assert_tally_equal(&outcome_history(&base, 0, "test")->tally, &before->tally);
    assert_true(outcome_history(&base, 3, "test")->tally.sum != after->tally.sum);
    outcome_free(&other);

    fixture_set(&spec, "seed.order", "1");
    fixture_set(&spec, "seed.init", "2");
    other = run_train(fix, &spec);
    before = outcome_history(&other, 0, "test");
    assert_true(outcome_history(&base, 0, "test")->tally.sum != before->tally.sum);
    outcome_free(&other);
    outcome_free(&base);
    spec_free(&spec);
}

static bool file_of(const struct fixture *fix, const struct msg_state *state, char *path,
                    size_t size)
{
    char name[64], hash[HASH_TEXT];
    struct error err;
    uint64_t bytes;

    snprintf(name, sizeof name, "%.*s.safetensors", (int)state->hash.size,
             state->hash.data);
    fixture_path(fix, name, path, size);
    if (access(path, F_OK))
        return false;
    assert_int_equal(hash_file(path, hash, &bytes, &err), 0);
    assert_true(slice_is(state->hash, hash));
    assert_int_equal(bytes, state->size);
    return true;
}

static void test_keeps(void **state)
{
    static const struct {
        const char *name;
        uint32_t epoch;
        uint64_t step;
    } expected[] = {{"init", 0, 0},
                    {"step:3", 0, 3},
                    {"epoch:2", 2, 16},
                    {"step:17", 2, 17},
                    {"final", 3, 24}};
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome out;
    const struct msg_state *best;
    double highest = -1;
    uint32_t when = 0;
    char path[256];

    fixture_set(&spec, "train.keep",
                "[\"init\",\"final\",\"best\",\"step:3\",\"step:17\",\"step:1000\","
                "\"epoch:2\",\"epoch:9\"]");
    out = run_train(fix, &spec);
    assert_int_equal(out.result.state_count, 6);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct msg_state *row = outcome_state(&out, expected[i].name);

        assert_non_null(row);
        assert_true(row->stored);
        assert_int_equal(row->epoch, expected[i].epoch);
        assert_int_equal(row->step, expected[i].step);
        assert_true(file_of(fix, row, path, sizeof path));
    }
    best = outcome_state(&out, "best");
    assert_non_null(best);
    assert_true(file_of(fix, best, path, sizeof path));
    for (uint32_t epoch = 0; epoch <= 3; epoch++) {
        double accuracy = tally_accuracy(&outcome_history(&out, epoch, "test")->tally);

        when = accuracy > highest ? epoch : when;
        highest = accuracy > highest ? accuracy : highest;
    }
    assert_int_equal(best->epoch, when);
    assert_int_equal(best->step, when * 8);
    outcome_free(&out);
    spec_free(&spec);
}

/* By default only final is stored; the init state's hash is that of the
 * parameters drawn anew. */
static void test_init_is_derived(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome out = run_train(fix, &spec);
    const struct msg_state *init = outcome_state(&out, "init");
    struct error err = {0};
    struct arch *arch = arch_build(&spec, &err);
    real *theta = malloc(arch->param_count * sizeof *theta);
    char path[256], key[HASH_TEXT], hash[HASH_TEXT];
    struct ckpt_meta meta = {.key = key, .state = "init"};
    uint64_t size;

    assert_int_equal(out.result.state_count, 2);
    assert_false(init->stored);
    assert_false(file_of(fix, init, path, sizeof path));
    assert_true(file_of(fix, outcome_state(&out, "final"), path, sizeof path));
    assert_int_equal(ckpt_read(path, arch, theta, &err), 0);

    assert_int_equal(spec_key(&spec, key, &err), 0);
    assert_int_equal(init_params(&spec, arch, theta, &err), 0);
    assert_int_equal(ckpt_hash(arch, theta, &meta, hash, &size, &err), 0);
    assert_true(slice_is(init->hash, hash));
    free(theta);
    arch_free(&arch);
    outcome_free(&out);
    spec_free(&spec);
}

/* Whether the loss of epoch 1 is not finite. */
static bool lost(const struct outcome *out, const char *split)
{
    return !isfinite(tally_loss(&outcome_history(out, 1, split)->tally));
}

static void test_diverges(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome out;
    const struct msg_state *final;
    char path[256];

    fixture_set(&spec, "optimizer.lr", "1e+30");
    fixture_set(&spec, "train.keep", "[\"final\",\"epoch:1\"]");
    out = run_train(fix, &spec);
    assert_true(slice_is(out.result.cause, "diverged"));
    assert_true(out.result.message.size > 0);
    assert_int_equal(out.result.epochs, 0);
    assert_in_range(out.result.steps, 1, 7);
    assert_int_equal(out.result.history_count, 2 + 3);
    assert_true(lost(&out, "batch"));
    assert_true(lost(&out, "train"));
    assert_true(lost(&out, "test"));
    assert_null(outcome_state(&out, "epoch:1"));
    final = outcome_state(&out, "final");
    assert_non_null(final);
    assert_int_equal(final->step, out.result.steps);
    assert_true(file_of(fix, final, path, sizeof path));
    outcome_free(&out);
    spec_free(&spec);
}

/* A target on the training accuracy ends a run at the first evaluation that
 * reaches it; until then it is the run without the target. */
static void test_until(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome whole, part;
    struct value target;

    whole = run_train(fix, &spec);
    target = value_real(tally_accuracy(&outcome_history(&whole, 1, "train")->tally));
    assert_true(tally_accuracy(&outcome_history(&whole, 0, "train")->tally) <
                target.real);
    assert_int_equal(spec_set(&spec, "train.until.train_acc", &target, NULL), 0);
    fixture_set(&spec, "train.keep", "[\"epoch:1\",\"epoch:2\"]");
    part = run_train(fix, &spec);
    assert_int_equal(part.result.epochs, 1);
    assert_int_equal(part.result.steps, 8);
    assert_int_equal(part.result.history_count, 2 + 3);
    assert_false(part.result.cause.size);
    for (uint32_t i = 0; i < part.result.history_count; i++)
        assert_tally_equal(&part.result.history[i].tally, &whole.result.history[i].tally);
    assert_int_equal(outcome_state(&part, "final")->epoch, 1);
    assert_non_null(outcome_state(&part, "epoch:1"));
    assert_null(outcome_state(&part, "epoch:2"));
    outcome_free(&part);

    fixture_set(&spec, "train.until.train_acc", "1.0"); /* never reached */
    part = run_train(fix, &spec);
    assert_int_equal(part.result.epochs, 3);
    outcome_free(&part);

    fixture_set(&spec, "train.until.train_acc", "0.001"); /* by chance */
    part = run_train(fix, &spec);
    assert_int_equal(part.result.epochs, 0);
    assert_int_equal(part.result.steps, 0);
    outcome_free(&part);
    outcome_free(&whole);
    spec_free(&spec);
}

static void test_no_epochs(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct outcome out;

    fixture_set(&spec, "train.epochs", "0");
    fixture_set(&spec, "train.keep", "[\"final\",\"best\"]");
    out = run_train(fix, &spec);
    assert_int_equal(out.result.history_count, 2);
    assert_int_equal(out.result.state_count, 3);
    assert_int_equal(out.result.steps, 0);
    outcome_free(&out);
    spec_free(&spec);
}

struct heard {
    uint32_t calls, done, total;
};

static void hear(void *user, uint32_t done, uint32_t total)
{
    struct heard *heard = user;

    heard->calls++;
    heard->done = done;
    heard->total = total;
}

static void test_reports(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct train_env env = {.state_dir = fix->dir};
    struct heard heard = {0};
    struct sink *sink = sink_new(hear, &heard);
    struct error err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *log = open_memstream(&text, &size);

    assert_non_null(sink);
    assert_non_null(log);
    sink_log_to(sink, log);
    assert_int_equal(train_run(&spec, &env, sink, &err), 0);
    assert_int_equal(heard.calls, 4);
    assert_int_equal(heard.done, 3);
    assert_int_equal(heard.total, 3);
    assert_int_equal(fclose(log), 0);
    assert_non_null(strstr(text, "epoch 1/3 lr 0.1 batch 0."));
    assert_non_null(strstr(text, "\nepoch 3/3 "));
    free(text);
    sink_free(&sink);
    spec_free(&spec);
}

static void test_errors(void **state)
{
    struct fixture *fix = *state;
    struct train_env env = {.state_dir = "/nonexistent/states"};
    struct spec spec = run_spec();
    struct sink *sink = sink_new(NULL, NULL);
    struct error err = {0};

    assert_non_null(sink);
    assert_int_equal(train_run(&spec, &env, sink, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/states"));

    env.state_dir = fix->dir;
    fixture_set(&spec, "train.eval.train", "501");
    assert_int_equal(train_run(&spec, &env, sink, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "train.eval.train"));

    fixture_set(&spec, "data.name", "\"mnist\"");
    fixture_set(&spec, "data.dir", "\"/nonexistent/mnist\"");
    assert_int_equal(train_run(&spec, &env, sink, &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    assert_non_null(strstr(err.text, "/nonexistent/mnist"));
    sink_free(&sink);
    spec_free(&spec);
}

/* Real images, augmented, through a convolution: learns and repeats. */
static void test_images(void **state)
{
    struct fixture *fix = *state;
    struct spec spec =
        fixture_spec(JOB_TRAIN, "data.train", "500", "data.augment",
                     "[\"flip\",\"crop4\"]", "optimizer.lr", "0.05", "optimizer.momentum",
                     "0.9", "optimizer.batch", "50", "train.epochs", "12",
                     "train.eval.train", "\"all\"", "train.eval.test", "200", NULL);
    struct outcome a, b;

    fixture_seeds(&spec, "3");
    a = run_train(fix, &spec);
    b = run_train(fix, &spec);
    assert_same_rows(&a.result, &b.result);
    assert_true(tally_loss(&outcome_history(&a, 0, "train")->tally) > 2.2);
    assert_true(tally_loss(&outcome_history(&a, 12, "train")->tally) < 1.2);
    outcome_free(&a);
    outcome_free(&b);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_repeats, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_rows, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_learns, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_optimizers, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_smoothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_seeds, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_keeps, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_init_is_derived, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_diverges, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_until, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_no_epochs, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reports, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_errors, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_images, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
