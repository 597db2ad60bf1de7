/* Random numbers: Random123's known answers for Philox4x32-10, every stream
 * pinned (computed independently, with Python integers), and what the draws
 * must be distributed like. A pinned value that changes means that every result
 * changes: raise SPEC_NUMERICS. */

#include "common/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(array) (sizeof(array) / sizeof(array)[0])

/* kat_vectors of Random123: zeros, ones, digits of pi. */
static void known_answers(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rng rng = {.used = 4};
        memcpy(rng.counter, rows[i].counter, sizeof rng.counter);
        memcpy(rng.key, rows[i].key, sizeof rng.key);
        for (int word = 0; word < 4; word++)
            assert_int_equal(rng_u32(&rng), rows[i].expected[word]);
    }
}

/* Seed 123456789abcdef0, epoch 2, index 3. */
static void streams_are_pinned(void **state)
{
    static const struct {
        enum rng_stream stream;
        uint32_t expected[4];
    } rows[] = {
        {RNG_INIT, {0x500d5144u, 0x866f6d68u, 0xbd1eb941u, 0x81752700u}},
        {RNG_ORDER, {0xf6fb896eu, 0xeef4a154u, 0xd6739f96u, 0x2f076caeu}},
        {RNG_AUGMENT, {0xffc35c43u, 0xbb0e875fu, 0xc1081cc0u, 0x0c690888u}},
        {RNG_LABELS, {0xa41ec581u, 0x27b6a123u, 0x9c37a3e0u, 0x44f17d0bu}},
        {RNG_DROPOUT, {0x3eeb5fdfu, 0x19aa8909u, 0xdc6f147fu, 0xb80abc73u}},
        {RNG_SUBSET, {0x5941c37cu, 0x7b7a0bb7u, 0x372ff89fu, 0x174a882eu}},
        {RNG_DATA, {0xd0842a2cu, 0xfd22db1cu, 0xd1fcd3d3u, 0x0447099du}},
        {RNG_PROBE, {0x906057e7u, 0x59ed1060u, 0x244b8b3fu, 0x5a46fa2cu}},
        {RNG_ZERO, {0xa0bd8fa1u, 0x0ec4369au, 0xf3ce8cf1u, 0x3f3b9deeu}},
        {RNG_SHUFFLE, {0xe9073c29u, 0xbc7b279eu, 0xd267b39du, 0x12aa298bu}},
        {RNG_PERMUTE, {0xe3045ee8u, 0x0afd983eu, 0x4100b650u, 0x3fd257f4u}},
        {RNG_NOISE, {0xb07da94fu, 0xf447cd38u, 0x657f68e2u, 0x501f4c5du}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rng rng = rng_at(0x123456789abcdef0u, rows[i].stream, 2, 3);
        for (int word = 0; word < 4; word++)
            assert_int_equal(rng_u32(&rng), rows[i].expected[word]);
    }
}

static void draws_are_pinned(void **state)
{
    static const uint32_t below[] = {72, 98, 381, 323, 201, 588, 668, 956};
    static const uint32_t rejecting[] = {233148518,  318431919,  1227755179, 647964149,
                                         2153583461, 3080420395, 347908784,  3030990832};
    static const uint32_t order[] = {1, 2, 7, 4, 5, 3, 6, 0, 8, 9};
    struct rng rng = rng_at(42, RNG_SUBSET, 0, 0);
    uint32_t drawn[10];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(below); i++)
        assert_int_equal(rng_below(&rng, 1000), below[i]);
    /* With n = 3 * 2^30 a quarter of the words is rejected. */
    rng = rng_at(42, RNG_SUBSET, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(rejecting); i++)
        assert_int_equal(rng_below(&rng, 3u << 30), rejecting[i]);
    rng = rng_at(42, RNG_ORDER, 1, 0);
    rng_permutation(&rng, drawn, 10);
    assert_memory_equal(drawn, order, sizeof order);
}

/* To the last bit here; and near what the C library makes of the same words. */
static void normals_are_pinned(void **state)
{
    static const double expected[] = {
        0x1.22429b8083b1bp-1,  /* 0.566914 */
        -0x1.7f7c9ee804715p+0, /* -1.497995 */
        -0x1.539f973e45396p-1, /* -0.663327 */
        0x1.04111c1b7ad4cp+1,  /* 2.031772 */
        -0x1.cd1c3a8af77ddp-1, /* -0.900606 */
        0x1.d00da72bad37dp-2,  /* 0.453177 */
    };
    struct rng rng = rng_at(42, RNG_INIT, 0, 5);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_true(rng_normal(&rng) == expected[i]);
}

static void normals_agree_with_libm(void **state)
{
    struct rng rng = rng_at(1, RNG_PROBE, 0, 0);

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct rng words = rng;
        double u = 1 - rng_uniform(&words), v = rng_uniform(&words);
        double expected = sqrt(-2 * log(u)) * cos(6.28318530717958647693 * v);

        assert_true(fabs(rng_normal(&rng) - expected) < 1e-14);
    }
}

/* The extreme words: u = 1 gives 0, and the smallest u the largest normal. */
static void normals_are_bounded(void **state)
{
    struct rng rng = {.used = 0};

    (void)state;
    assert_true(rng_normal(&rng) == 0);
    rng = (struct rng){.block = {UINT32_MAX, 0}};
    assert_true(fabs(rng_normal(&rng) - 5.768108) < 1e-6);
    rng = (struct rng){.block = {UINT32_MAX, 0x80000000}};
    assert_true(fabs(rng_normal(&rng) + 5.768108) < 1e-6);
}

