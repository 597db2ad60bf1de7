/* Made images: the same every time, nested, of the scale that they are normalised
 * by, and as hard as the spread says. */

#include "tests/unit/fixture.h"

#include "common/spec.h"
#include "tests/numeric/speckit.h"
#include "worker/data/blobs.h"
#include "worker/data/dataset.h"

#include <math.h>

#define SEEDS                                                                            \
    "seed.init", "0", "seed.order", "0", "seed.augment", "0", "seed.labels", "0",        \
        "seed.dropout", "0"

enum { COUNT = 600, EXAMPLE = 2 * 6 * 9 };

static struct dataset_info small(double spread)
{
    struct dataset_info info = *dataset_find("blobs");

    info.shape = (struct shape){2, 6, 9}; /* blocks that do not tile it */
    info.classes = 3;
    info.spread = spread;
    return info;
}

static void test_same_every_time(void **state)
{
    static uint8_t a[COUNT * EXAMPLE], b[COUNT * EXAMPLE], y[COUNT], z[COUNT];
    struct dataset_info info = small(1);
    (void)state;

    assert_int_equal(blobs_make(&info, 0, COUNT, a, y, NULL), 0);
    assert_int_equal(blobs_make(&info, 0, 20, b, z, NULL), 0);
    assert_memory_equal(a, b, 20 * EXAMPLE);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(y[i], i % 3);
    assert_int_equal(blobs_make(&info, 1, COUNT, b, z, NULL), 0);
    assert_memory_not_equal(a, b, sizeof a);

    /* Another class leaves the others' prototypes: example 0 is of class 0. */
    info.classes = 4;
    assert_int_equal(blobs_make(&info, 0, 1, b, z, NULL), 0);
    assert_memory_equal(a, b, EXAMPLE);
}

/* Without noise an example is its prototype, which is constant in blocks. */
static void test_prototypes(void **state)
{
    static uint8_t a[6 * EXAMPLE], y[6];
    struct dataset_info info = small(0);
    (void)state;

    assert_int_equal(blobs_make(&info, 0, 6, a, y, NULL), 0);
    assert_memory_equal(a, a + 3 * EXAMPLE, EXAMPLE);
    assert_memory_not_equal(a, a + EXAMPLE, EXAMPLE);
    for (int c = 0; c < 2; c++)
        for (int r = 0; r < 6; r++)
            for (int s = 0; s < 9; s++)
                assert_int_equal(a[(c * 6 + r) * 9 + s],
                                 a[(c * 6 + r / 4 * 4) * 9 + s / 4 * 4]);
}

static void test_scale(void **state)
{
    static uint8_t a[COUNT * EXAMPLE], y[COUNT];
    const double spreads[] = {1, 20};
    (void)state;

    for (int k = 0; k < 2; k++) {
        struct dataset_info info = small(spreads[k]);
        double sum = 0, square = 0;
        assert_int_equal(blobs_make(&info, 0, COUNT, a, y, NULL), 0);
        for (int i = 0; i < COUNT * EXAMPLE; i++) {
            double x = (a[i] / 255.0 - info.mean[0]) / info.std[0];
            sum += x;
            square += x * x;
        }
        assert_true(fabs(sum / (COUNT * EXAMPLE)) < 0.3); /* 36 prototype numbers */
        assert_true(fabs(square / (COUNT * EXAMPLE) - 1) < 0.3);
    }
}

static void test_as_a_data_set(void **state)
{
    struct spec spec =
        speckit("data.name", "\"blobs\"", "data.shape", "[1,8,12]", "data.prototypes",
                "7", "data.sizes", "[100,30]", "data.augment", "[\"flip\",\"crop4\"]",
                "data.blur", "2", "data.classes", "[1,5]", SEEDS, NULL);
    const char *name = NULL;
    struct spec_sizes sizes;
    struct dataset *data;
    struct error err;
    (void)state;

    if (spec_check(&spec, &name, &err) || spec_sizes(&spec, &sizes, &name, &err))
        fail_msg("%s: %s", name, err.text);
    data = dataset_open(&spec, NULL, &err);
    assert_non_null(data);
    /* Of 100, 1 8 15 .. 99 and 5 12 .. 96: 15 and 14. */
    assert_int_equal(sizes.train, 29);
    assert_int_equal(dataset_count(data, SPLIT_TRAIN), 29);
    assert_int_equal(sizes.test, dataset_count(data, SPLIT_TEST));
    assert_int_equal(dataset_info(data)->classes, 2);
    assert_int_equal(dataset_info(data)->shape.W, 12);
    dataset_free(&data);
    spec_free(&spec);
}

static void refused(const char *name, const char *text, const char *why)
{
    struct spec spec = speckit("data.name", "\"blobs\"", name, text, SEEDS, NULL);
    const char *at = NULL;
    struct error err;

    assert_int_equal(spec_check(&spec, &at, &err), -1);
    assert_non_null(at);
    assert_non_null(strstr(err.text, why));
    spec_free(&spec);
}

static void test_bad_sizes(void **state)
{
    struct spec spec = speckit("data.shape", "[3,8,8]", SEEDS, NULL);
    const char *at = NULL;
    struct error err;
    (void)state;

    refused("data.shape", "[3,8]", "three");
    refused("data.shape", "[4,8,8]", "at most 3 channels, got 4");
    refused("data.sizes", "[100]", "two");
    refused("data.sizes", "[100,9]", "each of the 10 classes");
    refused("data.sizes", "[100,400000]", "bytes in all");
    assert_int_equal(spec_check(&spec, &at, &err), -1);
    assert_string_equal(err.text, "applies only where data.name is blobs");
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_every_time), cmocka_unit_test(test_prototypes),
        cmocka_unit_test(test_scale),           cmocka_unit_test(test_as_a_data_set),
        cmocka_unit_test(test_bad_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
