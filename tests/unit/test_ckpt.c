/* A state goes to a file and comes back to the bit, under PyTorch's names, with
 * one hash whatever way it is asked for; anything that does not fit is refused. */

#include "tests/unit/fixture.h"

#include "common/safetensors.h"
#include "worker/ckpt/ckpt.h"

#include <math.h>

static const struct ckpt_meta META = {.key = "0123456789abcdef0123456789abcdef",
                                      .state = "epoch:3",
                                      .step = 12,
                                      .epoch = 3};

/* A network by name, and a vector for it with every kind of number. */
struct model {
    struct arch *arch;
    real *theta;
};

static struct model make_model(const char *name)
{
    struct spec spec = fixture_spec(JOB_TRAIN, NULL);
    struct error err = {0};
    struct model model;
    char text[64];

    fixture_seeds(&spec, "0");
    snprintf(text, sizeof text, "\"%s\"", name);
    fixture_set(&spec, "model.name", text);
    model.arch = arch_build(&spec, &err);
    if (!model.arch)
        fail_msg("%s", err.text);
    model.theta = malloc(model.arch->state_count * sizeof(real));
    assert_non_null(model.theta);
    for (size_t i = 0; i < model.arch->state_count; i++)
        model.theta[i] = (real)sin((double)i);
    model.theta[0] = NAN;
    model.theta[1] = -INFINITY;
    model.theta[2] = -0.0f;
    model.theta[3] = 1e-42f;
    spec_free(&spec);
    return model;
}

static void free_model(struct model *model)
{
    arch_free(&model->arch);
    free(model->theta);
}

