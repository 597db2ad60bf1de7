#include "common/units.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 9007199254740992.0 /* 2^53: exact as a double */

enum { DAY_S = 24 * 3600, SECONDS_MAX = 366 * DAY_S };

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " ");
}

bool units_bytes(const char *text, uint64_t *ret)
{
    static const struct {
        const char *name;
        double bytes;
    } UNITS[] = {
        {"kB", 1e3},    {"MB", 1e6},       {"GB", 1e9},          {"TB", 1e12},
        {"KiB", 1024.}, {"MiB", 1048576.}, {"GiB", 1073741824.}, {"TiB", 1099511627776.},
    };
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    double number = strtod(text, &end);
    const char *unit = skip_spaces(end);
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (strcmp(unit, UNITS[i].name) != 0)
            continue;
        number *= UNITS[i].bytes;
        if (errno != 0 || !(number >= 1 && number <= BYTES_MAX))
            return false;
        *ret = (uint64_t)number;
        return true;
    }
    return false;
}

/* A whole number of at most eight digits; NULL: none. */
static const char *whole(const char *at, int64_t *ret)
{
    const size_t digits = strspn(at, "0123456789");

    if (digits < 1 || digits > 8)
        return NULL;
    *ret = strtol(at, NULL, 10);
    return at + digits;
}

/* "MM:SS", "HH:MM:SS", "D-HH:MM:SS", "D-HH". */
static bool clock_seconds(const char *text, int64_t *ret)
{
    int64_t days = 0, part[3] = {0}, number;
    const char *at = text;
    int parts = 0;

    if (strchr(text, '-')) {
        if (!(at = whole(at, &days)) || *at++ != '-')
            return false;
    }
    do {
        if (parts == 3 || !(at = whole(at, &number)))
            return false;
        part[parts++] = number;
    } while (*at == ':' && at++);
    if (*at != '\0' || (parts == 1 && at == text))
        return false;
    /* With days the first is hours, else the last is seconds. */
    const int64_t *hours = strchr(text, '-') || parts == 3 ? &part[0] : NULL;
    if (hours)
        *ret = days * DAY_S + part[0] * 3600 + part[1] * 60 + part[2];
    else
        *ret = part[0] * 60 + part[1];
    return true;
}

/* "90", "15m", "2h30m", "1d 12h". */
static bool unit_seconds(const char *text, int64_t *ret)
{
    static const struct {
        char name;
        int64_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY_S}};
    const char *at = skip_spaces(text);
    int64_t number;

    *ret = 0;
    do {
        size_t i = 0;
        if (!(at = whole(at, &number)))
            return false;
        if (*at == '\0') { /* seconds, when nothing else is said */
            *ret += number;
            return *ret == number;
        }
        while (i < 4 && UNITS[i].name != *at)
            i++;
        if (i == 4)
            return false;
        *ret += number * UNITS[i].seconds;
        at = skip_spaces(at + 1);
    } while (*at);
    return true;
}

bool units_seconds(const char *text, uint32_t *ret)
{
    int64_t seconds;
    bool clock = strpbrk(text, ":-") != NULL;

    if (!(clock ? clock_seconds(text, &seconds) : unit_seconds(text, &seconds)) ||
        seconds < 1 || seconds > SECONDS_MAX)
        return false;
    *ret = (uint32_t)seconds;
    return true;
}

void units_bytes_text(uint64_t bytes, char ret[UNITS_TEXT])
{
    static const char *const NAMES[] = {"kB", "MB", "GB", "TB"};
    double number = (double)bytes / 1e3;
    size_t i = 0;

    while (number >= 1000 && i + 1 < sizeof NAMES / sizeof NAMES[0]) {
        number /= 1000;
        i++;
    }
    snprintf(ret, UNITS_TEXT, "%.3g %s", number, NAMES[i]);
}
