/* What is changed about the data: label noise, class subsets, blur, shuffled
 * blocks. Each against its definition written out, and nested where it should be. */

#include "tests/unit/fixture.h"

#include "common/rng.h"
#include "worker/data/dataset.h"
#include "worker/data/distort.h"
#include "worker/data/spoil.h"

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

/* ---- blur and shuffle ------------------------------------------------------------ */

static struct distort *distort_or_fail(const char *option, const char *text,
                                       struct shape shape)
{
    struct spec spec = fixture_spec(JOB_TRAIN, option, text, NULL);
    struct distort *distort;
    struct error err = {0};

    if (distort_new(&spec, shape, &distort, &err))
        fail_msg("%s", err.text);
    assert_non_null(distort);
    spec_free(&spec);
    return distort;
}

static void fill_random(uint8_t *image, size_t size)
{
    struct rng rng = rng_at(1, RNG_DATA, 0, 0);

    for (size_t i = 0; i < size; i++)
        image[i] = (uint8_t)rng_below(&rng, 256);
}

/* avg_pool2d(k), then interpolate(bilinear, align_corners=False), in double. */
static double blurred(const uint8_t *plane, int side, int k, int y, int x)
{
    double mean[32][32] = {{0}}, sy, sx, wy, wx;
    int n = side / k, y0, x0, y1, x1;

    for (int v = 0; v < side; v++)
        for (int u = 0; u < side; u++)
            mean[v / k][u / k] += plane[v * side + u] / (double)(k * k);
    sy = fmax(0, (y + 0.5) / k - 0.5);
    sx = fmax(0, (x + 0.5) / k - 0.5);
    y0 = (int)sy;
    x0 = (int)sx;
    y1 = y0 + 1 < n ? y0 + 1 : y0;
    x1 = x0 + 1 < n ? x0 + 1 : x0;
    wy = sy - y0;
    wx = sx - x0;
    return (1 - wy) * ((1 - wx) * mean[y0][x0] + wx * mean[y0][x1]) +
           wy * ((1 - wx) * mean[y1][x0] + wx * mean[y1][x1]);
}

static void test_blur(void **state)
{
    static const struct {
        int side, k;
        const char *text;
    } CASES[] = {
        {28, 2, "2"}, {28, 7, "7"}, {28, 28, "28"}, {32, 4, "4"}, {32, 32, "32"}};
    static uint8_t image[3 * 32 * 32], out[3 * 32 * 32];

    (void)state;
    fill_random(image, sizeof image);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const int side = CASES[i].side, plane = side * side;
        struct distort *distort =
            distort_or_fail("data.blur", CASES[i].text, (struct shape){3, side, side});
        memcpy(out, image, sizeof out);
        distort_image(distort, out);
        for (int p = 0; p < 3 * plane; p++) {
            double wanted = blurred(image + p / plane * plane, side, CASES[i].k,
                                    p % plane / side, p % side);
            assert_true(fabs(out[p] - wanted) <= 0.5 + 1e-9);
        }
        /* white stays white */
        memset(out, 255, sizeof out);
        distort_image(distort, out);
        for (int p = 0; p < 3 * plane; p++)
            assert_int_equal(out[p], 255);
        distort_free(&distort);
        assert_null(distort);
    }
}

/* Every block of k x k is found once, whole, at the same place in all channels and
 * in every image; some have moved. */
static void check_shuffle(int side, int k, const char *text)
{
    static uint8_t image[3 * 32 * 32], out[3 * 32 * 32], again[32 * 32];
    const struct shape colour = {3, side, side}, grey = {1, side, side};
    struct distort *distort = distort_or_fail("data.shuffle", text, colour);
    struct distort *same = distort_or_fail("data.shuffle", text, grey);
    const int n = side / k, plane = side * side;
    int moved = 0, seen[32 * 32] = {0};

    /* a pixel names its block: the number's two halves in two channels */
    for (int p = 0; p < plane; p++) {
        int block = p / side / k * n + p % side / k;
        image[p] = (uint8_t)(block & 31);
        image[plane + p] = (uint8_t)(block >> 5);
        image[2 * plane + p] = (uint8_t)(p / side % k * 8 + p % side % k);
    }
    memcpy(out, image, sizeof out);
    distort_image(distort, out);
    memcpy(again, image, (size_t)plane);
    distort_image(same, again);
    assert_memory_equal(again, out, (size_t)plane);
    for (int p = 0; p < plane; p++) {
        int to = p / side / k * n + p % side / k, from = out[p] | out[plane + p] << 5;
        int first = p / side / k * k * side + p % side / k * k;
        assert_int_equal(from, out[first] | out[plane + first] << 5);
        assert_int_equal(out[2 * plane + p], image[2 * plane + p]);
        seen[from]++;
        moved += from != to;
    }
    for (int b = 0; b < n * n; b++)
        assert_int_equal(seen[b], k * k);
    assert_true(moved > 0);
    distort_free(&distort);
    distort_free(&same);
}

