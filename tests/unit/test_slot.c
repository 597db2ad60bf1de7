/* Slots with real children: this program, called as a trial that misbehaves. */

#include "common/clock.h"
#include "common/error.h"
#include "proto/limits.h"
#include "proto/pipe.h"
#include "worker/kept.h"
#include "worker/oom.h"
#include "worker/scratch.h"
#include "worker/slot.h"
#include "worker/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the children ------------------------------------------------------------ */

static void tell(uint32_t done, uint32_t total)
{
    struct msg msg = {.kind = MSG_PROGRESS, .progress = {done, total}};

    if (pipe_send(TRIAL_FD_RESULT, &msg, NULL) != 0)
        _exit(9);
}

static void answer(const char *text)
{
    struct msg msg = {.kind = MSG_RESULT,
                      .result = {.job = 99, /* the daemon knows better */
                                 .attempt = 99,
                                 .outcome = OUTCOME_DONE,
                                 .message = slice_of(text),
                                 .seconds = 1.5}};

    if (pipe_send(TRIAL_FD_RESULT, &msg, NULL) != 0)
        _exit(9);
}

_Noreturn static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static int child_good(void)
{
    struct buf room = {0};
    struct msg msg;
    char text[64];

    if (pipe_recv(TRIAL_FD_START, &room, &msg, NULL) != 0 || msg.kind != MSG_START)
        return 8;
    snprintf(text, sizeof text, "%.*s", (int)msg.start.job.spec.size,
             msg.start.job.spec.data);
    tell(1, 2);
    printf("hello\n");
    fprintf(stderr, "world\n");
    answer(text);
    msg_free(&msg);
    buf_free(&room);
    return 0;
}

static int child_exits(void)
{
    printf("no\n");
    return 3;
}

static int child_crashes(void)
{
    signal(SIGSEGV, SIG_DFL); /* not a sanitizer's */
    raise(SIGSEGV);
    return 0;
}

static int child_sleeps(void)
{
    tell((uint32_t)getpid(), 0);
    wait_for_ever();
}

static int child_ignores_sigterm(void)
{
    signal(SIGTERM, SIG_IGN);
    return child_sleeps();
}

/* Two checkpoints and a result, once it is asked to end. */
static int child_saves(void)
{
    struct msg_state saved = {.name = slice_of(PROTO_RESUME),
                              .hash = slice_of("00112233445566778899aabbccddeeff"),
                              .stored = true};
    struct msg msg = {.kind = MSG_CHECKPOINT, .checkpoint = {99, 7, &saved, 1}};
    struct msg result = {.kind = MSG_RESULT,
                         .result = {.job = 1,
                                    .attempt = 1,
                                    .outcome = OUTCOME_FAILED,
                                    .cause = slice_of("preempted"),
                                    .message = slice_of("saved")}};
    sigset_t term;
    int signal;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    tell((uint32_t)getpid(), 0);
    sigwait(&term, &signal);
    for (saved.step = 1; saved.step <= 2; saved.step++)
        if (pipe_send(TRIAL_FD_RESULT, &msg, NULL) != 0)
            return 9;
    return pipe_send(TRIAL_FD_RESULT, &result, NULL) == 0 ? 0 : 9;
}

static int child_prints_much(void)
{
    for (int i = 0; i < 100000; i++)
        printf("line %d\n", i);
    fflush(stdout);
    answer("done");
    return 0;
}

static int child_closes_its_pipe(void)
{
    close(TRIAL_FD_RESULT);
    wait_for_ever();
}

static int child_writes_junk(void)
{
    static const char JUNK[] = "\xff\xff\xff\xff junk";

    if (write(TRIAL_FD_RESULT, JUNK, sizeof JUNK) < 0)
        return 9;
    wait_for_ever();
}

static int child_answers_and_stays(void)
{
    answer("done");
    wait_for_ever();
}

static int child_has_a_child(void)
{
    pid_t pid = fork();

    if (pid == 0)
        wait_for_ever();
    return 3;
}

static int child_lists_fds(void)
{
    char text[256] = "";
    size_t size = 0;
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
            size +=
                (size_t)snprintf(text + size, sizeof text - size, "%s ", entry->d_name);
    if (dir)
        closedir(dir);
    answer(text);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} CHILDREN[] = {
    {"good", child_good},
    {"exits", child_exits},
    {"crashes", child_crashes},
    {"sleeps", child_sleeps},
    {"stubborn", child_ignores_sigterm},
    {"saves", child_saves},
    {"chatty", child_prints_much},
    {"closes", child_closes_its_pipe},
    {"junk", child_writes_junk},
    {"stays", child_answers_and_stays},
    {"parent", child_has_a_child},
    {"fds", child_lists_fds},
};

