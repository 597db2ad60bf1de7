/* What is changed about the data: label noise, class subsets, blur, shuffled
 * blocks. Each against its definition written out, and nested where it should be. */

#include "tests/unit/fixture.h"

#include "worker/data/dataset.h"

#include <math.h>

static struct dataset *open_or_fail(const struct spec *spec)
{
    struct error err = {0};
    struct dataset *data = dataset_open(spec, NULL, &err);

    if (!data)
        fail_msg("%s", err.text);
    return data;
}

/* ---- label noise ---------------------------------------------------------------- */

enum { SPIRAL_TRAIN = 2000, SPIRAL_TEST = 1000 };

struct labels {
    uint8_t train[SPIRAL_TRAIN], test[SPIRAL_TEST];
};

static void spiral_labels(const char *random, const char *noise, const char *seed,
                          struct labels *ret)
{
    struct spec spec =
        fixture_spec(JOB_TRAIN, "data.name", "\"spiral\"", "data.labels.random", random,
                     "data.labels.noise", noise, NULL);
    struct dataset *data;
    real x[2];

    fixture_seeds(&spec, "0");
    fixture_set(&spec, "seed.labels", seed);
    data = open_or_fail(&spec);
    for (uint32_t i = 0; i < SPIRAL_TRAIN; i++)
        dataset_fetch(data, SPLIT_TRAIN, &i, 1, x, &ret->train[i]);
    for (uint32_t i = 0; i < SPIRAL_TEST; i++)
        dataset_fetch(data, SPLIT_TEST, &i, 1, x, &ret->test[i]);
    dataset_free(&data);
    spec_free(&spec);
}

static int differences(const uint8_t *a, const uint8_t *b)
{
    int sum = 0;

    for (int i = 0; i < SPIRAL_TRAIN; i++)
        sum += a[i] != b[i];
    return sum;
}

/* Every chosen label changes (of two classes: to the other), within 5 sigma of
 * the share; the larger share holds the smaller; the test set is left alone. */
static void test_noise(void **state)
{
    static struct labels none, some, more, all, random, both, other;

    (void)state;
    spiral_labels("0.0", "0.0", "0", &none);
    spiral_labels("0.0", "0.3", "0", &some);
    spiral_labels("0.0", "0.6", "0", &more);
    spiral_labels("0.0", "1.0", "0", &all);
    assert_in_range(differences(none.train, some.train), 600 - 103, 600 + 103);
    assert_in_range(differences(none.train, more.train), 1200 - 110, 1200 + 110);
    assert_int_equal(differences(none.train, all.train), SPIRAL_TRAIN);
    for (int i = 0; i < SPIRAL_TRAIN; i++)
        if (some.train[i] != none.train[i])
            assert_int_equal(more.train[i], some.train[i]);
    assert_memory_equal(none.test, all.test, sizeof none.test);

    spiral_labels("0.0", "0.3", "1", &other);
    assert_int_not_equal(differences(some.train, other.train), 0);

    /* on top of random labels, by draws that know nothing of theirs */
    spiral_labels("0.6", "0.0", "0", &random);
    spiral_labels("0.6", "0.3", "0", &both);
    for (int i = 0; i < SPIRAL_TRAIN; i++)
        assert_int_equal(both.train[i] != random.train[i],
                         some.train[i] != none.train[i]);
    assert_in_range(differences(none.train, both.train), 840 - 110, 840 + 110);
}

/* The same examples for ever: the first 8 labels' flips at seed 0. */
static void test_noise_pinned(void **state)
{
    static struct labels none, some;
    unsigned flips = 0;

    (void)state;
    spiral_labels("0.0", "0.0", "0", &none);
    spiral_labels("0.0", "0.3", "0", &some);
    for (int i = 0; i < 32; i++)
        flips |= (unsigned)(none.train[i] != some.train[i]) << i;
    assert_int_equal(flips, 0xa43120d6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_noise_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
