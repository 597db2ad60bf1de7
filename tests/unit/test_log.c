/* The log: one line an event, whatever the text holds, and levels. */

#include "common/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr goes to a pipe while a test speaks, and comes back before it asserts. */
struct capture {
    int saved, pipe[2];
};

static void capture_start(struct capture *capture)
{
    assert_int_equal(pipe(capture->pipe), 0);
    capture->saved = dup(STDERR_FILENO);
    assert_true(capture->saved >= 0);
    assert_int_equal(dup2(capture->pipe[1], STDERR_FILENO), STDERR_FILENO);
}

static void capture_end(struct capture *capture, char *text, size_t size)
{
    ssize_t count;

    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    close(capture->pipe[1]);
    count = read(capture->pipe[0], text, size - 1);
    close(capture->pipe[0]);
    assert_true(count >= 0);
    text[count] = '\0';
}

static void lines_have_time_level_and_part(void **state)
{
    struct capture capture;
    char text[256];
    int year, month, day, hour, minute, second, ms, length = 0;

    (void)state;
    capture_start(&capture);
    log_line(LOG_WARN, "serve", "lease expired job=%d", 7);
    capture_end(&capture, text, sizeof text);
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day,
                            &hour, &minute, &second, &ms, &length),
                     7);
    assert_int_equal(length, 24);
    assert_string_equal(text + length, " warn serve: lease expired job=7\n");
}

static void control_bytes_are_masked(void **state)
{
    struct capture capture;
    char text[256];

    (void)state;
    capture_start(&capture);
    log_line(LOG_ERROR, "serve", "peer says %s", "a\nb\x1B[2Jc\x7F\xC3\xA9");
    capture_end(&capture, text, sizeof text);
    assert_string_equal(text + 24, " error serve: peer says a b [2Jc \xC3\xA9\n");
}

static void levels_are_kept(void **state)
{
    struct capture capture;
    char text[512];

    (void)state;
    capture_start(&capture);
    log_line(LOG_DEBUG, "w", "quiet");
    log_line(LOG_INFO, "w", "one");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "w", "quiet");
    log_line(LOG_ERROR, "w", "two");
    log_set_level(LOG_DEBUG);
    log_line(LOG_DEBUG, "w", "three");
    log_set_level(LOG_INFO);
    capture_end(&capture, text, sizeof text);
    assert_null(strstr(text, "quiet"));
    assert_non_null(strstr(text, " info w: one\n"));
    assert_non_null(strstr(text, " error w: two\n"));
    assert_non_null(strstr(text, " debug w: three\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_time_level_and_part),
        cmocka_unit_test(control_bytes_are_masked),
        cmocka_unit_test(levels_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
