#ifndef COORD_PLANKIT_H
#define COORD_PLANKIT_H

/* Plans from the text of a grid, "g.toml" in messages. Every function asserts. */

#include "common/error.h"
#include "coordinator/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SWEEP "[sweep]\nname = \"s\"\n" /* lines 1 and 2 */

static inline struct plan *plankit_make(const char *text)
{
    struct error err = {0};
    struct plan *plan = plan_from_grid(text, strlen(text), "g.toml", &err);

    if (!plan)
        fail_msg("%s", err.text);
    return plan;
}

static inline void plankit_refuse(const char *text, const char *expected)
{
    struct error err = {0};
    struct plan *plan = plan_from_grid(text, strlen(text), "g.toml", &err);

    plan_free(&plan);
    assert_string_equal(err.text, expected);
}

/* A plan as a test writes it down: put appends it. */
static inline void plankit_expect(const char *text, const char *expected,
                                  void (*put)(const struct plan *, struct buf *))
{
    struct plan *plan = plankit_make(text);
    struct buf got = {0};

    put(plan, &got);
    assert_string_equal(got.data ? got.data : "", expected);
    buf_free(&got);
    plan_free(&plan);
}

/* Jobs, who asks for them, and what they need:
 * "1 baseline/0 | 2 run:up/0 | 3 p baseline/0 a 2 final b 1 final" */
static inline void plankit_put_jobs(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        buf_printf(out, "%s%zu", i ? " | " : "", i + 1);
        for (size_t m = 0; m < job->member_count; m++) {
            const struct plan_member *member = &job->members[m];
            buf_printf(out, "%s %s%s%s/%lld", m ? "," : "", member->probe,
                       *member->probe ? " " : "", member->intervention,
                       (long long)member->seed);
        }
        for (size_t n = 0; n < job->need_count; n++)
            buf_printf(out, " %s %zu %s", job->needs[n].role, job->needs[n].job + 1,
                       job->needs[n].state);
    }
}

#endif
