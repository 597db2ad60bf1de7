#include "proto/msg.h"

#include "common/error.h"
#include "proto/limits.h"
#include "proto/table.h"

#include <assert.h>
#include <inttypes.h>
#include <msgpack.h>
#include <string.h>

/* Where packed bytes go. Once full is set the rest is not written, so that an
 * impossible message costs PROTO_MESSAGE_MAX bytes and no more. */
struct sink {
    struct buf *out;
    size_t start;
    bool full;
};

/* How one type of member is looked at and packed. */
struct packing {
    bool (*is_zero)(const struct field *field, const char *base);
    int (*pack)(msgpack_packer *to, const struct field *field, const char *base,
                struct error *err);
};

static int pack_form(msgpack_packer *to, const struct form *form, const char *base,
                     struct error *err);

/* ---- members ------------------------------------------------------------ */

/* A negative int64_t becomes a number above every bound. */
static uint64_t load_number(const struct field *field, const char *base)
{
    uint32_t narrow;
    uint64_t wide;

    if (field->type == FIELD_U32) {
        memcpy(&narrow, base + field->at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, base + field->at, sizeof wide);
    return wide;
}

static struct slice load_slice(const struct field *field, const char *base)
{
    struct slice slice;

    memcpy(&slice, base + field->at, sizeof slice);
    return slice;
}

static bool load_bool(const struct field *field, const char *base)
{
    bool flag;

    memcpy(&flag, base + field->at, sizeof flag);
    return flag;
}

static uint32_t load_count(const struct field *field, const char *base)
{
    uint32_t count;

    memcpy(&count, base + field->count_at, sizeof count);
    return count;
}

/* ---- packing ------------------------------------------------------------ */

static bool number_is_zero(const struct field *field, const char *base)
{
    return load_number(field, base) == 0; /* of a real: all bits, so -0.0 stays */
}

static bool bool_is_zero(const struct field *field, const char *base)
{
    return !load_bool(field, base);
}

static bool slice_is_zero(const struct field *field, const char *base)
{
    return load_slice(field, base).size == 0;
}

static bool many_is_zero(const struct field *field, const char *base)
{
    return load_count(field, base) == 0;
}

static bool one_is_zero(const struct field *field, const char *base)
{
    (void)field;
    (void)base;
    return false;
}

static int pack_bool(msgpack_packer *to, const struct field *field, const char *base,
                     struct error *err)
{
    (void)err;
    if (load_bool(field, base))
        msgpack_pack_true(to);
    else
        msgpack_pack_false(to);
    return 0;
}

static int pack_number(msgpack_packer *to, const struct field *field, const char *base,
                       struct error *err)
{
    uint64_t number = load_number(field, base);

    if (field_check_number(field, number, err))
        return -1;
    msgpack_pack_uint64(to, number);
    return 0;
}

static int pack_real(msgpack_packer *to, const struct field *field, const char *base,
                     struct error *err)
{
    double real;

    (void)err;
    memcpy(&real, base + field->at, sizeof real);
    msgpack_pack_double(to, real);
    return 0;
}

static int pack_slice(msgpack_packer *to, const struct field *field, const char *base,
                      struct error *err)
{
    struct slice slice = load_slice(field, base);

    assert(slice.data || slice.size == 0);
    if (field_check_slice(field, slice, err))
        return -1;
    if (field->type == FIELD_BYTES)
        msgpack_pack_bin_with_body(to, slice.data, slice.size);
    else
        msgpack_pack_str_with_body(to, slice.data, slice.size);
    return 0;
}

static int pack_one(msgpack_packer *to, const struct field *field, const char *base,
                    struct error *err)
{
    return pack_form(to, field->form, base + field->at, err);
}

static int pack_many(msgpack_packer *to, const struct field *field, const char *base,
                     struct error *err)
{
    uint32_t count = load_count(field, base);
    const char *items;

    memcpy(&items, base + field->at, sizeof items);
    if (field_check_size(field, count, "items", err))
        return -1;
    assert(items || count == 0);
    msgpack_pack_array(to, count);
    for (uint32_t i = 0; i < count; i++)
        if (pack_form(to, field->form, items + i * field->form->size, err))
            return err_prefix(err, "item %" PRIu32, i);
    return 0;
}

static const struct packing PACKINGS[] = {
    [FIELD_BOOL] = {bool_is_zero, pack_bool},
    [FIELD_U32] = {number_is_zero, pack_number},
    [FIELD_U64] = {number_is_zero, pack_number},
    [FIELD_I64] = {number_is_zero, pack_number},
    [FIELD_REAL] = {number_is_zero, pack_real},
    [FIELD_TEXT] = {slice_is_zero, pack_slice},
    [FIELD_BYTES] = {slice_is_zero, pack_slice},
    [FIELD_HEX] = {slice_is_zero, pack_slice},
    [FIELD_ONE] = {one_is_zero, pack_one},
    [FIELD_MANY] = {many_is_zero, pack_many},
};
_Static_assert(sizeof PACKINGS / sizeof PACKINGS[0] == FIELD_TYPE_COUNT,
               "a type cannot be packed");

/* In a row, what follows the last column that has to be there is left out. */
static bool is_sent(const struct form *form, unsigned i, const char *base)
{
    const unsigned end = form->row ? form->count : i + 1;

    for (; i < end; i++)
        if (form->fields[i].required ||
            !PACKINGS[form->fields[i].type].is_zero(&form->fields[i], base))
            return true;
    return false;
}

static int pack_form(msgpack_packer *to, const struct form *form, const char *base,
                     struct error *err)
{
    unsigned sent = 0;

    for (unsigned i = 0; i < form->count; i++)
        sent += is_sent(form, i, base);
    if (form->row)
        msgpack_pack_array(to, sent);
    else
        msgpack_pack_map(to, sent);
    for (unsigned i = 0; i < form->count; i++) {
        const struct field *field = &form->fields[i];
        if (!is_sent(form, i, base))
            continue;
        if (!form->row)
            msgpack_pack_unsigned_int(to, field->number);
        if (PACKINGS[field->type].pack(to, field, base, err))
            return err_prefix(err, "%s", field->name);
    }
    return 0;
}

/* ---- messages ----------------------------------------------------------- */

static int sink_write(void *user, const char *data, size_t size)
{
    struct sink *sink = user;

    if (sink->full || sink->out->size - sink->start + size > PROTO_MESSAGE_MAX)
        sink->full = true;
    else
        buf_add(sink->out, data, size);
    return 0;
}

static void sink_undo(struct sink *sink)
{
    sink->out->size = sink->start;
    if (sink->out->data)
        sink->out->data[sink->start] = '\0';
}

int msg_encode(const struct msg *msg, struct buf *out, struct error *err)
{
    const struct form *form = form_of((uint64_t)msg->kind);
    struct sink sink = {.out = out, .start = out->size};
    msgpack_packer packer;
    int rc = -1;

    if (!form)
        return err_set(err, ERR_INVALID, "there is no message kind %d", (int)msg->kind);
    msgpack_packer_init(&packer, &sink, sink_write);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_unsigned_int(&packer, (unsigned)msg->kind);
    /* All members of the union begin at the same place. */
    if (pack_form(&packer, form, (const char *)&msg->hello, err))
        err_prefix(err, "%s", form->name);
    else if (sink.full)
        err_set(err, ERR_INVALID, "%s: larger than %d bytes, the most a message has",
                form->name, PROTO_MESSAGE_MAX);
    else if (out->failed)
        err_set(err, ERR_NO_MEMORY, "%s: no memory to encode it", form->name);
    else
        rc = 0;
    if (rc)
        sink_undo(&sink);
    return rc;
}

const char *msg_kind_name(enum msg_kind kind)
{
    const struct form *form = form_of((uint64_t)kind);

    return form ? form->name : "?";
}
