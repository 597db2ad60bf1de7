#ifndef COORD_TESTS_PROTO_SAMPLE_H
#define COORD_TESTS_PROTO_SAMPLE_H

/* Messages for tests, made by walking the table: with every field or with the
 * required ones only, filled from a seed; and a comparison, member by member.
 * Part of the test program (a header, so that each program has its own copy).
 */

#include "proto/table.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sample {
    uint64_t seed;
    bool all;           /* optional fields too */
    unsigned list_max;  /* items of a list, at most */
    char *blocks[4096]; /* to be freed */
    unsigned block_count;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t sample_next(struct sample *sample)
{
    uint64_t z = (sample->seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t sample_within(struct sample *sample, uint64_t lo, uint64_t hi)
{
    uint64_t draw = sample_next(sample);

    switch (sample_next(sample) % 4) { /* edges are where the faults are */
    case 0:
        return lo;
    case 1:
        return hi;
    case 2:
        return hi - lo < 200 ? hi : lo + draw % 200;
    default:
        return hi - lo == UINT64_MAX ? draw : lo + draw % (hi - lo + 1);
    }
}

static inline char *sample_room(struct sample *sample, size_t size)
{
    if (sample->block_count == sizeof sample->blocks / sizeof sample->blocks[0])
        abort();
    char *block = calloc(1, size + 1);
    if (!block)
        abort();
    sample->blocks[sample->block_count++] = block;
    return block;
}

static inline struct slice sample_slice(struct sample *sample, const struct field *field)
{
    uint64_t hi = field->hi < field->lo + 40 ? field->hi : field->lo + 40;
    size_t size = (size_t)sample_within(sample, field->lo ? field->lo : 1, hi);
    char *bytes = sample_room(sample, size);

    for (size_t i = 0; i < size; i++) {
        uint64_t draw = sample_next(sample);
        bytes[i] = field->type == FIELD_HEX     ? "0123456789abcdef"[draw % 16]
                   : field->type == FIELD_BYTES ? (char)draw
                                                : (char)('a' + draw % 26);
    }
    return (struct slice){bytes, size};
}

static inline void sample_form(struct sample *sample, const struct form *form,
                               char *base);

static inline double sample_real(struct sample *sample)
{
    static const double edges[] = {0.0, -0.0, 1.0, -1.5, 4.9e-324, 1.7e308};
    uint64_t draw = sample_next(sample);
    uint64_t bits = sample_next(sample); /* NaN and infinity are among them */
    double real;

    if (draw % 3 == 0)
        return edges[draw / 3 % 6];
    if (draw % 3 == 1)
        bits |= 0x7ff0000000000000u;
    memcpy(&real, &bits, sizeof real);
    return real;
}

static inline void sample_many(struct sample *sample, const struct field *field,
                               char *base)
{
    uint32_t count = 1 + (uint32_t)(sample_next(sample) % sample->list_max);
    if (count > field->hi)
        count = (uint32_t)field->hi;
    char *items = sample_room(sample, count * field->form->size);

    for (uint32_t i = 0; i < count; i++)
        sample_form(sample, field->form, items + i * field->form->size);
    memcpy(base + field->at, &items, sizeof items);
    memcpy(base + field->count_at, &count, sizeof count);
}

static inline void sample_field(struct sample *sample, const struct field *field,
                                char *base)
{
    uint64_t number = sample_within(sample, field->lo, field->hi);
    uint32_t narrow = (uint32_t)number;
    bool flag = sample->all;
    double real = sample_real(sample);
    struct slice slice;

    switch (field->type) {
    case FIELD_BOOL:
        memcpy(base + field->at, &flag, sizeof flag);
        break;
    case FIELD_U32:
        memcpy(base + field->at, &narrow, sizeof narrow);
        break;
    case FIELD_U64:
    case FIELD_I64:
        memcpy(base + field->at, &number, sizeof number);
        break;
    case FIELD_REAL:
        memcpy(base + field->at, &real, sizeof real);
        break;
    case FIELD_ONE:
        sample_form(sample, field->form, base + field->at);
        break;
    case FIELD_MANY:
        sample_many(sample, field, base);
        break;
    default:
        slice = sample_slice(sample, field);
        memcpy(base + field->at, &slice, sizeof slice);
    }
}

static inline void sample_form(struct sample *sample, const struct form *form, char *base)
{
    for (unsigned i = 0; i < form->count; i++)
        if (sample->all || form->fields[i].required || form->row)
            sample_field(sample, &form->fields[i], base);
}

static inline void sample_msg(struct sample *sample, enum msg_kind kind, struct msg *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->kind = kind;
    sample_form(sample, form_of((uint64_t)kind), (char *)&ret->hello);
}

static inline void sample_free(struct sample *sample)
{
    while (sample->block_count > 0)
        free(sample->blocks[--sample->block_count]);
}

static inline bool same_form(const struct form *form, const char *a, const char *b);

static inline bool same_slice(const char *a, const char *b)
{
    struct slice x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x.size == y.size && (x.size == 0 || memcmp(x.data, y.data, x.size) == 0);
}

static inline bool same_many(const struct field *field, const char *a, const char *b)
{
    uint32_t n, m;
    const char *x, *y;

    memcpy(&n, a + field->count_at, sizeof n);
    memcpy(&m, b + field->count_at, sizeof m);
    memcpy(&x, a + field->at, sizeof x);
    memcpy(&y, b + field->at, sizeof y);
    for (uint32_t i = 0; n == m && i < n; i++)
        if (!same_form(field->form, x + i * field->form->size, y + i * field->form->size))
            return false;
    return n == m;
}

/* Bit for bit, so that -0.0 is not 0.0 and NaN is NaN. */
static inline bool same_field(const struct field *field, const char *a, const char *b)
{
    static const size_t sizes[FIELD_TYPE_COUNT] = {
        [FIELD_BOOL] = sizeof(bool),
        [FIELD_U32] = 4,
        [FIELD_U64] = 8,
        [FIELD_I64] = 8,
        [FIELD_REAL] = 8,
    };

    switch (field->type) {
    case FIELD_ONE:
        return same_form(field->form, a + field->at, b + field->at);
    case FIELD_MANY:
        return same_many(field, a, b);
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_HEX:
        return same_slice(a + field->at, b + field->at);
    default:
        return memcmp(a + field->at, b + field->at, sizes[field->type]) == 0;
    }
}

static inline bool same_form(const struct form *form, const char *a, const char *b)
{
    for (unsigned i = 0; i < form->count; i++)
        if (!same_field(&form->fields[i], a, b))
            return false;
    return true;
}

static inline bool same_msg(const struct msg *a, const struct msg *b)
{
    return a->kind == b->kind &&
           same_form(form_of((uint64_t)a->kind), (const char *)&a->hello,
                     (const char *)&b->hello);
}

#endif
