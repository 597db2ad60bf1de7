#include "worker/train.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/names.h"
#include "common/rng.h"
#include "common/spec.h"
#include "proto/limits.h"
#include "worker/ckpt/ckpt.h"
#include "worker/start.h"
#include "worker/data/dataset.h"
#include "worker/eval.h"
#include "worker/nn/net.h"
#include "worker/nn/optim.h"
#include "worker/nn/schedule.h"
#include "worker/sink.h"
#include "worker/train_resume.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* All that one run holds. Vectors are taken once, before the first step. */
struct run {
    const struct spec *spec;
    const struct train_env *env;
    struct sink *sink;
    struct arch *arch;
    struct dataset *data;
    struct net *net;
    struct eval *eval;
    struct optim *optim;
    struct schedule schedule;
    real *state;     /* (S): parameters, then running statistics */
    real *grad;      /* (P) */
    real *x;         /* (batch,C,H,W) */
    uint8_t *labels; /* (batch) */
    double *losses;  /* (batch) */
    uint32_t *order; /* (train_count) */
    int64_t train_count, eval_count[2];
    int batch, epochs;
    char key[HASH_TEXT];
    struct state_name *keep; /* what train.keep names */
    size_t keep_count;
    real *best;           /* (S); NULL unless kept */
    double best_accuracy; /* on test; -1: none yet */
    uint32_t best_epoch;
    uint64_t best_step;
    uint32_t epoch;           /* completed */
    uint64_t step;            /* taken */
    int64_t place;            /* in the order of the epoch that goes on */
    struct tally_sum batches; /* of the examples before that */
    bool diverged;
    double until; /* training accuracy at which to stop; 0: never */
    bool reached; /* and it was */
    int64_t start_us;
    double seconds_before; /* of earlier attempts */
};

/* ---- states ----------------------------------------------------------------- */

static bool keeps(const struct run *run, enum state_kind kind, uint64_t number)
{
    for (size_t i = 0; i < run->keep_count; i++)
        if (run->keep[i].kind == kind && (uint64_t)run->keep[i].number == number)
            return true;
    return false;
}

/* Report a state under its name; store its file, or only hash it. */
static int put_state(struct run *run, struct state_name name, const real *state,
                     bool stored, struct error *err)
{
    char text[STATE_TEXT], hash[HASH_TEXT];
    struct ckpt_meta meta = {
        .key = run->key, .state = text, .step = run->step, .epoch = run->epoch};
    struct msg_state row = {.epoch = run->epoch, .step = run->step, .stored = stored};

    if (name.kind == STATE_BEST) {
        row.epoch = meta.epoch = run->best_epoch;
        row.step = meta.step = run->best_step;
    }
    state_text(name, text);
    if (stored ? ckpt_store(run->env->state_dir, run->arch, state, &meta, hash, &row.size,
                            err)
               : ckpt_hash(run->arch, state, &meta, hash, &row.size, err))
        return -1;
    row.name = slice_of(text);
    row.hash = slice_of(hash);
    return sink_state(run->sink, &row, err);
}

/* Store the state of this moment under a numbered name if it is asked for. */
static int put_numbered(struct run *run, enum state_kind kind, uint64_t number,
                        struct error *err)
{
    struct state_name name = {kind, (int64_t)number};

    return keeps(run, kind, number) ? put_state(run, name, run->state, true, err) : 0;
}

static void note_best(struct run *run, double accuracy)
{
    if (!run->best || accuracy <= run->best_accuracy)
        return;
    run->best_accuracy = accuracy;
    run->best_epoch = run->epoch;
    run->best_step = run->step;
    memcpy(run->best, run->state, run->arch->state_count * sizeof *run->best);
}

/* ---- rows ------------------------------------------------------------------- */

static double seconds(const struct run *run)
{
    return run->seconds_before + (double)(clock_mono_us() - run->start_us) * 1e-6;
}

static int put_history(struct run *run, uint32_t epoch, const char *split,
                       const struct tally *tally, double lr, struct error *err)
{
    struct msg_history row = {.epoch = epoch,
                              .split = slice_of(split),
                              .tally = *tally,
                              .lr = lr,
                              .seconds = seconds(run)};

    return sink_history(run->sink, &row, err);
}

/* Evaluate both splits into rows of an epoch; ret gets the tallies. */
static int evaluate(struct run *run, uint32_t epoch, double lr, struct tally ret[2],
                    struct error *err)
{
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++) {
        ret[s] = eval_run(run->eval, run->state, (enum split)s, run->eval_count[s]);
        if (put_history(run, epoch, split_name((enum split)s), &ret[s], lr, err))
            return -1;
    }
    note_best(run, tally_accuracy(&ret[SPLIT_TEST]));
    run->reached = run->until > 0 && tally_accuracy(&ret[SPLIT_TRAIN]) >= run->until;
    return 0;
}

