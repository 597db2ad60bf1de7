#ifndef COORD_SPECKIT_H
#define COORD_SPECKIT_H

/* Specs from text: speckit("optimizer.lr", "0.5", "optimizer.nesterov", "true",
 * NULL), values as in common/value.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/error.h"
#include "common/spec.h"

#include <string.h>

static inline struct spec speckit(const char *name, ...)
{
    struct error err;
    struct spec spec;
    va_list args;

    assert_int_equal(spec_init(&spec, JOB_TRAIN, &err), 0);
    va_start(args, name);
    for (; name; name = va_arg(args, const char *)) {
        const char *text = va_arg(args, const char *);
        struct value value;
        assert_int_equal(value_parse(text, strlen(text), &value, &err), 0);
        if (spec_set(&spec, name, &value, &err))
            fail_msg("%s", err.text);
        value_free(&value);
    }
    va_end(args);
    return spec;
}

static inline void speckit_real(struct spec *spec, const char *name, double number)
{
    const struct value value = value_real(number);
    struct error err;

    if (spec_set(spec, name, &value, &err))
        fail_msg("%s", err.text);
}

#endif
