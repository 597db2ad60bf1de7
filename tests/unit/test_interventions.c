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

/* ---- class subsets, on the real Fashion-MNIST ------------------------------------- */

enum { IMAGE = 28 * 28 };

static struct dataset *open_fashion(const char *option, const char *text,
                                    const char *more, const char *more_text)
{
    struct spec spec = fixture_spec(JOB_TRAIN, option, text, more, more_text, NULL);
    struct dataset *data;

    fixture_seeds(&spec, "0");
    data = open_or_fail(&spec);
    spec_free(&spec);
    return data;
}

/* The examples of the classes, in the order that all examples have. */
static void check_subset(const struct dataset *all, const struct dataset *some,
                         enum split split, const uint8_t *classes, int count)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < (uint32_t)dataset_count(all, split); i++) {
        static real x[IMAGE], y[IMAGE];
        uint8_t of_all, of_some;

        dataset_fetch(all, split, &i, 1, x, &of_all);
        for (uint8_t k = 0; k < count && at < dataset_count(some, split); k++) {
            if (classes[k] != of_all)
                continue;
            dataset_fetch(some, split, &at, 1, y, &of_some);
            assert_int_equal(of_some, k);
            assert_memory_equal(x, y, sizeof x);
            at++;
            break;
        }
    }
    assert_int_equal(at, dataset_count(some, split));
}

static void test_classes(void **state)
{
    static const uint8_t KEPT[] = {2, 7, 9};
    struct dataset *all = open_fashion("data.classes", "[]", NULL, NULL);
    struct dataset *some = open_fashion("data.classes", "[2,7,9]", NULL, NULL);
    struct dataset *few = open_fashion("data.classes", "[2,7,9]", "data.train", "500");

    (void)state;
    assert_int_equal(dataset_info(all)->classes, 10);
    assert_int_equal(dataset_info(some)->classes, 3);
    assert_int_equal(dataset_count(some, SPLIT_TRAIN), 18000);
    assert_int_equal(dataset_count(some, SPLIT_TEST), 3000);
    assert_int_equal(dataset_count(few, SPLIT_TRAIN), 500);
    assert_int_equal(dataset_count(few, SPLIT_TEST), 3000);
    check_subset(all, some, SPLIT_TRAIN, KEPT, 3);
    check_subset(all, some, SPLIT_TEST, KEPT, 3);
    check_subset(all, few, SPLIT_TRAIN, KEPT, 3);
    assert_string_equal(dataset_hash(all), dataset_hash(some)); /* of the files */
    dataset_free(&all);
    dataset_free(&some);
    dataset_free(&few);
}

/* Noise among more than two classes: never the class itself, each of the others
 * as often (6000 x 0.5 / 2 = 1500 of each, 5 sigma), and only classes kept. */
static void test_noise_among_classes(void **state)
{
    struct dataset *clean = open_fashion("data.classes", "[2,7,9]", NULL, NULL);
    struct dataset *noisy =
        open_fashion("data.classes", "[2,7,9]", "data.labels.noise", "0.5");
    int of[3][3] = {{0}};

    (void)state;
    for (uint32_t i = 0; i < 18000; i++) {
        static real x[IMAGE];
        uint8_t was, is;

        dataset_fetch(clean, SPLIT_TRAIN, &i, 1, x, &was);
        dataset_fetch(noisy, SPLIT_TRAIN, &i, 1, x, &is);
        assert_in_range(is, 0, 2);
        of[was][is]++;
    }
    for (int was = 0; was < 3; was++)
        for (int is = 0; is < 3; is++)
            assert_in_range(of[was][is], (was == is ? 3000 : 1500) - 195,
                            (was == is ? 3000 : 1500) + 195);
    dataset_free(&clean);
    dataset_free(&noisy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_noise_pinned),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_noise_among_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
