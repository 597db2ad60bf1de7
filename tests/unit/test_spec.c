/* Specs: canonical text, keys that never change, strict reading, rules of options. */

#include "common/spec.h"

#include "common/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS "seed.augment=7\nseed.dropout=7\nseed.init=7\nseed.labels=7\nseed.order=7\n"
#define RUN_A "00112233445566778899aabbccddeeff"
#define RUN_B "ffeeddccbbaa99887766554433221100"

static int try_set(struct spec *spec, const char *name, const char *text,
                   struct error *err)
{
    struct value value;
    int rc;

    assert_int_equal(value_parse(text, strlen(text), &value, err), 0);
    rc = spec_set(spec, name, &value, err);
    value_free(&value);
    return rc;
}

static void set(struct spec *spec, const char *name, const char *text)
{
    struct error err = {0};

    if (try_set(spec, name, text, &err))
        fail_msg("%s", err.text);
}

static void make_run(struct spec *spec)
{
    static const char *const STREAMS[] = {"seed.order", "seed.init", "seed.labels",
                                          "seed.dropout", "seed.augment"};

    assert_int_equal(spec_init(spec, JOB_TRAIN, NULL), 0);
    for (size_t i = 0; i < 5; i++)
        set(spec, STREAMS[i], "7");
}

static void make_probe(struct spec *spec)
{
    assert_int_equal(spec_init(spec, JOB_PROBE, NULL), 0);
    set(spec, "probe.kind", "\"layers\"");
    set(spec, "probe.groups", "[\"conv1\",\"conv1+fc1\"]");
    set(spec, "a.run", "\"" RUN_A "\"");
    set(spec, "a.state", "\"init\"");
    set(spec, "b.run", "\"" RUN_B "\"");
    set(spec, "b.state", "\"final\"");
}