static void test_round_trip(void **state)
{
    struct fixture *fix = *state;
    struct model model = make_model("lenet5");
    size_t size = model.arch->state_count * sizeof(real);
    real *back = calloc(1, size);
    struct error err = {0};
    char path[256], hash[HASH_TEXT], of_file[HASH_TEXT];
    uint64_t bytes, file_bytes;

    assert_non_null(back);
    fixture_path(fix, "state", path, sizeof path);
    assert_int_equal(ckpt_write(path, model.arch, model.theta, &META, hash, &bytes, &err),
                     0);
    assert_int_equal(hash_file(path, of_file, &file_bytes, &err), 0);
    assert_string_equal(hash, of_file);
    assert_int_equal(bytes, file_bytes);
    if (ckpt_read(path, model.arch, back, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(back, model.theta, size);
    free(back);
    free_model(&model);
}

static void test_hash_stable(void **state)
{
    struct fixture *fix = *state;
    struct model model = make_model("lenet5");
    struct ckpt_meta other = META;
    struct error err = {0};
    char path[256], name[64], a[HASH_TEXT], b[HASH_TEXT], of_file[HASH_TEXT];
    uint64_t size;

    assert_int_equal(ckpt_hash(model.arch, model.theta, &META, a, &size, &err), 0);
    assert_int_equal(ckpt_store(fix->dir, model.arch, model.theta, &META, b, &size, &err),
                     0);
    assert_string_equal(a, b);
    snprintf(name, sizeof name, "%s.safetensors", a);
    fixture_path(fix, name, path, sizeof path);
    assert_int_equal(hash_file(path, of_file, &size, &err), 0);
    assert_string_equal(of_file, a);

    other.step++;
    assert_int_equal(ckpt_hash(model.arch, model.theta, &other, b, &size, &err), 0);
    assert_string_not_equal(a, b);
    model.theta[100] += 1;
    assert_int_equal(ckpt_hash(model.arch, model.theta, &META, b, &size, &err), 0);
    assert_string_not_equal(a, b);
    free_model(&model);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        int rank;
        int64_t dim[4];
    } expected[] = {
        {"conv1.weight", 4, {6, 1, 5, 5}},  {"conv1.bias", 1, {6}},
        {"conv2.weight", 4, {16, 6, 5, 5}}, {"conv2.bias", 1, {16}},
        {"fc1.weight", 2, {120, 400}},      {"fc1.bias", 1, {120}},
        {"fc2.weight", 2, {84, 120}},       {"fc2.bias", 1, {84}},
        {"fc3.weight", 2, {10, 84}},        {"fc3.bias", 1, {10}},
    };
    struct fixture *fix = *state;
    struct model model = make_model("lenet5");
    struct error err = {0};
    struct st_file *file;
    char path[256], hash[HASH_TEXT];
    uint64_t size;

    fixture_path(fix, "state", path, sizeof path);
    assert_int_equal(ckpt_write(path, model.arch, model.theta, &META, hash, &size, &err),
                     0);
    file = st_open(path, &err);
    assert_non_null(file);
    assert_int_equal(st_count(file), 10);
    for (size_t i = 0; i < 10; i++) {
        const struct st_tensor *tensor = st_find(file, expected[i].name);

        assert_non_null(tensor);
        assert_int_equal(tensor->dtype, ST_F32);
        assert_int_equal(tensor->rank, expected[i].rank);
        for (int d = 0; d < tensor->rank; d++)
            assert_int_equal(tensor->dim[d], expected[i].dim[d]);
    }
    assert_string_equal(st_meta(file, "state"), "epoch:3");
    assert_string_equal(st_meta(file, "key"), META.key);
    assert_string_equal(st_meta(file, "step"), "12");
    assert_string_equal(st_meta(file, "epoch"), "3");
    assert_string_equal(st_meta(file, "format"), "pt");
    st_close(&file);
    free_model(&model);
}

/* Running statistics travel with the parameters, and every batch norm says how many
 * steps it has seen, as PyTorch's do; a file without these is read as well. */
static void test_batch_norms(void **state)
{
    struct fixture *fix = *state;
    struct model model = make_model("resnet20");
    size_t size = model.arch->state_count * sizeof(real), kept = 0;
    real *back = calloc(1, size);
    struct st_tensor *without = calloc(256, sizeof *without);
    struct error err = {0};
    char path[256], hash[HASH_TEXT];
    struct st_file *file;
    uint64_t bytes;
    int64_t steps = 0;

    assert_true(back && without && model.arch->state_count > model.arch->param_count);
    fixture_path(fix, "state", path, sizeof path);
    assert_int_equal(ckpt_write(path, model.arch, model.theta, &META, hash, &bytes, &err),
                     0);
    if (ckpt_read(path, model.arch, back, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(back, model.theta, size);

    file = st_open(path, &err);
    assert_non_null(file);
    assert_int_equal(st_count(file), 128); /* as PyTorch's state_dict */
    const struct st_tensor *count =
        st_find(file, "layer2.0.downsample.1.num_batches_tracked");
    assert_true(count && count->dtype == ST_I64 && count->rank == 0);
    memcpy(&steps, count->data, sizeof steps);
    assert_int_equal(steps, META.step);
    for (size_t i = 0; i < st_count(file); i++)
        if (st_at(file, i)->dtype == ST_F32)
            without[kept++] = *st_at(file, i);
    fixture_path(fix, "without", path, sizeof path);
    assert_int_equal(st_write(path, without, kept, NULL, 0, &err), 0);
    memset(back, 0, size);
    if (ckpt_read(path, model.arch, back, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(back, model.theta, size);

    without[kept] = without[0];
    strcpy(without[kept++].name, "layer1.0.relu1.num_batches_tracked");
    assert_int_equal(st_write(path, without, kept, NULL, 0, &err), 0);
    assert_int_equal(ckpt_read(path, model.arch, back, &err), -1);
    assert_non_null(strstr(err.text, "relu1.num_batches_tracked' is not in the network"));
    st_close(&file);
    free(without);
    free(back);
    free_model(&model);
}

/* ---- what others may hand us ------------------------------------------------------ */

/* A file as another program writes it, built from the arch itself; each case
 * changes one thing. */
struct draft {
    struct st_tensor tensors[16];
    size_t count;
};

static struct draft make_draft(const struct model *model)
{
    struct draft draft = {.count = (size_t)model->arch->tensor_count};

    assert_true(draft.count < 15);
    for (size_t t = 0; t < draft.count; t++) {
        const struct tensor *from = &model->arch->tensors[t];
        struct st_tensor *to = &draft.tensors[t];

        snprintf(to->name, sizeof to->name, "%s", from->name);
        to->dtype = ST_F32;
        to->rank = from->rank;
        for (int d = 0; d < from->rank; d++)
            to->dim[d] = from->dim[d];
        to->data = model->theta + from->offset;
        to->size = from->count * sizeof(real);
    }
    return draft;
}

static void write_draft(const struct fixture *fix, const struct draft *draft, char *path,
                        size_t size)
{
    struct error err = {0};

    fixture_path(fix, "draft", path, size);
    if (st_write(path, draft->tensors, draft->count, NULL, 0, &err))
        fail_msg("%s", err.text);
}

static void check_refused(const struct fixture *fix, const struct model *model,
                          const struct draft *draft, const char *word, const char *rule)
{
    size_t size = model->arch->state_count * sizeof(real);
    real *back = calloc(1, size), *zero = calloc(1, size);
    struct error err = {0};
    char path[256];

    assert_true(back && zero);
    write_draft(fix, draft, path, sizeof path);
    assert_int_equal(ckpt_read(path, model->arch, back, &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    if (!strstr(err.text, path) || !strstr(err.text, word) || !strstr(err.text, rule))
        fail_msg("'%s' should name the file, '%s' and '%s'", err.text, word, rule);
    assert_memory_equal(back, zero, size); /* untouched */
    free(back);
    free(zero);
}

static void test_mismatches(void **state)
{
    struct fixture *fix = *state;
    struct model model = make_model("lenet5");
    struct draft draft = make_draft(&model);
    struct error err = {0};
    char path[256];

    draft.count--;
    check_refused(fix, &model, &draft, "fc3.bias", "missing");
    draft = make_draft(&model);
    strcpy(draft.tensors[2].name, "conv9.weight");
    check_refused(fix, &model, &draft, "conv2.weight", "missing");
    draft = make_draft(&model);
    draft.tensors[draft.count] = draft.tensors[1];
    strcpy(draft.tensors[draft.count++].name, "fc4.bias");
    check_refused(fix, &model, &draft, "fc4.bias", "not in the network");
    draft = make_draft(&model);
    draft.tensors[4].dim[0] = 400;
    draft.tensors[4].dim[1] = 120;
    check_refused(fix, &model, &draft, "fc1.weight",
                  "has the shape 400x120, the network's is 120x400");
    draft = make_draft(&model);
    draft.tensors[1].rank = 2;
    draft.tensors[1].dim[1] = 1;
    check_refused(fix, &model, &draft, "conv1.bias",
                  "has the shape 6x1, the network's is 6");
    draft = make_draft(&model);
    draft.tensors[1].dtype = ST_I32;
    check_refused(fix, &model, &draft, "conv1.bias", "is I32, expected F32");

    fixture_path(fix, "absent", path, sizeof path);
    assert_int_equal(ckpt_read(path, model.arch, model.theta, &err), -1);
    assert_non_null(strstr(err.text, path));
    free_model(&model);
}

/* float64 is rounded; the order of the file's tensors does not matter. */
static void test_other_writers(void **state)
{
    struct fixture *fix = *state;
    struct model model = make_model("lenet5");
    struct draft draft = make_draft(&model);
    size_t size = model.arch->state_count * sizeof(real);
    real *back = calloc(1, size);
    struct st_tensor first = draft.tensors[0];
    double bias[6] = {0.1, -1e300, 3, 1e-300, 0.5, 7};
    size_t at = model.arch->tensors[1].offset;
    struct error err = {0};
    char path[256];

    assert_non_null(back);
    draft.tensors[1].dtype = ST_F64;
    draft.tensors[1].data = bias;
    draft.tensors[1].size = sizeof bias;
    draft.tensors[0] = draft.tensors[9];
    draft.tensors[9] = first;
    write_draft(fix, &draft, path, sizeof path);
    if (ckpt_read(path, model.arch, back, &err))
        fail_msg("%s", err.text);
    assert_true(back[at] == 0.1f && isinf(back[at + 1]) && back[at + 5] == 7);
    memcpy(back + at, model.theta + at, 6 * sizeof(real));
    assert_memory_equal(back, model.theta, size);
    free(back);
    free_model(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_hash_stable, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_names, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_batch_norms, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_mismatches, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_other_writers, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
