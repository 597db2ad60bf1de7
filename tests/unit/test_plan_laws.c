/* What holds of every grid, tried on many: axes, zips, excludes, includes and derived
 * states drawn at random; an expansion is a set of keys, and its parts obey set laws. */

#include "tests/unit/plankit.h"

#include "common/rng.h"

#include <stdio.h>
#include <stdlib.h>

enum { GRIDS = 25 };

/* One axis of a random grid: values that differ, and a text of each. */
static const struct {
    const char *option;
    const char *values[4];
} AXES[] = {
    {"optimizer.lr", {"0.1", "0.2", "0.3", "0.4"}},
    {"optimizer.batch", {"16", "32", "64", "128"}},
    {"train.epochs", {"1", "2", "3", "4"}},
    {"model.activation", {"\"relu\"", "\"tanh\"", "\"sigmoid\"", "\"gelu\""}},
};

enum { AXIS_COUNT = sizeof AXES / sizeof AXES[0] };

/* A random grid's sizes. */
struct draw {
    uint32_t sizes[AXIS_COUNT]; /* values on each axis, 1 .. 4 */
    uint32_t seeds;
    uint32_t out[2]; /* an exclude: values of the first two axes */
};

static struct draw draw(struct rng *rng)
{
    struct draw d;

    for (int i = 0; i < AXIS_COUNT; i++)
        d.sizes[i] = 1 + rng_below(rng, 4);
    d.seeds = 1 + rng_below(rng, 3);
    d.out[0] = rng_below(rng, d.sizes[0]);
    d.out[1] = rng_below(rng, d.sizes[1]);
    return d;
}

static void put_axis(struct buf *out, int axis, uint32_t size)
{
    buf_printf(out, "\"%s\" = [", AXES[axis].option);
    for (uint32_t i = 0; i < size; i++)
        buf_printf(out, "%s%s", i ? ", " : "", AXES[axis].values[i]);
    buf_puts(out, "]\n");
}

static void put_head(struct buf *out, const struct draw *d)
{
    buf_printf(out, SWEEP "seeds = %u\n", d->seeds);
}

static void put_axes(struct buf *out, const struct draw *d)
{
    buf_puts(out, "[axes]\n");
    for (int i = 0; i < AXIS_COUNT; i++)
        put_axis(out, i, d->sizes[i]);
}

static uint32_t product(const struct draw *d)
{
    uint32_t points = d->seeds;

    for (int i = 0; i < AXIS_COUNT; i++)
        points *= d->sizes[i];
    return points;
}

static bool has_key(const struct plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->job_count; i++)
        if (strcmp(plan->jobs[i].key, key) == 0)
            return true;
    return false;
}

/* No two jobs have one key, each follows what it needs, and somebody asks for it. */
static void check_plan(const struct plan *plan)
{
    for (size_t i = 0; i < plan->job_count; i++) {
        assert_true(plan->jobs[i].member_count > 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(plan->jobs[i].key, plan->jobs[j].key);
        for (size_t n = 0; n < plan->jobs[i].need_count; n++)
            assert_true(plan->jobs[i].needs[n].job < i);
    }
}

static bool is_within(const struct plan *part, const struct plan *whole)
{
    for (size_t i = 0; i < part->job_count; i++)
        if (!has_key(whole, part->jobs[i].key))
            return false;
    return true;
}

static size_t shared(const struct plan *a, const struct plan *b)
{
    size_t count = 0;

    for (size_t i = 0; i < a->job_count; i++)
        count += has_key(b, a->jobs[i].key);
    return count;
}

static struct plan *make(struct buf *text)
{
    struct plan *plan = plankit_make(text->data);

    check_plan(plan);
    buf_free(text);
    return plan;
}

static struct plan *make_axes(const struct draw *d)
{
    struct buf text = {0};

    put_head(&text, d);
    put_axes(&text, d);
    return make(&text);
}

/* As many points as the product says, every one another job. */
static void test_axes(void **state)
{
    struct rng rng = rng_at(1, RNG_DATA, 0, 0);

    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        const struct draw d = draw(&rng);
        struct plan *plan = make_axes(&d);
        assert_int_equal(plan->job_count, product(&d));
        assert_int_equal(plan->point_count, product(&d));
        plan_free(&plan);
    }
}

static void put_include(struct buf *out, const uint32_t at[AXIS_COUNT])
{
    buf_puts(out, "[[include]]\nset = { ");
    for (int a = 0; a < AXIS_COUNT; a++)
        buf_printf(out, "%s\"%s\" = %s", a ? ", " : "", AXES[a].option,
                   AXES[a].values[at[a]]);
    buf_puts(out, " }\n");
}