static void assert_text(const struct spec *spec, const char *expected)
{
    struct buf text = {0};

    spec_text(spec, &text);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

static void assert_key(const struct spec *spec, const char *expected)
{
    char key[HASH_TEXT];

    assert_int_equal(spec_key(spec, key, NULL), 0);
    assert_string_equal(key, expected);
}

/* ---- identity --------------------------------------------------------------- */

/* These keys are in people's databases. If a change to the table changes one,
 * the change is wrong: a new option needs a no-op default. SPEC_NUMERICS changes all. */
static void test_pinned_keys(void **state)
{
    struct spec spec;

    (void)state;
    make_run(&spec);
    assert_text(&spec, "coord-spec 1 train\nnumerics=3\n" SEEDS);
    assert_key(&spec, "007ffe8c847a4658d77d465c3e2270ae");

    set(&spec, "data.name", "\"spiral\"");
    set(&spec, "model.name", "\"mlp\"");
    set(&spec, "model.widths", "[32,32]");
    set(&spec, "optimizer.momentum", "0.9");
    set(&spec, "optimizer.nesterov", "true");
    set(&spec, "optimizer.weight_decay", "0.0005");
    set(&spec, "train.keep", "[\"epoch:3\",\"init\"]");
    assert_text(&spec, "coord-spec 1 train\n"
                       "data.name=\"spiral\"\n"
                       "model.name=\"mlp\"\n"
                       "model.widths=[32,32]\n"
                       "numerics=3\n"
                       "optimizer.momentum=0.9\n"
                       "optimizer.nesterov=true\n"
                       "optimizer.weight_decay=0.0005\n" SEEDS
                       "train.keep=[\"init\",\"final\",\"epoch:3\"]\n");
    assert_key(&spec, "35bb9c965c6d565ea2e6082c764b4dce");
    spec_free(&spec);

    make_run(&spec);
    set(&spec, "data.augment", "[\"crop4\",\"flip\"]");
    set(&spec, "data.labels.random", "1");
    set(&spec, "data.train", "0.2");
    set(&spec, "init.mode", "\"fan_out\"");
    set(&spec, "init.scheme", "\"kaiming_normal\"");
    set(&spec, "train.schedule.at", "[10,20]");
    set(&spec, "train.schedule.name", "\"step\"");
    assert_key(&spec, "ddd93ba59945cd7ca10cd736fb05cbe3");
    spec_free(&spec);

    make_probe(&spec);
    assert_text(&spec, "coord-spec 1 probe\n"
                       "a.run=\"" RUN_A "\"\n"
                       "a.state=\"init\"\n"
                       "b.run=\"" RUN_B "\"\n"
                       "b.state=\"final\"\n"
                       "numerics=3\n"
                       "probe.groups=[\"conv1\",\"conv1+fc1\"]\n"
                       "probe.kind=\"layers\"\n");
    assert_key(&spec, "23e2c59150b6bb072afd3ae408def4d3");
    spec_free(&spec);
}

static void test_defaults_leave_no_trace(void **state)
{
    struct spec spec;

    (void)state;
    make_run(&spec);
    set(&spec, "optimizer.lr", "0.5");
    set(&spec, "train.eval.train", "100");
    assert_true(spec_has(&spec, "optimizer.lr"));
    set(&spec, "optimizer.lr", "0.1");
    set(&spec, "train.eval.train", "5000");
    set(&spec, "train.keep", "[]");
    set(&spec, "data.train", "1.0");
    assert_false(spec_has(&spec, "optimizer.lr"));
    assert_text(&spec, "coord-spec 1 train\nnumerics=3\n" SEEDS);
    spec_free(&spec);
}

static void test_copy(void **state)
{
    struct spec spec, copy;

    (void)state;
    make_probe(&spec);
    assert_int_equal(spec_copy(&spec, &copy, NULL), 0);
    set(&copy, "a.state", "\"epoch:2\"");
    assert_string_equal(spec_string(&spec, "a.state"), "init");
    assert_string_equal(spec_string(&copy, "a.state"), "epoch:2");
    spec_free(&spec);
    spec_free(&copy);
}

static void test_set_errors(void **state)
{
    struct error err = {0};
    struct spec spec;

    (void)state;
    make_run(&spec);
    assert_int_equal(try_set(&spec, "optimizer.lrr", "1", &err), -1);
    assert_string_equal(err.text,
                        "unknown option 'optimizer.lrr' (did you mean 'optimizer.lr'?)");
    assert_int_equal(try_set(&spec, "zzzzzzzz", "1", &err), -1);
    assert_string_equal(err.text, "unknown option 'zzzzzzzz'");
    assert_int_equal(try_set(&spec, "probe.kind", "\"path\"", &err), -1);
    assert_int_equal(try_set(&spec, "optimizer.lr", "-1", &err), -1);
    assert_string_equal(
        err.text, "option 'optimizer.lr': expected a number of at least 0, got -1.0");
    assert_text(&spec, "coord-spec 1 train\nnumerics=3\n" SEEDS);
    spec_free(&spec);
}

/* ---- reading ---------------------------------------------------------------- */

static void test_round_trip(void **state)
{
    struct buf text = {0}, again = {0};
    struct spec spec, parsed;

    (void)state;
    make_probe(&spec);
    set(&spec, "probe.alphas", "[0,0.1,1]");
    set(&spec, "probe.splits.train", "0.25");
    spec_text(&spec, &text);
    assert_int_equal(spec_parse(text.data, text.size, &parsed, NULL), 0);
    spec_text(&parsed, &again);
    assert_string_equal(text.data, again.data);
    buf_free(&text);
    buf_free(&again);
    spec_free(&spec);
    spec_free(&parsed);
}

static void test_parse_is_strict(void **state)
{
    static const struct {
        const char *text, *error;
    } CASES[] = {
        {"", "spec: not a spec: expected \"coord-spec 1 KIND\""},
        {"coord-spec 2 train\n", "spec: not a spec: expected \"coord-spec 1 KIND\""},
        {"coord-spec 1 train", "spec: not a spec: expected \"coord-spec 1 KIND\""},
        {"coord-spec 1 train\nnumerics=3", "spec: a last line without its end"},
        {"coord-spec 1 train\nnumerics\n", "spec: a line that is not NAME=VALUE"},
        {"coord-spec 1 train\noptimizer.lr=0.1\n",
         "spec: option 'optimizer.lr': repeated, or its default"},
        {"coord-spec 1 train\nseed.init=1\nseed.init=2\n",
         "spec: option 'seed.init': repeated, or its default"},
        {"coord-spec 1 train\noptimizer.lr=0.2\noptimizer.lr=0.1\n",
         "spec: option 'optimizer.lr': repeated, or its default"},
        {"coord-spec 1 train\nseed.init=1\nnumerics=3\n",
         "spec: option 'numerics': out of order"},
        {"coord-spec 1 train\noptimizer.lr=1\n", "spec: not a canonical text"},
        {"coord-spec 1 train\ntrain.keep=[\"init\"]\n", "spec: not a canonical text"},
        {"coord-spec 1 train\noptimizer.speed=1\n",
         "spec: unknown option 'optimizer.speed'"},
        {"coord-spec 1 train\nprobe.kind=\"path\"\n",
         "spec: unknown option 'probe.kind'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct error err = {0};
        struct spec spec = {0};
        assert_int_equal(spec_parse(CASES[i].text, strlen(CASES[i].text), &spec, &err),
                         -1);
        assert_string_equal(err.text, CASES[i].error);
    }
}

static void test_parse_is_bounded(void **state)
{
    static char text[SPEC_TEXT_MAX + 1];
    struct error err = {0};
    struct spec spec;

    (void)state;
    memset(text, '\n', sizeof text);
    assert_int_equal(spec_parse(text, sizeof text, &spec, &err), -1);
    assert_string_equal(err.text, "spec: longer than 65536 bytes");
}

/* ---- effective values ------------------------------------------------------- */

static void test_values(void **state)
{
    struct value value;
    struct spec spec;

    (void)state;
    make_run(&spec);
    assert_string_equal(spec_string(&spec, "model.name"), "lenet5");
    assert_string_equal(spec_string(&spec, "data.dir"), "");
    assert_true(spec_real(&spec, "optimizer.lr") == 0.1);
    assert_int_equal(spec_int(&spec, "seed.init"), 7);
    assert_false(spec_bool(&spec, "optimizer.nesterov"));
    set(&spec, "data.dir", "\"/data\"");
    set(&spec, "optimizer.lr", "2");
    assert_string_equal(spec_string(&spec, "data.dir"), "/data");
    assert_true(spec_real(&spec, "optimizer.lr") == 2.0);
    assert_int_equal(spec_value(&spec, "model.widths", &value, NULL), 0);
    assert_int_equal(value.list.count, 2);
    value_free(&value);
    spec_free(&spec);
}

static int64_t size_of(const struct spec *spec, const char *name, int64_t total)
{
    int64_t size = -1;

    (void)spec_size(spec, name, total, &size, NULL);
    return size;
}

static void test_sizes(void **state)
{
    struct error err = {0};
    struct spec spec;
    int64_t size;

    (void)state;
    make_run(&spec);
    assert_int_equal(size_of(&spec, "data.train", 60000), 60000);
    assert_int_equal(size_of(&spec, "train.eval.train", 60000), 5000);
    assert_int_equal(size_of(&spec, "train.eval.train", 2000), 2000);
    set(&spec, "data.train", "0.2");
    assert_int_equal(size_of(&spec, "data.train", 60000), 12000);
    assert_int_equal(size_of(&spec, "data.train", 2), 1);
    set(&spec, "train.eval.train", "3000");
    assert_int_equal(size_of(&spec, "train.eval.train", 3000), 3000);
    assert_int_equal(spec_size(&spec, "train.eval.train", 2999, &size, &err), -1);
    assert_string_equal(err.text, "option 'train.eval.train': 3000 examples, but there"
                                  " are 2999");
    spec_free(&spec);
}

static void test_all_sizes(void **state)
{
    struct spec_sizes sizes;
    struct error err = {0};
    const char *name;
    struct spec spec;

    (void)state;
    make_run(&spec);
    set(&spec, "data.name", "\"spiral\"");
    assert_int_equal(spec_sizes(&spec, &sizes, NULL, NULL), 0);
    assert_int_equal(sizes.train, 2000);
    assert_int_equal(sizes.test, 1000);
    assert_int_equal(sizes.eval_train, 2000);
    assert_int_equal(sizes.eval_test, 1000);
    set(&spec, "data.train", "100");
    set(&spec, "train.eval.train", "101");
    assert_int_equal(spec_sizes(&spec, &sizes, &name, &err), -1);
    assert_string_equal(name, "train.eval.train");
    assert_string_equal(err.text, "asks for more than the 100 examples there are");
    spec_free(&spec);
}

/* What a choice of classes leaves: MNIST's are of different sizes. */
static void test_sizes_of_classes(void **state)
{
    static const struct {
        const char *data, *kept;
        int64_t train, test;
        int classes;
    } CASES[] = {
        {"\"fashion-mnist\"", "[]", 60000, 10000, 10},
        {"\"fashion-mnist\"", "[2,7]", 12000, 2000, 2},
        {"\"mnist\"", "[1,5,9]", 6742 + 5421 + 5949, 1135 + 892 + 1009, 3},
        {"\"mnist\"", "[0,1,2,3,4,5,6,7,8]", 60000 - 5949, 10000 - 1009, 9},
        {"\"cifar10\"", "[0,1]", 10000, 2000, 2},
        {"\"cifar100\"", "[3,50,99]", 1500, 300, 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct spec_sizes sizes = {0};
        struct spec spec;
        make_run(&spec);
        set(&spec, "data.name", CASES[i].data);
        set(&spec, "data.classes", CASES[i].kept);
        assert_int_equal(spec_check(&spec, NULL, NULL), 0);
        assert_int_equal(spec_sizes(&spec, &sizes, NULL, NULL), 0);
        assert_int_equal(sizes.train, CASES[i].train);
        assert_int_equal(sizes.test, CASES[i].test);
        assert_int_equal(spec_classes(&spec), CASES[i].classes);
        spec_free(&spec);
    }
}

/* Copies count as examples of an epoch, and of what can be evaluated. */
static void test_sizes_of_copies(void **state)
{
    struct spec_sizes sizes = {0};
    struct spec spec;

    (void)state;
    make_run(&spec);
    set(&spec, "data.train", "100");
    set(&spec, "data.labels.random", "1.0");
    set(&spec, "data.replicas", "10");
    set(&spec, "train.eval.train", "1000");
    set(&spec, "train.keep", "[\"step:80\"]"); /* ten epochs of 8 */
    assert_int_equal(spec_check(&spec, NULL, NULL), 0);
    assert_int_equal(spec_sizes(&spec, &sizes, NULL, NULL), 0);
    assert_int_equal(sizes.train, 1000);
    assert_int_equal(sizes.eval_train, 1000);
    set(&spec, "train.keep", "[\"step:81\"]");
    assert_int_equal(spec_check(&spec, NULL, NULL), -1);
    spec_free(&spec);
}

/* ---- rules ------------------------------------------------------------------ */

/* One option set on top of a good spec of a kind (and maybe a second one). */
static void assert_rule(enum job_kind kind, const char *name, const char *text,
                        const char *expected)
{
    struct error err = {0};
    struct spec spec;

    if (kind == JOB_TRAIN)
        make_run(&spec);
    else
        make_probe(&spec);
    set(&spec, name, text);
    if (expected) {
        assert_int_equal(spec_check(&spec, NULL, &err), -1);
        assert_string_equal(err.text, expected);
    } else if (spec_check(&spec, NULL, &err))
        fail_msg("%s", err.text);
    spec_free(&spec);
}

static void test_run_rules(void **state)
{
    (void)state;
    assert_rule(JOB_TRAIN, "optimizer.lr", "0.1", NULL);
    assert_rule(JOB_TRAIN, "train.keep", "[\"epoch:10\",\"step:4690\"]", NULL);
    assert_rule(JOB_TRAIN, "train.keep", "[\"epoch:11\"]",
                "option 'train.keep': \"epoch:11\" is after the last epoch, 10");
    assert_rule(JOB_TRAIN, "train.keep", "[\"step:4691\"]",
                "option 'train.keep': \"step:4691\" is after the last step, 4690");
    assert_rule(JOB_TRAIN, "optimizer.nesterov", "true",
                "option 'optimizer.nesterov': needs optimizer.momentum above 0");
    assert_rule(JOB_TRAIN, "optimizer.freeze", "[\"conv1\",\"fc1\"]", NULL);
    assert_rule(JOB_TRAIN, "optimizer.freeze", "[\"fc1\",\"conv1\"]",
                "option 'optimizer.freeze': expected \"conv1\" before \"fc1\", as in the"
                " network");
    assert_rule(JOB_TRAIN, "optimizer.freeze", "[\"conv1+fc1\"]",
                "option 'optimizer.freeze': expected single groups, got \"conv1+fc1\"");
    assert_rule(JOB_TRAIN, "optimizer.freeze", "[\"fc9\"]",
                "option 'optimizer.freeze': unknown group \"fc9\" (did you mean"
                " \"fc1\"?)");
    assert_rule(JOB_TRAIN, "train.schedule.warmup", "10", NULL);
    assert_rule(JOB_TRAIN, "train.schedule.warmup", "11",
                "option 'train.schedule.warmup': is more than the 10 epochs there are");
    assert_rule(JOB_TRAIN, "model.widths", "[5]",
                "option 'model.widths': applies only where model.name is mlp");
    assert_rule(JOB_TRAIN, "init.mode", "\"fan_out\"",
                "option 'init.mode': applies only where init.scheme is kaiming_normal or"
                " kaiming_uniform");
    assert_rule(JOB_TRAIN, "data.classes", "[0,9]", NULL);
    assert_rule(JOB_TRAIN, "data.classes", "[4]",
                "option 'data.classes': expected at least 2 classes");
    assert_rule(JOB_TRAIN, "data.classes", "[4,10]",
                "option 'data.classes': 10 is no class of \"fashion-mnist\", which has 0"
                " to 9");
    assert_rule(JOB_TRAIN, "data.classes", "[0,1,2,3,4,5,6,7,8,9]",
                "option 'data.classes': names all 10 classes of \"fashion-mnist\": leave"
                " it out, or give []");
    assert_rule(JOB_TRAIN, "data.blur", "7", NULL);
    assert_rule(JOB_TRAIN, "data.blur", "3",
                "option 'data.blur': blocks of 3 do not tile images of 28 x 28");
    assert_rule(JOB_TRAIN, "data.shuffle", "14", NULL);
    assert_rule(JOB_TRAIN, "data.shuffle", "8",
                "option 'data.shuffle': blocks of 8 do not tile images of 28 x 28");
    assert_rule(JOB_TRAIN, "data.shuffle", "28",
                "option 'data.shuffle': a single block cannot be permuted");
    assert_rule(JOB_TRAIN, "data.replicas", "2",
                "option 'data.replicas': needs data.labels.random, data.labels.noise or"
                " data.zero_out above 0: the copies would be equal");
    assert_rule(JOB_TRAIN, "data.zero_out", "0.1", NULL);
    assert_rule(JOB_TRAIN, "init.scheme", "\"orthogonal\"", NULL);
    assert_rule(JOB_TRAIN, "init.sparsity", "0.5",
                "option 'init.sparsity': applies only where init.scheme is sparse");
    assert_rule(JOB_TRAIN, "init.std", "0.02",
                "option 'init.std': applies only where init.scheme is sparse");
    assert_rule(JOB_TRAIN, "train.schedule.at", "[3]",
                "option 'train.schedule.at': applies only where train.schedule.name is"
                " step");
    assert_rule(JOB_TRAIN, "data.train", "60001",
                "option 'data.train': asks for more than the 60000 examples there are");
    assert_rule(JOB_TRAIN, "numerics", "1",
                "option 'numerics': is 1, but this program computes version 3");
}

/* An option of another optimizer is an error; a bad value of its own, too. */
static void test_optimizer_rules(void **state)
{
    static const struct {
        const char *name, *option, *value, *expected;
    } CASES[] = {
        {"\"adam\"", "optimizer.beta1", "0.8", NULL},
        {"\"adamw\"", "optimizer.eps", "1e-06", NULL},
        {"\"rmsprop\"", "optimizer.momentum", "0.9", NULL},
        {"\"rmsprop\"", "optimizer.alpha", "0.9", NULL},
        {"\"sgd\"", "optimizer.alpha", "0.5",
         "option 'optimizer.alpha': applies only where optimizer.name is rmsprop"},
        {"\"adam\"", "optimizer.momentum", "0.9",
         "option 'optimizer.momentum': applies only where optimizer.name is sgd or"
         " rmsprop"},
        {"\"rmsprop\"", "optimizer.nesterov", "true",
         "option 'optimizer.nesterov': applies only where optimizer.name is sgd"},
        {"\"rmsprop\"", "optimizer.beta1", "0.8",
         "option 'optimizer.beta1': applies only where optimizer.name is adam or adamw"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct error err = {0};
        struct spec spec;
        make_run(&spec);
        set(&spec, "optimizer.name", CASES[i].name);
        set(&spec, CASES[i].option, CASES[i].value);
        assert_int_equal(spec_check(&spec, NULL, &err), CASES[i].expected ? -1 : 0);
        if (CASES[i].expected)
            assert_string_equal(err.text, CASES[i].expected);
        spec_free(&spec);
    }
}

static void test_schedule_rules(void **state)
{
    static const struct {
        const char *at, *error;
    } CASES[] = {
        {"[3,9]", NULL},
        {"[]", "option 'train.schedule.name': \"step\" needs train.schedule.at"},
        {"[3,10]", "option 'train.schedule.at': a drop after epoch 10 changes nothing,"
                   " training ends after 10"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct error err = {0};
        struct spec spec;
        make_run(&spec);
        set(&spec, "train.schedule.name", "\"step\"");
        set(&spec, "train.schedule.at", CASES[i].at);
        assert_int_equal(spec_check(&spec, NULL, &err), CASES[i].error ? -1 : 0);
        if (CASES[i].error)
            assert_string_equal(err.text, CASES[i].error);
        spec_free(&spec);
    }
}

static void test_probe_rules(void **state)
{
    (void)state;
    assert_rule(JOB_PROBE, "probe.from", "0.9999999", NULL);
    assert_rule(JOB_PROBE, "probe.to", "1e-320",
                "option 'probe.to': 50 alphas do not fit between the first and the last");
    assert_rule(JOB_PROBE, "probe.from", "0.99999999999999",
                "option 'probe.from': 50 alphas do not fit between the first and the"
                " last");
    assert_rule(JOB_PROBE, "probe.to", "2", NULL);
    assert_rule(JOB_PROBE, "probe.to", "0",
                "option 'probe.to': expected the first alpha below the last");
    assert_rule(JOB_PROBE, "probe.kind", "\"path\"",
                "option 'probe.groups': applies only where probe.kind is layers or"
                " plane");
    assert_rule(JOB_PROBE, "probe.groups", "[]",
                "option 'probe.groups': is missing: a probe of kind layers needs it");
    assert_rule(JOB_PROBE, "a.run", "\"none\"",
                "option 'a.run': expected a run's key, got \"none\"");
}

static void test_missing(void **state)
{
    struct error err = {0};
    struct spec spec;
    const char *name = NULL;

    (void)state;
    assert_int_equal(spec_init(&spec, JOB_TRAIN, NULL), 0);
    assert_int_equal(spec_check(&spec, &name, &err), -1);
    assert_string_equal(name, "seed.augment");
    assert_string_equal(err.text, "is missing");
    spec_free(&spec);
    make_probe(&spec);
    set(&spec, "probe.alphas", "[0,1]");
    set(&spec, "probe.from", "0.5");
    assert_int_equal(spec_check(&spec, &name, &err), -1);
    assert_string_equal(name, "probe.from");
    assert_string_equal(err.text, "applies only where alphas is a count");
    spec_free(&spec);
    spec = (struct spec){.kind = JOB_DERIVE};
    assert_int_equal(spec_check(&spec, &name, &err), -1);
    assert_string_equal(name, "a.run");
    assert_string_equal(err.text, "is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pinned_keys),
        cmocka_unit_test(test_defaults_leave_no_trace),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_set_errors),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_parse_is_strict),
        cmocka_unit_test(test_parse_is_bounded),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_all_sizes),
        cmocka_unit_test(test_sizes_of_classes),
        cmocka_unit_test(test_sizes_of_copies),
        cmocka_unit_test(test_run_rules),
        cmocka_unit_test(test_optimizer_rules),
        cmocka_unit_test(test_schedule_rules),
        cmocka_unit_test(test_probe_rules),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
