/* What a network's options mean for a spec: defaults that depend on the network, and
 * rules that concern several options. */

#include "tests/unit/fixture.h"

#include <stdlib.h>

#define SEEDS "seed.augment=7\nseed.dropout=7\nseed.init=7\nseed.labels=7\nseed.order=7\n"

static void make_run(struct spec *spec)
{
    *spec = fixture_spec(JOB_TRAIN, NULL);
    fixture_seeds(spec, "7");
}

static void assert_text(const struct spec *spec, const char *expected)
{
    struct buf text = {0};

    spec_text(spec, &text);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

/* A default that depends on the network: one network has one key, in whatever order
 * its options are set. */
static void test_defaults_of_networks(void **state)
{
    static const char *const ORDERS[][4] = {
        {"model.name", "\"resnet20\"", "model.norm", "\"batch\""},
        {"model.norm", "\"batch\"", "model.name", "\"resnet20\""},
        {"model.name", "\"resnet20\"", "model.width", "16"},
        {"model.width", "16", "model.name", "\"resnet20\""},
    };
    struct spec spec;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        make_run(&spec);
        fixture_set(&spec, ORDERS[i][0], ORDERS[i][1]);
        fixture_set(&spec, ORDERS[i][2], ORDERS[i][3]);
        assert_text(&spec,
                    "coord-spec 1 train\nmodel.name=\"resnet20\"\nnumerics=3\n" SEEDS);
        assert_false(spec_has(&spec, ORDERS[i][i % 2 ? 0 : 2]));
        spec_settle(&spec);
        assert_int_equal(spec.count, 7);
        spec_free(&spec);
    }
    make_run(&spec);
    fixture_set(&spec, "model.norm", "\"none\"");
    fixture_set(&spec, "model.name", "\"resnet20\"");
    spec_settle(&spec);
    assert_text(&spec, "coord-spec 1 train\nmodel.name=\"resnet20\"\n"
                       "model.norm=\"none\"\nnumerics=3\n" SEEDS);
    fixture_set(&spec, "model.name", "\"lenet5\"");
    assert_text(&spec, "coord-spec 1 train\nnumerics=3\n" SEEDS);
    spec_free(&spec);

    make_run(&spec);
    assert_string_equal(spec_string(&spec, "model.norm"), "none");
    assert_true(spec_real(&spec, "model.width") == 1);
    fixture_set(&spec, "model.name", "\"resnet56\"");
    assert_string_equal(spec_string(&spec, "model.norm"), "batch");
    assert_true(spec_real(&spec, "model.width") == 16);
    fixture_set(&spec, "model.name", "\"resnet34\"");
    assert_true(spec_real(&spec, "model.width") == 1);
    spec_free(&spec);
}

/* Of a network other than the default: name, value, ..., NULL. */
static void assert_model_rule(const char *model, const char *const *options,
                              const char *expected)
{
    struct error err = {0};
    struct spec spec;

    make_run(&spec);
    fixture_set(&spec, "model.name", model);
    for (; *options; options += 2)
        fixture_set(&spec, options[0], options[1]);
    if (expected) {
        assert_int_equal(spec_check(&spec, NULL, &err), -1);
        assert_string_equal(err.text, expected);
    } else if (spec_check(&spec, NULL, &err))
        fail_msg("%s", err.text);
    spec_free(&spec);
}

#define WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_model_rules(void **state)
{
    (void)state;
    assert_model_rule("\"resnet20\"", WITH("model.norm", "\"fixup\""), NULL);
    assert_model_rule("\"vgg11\"", WITH("model.norm", "\"fixup\""),
                      "option 'model.norm': \"fixup\" applies only to resnets");
    assert_model_rule(
        "\"resnet20\"", WITH("model.norm", "\"fixup\"", "model.residual", "false"),
        "option 'model.norm': \"fixup\" applies only where model.residual is true");
    assert_model_rule("\"resnet20\"", WITH("init.zero_gamma", "true"), NULL);
    assert_model_rule(
        "\"resnet20\"", WITH("init.zero_gamma", "true", "model.norm", "\"none\""),
        "option 'init.zero_gamma': applies only where model.norm is batch or"
        " group or layer");
    assert_model_rule(
        "\"resnet20\"", WITH("init.zero_gamma", "true", "model.residual", "false"),
        "option 'init.zero_gamma': applies only where model.residual is true");
    assert_model_rule(
        "\"resnet20\"", WITH("model.shortcut", "\"pad\"", "model.residual", "false"),
        "option 'model.shortcut': applies only where model.residual is true");
    assert_model_rule("\"resnet34\"", WITH("model.width", "0.3"),
                      "option 'model.width': makes 19.2 channels of the first stage,"
                      " expected an integer of at least 1");
    assert_model_rule("\"resnet20\"", WITH("model.width", "0.5"),
                      "option 'model.width': makes 0.5 channels of the first stage,"
                      " expected an integer of at least 1");
    assert_model_rule("\"resnet20\"", WITH("model.stem", "\"imagenet\""),
                      "option 'model.stem': applies only where model.name is resnet18 or"
                      " resnet34 or resnet50");
    assert_model_rule("\"resnet20\"", WITH("model.norm_groups", "4"),
                      "option 'model.norm_groups': applies only where model.norm is"
                      " group");
}

/* A last batch of one example is fine where maps are larger than one pixel. */
static void test_batches_of_one(void **state)
{
    (void)state;
    assert_model_rule("\"resnet20\"", WITH("optimizer.batch", "1"), NULL);
    assert_model_rule(
        "\"resnet18\"", WITH("model.stem", "\"imagenet\"", "optimizer.batch", "1"),
        "option 'optimizer.batch': the last of batches of 1 has one example, and layer"
        " layer4.0.bn1 one value for each channel, which batch norm cannot normalise");
    assert_model_rule(
        "\"mlp\"", WITH("model.norm", "\"batch\"", "data.train", "129"),
        "option 'optimizer.batch': the last of batches of 128 has one example, and layer"
        " bn1 one value for each channel, which batch norm cannot normalise");
    assert_model_rule("\"mlp\"", WITH("model.norm", "\"layer\"", "data.train", "129"),
                      NULL);
    assert_model_rule("\"mlp\"", WITH("model.norm", "\"batch\"", "data.train", "130"),
                      NULL);
}

static void test_frozen_groups(void **state)
{
    (void)state;
    assert_model_rule(
        "\"resnet20\"",
        WITH("optimizer.freeze", "[\"stem\",\"layer1.0.bn1\",\"B2:weights\"]"), NULL);
    assert_model_rule(
        "\"resnet20\"", WITH("optimizer.freeze", "[\"B1\",\"all:norms\"]"),
        "option 'optimizer.freeze': expected \"all:norms\" before \"B1\", as"
        " in the network");
    assert_model_rule("\"resnet20\"", WITH("optimizer.freeze", "[\"all:norms\",\"B1\"]"),
                      "option 'optimizer.freeze': \"all:norms\" and \"B1\" both have"
                      " layer1.0.bn1.weight");
    assert_model_rule("\"resnet20\"", WITH("optimizer.freeze", "[\"norms\"]"),
                      "option 'optimizer.freeze': expected \"all:norms\", got \"norms\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_of_networks),
        cmocka_unit_test(test_model_rules),
        cmocka_unit_test(test_batches_of_one),
        cmocka_unit_test(test_frozen_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