static void test_shuffle(void **state)
{
    (void)state;
    check_shuffle(28, 14, "14");
    check_shuffle(28, 7, "7");
    check_shuffle(28, 1, "1");
    check_shuffle(32, 8, "8");
    check_shuffle(32, 1, "1");
}

/* Both splits of a data set are changed, and what stays off changes nothing. */
static void test_distorted_set(void **state)
{
    struct dataset *plain = open_fashion("data.train", "50", NULL, NULL);
    struct dataset *both = open_fashion("data.train", "50", "data.blur", "4");
    struct dataset *moved = open_fashion("data.train", "50", "data.shuffle", "7");
    static real x[3][IMAGE];
    uint8_t label[3];

    (void)state;
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++)
        for (uint32_t i = 0; i < 50; i++) {
            double sum[2] = {0};
            int differs = 0;
            dataset_fetch(plain, (enum split)s, &i, 1, x[0], &label[0]);
            dataset_fetch(both, (enum split)s, &i, 1, x[1], &label[1]);
            dataset_fetch(moved, (enum split)s, &i, 1, x[2], &label[2]);
            assert_int_equal(label[0], label[1]);
            assert_int_equal(label[0], label[2]);
            for (int p = 0; p < IMAGE; p++) {
                sum[0] += (double)x[0][p];
                sum[1] += (double)x[2][p];
                differs += x[0][p] != x[1][p];
            }
            assert_true(differs > 0);
            assert_true(fabs(sum[0] - sum[1]) < 1e-3); /* the same pixels */
            assert_memory_not_equal(x[0], x[2], sizeof x[0]);
        }
    assert_string_equal(dataset_hash(plain), dataset_hash(both)); /* of the files */
    dataset_free(&plain);
    dataset_free(&both);
    dataset_free(&moved);
}

/* For ever: the first row of what becomes of an image. */
static void test_distort_pinned(void **state)
{
    static const uint8_t BLUR[] = {75, 75, 81, 92, 104, 115, 121, 121};
    static const uint8_t SHUFFLE[] = {149, 190, 73, 110, 241, 91, 5, 38};
    const struct shape shape = {1, 8, 8};
    struct distort *blur = distort_or_fail("data.blur", "4", shape);
    struct distort *shuffle = distort_or_fail("data.shuffle", "2", shape);
    uint8_t a[64], b[64];

    (void)state;
    for (int p = 0; p < 64; p++)
        a[p] = b[p] = (uint8_t)(p * p % 251);
    distort_image(blur, a);
    distort_image(shuffle, b);
    assert_memory_equal(a, BLUR, sizeof BLUR);
    assert_memory_equal(b, SHUFFLE, sizeof SHUFFLE);
    distort_free(&blur);
    distort_free(&shuffle);
}

/* ---- copies and zeros ------------------------------------------------------------ */

enum { VALUES = 3 * 32 * 32 };

static struct spoil *spoil_zeros(const char *share)
{
    struct spec spec =
        fixture_spec(JOB_TRAIN, "seed.labels", "3", "data.zero_out", share, NULL);
    struct spoil *spoil = spoil_new(&spec, 10, VALUES, NULL);

    assert_non_null(spoil);
    spec_free(&spec);
    return spoil;
}

