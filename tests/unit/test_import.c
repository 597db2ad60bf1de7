/* States of somebody else's: what is taken, what is forgiven, and what is refused with
 * the tensor's name. */

#include "tests/unit/fixture.h"

#include "common/safetensors.h"
#include "tests/numeric/speckit.h"
#include "worker/ckpt/ckpt.h"
#include "worker/ckpt/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TENSORS = 8 }; /* fc1, bn1, fc2, running mean and variance of bn1 */

static struct arch *net_of(const char *widths, const char *classes)
{
    struct spec spec = speckit("data.name", "\"blobs\"", "data.shape", "[1,2,2]",
                               "data.prototypes", classes, "model.name", "\"mlp\"",
                               "model.widths", widths, "model.norm", "\"batch\"", NULL);
    struct error err;
    struct arch *arch = arch_build(&spec, &err);

    if (!arch)
        fail_msg("%s", err.text);
    spec_free(&spec);
    return arch;
}

/* A file as PyTorch writes it, to be changed before it is written. */
struct foreign {
    struct st_tensor tensors[TENSORS + 2];
    size_t count;
    float numbers[TENSORS][32];
    int64_t steps;
    double wide[32];
};

static void foreign_fill(struct foreign *file, const struct arch *arch)
{
    *file = (struct foreign){.steps = 7, .count = (size_t)arch->tensor_count};
    assert_int_equal(file->count, TENSORS);
    for (int t = 0; t < TENSORS; t++) {
        const struct tensor *from = &arch->tensors[t];
        struct st_tensor *to = &file->tensors[t];
        snprintf(to->name, sizeof to->name, "%s", from->name);
        to->dtype = ST_F32;
        to->rank = from->rank;
        for (int d = 0; d < from->rank; d++)
            to->dim[d] = from->dim[d];
        to->data = file->numbers[t];
        to->size = from->count * sizeof(float);
        assert_true(from->count <= 32);
        for (size_t i = 0; i < from->count; i++)
            file->numbers[t][i] = (float)(t + 1) + (float)i / 64;
    }
    file->tensors[TENSORS] = (struct st_tensor){.name = "bn1.num_batches_tracked",
                                                .dtype = ST_I64,
                                                .data = &file->steps,
                                                .size = sizeof file->steps};
    file->count++;
}