/* Any change of what a number is for gives other numbers, and the same gives
 * the same wherever the draws before it went. */
static void draws_depend_on_their_purpose_alone(void **state)
{
    struct rng base = rng_at(1, RNG_AUGMENT, 2, 3);
    struct rng others[] = {
        rng_at(2, RNG_AUGMENT, 2, 3), rng_at(1 + (UINT64_C(1) << 32), RNG_AUGMENT, 2, 3),
        rng_at(1, RNG_LABELS, 2, 3),  rng_at(1, RNG_AUGMENT, 3, 3),
        rng_at(1, RNG_AUGMENT, 2, 4), rng_at(1, RNG_AUGMENT, 3, 2),
    };
    uint32_t first = rng_u32(&base);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_not_equal(rng_u32(&others[i]), first);
    for (int i = 0; i < 1000; i++)
        rng_u32(&base);
    base = rng_at(1, RNG_AUGMENT, 2, 3);
    assert_int_equal(rng_u32(&base), first);
}

static void uniforms_have_24_bits(void **state)
{
    struct rng rng = {.block = {UINT32_MAX, 0, 0x80000000, 0xFF}};

    (void)state;
    assert_true(rng_uniform(&rng) == 1 - 0x1p-24);
    assert_true(rng_uniform(&rng) == 0);
    assert_true(rng_uniform(&rng) == 0.5);
    assert_true(rng_uniform(&rng) == 0);
}

static void moments_are_right(void **state)
{
    enum { COUNT = 1000000 };
    struct rng rng = rng_at(3, RNG_DATA, 0, 0);
    double uniform = 0, normal = 0, square = 0, fourth = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        uniform += rng_uniform(&rng);
    for (int i = 0; i < COUNT; i++) {
        double x = rng_normal(&rng);
        normal += x;
        square += x * x;
        fourth += x * x * x * x;
    }
    /* Five standard errors each: sqrt(1/12), 1, sqrt(2), sqrt(96) over 1000. */
    assert_true(fabs(uniform / COUNT - 0.5) < 0.0015);
    assert_true(fabs(normal / COUNT) < 0.005);
    assert_true(fabs(square / COUNT - 1) < 0.0071);
    assert_true(fabs(fourth / COUNT - 3) < 0.05);
}

static double chi_square(const uint32_t *seen, size_t cells, double expected)
{
    double sum = 0;

    for (size_t i = 0; i < cells; i++)
        sum += (seen[i] - expected) * (seen[i] - expected) / expected;
    return sum;
}

/* n = 3 * 2^30 again: a plain remainder would favour the lowest third. */
static void below_is_unbiased(void **state)
{
    uint32_t seen[6] = {0}, thirds[3] = {0};
    struct rng rng = rng_at(4, RNG_DATA, 0, 0);

    (void)state;
    for (int i = 0; i < 60000; i++)
        seen[rng_below(&rng, 6)]++;
    for (int i = 0; i < 60000; i++)
        thirds[rng_below(&rng, 3u << 30) >> 30]++;
    /* The 1 - 1e-4 quantiles of chi-square with 5 and 2 degrees of freedom. */
    assert_true(chi_square(seen, 6, 10000) < 25.7);
    assert_true(chi_square(thirds, 3, 20000) < 18.4);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&rng, 1), 0);
}

static void permutations_hold_everything_once(void **state)
{
    enum { COUNT = 60000 };
    static uint32_t order[COUNT];
    static unsigned char seen[COUNT];
    struct rng rng = rng_at(5, RNG_ORDER, 0, 0);

    (void)state;
    rng_permutation(&rng, order, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_true(order[i] < COUNT);
        assert_int_equal(seen[order[i]]++, 0);
    }
    rng_permutation(&rng, order, 0);
    rng_permutation(&rng, order, 1);
    assert_int_equal(order[0], 0);
}

/* All 24 orders of four things, equally often. */
static void permutations_are_uniform(void **state)
{
    uint32_t seen[256] = {0}, counts[24], order[4];
    struct rng rng = rng_at(6, RNG_ORDER, 0, 0);
    size_t cells = 0;

    (void)state;
    for (int i = 0; i < 48000; i++) {
        rng_permutation(&rng, order, 4);
        seen[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        if (seen[i] == 0)
            continue;
        assert_true(cells < 24);
        counts[cells++] = seen[i];
    }
    assert_int_equal(cells, 24);
    /* The 1 - 1e-4 quantile with 23 degrees of freedom. */
    assert_true(chi_square(counts, 24, 2000) < 56.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(streams_are_pinned),
        cmocka_unit_test(draws_are_pinned),
        cmocka_unit_test(normals_are_pinned),
        cmocka_unit_test(normals_agree_with_libm),
        cmocka_unit_test(normals_are_bounded),
        cmocka_unit_test(draws_depend_on_their_purpose_alone),
        cmocka_unit_test(uniforms_have_24_bits),
        cmocka_unit_test(moments_are_right),
        cmocka_unit_test(below_is_unbiased),
        cmocka_unit_test(permutations_hold_everything_once),
        cmocka_unit_test(permutations_are_uniform),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
