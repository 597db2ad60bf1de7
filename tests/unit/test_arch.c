/* Networks as data: shapes, PyTorch's names and order, groups and unions. */

#include "common/arch.h"

#include "common/datasets.h"
#include "common/error.h"
#include "common/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void set(struct spec *spec, const char *name, const char *text)
{
    struct error err = {0};
    struct value value;

    assert_int_equal(value_parse(text, strlen(text), &value, &err), 0);
    if (spec_set(spec, name, &value, &err))
        fail_msg("%s", err.text);
    value_free(&value);
}

/* A network with one option after another: name, value, ..., NULL. */
static struct arch *build_with(struct error *err, const char *model, const char *data,
                               const char *const *options)
{
    struct spec spec;
    struct arch *arch;

    assert_int_equal(spec_init(&spec, JOB_TRAIN, err), 0);
    set(&spec, "model.name", model);
    set(&spec, "data.name", data);
    for (; *options; options += 2)
        set(&spec, options[0], options[1]);
    arch = arch_build(&spec, err);
    spec_free(&spec);
    return arch;
}

#define WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A network; widths may be NULL. */
static struct arch *build(const char *model, const char *data, const char *widths,
                          struct error *err)
{
    return build_with(err, model, data, WITH(widths ? "model.widths" : NULL, widths));
}

/* "name:OxIxKxK" of every tensor, in order. */
static void assert_tensors(const struct arch *arch, const char *expected)
{
    struct buf text = {0};
    size_t offset = 0;

    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        buf_printf(&text, "%s%s:", t ? " " : "", tensor->name);
        for (int i = 0; i < tensor->rank; i++)
            buf_printf(&text, "%s%d", i ? "x" : "", tensor->dim[i]);
        assert_true(tensor->offset == offset);
        offset += tensor->count;
    }
    assert_true(arch->param_count == offset);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

/* "name:CxHxW" of every layer's output, in order; ins and outs are chained. */
static void assert_layers(const struct arch *arch, const char *expected)
{
    struct buf text = {0};
    struct shape before = arch->input;

    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *layer = &arch->layers[i];
        assert_memory_equal(&layer->in, &before, sizeof before);
        buf_printf(&text, "%s%s:%dx%dx%d", i ? " " : "", layer->name, layer->out.C,
                   layer->out.H, layer->out.W);
        before = layer->out;
    }
    assert_int_equal(before.C, arch->classes);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

/* Counts are PyTorch's own, of modules with torchvision's structure (a VGG: its
 * features without biases before norms, and one dense layer). */
static void test_counts(void **state)
{
    const struct {
        const char *model, *data;
        const char *const *options;
        size_t params, state;
    } CASES[] = {
        {"\"resnet20\"", "\"cifar10\"", WITH(NULL), 272474, 274042},
        {"\"resnet110\"", "\"cifar10\"", WITH(NULL), 1730714, 1739002},
        {"\"resnet18\"", "\"cifar10\"", WITH(NULL), 11173962, 11183562},
        {"\"resnet34\"", "\"cifar10\"", WITH(NULL), 21282122, 21299146},
        {"\"resnet50\"", "\"cifar10\"", WITH(NULL), 23520842, 23573962},
        {"\"vgg11\"", "\"cifar10\"", WITH(NULL), 9225610, 9225610},
        {"\"vgg16\"", "\"cifar10\"", WITH(NULL), 14719818, 14719818},
        {"\"vgg11\"", "\"mnist\"", WITH("data.pad", "2", "model.norm", "\"batch\""),
         9227210, 9232714},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct arch *arch =
            build_with(NULL, CASES[i].model, CASES[i].data, CASES[i].options);
        assert_non_null(arch);
        assert_int_equal(arch->param_count, CASES[i].params);
        assert_int_equal(arch->state_count, CASES[i].state);
        assert_int_equal(arch_has_norm(arch), arch->state_count > arch->param_count);
        arch_free(&arch);
    }
}

