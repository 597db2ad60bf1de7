/* Key files: written for their owner alone, read from nobody else. */

#include "proto/keyfile.h"

#include "common/error.h"
#include "common/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[128];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/coord-keyfile-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/w.key", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static struct keyfile draw(void)
{
    struct keyfile file = {.role = "worker", .name = "gpu-3.a"};
    struct wire_keys server;

    assert_int_equal(wire_draw_keys(&file.keys, NULL), 0);
    assert_int_equal(wire_draw_keys(&server, NULL), 0);
    memcpy(file.keys.server_key, server.public_key, WIRE_KEY_TEXT);
    return file;
}

static void what_is_written_is_read(void **state)
{
    struct keyfile file = draw(), got;
    struct error err = {0};
    struct stat st;

    (void)state;
    umask(0);
    assert_int_equal(keyfile_write(path, &file, &err), 0);
    assert_int_equal(umask(022), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(keyfile_read(path, &got, &err), 0);
    assert_memory_equal(&got, &file, sizeof got);
    assert_int_equal(keyfile_write(path, &file, &err), -1); /* never over another */
    assert_int_equal(err.code, ERR_INVALID);
}

static void world_readable_key_is_an_error_that_says_chmod(void **state)
{
    static const mode_t modes[] = {0644, 0640, 0604, 0620, 0601};
    struct keyfile file = draw(), got;
    struct error err = {0};

    (void)state;
    assert_int_equal(keyfile_write(path, &file, &err), 0);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(keyfile_read(path, &got, &err), -1);
        assert_int_equal(err.code, ERR_REFUSED);
        assert_non_null(strstr(err.text, "chmod 600"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(keyfile_read(path, &got, &err), 0);
}

static void expect_bad(const char *text, size_t size, const char *part)
{
    struct keyfile got;
    struct error err = {0};

    assert_int_equal(file_write(path, text, size, &err), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(keyfile_read(path, &got, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
}

static void what_is_no_key_file_is_refused(void **state)
{
    static char large[KEYFILE_SIZE_MAX + 2];
    char swapped[512];
    struct keyfile one = draw(), two = draw();

    (void)state;
    memset(large, '\n', sizeof large);
    expect_bad(large, sizeof large, "bytes that are allowed");
    expect_bad("", 0, "a key file has a line 'role'");
    expect_bad("role\n", 5, ":1: not a line");
    expect_bad("role worker\nrole client\n", 24, ":2: not a line");
    expect_bad("role worker\nsurprise x\n", 23, ":2: not a line");
    expect_bad("role aaaaaaaaaaaaaaaaaaaaaaaaa\n", 31, ":1: not a line");
    expect_bad("\x7f\x45\x4c\x46\0\0\0\0", 8, ":1: not a line");
    snprintf(swapped, sizeof swapped, "role worker\nname x\npublic %s\nsecret %s\n",
             one.keys.public_key, two.keys.secret_key);
    expect_bad(swapped, strlen(swapped), "damaged");
    snprintf(swapped, sizeof swapped, "role worker\nname ../x\npublic %s\nsecret %s\n",
             one.keys.public_key, one.keys.secret_key);
    expect_bad(swapped, strlen(swapped), "damaged");
}

static void a_file_that_is_not_there(void **state)
{
    struct keyfile got;
    struct error err = {0};

    (void)state;
    assert_int_equal(keyfile_read(path, &got, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(keyfile_read(dir, &got, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_is_written_is_read),
        IN_DIR(world_readable_key_is_an_error_that_says_chmod),
        IN_DIR(what_is_no_key_file_is_refused),
        IN_DIR(a_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
