#ifndef COORD_TESTS_PROTO_RAW_H
#define COORD_TESTS_PROTO_RAW_H

/* Messages as bytes, written by hand from the table and not by the codec, so
 * that they can be wrong: one field is left out, doubled, of another type or
 * out of its bounds. Part of the test program. */

#include "proto/table.h"

#include <stdint.h>
#include <string.h>

enum fault {
    FAULT_NONE,
    FAULT_MISSING,
    FAULT_TWICE,
    FAULT_OVER,  /* one above hi */
    FAULT_UNDER, /* one below lo */
    FAULT_TYPE,  /* raw->other instead */
    FAULT_EXTRA, /* unknown fields and columns everywhere */
};

/* One item of each msgpack type, by enum unpack_type. */
static const struct raw_item {
    const char *bytes;
    size_t size;
} RAW_ITEMS[] = {
    {"\xc0", 1},
    {"\xc3", 1},
    {"\x01", 1},
    {"\xff", 1},
    {"\xca\x3f\x80\0\0", 5},
    {"\xcb\x3f\xf0\0\0\0\0\0\0", 9},
    {"\xa1x", 2},
    {"\xc4\x01x", 3},
    {"\xd4\x01x", 3},
    {"\x90", 1},
    {"\x80", 1},
};

struct raw {
    struct buf out;
    const struct field *target; /* the field that is wrong */
    enum fault fault;
    unsigned other; /* FAULT_TYPE: index into RAW_ITEMS */
};

static inline void raw_byte(struct raw *raw, unsigned byte)
{
    unsigned char one = (unsigned char)byte;

    buf_add(&raw->out, &one, 1);
}

static inline void raw_wide(struct raw *raw, unsigned lead, uint64_t number, int width)
{
    raw_byte(raw, lead);
    for (int i = width - 1; i >= 0; i--)
        raw_byte(raw, number >> 8 * i & 0xff);
}

static inline void raw_number(struct raw *raw, uint64_t number)
{
    if (number < 128)
        raw_byte(raw, (unsigned)number);
    else
        raw_wide(raw, 0xcf, number, 8);
}

static inline void raw_slice(struct raw *raw, const struct field *field)
{
    bool off = raw->target == field;
    uint64_t size = field->lo ? field->lo : 1;

    if (off && raw->fault == FAULT_OVER)
        size = field->hi + 1;
    if (off && raw->fault == FAULT_UNDER)
        size = field->lo - 1;
    raw_wide(raw, field->type == FIELD_BYTES ? 0xc6 : 0xdb, size, 4);
    char *at = buf_reserve(&raw->out, size);
    memset(at, 'a', size);
    raw->out.size += size;
}

static inline void raw_form(struct raw *raw, const struct form *form);

static inline void raw_many(struct raw *raw, const struct field *field)
{
    bool off = raw->target == field;
    uint64_t count = 1;

    if (off && raw->fault == FAULT_OVER)
        count = field->hi + 1;
    if (off && raw->fault == FAULT_UNDER)
        count = field->lo - 1;
    raw_wide(raw, 0xdd, count, 4);
    for (uint64_t i = 0; i < count; i++)
        raw_form(raw, field->form);
}

static inline void raw_value(struct raw *raw, const struct field *field)
{
    bool off = raw->target == field;

    if (off && raw->fault == FAULT_TYPE) {
        buf_add(&raw->out, RAW_ITEMS[raw->other].bytes, RAW_ITEMS[raw->other].size);
        return;
    }
    switch (field->type) {
    case FIELD_BOOL:
        raw_byte(raw, 0xc3);
        break;
    case FIELD_REAL:
        raw_wide(raw, 0xcb, 0x3ff0000000000000, 8);
        break;
    case FIELD_ONE:
        raw_form(raw, field->form);
        break;
    case FIELD_MANY:
        raw_many(raw, field);
        break;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_HEX:
        raw_slice(raw, field);
        break;
    default:
        raw_number(raw, off && raw->fault == FAULT_OVER    ? field->hi + 1
                        : off && raw->fault == FAULT_UNDER ? field->lo - 1
                                                           : field->lo);
    }
}

static inline void raw_row(struct raw *raw, const struct form *form)
{
    bool extra = raw->fault == FAULT_EXTRA;
    /* A column is missing with those behind it. */
    unsigned count = form->count;

    if (raw->fault == FAULT_MISSING && raw->target >= form->fields &&
        raw->target < form->fields + form->count)
        count = (unsigned)(raw->target - form->fields);
    raw_wide(raw, 0xdc, count + (extra ? 2 : 0), 2);
    for (unsigned i = 0; i < count; i++)
        raw_value(raw, &form->fields[i]);
    if (extra)
        buf_add(&raw->out, "\x92\x81\xa1k\xc0\x90\xd6\0\1\2\3\4", 12);
}

static inline void raw_form(struct raw *raw, const struct form *form)
{
    unsigned pairs = form->count;

    if (form->row) {
        raw_row(raw, form);
        return;
    }
    for (unsigned i = 0; i < form->count; i++) {
        pairs -= raw->target == &form->fields[i] && raw->fault == FAULT_MISSING;
        pairs += raw->target == &form->fields[i] && raw->fault == FAULT_TWICE;
    }
    raw_wide(raw, 0xde, pairs + (raw->fault == FAULT_EXTRA ? 3 : 0), 2);
    if (raw->fault == FAULT_EXTRA) /* 61: [{1: nil}, "x"], 0: -1, 2^32: true */
        buf_add(&raw->out, "\x3d\x92\x81\x01\xc0\xa1x\0\xff\xce\xff\xff\xff\xff\xc3", 15);
    for (unsigned i = 0; i < form->count; i++) {
        const struct field *field = &form->fields[i];
        bool off = raw->target == field;
        for (int times = off && raw->fault == FAULT_MISSING ? 0
                         : off && raw->fault == FAULT_TWICE ? 2
                                                            : 1;
             times > 0; times--) {
            raw_byte(raw, field->number);
            raw_value(raw, field);
        }
    }
}

static inline void raw_msg(struct raw *raw, unsigned kind)
{
    buf_clear(&raw->out);
    raw_byte(raw, 0x92);
    raw_byte(raw, kind);
    raw_form(raw, form_of(kind));
}

#endif
