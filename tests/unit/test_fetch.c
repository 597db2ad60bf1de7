/* Fetching from a coordinator played by the test. */

#include "common/error.h"
#include "common/hash.h"
#include "proto/limits.h"
#include "worker/cache.h"
#include "worker/fetch.h"
#include "worker/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 20 * PROTO_CHUNK_MAX + 5 };

struct fixture {
    char dir[64];
    struct cache *cache;
    struct fetch *fetch;
    char *bytes; /* the state, SIZE bytes */
    char hash[HASH_TEXT];
};

static int setup(void **state)
{
    struct fixture *fix = calloc(1, sizeof *fix);
    struct error err;

    snprintf(fix->dir, sizeof fix->dir, "/tmp/coord-test-fetch.XXXXXX");
    if (!mkdtemp(fix->dir))
        return -1;
    fix->cache = cache_open(fix->dir, 1 << 30, &err);
    fix->fetch = fetch_new(fix->cache, fix->dir, &err);
    fix->bytes = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        fix->bytes[i] = (char)(i % 251);
    hash_bytes(fix->bytes, SIZE, fix->hash);
    *state = fix;
    return fix->cache && fix->fetch ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fix = *state;

    fetch_free(&fix->fetch);
    cache_free(&fix->cache);
    scratch_remove(fix->dir);
    free(fix->bytes);
    free(fix);
    return 0;
}

static void chunk(struct fixture *fix, uint64_t offset, int64_t now)
{
    uint64_t left = SIZE - offset;

    fetch_chunk(fix->fetch,
                &(struct msg_chunk){.hash = slice_of(fix->hash),
                                    .size = SIZE,
                                    .offset = offset,
                                    .data = {fix->bytes + offset, left < PROTO_CHUNK_MAX
                                                                      ? (size_t)left
                                                                      : PROTO_CHUNK_MAX}},
                now);
}

/* Sends what there is to send; returns how many GETs, the last offset in *last. */
static int gets(struct fixture *fix, int64_t now, uint64_t *last)
{
    struct msg msg;
    int count = 0;

    while (fetch_next(fix->fetch, now, &msg)) {
        assert_int_equal(msg.kind, MSG_GET);
        assert_true(slice_is(msg.get.hash, fix->hash));
        *last = msg.get.offset;
        fetch_sent(fix->fetch, now);
        count++;
    }
    return count;
}

static void want(struct fixture *fix)
{
    struct error err;

    assert_int_equal(fetch_want(fix->fetch, fix->hash, &err), 0);
}

static void fetch_whole(struct fixture *fix)
{
    uint64_t last = 0, offset = 0;

    assert_int_equal(gets(fix, 0, &last), 1); /* alone: the size is not known */
    chunk(fix, 0, 0);
    assert_int_equal(gets(fix, 0, &last), PROTO_CHUNK_WINDOW);
    while ((offset += PROTO_CHUNK_MAX) < SIZE) {
        assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_PENDING);
        chunk(fix, offset, 0);
        if (offset < 20 * PROTO_CHUNK_MAX)
            (void)gets(fix, 0, &last);
    }
    assert_int_equal(last, 20 * PROTO_CHUNK_MAX);
}

static void test_fetch_and_share(void **state)
{
    struct fixture *fix = *state;
    char path[PATH_MAX], byte;
    struct error err;

    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, &err), FETCH_FAILED);
    want(fix);
    fetch_whole(fix);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_READY);
    assert_true(fetch_deadline(fix->fetch) == INT64_MAX);
    assert_int_equal(access(cache_path(fix->cache, fix->hash, path), F_OK), 0);

    want(fix); /* a second job */
    fetch_drop(fix->fetch, fix->hash);
    assert_int_equal(cache_read(fix->cache, fix->hash, SIZE - 1, &byte, 1, &err), 0);
    fetch_drop(fix->fetch, fix->hash);
    assert_int_equal(cache_read(fix->cache, fix->hash, 0, &byte, 1, &err), -1);
    fetch_drop(fix->fetch, fix->hash);
    want(fix); /* now from the cache */
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_READY);
}

