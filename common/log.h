#ifndef COORD_LOG_H
#define COORD_LOG_H

/* One line per event to stderr: "2026-01-31T12:00:00.123Z info serve: text
 * key=value ...". Only mains and loops log; library code returns errors.
 * The level is the one global of the program, set once at start. */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);

/* who: the part that speaks ("serve", "worker"). */
void log_line(enum log_level level, const char *who, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
