/* A data set as a run sees it: files found and checked, subsets and random
 * labels nested, pixels normalised; and the real Fashion-MNIST, whole. */

#include "tests/unit/fixture.h"

#include "worker/data/cifar.h"
#include "worker/data/dataset.h"

#include <math.h>

enum { SIDE = 28, IMAGE = SIDE * SIDE, FEW = 20 };

static const char *const FILES[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/* ---- small files of the real formats ------------------------------------------ */

/* Image i is all i; its label is i mod 10. */
static size_t make_images(uint8_t *out, int count)
{
    const uint8_t header[16] = {0, 0, 8, 3,    0, 0, 0, (uint8_t)count,
                                0, 0, 0, SIDE, 0, 0, 0, SIDE};

    memcpy(out, header, sizeof header);
    for (int i = 0; i < count; i++)
        memset(out + sizeof header + i * IMAGE, i, IMAGE);
    return sizeof header + (size_t)count * IMAGE;
}

static size_t make_labels(uint8_t *out, int count)
{
    const uint8_t header[8] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)count};

    memcpy(out, header, sizeof header);
    for (int i = 0; i < count; i++)
        out[sizeof header + (size_t)i] = (uint8_t)(i % 10);
    return sizeof header + (size_t)count;
}

static void write_mnist(const struct fixture *fix)
{
    static uint8_t bytes[16 + FEW * IMAGE];

    for (int s = 0; s < 2; s++) {
        int count = s == 0 ? FEW : FEW / 2;

        fixture_write(fix, FILES[2 * s], bytes, make_images(bytes, count));
        fixture_write(fix, FILES[2 * s + 1], bytes, make_labels(bytes, count));
    }
}

static struct spec spec_in(const struct fixture *fix, const char *name)
{
    struct spec spec = fixture_spec(JOB_TRAIN, NULL);
    char text[128];

    fixture_seeds(&spec, "0");
    snprintf(text, sizeof text, "\"%s\"", name);
    fixture_set(&spec, "data.name", text);
    if (fix) {
        snprintf(text, sizeof text, "\"%s\"", fix->dir);
        fixture_set(&spec, "data.dir", text);
    }
    return spec;
}

static struct dataset *open_or_fail(const struct spec *spec, const char *data_dir)
{
    struct error err = {0};
    struct dataset *data = dataset_open(spec, data_dir, &err);

    if (!data)
        fail_msg("%s", err.text);
    return data;
}

/* Opening fails as ERR_DATA with a sentence that holds all of words. */
static void check_refused(const struct spec *spec, const char *const *words)
{
    struct error err = {0};

    assert_null(dataset_open(spec, NULL, &err));
    assert_int_equal(err.code, ERR_DATA);
    for (; *words; words++)
        if (!strstr(err.text, *words))
            fail_msg("'%s' should hold '%s'", err.text, *words);
}

#define CHECK_REFUSED(spec, ...)                                                         \
    check_refused(spec, (const char *const[]){__VA_ARGS__, NULL})

static void fetch_one(const struct dataset *data, enum split split, uint32_t index,
                      real *x, uint8_t *label)
{
    dataset_fetch(data, split, &index, 1, x, label);
}

/* ---- finding and checking files ----------------------------------------------- */

static void test_fetch(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = spec_in(fix, "mnist");
    struct dataset *data;
    bool seen[FEW] = {false};

    write_mnist(fix);
    data = open_or_fail(&spec, NULL);
    assert_int_equal(dataset_count(data, SPLIT_TRAIN), FEW);
    assert_int_equal(dataset_count(data, SPLIT_TEST), FEW / 2);
    assert_string_equal(dataset_info(data)->name, "mnist");
    for (uint32_t i = 0; i < FEW; i++) {
        real x[IMAGE];
        uint8_t label;
        long pixel;

        fetch_one(data, SPLIT_TRAIN, i, x, &label);
        pixel = lround(((double)x[0] * .3081 + .1307) * 255);
        assert_in_range(pixel, 0, FEW - 1);
        assert_false(seen[pixel]);
        seen[pixel] = true;
        assert_int_equal(label, pixel % 10);
        for (int p = 0; p < IMAGE; p++)
            assert_true(x[p] == (real)(((double)pixel / 255 - .1307) / .3081));
    }
    dataset_free(&data);
    assert_null(data);
    spec_free(&spec);
}

