/* The trial's own side: START in, PROGRESS and one RESULT out, whatever the spec
 * is. Called in this process, with files for its two ends. */

#include "tests/unit/run_fixture.h"

#include "common/json.h"
#include "common/version.h"
#include "proto/pipe.h"
#include "worker/env.h"
#include "worker/provenance.h"
#include "worker/trial.h"

#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>

/* A finished trial: its messages are read one after another. */
struct ran {
    int status;
    int fd;
    struct buf room;
    struct msg msg; /* the RESULT */
    int progress;   /* how many PROGRESS came before it */
};

static struct ran run_message(const struct msg *msg)
{
    struct ran ran = {0};
    int start_fd = memfd_create("start", MFD_CLOEXEC);

    ran.fd = memfd_create("result", MFD_CLOEXEC);
    assert_true(start_fd >= 0 && ran.fd >= 0);
    if (msg)
        assert_int_equal(pipe_send(start_fd, msg, NULL), 0);
    assert_int_equal(lseek(start_fd, 0, SEEK_SET), 0);
    ran.status = trial_main(start_fd, ran.fd);
    assert_int_equal(lseek(ran.fd, 0, SEEK_SET), 0);
    close(start_fd);
    return ran;
}

static struct ran run_job_on(uint32_t threads, const struct fixture *fix,
                             struct slice spec, struct msg_input *inputs,
                             uint32_t input_count)
{
    struct msg msg = {.kind = MSG_START,
                      .start = {.job = {.job = 3,
                                        .attempt = 2,
                                        .spec = spec,
                                        .inputs = inputs,
                                        .input_count = input_count},
                                .dir = slice_of(fix->dir),
                                .data_dir = slice_of(fix->dir),
                                .threads = threads}};
    struct ran ran = run_message(&msg);

    assert_int_equal(ran.status, 0);
    for (;;) {
        assert_int_equal(pipe_recv(ran.fd, &ran.room, &ran.msg, NULL), 0);
        if (ran.msg.kind == MSG_RESULT)
            break;
        assert_int_equal(ran.msg.kind, MSG_PROGRESS);
        ran.progress++;
        msg_free(&ran.msg);
        pipe_drop(&ran.room);
    }
    assert_int_equal(ran.msg.result.job, 3);
    assert_int_equal(ran.msg.result.attempt, 2);
    return ran;
}

static struct ran run_job(const struct fixture *fix, struct slice spec,
                          struct msg_input *inputs, uint32_t input_count)
{
    return run_job_on(1, fix, spec, inputs, input_count);
}

static void ran_free(struct ran *ran)
{
    if (ran->msg.kind != MSG_NONE)
        msg_free(&ran->msg);
    buf_free(&ran->room);
    close(ran->fd);
}

static void check_provenance(struct slice text, bool has_data)
{
    static const char *const names[] = {"version", "kernels", "blas", "cpu", "host"};
    struct json *json = json_parse(text.data, text.size, NULL);

    assert_non_null(json);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_true(strlen(json_text(json_get(json, names[i]))) > 0);
    assert_string_equal(json_text(json_get(json, "version")), COORD_VERSION);
    assert_int_equal(json_int(json_get(json, "numerics")), SPEC_NUMERICS);
    assert_int_equal(json_get(json, "data") != NULL, has_data);
    assert_int_equal(json_get(json, "convolutions") != NULL, has_data);
    assert_int_equal(json_get(json, "dense") != NULL, has_data);
    json_free(&json);
}

/* A job on several threads leaves the same states. */
static void test_threads(void **state)
{
    struct fixture *fix = *state;
    struct spec train = run_spec();
    struct buf text = {0};

    spec_text(&train, &text);
    struct slice spec = {text.data, text.size};
    struct ran one = run_job(fix, spec, NULL, 0);
    struct ran three = run_job_on(3, fix, spec, NULL, 0);
    const struct msg_result *a = &one.msg.result, *b = &three.msg.result;
    assert_int_equal(b->outcome, OUTCOME_DONE);
    assert_int_equal(a->state_count, b->state_count);
    for (uint32_t i = 0; i < a->state_count; i++) {
        assert_int_equal(a->states[i].hash.size, b->states[i].hash.size);
        assert_memory_equal(a->states[i].hash.data, b->states[i].hash.data,
                            a->states[i].hash.size);
    }
    ran_free(&one);
    ran_free(&three);
    buf_free(&text);
    spec_free(&train);
}

/* Dense layers by OpenBLAS: the same run but for rounding, and its label says so. */
static void test_kernels(void **state)
{
    static const char *const KERNELS[2] = {"portable", "native"};
    struct fixture *fix = *state;
    struct spec train = run_spec();
    struct ran ran[2];

    for (int i = 0; i < 2; i++) {
        struct buf text = {0};
        fixture_set(&train, "train.kernels", i ? "\"native\"" : "\"portable\"");
        spec_text(&train, &text);
        ran[i] = run_job(fix, (struct slice){text.data, text.size}, NULL, 0);
        const struct msg_result *result = &ran[i].msg.result;
        struct json *json =
            json_parse(result->provenance.data, result->provenance.size, NULL);
        assert_int_equal(result->outcome, OUTCOME_DONE);
        assert_string_equal(json_text(json_get(json, "dense")), KERNELS[i]);
        json_free(&json);
        buf_free(&text);
    }
    const struct msg_result *a = &ran[0].msg.result, *b = &ran[1].msg.result;
    bool same = true;
    for (uint32_t i = 0; i < a->history_count; i++) {
        const double off = a->history[i].tally.sum - b->history[i].tally.sum;
        assert_true(fabs(off) <= 1e-4 * a->history[i].tally.sum);
        same = same && off == 0;
    }
    assert_false(same);
    ran_free(&ran[0]);
    ran_free(&ran[1]);
    spec_free(&train);
}