/* ---- going on --------------------------------------------------------------- */

/* What there is to save, by reference. The names of what an optimizer keeps are the
 * places in its list. */
static void describe(struct run *run, struct resume *resume)
{
    static const char *const names[OPTIM_KEPT_MAX] = {"optim.0", "optim.1"};
    real *kept[OPTIM_KEPT_MAX];
    int count = optim_kept(run->optim, kept);
    size_t n = 0;

    *resume = (struct resume){.key = run->key,
                              .examples = run->train_count,
                              .batch = run->batch,
                              .epochs = (uint32_t)run->epochs};
    resume->vectors[n++] =
        (struct resume_vector){"state", run->state, run->arch->state_count};
    for (int k = 0; k < count; k++)
        resume->vectors[n++] =
            (struct resume_vector){names[k], kept[k], run->arch->param_count};
    if (run->best)
        resume->vectors[n++] =
            (struct resume_vector){"best", run->best, run->arch->state_count};
    resume->vector_count = n;
}

/* Not being able to is no reason to stop. */
static void save(struct run *run)
{
    char hash[HASH_TEXT];
    struct msg_state file = {.name = slice_of(PROTO_RESUME),
                             .hash = {hash, HASH_HEX},
                             .epoch = run->epoch,
                             .step = run->step,
                             .stored = true};
    struct resume resume;
    struct error err;

    describe(run, &resume);
    resume.epoch = run->epoch;
    resume.step = run->step;
    resume.place = run->place;
    resume.optim_steps = optim_steps(run->optim);
    resume.batches = run->batches;
    resume.seconds = seconds(run);
    resume.best_accuracy = run->best_accuracy;
    resume.best_epoch = run->best_epoch;
    resume.best_step = run->best_step;
    if (resume_store(run->env->state_dir, &resume, run->sink, hash, &file.size, &err))
        sink_log(run->sink, "the run could not be saved: %s", err.text);
    else if (run->env->saved)
        run->env->saved(run->env->user, &file);
}

/* Between two steps: 0 to go on, or TRAIN_STOPPED. */
static int pause_run(struct run *run)
{
    enum wish wish = run->env->wish ? run->env->wish(run->env->user) : WISH_GO_ON;

    if (wish == WISH_GO_ON)
        return 0;
    save(run);
    if (wish == WISH_SAVE)
        return 0;
    sink_log(run->sink, "stopped at step %llu, in epoch %u",
             (unsigned long long)run->step, run->epoch + 1);
    sink_summary(run->sink, run->epoch, run->step, false, "");
    return TRAIN_STOPPED;
}

/* Whether the run goes on from a file. -1 when it can neither do that nor begin. */
static int take_up(struct run *run, bool *ret, struct error *err)
{
    struct resume resume;
    struct error why;

    *ret = false;
    if (!run->env->resume)
        return 0;
    describe(run, &resume);
    if (resume_read(run->env->resume, &resume, run->sink, &why) != 0) {
        if (why.code == ERR_NO_MEMORY || why.code == ERR_INVALID)
            return err_set(err, why.code, "%s", why.text);
        sink_log(run->sink, "the run begins anew: %s", why.text);
        return 0;
    }
    run->epoch = resume.epoch;
    run->step = resume.step;
    run->place = resume.place;
    run->batches = resume.batches;
    run->seconds_before = resume.seconds;
    run->best_accuracy = resume.best_accuracy;
    run->best_epoch = resume.best_epoch;
    run->best_step = resume.best_step;
    optim_set_steps(run->optim, resume.optim_steps);
    sink_log(run->sink, "the run goes on from step %llu, in epoch %u",
             (unsigned long long)run->step, run->epoch + 1);
    *ret = true;
    return 0;
}

/* ---- training --------------------------------------------------------------- */

/* The learning rate of the step from place `from` of the order. */
static double rate(const struct run *run, int64_t from)
{
    return schedule_lr(&run->schedule, run->epoch, from / run->batch);
}

/* One minibatch, from place `from` of the order. A loss that is not finite ends
 * the run before a parameter is touched. */
static int train_step(struct run *run, int64_t from, struct tally_sum *tally,
                      struct error *err)
{
    int64_t left = run->train_count - from;
    int B = left < run->batch ? (int)left : run->batch;
    const struct net_draw draw = {(uint64_t)spec_int(run->spec, "seed.dropout"),
                                  run->step};
    double sum = 0;
    int right;

