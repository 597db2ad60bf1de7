#include "worker/trial.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/jobstate.h"
#include "common/spec.h"
#include "proto/limits.h"
#include "proto/pipe.h"
#include "worker/derive.h"
#include "worker/nn/team.h"
#include "worker/probe/probe.h"
#include "worker/provenance.h"
#include "worker/sink.h"
#include "worker/train.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Progress is for people: a few times a second is enough, and the last word is
 * the RESULT. */
enum { PROGRESS_MS = 250 };

/* What a trial has in hand while it runs. */
struct trial {
    int result_fd;
    int64_t told_ms;  /* when progress was last sent */
    int64_t saved_ms; /* when the run last saved itself, or began */
    uint32_t told;    /* rows of history that were reported */
    const struct msg_start *start;
    char *data_dir; /* NULL: the data sets' own folders */
    char *state_dir;
    char *resume;    /* file to go on from, or NULL */
    struct buf file; /* path of what the run last saved */
    bool stopped;    /* it was asked to end and did */
    struct sink *sink;
    struct team *team;
};

/* --- saving --------------------------------------------------------------------- */

/* The daemon has blocked SIGTERM, so it waits until somebody looks. */
static bool asked_to_end(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

static enum wish wish(void *user)
{
    struct trial *trial = user;
    int64_t now_ms = clock_mono_ms(), pace_ms = trial->start->checkpoint_ms;

    sink_log_flush(trial->sink, false);
    if (asked_to_end())
        return WISH_STOP;
    if (pace_ms == 0 || now_ms - trial->saved_ms < pace_ms)
        return WISH_GO_ON;
    trial->saved_ms = now_ms;
    return WISH_SAVE;
}

/* The states stored so far, and what to go on from. */
static void send_checkpoint(struct trial *trial, const struct msg_state *file)
{
    struct msg rows = {.kind = MSG_RESULT};
    struct msg msg = {.kind = MSG_CHECKPOINT,
                      .checkpoint = {.job = trial->start->job.job,
                                     .attempt = trial->start->job.attempt}};
    struct error err;

    sink_fill(trial->sink, &rows.result);
    struct msg_state *states = calloc(rows.result.state_count + 1, sizeof *states);
    if (!states)
        return; /* the next one may have the room */
    for (uint32_t i = 0; i < rows.result.state_count; i++)
        if (rows.result.states[i].stored)
            states[msg.checkpoint.state_count++] = rows.result.states[i];
    states[msg.checkpoint.state_count++] = *file;
    msg.checkpoint.states = states;
    if (pipe_send(trial->result_fd, &msg, &err) != 0)
        sink_log(trial->sink, "what the run saved cannot be told of: %s", err.text);
    free(states);
}

static void saved(void *user, const struct msg_state *file)
{
    struct trial *trial = user;
    struct buf path = {0};

    buf_printf(&path, "%s/%.*s.safetensors", trial->state_dir, (int)file->hash.size,
               file->hash.data);
    /* The daemon takes each away at once; this one it did not, and it is another. */
    if (trial->file.size > 0 && !path.failed && strcmp(trial->file.data, path.data) != 0)
        (void)unlink(trial->file.data);
    buf_free(&trial->file);
    trial->file = path;
    send_checkpoint(trial, file);
    trial->saved_ms = clock_mono_ms(); /* of a slow disk: not all the time */
}

/* --- the kinds of jobs -------------------------------------------------------- */

static int run_train(struct trial *trial, const struct spec *spec, struct error *err)
{
    const struct train_env env = {.state_dir = trial->state_dir,
                                  .data_dir = trial->data_dir,
                                  .inputs = trial->start->job.inputs,
                                  .input_count = trial->start->job.input_count,
                                  .team = trial->team,
                                  .resume = trial->resume,
                                  .wish = wish,
                                  .saved = saved,
                                  .user = trial};
    int rc = train_run(spec, &env, trial->sink, err);

    trial->stopped = rc == TRAIN_STOPPED;
    return rc < 0 ? -1 : 0;
}

static int run_probe(struct trial *trial, const struct spec *spec, struct error *err)
{
    const struct probe_env env = {.data_dir = trial->data_dir,
                                  .team = trial->team,
                                  .dir = trial->state_dir,
                                  .resume = trial->resume,
                                  .wish = wish,
                                  .saved = saved,
                                  .user = trial};
    int rc = probe_run(spec, trial->start->job.inputs, trial->start->job.input_count,
                       &env, trial->sink, err);

    trial->stopped = rc == PROBE_STOPPED;
    return rc < 0 ? -1 : 0;
}

/* Quick: it is not interrupted. */
static int run_derive(struct trial *trial, const struct spec *spec, struct error *err)
{
    return derive_run(spec, &trial->start->job, trial->state_dir, trial->sink, err);
}

static int (*const RUN[])(struct trial *, const struct spec *, struct error *) = {
    [JOB_TRAIN] = run_train,
    [JOB_PROBE] = run_probe,
    [JOB_DERIVE] = run_derive,
};

static int run_spec(struct trial *trial, struct error *err)
{
    struct slice text = trial->start->job.spec;
    struct spec spec;

    if (spec_parse(text.data, text.size, &spec, err) != 0)
        return -1;
    int rc = RUN[spec.kind](trial, &spec, err);
    spec_free(&spec);
    return rc;
}

/* --- the result ---------------------------------------------------------------- */

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void fill_costs(struct msg_result *result, int64_t began_us)
{
    struct rusage usage;

    result->seconds = (double)(clock_mono_us() - began_us) / 1e6;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    result->cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    result->rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

static void fill_failure(struct msg_result *result, const struct error *err)
{
    /* A sentence of the program about its input, or about the data: the first
     * says what to change in the grid, the second what to change on disk. */
    enum job_cause cause = err->code == ERR_DATA ? CAUSE_DATA
                           /* A state that could not be written: not the job's fault. */
                           : err->code == ERR_NO_MEMORY ? CAUSE_OOM
                           : err->code == ERR_IO        ? CAUSE_WORKER_LOST
                                                        : CAUSE_EXIT;

    result->outcome = OUTCOME_FAILED;
    result->cause = slice_of(job_cause_name(cause));
    result->message = slice_of(err->text);
    fprintf(stderr, "trial: %s\n", err->text);
}

/* It was asked to end: another attempt goes on from what it saved. */
static void fill_stopped(const struct sink *sink, struct msg_result *result)
{
    struct msg rows = {.kind = MSG_RESULT};

    sink_fill(sink, &rows.result);
    result->outcome = OUTCOME_FAILED;
    result->cause = slice_of(job_cause_name(CAUSE_PREEMPTED));
    result->message = slice_of("it was asked to end, and saved itself");
    result->epochs = rows.result.epochs;
    result->steps = rows.result.steps;
}

/* Run the job and send what came of it. */
static int run_and_answer(struct trial *trial, struct error *err)
{
    struct msg msg = {.kind = MSG_RESULT, .result = {.outcome = OUTCOME_DONE}};
    struct msg_result *result = &msg.result;
    struct buf provenance = {0};
    struct error why;
    int64_t began_us = clock_mono_us();

    result->job = trial->start->job.job;
    result->attempt = trial->start->job.attempt;
    bool failed = run_spec(trial, &why) != 0;
    sink_log_flush(trial->sink, true);
    if (!failed && trial->stopped)
        fill_stopped(trial->sink, result);
    else if (!failed)
        sink_fill(trial->sink, result);
    else
        fill_failure(result, &why);
    fill_costs(result, began_us);
    provenance_json(&provenance, sink_data_hash_get(trial->sink),
                    sink_numerics_get(trial->sink), sink_kernels_get(trial->sink));
    if (!provenance.failed)
        result->provenance = (struct slice){provenance.data, provenance.size};
    int rc = pipe_send(trial->result_fd, &msg, err);
    buf_free(&provenance);
    return rc;
}

/* --- life ---------------------------------------------------------------------- */

/* The evaluations since the last time. The last ones come with the result. */
static void send_report(struct trial *trial)
{
    struct msg rows = {.kind = MSG_RESULT};
    struct msg msg = {
        .kind = MSG_REPORT,
        .report = {.job = trial->start->job.job, .attempt = trial->start->job.attempt}};

    sink_fill(trial->sink, &rows.result);
    msg.report.history = rows.result.history + trial->told;
    msg.report.history_count = rows.result.history_count - trial->told;
    trial->told = rows.result.history_count;
    if (msg.report.history_count > 0)
        (void)pipe_send(trial->result_fd, &msg, NULL);
}

static void send_progress(void *user, uint32_t done, uint32_t total)
{
    struct trial *trial = user;
    int64_t now_ms = clock_mono_ms();
    struct msg msg = {.kind = MSG_PROGRESS, .progress = {done, total}};

    if (now_ms - trial->told_ms < PROGRESS_MS && done < total)
        return;
    trial->told_ms = now_ms;
    /* If nobody listens, the result will not be delivered either: that tells. */
    (void)pipe_send(trial->result_fd, &msg, NULL);
    if (done < total)
        send_report(trial);
}

/* The file that the job goes on from; NULL: none. -1 without memory. */
static int find_resume(struct trial *trial)
{
    const struct msg_job *job = &trial->start->job;

    for (uint32_t i = 0; i < job->input_count && !trial->resume; i++) {
        if (!slice_is(job->inputs[i].role, PROTO_RESUME) || !job->inputs[i].path.size)
            continue;
        trial->resume = slice_dup(job->inputs[i].path);
        if (!trial->resume)
            return -1;
    }
    return 0;
}

static int run(struct trial *trial, struct error *err)
{
    const struct msg_start *start = trial->start;
    int rc = -1;

    trial->saved_ms = clock_mono_ms();
    trial->state_dir = slice_dup(start->dir);
    trial->data_dir = start->data_dir.size > 0 ? slice_dup(start->data_dir) : NULL;
    trial->sink = sink_new(send_progress, trial);
    trial->team = team_new((int)start->threads, err);
    if (!trial->team)
        goto done;
    if (!trial->state_dir || !trial->sink || find_resume(trial) != 0 ||
        (start->data_dir.size > 0 && !trial->data_dir))
        err_set(err, ERR_NO_MEMORY, "no memory to begin");
    else {
        sink_log_to(trial->sink, stdout); /* the slot keeps it as the job's log */
        rc = run_and_answer(trial, err);
    }

done:
    team_free(&trial->team);
    sink_free(&trial->sink);
    free(trial->data_dir);
    free(trial->state_dir);
    free(trial->resume);
    buf_free(&trial->file);
    return rc;
}

int trial_main(int start_fd, int result_fd)
{
    struct trial trial = {.result_fd = result_fd,
                          .told_ms = clock_mono_ms() - PROGRESS_MS};
    struct buf room = {0};
    struct msg msg;
    struct error err;
    int rc = -1;

    (void)prctl(PR_SET_NAME, "coord-trial"); /* for ps: it was started as "exe" */
    (void)signal(SIGPIPE, SIG_IGN);
    if (pipe_recv(start_fd, &room, &msg, &err) != 0)
        goto done;
    if (msg.kind == MSG_START) {
        trial.start = &msg.start;
        rc = run(&trial, &err);
    } else {
        err_set(&err, ERR_INVALID, "expected START, got %s", msg_kind_name(msg.kind));
    }
    msg_free(&msg);

done:
    if (rc != 0)
        fprintf(stderr, "trial: %s\n", err.text);
    buf_free(&room);
    return rc == 0 ? 0 : 1;
}
