#include "proto/table.h"

#include "common/error.h"
#include "common/hash.h"

#include <inttypes.h>
#include <string.h>

int field_check_number(const struct field *field, uint64_t number, struct error *err)
{
    if (number >= field->lo && number <= field->hi)
        return 0;
    if (field->type == FIELD_I64 && number > INT64_MAX)
        return err_set(err, ERR_INVALID, "%" PRIu64 " does not fit an i64", number);
    return err_set(err, ERR_INVALID, "%" PRIu64 " is not within %" PRIu64 " .. %" PRIu64,
                   number, field->lo, field->hi);
}

int field_check_size(const struct field *field, size_t size, const char *unit,
                     struct error *err)
{
    if (size > field->hi)
        return err_set(err, ERR_INVALID, "%zu %s, the most is %" PRIu64, size, unit,
                       field->hi);
    if (size < field->lo)
        return err_set(err, ERR_INVALID, "%zu %s, the least is %" PRIu64, size, unit,
                       field->lo);
    return 0;
}

int field_check_slice(const struct field *field, struct slice slice, struct error *err)
{
    if (field->type == FIELD_HEX)
        return hash_is_hex(slice.data, slice.size)
                   ? 0
                   : err_set(err, ERR_INVALID, "expected 32 lower-case hex digits");
    if (field_check_size(field, slice.size, "bytes", err))
        return -1;
    if (field->type == FIELD_TEXT && slice.size > 0 &&
        memchr(slice.data, '\0', slice.size))
        return err_set(err, ERR_INVALID, "a text must not have a NUL byte");
    return 0;
}
