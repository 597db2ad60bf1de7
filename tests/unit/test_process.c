/* Children with a log: how they start, end and are waited for; and the lock that
 * names its holder. */

#include "coordinator/process.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/file.h"
#include "coordinator/lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct room {
    char dir[64], log[96], lock[96];
    struct process process;
};

static int setup(void **state)
{
    struct room *room = calloc(1, sizeof *room);
    snprintf(room->dir, sizeof room->dir, "/tmp/process-XXXXXX");
    if (!mkdtemp(room->dir))
        return -1;
    snprintf(room->log, sizeof room->log, "%s/log", room->dir);
    snprintf(room->lock, sizeof room->lock, "%s/lock", room->dir);
    room->process =
        (struct process){.name = "the child", .log = room->log, .death_signal = SIGKILL};
    *state = room;
    return 0;
}

static int teardown(void **state)
{
    struct room *room = *state;
    process_signal(&room->process, SIGKILL);
    (void)process_wait(&room->process, 10000);
    unlink(room->log);
    unlink(room->lock);
    rmdir(room->dir);
    free(room);
    return 0;
}

static void start(struct room *room, const char *script)
{
    char shell[] = "sh", option[] = "-c", text[256];
    char *argv[] = {shell, option, text, NULL};
    struct error err = {0};

    snprintf(text, sizeof text, "%s", script);
    if (process_start(&room->process, argv, &err) != 0)
        fail_msg("%s", err.text);
}

static void it_ends_with_its_code_and_its_log(void **state)
{
    struct room *room = *state;
    struct buf log = {0};
    char text[64];

    start(room, "echo out; echo err >&2; exit 3");
    assert_true(process_wait(&room->process, 10000));
    assert_true(process_ended(&room->process));
    assert_string_equal(process_end_text(&room->process, text, sizeof text),
                        "exited with code 3");
    start(room, "echo again");
    assert_int_equal(room->process.log_from, strlen("out\nerr\n"));
    assert_true(process_wait(&room->process, 10000));
    assert_int_equal(file_read(room->log, 1000, &log, NULL), 0);
    assert_string_equal(log.data, "out\nerr\nagain\n");
    buf_free(&log);
}

static void waiting_has_a_deadline(void **state)
{
    struct room *room = *state;
    char text[64];
    int64_t begin_ms = clock_mono_ms();

    start(room, "exec tail -f /dev/null");
    assert_false(process_ended(&room->process));
    assert_false(process_wait(&room->process, 50));
    assert_true(clock_mono_ms() - begin_ms >= 50);
    process_signal(&room->process, SIGTERM);
    assert_true(process_wait(&room->process, 10000));
    assert_non_null(strstr(process_end_text(&room->process, text, sizeof text),
                           "was killed by signal 15"));
}

static void what_cannot_be_executed_is_an_error(void **state)
{
    struct room *room = *state;
    char program[] = "/nonexistent/program";
    char *argv[] = {program, NULL};
    struct error err;

    assert_int_equal(process_start(&room->process, argv, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, program));
    assert_true(process_ended(&room->process));
}

static void signals_reach_a_child_whose_parent_blocks_them(void **state)
{
    struct room *room = *state;
    sigset_t mask, before;

    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, &before);
    start(room, "exec tail -f /dev/null");
    sigprocmask(SIG_SETMASK, &before, NULL);
    process_signal(&room->process, SIGINT);
    assert_true(process_wait(&room->process, 10000));
}

static void the_lock_names_its_holder(void **state)
{
    struct room *room = *state;
    struct error err;
    char pid[32];

    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_int_equal(lock_holder(room->lock), 0);
    int fd = lock_take(room->lock, &err);
    assert_true(fd >= 0);
    /* flock is per open file, so we are a stranger to ourselves */
    assert_int_equal(lock_holder(room->lock), getpid());
    assert_int_equal(lock_take(room->lock, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_non_null(strstr(err.text, pid));
    close(fd);
    assert_int_equal(lock_holder(room->lock), 0);
    fd = lock_take(room->lock, &err);
    assert_true(fd >= 0);
    close(fd);
}

#define ROOM_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(it_ends_with_its_code_and_its_log),
        ROOM_TEST(waiting_has_a_deadline),
        ROOM_TEST(what_cannot_be_executed_is_an_error),
        ROOM_TEST(signals_reach_a_child_whose_parent_blocks_them),
        ROOM_TEST(the_lock_names_its_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
