/* CIFAR's records come apart into planes and labels, and a file that is not a
 * whole number of records is refused. */

#include "tests/unit/fixture.h"

#include "worker/data/cifar.h"

static void test_unpack(void **state)
{
    enum { COUNT = 3 };
    static uint8_t file[COUNT * (2 + CIFAR_PIXELS)];
    static uint8_t pixels[COUNT * CIFAR_PIXELS];
    uint8_t labels[COUNT];

    (void)state;
    for (int label_bytes = 1; label_bytes <= 2; label_bytes++) {
        size_t record = (size_t)label_bytes + CIFAR_PIXELS;

        for (size_t i = 0; i < COUNT * record; i++)
            file[i] = (uint8_t)(i * 2654435761u >> 24);
        cifar_unpack(file, COUNT, label_bytes, pixels, labels);
        for (size_t i = 0; i < COUNT; i++) {
            const uint8_t *at = file + i * record;

            assert_int_equal(labels[i], at[label_bytes - 1]); /* the fine label */
            assert_memory_equal(pixels + i * CIFAR_PIXELS, at + label_bytes,
                                CIFAR_PIXELS);
        }
    }
}

static void check_error(size_t size, int label_bytes)
{
    struct error err = {0};

    assert_int_equal(cifar_count(size, label_bytes, "batch.bin", &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    assert_non_null(strstr(err.text, "batch.bin"));
    assert_non_null(strstr(err.text, "multiple"));
}

static void test_count(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(cifar_count(30730000, 1, "f", &err), 10000);
    assert_int_equal(cifar_count(153700000, 2, "f", &err), 50000);
    check_error(0, 1);
    check_error(3072, 1);
    check_error(3074, 1);
    check_error(3073, 2);
    check_error(30730000 - 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unpack),
        cmocka_unit_test(test_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