/* The same bytes, plain or gzip, in data.dir or in DATA_DIR/NAME. */
/* Pixels of the value 0 around every image, as black as its own. */
static void test_padded(void **state)
{
    enum { PAD = 2, LARGE = SIDE + 2 * PAD };
    static real x[2 * LARGE * LARGE];
    struct fixture *fix = *state;
    struct spec spec = spec_in(fix, "mnist");
    struct dataset *data;
    const uint32_t index[2] = {3, 4};
    uint8_t labels[2];

    write_mnist(fix);
    fixture_set(&spec, "data.pad", "2");
    data = open_or_fail(&spec, NULL);
    assert_int_equal(dataset_info(data)->shape.H, LARGE);
    assert_int_equal(dataset_info(data)->shape.W, LARGE);
    dataset_fetch(data, SPLIT_TRAIN, index, 2, x, labels);
    for (int i = 0; i < 2 * LARGE * LARGE; i++) {
        int y = i / LARGE % LARGE - PAD, column = i % LARGE - PAD;
        bool inside = y >= 0 && y < SIDE && column >= 0 && column < SIDE;
        const real *middle =
            x + i / (LARGE * LARGE) * LARGE * LARGE + LARGE * LARGE / 2 + LARGE / 2;
        assert_true(x[i] == (inside ? *middle : (real)(-.1307 / .3081)));
    }
    assert_true(labels[0] < 10);
    dataset_free(&data);
    spec_free(&spec);
}

static void test_places(void **state)
{
    struct fixture *fix = *state;
    struct spec named = spec_in(fix, "mnist"), plain = spec_in(NULL, "mnist");
    struct fixture inner;
    static uint8_t bytes[16 + FEW * IMAGE], gz[sizeof bytes + 23];
    struct dataset *a, *b;
    char hash[HASH_TEXT];
    struct error err;

    CHECK_REFUSED(&plain, "mnist", "data.dir");
    assert_null(dataset_open(&plain, fix->dir, &err));
    assert_non_null(strstr(err.text, fix->dir));
    write_mnist(fix);
    a = open_or_fail(&named, NULL);
    strcpy(hash, dataset_hash(a));
    assert_int_equal(strlen(hash), HASH_HEX);
    dataset_free(&a);

    snprintf(inner.dir, sizeof inner.dir, "%.50s/mnist", fix->dir);
    assert_int_equal(mkdir(inner.dir, 0700), 0);
    write_mnist(&inner);
    fixture_remove(&inner, FILES[0]);
    fixture_write(&inner, "train-images-idx3-ubyte.gz", gz,
                  fixture_gzip(bytes, make_images(bytes, FEW), gz));
    b = open_or_fail(&plain, fix->dir);
    assert_string_equal(dataset_hash(b), hash);
    dataset_free(&b);

    make_images(bytes, FEW);
    bytes[16]++;
    fixture_write(&inner, FILES[0], bytes, sizeof bytes); /* comes before .gz */
    b = open_or_fail(&plain, fix->dir);
    assert_string_not_equal(dataset_hash(b), hash);
    dataset_free(&b);
    spec_free(&named);
    spec_free(&plain);
}

