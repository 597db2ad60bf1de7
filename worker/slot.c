#include "worker/slot.h"

#include "common/error.h"
#include "common/jobstate.h"
#include "proto/limits.h"
#include "proto/pipe.h"
#include "worker/child.h"
#include "worker/kept.h"
#include "worker/oom.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reads of one turn: a child that prints or reports without end must not keep
 * the daemon from its other work. */
enum { READS_MAX = 64 };

/* A trial sends a few a second, and they are taken every turn. */
enum { REPORTS_MAX = 8 };

struct slot {
    int64_t job;
    uint32_t attempt;
    uint32_t time_limit_s;
    struct child child;
    struct buf room;    /* bytes from the result pipe */
    struct buf log;     /* at least the last PROTO_LOG_MAX bytes of output */
    uint64_t printed;   /* bytes of output in all */
    struct kept answer; /* the child's RESULT; kind MSG_NONE: none yet */
    struct msg_progress progress;
    struct kept checkpoint; /* kind MSG_NONE: none since it was last taken */
    struct kept reports[REPORTS_MAX];
    size_t report_count;
    enum slot_stop stop;
    int64_t started_ms;
    int64_t limit_ms; /* the time limit */
    int64_t kill_ms;  /* when SIGKILL is due */
    bool killed;      /* it was sent */
    int64_t oom_before;
    bool gone;
    struct msg_result result; /* once gone */
    char message[256];        /* of it */
};

struct slot *slot_start(char *const argv[], const struct msg_start *start, int64_t now_ms,
                        struct error *err)
{
    const struct msg msg = {.kind = MSG_START, .start = *start};
    struct slot *slot = calloc(1, sizeof *slot);

