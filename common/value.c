#include "common/value.h"

#include "common/error.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Lists in lists: init.reset axes have three levels; 8 bounds the recursion. */
enum { DEPTH_MAX = 8 };

/* ---- making, copying, comparing ------------------------------------------ */

struct value value_bool(bool boolean)
{
    return (struct value){.type = VALUE_BOOL, .boolean = boolean};
}

struct value value_int(int64_t integer)
{
    return (struct value){.type = VALUE_INT, .integer = integer};
}

struct value value_real(double real)
{
    return (struct value){.type = VALUE_REAL, .real = real};
}

struct value value_list(void)
{
    return (struct value){.type = VALUE_LIST, .list = {NULL, 0}};
}

static int no_memory(struct error *err)
{
    return err_set(err, ERR_NO_MEMORY, "no memory for a value");
}

int value_string(const char *string, struct value *ret, struct error *err)
{
    char *copy = strdup(string);

    if (!copy)
        return no_memory(err);
    *ret = (struct value){.type = VALUE_STRING, .string = copy};
    return 0;
}

int value_push(struct value *list, struct value item, struct error *err)
{
    struct value *items;
    size_t count = list->list.count;

    /* Room is a power of two and so follows from the count: grow when full. */
    if ((count & (count - 1)) == 0) {
        size_t room = count ? 2 * count : 1;
        items = reallocarray(list->list.items, room, sizeof *items);
        if (!items) {
            value_free(&item);
            return no_memory(err);
        }
        list->list.items = items;
    }
    list->list.items[count] = item;
    list->list.count++;
    return 0;
}

int value_copy(const struct value *from, struct value *ret, struct error *err)
{
    struct value copy = value_list();
    struct value item;

    if (from->type == VALUE_STRING)
        return value_string(from->string, ret, err);
    if (from->type != VALUE_LIST) {
        *ret = *from;
        return 0;
    }
    for (size_t i = 0; i < from->list.count; i++) {
        if (value_copy(&from->list.items[i], &item, err) != 0 ||
            value_push(&copy, item, err) != 0) {
            value_free(&copy);
            return -1;
        }
    }
    *ret = copy;
    return 0;
}

void value_free(struct value *value)
{
    if (!value)
        return;
    if (value->type == VALUE_STRING)
        free(value->string);
    if (value->type == VALUE_LIST) {
        for (size_t i = 0; i < value->list.count; i++)
            value_free(&value->list.items[i]);
        free(value->list.items);
    }
    *value = value_bool(false);
}

static bool list_equal(const struct value *a, const struct value *b)
{
    if (a->list.count != b->list.count)
        return false;
    for (size_t i = 0; i < a->list.count; i++)
        if (!value_equal(&a->list.items[i], &b->list.items[i]))
            return false;
    return true;
}

/* Equal exactly where the texts are: NaN equals NaN, 0.0 differs from -0.0. */
static bool real_equal(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return a == b && !signbit(a) == !signbit(b);
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_INT:
        return a->integer == b->integer;
    case VALUE_REAL:
        return real_equal(a->real, b->real);
    case VALUE_STRING:
        return strcmp(a->string, b->string) == 0;
    case VALUE_LIST:
        return list_equal(a, b);
    }
    return false;
}

/* ---- writing ------------------------------------------------------------- */

/* How many bytes stand as they are. */
static size_t plain_bytes(const char *string)
{
    size_t size = 0;

    while ((unsigned char)string[size] >= 0x20 && string[size] != '"' &&
           string[size] != '\\' && string[size] != 0x7F)
        size++;
    return size;
}

/* Quotes, backslashes and control bytes are escaped, so that a text is always
 * one line; everything else stands as it is. */
static void put_string(const char *string, struct buf *out)
{
    buf_puts(out, "\"");
    for (const char *at = string; *at; at++) {
        unsigned char c = (unsigned char)*at;
        size_t plain = plain_bytes(at);

        if (plain > 0) {
            buf_add(out, at, plain);
            at += plain - 1;
        } else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '\t')
            buf_puts(out, "\\t");
        else
            buf_printf(out, "\\u%04x", c);
    }
    buf_puts(out, "\"");
}

void value_text(const struct value *value, struct buf *out)
{
    switch (value->type) {
    case VALUE_BOOL:
        buf_puts(out, value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        buf_put_int(out, value->integer);
        break;
    case VALUE_REAL:
        buf_put_real(out, value->real);
        break;
    case VALUE_STRING:
        put_string(value->string, out);
        break;
    case VALUE_LIST:
        buf_puts(out, "[");
        for (size_t i = 0; i < value->list.count; i++) {
            if (i > 0)
                buf_puts(out, ",");
            value_text(&value->list.items[i], out);
        }
        buf_puts(out, "]");
        break;
    }
}

/* ---- reading ------------------------------------------------------------- */

/* The reader accepts a little more than the writer writes (1e3, 007, \u0041);
 * value_parse then refuses whatever does not read back to its own bytes. */
struct reader {
    const char *at, *end;
    struct error *err;
};

static int read_value(struct reader *in, int depth, struct value *ret);

static bool take(struct reader *in, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0)
        return false;
    in->at += size;
    return true;
}

