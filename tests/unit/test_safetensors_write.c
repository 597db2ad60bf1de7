/* Writing safetensors: what is written is read back, byte for byte the same each
 * time, and what the reader would refuse is not written. */

#include "common/safetensors.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const float WEIGHT[6] = {1, -2, 0.5f, 1e-40f, 3, 4};
static const int64_t BATCHES = 7;
static const struct st_tensor TENSORS[] = {
    {"conv1.weight", ST_F32, 2, {2, 3}, WEIGHT, sizeof WEIGHT},
    {"bn1.num_batches_tracked", ST_I64, 0, {0}, &BATCHES, sizeof BATCHES},
    {"none\n\"", ST_F64, 1, {0}, NULL, 0},
};
static const struct st_meta META[] = {
    {"spec", "coord-spec 1 train\nmodel.name=\"lenet5\"\n"}, {"empty", ""}};

static void check_round_trip(const struct st_file *file)
{
    assert_int_equal(st_count(file), 3);
    for (size_t i = 0; i < 3; i++) {
        const struct st_tensor *tensor = st_find(file, TENSORS[i].name);

        assert_non_null(tensor);
        assert_int_equal(tensor->dtype, TENSORS[i].dtype);
        assert_int_equal(tensor->rank, TENSORS[i].rank);
        for (int d = 0; d < tensor->rank; d++)
            assert_int_equal(tensor->dim[d], TENSORS[i].dim[d]);
        assert_int_equal(tensor->size, TENSORS[i].size);
        if (tensor->size > 0)
            assert_memory_equal(tensor->data, TENSORS[i].data, tensor->size);
    }
    assert_string_equal(st_meta(file, "spec"), META[0].value);
    assert_string_equal(st_meta(file, "empty"), "");
    assert_null(st_meta(file, "conv1.weight"));
}

static void round_trip_in_memory(void **state)
{
    struct error err = {0};
    struct buf bytes = {0}, again = {0};
    struct st_file *file;

    (void)state;
    assert_int_equal(st_encode(&bytes, TENSORS, 3, META, 2, &err), 0);
    assert_int_equal((8 + (unsigned char)bytes.data[0]) % 8, 0);
    assert_memory_equal(bytes.data + 8, "{\"__metadata__\":{\"spec\":", 23);
    file = st_open_bytes(bytes.data, bytes.size, "F", &err);
    assert_non_null(file);
    check_round_trip(file);
    st_close(&file);

    /* Same input, same bytes; and encoding appends. */
    buf_puts(&again, "xyz");
    assert_int_equal(st_encode(&again, TENSORS, 3, META, 2, &err), 0);
    assert_int_equal(again.size, bytes.size + 3);
    assert_memory_equal(again.data + 3, bytes.data, bytes.size);
    buf_free(&bytes);
    buf_free(&again);
}

/* Byte for byte, so that another writer of the format can be compared. */
static void encoding_is_pinned(void **state)
{
    static const uint8_t byte = 0xAB;
    static const struct st_tensor tensor = {"t", ST_U8, 1, {1}, &byte, 1};
    static const char expected[] =
        "\x38\0\0\0\0\0\0\0"
        "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}   \xAB";
    struct error err = {0};
    struct buf bytes = {0};

    (void)state;
    assert_int_equal(st_encode(&bytes, &tensor, 1, NULL, 0, &err), 0);
    assert_int_equal(bytes.size, sizeof expected - 1);
    assert_memory_equal(bytes.data, expected, sizeof expected - 1);
    buf_free(&bytes);
}

static void round_trip_in_a_file(void **state)
{
    char folder[] = "/tmp/test_safetensors.XXXXXX", path[64];
    struct error err = {0};
    struct st_file *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state.safetensors", folder);
    assert_int_equal(st_write(path, TENSORS, 3, META, 2, &err), 0);
    assert_int_equal(st_write(path, TENSORS, 3, META, 2, &err), 0);
    file = st_open(path, &err);
    assert_non_null(file);
    check_round_trip(file);
    st_close(&file);

    /* Nothing but the file itself is there, or the folder would stay. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void files_that_cannot_be_opened(void **state)
{
    char folder[] = "/tmp/test_safetensors.XXXXXX", path[64], sentence[128];
    struct error err = {0};

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f", folder);
    assert_null(st_open(path, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);

    assert_int_equal(file_write(path, "", 0, &err), 0);
    assert_null(st_open(path, &err));
    assert_int_equal(err.code, ERR_DATA);
    snprintf(sentence, sizeof sentence,
             "%s: 0 bytes are too short for a safetensors file", path);
    assert_string_equal(err.text, sentence);

    assert_int_equal(file_write(path, "\2\0\0\0\0\0\0\0{}x", 11, &err), 0);
    assert_null(st_open(path, &err));
    snprintf(sentence, sizeof sentence, "%s: 1 bytes after the last tensor", path);
    assert_string_equal(err.text, sentence);

    assert_null(st_open(folder, &err));
    assert_int_equal(err.code, ERR_DATA);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);

    assert_int_equal(st_write(path, TENSORS, 3, META, 2, &err), -1);
    assert_int_equal(err.code, ERR_IO);
}

static void expect_not_encoded(const struct st_tensor *tensors, size_t count,
                               const struct st_meta *meta, size_t meta_count,
                               const char *sentence)
{
    struct error err = {0};
    struct buf out = {0};

    buf_puts(&out, "before");
    assert_int_equal(st_encode(&out, tensors, count, meta, meta_count, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, sentence);
    assert_int_equal(out.size, 6);
    assert_string_equal(out.data, "before");
    buf_free(&out);
}

static void what_is_not_encoded(void **state)
{
    static const struct st_meta twice[] = {{"k", "1"}, {"k", "2"}};
    struct st_tensor pair[2] = {TENSORS[0], TENSORS[0]};
    struct st_tensor one = TENSORS[0];

    (void)state;
    expect_not_encoded(pair, 2, NULL, 0, "two tensors are named 'conv1.weight'");
    expect_not_encoded(NULL, 0, twice, 2, "two entries of the metadata are named 'k'");
    one.size--;
    expect_not_encoded(&one, 1, NULL, 0,
                       "tensor 'conv1.weight': its shape and dtype do not need 23 bytes");
    one.dim[0] = -1;
    expect_not_encoded(&one, 1, NULL, 0,
                       "tensor 'conv1.weight': its shape and dtype do not need 23 bytes");
    one.rank = 9;
    expect_not_encoded(&one, 1, NULL, 0,
                       "tensor 'conv1.weight': 9 dimensions, expected 0 to 8");
    strcpy(one.name, "__metadata__");
    expect_not_encoded(&one, 1, NULL, 0, "a tensor cannot be named '__metadata__'");
    strcpy(one.name, "");
    expect_not_encoded(&one, 1, NULL, 0, "a tensor cannot be named ''");
    strcpy(one.name, "\xFF");
    expect_not_encoded(&one, 1, NULL, 0, "a tensor cannot be named '\xFF'");
    expect_not_encoded(&one, ST_TENSORS_MAX + 1, NULL, 0,
                       "65537 tensors, expected at most 65536");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_in_memory),
        cmocka_unit_test(encoding_is_pinned),
        cmocka_unit_test(round_trip_in_a_file),
        cmocka_unit_test(files_that_cannot_be_opened),
        cmocka_unit_test(what_is_not_encoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
