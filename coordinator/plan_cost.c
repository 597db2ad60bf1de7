#include "coordinator/plan_cost.h"

#include "common/arch.h"
#include "common/error.h"

#include <string.h>

static int cost_run(const struct spec *spec, double pass, double *ret, struct error *err)
{
    const double epochs = (double)spec_int(spec, "train.epochs");
    struct spec_sizes sizes;

    if (spec_sizes(spec, &sizes, NULL, err))
        return -1;
    *ret = pass * (3 * epochs * (double)sizes.train +
                   (epochs + 1) * (double)(sizes.eval_train + sizes.eval_test));
    return 0;
}

/* Whether a way of batch norm reads training data at every point, and how many ways. */
static int count_modes(const struct spec *probe, const struct arch *arch, double *ret_all,
                       double *ret_recomputed, struct error *err)
{
    struct value bn;

    if (spec_value(probe, "probe.bn", &bn, err))
        return -1;
    *ret_all = arch_has_norm(arch) ? (double)bn.list.count : 1;
    *ret_recomputed = 0;
    for (size_t i = 0; arch_has_norm(arch) && i < bn.list.count; i++)
        *ret_recomputed += strcmp(bn.list.items[i].string, "recompute") == 0;
    value_free(&bn);
    return 0;
}

/* Two rows for each point, one for each split. */
static int cost_probe(const struct plan_job *job, const struct spec *run,
                      const struct arch *arch, double pass, double *ret,
                      struct error *err)
{
    const double points = (double)(job->curve_rows + job->plane_rows) / 2;
    int64_t train, test, bn;
    struct spec_sizes sizes;
    double modes, recomputed;

    if (spec_sizes(run, &sizes, NULL, err) ||
        spec_size(&job->spec, "probe.splits.train", sizes.train, &train, err) ||
        spec_size(&job->spec, "probe.splits.test", sizes.test, &test, err) ||
        spec_size(&job->spec, "probe.splits.bn", sizes.train, &bn, err) ||
        count_modes(&job->spec, arch, &modes, &recomputed, err))
        return -1;
    *ret = pass * points * ((double)(train + test) + recomputed / modes * (double)bn);
    return 0;
}

/* The run whose data and network a job has: itself, or the end b of a probe. */
static const struct spec *run_of(const struct plan *plan, const struct plan_job *job)
{
    if (job->spec.kind == JOB_TRAIN)
        return &job->spec;
    for (size_t i = 0; i < job->need_count; i++)
        if (strcmp(job->needs[i].role, "b") == 0)
            return &plan->jobs[job->needs[i].job].spec;
    return NULL;
}

int plan_cost(const struct plan *plan, size_t number, double *ret, struct error *err)
{
    const struct plan_job *job = &plan->jobs[number];
    const struct spec *run = run_of(plan, job);
    struct arch *arch;
    int rc;

    *ret = 0;
    if (job->whole[0] || job->spec.kind == JOB_DERIVE || !run)
        return 0;
    arch = arch_build(run, err);
    if (!arch)
        return -1;
    const double pass = 2 * arch_macs(arch);
    rc = job->spec.kind == JOB_TRAIN ? cost_run(run, pass, ret, err)
                                     : cost_probe(job, run, arch, pass, ret, err);
    arch_free(&arch);
    return rc;
}
