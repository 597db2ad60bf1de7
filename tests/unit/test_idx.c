/* The IDX reader takes well-formed arrays, plain or gzip, and names the file and
 * the rule for everything else. */

#include "tests/unit/fixture.h"

#include "common/buf.h"
#include "worker/data/gzfile.h"
#include "worker/data/idx.h"

/* 2 images of 2 x 3. */
static const uint8_t IMAGES[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,  0,  0,
                                 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void check_error(const void *bytes, size_t size, int rank, const char *rule)
{
    struct idx idx = {.rank = -1};
    struct error err = {0};

    assert_int_equal(idx_parse(bytes, size, rank, "some-file", &idx, &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    if (!strstr(err.text, "some-file") || !strstr(err.text, rule))
        fail_msg("'%s' should name the file and '%s'", err.text, rule);
    assert_int_equal(idx.rank, -1);
}

static void test_images(void **state)
{
    struct idx idx;
    struct error err;

    (void)state;
    assert_int_equal(idx_parse(IMAGES, sizeof IMAGES, 3, "f", &idx, &err), 0);
    assert_int_equal(idx.rank, 3);
    assert_int_equal(idx.dim[0], 2);
    assert_int_equal(idx.dim[1], 2);
    assert_int_equal(idx.dim[2], 3);
    assert_memory_equal(idx.data, IMAGES + 16, 12);
}

static void test_labels(void **state)
{
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9};
    struct idx idx;
    struct error err;

    (void)state;
    assert_int_equal(idx_parse(labels, sizeof labels, 1, "f", &idx, &err), 0);
    assert_int_equal(idx.dim[0], 3);
    assert_int_equal(idx.data[2], 9);
}

static void test_errors(void **state)
{
    uint8_t bad[sizeof IMAGES + 1];
    static const struct {
        size_t at;
        uint8_t byte;
        const char *rule;
    } cases[] = {
        {0, 1, "wrong magic"},  {1, 1, "wrong magic"},      {2, 9, "type 0x09"},
        {2, 0x0d, "type 0x0d"}, {3, 1, "1 dimensions"},     {3, 4, "4 dimensions"},
        {4, 2, "dimension 1"},  {7, 0, "dimension 1 is 0"}, {9, 1, "dimension 2"},
        {15, 0, "dimension 3"}, {7, 3, "truncated"},        {7, 1, "6 trailing bytes"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(bad, IMAGES, sizeof IMAGES);
        bad[cases[i].at] = cases[i].byte;
        check_error(bad, sizeof IMAGES, 3, cases[i].rule);
    }
    for (size_t size = 0; size < sizeof IMAGES; size++)
        check_error(IMAGES, size, 3, "truncated");
    memcpy(bad, IMAGES, sizeof IMAGES);
    check_error(bad, sizeof bad, 3, "1 trailing bytes");
    check_error(IMAGES, sizeof IMAGES, 1, "3 dimensions, expected 1");
}

/* ---- files ------------------------------------------------------------------ */

static void check_load(const struct fixture *fix, const void *bytes, size_t size)
{
    struct buf out = {0};
    struct error err = {0};
    char path[256];

    fixture_path(fix, "f", path, sizeof path);
    if (gzfile_load(path, 1 << 20, &out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(out.size, size);
    if (size)
        assert_memory_equal(out.data, bytes, size);
    buf_free(&out);
}

static void check_load_error(const struct fixture *fix, size_t max, const char *rule)
{
    struct buf out = {0};
    struct error err = {0};
    char path[256];

    fixture_path(fix, "f", path, sizeof path);
    assert_int_equal(gzfile_load(path, max, &out, &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    if (!strstr(err.text, path) || !strstr(err.text, rule))
        fail_msg("'%s' should name the file and '%s'", err.text, rule);
    buf_free(&out);
}

static void test_plain_file(void **state)
{
    struct fixture *fix = *state;

    fixture_write(fix, "f", IMAGES, sizeof IMAGES);
    check_load(fix, IMAGES, sizeof IMAGES);
    check_load_error(fix, sizeof IMAGES - 1, "more than");
    fixture_write(fix, "f", "", 0);
    check_load(fix, "", 0);
    fixture_remove(fix, "f");
    check_load_error(fix, 1, "cannot open");
}

static void test_gzip_file(void **state)
{
    struct fixture *fix = *state;
    uint8_t gz[2 * (sizeof IMAGES + 23)], twice[2 * sizeof IMAGES];
    size_t size = fixture_gzip(IMAGES, sizeof IMAGES, gz);

    fixture_write(fix, "f", gz, size);
    check_load(fix, IMAGES, sizeof IMAGES);
    check_load_error(fix, sizeof IMAGES - 1, "more than");

    /* Members may follow each other. */
    memcpy(gz + size, gz, size);
    memcpy(twice, IMAGES, sizeof IMAGES);
    memcpy(twice + sizeof IMAGES, IMAGES, sizeof IMAGES);
    fixture_write(fix, "f", gz, 2 * size);
    check_load(fix, twice, sizeof twice);
    fixture_write(fix, "f", gz, 2 * size - 1);
    check_load_error(fix, 1 << 20, "truncated");

    for (size_t cut = 2; cut < size; cut++) {
        fixture_write(fix, "f", gz, cut);
        check_load_error(fix, 1 << 20, "truncated");
    }
    gz[size] = 0;
    fixture_write(fix, "f", gz, size + 1);
    check_load_error(fix, 1 << 20, "bytes follow");
    gz[20] ^= 1;
    fixture_write(fix, "f", gz, size);
    check_load_error(fix, 1 << 20, "damaged");
}

/* Larger than any internal chunk. */
static void test_large_file(void **state)
{
    struct fixture *fix = *state;
    size_t size = 1000003;
    uint8_t *bytes = malloc(size), *gz = malloc(2 * size), *at = gz;

    assert_non_null(bytes);
    assert_non_null(gz);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    fixture_write(fix, "f", bytes, size);
    check_load(fix, bytes, size);
    for (size_t from = 0; from < size; from += 65000)
        at += fixture_gzip(bytes + from, size - from < 65000 ? size - from : 65000, at);
    fixture_write(fix, "f", gz, (size_t)(at - gz));
    check_load(fix, bytes, size);
    free(bytes);
    free(gz);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_errors),
        cmocka_unit_test_setup_teardown(test_plain_file, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_gzip_file, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_large_file, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
