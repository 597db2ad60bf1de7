#ifndef COORD_TEST_FIXTURE_H
#define COORD_TEST_FIXTURE_H

/* What the tests of data, training and probes share: a folder of their own,
 * files of any bytes in it, gzip made by hand (so that it can be broken by
 * hand), and specs written option by option. Include it after cmocka.h's
 * prerequisites; every function asserts. */

#include "common/error.h"
#include "common/spec.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
};

static inline int fixture_setup(void **state)
{
    struct fixture *fix = calloc(1, sizeof *fix);

    if (!fix)
        return -1;
    snprintf(fix->dir, sizeof fix->dir, "/tmp/coord-test.XXXXXX");
    *state = fix;
    return mkdtemp(fix->dir) ? 0 : -1;
}

static inline int fixture_unlink(const char *path, const struct stat *info, int type,
                                 struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = nftw(fix->dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);

    free(fix);
    return rc;
}

static inline void fixture_path(const struct fixture *fix, const char *name, char *out,
                                size_t size)
{
    int n = snprintf(out, size, "%s/%s", fix->dir, name);

    assert_true(n > 0 && (size_t)n < size);
}

static inline void fixture_write(const struct fixture *fix, const char *name,
                                 const void *bytes, size_t size)
{
    char path[256];
    FILE *file;

    fixture_path(fix, name, path, sizeof path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void fixture_remove(const struct fixture *fix, const char *name)
{
    char path[256];

    fixture_path(fix, name, path, sizeof path);
    assert_int_equal(remove(path), 0);
}

/* CRC-32 of RFC 1952, bit by bit. */
static inline uint32_t fixture_crc(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static inline uint8_t *fixture_little(uint8_t *to, uint32_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (uint8_t)(number >> (8 * i));
    return to;
}

/* A gzip file of one stored block, at most 65535 bytes. out holds size + 23;
 * returns the size of the file. */
static inline size_t fixture_gzip(const void *bytes, size_t size, uint8_t *out)
{
    static const uint8_t header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    uint8_t *at = out;

    assert_true(size <= 65535);
    memcpy(at, header, sizeof header);
    at += sizeof header;
    *at++ = 1; /* the last block, stored */
    at = fixture_little(at, (uint32_t)size, 2);
    at = fixture_little(at, ~(uint32_t)size, 2);
    memcpy(at, bytes, size);
    at = fixture_little(at + size, fixture_crc(bytes, size), 4);
    at = fixture_little(at, (uint32_t)size, 4);
    return (size_t)(at - out);
}

/* Set an option from a value text: ("model.widths", "[8]"). */
static inline void fixture_set(struct spec *spec, const char *name, const char *text)
{
    struct value value;
    struct error err = {0};

    if (value_parse(text, strlen(text), &value, &err) ||
        spec_set(spec, name, &value, &err))
        fail_msg("%s = %s: %s", name, text, err.text);
    value_free(&value);
}

/* Several at once: name, text, name, text, ..., NULL. */
static inline struct spec fixture_spec(enum job_kind kind, ...)
{
    struct spec spec;
    struct error err = {0};
    va_list args;
    const char *name;

    if (spec_init(&spec, kind, &err))
        fail_msg("%s", err.text);
    va_start(args, kind);
    for (name = va_arg(args, const char *); name; name = va_arg(args, const char *))
        fixture_set(&spec, name, va_arg(args, const char *));
    va_end(args);
    return spec;
}

static inline void fixture_seeds(struct spec *spec, const char *text)
{
    static const char *const names[] = {"seed.augment", "seed.dropout", "seed.init",
                                        "seed.labels", "seed.order"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        fixture_set(spec, names[i], text);
}

#endif
