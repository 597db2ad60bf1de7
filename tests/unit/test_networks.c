/* VGGs and ResNets, layer by layer, and what norms, activations and dropout add to
 * every network. */

#include "tests/unit/fixture.h"

#include "common/arch.h"

#include <stdlib.h>

#define WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Options: name, value, ..., NULL. */
static struct arch *try_build(const char *const *options, struct error *err)
{
    struct spec spec = fixture_spec(JOB_TRAIN, NULL);
    struct arch *arch;

    for (; *options; options += 2)
        fixture_set(&spec, options[0], options[1]);
    arch = arch_build(&spec, err);
    spec_free(&spec);
    return arch;
}

static struct arch *build(const char *const *options)
{
    struct error err = {0};
    struct arch *arch = try_build(options, &err);

    if (!arch)
        fail_msg("%s", err.text);
    return arch;
}

static const struct layer *layer_named(const struct arch *arch, const char *name)
{
    for (int i = 0; i < arch->layer_count; i++)
        if (strcmp(arch->layers[i].name, name) == 0)
            return &arch->layers[i];
    return NULL;
}

static void assert_shape(const struct arch *arch, const char *name, int c, int h, int w)
{
    const struct layer *layer = layer_named(arch, name);

    if (!layer)
        fail_msg("no layer %s", name);
    if (layer->out.C != c || layer->out.H != h || layer->out.W != w)
        fail_msg("%s is %dx%dx%d", name, layer->out.C, layer->out.H, layer->out.W);
}

