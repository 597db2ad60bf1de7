#ifndef COORD_CLOCK_H
#define COORD_CLOCK_H

/* The two clocks. Deadlines and durations use the monotonic one; the wall clock
 * is only ever written down. Cores take times as arguments, so tests need
 * neither. */

#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_ms(void); /* milliseconds since some fixed point */
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01 UTC */

/* Of two deadlines. */
static inline int64_t clock_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* "1h 02m 03s", "12.3 s", "85 ms": for people. size >= 24. Returns out. */
char *clock_duration_text(double seconds, char *out, size_t size);

#endif
