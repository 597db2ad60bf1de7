/* Reading safetensors: each rule of the reader refuses a file that breaks it, with
 * its sentence, and nothing else. */

#include "common/safetensors.h"

#include "common/buf.h"
#include "common/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- making files ---------------------------------------------------------- */

static void put_n(struct buf *out, uint64_t n)
{
    for (int i = 0; i < 8; i++) {
        char byte = (char)(unsigned char)(n >> 8 * i);
        buf_add(out, &byte, 1);
    }
}

/* A file of N (the header's true size), a header, and data_size bytes 0, 1, ... */
static struct buf make_file(const char *header, size_t data_size)
{
    struct buf file = {0};

    put_n(&file, strlen(header));
    buf_puts(&file, header);
    for (size_t i = 0; i < data_size; i++) {
        char byte = (char)(unsigned char)i;
        buf_add(&file, &byte, 1);
    }
    assert_false(file.failed);
    return file;
}

static void expect_refused(const struct buf *file, const char *sentence)
{
    struct error err = {0};
    struct st_file *open = st_open_bytes(file->data, file->size, "F", &err);

    if (open)
        fail_msg("accepted, expected \"%s\"", sentence);
    assert_int_equal(err.code, ERR_DATA);
    assert_string_equal(err.text, sentence);
}

static void refuse_header(const char *header, size_t data_size, const char *sentence)
{
    struct buf file = make_file(header, data_size);

    expect_refused(&file, sentence);
    buf_free(&file);
}

static struct st_file *accept_header(const char *header, size_t data_size,
                                     struct buf *file)
{
    struct error err = {0};
    struct st_file *open;

    *file = make_file(header, data_size);
    open = st_open_bytes(file->data, file->size, "F", &err);
    if (!open)
        fail_msg("refused: %s", err.text);
    return open;
}

/* ---- rules 1 to 3: size and header ------------------------------------------ */

static void short_file(void **state)
{
    struct buf file = {0};
    struct error err = {0};

    (void)state;
    buf_add(&file, "\2\0\0\0\0\0\0", 7);
    expect_refused(&file, "F: 7 bytes are too short for a safetensors file");
    assert_null(st_open_bytes("", 0, "F", &err));
    assert_string_equal(err.text, "F: 0 bytes are too short for a safetensors file");
    buf_free(&file);
}

static void header_too_large(void **state)
{
    static const uint64_t sizes[] = {ST_HEADER_MAX + 1, UINT64_MAX, UINT64_MAX - 7};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf file = {0};
        char sentence[128];

        put_n(&file, sizes[i]);
        buf_puts(&file, "{}");
        snprintf(sentence, sizeof sentence,
                 "F: a header of %llu bytes, expected at most 16777216",
                 (unsigned long long)sizes[i]);
        expect_refused(&file, sentence);
        buf_free(&file);
    }
}

static void header_beyond_file(void **state)
{
    struct buf file = {0};

    (void)state;
    put_n(&file, 3);
    buf_puts(&file, "{}");
    expect_refused(&file, "F: a header of 3 bytes ends beyond the file of 10 bytes");
    buf_clear(&file);
    put_n(&file, ST_HEADER_MAX);
    buf_puts(&file, "{}");
    expect_refused(&file,
                   "F: a header of 16777216 bytes ends beyond the file of 10 bytes");
    buf_free(&file);
}

static void header_not_an_object(void **state)
{
    static const char *const headers[] = {"", "[]", "1", "\"a\"", " {}", "null"};

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        refuse_header(headers[i], 0, "F: the header is not a JSON object");
}

static void header_not_utf8(void **state)
{
    (void)state;
    refuse_header("{\"a\xFF\":1}", 0, "F: the header is not UTF-8");
    refuse_header("{\"\xC0\x80\":1}", 0, "F: the header is not UTF-8");
    refuse_header("{}\xED\xA0\x80", 0, "F: the header is not UTF-8");
}

/* The rest of the sentence is the JSON library's. */
static void expect_refused_like(const char *header, size_t size, const char *part)
{
    struct buf file = {0};
    struct error err = {0};

    put_n(&file, size);
    buf_add(&file, header, size);
    assert_null(st_open_bytes(file.data, file.size, "F", &err));
    assert_int_equal(err.code, ERR_DATA);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" lacks \"%s\"", err.text, part);
    buf_free(&file);
}

