#include "proto/msg.h"

#include "common/error.h"
#include "proto/limits.h"
#include "proto/table.h"
#include "proto/unpack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Lists of a decoded message, one block each, freed together. */
struct block {
    struct block *next;
    max_align_t data[];
};

struct reading {
    struct unpack in;
    struct block *arena;
};

static int read_form(struct reading *from, const struct form *form, char *base,
                     struct error *err);

/* ---- members ------------------------------------------------------------ */

static int read_item(struct reading *from, enum unpack_type type, struct unpack_item *ret,
                     struct error *err)
{
    if (unpack_next(&from->in, ret))
        return err_set(err, ERR_INVALID, "the message ends too early");
    if (ret->type != type)
        return err_set(err, ERR_INVALID, "expected %s, got %s", unpack_type_name(type),
                       unpack_type_name(ret->type));
    return 0;
}

static int read_bool(struct reading *from, const struct field *field, char *base,
                     struct error *err)
{
    struct unpack_item item;

    if (read_item(from, UNPACK_BOOL, &item, err))
        return -1;
    bool flag = item.number != 0;
    memcpy(base + field->at, &flag, sizeof flag);
    return 0;
}

static int read_number(struct reading *from, const struct field *field, char *base,
                       struct error *err)
{
    struct unpack_item item;

    if (read_item(from, UNPACK_UINT, &item, err) ||
        field_check_number(field, item.number, err))
        return -1;
    uint32_t narrow = (uint32_t)item.number;
    if (field->type == FIELD_U32)
        memcpy(base + field->at, &narrow, sizeof narrow);
    else
        memcpy(base + field->at, &item.number, sizeof item.number);
    return 0;
}

static int read_real(struct reading *from, const struct field *field, char *base,
                     struct error *err)
{
    struct unpack_item item;

    if (read_item(from, UNPACK_REAL64, &item, err))
        return -1;
    memcpy(base + field->at, &item.real, sizeof item.real);
    return 0;
}

static int read_slice(struct reading *from, const struct field *field, char *base,
                      struct error *err)
{
    enum unpack_type type = field->type == FIELD_BYTES ? UNPACK_BYTES : UNPACK_TEXT;
    struct unpack_item item;

    if (read_item(from, type, &item, err) || field_check_slice(field, item.bytes, err))
        return -1;
    memcpy(base + field->at, &item.bytes, sizeof item.bytes);
    return 0;
}

static int read_one(struct reading *from, const struct field *field, char *base,
                    struct error *err)
{
    return read_form(from, field->form, base + field->at, err);
}

/* Fewest bytes that a member and an item of a form can take: what keeps a short
 * message that promises many items from taking memory for them. */
static size_t field_least(const struct field *field)
{
    return field->type == FIELD_REAL ? 9 : field->type == FIELD_HEX ? 34 : 1;
}

static size_t form_least(const struct form *form)
{
    size_t least = 1;

    for (unsigned i = 0; i < form->count; i++)
        if (form->fields[i].required)
            least += field_least(&form->fields[i]) + (form->row ? 0u : 1u);
    return least;
}

static char *arena_take(struct reading *from, size_t count, size_t size)
{
    struct block *block = calloc(1, sizeof *block + count * size);

    if (!block)
        return NULL;
    block->next = from->arena;
    from->arena = block;
    return (char *)block->data;
}

static int read_many(struct reading *from, const struct field *field, char *base,
                     struct error *err)
{
    const struct form *form = field->form;
    struct unpack_item head;

    if (read_item(from, UNPACK_ARRAY, &head, err) ||
        field_check_size(field, (size_t)head.number, "items", err))
        return -1;
    uint32_t count = (uint32_t)head.number;
    if (count == 0)
        return 0;
    if (count > (size_t)(from->in.end - from->in.at) / form_least(form))
        return err_set(err, ERR_INVALID, "the message ends too early");

    char *items = arena_take(from, count, form->size);
    if (!items)
        return err_set(err, ERR_NO_MEMORY, "no memory for %" PRIu32 " items", count);
    for (uint32_t i = 0; i < count; i++)
        if (read_form(from, form, items + i * form->size, err))
            return err_prefix(err, "item %" PRIu32, i);
    memcpy(base + field->at, &items, sizeof items);
    memcpy(base + field->count_at, &count, sizeof count);
    return 0;
}

static int (*const READERS[])(struct reading *from, const struct field *field, char *base,
                              struct error *err) = {
    [FIELD_BOOL] = read_bool,   [FIELD_U32] = read_number, [FIELD_U64] = read_number,
    [FIELD_I64] = read_number,  [FIELD_REAL] = read_real,  [FIELD_TEXT] = read_slice,
    [FIELD_BYTES] = read_slice, [FIELD_HEX] = read_slice,  [FIELD_ONE] = read_one,
    [FIELD_MANY] = read_many,
};
_Static_assert(sizeof READERS / sizeof READERS[0] == FIELD_TYPE_COUNT,
               "a type cannot be read");