    dataset_fetch_augmented(run->data, run->epoch, run->order + from, B, run->x,
                            run->labels);
    right = net_train(run->net, run->state, run->x, run->labels, B, &draw, run->grad,
                      run->losses);
    for (int i = 0; i < B; i++) {
        tally_add(tally, run->losses[i], 0);
        sum += run->losses[i];
    }
    tally->correct += right;
    if (!isfinite(sum)) {
        run->diverged = true;
        return 0;
    }
    optim_step(run->optim, run->state, run->grad, rate(run, from));
    run->step++;
    return put_numbered(run, STATE_STEP, run->step, err);
}

static int train_epoch(struct run *run, struct error *err)
{
    uint64_t seed = (uint64_t)spec_int(run->spec, "seed.order");
    struct rng rng = rng_at(seed, RNG_ORDER, run->epoch, 0);
    double lr = rate(run, run->train_count - 1); /* rows have the last step's */
    uint32_t number = run->epoch + 1;            /* as rows count: 0 is before training */
    struct tally evals[2];
    double begin = seconds(run);
    struct tally batches;

    rng_permutation(&rng, run->order, (uint32_t)run->train_count);
    for (; run->place < run->train_count && !run->diverged; run->place += run->batch) {
        if (pause_run(run))
            return TRAIN_STOPPED;
        if (train_step(run, run->place, &run->batches, err))
            return -1;
    }
    if (!run->diverged)
        run->epoch = number;
    batches = tally_round(&run->batches);
    if (put_history(run, number, "batch", &batches, lr, err) ||
        evaluate(run, number, lr, evals, err) ||
        (!run->diverged && put_numbered(run, STATE_EPOCH, number, err)))
        return -1;
    sink_log(run->sink,
             "epoch %u/%d lr %g batch %.4f train %.4f test %.4f acc %.2f %% %.1f s",
             number, run->epochs, lr, tally_loss(&batches),
             tally_loss(&evals[SPLIT_TRAIN]), tally_loss(&evals[SPLIT_TEST]),
             100 * tally_accuracy(&evals[SPLIT_TEST]), seconds(run) - begin);
    sink_progress(run->sink, number, (uint32_t)run->epochs);
    run->place = 0;
    run->batches = (struct tally_sum){0};
    return 0;
}

static int begin(struct run *run, struct error *err)
{
    struct state_name init = {.kind = STATE_INIT};
    struct tally evals[2];
    bool goes_on;

    run->start_us = clock_mono_us();
    sink_data_hash(run->sink, dataset_hash(run->data));
    sink_numerics(run->sink, spec_string(run->spec, "train.numerics"),
                  spec_string(run->spec, "train.kernels"));
    if (take_up(run, &goes_on, err))
        return -1;
    sink_progress(run->sink, run->epoch, (uint32_t)run->epochs);
    if (goes_on)
        return 0;
    if (put_state(run, init, run->state, keeps(run, STATE_INIT, 0), err))
        return -1;
    return evaluate(run, 0, 0, evals, err);
}

static int finish(struct run *run, struct error *err)
{
    struct state_name best = {.kind = STATE_BEST}, final = {.kind = STATE_FINAL};
    char text[128] = "";

    if ((run->best && put_state(run, best, run->best, true, err)) ||
        put_state(run, final, run->state, true, err))
        return -1;
    if (run->diverged) {
        (void)snprintf(text, sizeof text,
                       "the loss of step %llu, in epoch %u, was not finite",
                       (unsigned long long)run->step + 1, run->epoch + 1);
        sink_log(run->sink, "diverged: %s", text);
    } else if (run->reached) {
        sink_log(run->sink, "stopped: the training accuracy reached %g", run->until);
    }
    sink_summary(run->sink, run->epoch, run->step, run->diverged, text);
    return 0;
}

/* ---- set-up ----------------------------------------------------------------- */

static int read_keep(struct run *run, struct error *err)
{
    struct value list;
    int rc = -1;

    if (spec_value(run->spec, "train.keep", &list, err))
        return -1;
    run->keep = calloc(list.list.count + 1, sizeof *run->keep);
    if (!run->keep) {
        err_set(err, ERR_NO_MEMORY, "no memory for train.keep");
        goto done;
    }
    for (size_t i = 0; i < list.list.count; i++) {
        const char *text = list.list.items[i].string;

        if (!state_parse(text, &run->keep[run->keep_count++])) {
            err_set(err, ERR_INVALID, "train.keep: '%s' is not a state", text);
            goto done;
        }
    }
    rc = 0;

done:
    value_free(&list);
    return rc;
}

