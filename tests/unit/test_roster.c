/* Who is connected, and whose turn it is. */

#include "coordinator/roster.h"

#include "common/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static const char *uuid(int n)
{
    static char text[HASH_TEXT];
    snprintf(text, sizeof text, "%032x", (unsigned)n);
    return text;
}

static struct wire_peer peer(uint8_t n)
{
    return (struct wire_peer){.size = 5, .id = {0, n}};
}

static struct worker *join(struct roster *roster, int n, uint32_t credit)
{
    struct wire_peer at = peer((uint8_t)n);
    struct worker *worker = roster_add(roster, uuid(n), n, 0, NULL);
    assert_non_null(worker);
    roster_connect(roster, worker, &at);
    worker->credit = credit;
    return worker;
}

static void a_worker_is_its_uuid(void **state)
{
    struct roster *roster = roster_new(NULL);
    struct wire_peer first = peer(1), second = peer(2), none = {0};
    struct worker *worker = join(roster, 1, 3);
    (void)state;

    assert_ptr_equal(roster_add(roster, uuid(1), 1, 50, NULL), worker);
    assert_int_equal(roster_count(roster), 1);
    /* the same connection again changes nothing, another one replaces it */
    roster_connect(roster, worker, &first);
    assert_int_equal(worker->credit, 3);
    roster_connect(roster, worker, &second);
    assert_int_equal(worker->credit, 0);
    assert_null(roster_by_peer(roster, &first));
    assert_ptr_equal(roster_by_peer(roster, &second), worker);
    roster_disconnect(worker);
    assert_null(roster_by_peer(roster, &second));
    assert_null(roster_by_peer(roster, &none));
    assert_ptr_equal(roster_by_uuid(roster, uuid(1)), worker);
    roster_free(&roster);
    roster_free(&roster);
}

static void a_connection_has_one_worker(void **state)
{
    struct roster *roster = roster_new(NULL);
    struct wire_peer at = peer(1);
    struct worker *one = join(roster, 1, 1), *two = join(roster, 2, 1);
    (void)state;

    roster_connect(roster, two, &at);
    assert_ptr_equal(roster_by_peer(roster, &at), two);
    assert_int_equal(one->peer.size, 0);
    assert_int_equal(one->credit, 0);
    roster_free(&roster);
}

static void those_with_credit_take_turns(void **state)
{
    struct roster *roster = roster_new(NULL);
    int given[4] = {0};
    struct worker *worker;
    (void)state;

    join(roster, 1, 5);
    join(roster, 2, 0);
    join(roster, 3, 5);
    for (int i = 0; i < 6; i++) {
        worker = roster_turn(roster, NULL, NULL);
        worker->credit--;
        given[worker->row]++;
    }
    assert_int_equal(given[1], 3);
    assert_int_equal(given[2], 0);
    assert_int_equal(given[3], 3);
    roster_disconnect(roster_by_uuid(roster, uuid(1)));
    roster_disconnect(roster_by_uuid(roster, uuid(3)));
    assert_null(roster_turn(roster, NULL, NULL));
    roster_free(&roster);
}

static void the_roster_is_bounded(void **state)
{
    struct roster *roster = roster_new(NULL);
    struct error err;
    (void)state;

    for (int i = 0; i < ROSTER_MAX; i++)
        assert_non_null(roster_add(roster, uuid(i), i, 0, NULL));
    assert_null(roster_add(roster, uuid(ROSTER_MAX), 1, 0, &err));
    assert_int_equal(err.code, ERR_BUSY);
    for (size_t i = roster_count(roster); i-- > 0;)
        if (roster_at(roster, i)->row % 2 == 0)
            roster_remove(roster, roster_at(roster, i));
    assert_int_equal(roster_count(roster), ROSTER_MAX / 2);
    assert_null(roster_by_uuid(roster, uuid(10)));
    assert_non_null(roster_by_uuid(roster, uuid(11)));
    roster_free(&roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_is_its_uuid),
        cmocka_unit_test(a_connection_has_one_worker),
        cmocka_unit_test(those_with_credit_take_turns),
        cmocka_unit_test(the_roster_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