/* ---- forms -------------------------------------------------------------- */

static int read_field(struct reading *from, const struct field *field, char *base,
                      struct error *err)
{
    if (READERS[field->type](from, field, base, err))
        return err_prefix(err, "%s", field->name);
    return 0;
}

static int skip_item(struct reading *from, struct error *err)
{
    if (unpack_skip(&from->in))
        return err_set(err, ERR_INVALID, "the message ends too early");
    return 0;
}

/* Columns that every row of a form has; optional ones come after them. */
static unsigned columns_least(const struct form *form)
{
    unsigned least = form->count;

    while (least > 0 && !form->fields[least - 1].required)
        least--;
    return least;
}

/* Columns in order. Those that an earlier version does not have are zero, and what a
 * later one adds behind them is skipped. */
static int read_row(struct reading *from, const struct form *form, char *base,
                    struct error *err)
{
    struct unpack_item head;

    if (read_item(from, UNPACK_ARRAY, &head, err))
        return -1;
    if (head.number < columns_least(form))
        return err_set(err, ERR_INVALID, "%" PRIu64 " columns, a %s has %u", head.number,
                       form->name, columns_least(form));
    for (unsigned i = 0; i < form->count && i < head.number; i++)
        if (read_field(from, &form->fields[i], base, err))
            return -1;
    for (uint64_t i = form->count; i < head.number; i++)
        if (skip_item(from, err))
            return -1;
    return 0;
}

/* One pair of a map: a known field, once, or something to skip. */
static int read_pair(struct reading *from, const struct form *form, char *base,
                     uint64_t *seen, struct error *err)
{
    struct unpack_item key;

    if (read_item(from, UNPACK_UINT, &key, err))
        return err_prefix(err, "field number");
    if (key.number < 1 || key.number > form->count)
        return skip_item(from, err);
    const struct field *field = &form->fields[key.number - 1];
    if (*seen & 1ull << key.number)
        return err_set(err, ERR_INVALID, "%s: appears twice", field->name);
    *seen |= 1ull << key.number;
    return read_field(from, field, base, err);
}

static int read_map(struct reading *from, const struct form *form, char *base,
                    struct error *err)
{
    struct unpack_item head;
    uint64_t seen = 0; /* one bit a field number; forms have fewer than 64 */

    if (read_item(from, UNPACK_MAP, &head, err))
        return -1;
    for (uint64_t i = 0; i < head.number; i++)
        if (read_pair(from, form, base, &seen, err))
            return -1;
    for (unsigned i = 0; i < form->count; i++)
        if (form->fields[i].required && !(seen & 1ull << form->fields[i].number))
            return err_set(err, ERR_INVALID, "%s: missing", form->fields[i].name);
    return 0;
}

static int read_form(struct reading *from, const struct form *form, char *base,
                     struct error *err)
{
    return form->row ? read_row(from, form, base, err) : read_map(from, form, base, err);
}

/* ---- messages ----------------------------------------------------------- */

static const struct form *read_head(struct reading *from, enum msg_kind *ret_kind,
                                    struct error *err)
{
    struct unpack_item head, kind;

    if (read_item(from, UNPACK_ARRAY, &head, err) ||
        (head.number != 2 &&
         err_set(err, ERR_INVALID, "expected [kind, fields], got %" PRIu64 " items",
                 head.number)) ||
        read_item(from, UNPACK_UINT, &kind, err)) {
        err_prefix(err, "not a message");
        return NULL;
    }
    const struct form *form = form_of(kind.number);
    if (!form)
        err_set(err, ERR_INVALID, "there is no message kind %" PRIu64, kind.number);
    else
        *ret_kind = (enum msg_kind)kind.number;
    return form;
}

int msg_decode(const void *data, size_t size, struct msg *ret, struct error *err)
{
    struct reading from = {.in = {data, (const unsigned char *)data + size}};
    struct msg msg = {0};

    if (size > PROTO_MESSAGE_MAX)
        return err_set(err, ERR_INVALID, "%zu bytes, the most a message has is %d", size,
                       PROTO_MESSAGE_MAX);
    const struct form *form = read_head(&from, &msg.kind, err);
    if (!form)
        return -1;
    /* All members of the union begin at the same place. */
    int rc = read_form(&from, form, (char *)&msg.hello, err);
    if (rc == 0 && from.in.at != from.in.end)
        rc = err_set(err, ERR_INVALID, "%td bytes too many behind it",
                     from.in.end - from.in.at);
    msg.arena = from.arena;
    if (rc) {
        err_prefix(err, "%s", form->name);
        msg_free(&msg);
        return -1;
    }
    *ret = msg;
    return 0;
}

void msg_free(struct msg *msg)
{
    if (!msg)
        return;
    for (struct block *block = msg->arena, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    msg->arena = NULL;
    msg->kind = MSG_NONE;
}