static void test_bad_files(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = spec_in(fix, "mnist"), gone;
    static uint8_t bytes[16 + FEW * IMAGE + 1];
    char pipe[256];
    size_t size;

    CHECK_REFUSED(&spec, fix->dir, FILES[0], "no such file");
    write_mnist(fix);

    size = make_images(bytes, FEW);
    fixture_write(fix, FILES[0], bytes, size - 1);
    CHECK_REFUSED(&spec, FILES[0], "truncated");
    fixture_write(fix, FILES[0], bytes, size + 1);
    CHECK_REFUSED(&spec, FILES[0], "trailing");
    bytes[0] = 9;
    fixture_write(fix, FILES[0], bytes, size);
    CHECK_REFUSED(&spec, FILES[0], "magic");
    make_images(bytes, FEW);
    bytes[11] = 14;
    bytes[15] = 56;
    fixture_write(fix, FILES[0], bytes, size);
    CHECK_REFUSED(&spec, FILES[0], "14 x 56", "28 x 28");

    write_mnist(fix);
    fixture_write(fix, FILES[3], bytes, make_labels(bytes, FEW));
    CHECK_REFUSED(&spec, FILES[3], "20 labels", "10 images");
    make_labels(bytes, FEW / 2);
    bytes[8 + 7] = 10;
    fixture_write(fix, FILES[3], bytes, 8 + FEW / 2);
    CHECK_REFUSED(&spec, FILES[3], "example 7", "is 10", "0 to 9");
    fixture_remove(fix, FILES[3]);
    CHECK_REFUSED(&spec, FILES[3], "no such file");
    fixture_path(fix, FILES[3], pipe, sizeof pipe);
    assert_int_equal(mkfifo(pipe, 0600), 0); /* nobody will write to it */
    CHECK_REFUSED(&spec, FILES[3], "is not a file");

    gone = spec_in(NULL, "mnist");
    fixture_set(&gone, "data.dir", "\"/nonexistent/folder\"");
    CHECK_REFUSED(&gone, "/nonexistent/folder", "no such directory");
    spec_free(&gone);
    spec_free(&spec);
}

static void write_cifar(const struct fixture *fix, const char *name, int label_bytes,
                        int label, size_t size)
{
    static uint8_t record[2 + CIFAR_PIXELS];

    memset(record, 0, sizeof record);
    record[label_bytes - 1] = (uint8_t)label;
    for (int c = 0; c < 3; c++)
        memset(record + label_bytes + c * 1024, 50 * (c + 1), 1024);
    fixture_write(fix, name, record, size);
}

static void test_cifar(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = spec_in(fix, "cifar100");
    static real x[CIFAR_PIXELS];
    struct dataset *data;
    uint8_t label;

    write_cifar(fix, "train.bin", 2, 99, 3074);
    write_cifar(fix, "test.bin", 2, 5, 3074);
    data = open_or_fail(&spec, NULL);
    assert_int_equal(dataset_count(data, SPLIT_TRAIN), 1);
    fetch_one(data, SPLIT_TRAIN, 0, x, &label);
    assert_int_equal(label, 99);
    assert_true(x[0] == (real)((50 / 255.0 - .5071) / .2673));
    assert_true(x[3071] == (real)((150 / 255.0 - .4409) / .2762));
    dataset_free(&data);

    write_cifar(fix, "test.bin", 2, 100, 3074);
    CHECK_REFUSED(&spec, "test.bin", "example 0", "is 100");
    write_cifar(fix, "test.bin", 2, 0, 3073);
    CHECK_REFUSED(&spec, "test.bin", "multiple");
    spec_free(&spec);
}

static void test_cifar10_files(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = spec_in(fix, "cifar10");
    struct dataset *data;
    int sum = 0;

    for (int i = 1; i <= 5; i++) {
        char name[32];

        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        if (i == 5)
            CHECK_REFUSED(&spec, name, "no such file");
        write_cifar(fix, name, 1, i, 3073);
    }
    write_cifar(fix, "test_batch.bin", 1, 9, 3073);
    data = open_or_fail(&spec, NULL);
    assert_int_equal(dataset_count(data, SPLIT_TRAIN), 5);
    assert_int_equal(dataset_count(data, SPLIT_TEST), 1);
    for (uint32_t i = 0; i < 5; i++) {
        static real x[CIFAR_PIXELS];
        uint8_t label;

        fetch_one(data, SPLIT_TRAIN, i, x, &label);
        sum += label;
    }
    assert_int_equal(sum, 15);
    dataset_free(&data);
    spec_free(&spec);
}

