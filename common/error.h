#ifndef COORD_ERROR_H
#define COORD_ERROR_H

/* What went wrong, once as a code that callers branch on and once as a sentence
 * that a person can act on. Fallible functions take a struct error * last and
 * return 0 / -1 (or a pointer / NULL); on failure their outputs are untouched.
 * A sentence names the offender and the rule: "grid.toml:3:1: key 'lr': ...".
 */

enum err_code {
    ERR_NONE,
    ERR_INVALID, /* the caller's or the user's input breaks a rule */
    ERR_NO_MEMORY,
    ERR_IO,        /* a file, pipe or socket failed */
    ERR_DATA,      /* a data set or checkpoint is missing or malformed */
    ERR_NOT_FOUND, /* the named thing does not exist */
    ERR_BUSY,      /* no room now; trying later may work */
    ERR_REFUSED,   /* key, version or role not accepted */
    ERR_TIMEOUT,
    ERR_UNSUPPORTED, /* known, but not built yet */
};

/* 512 bytes: a path and a sentence. Longer texts are cut, never overrun. */
struct error {
    enum err_code code;
    char text[512];
};

/* Fill err (ignored when NULL) and return -1, so that a failure is one line:
 *     return err_set(err, ERR_INVALID, "axis '%s' is empty", name);
 * errno is preserved. */
int err_set(struct error *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, with ": <strerror(errno)>" added. */
int err_errno(struct error *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "text: " before the sentence that err already holds; returns -1. */
int err_prefix(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* clang's analyzer reads one file at a time; this tells it what these return. */
#ifdef __clang_analyzer__
#define err_set(...)    ((void)(err_set)(__VA_ARGS__), -1)
#define err_errno(...)  ((void)(err_errno)(__VA_ARGS__), -1)
#define err_prefix(...) ((void)(err_prefix)(__VA_ARGS__), -1)
#endif

#endif
