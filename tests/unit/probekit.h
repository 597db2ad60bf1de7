#ifndef COORD_PROBEKIT_H
#define COORD_PROBEKIT_H

/* Small trained runs, and probes of their states, in this process. */

#include "tests/unit/run_fixture.h"

#include "common/arch.h"
#include "worker/ckpt/ckpt.h"
#include "worker/probe/probe.h"

/* A trained run and all that an input needs to name its states. */
struct subject {
    struct spec spec;
    struct buf text;
    struct outcome out;
};

static inline struct subject make_subject(const struct fixture *fix, struct spec spec)
{
    struct subject subject = {.spec = spec};

    spec_text(&spec, &subject.text);
    subject.out = run_train(fix, &spec);
    return subject;
}

static inline void subject_free(struct subject *subject)
{
    outcome_free(&subject->out);
    buf_free(&subject->text);
    spec_free(&subject->spec);
}

/* An input of a probe; path (256 bytes) is where a stored state's file is. */
static inline struct msg_input input_of(const struct fixture *fix,
                                        const struct subject *subject, const char *role,
                                        const char *state, char *path)
{
    const struct msg_state *row = outcome_state(&subject->out, state);
    char name[64];

    assert_non_null(row);
    snprintf(name, sizeof name, "%.*s.safetensors", (int)row->hash.size, row->hash.data);
    fixture_path(fix, name, path, 256);
    return (struct msg_input){.role = slice_of(role),
                              .state = slice_of(state),
                              .spec = {subject->text.data, subject->text.size},
                              .hash = row->hash,
                              .stored = row->stored,
                              .path = row->stored ? slice_of(path) : (struct slice){0}};
}

static inline struct spec probe_spec(const char *kind)
{
    struct spec spec = fixture_spec(
        JOB_PROBE, "a.run", "\"00000000000000000000000000000000\"", "a.state", "\"init\"",
        "b.run", "\"00000000000000000000000000000000\"", "b.state", "\"final\"",
        "probe.alphas", "5", "probe.splits.train", "300", "probe.splits.test", "400",
        NULL);

    fixture_set(&spec, "probe.kind", kind);
    return spec;
}

static inline struct outcome run_probe(const struct spec *spec,
                                       const struct msg_input *inputs, size_t count)
{
    struct outcome out = {.sink = sink_new(NULL, NULL)};
    struct probe_env env = {0};
    struct error err = {0};

    assert_non_null(out.sink);
    if (probe_run(spec, inputs, count, &env, out.sink, &err))
        fail_msg("%s", err.text);
    sink_fill(out.sink, &out.result);
    return out;
}

static inline const struct tally *point(const struct outcome *out, const char *group,
                                        uint32_t index, const char *split)
{
    for (uint32_t i = 0; i < out->result.point_count; i++) {
        const struct msg_point *row = &out->result.points[i];

        if (slice_is(row->grp, group) && slice_is(row->split, split) &&
            row->alpha_index == index)
            return &row->tally;
    }
    fail_msg("no point %u of %s on %s", index, group, split);
    return NULL;
}

static inline const struct msg_distance *distance(const struct outcome *out,
                                                  const char *group)
{
    for (uint32_t i = 0; i < out->result.distance_count; i++)
        if (slice_is(out->result.distances[i].grp, group))
            return &out->result.distances[i];
    fail_msg("no distance for %s", group);
    return NULL;
}

/* What a probe says that refuses its inputs, of which it gives no row. */
static inline const char *probe_refusal(const struct spec *spec,
                                        const struct msg_input *inputs, size_t count,
                                        struct error *err)
{
    struct sink *sink = sink_new(NULL, NULL);
    struct probe_env env = {0};
    struct msg_result result = {0};

    assert_non_null(sink);
    assert_int_equal(probe_run(spec, inputs, count, &env, sink, err), -1);
    assert_int_equal(err->code, ERR_DATA);
    sink_fill(sink, &result);
    assert_int_equal(result.point_count, 0);
    sink_free(&sink);
    return err->text;
}

#endif