static int run_child(const char *name)
{
    for (size_t i = 0; i < sizeof CHILDREN / sizeof CHILDREN[0]; i++)
        if (strcmp(CHILDREN[i].name, name) == 0)
            return CHILDREN[i].run();
    return 7;
}

/* --- the tests --------------------------------------------------------------- */

static int sigchld_fd;

static struct slot *start(const char *name, uint32_t time_limit_s)
{
    char program[] = "/proc/self/exe", mode[] = "child", which[32];
    char *argv[] = {program, mode, which, NULL};
    struct msg_start msg = {.job = {.job = 5,
                                    .attempt = 2,
                                    .spec = slice_of("a spec"),
                                    .time_limit_s = time_limit_s},
                            .dir = slice_of("/tmp"),
                            .threads = 1};
    struct error err;

    snprintf(which, sizeof which, "%s", name);
    struct slot *slot = slot_start(argv, &msg, 0, &err);
    assert_non_null(slot);
    return slot;
}

/* Wait (for 30 s at most) until something happens to the slot. */
static void wait_for_event(const struct slot *slot)
{
    int fds[2];
    struct signalfd_siginfo info;

    slot_fds(slot, fds);
    struct pollfd items[] = {{.fd = fds[0], .events = POLLIN},
                             {.fd = fds[1], .events = POLLIN},
                             {.fd = sigchld_fd, .events = POLLIN}};
    assert_true(poll(items, 3, 30000) > 0);
    if (items[2].revents)
        assert_int_equal(read(sigchld_fd, &info, sizeof info), sizeof info);
}

static const struct msg_result *end_of(struct slot *slot, int64_t now_ms)
{
    while (!slot_turn(slot, now_ms))
        wait_for_event(slot);
    assert_int_equal(slot_result(slot)->job, 5);
    assert_int_equal(slot_result(slot)->attempt, 2);
    return slot_result(slot);
}

static void wait_for_progress(struct slot *slot)
{
    while (slot_progress(slot).done == 0) {
        assert_false(slot_turn(slot, 0));
        if (slot_progress(slot).done == 0)
            wait_for_event(slot);
    }
}

static void assert_ended(const struct msg_result *result, const char *cause,
                         const char *message)
{
    assert_int_equal(result->outcome, OUTCOME_FAILED);
    assert_true(slice_is(result->cause, cause));
    assert_non_null(strstr(result->message.data, message));
}

static void test_good(void **state)
{
    (void)state;
    struct slot *slot = start("good", 0);
    const struct msg_result *result = end_of(slot, 0);

    assert_int_equal(result->outcome, OUTCOME_DONE);
    assert_true(slice_is(result->message, "a spec"));
    assert_true(result->seconds == 1.5);
    assert_int_equal(slot_progress(slot).total, 2);
    assert_true(slice_is(result->log, "world\nhello\n")); /* stdout is buffered */
    assert_true(slot_turn(slot, 0));
    slot_free(&slot);
    slot_free(&slot);
}

static void test_deaths(void **state)
{
    (void)state;
    static const struct {
        const char *child, *cause, *message;
    } deaths[] = {
        {"exits", "exit", "status 3"},
        {"crashes", "signal", "signal 11 (SIGSEGV)"},
        {"parent", "exit", "status 3"},
    };

    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        struct slot *slot = start(deaths[i].child, 0);
        const struct msg_result *result = end_of(slot, 2500);
        assert_ended(result, deaths[i].cause, deaths[i].message);
        assert_true(result->seconds == 2.5);
        assert_true(result->rss_bytes > 0);
        slot_free(&slot);
    }
}

static void test_time_limit(void **state)
{
    (void)state;
    struct slot *slot = start("sleeps", 3);

    assert_int_equal(slot_deadline(slot), 3000);
    wait_for_progress(slot);
    assert_false(slot_turn(slot, 2999));
    assert_ended(end_of(slot, 3000), "timeout", "limit of 3 s");
    assert_false(slot_unwanted(slot));
    slot_free(&slot);
}