static void test_lost_answers_and_new_connections(void **state)
{
    struct fixture *fix = *state;
    uint64_t last = 0;

    want(fix);
    assert_int_equal(gets(fix, 0, &last), 1);
    assert_int_equal(fetch_deadline(fix->fetch), 10000);
    assert_int_equal(gets(fix, 9999, &last), 0);
    assert_int_equal(gets(fix, 10000, &last), 1);
    assert_int_equal(last, 0);
    chunk(fix, 0, 10000);
    assert_int_equal(gets(fix, 10000, &last), 8);
    chunk(fix, PROTO_CHUNK_MAX, 10000);
    chunk(fix, 5 * PROTO_CHUNK_MAX, 10000); /* out of order: ignored */
    fetch_reset(fix->fetch);
    assert_int_equal(gets(fix, 10001, &last), 8);
    assert_int_equal(last, 9 * PROTO_CHUNK_MAX); /* 2..9: resumed, not restarted */
    for (uint64_t offset = 2 * PROTO_CHUNK_MAX; offset < SIZE;
         offset += PROTO_CHUNK_MAX) {
        chunk(fix, offset, 10002);
        (void)gets(fix, 10002, &last);
    }
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_READY);
}

static void test_no_such_state(void **state)
{
    struct fixture *fix = *state;
    struct error err;
    uint64_t last;

    want(fix);
    assert_int_equal(gets(fix, 0, &last), 1);
    fetch_chunk(fix->fetch,
                &(struct msg_chunk){.hash = slice_of(fix->hash),
                                    .text = slice_of("there is no such artifact")},
                0);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, &err), FETCH_FAILED);
    assert_int_equal(err.code, ERR_DATA);
    assert_non_null(strstr(err.text, "no such artifact"));
    fetch_drop(fix->fetch, fix->hash);
    want(fix); /* the next job may try anew */
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_PENDING);
}

static void test_wrong_content_fails_the_second_time(void **state)
{
    struct fixture *fix = *state;
    struct error err;
    char path[PATH_MAX];

    want(fix);
    fix->bytes[1000]++;
    fetch_whole(fix);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, &err), FETCH_PENDING);
    fetch_whole(fix);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, &err), FETCH_FAILED);
    assert_int_equal(access(cache_path(fix->cache, fix->hash, path), F_OK), -1);
}

static void test_damaged_cache_is_fetched_again(void **state)
{
    struct fixture *fix = *state;
    char path[PATH_MAX];
    FILE *file = fopen(cache_path(fix->cache, fix->hash, path), "w");

    assert_non_null(file);
    fputs("not the state", file);
    fclose(file);
    want(fix);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_PENDING);
    fetch_whole(fix);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_READY);
}

static void test_given_up_half_way(void **state)
{
    struct fixture *fix = *state;
    uint64_t last;

    want(fix);
    assert_int_equal(gets(fix, 0, &last), 1);
    chunk(fix, 0, 0);
    fetch_drop(fix->fetch, fix->hash);
    chunk(fix, PROTO_CHUNK_MAX, 0); /* too late: ignored */
    assert_int_equal(gets(fix, 0, &last), 0);
    want(fix);
    fetch_whole(fix);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, NULL), FETCH_READY);
}

static void test_nonsense(void **state)
{
    struct fixture *fix = *state;
    struct error err;
    uint64_t last;

    assert_int_equal(fetch_want(fix->fetch, "../../etc/passwd", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    want(fix);
    assert_int_equal(gets(fix, 0, &last), 1);
    fetch_chunk(fix->fetch, &(struct msg_chunk){.hash = slice_of(fix->hash)}, 0);
    assert_int_equal(fetch_state_of(fix->fetch, fix->hash, &err), FETCH_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fetch_and_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_answers_and_new_connections, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_no_such_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_content_fails_the_second_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_damaged_cache_is_fetched_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_given_up_half_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
