/* The cache keeps its bound, its pins and its order; the scratch folder is its
 * daemon's while that lives. */

#include "common/error.h"
#include "worker/cache.h"
#include "worker/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/coord-test-cache.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

/* 32 digits from one, so that tests can name files briefly. */
static const char *name(char digit)
{
    static char names[4][HASH_TEXT];
    static int next;
    char *text = names[next++ % 4];

    memset(text, digit, HASH_HEX);
    text[HASH_HEX] = '\0';
    return text;
}

static void make_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        fputc((int)('a' + i % 26), file);
    assert_int_equal(fclose(file), 0);
}

/* Add a file last used at `second`, and leave it unpinned. */
static void add(struct cache *cache, char digit, size_t size, time_t second)
{
    struct error err;
    char path[PATH_MAX];
    struct timespec times[2] = {{.tv_sec = second}, {.tv_sec = second}};

    snprintf(path, sizeof path, "%s/new", dir);
    make_file(path, size);
    assert_int_equal(cache_add(cache, name(digit), path, &err), 0);
    assert_int_equal(access(path, F_OK), -1);
    cache_unpin(cache, name(digit));
    cache_path(cache, name(digit), path);
    (void)utimensat(AT_FDCWD, path, times, 0); /* it may be evicted already */
}

static bool has(struct cache *cache, char digit)
{
    char path[PATH_MAX];

    return access(cache_path(cache, name(digit), path), F_OK) == 0;
}

static struct cache *open_cache(uint64_t size_max)
{
    struct error err;
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/deep/er/cache", dir);
    struct cache *cache = cache_open(path, size_max, &err);
    assert_non_null(cache);
    return cache;
}

static void test_oldest_goes_first(void **state)
{
    (void)state;
    struct cache *cache = open_cache(300);

    add(cache, '1', 100, 1000);
    add(cache, '2', 100, 500);
    add(cache, '3', 100, 2000);
    assert_true(has(cache, '1') && has(cache, '2') && has(cache, '3'));
    add(cache, '4', 100, 3000);
    assert_true(has(cache, '1') && !has(cache, '2') && has(cache, '3') &&
                has(cache, '4'));
    cache_free(&cache);
    cache_free(&cache);
}

static void test_pinned_stays(void **state)
{
    (void)state;
    struct error err;
    struct cache *cache = open_cache(200);
    struct cache *other = open_cache(200);

    add(cache, '1', 100, 1);
    add(cache, '2', 100, 2);
    assert_int_equal(cache_pin(other, name('1'), &err), 0); /* another's pin */
    assert_int_equal(cache_pin(cache, name('2'), &err), 0);
    assert_int_equal(cache_pin(cache, name('2'), &err), 0); /* twice */
    cache_unpin(cache, name('2'));
    add(cache, '3', 100, 3);
    assert_true(has(cache, '1') && has(cache, '2') && !has(cache, '3'));
    cache_unpin(cache, name('2'));
    cache_free(&other);
    add(cache, '4', 200, 4);
    assert_true(!has(cache, '1') && !has(cache, '2') && has(cache, '4'));
    cache_free(&cache);
}

static void test_absent_and_present(void **state)
{
    (void)state;
    struct error err;
    struct cache *cache = open_cache(1000);
    char path[PATH_MAX], bytes[8];

    assert_int_equal(cache_pin(cache, name('a'), &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(cache_read(cache, name('a'), 0, bytes, 1, &err), -1);
    add(cache, 'a', 30, 1);
    snprintf(path, sizeof path, "%s/again", dir);
    make_file(path, 30);
    assert_int_equal(cache_add(cache, name('a'), path, &err), 0);
    assert_int_equal(access(path, F_OK), -1); /* taken, though not needed */
    assert_int_equal(cache_read(cache, name('a'), 26, bytes, 4, &err), 0);
    assert_memory_equal(bytes, "abcd", 4);
    assert_int_equal(cache_read(cache, name('a'), 27, bytes, 4, &err), -1);
    assert_int_equal(err.code, ERR_DATA);
    cache_drop(cache, name('a'));
    assert_false(has(cache, 'a'));
    cache_drop(cache, name('a'));
    cache_free(&cache);
}

static void test_foreign_files_are_left_alone(void **state)
{
    (void)state;
    struct cache *cache = open_cache(10);
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/notes.safetensors", cache_dir(cache));
    make_file(path, 100);
    add(cache, '1', 100, 1);
    assert_false(has(cache, '1'));
    assert_int_equal(access(path, F_OK), 0);
    cache_free(&cache);
}

static void test_unusable_folder(void **state)
{
    (void)state;
    struct error err;
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/file", dir);
    make_file(path, 1);
    assert_null(cache_open(path, 1, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(scratch_open(path, &err));
}

static void test_scratch(void **state)
{
    (void)state;
    struct error err;
    struct scratch *mine = scratch_open(dir, &err);
    char first[PATH_MAX], path[PATH_MAX + 8];

    assert_non_null(mine);
    assert_int_equal(scratch_make(mine, 7, 1, first, &err), 0);
    snprintf(path, sizeof path, "%s/file", first);
    make_file(path, 10);
    struct scratch *other = scratch_open(dir, &err); /* leaves mine alone */
    assert_non_null(other);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(scratch_make(mine, 7, 1, first, &err), 0); /* emptied */
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s", scratch_dir(other));
    scratch_free(&other);
    assert_int_equal(access(path, F_OK), -1);
    scratch_free(&mine);
    assert_int_equal(access(first, F_OK), -1);
    scratch_free(&mine);
}

static void test_leftovers_of_the_dead_go(void **state)
{
    (void)state;
    struct error err;
    char path[PATH_MAX];
    int status;
    pid_t pid = fork();

    if (pid == 0) { /* a daemon that is killed */
        struct scratch *dead = scratch_open(dir, &err);
        if (dead)
            (void)scratch_make(dead, 1, 1, path, &err);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct scratch *scratch = scratch_open(dir, &err);
    assert_non_null(scratch);
    scratch_free(&scratch);
    assert_int_equal(rmdir(dir), 0); /* so it was empty */
}

/* Who may exchange its files could exchange one that was looked at. */
static void test_a_folder_of_everybody_is_refused(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(chmod(dir, 0777), 0);
    assert_null(cache_open(dir, 1000, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, dir));
    assert_int_equal(chmod(dir, 01777), 0); /* as /tmp: everybody has their own */
    assert_int_equal(cache_make_dir(dir, &err), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(dir, 12345, (gid_t)-1), 0);
        assert_int_equal(cache_make_dir(dir, &err), -1);
        assert_int_equal(chown(dir, 0, (gid_t)-1), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_oldest_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pinned_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absent_and_present, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files_are_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_unusable_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_of_everybody_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_scratch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_of_the_dead_go, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
