#ifndef COORD_TEST_PARTKIT_H
#define COORD_TEST_PARTKIT_H

/* A small run and probes of it, for the tests of probes that stop and of parts. */

#include "tests/unit/run_fixture.h"

#include "worker/probe/probe.h"

/* A trained run, and the ends of a path in it. */
struct subject {
    struct spec spec;
    struct buf text;
    struct outcome out;
    char path[256];
    struct msg_input inputs[2];
};

static inline void make_subject(const struct fixture *fix, struct spec spec,
                                struct subject *s)
{
    const struct msg_state *init, *last;
    char name[64];

    *s = (struct subject){.spec = spec};
    spec_text(&spec, &s->text);
    s->out = run_train(fix, &spec);
    init = outcome_state(&s->out, "init");
    last = outcome_state(&s->out, "final");
    snprintf(name, sizeof name, "%.*s.safetensors", (int)last->hash.size,
             last->hash.data);
    fixture_path(fix, name, s->path, sizeof s->path);
    s->inputs[0] = (struct msg_input){.role = slice_of("a"),
                                      .state = slice_of("init"),
                                      .spec = {s->text.data, s->text.size},
                                      .hash = init->hash};
    s->inputs[1] = (struct msg_input){.role = slice_of("b"),
                                      .state = slice_of("final"),
                                      .spec = {s->text.data, s->text.size},
                                      .hash = last->hash,
                                      .stored = true,
                                      .path = slice_of(s->path)};
}

static inline void subject_free(struct subject *s)
{
    outcome_free(&s->out);
    buf_free(&s->text);
    spec_free(&s->spec);
}

static inline struct spec probe_spec(const char *alphas)
{
    return fixture_spec(JOB_PROBE, "a.run", "\"00000000000000000000000000000000\"",
                        "a.state", "\"init\"", "b.run",
                        "\"00000000000000000000000000000000\"", "b.state", "\"final\"",
                        "probe.alphas", alphas, "probe.splits.train", "300",
                        "probe.splits.test", "400", "probe.kind", "\"layers\"", NULL);
}

static inline struct spec norm_spec(void)
{
    struct spec spec = run_spec();

    fixture_set(&spec, "model.norm", "\"batch\"");
    return spec;
}

#endif
