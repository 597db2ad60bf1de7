#include "coordinator/plan_make.h"

#include <stdlib.h>
#include <string.h>

/* Three probes for each of as many runs as there may be points. A job takes about
 * a kilobyte here, and a row of each of a few tables. */
enum { JOBS_MAX = 4 * POINTS_MAX };

static int no_memory(struct plan_maker *maker)
{
    return err_set(maker->err, ERR_NO_MEMORY, "%s: no memory for the plan",
                   maker->grid->file);
}

/* ---- jobs by key ------------------------------------------------------------- */

/* The slot that holds key, or the free one where it belongs. A key is a hash
 * already; its first 60 bits will do. */
static size_t *slot_of(const struct plan_maker *maker, const char *key)
{
    char digits[16];
    size_t at;

    memcpy(digits, key, 15);
    digits[15] = '\0';
    at = (size_t)strtoull(digits, NULL, 16) & (maker->slot_count - 1);
    while (maker->slots[at] != 0 &&
           strcmp(maker->plan->jobs[maker->slots[at] - 1].key, key) != 0)
        at = (at + 1) & (maker->slot_count - 1);
    return &maker->slots[at];
}

static int grow_slots(struct plan_maker *maker)
{
    struct plan *plan = maker->plan;
    size_t count = maker->slot_count ? 2 * maker->slot_count : 64;
    size_t *slots;

    if (2 * (plan->job_count + 1) < maker->slot_count)
        return 0;
    slots = calloc(count, sizeof *slots);
    if (!slots)
        return no_memory(maker);
    free(maker->slots);
    maker->slots = slots;
    maker->slot_count = count;
    for (size_t job = 0; job < plan->job_count; job++)
        *slot_of(maker, plan->jobs[job].key) = job + 1;
    return 0;
}

static int grow_jobs(struct plan_maker *maker)
{
    struct plan *plan = maker->plan;
    size_t room = maker->job_room ? 2 * maker->job_room : 16;
    struct plan_job *jobs;

    if (plan->job_count == JOBS_MAX)
        return err_set(maker->err, ERR_INVALID, "%s:1:1: the grid has more than %d jobs",
                       maker->grid->file, JOBS_MAX);
    if (plan->job_count < maker->job_room)
        return 0;
    jobs = reallocarray(plan->jobs, room, sizeof *jobs);
    if (!jobs)
        return no_memory(maker);
    plan->jobs = jobs;
    maker->job_room = room;
    return 0;
}

static int make_job(struct plan_maker *maker, struct spec spec, const struct buf *like,
                    struct plan_job *ret)
{
    struct plan_job job = {.spec = spec};

    if (like)
        spec_text_like(like, &spec, &job.text);
    else
        spec_text(&spec, &job.text);
    if (job.text.failed) {
        plan_free_job(&job);
        return no_memory(maker);
    }
    if (job.text.size > SPEC_TEXT_MAX) {
        plan_free_job(&job);
        return err_set(maker->err, ERR_INVALID,
                       "%s:1:1: a job's spec is longer than %d bytes", maker->grid->file,
                       SPEC_TEXT_MAX);
    }
    hash_bytes(job.text.data, job.text.size, job.key);
    *ret = job;
    return 0;
}

bool plan_has_job(const struct plan_maker *maker, const char *key)
{
    return maker->slot_count > 0 && *slot_of(maker, key) != 0;
}

int plan_add_job(struct plan_maker *maker, struct spec spec, const struct buf *like,
                 size_t *ret_job)
{
    struct plan *plan = maker->plan;
    struct plan_job job;
    size_t *slot;

    if (make_job(maker, spec, like, &job))
        return -1;
    if (grow_slots(maker) || grow_jobs(maker)) {
        plan_free_job(&job);
        return -1;
    }
    slot = slot_of(maker, job.key);
    if (*slot == 0) {
        plan->jobs[plan->job_count++] = job;
        *slot = plan->job_count;
    } else
        plan_free_job(&job);
    *ret_job = *slot - 1;
    return 0;
}

/* ---- members ----------------------------------------------------------------- */

static void free_member(struct plan_member *member)
{
    for (size_t i = 0; i < member->param_count; i++)
        value_free(&member->params[i].value);
    free(member->params);
}

/* Takes ownership of member, also on failure. */
static int push_member(struct plan_maker *maker, size_t to, struct plan_member member)
{
    struct plan_job *job = &maker->plan->jobs[to];
    struct plan_member *members =
        reallocarray(job->members, job->member_count + 1, sizeof *members);

    if (!members) {
        free_member(&member);
        return no_memory(maker);
    }
    job->members = members;
    job->members[job->member_count++] = member;
    return 0;
}

/* Append a parameter; room is the caller's care. */
static int add_param(struct plan_member *member, const char *name,
                     const struct value *value, struct error *err)
{
    struct plan_param *param = &member->params[member->param_count];

    if (value_copy(value, &param->value, err))
        return -1;
    param->name = name;
    member->param_count++;
    return 0;
}

static int make_params(struct plan_maker *maker, size_t count, struct plan_member *member)
{
    member->params = calloc(count ? count : 1, sizeof *member->params);
    member->param_count = 0;
    return member->params ? 0 : no_memory(maker);
}

int plan_add_member(struct plan_maker *maker, size_t job, const struct point *point,
                    const char *probe)
{
    struct plan_member member = {
        .intervention = point->intervention->name,
        .role = point->intervention->role,
        .probe = probe,
        .seed = point->seed,
    };

    if (make_params(maker, point->setting_count, &member))
        return -1;
    for (size_t i = 0; i < point->setting_count; i++)
        if (add_param(&member, point->settings[i]->opt->name, &point->settings[i]->value,
                      maker->err)) {
            free_member(&member);
            return -1;
        }
    return push_member(maker, job, member);
}

int plan_copy_member(struct plan_maker *maker, size_t job,
                     const struct plan_member *member, const char *probe)
{
    struct plan_member copy = *member;

    copy.probe = probe;
    if (make_params(maker, member->param_count, &copy))
        return -1;
    for (size_t i = 0; i < member->param_count; i++)
        if (add_param(&copy, member->params[i].name, &member->params[i].value,
                      maker->err)) {
            free_member(&copy);
            return -1;
        }
    return push_member(maker, job, copy);
}

static bool same_member(const struct plan_member *a, const struct plan_member *b)
{
    bool same = a->seed == b->seed && a->param_count == b->param_count &&
                strcmp(a->intervention, b->intervention) == 0 &&
                strcmp(a->probe, b->probe) == 0;

    for (size_t i = 0; same && i < a->param_count; i++)
        same = strcmp(a->params[i].name, b->params[i].name) == 0 &&
               value_equal(&a->params[i].value, &b->params[i].value);
    return same;
}

void plan_drop_double(struct plan_job *job)
{
    struct plan_member *last = &job->members[job->member_count - 1];

    for (size_t i = 0; i + 1 < job->member_count; i++)
        if (same_member(&job->members[i], last)) {
            free_member(last);
            job->member_count--;
            return;
        }
}

void plan_free_job(struct plan_job *job)
{
    for (size_t i = 0; i < job->member_count; i++)
        free_member(&job->members[i]);
    free(job->members);
    free(job->needs);
    buf_free(&job->text);
    spec_free(&job->spec);
}