/* ---- subsets and labels -------------------------------------------------------- */

static struct dataset *open_spiral(const char *option, const char *text)
{
    struct spec spec = spec_in(NULL, "spiral");
    struct dataset *data;

    fixture_set(&spec, option, text);
    data = open_or_fail(&spec, NULL);
    spec_free(&spec);
    return data;
}

static void test_subsets_nested(void **state)
{
    struct dataset *all = open_spiral("data.train", "\"all\"");
    struct dataset *some = open_spiral("data.train", "500");
    struct dataset *share = open_spiral("data.train", "0.25");
    struct spec spec = spec_in(NULL, "spiral");
    struct error err = {0};

    (void)state;
    assert_int_equal(dataset_count(all, SPLIT_TRAIN), 2000);
    assert_int_equal(dataset_count(some, SPLIT_TRAIN), 500);
    assert_int_equal(dataset_count(share, SPLIT_TRAIN), 500);
    assert_int_equal(dataset_count(some, SPLIT_TEST), 1000);
    for (uint32_t i = 0; i < 500; i++) {
        real x[3][2];
        uint8_t label[3];

        fetch_one(all, SPLIT_TRAIN, i, x[0], &label[0]);
        fetch_one(some, SPLIT_TRAIN, i, x[1], &label[1]);
        fetch_one(share, SPLIT_TRAIN, i, x[2], &label[2]);
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_memory_equal(x[0], x[2], sizeof x[0]);
        assert_int_equal(label[0], label[1]);
    }
    assert_string_equal(dataset_hash(all), dataset_hash(some));

    fixture_set(&spec, "data.train", "2001");
    assert_null(dataset_open(&spec, NULL, &err));
    assert_int_equal(err.code, ERR_INVALID);
    spec_free(&spec);
    dataset_free(&all);
    dataset_free(&some);
    dataset_free(&share);
}

static void all_labels(const struct dataset *data, enum split split, uint8_t *labels)
{
    for (uint32_t i = 0; i < (uint32_t)dataset_count(data, split); i++) {
        real x[2];

        fetch_one(data, split, i, x, labels + i);
    }
}

static void test_random_labels(void **state)
{
    static const char *const fractions[] = {"0.0", "0.3", "0.6", "1.0"};
    static uint8_t train[4][2000], test[4][1000];
    int changed[4] = {0};

    (void)state;
    for (int f = 0; f < 4; f++) {
        struct dataset *data = open_spiral("data.labels.random", fractions[f]);

        all_labels(data, SPLIT_TRAIN, train[f]);
        all_labels(data, SPLIT_TEST, test[f]);
        dataset_free(&data);
        assert_memory_equal(test[f], test[0], sizeof test[0]);
        for (int i = 0; i < 2000; i++)
            changed[f] += train[f][i] != train[0][i];
    }
    /* Half of the random labels hit the truth; 5 sigma. */
    assert_int_equal(changed[0], 0);
    assert_in_range(changed[1], 300 - 80, 300 + 80);
    assert_in_range(changed[2], 600 - 105, 600 + 105);
    assert_in_range(changed[3], 1000 - 112, 1000 + 112);
    for (int f = 1; f < 3; f++) /* nested: what is changed stays as changed */
        for (int i = 0; i < 2000; i++)
            if (train[f][i] != train[0][i])
                assert_int_equal(train[f + 1][i], train[f][i]);
}

