/* Names of states: each has one spelling. */

#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names_round_trip(void **state)
{
    static const struct {
        const char *text;
        struct state_name name;
    } rows[] = {
        {"init", {STATE_INIT, 0}},
        {"final", {STATE_FINAL, 0}},
        {"best", {STATE_BEST, 0}},
        {"step:0", {STATE_STEP, 0}},
        {"step:100", {STATE_STEP, 100}},
        {"epoch:3", {STATE_EPOCH, 3}},
        {"epoch:9223372036854775807", {STATE_EPOCH, INT64_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[STATE_TEXT];
        struct state_name name;

        assert_true(state_parse(rows[i].text, &name));
        assert_int_equal(name.kind, rows[i].name.kind);
        assert_true(name.number == rows[i].name.number);
        state_text(name, text);
        assert_string_equal(text, rows[i].text);
        assert_true(strlen(text) < STATE_TEXT);
    }
}

static void other_spellings_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "Final",
        "final ",
        " final",
        "fina",
        "finals",
        "init:0",
        "step",
        "step:",
        "step:-1",
        "step:+1",
        "step: 1",
        "step:01",
        "step:00",
        "step:1x",
        "step:1.0",
        "step:1e3",
        "epoch:03",
        "epoch:9223372036854775808",
        "epoch:99999999999999999999",
        "epochs:3",
        "epoch:3:",
    };
    struct state_name name = {STATE_BEST, 77};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (state_parse(texts[i], &name))
            fail_msg("accepted: %s", texts[i]);
    assert_true(name.kind == STATE_BEST && name.number == 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(other_spellings_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