    if (!slot) {
        err_set(err, ERR_NO_MEMORY, "no memory for a trial");
        return NULL;
    }
    slot->job = start->job.job;
    slot->attempt = start->job.attempt;
    slot->time_limit_s = start->job.time_limit_s;
    slot->started_ms = now_ms;
    slot->limit_ms =
        slot->time_limit_s ? now_ms + 1000 * (int64_t)slot->time_limit_s : INT64_MAX;
    slot->kill_ms = INT64_MAX;
    slot->oom_before = oom_kill_count("");
    if (child_spawn(argv, &msg, &slot->child, err) != 0) {
        free(slot);
        return NULL;
    }
    return slot;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void slot_free(struct slot **slot_p)
{
    struct slot *slot = *slot_p;

    if (!slot)
        return;
    if (!slot->gone) {
        (void)kill(-slot->child.pid, SIGKILL);
        while (waitpid(slot->child.pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close_fd(&slot->child.result_fd);
    close_fd(&slot->child.log_fd);
    buf_free(&slot->room);
    buf_free(&slot->log);
    kept_free(&slot->answer);
    kept_free(&slot->checkpoint);
    for (size_t i = 0; i < slot->report_count; i++)
        kept_free(&slot->reports[i]);
    free(slot);
    *slot_p = NULL;
}

int64_t slot_job(const struct slot *slot)
{
    return slot->job;
}

uint32_t slot_attempt(const struct slot *slot)
{
    return slot->attempt;
}

void slot_fds(const struct slot *slot, int ret_fds[2])
{
    ret_fds[0] = slot->child.result_fd;
    ret_fds[1] = slot->child.log_fd;
}

int64_t slot_deadline(const struct slot *slot)
{
    if (slot->killed)
        return INT64_MAX; /* SIGCHLD tells */
    return slot->limit_ms < slot->kill_ms ? slot->limit_ms : slot->kill_ms;
}

struct msg_progress slot_progress(const struct slot *slot)
{
    return slot->progress;
}

struct slice slot_output(const struct slot *slot, uint64_t from, uint64_t *ret_from)
{
    uint64_t first = slot->printed - slot->log.size;
    uint64_t at = from < first ? first : from > slot->printed ? slot->printed : from;
    size_t size = (size_t)(slot->printed - at);

    *ret_from = at;
    if (size == 0)
        return (struct slice){0};
    return (struct slice){slot->log.data + (at - first),
                          size < PROTO_LOG_MAX ? size : PROTO_LOG_MAX};
}

void slot_stop(struct slot *slot, enum slot_stop why, int64_t now_ms)
{
    if (slot->gone || slot->stop >= why)
        return;
    slot->stop = why;
    slot->limit_ms = INT64_MAX;
    if (why != SLOT_STOP_SAVE) {
        (void)kill(-slot->child.pid, SIGKILL);
        slot->killed = true;
        return;
    }
    (void)kill(-slot->child.pid, SIGTERM);
    if (slot->kill_ms == INT64_MAX)
        slot->kill_ms = now_ms + SLOT_SAVE_MS;
}

bool slot_take_checkpoint(struct slot *slot, struct kept *ret)
{
    if (slot->checkpoint.msg.kind == MSG_NONE)
        return false;
    *ret = slot->checkpoint;
    slot->checkpoint = (struct kept){0};
    return true;
}

bool slot_take_report(struct slot *slot, struct kept *ret)
{
    if (slot->report_count == 0)
        return false;
    *ret = slot->reports[0];
    memmove(slot->reports, slot->reports + 1, --slot->report_count * sizeof *ret);
    return true;
}

bool slot_unwanted(const struct slot *slot)
{
    return slot->stop == SLOT_STOP_UNWANTED;
}

const struct msg_result *slot_result(const struct slot *slot)
{
    return &slot->result;
}

/* --- reading ---------------------------------------------------------------- */

/* Nothing sensible comes from the pipe any more. The child may end by itself for
 * a while; it has no time limit then. */
static void finish_pipe(struct slot *slot, int64_t now_ms)
{
    close_fd(&slot->child.result_fd);
    slot->limit_ms = INT64_MAX;
    if (slot->kill_ms > now_ms + SLOT_GRACE_MS)
        slot->kill_ms = now_ms + SLOT_GRACE_MS;
}

static void take_checkpoint(struct slot *slot, const struct msg *msg)
{
    struct kept kept;

    if (kept_copy(&kept, msg, NULL) != 0)
        return; /* no memory: the next one may find some */
    kept.msg.checkpoint.job = slot->job;
    kept.msg.checkpoint.attempt = slot->attempt;
    kept_free(&slot->checkpoint);
    slot->checkpoint = kept;
}

static void take_report(struct slot *slot, const struct msg *msg)
{
    struct kept *kept = &slot->reports[slot->report_count];

    if (slot->report_count == REPORTS_MAX || kept_copy(kept, msg, NULL) != 0)
        return; /* its result will tell */
    kept->msg.report.job = slot->job;
    kept->msg.report.attempt = slot->attempt;
    slot->report_count++;
}

static int take_message(struct slot *slot, const struct msg *msg)
{
    if (msg->kind == MSG_PROGRESS) {
        slot->progress = msg->progress;
        return 0;
    }
    if (msg->kind == MSG_CHECKPOINT) {
        take_checkpoint(slot, msg);
        return 0;
    }
    if (msg->kind == MSG_REPORT) {
        take_report(slot, msg);
        return 0;
    }
    if (msg->kind != MSG_RESULT)
        return -1;
    return kept_copy(&slot->answer, msg, NULL);
}

/* Returns whether the pipe may have more now. */
static bool read_result(struct slot *slot, int64_t now_ms)
{
    struct msg msg;
    int filled = pipe_fill(slot->child.result_fd, &slot->room, NULL);
    int next, bad = 0;

    while (!bad && slot->answer.msg.kind == MSG_NONE &&
           (next = pipe_next(&slot->room, &msg, NULL)) != 0) {
        bad = next < 0;
        if (bad)
            break;
        bad = take_message(slot, &msg) != 0;
        msg_free(&msg);
        pipe_drop(&slot->room);
    }
    if (filled > 0 && !bad && slot->answer.msg.kind == MSG_NONE)
        return true;
    if (filled < 0 || bad || slot->answer.msg.kind != MSG_NONE)
        finish_pipe(slot, now_ms);
    return false;
}

/* Keep the newest output. Returns whether there may be more now. */
static bool read_log(struct slot *slot)
{
    enum { READ_SIZE = 16 << 10 };
    char *room = buf_reserve(&slot->log, READ_SIZE);
    ssize_t got = room ? read(slot->child.log_fd, room, READ_SIZE) : 0;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        close_fd(&slot->child.log_fd);
        return false;
    }
    slot->log.size += (size_t)got;
    slot->printed += (uint64_t)got;
    slot->log.data[slot->log.size] = '\0';
    if (slot->log.size > 2 * (size_t)PROTO_LOG_MAX)
        buf_shift(&slot->log, slot->log.size - PROTO_LOG_MAX);
    return true;
}

static void read_all(struct slot *slot, int64_t now_ms)
{
    int i;

    for (i = 0; i < READS_MAX && slot->child.result_fd >= 0; i++)
        if (!read_result(slot, now_ms))
            break;
    for (i = 0; i < READS_MAX && slot->child.log_fd >= 0; i++)
        if (!read_log(slot))
            break;
}

/* --- the end ---------------------------------------------------------------- */

static enum job_cause explain_signal(struct slot *slot, int signal)
{
    int64_t oom_after = oom_kill_count("");

    if (signal == SIGKILL && slot->oom_before >= 0 && oom_after > slot->oom_before) {
        snprintf(slot->message, sizeof slot->message,
                 "killed by the kernel: out of memory (the peak was %.0f MB)",
                 (double)slot->result.rss_bytes / 1e6);
        return CAUSE_OOM;
    }
    const char *name = sigabbrev_np(signal);
    snprintf(slot->message, sizeof slot->message, "killed by signal %d (SIG%s)", signal,
             name ? name : "?");
    return CAUSE_SIGNAL;
}

static enum job_cause explain(struct slot *slot, int status)
{
    if (slot->stop == SLOT_STOP_TIMEOUT) {
        snprintf(slot->message, sizeof slot->message,
                 "ran longer than its limit of %" PRIu32 " s", slot->time_limit_s);
        return CAUSE_TIMEOUT;
    }
    if (slot->stop != SLOT_STOP_NONE) {
        snprintf(slot->message, sizeof slot->message, "%s",
                 slot->stop == SLOT_STOP_SAVE ? "was asked to end, and gave no result"
                                              : "was stopped");
        return CAUSE_PREEMPTED;
    }
    if (WIFSIGNALED(status) && !slot->killed)
        return explain_signal(slot, WTERMSIG(status));
    if (WIFSIGNALED(status))
        snprintf(slot->message, sizeof slot->message,
                 "ended its messages without a result and had to be killed");
    else
        snprintf(slot->message, sizeof slot->message,
                 "exited with status %d without a result", WEXITSTATUS(status));
    return CAUSE_EXIT;
}

/* The child has been reaped: what does its result say? */
static void conclude(struct slot *slot, int status, const struct rusage *usage,
                     int64_t now_ms)
{
    struct msg_result *result = &slot->result;

    if (slot->answer.msg.kind == MSG_RESULT) {
        *result = slot->answer.msg.result;
    } else {
        result->outcome = OUTCOME_FAILED;
        result->seconds = (double)(now_ms - slot->started_ms) / 1000;
        result->cpu_seconds =
            (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
            (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
        result->rss_bytes = (uint64_t)usage->ru_maxrss * 1024;
        result->cause = slice_of(job_cause_name(explain(slot, status)));
        result->message = slice_of(slot->message);
    }
    result->job = slot->job;
    result->attempt = slot->attempt;
    result->log = (struct slice){slot->log.data, slot->log.size};
    if (result->log.size > PROTO_LOG_MAX) {
        result->log.data += result->log.size - PROTO_LOG_MAX;
        result->log.size = PROTO_LOG_MAX;
    }
}

/* Whether the child has ended; if so it is reaped, with all its group. */
static bool reap(struct slot *slot, int64_t now_ms)
{
    siginfo_t info = {.si_pid = 0};
    struct rusage usage = {0};
    int status = 0;

    /* Not reaped yet, the child keeps its process group's number from being
     * given to somebody else: only now is it safe to kill what is left of it. */
    if (waitid(P_PID, (id_t)slot->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0)
        return false;
    (void)kill(-slot->child.pid, SIGKILL);
    while (wait4(slot->child.pid, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    read_all(slot, now_ms); /* what it wrote last */
    close_fd(&slot->child.result_fd);
    close_fd(&slot->child.log_fd);
    conclude(slot, status, &usage, now_ms);
    slot->gone = true;
    return true;
}

bool slot_turn(struct slot *slot, int64_t now_ms)
{
    if (slot->gone)
        return true;
    read_all(slot, now_ms);
    if (now_ms >= slot->limit_ms)
        slot_stop(slot, SLOT_STOP_TIMEOUT, now_ms);
    if (now_ms >= slot->kill_ms && !slot->killed) {
        (void)kill(-slot->child.pid, SIGKILL);
        slot->killed = true;
    }
    return reap(slot, now_ms);
}