/* "name:a" or "name:a,b" of layers from one to another: whose outputs they read. */
static void assert_graph(const struct arch *arch, const char *from, const char *to,
                         const char *expected)
{
    struct buf text = {0};
    int first = (int)(layer_named(arch, from) - arch->layers);
    int last = (int)(layer_named(arch, to) - arch->layers);

    for (int i = first; i <= last; i++) {
        const struct layer *layer = &arch->layers[i];
        buf_printf(&text, "%s%s:%s", i > first ? " " : "", layer->name,
                   layer->input < 0 ? "x" : arch->layers[layer->input].name);
        if (layer->other >= 0)
            buf_printf(&text, ",%s", arch->layers[layer->other].name);
    }
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

/* Names of all parameters, in order. */
static void assert_params(const struct arch *arch, const char *expected)
{
    struct buf text = {0};

    for (int t = 0; t < arch->param_tensors; t++)
        buf_printf(&text, "%s%s", t ? " " : "", arch->tensors[t].name);
    assert_string_equal(text.data, expected);
    buf_free(&text);
}

/* ---- ResNets ---------------------------------------------------------------- */

static void test_basic_blocks(void **state)
{
    struct arch *arch = build(WITH("model.name", "\"resnet20\""));

    (void)state;
    assert_graph(arch, "conv1", "layer1.0.relu2",
                 "conv1:x bn1:conv1 relu1:bn1 layer1.0.conv1:relu1"
                 " layer1.0.bn1:layer1.0.conv1 layer1.0.relu1:layer1.0.bn1"
                 " layer1.0.conv2:layer1.0.relu1 layer1.0.bn2:layer1.0.conv2"
                 " layer1.0.add:layer1.0.bn2,relu1 layer1.0.relu2:layer1.0.add");
    assert_graph(arch, "layer2.0.bn2", "layer2.0.relu2",
                 "layer2.0.bn2:layer2.0.conv2 layer2.0.downsample.0:layer1.2.relu2"
                 " layer2.0.downsample.1:layer2.0.downsample.0"
                 " layer2.0.add:layer2.0.bn2,layer2.0.downsample.1"
                 " layer2.0.relu2:layer2.0.add");
    assert_graph(arch, "avgpool", "fc",
                 "avgpool:layer3.2.relu2 flatten:avgpool"
                 " fc:flatten");
    assert_shape(arch, "layer1.2.relu2", 16, 28, 28);
    assert_shape(arch, "layer2.0.downsample.0", 32, 14, 14);
    assert_shape(arch, "layer3.2.relu2", 64, 7, 7);
    assert_shape(arch, "avgpool", 64, 1, 1);
    arch_free(&arch);
}

/* torchvision's, whose stride is that of the 3x3. */
static void test_bottlenecks(void **state)
{
    struct arch *arch =
        build(WITH("model.name", "\"resnet50\"", "model.stem", "\"imagenet\"",
                   "data.name", "\"blobs\"", "data.shape", "[3,64,64]"));

    (void)state;
    assert_shape(arch, "conv1", 64, 32, 32);
    assert_shape(arch, "maxpool", 64, 16, 16);
    assert_shape(arch, "layer1.0.conv2", 64, 16, 16);
    assert_shape(arch, "layer1.0.downsample.0", 256, 16, 16);
    assert_shape(arch, "layer2.0.conv1", 128, 16, 16);
    assert_shape(arch, "layer2.0.conv2", 128, 8, 8);
    assert_shape(arch, "layer2.0.conv3", 512, 8, 8);
    assert_shape(arch, "layer4.2.relu3", 2048, 2, 2);
    assert_graph(arch, "layer1.0.conv1", "layer1.0.relu3",
                 "layer1.0.conv1:maxpool layer1.0.bn1:layer1.0.conv1"
                 " layer1.0.relu1:layer1.0.bn1 layer1.0.conv2:layer1.0.relu1"
                 " layer1.0.bn2:layer1.0.conv2 layer1.0.relu2:layer1.0.bn2"
                 " layer1.0.conv3:layer1.0.relu2 layer1.0.bn3:layer1.0.conv3"
                 " layer1.0.downsample.0:maxpool"
                 " layer1.0.downsample.1:layer1.0.downsample.0"
                 " layer1.0.add:layer1.0.bn3,layer1.0.downsample.1"
                 " layer1.0.relu3:layer1.0.add");
    arch_free(&arch);
    /* as torchvision counts resnet50 with 1000 classes, but for the other 990 */
    arch = build(WITH("model.name", "\"resnet50\"", "model.stem", "\"imagenet\"",
                      "data.name", "\"cifar10\""));
    assert_int_equal(arch->param_count, 25557032 - 990 * 2049);
    arch_free(&arch);
}

static void test_shortcuts(void **state)
{
    struct arch *arch =
        build(WITH("model.name", "\"resnet20\"", "model.shortcut", "\"pad\""));

    (void)state;
    assert_graph(arch, "layer2.0.downsample", "layer2.0.add",
                 "layer2.0.downsample:layer1.2.relu2"
                 " layer2.0.add:layer2.0.bn2,layer2.0.downsample");
    assert_shape(arch, "layer2.0.downsample", 32, 14, 14);
    assert_int_equal(layer_named(arch, "layer2.0.downsample")->stride, 2);
    assert_int_equal(arch->param_count, 269722 - 2 * 144);
    arch_free(&arch);
    arch = build(WITH("model.name", "\"resnet20\"", "model.residual", "false"));
    assert_null(layer_named(arch, "layer2.0.add"));
    assert_null(layer_named(arch, "layer2.0.downsample.0"));
    assert_int_equal(arch->param_count, 269722 - 2 * 144);
    arch_free(&arch);
}

/* A convolution in a shortcut reads what the branch's first does. */
static void test_fixup(void **state)
{
    struct arch *arch =
        build(WITH("model.name", "\"resnet20\"", "model.norm", "\"fixup\""));

    (void)state;
    assert_graph(arch, "conv1", "layer1.0.conv1",
                 "conv1:x bias1:conv1 relu1:bias1 layer1.0.bias1a:relu1"
                 " layer1.0.conv1:layer1.0.bias1a");
    assert_graph(arch, "layer2.0.bias1a", "layer2.0.relu2",
                 "layer2.0.bias1a:layer1.2.relu2 layer2.0.conv1:layer2.0.bias1a"
                 " layer2.0.bias1b:layer2.0.conv1 layer2.0.relu1:layer2.0.bias1b"
                 " layer2.0.bias2a:layer2.0.relu1 layer2.0.conv2:layer2.0.bias2a"
                 " layer2.0.scale:layer2.0.conv2 layer2.0.bias2b:layer2.0.scale"
                 " layer2.0.downsample.0:layer2.0.bias1a"
                 " layer2.0.add:layer2.0.bias2b,layer2.0.downsample.0"
                 " layer2.0.relu2:layer2.0.add");
    assert_graph(arch, "flatten", "fc", "flatten:avgpool bias2:flatten fc:bias2");
    assert_true(layer_named(arch, "conv1")->bias < 0);
    assert_int_equal(arch->tensors[layer_named(arch, "bias1")->bias].count, 1);
    assert_int_equal(arch->tensors[layer_named(arch, "layer1.0.scale")->weight].count, 1);
    arch_free(&arch);
}

static void test_widths(void **state)
{
    struct arch *arch = build(WITH("model.name", "\"resnet18\"", "model.width", "0.25"));
    struct error err = {0};

    (void)state;
    assert_shape(arch, "conv1", 16, 28, 28);
    assert_shape(arch, "layer4.1.relu2", 128, 4, 4);
    arch_free(&arch);
    arch = build(WITH("model.name", "\"resnet56\"", "model.width", "5"));
    assert_shape(arch, "layer3.8.relu2", 20, 7, 7);
    arch_free(&arch);
    assert_null(
        try_build(WITH("model.name", "\"resnet18\"", "model.width", "0.3"), &err));
    assert_string_equal(err.text,
                        "model \"resnet18\" on data \"fashion-mnist\": model.width 0.3"
                        " makes 64 channels 19.2, expected an integer of at least 1");
    assert_null(
        try_build(WITH("model.name", "\"resnet20\"", "model.width", "0.5"), &err));
    assert_null(try_build(WITH("model.name", "\"vgg19\"", "model.width", "100.0"), &err));
    assert_non_null(strstr(err.text, "more than 260000000 parameters in all"));
    assert_null(try_build(WITH("model.name", "\"resnet20\"", "model.width", "15",
                               "model.shortcut", "\"pad\""),
                          &err));
    assert_non_null(strstr(err.text, "layer layer2.0.downsample: 15 channels cannot"
                                     " become 30 with as many zeros before as after"));
}

/* ---- VGGs ------------------------------------------------------------------- */

static void test_vgg(void **state)
{
    struct arch *arch = build(WITH("model.name", "\"vgg11\"", "data.name", "\"cifar10\"",
                                   "model.width", "0.125"));
    struct error err = {0};

    (void)state;
    assert_params(arch, "features.0.weight features.0.bias features.3.weight"
                        " features.3.bias features.6.weight features.6.bias"
                        " features.8.weight features.8.bias features.11.weight"
                        " features.11.bias features.13.weight features.13.bias"
                        " features.16.weight features.16.bias features.18.weight"
                        " features.18.bias classifier.0.weight classifier.0.bias");
    assert_shape(arch, "features.20", 64, 1, 1);
    assert_null(layer_named(arch, "avgpool"));
    arch_free(&arch);
    arch = build(WITH("model.name", "\"vgg11\"", "data.name", "\"cifar10\"", "model.norm",
                      "\"batch\""));
    assert_graph(arch, "features.0", "features.4",
                 "features.0:x features.1:features.0 features.2:features.1"
                 " features.3:features.2 features.4:features.3");
    assert_int_equal(layer_named(arch, "features.1")->kind, LAYER_NORM);
    assert_int_equal(layer_named(arch, "features.25")->kind, LAYER_CONV);
    assert_true(layer_named(arch, "features.25")->bias < 0);
    arch_free(&arch);
    arch = build(WITH("model.name", "\"vgg13\"", "data.name", "\"blobs\"", "data.shape",
                      "[3,64,96]", "model.dropout", "0.5"));
    assert_graph(arch, "avgpool", "classifier.0",
                 "avgpool:features.24 flatten:avgpool dropout:flatten"
                 " classifier.0:dropout");
    assert_shape(arch, "features.24", 512, 2, 3);
    assert_shape(arch, "avgpool", 512, 1, 1);
    arch_free(&arch);
    assert_null(try_build(WITH("model.name", "\"vgg11\""), &err));
    assert_string_equal(err.text, "model \"vgg11\" on data \"fashion-mnist\": layer"
                                  " features.20: its 2x2 window does not fit into 1x1");
}

/* ---- what options add ------------------------------------------------------- */

static void test_norms_everywhere(void **state)
{
    struct arch *arch =
        build(WITH("model.name", "\"mlp\"", "model.widths", "[16]", "model.norm",
                   "\"batch\"", "model.dropout", "0.5", "model.activation", "\"tanh\""));
    const struct layer *layer;

    (void)state;
    assert_params(arch, "fc1.weight fc1.bias bn1.weight bn1.bias fc2.weight fc2.bias");
    assert_graph(arch, "fc1", "fc2",
                 "fc1:flatten bn1:fc1 tanh1:bn1 dropout1:tanh1 fc2:dropout1");
    assert_int_equal(layer_named(arch, "tanh1")->act, ACT_TANH);
    assert_true(layer_named(arch, "dropout1")->dropout == 0.5);
    layer = layer_named(arch, "bn1");
    assert_true(layer->norm == NORM_BATCH && layer->mean == arch->param_tensors &&
                layer->var == layer->mean + 1);
    assert_string_equal(arch->tensors[layer->var].name, "bn1.running_var");
    assert_int_equal(arch->tensors[layer->var].class, TENSOR_VAR);
    arch_free(&arch);
    arch = build(WITH("model.norm", "\"layer\"", "model.dropout", "0.1"));
    assert_params(arch, "conv1.weight bn1.weight bn1.bias conv2.weight bn2.weight"
                        " bn2.bias fc1.weight fc1.bias bn3.weight bn3.bias fc2.weight"
                        " fc2.bias bn4.weight bn4.bias fc3.weight fc3.bias");
    assert_graph(arch, "pool2", "fc1", "pool2:relu2 flatten:pool2 fc1:flatten");
    layer = layer_named(arch, "bn1");
    assert_true(layer->norm == NORM_GROUP && layer->norm_groups == 1 && layer->mean < 0);
    assert_false(arch_has_norm(arch));
    arch_free(&arch);
}

static void test_group_norm(void **state)
{
    struct arch *arch = build(WITH("model.name", "\"resnet18\"", "model.norm",
                                   "\"group\"", "model.norm_groups", "32"));
    struct error err = {0};

    (void)state;
    assert_int_equal(layer_named(arch, "layer4.1.bn2")->norm_groups, 32);
    assert_int_equal(arch->state_count, arch->param_count);
    arch_free(&arch);
    assert_null(try_build(WITH("model.norm", "\"group\""), &err));
    assert_string_equal(err.text,
                        "model \"lenet5\" on data \"fashion-mnist\": layer bn1: 8 groups"
                        " (model.norm_groups) do not divide its 6 channels");
}

/* Without norms convolutions have biases; dense layers always do. */
static void test_no_norm(void **state)
{
    struct arch *arch =
        build(WITH("model.name", "\"resnet20\"", "model.norm", "\"none\""));

    (void)state;
    assert_true(layer_named(arch, "layer2.0.downsample.0")->bias >= 0);
    assert_null(layer_named(arch, "bn1"));
    assert_graph(arch, "conv1", "layer1.0.conv1",
                 "conv1:x relu1:conv1"
                 " layer1.0.conv1:relu1");
    arch_free(&arch);
}

/* As counted by hand for torchvision's (0.555 GMAC), and a norm's multiply-add of
 * every value. */
static void test_macs(void **state)
{
    struct arch *arch = build(WITH("model.name", "\"resnet18\"", "data.name",
                                   "\"cifar10\"", "model.norm", "\"none\""));
    double plain = arch_macs(arch);

    (void)state;
    assert_true(plain == 555422720);
    arch_free(&arch);
    arch = build(WITH("model.name", "\"resnet18\"", "data.name", "\"cifar10\""));
    assert_true(arch_macs(arch) - plain == 5 * 65536 + 5 * 32768 + 5 * 16384 + 5 * 8192);
    arch_free(&arch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic_blocks),     cmocka_unit_test(test_bottlenecks),
        cmocka_unit_test(test_shortcuts),        cmocka_unit_test(test_fixup),
        cmocka_unit_test(test_widths),           cmocka_unit_test(test_vgg),
        cmocka_unit_test(test_norms_everywhere), cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_no_norm),          cmocka_unit_test(test_macs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
