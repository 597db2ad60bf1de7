/* BLAKE2b-128 against known answers (Python's hashlib.blake2b, digest_size=16). */

#include "common/hash.h"

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

static const struct {
    size_t size; /* of the bytes 0, 1, 2, ... modulo 256 */
    const char *hex;
} ANSWERS[] = {
    {0, "cae66941d9efbd404e4d88758ea67670"},
    {1, "7025e075d5e2f6cde3cc051a31f07660"},
    {127, "28b1296c7d4807883de6ee4ec04dcc0a"},
    {128, "a74787004ef589e31149183900d0294a"},
    {129, "aaf1b0371f6d4ee49ee4fb5ddd9c49ef"},
    {256, "c2472c0ac37a8dbdb25f05ada0d82643"},
    {65535, "ea8c991b8c4c7c62ee9a84bae382d6f4"},
    {65536, "8ef62b2ef978c44a1533541be2eac1af"},
    {200000, "6a61608ab784987807272c1ec583813c"},
};

static unsigned char *counting_bytes(size_t size)
{
    unsigned char *bytes = malloc(size + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)i;
    return bytes;
}

static void known_answers(void **state)
{
    char hex[HASH_TEXT];

    (void)state;
    hash_bytes(NULL, 0, hex);
    assert_string_equal(hex, ANSWERS[0].hex);
    hash_bytes("abc", 3, hex);
    assert_string_equal(hex, "cf4ab791c62b8d2b2109c90275287816");
    for (size_t i = 0; i < sizeof ANSWERS / sizeof ANSWERS[0]; i++) {
        unsigned char *bytes = counting_bytes(ANSWERS[i].size);
        hash_bytes(bytes, ANSWERS[i].size, hex);
        assert_string_equal(hex, ANSWERS[i].hex);
        free(bytes);
    }
}

static void streaming_does_not_see_the_pieces(void **state)
{
    char hex[HASH_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof ANSWERS / sizeof ANSWERS[0]; i++) {
        size_t size = ANSWERS[i].size, step = 1;
        unsigned char *bytes = counting_bytes(size);
        struct hash_state *hash = hash_new();

        assert_non_null(hash);
        for (size_t at = 0; at < size; at += step, step = step * 3 % 1009) {
            size_t rest = size - at;
            hash_add(hash, bytes + at, step < rest ? step : rest);
        }
        hash_end(&hash, hex);
        assert_null(hash);
        assert_string_equal(hex, ANSWERS[i].hex);
        free(bytes);
    }
}

static void files_hash_as_their_bytes(void **state)
{
    char folder[] = "/tmp/test_hash.XXXXXX", path[64], hex[HASH_TEXT];
    struct error err = {0};
    uint64_t size;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f", folder);
    for (size_t i = 0; i < sizeof ANSWERS / sizeof ANSWERS[0]; i++) {
        unsigned char *bytes = counting_bytes(ANSWERS[i].size);
        assert_int_equal(file_write(path, bytes, ANSWERS[i].size, &err), 0);
        assert_int_equal(hash_file(path, hex, &size, &err), 0);
        assert_string_equal(hex, ANSWERS[i].hex);
        assert_int_equal(size, ANSWERS[i].size);
        free(bytes);
    }
    assert_int_equal(hash_file(path, hex, NULL, &err), 0);
    assert_int_equal(unlink(path), 0);

    memset(hex, 'x', sizeof hex);
    assert_int_equal(hash_file(path, hex, &size, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(hash_file(folder, hex, &size, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(hex[0], 'x');
    assert_int_equal(rmdir(folder), 0);
}

static void hex_is_strict(void **state)
{
    static const char good[] = "0123456789abcdef0123456789abcdef";

    (void)state;
    assert_true(hash_is_hex(good, 32));
    assert_false(hash_is_hex(good, 31));
    assert_false(hash_is_hex("0123456789abcdef0123456789abcdef0", 33));
    assert_false(hash_is_hex("0123456789abcdef0123456789abcdeF", 32));
    assert_false(hash_is_hex("0123456789abcdef0123456789abcdeg", 32));
    assert_false(hash_is_hex("/123456789abcdef0123456789abcde:", 32));
    assert_false(hash_is_hex("", 0));
}

static void random_names_differ(void **state)
{
    char one[HASH_TEXT], two[HASH_TEXT];

    (void)state;
    hash_random(one);
    hash_random(two);
    assert_true(hash_is_hex(one, strlen(one)));
    assert_true(hash_is_hex(two, strlen(two)));
    assert_string_not_equal(one, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(streaming_does_not_see_the_pieces),
        cmocka_unit_test(files_hash_as_their_bytes),
        cmocka_unit_test(hex_is_strict),
        cmocka_unit_test(random_names_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
