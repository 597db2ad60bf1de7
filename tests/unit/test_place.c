#include "worker/nn/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool overlap(const struct span *a, const struct span *b)
{
    return a->from <= b->to && b->from <= a->to && a->place < b->place + b->size &&
           b->place < a->place + a->size;
}

static void check(struct span *spans, int count, size_t total)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(spans[i].place % PLACE_ALIGN, 0);
        assert_true(spans[i].place + spans[i].size <= total);
        for (int k = 0; k < i; k++)
            assert_false(overlap(&spans[i], &spans[k]));
    }
}

/* A chain of which only two are alive at a time: two rooms do. */
static void rooms_are_used_again(void **state)
{
    struct span spans[10];
    size_t total;
    (void)state;

    for (int i = 0; i < 10; i++)
        spans[i] = (struct span){160, i, i + 1, 7};
    assert_int_equal(place_spans(spans, 10, &total, NULL), 0);
    check(spans, 10, total);
    assert_int_equal(total, 320);
}

static void random_lives_do_not_meet(void **state)
{
    enum { COUNT = 120 };
    uint64_t x = 1;
    (void)state;

    for (int round = 0; round < 50; round++) {
        struct span spans[COUNT];
        size_t total, sum = 0;
        for (int i = 0; i < COUNT; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            const int from = (int)(x >> 40) % 60;
            spans[i] =
                (struct span){(x >> 20) % 1000, from, from + (int)((x >> 52) % 30), 0};
            sum += spans[i].size + PLACE_ALIGN;
        }
        assert_int_equal(place_spans(spans, COUNT, &total, NULL), 0);
        check(spans, COUNT, total);
        assert_true(total < sum);
    }
}

static void too_much_saturates(void **state)
{
    struct span spans[2] = {{SIZE_MAX - 100, 0, 1, 0}, {SIZE_MAX / 2, 0, 1, 0}};
    size_t total;
    (void)state;

    assert_int_equal(place_spans(spans, 2, &total, NULL), 0);
    assert_true(total == SIZE_MAX);
    assert_int_equal(place_spans(spans, 0, &total, NULL), 0);
    assert_int_equal(total, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_are_used_again),
        cmocka_unit_test(random_lives_do_not_meet),
        cmocka_unit_test(too_much_saturates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
