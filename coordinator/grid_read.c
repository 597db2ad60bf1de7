#include "coordinator/grid_read.h"

#include "common/buf.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int grid_fail(struct grid_reader *reader, struct grid_place place, enum err_code code,
              const char *fmt, ...)
{
    struct buf text = {0};
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    err_set(reader->err, code, "%s:%d:%d: %s", reader->file, place.line, place.column,
            text.data ? text.data : "no memory");
    buf_free(&text);
    return -1;
}

int grid_fail_key(struct grid_reader *reader, struct grid_place place, const char *key)
{
    return err_prefix(reader->err, "%s:%d:%d: key '%s'", reader->file, place.line,
                      place.column, key);
}

struct grid_place grid_place_of(const struct toml_node *node)
{
    return (struct grid_place){node->line, node->column};
}

int grid_fail_type(struct grid_reader *reader, const struct toml_node *node,
                   const char *expected)
{
    if (!node->key)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID, "expected %s, got %s",
                         expected, toml_type_name(node->type));
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key '%s': expected %s, got %s", node->key, expected,
                     toml_type_name(node->type));
}

/* ---- fields ----------------------------------------------------------------- */

static const struct grid_field *find_field(const struct grid_field *fields,
                                           const char *key)
{
    for (; fields->key; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

static int unknown_key(struct grid_reader *reader, const struct toml_node *node,
                       const struct grid_field *fields, const char *where)
{
    enum { FIELDS_MAX = 32 };
    const char *names[FIELDS_MAX + 1] = {NULL};
    struct buf text = {0};
    const char *nearest;

    for (size_t i = 0; i < FIELDS_MAX && fields[i].key; i++) {
        names[i] = fields[i].key;
        buf_printf(&text, "%s%s", i ? ", " : "", fields[i].key);
    }
    nearest = name_nearest(node->key, names);
    if (nearest)
        buf_printf(&text, " (did you mean '%s'?)", nearest);
    grid_fail(reader, grid_place_of(node), ERR_INVALID,
              "unknown key '%s' in %s: expected one of %s", node->key, where,
              text.data ? text.data : "");
    buf_free(&text);
    return -1;
}

int grid_read_fields(struct grid_reader *reader, const struct toml_node *table,
                     const struct grid_field *fields, const char *where, void *into)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct toml_node *node = &table->children[i];
        const struct grid_field *field = find_field(fields, node->key);
        if (!field)
            return unknown_key(reader, node, fields, where);
        if (field->read(reader, node, into))
            return -1;
    }
    return 0;
}

/* ---- small things ----------------------------------------------------------- */

void *grid_grow(struct grid_reader *reader, void *items_p, size_t *count, size_t size)
{
    char *items, **at = items_p;

    items = reallocarray(*at, *count + 1, size);
    if (!items) {
        err_set(reader->err, ERR_NO_MEMORY, "%s: no memory", reader->file);
        return NULL;
    }
    *at = items;
    return memset(items + size * (*count)++, 0, size);
}

int grid_read_name(struct grid_reader *reader, const struct toml_node *node, bool mixed,
                   char **ret)
{
    enum { NAME_MAX_SIZE = 64 };
    const char *allowed = mixed ? "abcdefghijklmnopqrstuvwxyz0123456789-._"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                : "abcdefghijklmnopqrstuvwxyz0123456789-";
    const char *expected = mixed ? "letters, digits, '-', '.' and '_'"
                                 : "lower-case letters, digits and '-'";
    size_t size;

    if (node->type != TOML_STRING)
        return grid_fail_type(reader, node, "a string");
    size = strlen(node->string);
    if (size < 1 || size > NAME_MAX_SIZE || strspn(node->string, allowed) != size)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s': expected 1 to %d %s, got \"%.80s\"", node->key,
                         NAME_MAX_SIZE, expected, node->string);
    free(*ret);
    *ret = strdup(node->string);
    if (!*ret)
        return err_set(reader->err, ERR_NO_MEMORY, "%s: no memory", reader->file);
    return 0;
}