/* The head has as many outputs as classes are kept. */
static void test_class_subset(void **state)
{
    struct error err = {0};
    struct arch *arch;
    struct spec spec;

    (void)state;
    assert_int_equal(spec_init(&spec, JOB_TRAIN, &err), 0);
    set(&spec, "model.name", "\"lenet5\"");
    set(&spec, "data.classes", "[1,4,7]");
    arch = arch_build(&spec, &err);
    assert_non_null(arch);
    assert_int_equal(arch->classes, 3);
    assert_int_equal(arch->layers[arch->layer_count - 1].out.C, 3);
    assert_int_equal(arch->tensors[arch->tensor_count - 1].count, 3);
    arch_free(&arch);
    spec_free(&spec);
}

static void test_lenet5(void **state)
{
    struct arch *arch = build("\"lenet5\"", "\"fashion-mnist\"", NULL, NULL);

    (void)state;
    assert_non_null(arch);
    assert_layers(arch, "conv1:6x28x28 relu1:6x28x28 pool1:6x14x14 conv2:16x10x10"
                        " relu2:16x10x10 pool2:16x5x5 flatten:400x1x1 fc1:120x1x1"
                        " relu3:120x1x1 fc2:84x1x1 relu4:84x1x1 fc3:10x1x1");
    assert_tensors(arch, "conv1.weight:6x1x5x5 conv1.bias:6 conv2.weight:16x6x5x5"
                         " conv2.bias:16 fc1.weight:120x400 fc1.bias:120"
                         " fc2.weight:84x120 fc2.bias:84 fc3.weight:10x84 fc3.bias:10");
    assert_true(arch->param_count == 61706); /* as PyTorch counts it */
    assert_true(arch_macs(arch) == 784 * 150 + 100 * 2400 + 48000 + 10080 + 840);
    assert_false(arch_has_norm(arch));
    arch_free(&arch);
    assert_null(arch);
    arch_free(&arch);
}

static void test_lenet5_on_cifar(void **state)
{
    struct arch *arch = build("\"lenet5\"", "\"cifar100\"", NULL, NULL);

    (void)state;
    assert_non_null(arch);
    assert_int_equal(arch->layers[6].out.C, 576);
    assert_int_equal(arch->layers[11].out.C, 100);
    arch_free(&arch);
}

static void test_mlps(void **state)
{
    struct arch *arch = build("\"lenet-300-100\"", "\"mnist\"", NULL, NULL);

    (void)state;
    assert_non_null(arch);
    assert_layers(arch, "flatten:784x1x1 fc1:300x1x1 relu1:300x1x1 fc2:100x1x1"
                        " relu2:100x1x1 fc3:10x1x1");
    assert_true(arch->param_count == 266610);
    arch_free(&arch);
    arch = build("\"mlp\"", "\"spiral\"", "[8]", NULL);
    assert_non_null(arch);
    assert_tensors(arch, "fc1.weight:8x2 fc1.bias:8 fc2.weight:2x8 fc2.bias:2");
    arch_free(&arch);
    arch = build("\"mlp\"", "\"spiral\"", "[]", NULL);
    assert_non_null(arch);
    assert_tensors(arch, "fc1.weight:2x2 fc1.bias:2");
    arch_free(&arch);
}

