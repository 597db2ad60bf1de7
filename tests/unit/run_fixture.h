#ifndef COORD_TEST_RUN_FIXTURE_H
#define COORD_TEST_RUN_FIXTURE_H

/* Small runs for the tests of training and probes: a spiral and an mlp of two
 * hidden layers, trained in milliseconds. */

#include "tests/unit/fixture.h"

#include "worker/sink.h"
#include "worker/train.h"

/* What a run gave; rows are borrowed from the sink. */
struct outcome {
    struct sink *sink;
    struct msg_result result;
};

static inline struct spec run_spec(void)
{
    struct spec spec = fixture_spec(
        JOB_TRAIN, "data.name", "\"spiral\"", "data.train", "500", "model.name",
        "\"mlp\"", "model.widths", "[16,16]", "optimizer.lr", "0.1", "optimizer.momentum",
        "0.9", "optimizer.batch", "64", "train.epochs", "3", "train.eval.train", "300",
        "train.eval.test", "400", NULL);

    fixture_seeds(&spec, "1");
    return spec;
}

static inline struct outcome run_train(const struct fixture *fix, const struct spec *spec)
{
    struct train_env env = {.state_dir = fix->dir};
    struct outcome out = {.sink = sink_new(NULL, NULL)};
    struct error err = {0};

    assert_non_null(out.sink);
    if (train_run(spec, &env, out.sink, &err))
        fail_msg("%s", err.text);
    sink_fill(out.sink, &out.result);
    return out;
}

static inline void outcome_free(struct outcome *out)
{
    sink_free(&out->sink);
}

static inline const struct msg_state *outcome_state(const struct outcome *out,
                                                    const char *name)
{
    for (uint32_t i = 0; i < out->result.state_count; i++)
        if (slice_is(out->result.states[i].name, name))
            return &out->result.states[i];
    return NULL;
}

static inline const struct msg_history *outcome_history(const struct outcome *out,
                                                        uint32_t epoch, const char *split)
{
    for (uint32_t i = 0; i < out->result.history_count; i++)
        if (out->result.history[i].epoch == epoch &&
            slice_is(out->result.history[i].split, split))
            return &out->result.history[i];
    fail_msg("no row for epoch %u, %s", epoch, split);
    return NULL;
}

/* Equal to the last bit, NaN included. */
static inline void assert_tally_equal(const struct tally *a, const struct tally *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->correct, b->correct);
    assert_int_equal(a->nan_count, b->nan_count);
    assert_int_equal(a->inf_count, b->inf_count);
    assert_memory_equal(&a->sum, &b->sum, sizeof a->sum);
    assert_memory_equal(&a->sum_sq, &b->sum_sq, sizeof a->sum_sq);
}

/* Stops a run or a probe by itself, and says where its file is. */
struct stopper {
    const struct fixture *fix;
    int left; /* questions until it is stopped; below 0: never */
    int asked;
    char path[256];
};

static inline enum wish stop_at(void *user)
{
    struct stopper *stopper = user;

    stopper->asked++;
    return stopper->left-- == 0 ? WISH_STOP : WISH_GO_ON;
}

static inline void note_file(void *user, const struct msg_state *file)
{
    struct stopper *stopper = user;
    char name[64];

    assert_true(slice_is(file->name, "resume"));
    snprintf(name, sizeof name, "%.*s.safetensors", (int)file->hash.size,
             file->hash.data);
    fixture_path(stopper->fix, name, stopper->path, sizeof stopper->path);
}

#endif