static int take_vectors(struct run *run, struct error *err)
{
    size_t params = run->arch->param_count, state = run->arch->state_count;
    size_t batch = (size_t)run->batch;
    struct shape in = run->arch->input;
    size_t example = (size_t)in.C * (size_t)in.H * (size_t)in.W;
    bool best = keeps(run, STATE_BEST, 0);

    run->state = malloc(state * sizeof *run->state);
    run->grad = malloc(params * sizeof *run->grad);
    run->x = malloc(batch * example * sizeof *run->x);
    run->labels = malloc(batch);
    run->losses = malloc(batch * sizeof *run->losses);
    run->order = malloc((size_t)run->train_count * sizeof *run->order);
    run->best = best ? malloc(state * sizeof *run->best) : NULL;
    run->best_accuracy = -1;
    if (!run->state || !run->grad || !run->x || !run->labels || !run->losses ||
        !run->order || (best && !run->best))
        return err_set(err, ERR_NO_MEMORY, "no memory to train %zu parameters", params);
    return 0;
}

static int start(struct run *run, struct error *err)
{
    struct buf said = {0};
    int rc = start_params(run->spec, run->arch, run->env->inputs, run->env->input_count,
                          run->state, &said, err);

    if (rc == 0 && said.data)
        sink_log(run->sink, "starts %s", said.data);
    buf_free(&said);
    return rc;
}

/* A batch norm over one pixel needs two examples, also in the last minibatch of an
 * epoch. */
static int check_batches(const struct run *run, struct error *err)
{
    const int last = (int)(run->train_count % run->batch);
    const int smallest = last > 0 ? last : run->batch;

    if (smallest >= net_batch_min(run->net))
        return 0;
    return err_set(err, ERR_INVALID,
                   "optimizer.batch %d leaves a minibatch of %d of %lld examples: the "
                   "batch norms need %d",
                   run->batch, smallest, (long long)run->train_count,
                   net_batch_min(run->net));
}

static int open_engine(struct run *run, struct error *err)
{
    const struct spec *spec = run->spec;
    struct net_options options = eval_engine(spec, run->env->team);

    options.batch_max = run->batch;
    options.training = true;
    run->net = net_new(run->arch, &options, err);
    if (!run->net || check_batches(run, err))
        return -1;
    run->eval = eval_new(run->arch, run->data, &options, err);
    if (!run->eval)
        return -1;
    run->optim = optim_new(spec, run->arch, err);
    if (!run->optim)
        return -1;
    optim_share(run->optim, run->env->team);
    return 0;
}

static int set_up(struct run *run, struct error *err)
{
    const struct spec *spec = run->spec;

    run->epochs = (int)spec_int(spec, "train.epochs");
    run->until = spec_real(spec, "train.until.train_acc");
    run->arch = arch_build(spec, err);
    if (!run->arch || spec_key(spec, run->key, err) || read_keep(run, err))
        return -1;
    run->data = dataset_open(spec, run->env->data_dir, err);
    if (!run->data)
        return -1;
    run->train_count = dataset_count(run->data, SPLIT_TRAIN);
    run->batch = (int)spec_int(spec, "optimizer.batch");
    if (run->batch > run->train_count)
        run->batch = (int)run->train_count;
    if (spec_size(spec, "train.eval.train", run->train_count,
                  &run->eval_count[SPLIT_TRAIN], err) ||
        spec_size(spec, "train.eval.test", dataset_count(run->data, SPLIT_TEST),
                  &run->eval_count[SPLIT_TEST], err) ||
        take_vectors(run, err))
        return -1;
    if (open_engine(run, err))
        return -1;
    schedule_init(&run->schedule, spec, (run->train_count + run->batch - 1) / run->batch);
    return start(run, err);
}

static void tear_down(struct run *run)
{
    optim_free(&run->optim);
    eval_free(&run->eval);
    net_free(&run->net);
    dataset_free(&run->data);
    arch_free(&run->arch);
    free(run->state);
    free(run->grad);
    free(run->x);
    free(run->labels);
    free(run->losses);
    free(run->order);
    free(run->best);
    free(run->keep);
}

int train_run(const struct spec *spec, const struct train_env *env, struct sink *sink,
              struct error *err)
{
    struct run run = {.spec = spec, .env = env, .sink = sink};
    int rc = -1;

    if (set_up(&run, err) || begin(&run, err))
        goto done;
    while (run.epoch < (uint32_t)run.epochs && !run.diverged && !run.reached)
        if ((rc = train_epoch(&run, err)) != 0)
            goto done;
    rc = finish(&run, err);

done:
    tear_down(&run);
    return rc;
}
