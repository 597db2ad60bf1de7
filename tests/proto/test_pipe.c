/* Messages over a pipe: in pieces, in heaps, cut, and with nobody there. */

#include "proto/pipe.h"

#include "common/error.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct ends {
    int in, out;
};

static int ends_make(void **state)
{
    struct ends *ends = calloc(1, sizeof *ends);
    int fds[2];

    assert_non_null(ends);
    assert_int_equal(pipe(fds), 0);
    ends->in = fds[0];
    ends->out = fds[1];
    *state = ends;
    return 0;
}

static int ends_close(void **state)
{
    struct ends *ends = *state;

    if (ends->in >= 0)
        close(ends->in);
    if (ends->out >= 0)
        close(ends->out);
    free(ends);
    return 0;
}

static void shut(int *fd)
{
    close(*fd);
    *fd = -1;
}

static struct msg progress(uint32_t done)
{
    return (struct msg){.kind = MSG_PROGRESS, .progress = {done, 100}};
}

static void send_ok(int fd, const struct msg *msg)
{
    struct error err = {0};

    if (pipe_send(fd, msg, &err))
        fail_msg("%s", err.text);
}

static void unblock(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static void test_send_and_recv(void **state)
{
    struct ends *ends = *state;
    struct buf room = {0};
    struct error err = {0};
    struct msg msg;

    for (uint32_t i = 0; i < 3; i++) {
        msg = progress(i);
        send_ok(ends->out, &msg);
    }
    unblock(ends->in); /* blocking all the same */
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(pipe_recv(ends->in, &room, &msg, &err), 0);
        assert_int_equal(msg.kind, MSG_PROGRESS);
        assert_int_equal(msg.progress.done, i);
        msg_free(&msg);
    }
    shut(&ends->out);
    assert_int_equal(pipe_recv(ends->in, &room, &msg, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    buf_free(&room);
}

static void test_byte_by_byte(void **state)
{
    struct ends *ends = *state;
    struct msg msg = progress(70000), got;
    struct buf bytes = {0}, room = {0};
    struct error err = {0};

    buf_add(&bytes, "\0\0\0\0", 4);
    assert_int_equal(msg_encode(&msg, &bytes, &err), 0);
    bytes.data[0] = (char)(bytes.size - 4);
    unblock(ends->in);
    assert_int_equal(pipe_fill(ends->in, &room, &err), 0);
    for (size_t i = 0; i < bytes.size; i++) {
        assert_int_equal(pipe_next(&room, &got, &err), 0);
        assert_int_equal(write(ends->out, bytes.data + i, 1), 1);
        assert_int_equal(pipe_fill(ends->in, &room, &err), 1);
    }
    assert_int_equal(pipe_next(&room, &got, &err), 1);
    assert_int_equal(got.progress.done, 70000);
    msg_free(&got);
    pipe_drop(&room);
    assert_int_equal(room.size, 0);
    buf_free(&bytes);
    buf_free(&room);
}

static void test_many_at_once(void **state)
{
    struct ends *ends = *state;
    struct buf room = {0};
    struct error err = {0};
    struct msg msg;
    uint32_t seen = 0;

    for (uint32_t i = 0; i < 500; i++) {
        msg = progress(i);
        send_ok(ends->out, &msg);
    }
    unblock(ends->in);
    while (pipe_fill(ends->in, &room, &err) == 1)
        ;
    for (; pipe_next(&room, &msg, &err) == 1; seen++) {
        assert_int_equal(msg.progress.done, seen);
        msg_free(&msg);
        pipe_drop(&room);
    }
    assert_int_equal(seen, 500);
    assert_int_equal(room.size, 0);
    buf_free(&room);
}

/* Far larger than a pipe, so that every write is partial. */
static struct msg large(char *log, struct msg_state *states, uint32_t count)
{
    struct msg msg = {.kind = MSG_RESULT,
                      .result = {.job = 1, .attempt = 1, .outcome = OUTCOME_DONE}};

    memset(log, 'x', PROTO_LOG_MAX);
    msg.result.log = (struct slice){log, PROTO_LOG_MAX};
    for (uint32_t i = 0; i < count; i++)
        states[i] = (struct msg_state){
            .name = slice_of("final"),
            .hash = slice_of("00112233445566778899aabbccddeeff"),
            .epoch = i,
        };
    msg.result.states = states;
    msg.result.state_count = count;
    return msg;
}

static void *send_large(void *user)
{
    const struct ends *ends = user;
    char *log = malloc(PROTO_LOG_MAX);
    struct msg_state *states = calloc(PROTO_STATES_MAX, sizeof *states);
    struct msg msg = large(log, states, PROTO_STATES_MAX);
    struct error err;
    intptr_t rc = pipe_send(ends->out, &msg, &err);

    free(log);
    free(states);
    return (void *)rc;
}

static void large_arrives(struct ends *ends)
{
    struct buf room = {0};
    struct error err = {0};
    pthread_t sender;
    struct msg msg;
    void *rc;

    assert_int_equal(pthread_create(&sender, NULL, send_large, ends), 0);
    if (pipe_recv(ends->in, &room, &msg, &err))
        fail_msg("%s", err.text);
    pthread_join(sender, &rc);
    assert_null(rc);
    assert_int_equal(msg.result.state_count, PROTO_STATES_MAX);
    assert_int_equal(msg.result.states[4000].epoch, 4000);
    assert_int_equal(msg.result.log.size, PROTO_LOG_MAX);
    msg_free(&msg);
    buf_free(&room);
}

static void test_partial_writes(void **state)
{
    struct ends *ends = *state;

    large_arrives(ends);
    unblock(ends->out);
    large_arrives(ends);
}

static void test_cut_message(void **state)
{
    struct ends *ends = *state;
    struct msg msg = progress(5);
    struct buf room = {0};
    struct error err = {0};

    assert_int_equal(write(ends->out, "\x09\0\0\0\x92\x41", 6), 6);
    shut(&ends->out);
    assert_int_equal(pipe_fill(ends->in, &room, &err), 1);
    assert_int_equal(pipe_next(&room, &msg, &err), 0);
    assert_int_equal(pipe_fill(ends->in, &room, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    buf_free(&room);
}

static void test_cut_message_blocking(void **state)
{
    struct ends *ends = *state;
    struct buf room = {0};
    struct error err = {0};
    struct msg msg;

    assert_int_equal(write(ends->out, "\x09\0\0", 3), 3);
    shut(&ends->out);
    assert_int_equal(pipe_recv(ends->in, &room, &msg, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    buf_free(&room);
}

static void test_oversized_length(void **state)
{
    struct ends *ends = *state;
    struct buf room = {0};
    struct error err = {0};
    struct msg msg;

    assert_int_equal(write(ends->out, "\x01\0\0\x01\x92", 5), 5);
    assert_int_equal(pipe_recv(ends->in, &room, &msg, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "16777217 bytes announced"));
    buf_free(&room);

    assert_int_equal(write(ends->out, "\xff\xff\xff\xff", 4), 4);
    assert_int_equal(pipe_fill(ends->in, &room, &err), 1);
    assert_int_equal(pipe_next(&room, &msg, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    buf_free(&room);
}

static void test_malformed_message(void **state)
{
    struct ends *ends = *state;
    struct buf room = {0};
    struct error err = {0};
    struct msg msg;

    assert_int_equal(write(ends->out, "\x03\0\0\0\x92\x41\xc0", 7), 7);
    assert_int_equal(pipe_fill(ends->in, &room, &err), 1);
    assert_int_equal(pipe_next(&room, &msg, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "PROGRESS"));
    assert_int_equal(write(ends->out, "\0\0\0\0", 4), 4);
    assert_int_equal(pipe_recv(ends->in, &room, &msg, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    buf_free(&room);
}

static void test_broken_bound_writes_nothing(void **state)
{
    struct ends *ends = *state;
    struct msg msg = {.kind = MSG_PING};
    struct error err = {0};
    char byte;

    assert_int_equal(pipe_send(ends->out, &msg, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    unblock(ends->in);
    assert_int_equal(read(ends->in, &byte, 1), -1);
}

static volatile sig_atomic_t pipe_signals;

static void count_signal(int number)
{
    (void)number;
    pipe_signals++;
}

static void test_reader_gone(void **state)
{
    struct ends *ends = *state;
    struct msg msg = progress(1);
    struct error err = {0};
    sigset_t pending;

    signal(SIGPIPE, count_signal);
    shut(&ends->in);
    assert_int_equal(pipe_send(ends->out, &msg, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(pipe_signals, 0);
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    raise(SIGPIPE); /* the mask is as before */
    assert_int_equal(pipe_signals, 1);
    signal(SIGPIPE, SIG_DFL);
}

#define WITH_ENDS(test) cmocka_unit_test_setup_teardown(test, ends_make, ends_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ENDS(test_send_and_recv),
        WITH_ENDS(test_byte_by_byte),
        WITH_ENDS(test_many_at_once),
        WITH_ENDS(test_partial_writes),
        WITH_ENDS(test_cut_message),
        WITH_ENDS(test_cut_message_blocking),
        WITH_ENDS(test_oversized_length),
        WITH_ENDS(test_malformed_message),
        WITH_ENDS(test_broken_bound_writes_nothing),
        WITH_ENDS(test_reader_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
