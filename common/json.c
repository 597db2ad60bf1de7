#include "common/json.h"

#include "common/error.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

/* struct json is json_t under a name of our own: these two are the border. */
static const json_t *inner(const struct json *value)
{
    return (const json_t *)value;
}

static struct json *outer(json_t *value)
{
    return (struct json *)value;
}

struct json *json_parse(const char *text, size_t size, struct error *err)
{
    json_error_t why;
    json_t *root;

    /* No JSON text has a NUL, but jansson 2.14 skips one after a number. */
    if (size > 0 && memchr(text, '\0', size)) {
        err_set(err, ERR_INVALID, "a NUL byte is not JSON");
        return NULL;
    }
    root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!root)
        err_set(err, ERR_INVALID, "%d:%d: %s", why.line, why.column, why.text);
    return outer(root);
}

void json_free(struct json **root)
{
    json_decref((json_t *)*root);
    *root = NULL;
}

enum json_type json_kind(const struct json *value)
{
    if (!value)
        return JSON_NULL_VALUE;
    switch (json_typeof(inner(value))) {
    case JSON_OBJECT:
        return JSON_MAP;
    case JSON_ARRAY:
        return JSON_LIST;
    case JSON_STRING:
        return JSON_TEXT;
    case JSON_INTEGER:
        return JSON_INT;
    case JSON_REAL:
        return JSON_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_BOOL;
    case JSON_NULL:
        break;
    }
    return JSON_NULL_VALUE;
}

int64_t json_int(const struct json *value)
{
    return json_integer_value(inner(value));
}

double json_number(const struct json *value)
{
    return json_number_value(inner(value));
}

bool json_bool(const struct json *value)
{
    return json_is_true(inner(value));
}

const char *json_text(const struct json *value)
{
    return json_string_value(inner(value));
}

size_t json_count(const struct json *value)
{
    const json_t *any = inner(value);

    return json_is_array(any) ? json_array_size(any) : json_object_size(any);
}

const struct json *json_at(const struct json *list, size_t index)
{
    return outer(json_array_get(inner(list), index));
}

const struct json *json_get(const struct json *map, const char *key)
{
    return outer(json_object_get(inner(map), key));
}

bool json_each(const struct json *map,
               bool (*visit)(void *user, const char *key, const struct json *value),
               void *user)
{
    /* jansson's iterators take a mutable object, and do not change it. */
    json_t *object = (json_t *)(uintptr_t)map;

    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        if (!visit(user, key, outer(json_object_iter_value(at))))
            return false;
    }
    return true;
}

/* The two-character escapes of RFC 8259; other control characters take six. */
static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

void json_put_text(struct buf *out, const char *text, size_t size)
{
    size_t at = 0;

    buf_puts(out, "\"");
    while (at < size) {
        size_t length = utf8_length(text + at, size - at);
        unsigned char c = (unsigned char)text[at];
        const char *escape = short_escape(c);

        if (length == 0) {
            buf_puts(out, "\xEF\xBF\xBD"); /* U+FFFD for each bad byte */
            length = 1;
        } else if (escape) {
            buf_puts(out, escape);
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_add(out, text + at, length);
        }
        at += length;
    }
    buf_puts(out, "\"");
}

void json_put_number(struct buf *out, double number)
{
    const char *quote = isfinite(number) ? "" : "\"";

    buf_puts(out, quote);
    buf_put_real(out, number);
    buf_puts(out, quote);
}