/* The share, exactly; other places for every copy and example. */
static void test_zero_out(void **state)
{
    struct spoil *spoil = spoil_zeros("0.1");
    static uint8_t image[VALUES], first[VALUES];
    static int of_place[VALUES];
    int shared = 0;

    (void)state;
    memset(image, 7, sizeof image);
    for (uint32_t i = 0; i < 1000; i++) {
        const uint8_t *out = spoil_image(spoil, i / 100, i % 100, image);
        int zeros = 0;
        for (int p = 0; p < VALUES; p++) {
            assert_true(out[p] == 0 || out[p] == 7);
            zeros += out[p] == 0;
            of_place[p] += out[p] == 0;
            shared += i == 100 && out[p] == 0 && first[p] == 0;
        }
        assert_int_equal(zeros, 307); /* of 307.2 */
        if (i == 0)
            memcpy(first, out, VALUES);
    }
    assert_in_range(shared, 4, 58); /* copy 1 with copy 0: 31 by chance, 5 sigma */
    for (int p = 0; p < VALUES; p++)
        assert_in_range(of_place[p], 100 - 57, 100 + 57); /* 6 sigma, 3072 of them */
    assert_memory_equal(first, spoil_image(spoil, 0, 0, image), VALUES);
    spoil_free(&spoil);
    assert_null(spoil);
}

static void test_zeros_nested(void **state)
{
    struct spoil *some = spoil_zeros("0.1"), *more = spoil_zeros("0.5");
    static uint8_t image[VALUES];
    int zeros = 0;

    (void)state;
    memset(image, 7, sizeof image);
    const uint8_t *a = spoil_image(some, 2, 5, image);
    const uint8_t *b = spoil_image(more, 2, 5, image);
    for (int p = 0; p < VALUES; p++) {
        assert_true(a[p] != 0 || b[p] == 0);
        zeros += b[p] == 0;
    }
    assert_int_equal(zeros, VALUES / 2);
    spoil_free(&some);
    spoil_free(&more);
}

/* Copy 0 is the split without copies, and every copy has labels of its own. */
static void test_replicas(void **state)
{
    enum { COUNT = 200, COPIES = 3 };
    struct spec spec = fixture_spec(JOB_TRAIN, "data.train", "200", "data.labels.random",
                                    "1.0", "data.zero_out", "0.2", NULL);
    struct dataset *one, *all;
    uint8_t labels[COPIES * COUNT], label;
    int same = 0;

    (void)state;
    fixture_seeds(&spec, "0");
    one = open_or_fail(&spec);
    fixture_set(&spec, "data.replicas", "3");
    all = open_or_fail(&spec);
    assert_int_equal(dataset_count(one, SPLIT_TRAIN), COUNT);
    assert_int_equal(dataset_count(all, SPLIT_TRAIN), COPIES * COUNT);
    assert_int_equal(dataset_count(all, SPLIT_TEST), 10000);
    for (uint32_t i = 0; i < COPIES * COUNT; i++) {
        static real x[3][IMAGE];
        const uint32_t first = i % COUNT;

        dataset_fetch(all, SPLIT_TRAIN, &i, 1, x[0], &labels[i]);
        dataset_fetch(one, SPLIT_TRAIN, &first, 1, x[1], &label);
        if (i < COUNT) {
            assert_memory_equal(x[0], x[1], sizeof x[0]);
            assert_int_equal(labels[i], label);
        } else {
            assert_memory_not_equal(x[0], x[1], sizeof x[0]);
            same += labels[i] == label;
        }
        dataset_fetch_augmented(all, 4, &i, 1, x[2], &label); /* nothing is on */
        assert_memory_equal(x[0], x[2], sizeof x[0]);
    }
    assert_in_range(same, 10, 70); /* 40 of 400 by chance, 5 sigma */
    dataset_free(&one);
    dataset_free(&all);
    spec_free(&spec);
}

static void test_zeros_spare_the_test_split(void **state)
{
    struct dataset *clean = open_fashion("data.train", "1", NULL, NULL);
    struct dataset *zeros = open_fashion("data.train", "1", "data.zero_out", "0.5");
    static real x[2][IMAGE];
    uint8_t label[2];

    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        dataset_fetch(clean, SPLIT_TEST, &i, 1, x[0], &label[0]);
        dataset_fetch(zeros, SPLIT_TEST, &i, 1, x[1], &label[1]);
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_int_equal(label[0], label[1]);
    }
    dataset_free(&clean);
    dataset_free(&zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_noise_pinned),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_noise_among_classes),
        cmocka_unit_test(test_blur),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_distorted_set),
        cmocka_unit_test(test_distort_pinned),
        cmocka_unit_test(test_zero_out),
        cmocka_unit_test(test_zeros_nested),
        cmocka_unit_test(test_replicas),
        cmocka_unit_test(test_zeros_spare_the_test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