static void header_not_json(void **state)
{
    static const char *const headers[] = {
        "{",
        "{\"a\"",
        "{\"a\":}",
        "{}}",
        "{} x",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\\u0000b\":1}",
        "{\"a\":99999999999999999999}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        expect_refused_like(headers[i], strlen(headers[i]), "F: header 1:");
    /* Padding is spaces; NULs are not. */
    expect_refused_like("{}\0\0", 4, "F: header a NUL byte is not JSON");
    expect_refused_like("{\"a\":1\0}", 8, "F: header a NUL byte is not JSON");
}

static void duplicate_keys(void **state)
{
    static const char *const headers[] = {
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
        "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],"
        "\"data_offsets\":[0,1]}}",
        "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        expect_refused_like(headers[i], strlen(headers[i]), "duplicate object key");
}

/* Lists in lists must not take the stack with them. */
static void deep_header(void **state)
{
    enum { DEPTH = 1 << 20 };
    struct buf header = {0};

    (void)state;
    buf_puts(&header, "{\"a\":");
    for (int i = 0; i < DEPTH; i++)
        buf_puts(&header, "[");
    expect_refused_like(header.data, header.size, "depth");
    buf_free(&header);
}

/* ---- rules 4 to 7: entries -------------------------------------------------- */

static void bad_metadata(void **state)
{
    (void)state;
    refuse_header("{\"__metadata__\":[]}", 0, "F: __metadata__ is not an object");
    refuse_header("{\"__metadata__\":null}", 0, "F: __metadata__ is not an object");
    refuse_header("{\"__metadata__\":{\"step\":3}}", 0,
                  "F: __metadata__: 'step' is not a string");
}

static void too_many_tensors(void **state)
{
    struct buf header = {0};

    (void)state;
    buf_puts(&header, "{\"__metadata__\":{}");
    for (int i = 0; i <= ST_TENSORS_MAX; i++)
        buf_printf(&header, ",\"%d\":1", i);
    buf_puts(&header, "}");
    refuse_header(header.data, 0, "F: 65537 tensors, expected at most 65536");
    buf_free(&header);
}

static void bad_names(void **state)
{
    char name[ST_NAME_MAX + 1];
    struct buf header = {0};

    (void)state;
    refuse_header("{\"\":1}", 0, "F: a tensor's name has 0 bytes, expected 1 to 127");
    memset(name, 'n', ST_NAME_MAX);
    name[ST_NAME_MAX] = '\0';
    buf_printf(&header, "{\"%s\":1}", name);
    refuse_header(header.data, 0, "F: a tensor's name has 128 bytes, expected 1 to 127");
    buf_free(&header);
}

#define REFUSE_ENTRY(entry, data_size, sentence)                                         \
    refuse_header("{\"w\":" entry "}", data_size, "F: tensor 'w': " sentence)

static void bad_entries(void **state)
{
    (void)state;
    REFUSE_ENTRY("1", 0, "expected exactly dtype, shape and data_offsets");
    REFUSE_ENTRY("{}", 0, "expected exactly dtype, shape and data_offsets");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}", 1,
                 "expected exactly dtype, shape and data_offsets");
    REFUSE_ENTRY("{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}", 1,
                 "dtype is not a string");
    REFUSE_ENTRY("{\"type\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}", 1,
                 "dtype is not a string");
    REFUSE_ENTRY("{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}", 2,
                 "dtype 'F16', expected F32, F64, I64, I32 or U8");
    REFUSE_ENTRY("{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}", 4,
                 "dtype 'f32', expected F32, F64, I64, I32 or U8");
}

static void bad_shapes(void **state)
{
    (void)state;
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}", 1,
                 "shape is not a list");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}", 1,
                 "shape has something other than integers from 0");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}", 1,
                 "shape has something other than integers from 0");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]}", 1,
                 "shape has something other than integers from 0");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],"
                 "\"data_offsets\":[0,1]}",
                 1, "more than 8 dimensions");
}

/* 2^62 elements of 4 bytes, and 2^32 x 2^32, are 0 modulo 2^64. */
static void shape_overflow(void **state)
{
    (void)state;
    REFUSE_ENTRY("{\"dtype\":\"F32\",\"shape\":[4611686018427387904],"
                 "\"data_offsets\":[0,0]}",
                 0, "shape overflows 64 bits");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],"
                 "\"data_offsets\":[0,0]}",
                 0, "shape overflows 64 bits");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,0],"
                 "\"data_offsets\":[0,0]}",
                 0, "shape overflows 64 bits");
}

static void bad_offsets(void **state)
{
    static const char *const offsets[] = {
        "1",      "[]",      "[0]",       "[0,1,2]",
        "[-1,0]", "[0,1.0]", "[\"0\",1]", "{\"a\":0,\"b\":1}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        struct buf header = {0};
        buf_printf(&header,
                   "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],"
                   "\"data_offsets\":%s}}",
                   offsets[i]);
        refuse_header(header.data, 1,
                      "F: tensor 'w': data_offsets are not two integers from 0");
        buf_free(&header);
    }
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}", 1,
                 "data_offsets end before they begin");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}", 1,
                 "ends at 2, beyond the 1 bytes of data");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[1],"
                 "\"data_offsets\":[9223372036854775806,9223372036854775807]}",
                 1, "ends at 9223372036854775807, beyond the 1 bytes of data");
}

