/* Leases under a clock of the test's own. */

#include "coordinator/lease.h"

#include "common/error.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct lease lease_until(int64_t job, int64_t deadline_ms)
{
    return (struct lease){.job = job, .attempt = 1, .deadline_ms = deadline_ms};
}

static void expires_at_its_deadline_and_once(void **state)
{
    struct lease_list list = {0};
    struct lease expired = {0};
    (void)state;

    assert_int_equal(lease_grant(&list, lease_until(7, 1000), NULL), 0);
    assert_int_equal(lease_grant(&list, lease_until(8, 2000), NULL), 0);
    assert_false(lease_take_expired(&list, 999, &expired));
    assert_int_equal(expired.job, 0);
    assert_true(lease_take_expired(&list, 1000, &expired));
    assert_int_equal(expired.job, 7);
    assert_false(lease_take_expired(&list, 1000, &expired));
    assert_int_equal(list.count, 1);
    lease_free(&list);
}

static void a_sign_of_life_renews_what_is_not_in_doubt(void **state)
{
    struct lease_list list = {0};
    struct lease expired;
    struct msg_running running[] = {{.job = 7, .attempt = 1}};
    (void)state;

    lease_grant(&list, lease_until(7, 1000), NULL);
    lease_grant(&list, lease_until(8, 1000), NULL);
    assert_int_equal(lease_listed(&list, running, 1, 3000), 1);
    lease_renew(&list, 4000);
    assert_true(lease_take_expired(&list, 1000, &expired));
    assert_int_equal(expired.job, 8);
    assert_false(lease_take_expired(&list, 3999, &expired));
    assert_true(lease_take_expired(&list, 4000, &expired));
    lease_free(&list);
}

static void being_listed_ends_the_doubt(void **state)
{
    struct lease_list list = {0};
    struct msg_running running[] = {
        {.job = 7, .attempt = 1}, {.job = 7, .attempt = 1}, {.job = 9, .attempt = 1}};
    (void)state;

    lease_grant(&list, lease_until(7, 1000), NULL);
    assert_int_equal(lease_listed(&list, NULL, 0, 2000), 1);
    assert_int_equal(lease_find(&list, 7, 1)->deadline_ms, 1000);
    /* named twice, and with one that is not ours: still one lease */
    assert_int_equal(lease_listed(&list, running, 3, 2000), 0);
    assert_int_equal(lease_find(&list, 7, 1)->deadline_ms, 2000);
    assert_false(lease_find(&list, 7, 1)->doubted);
    lease_free(&list);
}

static void another_attempt_is_another_lease(void **state)
{
    struct lease_list list = {0};
    struct msg_running running[] = {{.job = 7, .attempt = 2}};
    (void)state;

    lease_grant(&list, lease_until(7, 1000), NULL);
    assert_null(lease_find(&list, 7, 2));
    assert_false(lease_drop(&list, 7, 2));
    assert_int_equal(lease_listed(&list, running, 1, 2000), 1);
    assert_true(lease_drop(&list, 7, 1));
    assert_false(lease_drop(&list, 7, 1));
    lease_free(&list);
}

static void a_gap_of_the_coordinator_is_nobodys_fault(void **state)
{
    struct lease_list list = {0};
    struct lease expired;
    (void)state;

    lease_grant(&list, lease_until(7, 1000), NULL);
    lease_extend(&list, 60000);
    assert_false(lease_take_expired(&list, 60999, &expired));
    assert_true(lease_take_expired(&list, 61000, &expired));
    lease_free(&list);
}

static void the_list_is_bounded(void **state)
{
    struct lease_list list = {0};
    struct lease lease;
    struct error err;
    int taken = 0;
    (void)state;

    for (int i = 0; i < PROTO_RUNNING_MAX; i++)
        assert_int_equal(lease_grant(&list, lease_until(i + 1, 0), NULL), 0);
    assert_int_equal(lease_grant(&list, lease_until(5000, 0), &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    while (lease_take(&list, &lease))
        taken++;
    assert_int_equal(taken, PROTO_RUNNING_MAX);
    lease_free(&list);
    lease_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_at_its_deadline_and_once),
        cmocka_unit_test(a_sign_of_life_renews_what_is_not_in_doubt),
        cmocka_unit_test(being_listed_ends_the_doubt),
        cmocka_unit_test(another_attempt_is_another_lease),
        cmocka_unit_test(a_gap_of_the_coordinator_is_nobodys_fault),
        cmocka_unit_test(the_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
