#include "common/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now); /* cannot fail for the two clocks below */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

/* The bounds lie half a unit below the next form, so that 59.97 s is written
 * "1m 00s" and never "60.0 s". */
char *clock_duration_text(double seconds, char *out, size_t size)
{
    long long whole;

    /* Beyond 30,000 years there is no duration, only a bug of the caller. */
    if (!(seconds >= 0) || seconds > 1e12) {
        snprintf(out, size, "-");
        return out;
    }
    whole = llround(seconds);
    if (seconds < 0.9995)
        snprintf(out, size, "%.0f ms", seconds * 1e3);
    else if (seconds < 59.95)
        snprintf(out, size, "%.1f s", seconds);
    else if (whole < 3600)
        snprintf(out, size, "%lldm %02llds", whole / 60, whole % 60);
    else
        snprintf(out, size, "%lldh %02lldm %02llds", whole / 3600, whole / 60 % 60,
                 whole % 60);
    return out;
}
