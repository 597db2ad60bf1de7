/* Uploads in pieces: order, resumption, verification, a disk that is full. */

#include "coordinator/artifact.h"

#include "common/error.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { SIZE = 100000, PIECE = 30000 };

struct room {
    char dir[64];
    char bytes[SIZE];
    char hash[HASH_TEXT];
    struct artifact_store *store;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int setup(void **state)
{
    struct room *room = calloc(1, sizeof *room);
    snprintf(room->dir, sizeof room->dir, "/tmp/artifact-XXXXXX");
    if (!mkdtemp(room->dir))
        return -1;
    for (int i = 0; i < SIZE; i++)
        room->bytes[i] = (char)(i * 7919 >> 5);
    hash_bytes(room->bytes, SIZE, room->hash);
    room->store = artifact_open(room->dir, NULL);
    *state = room;
    return room->store ? 0 : -1;
}

static int teardown(void **state)
{
    struct room *room = *state;
    artifact_close(&room->store);
    artifact_close(&room->store);
    nftw(room->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(room);
    return 0;
}

static struct slice piece(const struct room *room, uint64_t offset)
{
    size_t left = SIZE - (size_t)offset;
    return (struct slice){room->bytes + offset, left < PIECE ? left : PIECE};
}

static int put(struct room *room, uint64_t offset, uint64_t *held)
{
    return artifact_put(room->store, room->hash, SIZE, offset, piece(room, offset), held,
                        NULL);
}

static void put_rest(struct room *room, uint64_t held)
{
    while (held < SIZE)
        assert_int_equal(put(room, held, &held), 0);
    assert_int_equal(held, SIZE);
}

static void assert_whole(struct room *room)
{
    struct buf out = {0};
    uint64_t size = 0;

    assert_true(artifact_has(room->store, room->hash, &size));
    assert_int_equal(size, SIZE);
    while (out.size < SIZE)
        assert_int_equal(
            artifact_read(room->store, room->hash, out.size, 7777, &out, &size, NULL), 0);
    assert_memory_equal(out.data, room->bytes, SIZE);
    buf_free(&out);
}

static void pieces_make_a_whole(void **state)
{
    struct room *room = *state;
    uint64_t held;

    assert_false(artifact_has(room->store, room->hash, NULL));
    assert_int_equal(put(room, 0, &held), 0);
    assert_int_equal(held, PIECE);
    assert_false(artifact_has(room->store, room->hash, NULL));
    put_rest(room, held);
    assert_whole(room);
    /* once more: it is there already */
    assert_int_equal(put(room, 0, &held), 0);
    assert_int_equal(held, SIZE);
}

static void a_piece_counts_once_whoever_brings_it(void **state)
{
    struct room *room = *state;
    uint64_t held;

    put(room, 0, &held);
    assert_int_equal(put(room, 0, &held), 0);
    assert_int_equal(held, PIECE);
    put(room, PIECE, &held);
    assert_int_equal(put(room, 0, &held), 0);
    assert_int_equal(held, 2 * PIECE);
    put_rest(room, held);
    assert_whole(room);
}

/* Who begins an upload with a wrong size keeps nobody from the right one. */
static void a_wrong_size_is_in_nobodys_way(void **state)
{
    struct room *room = *state;
    uint64_t held;

    assert_int_equal(
        artifact_put(room->store, room->hash, SIZE + 1, 0, piece(room, 0), &held, NULL),
        0);
    assert_int_equal(
        artifact_put(room->store, room->hash, PIECE + 1, 0, piece(room, 0), &held, NULL),
        0);
    put_rest(room, 0);
    assert_whole(room);
}

static void a_gap_is_refused(void **state)
{
    struct room *room = *state;
    struct error err;
    uint64_t held;

    put(room, 0, &held);
    assert_int_equal(artifact_put(room->store, room->hash, SIZE, 2 * PIECE,
                                  piece(room, 2 * PIECE), &held, &err),
                     -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(held, PIECE);
    put_rest(room, held);
    assert_whole(room);
}

static void a_folder_that_was_removed_is_made_again(void **state)
{
    struct room *room = *state;
    char path[256];
    uint64_t held;

    snprintf(path, sizeof path, "%s/partial", room->dir);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(room->dir), 0);
    assert_int_equal(put(room, 0, &held), 0);
    put_rest(room, held);
    assert_whole(room);
}

static void it_goes_on_after_a_restart(void **state)
{
    struct room *room = *state;
    uint64_t held;

    put(room, 0, &held);
    put(room, PIECE, &held);
    artifact_close(&room->store);
    room->store = artifact_open(room->dir, NULL);
    assert_int_equal(put(room, 0, &held), 0);
    assert_int_equal(held, 2 * PIECE);
    put_rest(room, held);
    assert_whole(room);
}

static void a_wrong_hash_is_thrown_away(void **state)
{
    struct room *room = *state;
    struct error err;
    uint64_t held;

    room->bytes[17] ^= 1;
    put(room, 0, &held);
    put(room, PIECE, &held);
    put(room, 2 * PIECE, &held);
    assert_int_equal(artifact_put(room->store, room->hash, SIZE, 3 * PIECE,
                                  piece(room, 3 * PIECE), &held, &err),
                     -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, room->hash));
    assert_int_equal(held, 0);
    assert_false(artifact_has(room->store, room->hash, NULL));
    room->bytes[17] ^= 1;
    put_rest(room, 0);
    assert_whole(room);
}

static void sizes_must_agree(void **state)
{
    struct room *room = *state;
    struct error err;
    uint64_t held;

    put(room, 0, &held);
    assert_int_equal(artifact_put(room->store, room->hash, SIZE + 1, PIECE,
                                  piece(room, PIECE), &held, &err),
                     -1);
    assert_int_equal(err.code, ERR_NOT_FOUND); /* another upload, which has not begun */
    assert_int_equal(held, 0);
    assert_int_equal(artifact_put(room->store, room->hash, SIZE, PIECE,
                                  (struct slice){room->bytes, SIZE}, &held, &err),
                     -1);
    assert_int_equal(held, PIECE);
    put_rest(room, held);
    assert_whole(room);
}

static void an_empty_artifact_is_one_piece(void **state)
{
    struct room *room = *state;
    struct buf out = {0};
    uint64_t held = 9, size = 9;

    hash_bytes("", 0, room->hash);
    assert_int_equal(
        artifact_put(room->store, room->hash, 0, 0, (struct slice){"", 0}, &held, NULL),
        0);
    assert_int_equal(held, 0);
    assert_true(artifact_has(room->store, room->hash, &size));
    assert_int_equal(size, 0);
    assert_int_equal(artifact_read(room->store, room->hash, 0, 10, &out, &size, NULL), 0);
    assert_int_equal(out.size, 0);
    buf_free(&out);
}

static void reading_what_is_not_there(void **state)
{
    struct room *room = *state;
    struct buf out = {0};
    struct error err;
    uint64_t size;

    assert_int_equal(artifact_read(room->store, room->hash, 0, 10, &out, &size, &err),
                     -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    put_rest(room, 0);
    assert_int_equal(
        artifact_read(room->store, room->hash, SIZE + 1, 10, &out, &size, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(artifact_read(room->store, room->hash, SIZE, 10, &out, &size, &err),
                     0);
    assert_int_equal(out.size, 0);
    buf_free(&out);
}

/* A file size limit stands in for a full disk: the write stops in mid-piece. */
static void a_full_disk_loses_nothing_that_was_held(void **state)
{
    struct room *room = *state;
    struct rlimit was, limit;
    struct error err;
    uint64_t held;

    put(room, 0, &held);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    limit = was;
    limit.rlim_cur = PIECE + 1000;
    setrlimit(RLIMIT_FSIZE, &limit);
    int rc = artifact_put(room->store, room->hash, SIZE, PIECE, piece(room, PIECE), &held,
                          &err);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(held, PIECE);
    put_rest(room, held);
    assert_whole(room);
}

static void more_uploads_than_places_take_turns(void **state)
{
    struct room *room = *state;
    enum { UPLOADS = 100 };
    char hashes[UPLOADS][HASH_TEXT];
    uint64_t held;

    for (int i = 0; i < UPLOADS; i++)
        hash_bytes(room->bytes + i, 1000, hashes[i]);
    for (int i = 0; i < UPLOADS; i++)
        assert_int_equal(artifact_put(room->store, hashes[i], 1000, 0,
                                      (struct slice){room->bytes + i, 600}, &held, NULL),
                         0);
    for (int i = 0; i < UPLOADS; i++) {
        assert_int_equal(artifact_put(room->store, hashes[i], 1000, 600,
                                      (struct slice){room->bytes + i + 600, 400}, &held,
                                      NULL),
                         0);
        assert_int_equal(held, 1000);
        assert_true(artifact_has(room->store, hashes[i], NULL));
    }
}

#define ROOM_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(pieces_make_a_whole),
        ROOM_TEST(a_piece_counts_once_whoever_brings_it),
        ROOM_TEST(a_wrong_size_is_in_nobodys_way),
        ROOM_TEST(a_wrong_size_is_in_nobodys_way),
        ROOM_TEST(a_gap_is_refused),
        ROOM_TEST(a_folder_that_was_removed_is_made_again),
        ROOM_TEST(it_goes_on_after_a_restart),
        ROOM_TEST(a_wrong_hash_is_thrown_away),
        ROOM_TEST(sizes_must_agree),
        ROOM_TEST(an_empty_artifact_is_one_piece),
        ROOM_TEST(reading_what_is_not_there),
        ROOM_TEST(a_full_disk_loses_nothing_that_was_held),
        ROOM_TEST(more_uploads_than_places_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