static void test_sigterm_then_sigkill(void **state)
{
    (void)state;
    struct slot *slot = start("stubborn", 1);

    wait_for_progress(slot);
    slot_stop(slot, SLOT_STOP_SAVE, 500);
    assert_int_equal(slot_deadline(slot), 500 + SLOT_SAVE_MS);
    assert_false(slot_turn(slot, 500 + SLOT_SAVE_MS - 1));
    assert_ended(end_of(slot, 500 + SLOT_SAVE_MS), "preempted", "asked to end");
    slot_free(&slot);
}

static void test_asked_to_end(void **state)
{
    (void)state;
    struct slot *slot = start("saves", 0);
    struct kept saved;

    wait_for_progress(slot);
    assert_false(slot_take_checkpoint(slot, &saved));
    slot_stop(slot, SLOT_STOP_SAVE, 10);
    assert_ended(end_of(slot, 11), "preempted", "saved");
    /* Only the newest counts, and it is this attempt's whatever it says. */
    assert_true(slot_take_checkpoint(slot, &saved));
    assert_int_equal(saved.msg.kind, MSG_CHECKPOINT);
    assert_int_equal(saved.msg.checkpoint.job, slot_job(slot));
    assert_int_equal(saved.msg.checkpoint.attempt, slot_attempt(slot));
    assert_int_equal(saved.msg.checkpoint.state_count, 1);
    assert_int_equal(saved.msg.checkpoint.states[0].step, 2);
    kept_free(&saved);
    assert_false(slot_take_checkpoint(slot, &saved));
    slot_free(&slot);
}

/* Nobody waits for one that is out of time. */
static void test_out_of_time_while_saving(void **state)
{
    (void)state;
    struct slot *slot = start("stubborn", 1);

    wait_for_progress(slot);
    slot_stop(slot, SLOT_STOP_SAVE, 500);
    slot_stop(slot, SLOT_STOP_TIMEOUT, 600);
    slot_stop(slot, SLOT_STOP_SAVE, 700);
    assert_ended(end_of(slot, 700), "timeout", "limit of 1 s");
    slot_free(&slot);
}

static void test_unwanted(void **state)
{
    (void)state;
    struct slot *slot = start("sleeps", 0);

    wait_for_progress(slot);
    slot_stop(slot, SLOT_STOP_UNWANTED, 10);
    assert_true(slot_unwanted(slot));
    assert_ended(end_of(slot, 11), "preempted", "stopped");
    slot_free(&slot);
}

static void test_broken_pipes(void **state)
{
    (void)state;
    static const char *const children[] = {"closes", "junk"};

    for (int i = 0; i < 2; i++) {
        struct slot *slot = start(children[i], 0);
        while (slot_deadline(slot) == INT64_MAX) {
            wait_for_event(slot);
            assert_false(slot_turn(slot, 0));
        }
        assert_ended(end_of(slot, SLOT_GRACE_MS), "exit", "without a result");
        slot_free(&slot);
    }
}

static void test_result_counts_though_the_child_stays(void **state)
{
    (void)state;
    struct slot *slot = start("stays", 1);

    while (slot_deadline(slot) != SLOT_GRACE_MS) {
        wait_for_event(slot);
        assert_false(slot_turn(slot, 0));
    }
    assert_int_equal(end_of(slot, SLOT_GRACE_MS)->outcome, OUTCOME_DONE);
    slot_free(&slot);
}

static void test_log_is_the_newest(void **state)
{
    (void)state;
    static const char LAST[] = "line 99999\n";
    struct slot *slot = start("chatty", 0);
    const struct msg_result *result = end_of(slot, 0);

    assert_int_equal(result->outcome, OUTCOME_DONE);
    assert_int_equal(result->log.size, PROTO_LOG_MAX);
    assert_memory_equal(result->log.data + result->log.size - strlen(LAST), LAST,
                        strlen(LAST));
    slot_free(&slot);
}