static void test_impossible_networks(void **state)
{
    struct error err = {0};

    (void)state;
    assert_null(build("\"lenet5\"", "\"spiral\"", NULL, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, "model \"lenet5\" on data \"spiral\": layer pool1: its"
                                  " 2x2 window does not fit into 1x1");
    assert_null(build("\"mlp\"", "\"mnist\"", "[65536,65536]", &err));
    assert_string_equal(err.text, "model \"mlp\" on data \"mnist\": layer fc2: more than"
                                  " 260000000 parameters in all");
}

static void test_groups(void **state)
{
    struct arch *arch = build("\"lenet5\"", "\"mnist\"", NULL, NULL);
    const char *names[8];

    (void)state;
    assert_non_null(arch);
    assert_int_equal(arch_groups(arch, names, 2), 5);
    assert_int_equal(arch_groups(arch, names, 8), 5);
    assert_string_equal(names[0], "conv1");
    assert_string_equal(names[4], "fc3");
    assert_true(arch_in_group(arch, 0, "all"));
    assert_true(arch_in_group(arch, 1, "conv1"));
    assert_true(arch_in_group(arch, 6, "conv1+fc2"));
    assert_false(arch_in_group(arch, 2, "conv1+fc2"));
    arch_free(&arch);
}

static void assert_group(const struct arch *arch, const char *group, const char *expected)
{
    struct error err = {0};
    struct buf text = {0};

    if (arch_check_group(arch, group, &err))
        buf_puts(&text, err.text);
    else
        arch_put_group(arch, group, &text);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

static void test_group_expressions(void **state)
{
    struct arch *arch = build("\"lenet5\"", "\"mnist\"", NULL, NULL);

    (void)state;
    assert_non_null(arch);
    assert_group(arch, "all", "all");
    assert_group(arch, "fc2+conv1", "conv1+fc2");
    assert_group(arch, "fc2+fc2", "group \"fc2+fc2\" names fc2.weight twice");
    assert_group(arch, "conf1", "unknown group \"conf1\" (did you mean \"conv1\"?)");
    assert_group(arch, "conv1+stem",
                 "unknown group \"stem\": the network has conv1, conv2, fc1, fc2, fc3");
    assert_group(arch, "conv1+",
                 "unknown group \"\": the network has conv1, conv2, fc1, fc2, fc3");
    assert_group(arch, "all+fc1", "group \"all+fc1\" names fc1.weight twice");
    assert_group(arch, "biases+fc2:weights", "all:biases+fc2:weights");
    assert_group(arch, "fc2:biases+fc2:weights", "fc2:weights+fc2:biases");
    assert_group(arch, "biases+fc2", "group \"biases+fc2\" names fc2.bias twice");
    assert_group(arch, "fc2:norms", "group \"fc2:norms\" is empty");
    assert_group(arch, "norms", "group \"all:norms\" is empty");
    assert_group(arch, "fc2:bias",
                 "unknown class \"bias\": expected weights, biases or norms");
    assert_group(arch, "fc9:biases", "unknown group \"fc9\" (did you mean \"fc1\"?)");
    assert_true(arch_compare_groups(arch, "all", "conv1") < 0);
    assert_true(arch_compare_groups(arch, "fc1", "conv2") > 0);
    assert_true(arch_compare_groups(arch, "conv1+fc1", "conv1+fc2") < 0);
    assert_int_equal(arch_compare_groups(arch, "fc1", "fc1"), 0);
    arch_free(&arch);
}

/* The names of all tensors of a group, in order. */
static void assert_members(const struct arch *arch, const char *group,
                           const char *expected)
{
    struct error err = {0};
    struct buf text = {0};

    if (arch_check_group(arch, group, &err))
        fail_msg("%s", err.text);
    for (int t = 0; t < arch->tensor_count; t++)
        if (arch_in_group(arch, t, group))
            buf_printf(&text, "%s%s", text.size ? " " : "", arch->tensors[t].name);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

static void assert_listed(int count, const char *const *names, const char *expected)
{
    struct buf text = {0};

    for (int i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i ? " " : "", names[i]);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

static void test_blocks_and_units(void **state)
{
    struct arch *arch = build("\"resnet20\"", "\"mnist\"", NULL, NULL);
    const char *names[64];
    int count = arch_blocks(arch, names, 64);

    (void)state;
    assert_listed(count, names, "stem B1 B2 B3 fc");
    count = arch_groups(arch, names, 64);
    assert_int_equal(count, 22); /* 19 convolutions, 2 shortcuts, the head */
    assert_listed(3, names, "conv1 layer1.0.conv1 layer1.0.conv2");
    assert_string_equal(names[9], "layer2.0.downsample.0");
    assert_members(arch, "stem",
                   "conv1.weight bn1.weight bn1.bias bn1.running_mean bn1.running_var");
    assert_members(arch, "conv1",
                   "conv1.weight bn1.weight bn1.bias bn1.running_mean bn1.running_var");
    assert_members(arch, "bn1+fc:biases",
                   "bn1.weight bn1.bias fc.bias bn1.running_mean bn1.running_var");
    assert_members(arch, "conv1:weights+fc", "conv1.weight fc.weight fc.bias");
    assert_members(arch, "conv1:norms",
                   "bn1.weight bn1.bias bn1.running_mean bn1.running_var");
    assert_members(arch, "layer2.0.downsample.0",
                   "layer2.0.downsample.0.weight layer2.0.downsample.1.weight"
                   " layer2.0.downsample.1.bias layer2.0.downsample.1.running_mean"
                   " layer2.0.downsample.1.running_var");
    assert_members(arch, "biases", "fc.bias");
    assert_group(arch, "fc+B2+stem", "stem+B2+fc");
    assert_group(arch, "B2+layer2.1.bn2",
                 "group \"B2+layer2.1.bn2\" names layer2.1.bn2.weight twice");
    assert_group(arch, "conv1+bn1", "group \"conv1+bn1\" names bn1.weight twice");
    assert_group(arch, "B4",
                 "unknown group \"B4\": the network has stem, B1, B2, B3, fc");
    assert_group(arch, "block",
                 "unknown group \"block\": the network has stem, B1, B2, B3, fc");
    assert_true(arch_compare_groups(arch, "all", "weights") < 0);
    assert_true(arch_compare_groups(arch, "stem", "weights") < 0);
    assert_true(arch_compare_groups(arch, "B1", "layer1.0.conv1") < 0);
    assert_int_equal(arch_compare_groups(arch, "stem", "conv1"), 0);
    arch_free(&arch);
}

static void test_blocks_of_others(void **state)
{
    struct arch *arch =
        build_with(NULL, "\"resnet20\"", "\"mnist\"", WITH("model.norm", "\"fixup\""));
    const char *names[64];

    (void)state;
    assert_members(arch, "stem", "conv1.weight bias1");
    assert_members(arch, "fc", "bias2 fc.weight fc.bias");
    assert_members(arch, "layer1.0.conv1",
                   "layer1.0.bias1a layer1.0.conv1.weight"
                   " layer1.0.bias1b");
    assert_members(arch, "layer1.0.conv2:norms", "layer1.0.scale");
    assert_false(arch_has_norm(arch));
    arch_free(&arch);
    arch = build("\"vgg11\"", "\"cifar10\"", NULL, NULL);
    assert_listed(arch_blocks(arch, names, 64), names, "B1 B2 B3 B4 B5 fc");
    assert_members(arch, "B3",
                   "features.6.weight features.6.bias features.8.weight"
                   " features.8.bias");
    assert_members(arch, "fc", "classifier.0.weight classifier.0.bias");
    arch_free(&arch);
}

static void test_datasets(void **state)
{
    const struct opt *opt = opt_find(JOB_TRAIN, "data.name");

    (void)state;
    for (size_t i = 0; opt->names[i]; i++) {
        const struct dataset_info *info = dataset_find(opt->names[i]);
        assert_non_null(info);
        assert_true(info->train_count > 0 && info->test_count > 0);
        assert_true(info->shape.C <= 3 && info->std[0] > 0);
        assert_int_equal(dataset_is_made(info),
                         info->format == DATASET_SPIRAL || info->format == DATASET_BLOBS);
    }
    assert_null(dataset_find("imagenet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_subset),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_lenet5),
        cmocka_unit_test(test_lenet5_on_cifar),
        cmocka_unit_test(test_mlps),
        cmocka_unit_test(test_impossible_networks),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_group_expressions),
        cmocka_unit_test(test_blocks_and_units),
        cmocka_unit_test(test_blocks_of_others),
        cmocka_unit_test(test_datasets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