static int refuse(struct reader *in, const char *why)
{
    return err_set(in->err, ERR_INVALID, "value text: %s", why);
}

/* Append the character that an escape stands for; in->at is after the '\'. */
static int read_escape(struct reader *in, struct buf *out)
{
    char digits[5] = "";
    char byte;

    if (take(in, "\""))
        byte = '"';
    else if (take(in, "\\"))
        byte = '\\';
    else if (take(in, "n"))
        byte = '\n';
    else if (take(in, "t"))
        byte = '\t';
    else if (take(in, "u00") && in->end - in->at >= 2 &&
             isxdigit((unsigned char)in->at[0]) && isxdigit((unsigned char)in->at[1])) {
        memcpy(digits, in->at, 2);
        in->at += 2;
        byte = (char)strtol(digits, NULL, 16);
    } else {
        return refuse(in, "unknown escape in a string");
    }
    if (byte == '\0')
        return refuse(in, "a string cannot hold NUL");
    buf_add(out, &byte, 1);
    return 0;
}

static int read_string(struct reader *in, struct value *ret)
{
    struct buf text = {0};
    int rc = -1;

    while (!take(in, "\"")) {
        if (in->at == in->end) {
            refuse(in, "a string without its closing quote");
            goto done;
        }
        if (take(in, "\\")) {
            if (read_escape(in, &text) != 0)
                goto done;
            continue;
        }
        size_t length = utf8_length(in->at, (size_t)(in->end - in->at));
        if (length == 0 || *in->at == '\0') {
            refuse(in, "a string that is not UTF-8");
            goto done;
        }
        buf_add(&text, in->at, length);
        in->at += length;
    }
    if (text.failed)
        no_memory(in->err);
    else
        rc = value_string(text.data ? text.data : "", ret, in->err);
done:
    buf_free(&text);
    return rc;
}

static int read_list(struct reader *in, int depth, struct value *ret)
{
    struct value list = value_list();
    struct value item;

    if (depth >= DEPTH_MAX)
        return refuse(in, "lists nest more than 8 deep");
    if (take(in, "]")) {
        *ret = list;
        return 0;
    }
    for (;;) {
        if (read_value(in, depth + 1, &item) != 0 ||
            value_push(&list, item, in->err) != 0)
            goto fail;
        if (take(in, "]"))
            break;
        if (!take(in, ",")) {
            refuse(in, "expected ',' or ']' in a list");
            goto fail;
        }
    }
    *ret = list;
    return 0;

fail:
    value_free(&list);
    return -1;
}

/* 32 bytes hold every number that the writer writes. */
static int read_number(struct reader *in, struct value *ret)
{
    char text[32];
    size_t size = 0;
    char *end;

    while (in->at + size < in->end && size < sizeof text - 1 &&
           (isalnum((unsigned char)in->at[size]) || strchr("+-.", in->at[size])) &&
           in->at[size] != '\0')
        size++;
    memcpy(text, in->at, size);
    text[size] = '\0';
    if (size == 0)
        return refuse(in, "expected true, false, a number, a string or a list");
    in->at += size;

    errno = 0;
    if (strpbrk(text, ".ein"))
        *ret = value_real(strtod(text, &end));
    else
        *ret = value_int(strtoll(text, &end, 10));
    if (*end != '\0')
        return refuse(in, "malformed number");
    if (errno == ERANGE && ret->type == VALUE_INT)
        return refuse(in, "an integer beyond 64 bits");
    return 0;
}

static int read_value(struct reader *in, int depth, struct value *ret)
{
    if (take(in, "true"))
        *ret = value_bool(true);
    else if (take(in, "false"))
        *ret = value_bool(false);
    else if (take(in, "\""))
        return read_string(in, ret);
    else if (take(in, "["))
        return read_list(in, depth, ret);
    else
        return read_number(in, ret);
    return 0;
}

int value_trust(const char *text, struct value *ret, struct error *err)
{
    struct reader in = {text, text + strlen(text), err};

    return read_value(&in, 0, ret);
}

int value_parse(const char *text, size_t size, struct value *ret, struct error *err)
{
    struct reader in = {text, text + size, err};
    struct buf again = {0};
    struct value value;

    if (read_value(&in, 0, &value) != 0)
        return -1;
    value_text(&value, &again);
    if (again.failed)
        no_memory(err);
    else if (in.at != in.end)
        refuse(&in, "bytes after the value");
    else if (!slice_equal((struct slice){again.data, again.size},
                          (struct slice){text, size}))
        err_set(err, ERR_INVALID, "value text: not canonical, expected %.200s",
                again.data);
    else
        goto good;
    buf_free(&again);
    value_free(&value);
    return -1;

good:
    buf_free(&again);
    *ret = value;
    return 0;
}

/* ---- small things -------------------------------------------------------- */

const char *value_type_name(enum value_type type)
{
    static const char *const NAME[] = {
        [VALUE_BOOL] = "boolean",  [VALUE_INT] = "integer", [VALUE_REAL] = "real",
        [VALUE_STRING] = "string", [VALUE_LIST] = "list",
    };

    return NAME[type];
}

double value_number(const struct value *value)
{
    if (value->type == VALUE_INT)
        return (double)value->integer;
    return value->type == VALUE_REAL ? value->real : 0;
}