static void size_mismatch(void **state)
{
    (void)state;
    REFUSE_ENTRY("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,23]}", 24,
                 "23 bytes, but its shape and dtype need 24");
    REFUSE_ENTRY("{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,4]}", 4,
                 "4 bytes, but its shape and dtype need 8");
    REFUSE_ENTRY("{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,1]}", 1,
                 "1 bytes, but its shape and dtype need 0");
}

/* ---- rule 8: layout --------------------------------------------------------- */

#define U8(name, count, offsets)                                                         \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" count "],\"data_offsets\":[" offsets "]}"

static void holes_and_overlaps(void **state)
{
    (void)state;
    refuse_header("{" U8("a", "2", "1,3") "}", 3,
                  "F: tensor 'a': begins at 1, after a hole that begins at 0");
    refuse_header("{" U8("a", "2", "0,2") "," U8("b", "1", "3,4") "}", 4,
                  "F: tensor 'b': begins at 3, after a hole that begins at 2");
    refuse_header("{" U8("a", "2", "0,2") "," U8("b", "2", "1,3") "}", 3,
                  "F: tensor 'b': begins at 1, inside the one that ends at 2");
    refuse_header("{" U8("a", "2", "0,2") "," U8("b", "2", "0,2") "}", 2,
                  "F: tensor 'b': begins at 0, inside the one that ends at 2");
    /* An empty tensor has a place too. */
    refuse_header("{" U8("a", "3", "0,3") "," U8("e", "0", "1,1") "}", 3,
                  "F: tensor 'e': begins at 1, inside the one that ends at 3");
}

static void trailing_bytes(void **state)
{
    (void)state;
    refuse_header("{}", 1, "F: 1 bytes after the last tensor");
    refuse_header("{" U8("a", "2", "0,2") "}", 9, "F: 7 bytes after the last tensor");
}

/* ---- what is accepted ------------------------------------------------------- */

static void json_order_is_free(void **state)
{
    struct buf bytes;
    struct st_file *file;

    (void)state;
    file =
        accept_header("{" U8("z", "2", "3,5") "," U8("a", "3", "0,3") "}  ", 5, &bytes);
    assert_int_equal(st_count(file), 2);
    assert_string_equal(st_at(file, 0)->name, "a");
    assert_string_equal(st_at(file, 1)->name, "z");
    assert_null(st_at(file, 2));
    assert_int_equal(*(const unsigned char *)st_find(file, "z")->data, 3);
    assert_null(st_find(file, "b"));
    st_close(&file);
    assert_null(file);
    st_close(&file);
    buf_free(&bytes);
}

static void empty_and_rank_zero(void **state)
{
    struct buf bytes;
    struct st_file *file;

    (void)state;
    file = accept_header("{}", 0, &bytes);
    assert_int_equal(st_count(file), 0);
    st_close(&file);
    buf_free(&bytes);

    /* Empty ones at the front, in the middle, twice at one place, at the end. */
    file = accept_header(
        "{" U8("m", "0,5", "2,2") "," U8("b", "2", "0,2") "," U8("s", "", "2,3") "," U8(
            "f", "0", "0,0") "," U8("n", "0", "2,2") "," U8("l", "4,0", "3,3") "}",
        3, &bytes);
    assert_int_equal(st_count(file), 6);
    assert_string_equal(st_at(file, 0)->name, "f");
    assert_string_equal(st_at(file, 5)->name, "l");
    assert_int_equal(st_find(file, "s")->rank, 0);
    assert_int_equal(st_find(file, "s")->size, 1);
    assert_int_equal(st_find(file, "m")->rank, 2);
    assert_int_equal(st_find(file, "m")->dim[1], 5);
    assert_int_equal(st_find(file, "m")->size, 0);
    st_close(&file);
    buf_free(&bytes);
}

static void largest_rank_and_name(void **state)
{
    char name[ST_NAME_MAX];
    struct buf header = {0}, bytes;
    struct st_file *file;

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    buf_printf(&header,
               "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,2],"
               "\"data_offsets\":[0,2]}}",
               name);
    file = accept_header(header.data, 2, &bytes);
    assert_int_equal(st_find(file, name)->rank, 8);
    st_close(&file);
    buf_free(&header);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_file),
        cmocka_unit_test(header_too_large),
        cmocka_unit_test(header_beyond_file),
        cmocka_unit_test(header_not_an_object),
        cmocka_unit_test(header_not_utf8),
        cmocka_unit_test(header_not_json),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(deep_header),
        cmocka_unit_test(bad_metadata),
        cmocka_unit_test(too_many_tensors),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(bad_entries),
        cmocka_unit_test(bad_shapes),
        cmocka_unit_test(shape_overflow),
        cmocka_unit_test(bad_offsets),
        cmocka_unit_test(size_mismatch),
        cmocka_unit_test(holes_and_overlaps),
        cmocka_unit_test(trailing_bytes),
        cmocka_unit_test(json_order_is_free),
        cmocka_unit_test(empty_and_rank_zero),
        cmocka_unit_test(largest_rank_and_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
