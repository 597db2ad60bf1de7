/* Networks have PyTorch's tensors: names, shapes and, within parameters and running
 * statistics, order, as golden/make_nets.py found them in its own networks. */

#include "tests/numeric/goldenkit.h"

#include "common/spec.h"

/* What the script writes of a tensor: "conv1.weight 16x3x3x3". */
static void describe(const struct tensor *tensor, struct buf *out)
{
    buf_printf(out, "%s ", tensor->name);
    for (int d = 0; d < tensor->rank; d++)
        buf_printf(out, "%s%d", d ? "x" : "", tensor->dim[d]);
    buf_puts(out, "\n");
}

/* Fixup's numbers belong to modules that have others: PyTorch lists these first, a
 * state vector has them where they are used. */
static void check_set(const struct arch *arch, const char *want)
{
    size_t size = 0;

    for (int t = 0; t < arch->tensor_count; t++) {
        struct buf line = {0};
        describe(&arch->tensors[t], &line);
        if (!strstr(want, line.data))
            fail_msg("not in PyTorch's: %s", line.data);
        size += line.size;
        buf_free(&line);
    }
    assert_int_equal(size, strlen(want));
}

static void check_order(const struct arch *arch, const char *want)
{
    for (int t = 0; t < arch->tensor_count; t++) {
        struct buf line = {0};
        describe(&arch->tensors[t], &line);
        if (strncmp(want, line.data, line.size) != 0)
            fail_msg("tensor %d: %s PyTorch's: %.*s", t, line.data,
                     (int)strcspn(want, "\n"), want);
        want += line.size;
        buf_free(&line);
    }
    assert_string_equal(want, "");
}

static void check_net(const struct st_file *file, const char *name)
{
    const char *text = st_meta(file, name), *want;
    struct arch *arch;
    struct spec spec;
    struct error err;
    char key[96];

    if (spec_parse(text, strlen(text), &spec, &err))
        fail_msg("%s: %s", name, err.text);
    arch = arch_build(&spec, &err);
    if (!arch)
        fail_msg("%s: %s", name, err.text);
    snprintf(key, sizeof key, "%s.tensors", name);
    want = st_meta(file, key);
    assert_non_null(want);
    if (strstr(name, "fixup"))
        check_set(arch, want);
    else
        check_order(arch, want);
    arch_free(&arch);
    spec_free(&spec);
}

static void test_names_and_shapes(void **state)
{
    struct st_file *file = golden_open("nets");
    const char *names = st_meta(file, "nets");
    char name[64];
    int count = 0;
    (void)state;

    assert_non_null(names);
    for (int size; sscanf(names, "%63s%n", name, &size) == 1; names += size) {
        check_net(file, name);
        count++;
    }
    assert_true(count >= 20);
    st_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
