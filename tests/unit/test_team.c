#include "worker/nn/team.h"

#include "common/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 97, ROUNDS = 3000 };

/* What each item did: written by one member, read by the caller afterwards. */
struct work {
    int count;
    int times[ITEMS], who[ITEMS];
    int64_t sum; /* of the round before, read by all members */
    int64_t made[ITEMS];
};

static void do_item(void *arg, int item, int who)
{
    struct work *work = arg;

    work->times[item]++;
    work->who[item] = who;
    work->made[item] = work->sum + item;
}

/* Rounds of all sizes, one straight after another, each reading what the one
 * before wrote. */
static void every_item_is_done_once(void **state)
{
    (void)state;
    for (int size = 1; size <= 5; size++) {
        struct team *team = team_new(size, NULL);
        struct work work = {0};
        assert_non_null(team);
        assert_int_equal(team_size(team), size);
        for (int round = 0; round < ROUNDS; round++) {
            const int count = round % (ITEMS + 1);
            int64_t want = 0;
            memset(work.times, 0, sizeof work.times);
            team_run(team, count, do_item, &work);
            for (int i = 0; i < ITEMS; i++) {
                assert_int_equal(work.times[i], i < count);
                assert_in_range(work.who[i], 0, size - 1);
                if (i < count) {
                    assert_true(work.made[i] == work.sum + i);
                    want += work.made[i] % 1000;
                }
            }
            work.sum = want;
        }
        team_free(&team);
        assert_null(team);
    }
}

static void nobody_is_a_team_of_one(void **state)
{
    struct work work = {0};
    struct team *none = NULL;
    (void)state;

    assert_int_equal(team_size(NULL), 1);
    team_run(NULL, 5, do_item, &work);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(work.times[i], i < 5);
    team_free(&none);
}

static void sizes_are_checked(void **state)
{
    struct error err;
    (void)state;

    assert_null(team_new(0, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(team_new(65, &err));
    assert_non_null(strstr(err.text, "65"));
}

/* A team that never works; members asleep and members just started. */
static void teams_end(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct team *team = team_new(4, NULL);
        assert_non_null(team);
        team_free(&team);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_done_once),
        cmocka_unit_test(nobody_is_a_team_of_one),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(teams_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
