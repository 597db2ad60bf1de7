/* Whole files: written atomically, read within a bound. */

#include "common/file.h"

#include "common/error.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[32];
    char path[64];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    if (!place)
        return -1;
    strcpy(place->folder, "/tmp/test_file.XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    snprintf(place->path, sizeof place->path, "%s/f", place->folder);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    int rc;

    unlink(place->path);
    rc = rmdir(place->folder);
    free(place);
    return rc;
}

static int entries_in(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2; /* . and .. */
}

static void written_is_read_back(void **state)
{
    struct place *place = *state;
    struct error err = {0};
    struct buf bytes = {0}, back = {0};

    for (int i = 0; i < 70000; i++)
        buf_printf(&bytes, "%d,", i);
    buf_puts(&back, "x");
    assert_int_equal(file_write(place->path, "old", 3, &err), 0);
    assert_int_equal(file_write(place->path, bytes.data, bytes.size, &err), 0);
    assert_int_equal(file_read(place->path, bytes.size, &back, &err), 0);
    assert_int_equal(back.size, bytes.size + 1);
    assert_memory_equal(back.data + 1, bytes.data, bytes.size);
    assert_int_equal(back.data[back.size], '\0');
    assert_int_equal(entries_in(place->folder), 1);
    buf_free(&bytes);
    buf_free(&back);
}

static void empty_files_are_files(void **state)
{
    struct place *place = *state;
    struct error err = {0};
    struct buf back = {0};

    assert_int_equal(file_write(place->path, NULL, 0, &err), 0);
    assert_int_equal(file_read(place->path, 0, &back, &err), 0);
    assert_int_equal(back.size, 0);
    assert_string_equal(back.data, "");
    buf_free(&back);
}

static void reading_is_bounded(void **state)
{
    struct place *place = *state;
    struct error err = {0};
    struct buf back = {0};
    char sentence[128];

    buf_puts(&back, "before");
    assert_int_equal(file_write(place->path, "12345", 5, &err), 0);
    assert_int_equal(file_read(place->path, 4, &back, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    snprintf(sentence, sizeof sentence, "%s: more than the 4 bytes that are allowed",
             place->path);
    assert_string_equal(err.text, sentence);
    assert_string_equal(back.data, "before");
    buf_free(&back);
}

static void failures_say_which(void **state)
{
    struct place *place = *state;
    struct error err = {0};
    struct buf back = {0};
    char inside[96];

    assert_int_equal(file_read(place->path, 9, &back, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(file_read(place->folder, 9, &back, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    snprintf(inside, sizeof inside, "%s/none/f", place->folder);
    assert_int_equal(file_write(inside, "x", 1, &err), -1);
    assert_int_equal(err.code, ERR_IO);

    /* A folder in its place: the rename fails and the new file goes away. */
    assert_int_equal(mkdir(place->path, 0777), 0);
    assert_int_equal(file_write(place->path, "x", 1, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(entries_in(place->folder), 1);
    assert_int_equal(rmdir(place->path), 0);
    buf_free(&back);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(written_is_read_back),
        TEST(empty_files_are_files),
        TEST(reading_is_bounded),
        TEST(failures_say_which),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
