/* What a probe tells beyond its points (probe.classes, probe.examples,
 * probe.trajectory): whether it fits, and which states it needs for it. Errors leave the
 * place to the caller, and give the name of the option that is to blame. */

#include "coordinator/plan_make.h"

#include "common/arch.h"
#include "common/part.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Losses in a probe's file: 80 MiB with the answers. */
    LOSSES_MAX = 16 << 20,
    /* Bytes of a group's name, with room for the rest of a tensor's (detail.h). */
    GROUP_MAX = 96,
    /* States between the two: a job has PROTO_INPUTS_MAX inputs, and up to four may be
     * its ends, others' and what it goes on from, the rest its parts. */
    STATES_MAX = PROTO_INPUTS_MAX - 4 - PARTS_MAX,
};

/* ---- examples, classes ---------------------------------------------------------- */

static int check_count(const struct spec *run, const struct spec *probe, int64_t k,
                       struct error *err)
{
    struct spec_sizes sizes;

    if (spec_sizes(run, &sizes, NULL, err))
        return -1;
    const struct {
        const char *option, *split;
        int64_t count;
    } splits[] = {
        {"probe.splits.train", "training", sizes.train},
        {"probe.splits.test", "test", sizes.test},
    };
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        int64_t size;
        if (spec_size(probe, splits[i].option, splits[i].count, &size, err))
            return -1;
        if (k > size)
            return err_set(err, ERR_INVALID,
                           "asks for %lld examples, the probe evaluates %lld %s examples",
                           (long long)k, (long long)size, splits[i].split);
    }
    return 0;
}

static int check_groups(const struct spec *probe, struct error *err)
{
    struct value groups;
    int rc = 0;

    if (spec_value(probe, "probe.groups", &groups, err))
        return -1;
    for (size_t i = 0; i < groups.list.count && rc == 0; i++)
        if (strlen(groups.list.items[i].string) > GROUP_MAX)
            rc = err_set(err, ERR_INVALID,
                         "the name of group \"%.20s...\" has more than %d characters",
                         groups.list.items[i].string, GROUP_MAX);
    value_free(&groups);
    return rc;
}

static int check_examples(const struct spec *run, const struct plan_job *job,
                          struct error *err)
{
    const int64_t k = spec_int(&job->spec, "probe.examples");
    const uint64_t losses = job->curve_rows * (uint64_t)k;

    if (k == 0)
        return 0;
    if (check_count(run, &job->spec, k, err) || check_groups(&job->spec, err))
        return -1;
    if (losses <= LOSSES_MAX)
        return 0;
    return err_set(err, ERR_INVALID, "gives %llu losses, at most %d can be kept",
                   (unsigned long long)losses, LOSSES_MAX);
}

static int check_classes(const struct arch *arch, const struct plan_job *job,
                         struct error *err)
{
    const uint64_t rows = job->curve_rows * (uint64_t)arch->classes;

    if (!spec_bool(&job->spec, "probe.classes") || rows <= PROTO_CLASSES_MAX)
        return 0;
    return err_set(err, ERR_INVALID,
                   "gives %llu points of %d classes, at most %d of both can be sent",
                   (unsigned long long)job->curve_rows, arch->classes, PROTO_CLASSES_MAX);
}

int plan_check_answers(const struct spec *run, const struct arch *arch,
                       const struct plan_job *job, const char **ret_name,
                       struct error *err)
{
    *ret_name = "probe.examples";
    if (check_examples(run, job, err))
        return -1;
    *ret_name = "probe.classes";
    return check_classes(arch, job, err);
}

/* ---- trajectory ----------------------------------------------------------------- */

static bool is_end(const struct plan_job *job, const char *state)
{
    const struct plan_need *a = &job->needs[0], *b = &job->needs[1];

    return strcmp(state, b->state) == 0 ||
           (a->job == b->job && strcmp(state, a->state) == 0);
}

static int add_states(struct plan_job *job, const struct value *keep, struct error *err)
{
    const size_t before = job->need_count;
    struct plan_need *needs =
        realloc(job->needs, (before + keep->list.count) * sizeof *needs);

    if (!needs)
        return err_set(err, ERR_NO_MEMORY, "no memory for a probe's needs");
    job->needs = needs;
    for (size_t i = 0; i < keep->list.count; i++) {
        const char *state = keep->list.items[i].string;
        struct plan_need *need = &needs[job->need_count];
        if (is_end(job, state))
            continue;
        *need = (struct plan_need){.job = needs[1].job};
        snprintf(need->role, sizeof need->role, "s%zu", ++job->need_count - before);
        snprintf(need->state, sizeof need->state, "%s", state);
    }
    if (job->need_count == before)
        return err_set(err, ERR_INVALID,
                       "the run keeps no state but the ends: add step:k or epoch:k to"
                       " train.keep");
    if (job->need_count - before <= STATES_MAX)
        return 0;
    return err_set(err, ERR_INVALID, "the run keeps %zu states, at most %d can be placed",
                   job->need_count - before, STATES_MAX);
}

int plan_add_trajectory(const struct spec *run, struct plan_job *job,
                        const char **ret_name, struct error *err)
{
    struct value keep;
    int rc;

    *ret_name = "probe.trajectory";
    if (!spec_bool(&job->spec, "probe.trajectory"))
        return 0;
    if (spec_value(run, "train.keep", &keep, err))
        return -1;
    rc = add_states(job, &keep, err);
    value_free(&keep);
    return rc;
}
