/* Sizes, durations and sets of labels, as people and strangers write them. */

#include "common/labels.h"
#include "common/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* 0: refused */
    } ROWS[] = {
        {"4 GB", 4000000000},
        {"512MB", 512000000},
        {"1.5 GiB", 1610612736},
        {"1 kB", 1000},
        {"2TiB", 2199023255552},
        {"4", 0},
        {"GB", 0},
        {"-1 GB", 0},
        {"4 gb", 0},
        {"4 GB free", 0},
        {"", 0},
        {"99999999 TB", 0},
        {"inf GB", 0},
        {"0 GB", 0},
        {"1e400 GB", 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint64_t bytes = 0;
        if (units_bytes(ROWS[i].text, &bytes) != (ROWS[i].bytes != 0) ||
            bytes != ROWS[i].bytes)
            fail_msg("'%s' is %llu", ROWS[i].text, (unsigned long long)bytes);
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        uint32_t seconds; /* 0: refused */
    } ROWS[] = {
        {"90", 90},
        {"90s", 90},
        {"15m", 900},
        {"2h30m", 9000},
        {"1d 12h", 129600},
        {"02:30", 150},
        {"12:00:00", 43200},
        {"1-12:00:00", 129600},
        {"2-06", 194400},
        {"0", 0},
        {"", 0},
        {"h", 0},
        {"5x", 0},
        {"1:2:3:4", 0},
        {"-5", 0},
        {"5-", 0},
        {"9999999999", 0},
        {"400d", 0},
        {"1:", 0},
        {"1h 5", 0},
        {"1.5h", 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint32_t seconds = 0;
        if (units_seconds(ROWS[i].text, &seconds) != (ROWS[i].seconds != 0) ||
            seconds != ROWS[i].seconds)
            fail_msg("'%s' is %u", ROWS[i].text, seconds);
    }
}

static void sizes_are_told(void **state)
{
    char text[UNITS_TEXT];
    (void)state;

    units_bytes_text(4000000000, text);
    assert_string_equal(text, "4 GB");
    units_bytes_text(1610612736, text);
    assert_string_equal(text, "1.61 GB");
}

static void labels_are_a_set(void **state)
{
    char labels[LABELS_TEXT] = "", name[LABEL_BYTES + 2];
    (void)state;

    assert_true(labels_within("", labels));
    assert_true(labels_within("[]", labels));
    assert_true(labels_add(labels, "fast"));
    assert_true(labels_add(labels, "big"));
    assert_true(labels_add(labels, "fast")); /* once */
    assert_string_equal(labels, "[\"big\",\"fast\"]");
    assert_true(labels_has(labels, "big"));
    assert_false(labels_has(labels, "bi"));
    assert_true(labels_within("[\"fast\"]", labels));
    assert_false(labels_within("[\"fast\",\"gpu\"]", labels));
    assert_false(labels_add(labels, ""));
    assert_false(labels_add(labels, "a b"));
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(labels_add(labels, name));
    for (int i = 2; i < LABELS_MAX; i++) {
        snprintf(name, sizeof name, "%032d", i);
        assert_true(labels_add(labels, name));
    }
    assert_false(labels_add(labels, "another"));
    assert_true(labels_are(labels, strlen(labels)));
}

static void strangers_labels(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } ROWS[] = {
        {"", true},
        {"[]", true},
        {"[\"a\",\"b\"]", true},
        {"[\"b\",\"a\"]", false},
        {"[\"a\"", false},
        {"[\"a\"]x", false},
        {"a", false},
        {"[\"a b\"]", false},
        {"[1]", false},
        {"{\"a\"}", false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (labels_are(ROWS[i].text, strlen(ROWS[i].text)) != ROWS[i].good)
            fail_msg("%s", ROWS[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes_are_told),
        cmocka_unit_test(labels_are_a_set),
        cmocka_unit_test(strangers_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