static void test_label_seed(void **state)
{
    static uint8_t labels[2][2000];

    (void)state;
    for (int s = 0; s < 2; s++) {
        struct spec spec = spec_in(NULL, "spiral");
        struct dataset *data;

        fixture_set(&spec, "data.labels.random", "1.0");
        fixture_set(&spec, "seed.labels", s ? "1" : "0");
        data = open_or_fail(&spec, NULL);
        all_labels(data, SPLIT_TRAIN, labels[s]);
        dataset_free(&data);
        spec_free(&spec);
    }
    assert_memory_not_equal(labels[0], labels[1], sizeof labels[0]);
}

/* ---- augmentation --------------------------------------------------------------- */

/* What an example becomes depends on (seed, epoch, example) and on nothing else,
 * and what a crop moves in is black before normalisation. */
static void test_augmented(void **state)
{
    struct fixture *fix = *state;
    struct spec spec = spec_in(fix, "mnist");
    static real x[4][IMAGE], y[IMAGE], z[IMAGE];
    const uint32_t batch[4] = {3, 1, 4, 1}, three = 3;
    const real black = (real)((0 - .1307) / .3081);
    struct dataset *data;
    uint8_t labels[4];
    int moved = 0;

    write_mnist(fix);
    data = open_or_fail(&spec, NULL);
    dataset_fetch_augmented(data, 0, &three, 1, y, labels);
    fetch_one(data, SPLIT_TRAIN, 3, z, labels);
    assert_memory_equal(y, z, sizeof y); /* off by default */
    dataset_free(&data);

    fixture_set(&spec, "data.augment", "[\"flip\",\"crop4\"]");
    data = open_or_fail(&spec, NULL);
    dataset_fetch_augmented(data, 5, batch, 4, x[0], labels);
    dataset_fetch_augmented(data, 5, &three, 1, y, labels);
    assert_memory_equal(x[0], y, sizeof y);
    assert_memory_equal(x[1], x[3], sizeof y);
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        dataset_fetch_augmented(data, epoch, &three, 1, y, labels);
        for (int p = 0; p < IMAGE; p++)
            assert_true(y[p] == black || y[p] == z[0]);
        moved += y[0] != z[0] || y[IMAGE - 1] != z[0];
    }
    assert_in_range(moved, 10, 20);
    dataset_free(&data);
    spec_free(&spec);
}

/* ---- the real thing --------------------------------------------------------------- */

static void test_fashion_mnist(void **state)
{
    struct spec spec = spec_in(NULL, "fashion-mnist");
    struct dataset *data;
    struct stat info;
    double sum = 0, square = 0;

    (void)state;
    if (stat("/usr/share/datasets/fashion-mnist", &info))
        fail_msg("the package dataset-fashion-mnist is not installed");
    data = open_or_fail(&spec, NULL);
    assert_int_equal(dataset_count(data, SPLIT_TRAIN), 60000);
    assert_int_equal(dataset_count(data, SPLIT_TEST), 10000);
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++) {
        uint32_t count = (uint32_t)dataset_count(data, (enum split)s);
        uint32_t of[10] = {0};

        for (uint32_t i = 0; i < count; i++) {
            real x[IMAGE];
            uint8_t label;

            fetch_one(data, (enum split)s, i, x, &label);
            assert_in_range(label, 0, 9);
            of[label]++;
            for (int p = 0; p < IMAGE && s == SPLIT_TRAIN; p++) {
                sum += (double)x[p];
                square += (double)x[p] * (double)x[p];
            }
        }
        for (int k = 0; k < 10; k++)
            assert_int_equal(of[k], count / 10);
    }
    assert_true(fabs(sum / (60000.0 * IMAGE)) < 1e-3); /* .2860; .3530 are its own */
    assert_true(fabs(square / (60000.0 * IMAGE) - 1) < 1e-3);
    dataset_free(&data);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fetch, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_padded, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_places, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_cifar, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_cifar10_files, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(test_subsets_nested),
        cmocka_unit_test(test_random_labels),
        cmocka_unit_test(test_label_seed),
        cmocka_unit_test_setup_teardown(test_augmented, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_fashion_mnist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
