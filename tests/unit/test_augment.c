/* Flips mirror, crops move by at most four and fill with black, and what is
 * drawn does not depend on which of the two is on. */

#include "tests/unit/fixture.h"

#include "worker/data/augment.h"

enum { SIDE = 12, PIXELS = 2 * SIDE * SIDE, TRIES = 4000 };

static const struct shape SHAPE = {2, SIDE, SIDE};

/* Pixel (c,y,x) of the image; black outside. All inside are different from 0. */
static int pixel(int c, int y, int x)
{
    if (y < 0 || y >= SIDE || x < 0 || x >= SIDE)
        return 0;
    return 1 + (c * 100 + y * SIDE + x) % 255;
}

static void make_image(uint8_t *image)
{
    for (int c = 0; c < 2; c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                *image++ = (uint8_t)pixel(c, y, x);
}

static bool is_change(const uint8_t *out, bool flip, int dy, int dx)
{
    for (int c = 0; c < 2; c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int from = flip ? SIDE - 1 - (x + dx) : x + dx;

                if (*out++ != pixel(c, y + dy, from))
                    return false;
            }
    return true;
}

/* Which change out is: 0..161, (flip, dy, dx); -1 when it is none. */
static int find_change(const uint8_t *out)
{
    for (int i = 0; i < 162; i++)
        if (is_change(out, i / 81, i % 81 / 9 - 4, i % 9 - 4))
            return i;
    return -1;
}

static int draw(struct augment what, uint32_t example)
{
    struct rng rng = rng_at(7, RNG_AUGMENT, 3, example);
    uint8_t in[PIXELS], out[PIXELS];

    make_image(in);
    augment_image(what, &rng, SHAPE, in, out);
    return find_change(out);
}

static void test_nothing(void **state)
{
    (void)state;
    assert_int_equal(draw((struct augment){false, false}, 0), 40);
}

static void test_flip(void **state)
{
    int flips = 0;

    (void)state;
    for (uint32_t i = 0; i < TRIES; i++) {
        int change = draw((struct augment){true, false}, i);

        assert_true(change == 40 || change == 81 + 40);
        flips += change > 80;
    }
    assert_in_range(flips, TRIES / 2 - 150, TRIES / 2 + 150); /* 5 sigma */
}

static void test_crop(void **state)
{
    int seen[81] = {0};

    (void)state;
    for (uint32_t i = 0; i < TRIES; i++) {
        int change = draw((struct augment){false, true}, i);

        assert_in_range(change, 0, 80);
        seen[change]++;
    }
    for (int i = 0; i < 81; i++) /* 49 expected, sigma 7 */
        assert_in_range(seen[i], 14, 84);
}

static void test_both(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        int flip = draw((struct augment){true, false}, i);
        int crop = draw((struct augment){false, true}, i);

        assert_int_equal(draw((struct augment){true, true}, i),
                         (flip > 80 ? 81 : 0) + crop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_flip),
        cmocka_unit_test(test_crop),
        cmocka_unit_test(test_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
