/* How often and when a job is tried again; whose machine is to blame. */

#include "coordinator/needs.h"
#include "coordinator/suspicion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void retries_by_cause(void **state)
{
    static const char TEXT[] = "{\"exit\":1,\"worker-lost\":9,\"oom\":0}";
    (void)state;

    assert_int_equal(needs_retries(TEXT, CAUSE_EXIT), 1);
    assert_int_equal(needs_retries(TEXT, CAUSE_WORKER_LOST), 9);
    assert_int_equal(needs_retries(TEXT, CAUSE_OOM), 0);
    /* The rest as ever. */
    assert_int_equal(needs_retries(TEXT, CAUSE_SIGNAL), job_cause_retries(CAUSE_SIGNAL));
    assert_int_equal(needs_retries("", CAUSE_EXIT), 0);
    assert_int_equal(needs_retries("{\"preempted\":0}", CAUSE_PREEMPTED), -1);
}

static void backoff_doubles_and_is_bounded(void **state)
{
    int64_t before = 0, differs = 0;
    (void)state;

    for (int n = 1; n <= 9; n++) {
        const int64_t wait = needs_backoff(CAUSE_SIGNAL, n, 7, 1);
        const int64_t middle = 1000 << (n - 1);
        assert_in_range(wait, middle * 3 / 4, middle * 5 / 4);
        assert_true(wait > before);
        before = wait;
    }
    assert_in_range(needs_backoff(CAUSE_EXIT, 100, 7, 1), 225000, NEEDS_BACKOFF_MAX_MS);
    for (int job = 1; job <= 100; job++)
        differs += needs_backoff(CAUSE_EXIT, 1, job, 1) !=
                   needs_backoff(CAUSE_EXIT, 1, job + 1, 1);
    assert_true(differs > 90);
    /* What was not its doing: at once, or the first time. */
    assert_int_equal(needs_backoff(CAUSE_PREEMPTED, 50, 7, 1), 0);
    assert_int_equal(needs_backoff(CAUSE_WORKER_LOST, 1, 7, 1), 0);
    assert_in_range(needs_backoff(CAUSE_WORKER_LOST, 2, 7, 1), 750, 1250);
}

/* T29 */
static void five_in_a_row_that_succeed_elsewhere(void **state)
{
    struct suspicion suspicion = {0};
    (void)state;

    for (int64_t job = 1; job <= 4; job++)
        suspicion_failed(&suspicion, job);
    suspicion_failed(&suspicion, 4); /* each once */
    assert_false(suspicion_doubts(&suspicion));
    suspicion_failed(&suspicion, 5);
    assert_true(suspicion_doubts(&suspicion));
    for (int64_t job = 1; job <= 4; job++)
        assert_false(suspicion_elsewhere(&suspicion, job));
    assert_false(suspicion_elsewhere(&suspicion, 99)); /* not one of them */
    assert_false(suspicion_elsewhere(&suspicion, 4));  /* known */
    assert_true(suspicion_elsewhere(&suspicion, 5));
}

static void a_success_or_the_jobs_own_fault_ends_it(void **state)
{
    struct suspicion suspicion = {0};
    (void)state;

    for (int64_t job = 1; job <= 5; job++)
        suspicion_failed(&suspicion, job);
    suspicion_forget(&suspicion, 2); /* failed elsewhere too */
    assert_false(suspicion_doubts(&suspicion));
    for (int64_t job = 1; job <= 5; job++)
        assert_false(suspicion_elsewhere(&suspicion, job));
    suspicion_failed(&suspicion, 6);
    suspicion_succeeded(&suspicion);
    assert_false(suspicion_doubts(&suspicion));
    assert_false(suspicion_elsewhere(&suspicion, 6));
    for (int64_t job = 1; job <= 100; job++)
        suspicion_failed(&suspicion, job); /* bounded */
    assert_int_equal(suspicion.count, SUSPICION_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_by_cause),
        cmocka_unit_test(backoff_doubles_and_is_bounded),
        cmocka_unit_test(five_in_a_row_that_succeed_elsewhere),
        cmocka_unit_test(a_success_or_the_jobs_own_fault_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
