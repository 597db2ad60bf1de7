#include "common/log.h"

#include "common/buf.h"
#include "common/mask.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

static const char *const LEVEL_NAME[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static enum log_level level_max = LOG_INFO;

void log_set_level(enum log_level level)
{
    level_max = level;
}

static void put_time(struct buf *line)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
               utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
               (int)(now.tv_nsec / 1000000));
}

void log_line(enum log_level level, const char *who, const char *fmt, ...)
{
    struct buf line = {0};
    ssize_t ignored;
    va_list args;

    if (level > level_max)
        return;
    put_time(&line);
    buf_printf(&line, " %s %s: ", LEVEL_NAME[level], who);
    va_start(args, fmt);
    buf_vprintf(&line, fmt, args);
    va_end(args);
    if (line.data) /* texts may quote a peer or a file */
        mask_controls(line.data, line.size, "");
    buf_puts(&line, "\n");

    /* One write a line, so that lines of several processes do not mix. There is
     * nobody to tell when stderr itself fails. */
    ignored =
        write(STDERR_FILENO, line.data ? line.data : "\n", line.data ? line.size : 1);
    (void)ignored;
    buf_free(&line);
}
