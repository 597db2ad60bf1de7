#include "common/buf.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

char *buf_reserve(struct buf *buf, size_t size)
{
    /* One more than asked for, so that the NUL always fits. */
    size_t need;
    size_t room = buf->room ? buf->room : 64;
    char *data;

    if (buf->failed)
        return NULL;
    if (size >= SIZE_MAX / 2 - buf->size)
        goto failed;
    need = buf->size + size + 1;
    if (need > buf->room) {
        while (room < need)
            room *= 2;
        data = realloc(buf->data, room);
        if (!data)
            goto failed;
        buf->data = data;
        buf->room = room;
    }
    /* The byte after what the caller is about to write, and after nothing. */
    buf->data[buf->size] = '\0';
    buf->data[need - 1] = '\0';
    return buf->data + buf->size;

failed:
    buf->failed = true;
    return NULL;
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
    char *to;

    /* Most bytes go where there is room: keep that way short. */
    if (buf->failed || !buf->data || size >= buf->room - buf->size)
        to = buf_reserve(buf, size);
    else
        to = buf->data + buf->size;
    if (!to)
        return;
    if (size > 0)
        memcpy(to, data, size);
    buf->size += size;
    to[size] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_vprintf(struct buf *buf, const char *fmt, va_list args)
{
    va_list again;
    char *to;
    int length;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, fmt, args);
    if (length < 0) {
        buf->failed = true;
        goto done;
    }
    to = buf_reserve(buf, (size_t)length);
    if (!to)
        goto done;
    vsnprintf(to, (size_t)length + 1, fmt, again);
    buf->size += (size_t)length;
done:
    va_end(again);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vprintf(buf, fmt, args);
    va_end(args);
}

/* The digits of a number, right to left from end. */
static char *put_digits(uint64_t number, char *end)
{
    do
        *--end = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return end;
}

void buf_put_int(struct buf *buf, int64_t integer)
{
    char text[24], *end = text + sizeof text;
    uint64_t size = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
    char *at = put_digits(size, end);

    if (integer < 0)
        *--at = '-';
    buf_add(buf, at, (size_t)(end - at));
}

/* Most reals that people write are a whole number of at most 15 digits over a small
 * power of ten. Both are doubles without error, so their quotient, rounded once, is what
 * the digits read back to; and whatever has 15 digits is told apart by them. Places are
 * counted up, so no digit is one too many. */
static bool put_short(struct buf *buf, double real)
{
    static const double TENS[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    const double size = fabs(real);
    char text[40], *end = text + sizeof text, *at;

    if (size >= 1e6 || (size != 0 && size < 1e-4))
        return false;
    for (int places = 0; places < (int)(sizeof TENS / sizeof TENS[0]); places++) {
        double whole = nearbyint(size * TENS[places]);
        if (whole / TENS[places] != size)
            continue;
        at = put_digits((uint64_t)whole, end);
        while (end - at <= places)
            *--at = '0';
        if (signbit(real))
            *--at = '-';
        buf_add(buf, at, (size_t)(end - at) - (size_t)places);
        buf_add(buf, ".", 1);
        if (places == 0)
            buf_add(buf, "0", 1);
        buf_add(buf, end - places, (size_t)places);
        return true;
    }
    return false;
}

void buf_put_real(struct buf *buf, double real)
{
    char text[40];
    int digits;

    if (put_short(buf, real))
        return;
    if (isnan(real)) {
        buf_puts(buf, "nan");
        return;
    }
    if (isinf(real)) {
        buf_puts(buf, real < 0 ? "-inf" : "inf");
        return;
    }
    /* Any decimal of up to 15 digits survives the way to a normal double and
     * back, and %g drops trailing zeros: so 15 digits are the fewest wherever
     * they suffice. Subnormal doubles have less precision, so try them all. */
    for (digits = isnormal(real) ? 15 : 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    buf_puts(buf, text);
    if (!strpbrk(text, ".e"))
        buf_puts(buf, ".0");
}

void buf_shift(struct buf *buf, size_t size)
{
    assert(size <= buf->size);
    if (size == 0)
        return;
    memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
    buf->data[buf->size] = '\0';
}

struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

/* Table 3-7 of the Unicode standard: by first byte, the length and the bounds
 * of the second byte; every later byte is 80..BF. */
static const struct utf8_row {
    unsigned char first, last;
    unsigned char length;
    unsigned char low, high;
} UTF8[] = {
    {0x00, 0x7F, 1, 0x00, 0x00}, {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF},
    {0xE1, 0xEC, 3, 0x80, 0xBF}, {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF},
    {0xF0, 0xF0, 4, 0x90, 0xBF}, {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F},
};

static const struct utf8_row *utf8_row(unsigned char byte)
{
    for (size_t i = 0; i < sizeof UTF8 / sizeof UTF8[0]; i++)
        if (byte >= UTF8[i].first && byte <= UTF8[i].last)
            return &UTF8[i];
    return NULL;
}

size_t utf8_length(const char *data, size_t size)
{
    const unsigned char *byte = (const unsigned char *)data;
    const struct utf8_row *row = utf8_row(byte[0]);

    if (!row || row->length > size)
        return 0;
    if (row->length > 1 && (byte[1] < row->low || byte[1] > row->high))
        return 0;
    for (size_t i = 2; i < row->length; i++)
        if (byte[i] < 0x80 || byte[i] > 0xBF)
            return 0;
    return row->length;
}

bool slice_is_utf8(struct slice slice)
{
    size_t at = 0;

    while (at < slice.size) {
        size_t length = utf8_length(slice.data + at, slice.size - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

char *slice_dup(struct slice slice)
{
    char *copy = malloc(slice.size + 1);

    if (!copy)
        return NULL;
    if (slice.size > 0)
        memcpy(copy, slice.data, slice.size);
    copy[slice.size] = '\0';
    return copy;
}