/* An exclude takes exactly its points away, also where an include names one. */
static void test_exclude(void **state)
{
    struct rng rng = rng_at(2, RNG_DATA, 0, 0);

    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        const struct draw d = draw(&rng);
        const uint32_t picked = product(&d) / d.sizes[0] / d.sizes[1];
        const uint32_t at[AXIS_COUNT] = {d.out[0], d.out[1]};
        struct buf less = {0}, again = {0};
        if (picked == product(&d))
            continue; /* nothing would be left */
        struct plan *whole = make_axes(&d);
        put_head(&less, &d);
        put_axes(&less, &d);
        buf_printf(&less, "[[exclude]]\nwhere = { \"%s\" = %s, \"%s\" = %s }\n",
                   AXES[0].option, AXES[0].values[d.out[0]], AXES[1].option,
                   AXES[1].values[d.out[1]]);
        buf_add(&again, less.data, less.size);
        put_include(&again, at);
        struct plan *left = make(&less), *same = make(&again);
        assert_int_equal(left->job_count, product(&d) - picked);
        assert_true(is_within(left, whole));
        assert_int_equal(same->job_count, left->job_count);
        assert_true(is_within(same, left));
        plan_free(&whole);
        plan_free(&left);
        plan_free(&same);
    }
}

/* Includes are a union: a grid without the last value of an axis, and its points one by
 * one, are the grid. */
static void test_include_is_a_union(void **state)
{
    struct rng rng = rng_at(5, RNG_DATA, 0, 0);

    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        const struct draw d = draw(&rng);
        struct draw smaller = d;
        struct buf text = {0};
        if (d.sizes[0] == 1)
            continue;
        smaller.sizes[0]--;
        struct plan *whole = make_axes(&d);
        put_head(&text, &smaller);
        put_axes(&text, &smaller);
        for (uint32_t e = 0; e < d.sizes[1] * d.sizes[2] * d.sizes[3]; e++) {
            const uint32_t at[AXIS_COUNT] = {smaller.sizes[0], e % d.sizes[1],
                                             e / d.sizes[1] % d.sizes[2],
                                             e / d.sizes[1] / d.sizes[2]};
            put_include(&text, at);
        }
        struct plan *all = make(&text);
        assert_int_equal(all->job_count, whole->job_count);
        assert_true(is_within(all, whole));
        plan_free(&whole);
        plan_free(&all);
    }
}

/* What is included twice, or is there, is one job. */
static void test_include_is_idempotent(void **state)
{
    struct rng rng = rng_at(3, RNG_DATA, 0, 0);

    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        const struct draw d = draw(&rng);
        struct plan *whole = make_axes(&d);
        struct buf text = {0};
        put_head(&text, &d);
        put_axes(&text, &d);
        put_include(&text, (const uint32_t[AXIS_COUNT]){0});
        put_include(&text, (const uint32_t[AXIS_COUNT]){0});
        struct plan *same = make(&text);
        assert_int_equal(same->job_count, whole->job_count);
        assert_true(is_within(same, whole));
        plan_free(&whole);
        plan_free(&same);
    }
}

/* A zip is the diagonal of a product: within it, as long as its axes; zips multiply. */
static void test_zip(void **state)
{
    struct rng rng = rng_at(4, RNG_DATA, 0, 0);

    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        struct draw d = draw(&rng);
        struct buf zipped = {0};
        d.sizes[1] = d.sizes[0];
        d.sizes[3] = d.sizes[2];
        struct plan *whole = make_axes(&d);
        put_head(&zipped, &d);
        for (int a = 0; a < AXIS_COUNT; a++) {
            if (a % 2 == 0)
                buf_puts(&zipped, "[[zip]]\n");
            put_axis(&zipped, a, d.sizes[a]);
        }
        struct plan *diagonal = make(&zipped);
        assert_int_equal(diagonal->job_count, d.seeds * d.sizes[0] * d.sizes[2]);
        assert_true(is_within(diagonal, whole));
        plan_free(&whole);
        plan_free(&diagonal);
    }
}

/* One seed more adds exactly the jobs of that seed: those of no other are its. */
static void test_one_seed_more(void **state)
{
    static const char REST[] =
        "[run.up]\nset = { optimizer.lr = 0.5 }\n"
        "[derive.d]\nkind = \"point\"\nprobe = \"p\"\n"
        "[derive.e]\nkind = \"noise\"\nfrom = \"run:up\"\nnorm = 0.1\n"
        "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
        "axes = { init.from = [\"derive:d\", \"derive:e\", \"run:up\"] }\n"
        "[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = 3\n";
    struct buf three = {0}, four = {0}, last = {0};

    (void)state;
    buf_printf(&three, SWEEP "seeds = 3\n%s", REST);
    buf_printf(&four, SWEEP "seeds = 4\n%s", REST);
    buf_printf(&last, SWEEP "seeds = [3]\n%s", REST);
    struct plan *a = make(&three), *b = make(&four), *c = make(&last);
    assert_true(is_within(a, b));
    assert_true(is_within(c, b));
    assert_int_equal(shared(a, c), 0);
    assert_int_equal(b->job_count, a->job_count + c->job_count);
    assert_int_equal(a->job_count, 3 * c->job_count);
    plan_free(&a);
    plan_free(&b);
    plan_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_exclude),
        cmocka_unit_test(test_include_is_a_union),
        cmocka_unit_test(test_include_is_idempotent),
        cmocka_unit_test(test_zip),
        cmocka_unit_test(test_one_seed_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
