/* Whatever json_parse accepts can be written again, and reads back as the same;
 * whatever bytes json_put_text is given, it writes a JSON string. */

#include "common/json.h"

#include "common/buf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct writer {
    struct buf *out;
    bool first;
};

static void write_value(struct buf *out, const struct json *value);

static bool write_entry(void *user, const char *key, const struct json *value)
{
    struct writer *writer = user;

    buf_puts(writer->out, writer->first ? "" : ",");
    writer->first = false;
    json_put_text(writer->out, key, strlen(key));
    buf_puts(writer->out, ":");
    write_value(writer->out, value);
    return true;
}

static void write_value(struct buf *out, const struct json *value)
{
    struct writer writer = {out, true};

    switch (json_kind(value)) {
    case JSON_NULL_VALUE:
        buf_puts(out, "null");
        break;
    case JSON_BOOL:
        buf_puts(out, json_bool(value) ? "true" : "false");
        break;
    case JSON_INT:
        buf_printf(out, "%" PRId64, json_int(value));
        break;
    case JSON_NUMBER:
        json_put_number(out, json_number(value));
        break;
    case JSON_TEXT:
        json_put_text(out, json_text(value), strlen(json_text(value)));
        break;
    case JSON_LIST:
        buf_puts(out, "[");
        for (size_t i = 0; i < json_count(value); i++) {
            buf_puts(out, i > 0 ? "," : "");
            write_value(out, json_at(value, i));
        }
        buf_puts(out, "]");
        break;
    case JSON_MAP:
        buf_puts(out, "{");
        json_each(value, write_entry, &writer);
        buf_puts(out, "}");
        break;
    }
}

static void check_value(const uint8_t *data, size_t size)
{
    struct json *root = json_parse((const char *)data, size, NULL), *back;
    struct buf once = {0}, twice = {0};

    if (!root)
        return;
    write_value(&once, root);
    back = json_parse(once.data, once.size, NULL);
    if (!back)
        abort();
    write_value(&twice, back);
    if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0)
        abort();
    json_free(&back);
    json_free(&root);
    buf_free(&once);
    buf_free(&twice);
}

static void check_text(const uint8_t *data, size_t size)
{
    struct buf text = {0};
    struct json *back;

    json_put_text(&text, (const char *)data, size);
    back = json_parse(text.data, text.size, NULL);
    /* NUL is written as an escape, and that alone is not read again. */
    if ((size == 0 || !memchr(data, 0, size)) && json_kind(back) != JSON_TEXT)
        abort();
    json_free(&back);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_value(data, size);
    check_text(data, size);
    return 0;
}
