#include "proto/unpack.h"

#include <string.h>

/* What follows a lead byte from 0xc0 to 0xdf: `width` bytes of a number (big
 * endian), and `fixed` bytes of payload beside what that number announces. */
struct lead {
    enum unpack_type type;
    unsigned char width;
    unsigned char fixed;
    bool valid;
};

static const struct lead LEADS[32] = {
    [0x00] = {UNPACK_NIL, 0, 0, true},
    /* 0x01 (0xc1) is never used. */
    [0x02] = {UNPACK_BOOL, 0, 0, true},
    [0x03] = {UNPACK_BOOL, 0, 0, true},
    [0x04] = {UNPACK_BYTES, 1, 0, true},
    [0x05] = {UNPACK_BYTES, 2, 0, true},
    [0x06] = {UNPACK_BYTES, 4, 0, true},
    [0x07] = {UNPACK_EXT, 1, 1, true},
    [0x08] = {UNPACK_EXT, 2, 1, true},
    [0x09] = {UNPACK_EXT, 4, 1, true},
    [0x0a] = {UNPACK_REAL32, 4, 0, true},
    [0x0b] = {UNPACK_REAL64, 8, 0, true},
    [0x0c] = {UNPACK_UINT, 1, 0, true},
    [0x0d] = {UNPACK_UINT, 2, 0, true},
    [0x0e] = {UNPACK_UINT, 4, 0, true},
    [0x0f] = {UNPACK_UINT, 8, 0, true},
    [0x10] = {UNPACK_NEGATIVE, 1, 0, true},
    [0x11] = {UNPACK_NEGATIVE, 2, 0, true},
    [0x12] = {UNPACK_NEGATIVE, 4, 0, true},
    [0x13] = {UNPACK_NEGATIVE, 8, 0, true},
    [0x14] = {UNPACK_EXT, 0, 2, true},
    [0x15] = {UNPACK_EXT, 0, 3, true},
    [0x16] = {UNPACK_EXT, 0, 5, true},
    [0x17] = {UNPACK_EXT, 0, 9, true},
    [0x18] = {UNPACK_EXT, 0, 17, true},
    [0x19] = {UNPACK_TEXT, 1, 0, true},
    [0x1a] = {UNPACK_TEXT, 2, 0, true},
    [0x1b] = {UNPACK_TEXT, 4, 0, true},
    [0x1c] = {UNPACK_ARRAY, 2, 0, true},
    [0x1d] = {UNPACK_ARRAY, 4, 0, true},
    [0x1e] = {UNPACK_MAP, 2, 0, true},
    [0x1f] = {UNPACK_MAP, 4, 0, true},
};

static const char *const TYPE_NAMES[] = {
    [UNPACK_NIL] = "nil",           [UNPACK_BOOL] = "a bool",
    [UNPACK_UINT] = "an integer",   [UNPACK_NEGATIVE] = "a negative integer",
    [UNPACK_REAL32] = "a float 32", [UNPACK_REAL64] = "a float 64",
    [UNPACK_TEXT] = "a text",       [UNPACK_BYTES] = "bytes",
    [UNPACK_EXT] = "an extension",  [UNPACK_ARRAY] = "an array",
    [UNPACK_MAP] = "a map",
};

const char *unpack_type_name(enum unpack_type type)
{
    return TYPE_NAMES[type];
}

static uint64_t big_endian(const unsigned char *at, unsigned width)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < width; i++)
        number = number << 8 | at[i];
    return number;
}

/* Lead bytes that carry their small number in themselves. */
static bool lead_small(unsigned char byte, struct unpack_item *ret)
{
    if (byte <= 0x7f) {
        ret->type = UNPACK_UINT;
        ret->number = byte;
    } else if (byte <= 0x8f) {
        ret->type = UNPACK_MAP;
        ret->number = byte & 0x0fu;
    } else if (byte <= 0x9f) {
        ret->type = UNPACK_ARRAY;
        ret->number = byte & 0x0fu;
    } else if (byte <= 0xbf) {
        ret->type = UNPACK_TEXT;
        ret->number = byte & 0x1fu;
    } else if (byte >= 0xe0) {
        ret->type = UNPACK_NEGATIVE;
    } else {
        return false;
    }
    return true;
}

static bool lead_wide(struct unpack *in, unsigned char byte, size_t *ret_fixed,
                      struct unpack_item *ret)
{
    const struct lead *lead = &LEADS[byte - 0xc0];

    if (!lead->valid || (size_t)(in->end - in->at) < lead->width)
        return false;
    ret->type = lead->type;
    ret->number =
        lead->type == UNPACK_BOOL ? (byte == 0xc3) : big_endian(in->at, lead->width);
    in->at += lead->width;
    *ret_fixed = lead->fixed;
    return true;
}

/* Turn the number of a head into what its type means. */
static bool finish(struct unpack *in, size_t fixed, struct unpack_item *item)
{
    size_t left = (size_t)(in->end - in->at);

    switch (item->type) {
    case UNPACK_TEXT:
    case UNPACK_BYTES:
    case UNPACK_EXT:
        if (item->number > left || fixed > left - item->number)
            return false;
        item->bytes.data = (const char *)in->at;
        item->bytes.size = (size_t)item->number + fixed;
        in->at += item->bytes.size;
        return true;
    case UNPACK_ARRAY:
        return item->number <= left;
    case UNPACK_MAP:
        return item->number <= left / 2;
    case UNPACK_REAL64:
        memcpy(&item->real, &item->number, sizeof item->real);
        return true;
    default:
        return true;
    }
}

/* Signed formats hold positive numbers too when the packer is a plain one. */
static void settle_sign(unsigned char byte, struct unpack_item *item)
{
    if (byte < 0xd0 || byte > 0xd3)
        return;
    unsigned sign_bit = (8u << (byte - 0xd0)) - 1;
    if (!(item->number >> sign_bit & 1))
        item->type = UNPACK_UINT;
}

int unpack_next(struct unpack *in, struct unpack_item *ret)
{
    struct unpack cursor = *in;
    struct unpack_item item = {0};
    size_t fixed = 0;

    if (cursor.at == cursor.end)
        return -1;
    unsigned char byte = *cursor.at++;
    if (!lead_small(byte, &item) && !lead_wide(&cursor, byte, &fixed, &item))
        return -1;
    settle_sign(byte, &item);
    if (!finish(&cursor, fixed, &item))
        return -1;
    *in = cursor;
    *ret = item;
    return 0;
}

int unpack_skip(struct unpack *in)
{
    struct unpack cursor = *in;
    struct unpack_item item;

    /* Every pending item takes a byte at least, so once more are pending than
     * bytes are left the input is cut, however deep it is nested. */
    for (uint64_t pending = 1; pending > 0; pending--) {
        if (pending > (uint64_t)(cursor.end - cursor.at) || unpack_next(&cursor, &item))
            return -1;
        if (item.type == UNPACK_ARRAY)
            pending += item.number;
        else if (item.type == UNPACK_MAP)
            pending += 2 * item.number;
    }
    *in = cursor;
    return 0;
}