static void test_output_is_read_from_a_place(void **state)
{
    (void)state;
    static const char LAST[] = "line 99999\n";
    struct slot *slot = start("chatty", 0);
    uint64_t from, end;
    struct slice all, some;

    all = slot_output(slot, 0, &from);
    assert_int_equal(all.size, 0);
    assert_int_equal(from, 0);
    (void)end_of(slot, 0);
    all = slot_output(slot, 0, &from);
    assert_true(from > 0); /* what came first is not kept */
    assert_int_equal(all.size, PROTO_LOG_MAX);
    (void)slot_output(slot, UINT64_MAX, &end);
    some = slot_output(slot, end - strlen(LAST), &from);
    assert_int_equal(from, end - strlen(LAST));
    assert_true(slice_is(some, LAST));
    some = slot_output(slot, end + 9, &from); /* there is no such place */
    assert_int_equal(from, end);
    assert_int_equal(some.size, 0);
    slot_free(&slot);
}

static void test_only_five_descriptors(void **state)
{
    (void)state;
    int extra = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
    struct slot *slot = start("fds", 0);

    assert_true(slice_is(end_of(slot, 0)->message, "0 1 2 3 4 "));
    slot_free(&slot);
    close(extra);
}

static void test_no_such_program(void **state)
{
    (void)state;
    char program[] = "/nonexistent/program";
    char *argv[] = {program, NULL};
    struct msg_start msg = {.job = {.job = 5, .attempt = 2, .spec = slice_of("s")},
                            .dir = slice_of("/tmp"),
                            .threads = 1};
    struct error err;
    struct slot *slot = slot_start(argv, &msg, 0, &err);

    assert_non_null(slot);
    assert_ended(end_of(slot, 0), "exit", "status 127");
    slot_free(&slot);
    msg.job.spec = (struct slice){0};
    assert_null(slot_start(argv, &msg, 0, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_free_kills(void **state)
{
    (void)state;
    struct slot *slot = start("stubborn", 0);

    wait_for_progress(slot);
    pid_t pid = (pid_t)slot_progress(slot).done;
    slot_free(&slot);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void test_child_dies_with_its_parent(void **state)
{
    (void)state;
    int ends[2], status;
    pid_t orphan;

    assert_int_equal(pipe(ends), 0);
    /* So that the orphan comes to us, and its end can be waited for. */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t daemon = fork();
    if (daemon == 0) {
        struct slot *slot = start("stubborn", 0);
        wait_for_progress(slot);
        orphan = (pid_t)slot_progress(slot).done;
        if (write(ends[1], &orphan, sizeof orphan) == sizeof orphan)
            raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(read(ends[0], &orphan, sizeof orphan), sizeof orphan);
    assert_int_equal(waitpid(daemon, &status, 0), daemon);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(waitpid(orphan, &status, 0), orphan);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(ends[0]);
    close(ends[1]);
}

/* --- counting out-of-memory kills --------------------------------------------- */

static void put(const char *root, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_oom_counters(void **state)
{
    (void)state;
    char root[] = "/tmp/coord-test-oom.XXXXXX";

    assert_non_null(mkdtemp(root));
    assert_int_equal(oom_kill_count(root), -1);
    put(root, "/proc/vmstat", "pgfault 7\noom_kill 5\n");
    assert_int_equal(oom_kill_count(root), 5);
    put(root, "/proc/self/cgroup", "4:memory:/job\n0::/jobs/one\n");
    put(root, "/sys/fs/cgroup/memory/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    assert_int_equal(oom_kill_count(root), 3);
    put(root, "/sys/fs/cgroup/memory/job/memory.oom_control", "oom_kill 4\n");
    assert_int_equal(oom_kill_count(root), 4);
    put(root, "/sys/fs/cgroup/jobs/one/memory.events", "low 0\noom 1\noom_kill 1\n");
    assert_int_equal(oom_kill_count(root), 1);
    scratch_remove(root);
    assert_true(oom_kill_count("") >= 0); /* every Linux since 4.13 has one */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_deaths),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_sigterm_then_sigkill),
        cmocka_unit_test(test_asked_to_end),
        cmocka_unit_test(test_out_of_time_while_saving),
        cmocka_unit_test(test_unwanted),
        cmocka_unit_test(test_broken_pipes),
        cmocka_unit_test(test_result_counts_though_the_child_stays),
        cmocka_unit_test(test_log_is_the_newest),
        cmocka_unit_test(test_output_is_read_from_a_place),
        cmocka_unit_test(test_only_five_descriptors),
        cmocka_unit_test(test_no_such_program),
        cmocka_unit_test(test_free_kills),
        cmocka_unit_test(test_child_dies_with_its_parent),
        cmocka_unit_test(test_oom_counters),
    };
    sigset_t mask;

    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return run_child(argv[2]);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    sigchld_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
