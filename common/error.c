#include "common/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct error *err, enum err_code code, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* What does not fit is cut: a shortened sentence beats none. */
static void fill(struct error *err, enum err_code code, const char *fmt, va_list args)
{
    char text[sizeof err->text];

    /* Built aside, since an argument may point into err->text. */
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    err->code = code;
    memcpy(err->text, text, sizeof text);
}

static void append(struct error *err, const char *separator, const char *text)
{
    size_t used = strlen(err->text);
    size_t room = sizeof err->text - used;

    if (snprintf(err->text + used, room, "%s%s", separator, text) < 0)
        err->text[used] = '\0';
}

int(err_set)(struct error *err, enum err_code code, const char *fmt, ...)
{
    int saved = errno;
    va_list args;

    if (err) {
        va_start(args, fmt);
        fill(err, code, fmt, args);
        va_end(args);
    }
    errno = saved;
    return -1;
}

int(err_errno)(struct error *err, enum err_code code, const char *fmt, ...)
{
    int saved = errno;
    va_list args;

    if (err) {
        va_start(args, fmt);
        fill(err, code, fmt, args);
        va_end(args);
        append(err, ": ", strerror(saved));
    }
    errno = saved;
    return -1;
}

int(err_prefix)(struct error *err, const char *fmt, ...)
{
    int saved = errno;
    struct error old;
    va_list args;

    if (err) {
        old = *err;
        va_start(args, fmt);
        fill(err, old.code, fmt, args);
        va_end(args);
        append(err, ": ", old.text);
    }
    errno = saved;
    return -1;
}