static struct st_tensor *tensor_of(struct foreign *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void drop(struct foreign *file, const char *name)
{
    *tensor_of(file, name) = file->tensors[--file->count];
}

/* Import it into zeros. Returns ckpt_import's word; state has 64 numbers of room. */
static int import(const struct foreign *file, const struct arch *arch, bool partial,
                  bool *drawn, real *state, struct error *err)
{
    char path[] = "/tmp/coord-import.XXXXXX";
    int fd = mkstemp(path), rc;

    assert_true(fd >= 0);
    close(fd);
    if (st_write(path, file->tensors, file->count, NULL, 0, err))
        fail_msg("%s", err->text);
    memset(state, 0, arch->state_count * sizeof *state);
    rc = ckpt_import(path, arch, partial, drawn, state, err);
    unlink(path);
    return rc;
}

static void assert_refused(const struct foreign *file, const struct arch *arch,
                           bool partial, const char *why)
{
    bool drawn[TENSORS] = {false};
    real state[128];
    struct error err = {0};

    assert_true(arch->state_count <= 128);
    assert_int_equal(import(file, arch, partial, drawn, state, &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    if (!strstr(err.text, why))
        fail_msg("got: %s; expected: %s", err.text, why);
}

static void test_taken(void **state)
{
    struct arch *arch = net_of("[3]", "2");
    struct foreign file;
    bool drawn[TENSORS] = {false};
    real theta[128];
    struct error err;
    (void)state;

    foreign_fill(&file, arch);
    tensor_of(&file, "fc2.bias")->dtype = ST_F64;
    tensor_of(&file, "fc2.bias")->size *= 2;
    tensor_of(&file, "fc2.bias")->data = file.wide;
    file.wide[1] = 0.1;
    if (import(&file, arch, false, drawn, theta, &err))
        fail_msg("%s", err.text);
    for (int t = 0; t < TENSORS; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        assert_false(drawn[t]);
        if (strcmp(tensor->name, "fc2.bias") == 0)
            assert_true(theta[tensor->offset + 1] == (real)0.1);
        else
            assert_memory_equal(theta + tensor->offset, file.numbers[t],
                                tensor->count * sizeof *theta);
    }

    /* Those that are not wanted need not even be there. */
    memset(drawn, 0, sizeof drawn);
    drawn[0] = true;
    drop(&file, arch->tensors[0].name);
    assert_int_equal(import(&file, arch, false, drawn, theta, &err), 0);
    assert_true(theta[0] == 0 && drawn[0] && !drawn[1]);
    arch_free(&arch);
}

static void test_other_classes(void **state)
{
    struct arch *from = net_of("[3]", "2"), *to = net_of("[3]", "4");
    struct foreign file;
    bool drawn[TENSORS] = {false};
    real theta[128];
    struct error err;
    (void)state;

    foreign_fill(&file, from);
    if (import(&file, to, false, drawn, theta, &err))
        fail_msg("%s", err.text);
    for (int t = 0; t < TENSORS; t++)
        assert_int_equal(drawn[t], strncmp(to->tensors[t].name, "fc2.", 4) == 0);
    arch_free(&from);
    arch_free(&to);
}

static void test_refused(void **state)
{
    struct arch *arch = net_of("[3]", "2"), *wide = net_of("[4]", "2");
    struct foreign file;
    (void)state;

    foreign_fill(&file, arch);
    drop(&file, "bn1.running_var");
    assert_refused(&file, arch, false, "tensor 'bn1.running_var' is missing");
    foreign_fill(&file, arch);
    snprintf(file.tensors[TENSORS].name, sizeof file.tensors[TENSORS].name, "bn9.weight");
    assert_refused(&file, arch, false, "tensor 'bn9.weight' is not in the network");
    foreign_fill(&file, arch);
    assert_refused(&file, wide, false,
                   "tensor 'fc1.weight' has the shape 3x4, the network's is 4x4");
    foreign_fill(&file, arch);
    file.numbers[1][2] = NAN;
    assert_refused(&file, arch, false,
                   "tensor 'fc1.bias' is not finite: its number 2 is");
    assert_refused(&file, arch, true, "tensor 'fc1.bias' is not finite");
    foreign_fill(&file, arch);
    tensor_of(&file, "fc1.bias")->dtype = ST_I32;
    assert_refused(&file, arch, true, "tensor 'fc1.bias' is I32, expected F32 or F64");
    arch_free(&arch);
    arch_free(&wide);
}

static void test_partial(void **state)
{
    struct arch *arch = net_of("[3]", "2"), *wide = net_of("[4]", "2");
    struct foreign file;
    bool drawn[TENSORS] = {false};
    real theta[128];
    struct error err;
    (void)state;

    foreign_fill(&file, arch);
    if (import(&file, wide, true, drawn, theta, &err))
        fail_msg("%s", err.text);
    for (int t = 0; t < TENSORS; t++) /* all but this one are as wide as the layer */
        assert_int_equal(drawn[t], strcmp(wide->tensors[t].name, "fc2.bias") != 0);
    drop(&file, "fc2.bias");
    assert_refused(&file, wide, true, "no tensor has a name and shape of the network's");
    arch_free(&arch);
    arch_free(&wide);
}

/* Our own states are files like any other. */
static void test_own_states(void **state)
{
    struct arch *arch = net_of("[3]", "2");
    char path[] = "/tmp/coord-import.XXXXXX", hash[HASH_TEXT];
    struct ckpt_meta meta = {.key = "k", .state = "final", .step = 3, .epoch = 1};
    bool drawn[TENSORS] = {false};
    real theta[128], got[128] = {0};
    uint64_t size;
    struct error err;
    int fd = mkstemp(path);
    (void)state;

    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < 128; i++)
        theta[i] = (real)i / 7;
    assert_int_equal(ckpt_write(path, arch, theta, &meta, hash, &size, &err), 0);
    if (ckpt_import(path, arch, false, drawn, got, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(theta, got, arch->state_count * sizeof *theta);
    unlink(path);
    arch_free(&arch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),      cmocka_unit_test(test_other_classes),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_partial),
        cmocka_unit_test(test_own_states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