static void test_train_then_probe(void **state)
{
    struct fixture *fix = *state;
    struct spec train = run_spec();
    struct spec probe = fixture_spec(
        JOB_PROBE, "a.run", "\"00000000000000000000000000000000\"", "a.state", "\"init\"",
        "b.run", "\"00000000000000000000000000000000\"", "b.state", "\"final\"",
        "probe.kind", "\"path\"", "probe.alphas", "5", "probe.splits.train", "300",
        "probe.splits.test", "400", NULL);
    struct buf train_text = {0}, probe_text = {0};
    char path[256], name[64];

    spec_text(&train, &train_text);
    spec_text(&probe, &probe_text);
    struct slice spec = {train_text.data, train_text.size};
    struct ran run = run_job(fix, spec, NULL, 0);
    const struct msg_result *result = &run.msg.result;
    assert_int_equal(result->outcome, OUTCOME_DONE);
    assert_int_equal(result->epochs, 3);
    assert_int_equal(result->history_count, 11);
    assert_int_equal(result->state_count, 2);
    assert_true(result->seconds > 0 && result->cpu_seconds > 0 && result->rss_bytes > 0);
    assert_true(run.progress >= 1);
    check_provenance(result->provenance, true);

    const struct msg_state *init = &result->states[0], *last = &result->states[1];
    assert_true(last->stored && !init->stored);
    snprintf(name, sizeof name, "%.*s.safetensors", (int)last->hash.size,
             last->hash.data);
    fixture_path(fix, name, path, sizeof path);
    struct msg_input inputs[2] = {
        {.role = slice_of("a"),
         .state = slice_of("init"),
         .spec = spec,
         .hash = init->hash},
        {.role = slice_of("b"),
         .state = slice_of("final"),
         .spec = spec,
         .hash = last->hash,
         .stored = true,
         .path = slice_of(path)},
    };
    struct ran line =
        run_job(fix, (struct slice){probe_text.data, probe_text.size}, inputs, 2);
    assert_int_equal(line.msg.result.outcome, OUTCOME_DONE);
    assert_int_equal(line.msg.result.point_count, 2 * 5);
    ran_free(&line);
    ran_free(&run);
    buf_free(&train_text);
    buf_free(&probe_text);
    spec_free(&train);
    spec_free(&probe);
}

static void test_bad_specs_fail_with_a_sentence(void **state)
{
    struct fixture *fix = *state;
    struct ran ran = run_job(fix, slice_of("coord-spec 1 train\nno.such=1\n"), NULL, 0);

    assert_int_equal(ran.msg.result.outcome, OUTCOME_FAILED);
    assert_true(slice_is(ran.msg.result.cause, "exit"));
    assert_non_null(strstr(ran.msg.result.message.data, "no.such"));
    check_provenance(ran.msg.result.provenance, false);
    ran_free(&ran);
}

static void test_missing_data_is_named(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = run_spec();
    struct buf text = {0};

    fixture_set(&spec, "data.name", "\"mnist\"");
    fixture_set(&spec, "data.dir", "\"/nonexistent\"");
    spec_text(&spec, &text);
    struct ran ran = run_job(fix, (struct slice){text.data, text.size}, NULL, 0);
    assert_int_equal(ran.msg.result.outcome, OUTCOME_FAILED);
    assert_true(slice_is(ran.msg.result.cause, "data"));
    assert_non_null(strstr(ran.msg.result.message.data, "/nonexistent"));
    assert_int_equal(ran.msg.result.history_count, 0);
    ran_free(&ran);
    buf_free(&text);
    spec_free(&spec);
}

static void test_no_room_for_a_state_is_not_the_jobs_fault(void **state)
{
    struct fixture elsewhere = *(struct fixture *)*state;
    struct spec spec = run_spec();
    struct buf text = {0};

    snprintf(elsewhere.dir, sizeof elsewhere.dir, "/nonexistent");
    spec_text(&spec, &text);
    struct ran ran = run_job(&elsewhere, (struct slice){text.data, text.size}, NULL, 0);
    assert_int_equal(ran.msg.result.outcome, OUTCOME_FAILED);
    assert_true(slice_is(ran.msg.result.cause, "worker-lost"));
    assert_non_null(strstr(ran.msg.result.message.data, "/nonexistent"));
    ran_free(&ran);
    buf_free(&text);
    spec_free(&spec);
}

static void test_no_start_no_result(void **state)
{
    (void)state;
    struct msg ping = {.kind = MSG_PING, .ping = {1}};
    struct ran ran = run_message(NULL);

    assert_int_equal(ran.status, 1);
    ran_free(&ran);
    ran = run_message(&ping);
    assert_int_equal(ran.status, 1);
    ran_free(&ran);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("OPENBLAS_NUM_THREADS", "8", 1);
    unsetenv("OMP_NUM_THREADS");
    setenv("OPENBLAS_CORETYPE", "Prescott", 1);
    assert_true(env_prepare());
    assert_string_equal(getenv("OPENBLAS_NUM_THREADS"), "1");
    assert_string_equal(getenv("OMP_NUM_THREADS"), "1");
    assert_string_equal(getenv("OPENBLAS_CORETYPE"), "Prescott"); /* the site's choice */
    assert_false(env_prepare());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_train_then_probe, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_threads, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_kernels, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_bad_specs_fail_with_a_sentence,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_missing_data_is_named, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_no_room_for_a_state_is_not_the_jobs_fault,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test(test_no_start_no_result),
        cmocka_unit_test(test_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
