#include "common/spec.h"

#include "common/datasets.h"
#include "common/error.h"
#include "common/names.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- items ------------------------------------------------------------------ */

int spec_init(struct spec *spec, enum job_kind kind, struct error *err)
{
    struct value numerics = value_int(SPEC_NUMERICS);
    struct spec made = {.kind = kind};

    if (spec_set(&made, "numerics", &numerics, err))
        return -1;
    *spec = made;
    return 0;
}

void spec_free(struct spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        value_free(&spec->items[i].value);
    free(spec->items);
    spec->items = NULL;
    spec->count = 0;
}

int spec_copy(const struct spec *from, struct spec *ret, struct error *err)
{
    struct spec copy = {.kind = from->kind};

    copy.items = calloc(from->count ? from->count : 1, sizeof *copy.items);
    if (!copy.items)
        return err_set(err, ERR_NO_MEMORY, "no memory for a spec");
    for (size_t i = 0; i < from->count; i++) {
        copy.items[i].opt = from->items[i].opt;
        if (value_copy(&from->items[i].value, &copy.items[i].value, err)) {
            spec_free(&copy);
            return -1;
        }
        copy.count++;
    }
    *ret = copy;
    return 0;
}

/* Where name is, or where it belongs. */
static size_t place_of(const struct spec *spec, const char *name)
{
    size_t low = 0, high = spec->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(spec->items[middle].opt->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct spec_item *item_of(const struct spec *spec, const char *name)
{
    size_t at = place_of(spec, name);

    if (at < spec->count && strcmp(spec->items[at].opt->name, name) == 0)
        return &spec->items[at];
    return NULL;
}

static void remove_item(struct spec *spec, struct spec_item *item)
{
    size_t after = (size_t)(spec->items + spec->count - item) - 1;

    value_free(&item->value);
    memmove(item, item + 1, after * sizeof *item);
    spec->count--;
}

/* Takes ownership of value, also on failure. */
static int put_item(struct spec *spec, const struct opt *opt, struct value value,
                    struct error *err)
{
    struct spec_item *items, *item = item_of(spec, opt->name);
    size_t at;

    if (item) {
        value_free(&item->value);
        item->value = value;
        return 0;
    }
    items = realloc(spec->items, (spec->count + 1) * sizeof *items);
    if (!items) {
        value_free(&value);
        return err_set(err, ERR_NO_MEMORY, "no memory for option '%s'", opt->name);
    }
    spec->items = items;
    at = place_of(spec, opt->name);
    memmove(&items[at + 1], &items[at], (spec->count - at) * sizeof *items);
    items[at] = (struct spec_item){opt, value};
    spec->count++;
    return 0;
}

static int unknown_option(enum job_kind kind, const char *name, struct error *err)
{
    const char *nearest = opt_nearest(kind, name);

    if (nearest)
        return err_set(err, ERR_INVALID, "unknown option '%s' (did you mean '%s'?)", name,
                       nearest);
    return err_set(err, ERR_INVALID, "unknown option '%s'", name);
}

/* The default as a value; the option must have one. */
static struct value fallback_of(const struct spec *spec, const struct opt *opt)
{
    const char *text = opt_fallback(opt, spec);
    struct value value = value_bool(false);
    int rc = value_trust(text, &value, NULL);

    assert(rc == 0);
    (void)rc;
    return value;
}

static bool is_fallback(const struct spec *spec, const struct opt *opt,
                        const struct value *value)
{
    struct value fallback;
    bool same;

    if (!opt->fallback)
        return false;
    fallback = fallback_of(spec, opt);
    same = value_equal(&fallback, value);
    value_free(&fallback);
    return same;
}

/* Items of options with one default were left out when they were set. */
static bool is_idle(const struct spec *spec, const struct spec_item *item)
{
    return item->opt->cases && is_fallback(spec, item->opt, &item->value);
}

void spec_settle(struct spec *spec)
{
    for (size_t i = spec->count; i-- > 0;)
        if (is_idle(spec, &spec->items[i]))
            remove_item(spec, &spec->items[i]);
}

int spec_set(struct spec *spec, const char *name, const struct value *value,
             struct error *err)
{
    const struct opt *opt = opt_find(spec->kind, name);

    return opt ? spec_set_opt(spec, opt, value, err)
               : unknown_option(spec->kind, name, err);
}

int spec_set_opt(struct spec *spec, const struct opt *opt, const struct value *value,
                 struct error *err)
{
    struct spec_item *item;
    struct value copy;

    if (value_copy(value, &copy, err))
        return -1;
    if (opt_check(opt, &copy, err)) {
        value_free(&copy);
        return err_prefix(err, "option '%s'", opt->name);
    }
    if (opt->cases || !is_fallback(spec, opt, &copy))
        return put_item(spec, opt, copy, err);
    value_free(&copy);
    item = item_of(spec, opt->name);
    if (item)
        remove_item(spec, item);
    return 0;
}

/* ---- effective values ------------------------------------------------------- */

bool spec_has(const struct spec *spec, const char *name)
{
    const struct spec_item *item = item_of(spec, name);

    return item && !is_idle(spec, item);
}

/* A scalar that owns nothing; strings are spec_string's. */
static struct value scalar(const struct spec *spec, const char *name, enum opt_type type)
{
    const struct opt *opt = opt_find(spec->kind, name);
    const struct spec_item *item = item_of(spec, name);

    assert(opt && opt->type == type && (item || opt->fallback));
    (void)type;
    return item ? item->value : fallback_of(spec, opt);
}

bool spec_bool(const struct spec *spec, const char *name)
{
    return scalar(spec, name, OPT_BOOL).boolean;
}

int64_t spec_int(const struct spec *spec, const char *name)
{
    return scalar(spec, name, OPT_INT).integer;
}

double spec_real(const struct spec *spec, const char *name)
{
    return scalar(spec, name, OPT_REAL).real;
}

/* The default's text is quoted; the table holds it bare among the names. Options
 * without names have the empty string as their default. */
static const char *fallback_string(const struct spec *spec, const struct opt *opt)
{
    const char *text = opt_fallback(opt, spec);
    size_t size = strlen(text) - 2;

    for (size_t i = 0; opt->names && opt->names[i]; i++)
        if (strlen(opt->names[i]) == size && memcmp(opt->names[i], text + 1, size) == 0)
            return opt->names[i];
    assert(size == 0);
    return "";
}

const char *spec_string(const struct spec *spec, const char *name)
{
    const struct opt *opt = opt_find(spec->kind, name);
    const struct spec_item *item = item_of(spec, name);

    assert(opt);
    assert(opt->type == OPT_NAME || opt->type == OPT_STRING || opt->type == OPT_STATE);
    assert(item || opt->fallback);
    return item ? item->value.string : fallback_string(spec, opt);
}

int spec_value(const struct spec *spec, const char *name, struct value *ret,
               struct error *err)
{
    const struct opt *opt = opt_find(spec->kind, name);
    const struct spec_item *item = item_of(spec, name);
    const char *text;

    assert(opt && (item || opt->fallback));
    if (item)
        return value_copy(&item->value, ret, err);
    text = opt_fallback(opt, spec);
    return value_trust(text, ret, err);
}

int spec_size(const struct spec *spec, const char *name, int64_t total, int64_t *ret,
              struct error *err)
{
    const struct spec_item *item = item_of(spec, name);
    struct value value;

    if (spec_value(spec, name, &value, err))
        return -1;
    if (value.type == VALUE_STRING) {
        value_free(&value);
        *ret = total;
        return 0;
    }
    if (value.type == VALUE_REAL) {
        int64_t count = llround(value.real * (double)total);
        *ret = count < 1 ? 1 : count;
        return 0;
    }
    /* A default count means "as many, if there are". */
    if (!item && value.integer > total)
        value.integer = total;
    if (value.integer > total)
        return err_set(err, ERR_INVALID, "option '%s': %lld examples, but there are %lld",
                       name, (long long)value.integer, (long long)total);
    *ret = value.integer;
    return 0;
}

/* ---- text ------------------------------------------------------------------- */

static void put_line(const struct spec_item *item, struct buf *out)
{
    buf_puts(out, item->opt->name);
    buf_puts(out, "=");
    value_text(&item->value, out);
    buf_puts(out, "\n");
}

void spec_text(const struct spec *spec, struct buf *out)
{
    buf_puts(out, "coord-spec 1 ");
    buf_puts(out, job_kind_name(spec->kind));
    buf_puts(out, "\n");
    for (size_t i = 0; i < spec->count; i++)
        if (!is_idle(spec, &spec->items[i]))
            put_line(&spec->items[i], out);
}

void spec_text_seeds(const struct buf *text, size_t *ret_begin, size_t *ret_end)
{
    static const char SEED[] = "\nseed.";
    const char *first = strstr(text->data, SEED), *at = first;

    *ret_begin = *ret_end = text->size;
    if (!first)
        return;
    while (strncmp(at, SEED, sizeof SEED - 1) == 0)
        at = strchr(at + 1, '\n'); /* every line has its end */
    *ret_begin = (size_t)(first + 1 - text->data);
    *ret_end = (size_t)(at + 1 - text->data);
}

void spec_text_like(const struct buf *like, const struct spec *spec, struct buf *out)
{
    size_t begin, end;

    spec_text_seeds(like, &begin, &end);
    buf_add(out, like->data, begin);
    for (size_t i = 0; i < spec->count; i++)
        if (opt_is_seed(spec->items[i].opt))
            put_line(&spec->items[i], out);
    buf_add(out, like->data + end, like->size - end);
}

int spec_key(const struct spec *spec, char ret_key[HASH_TEXT], struct error *err)
{
    struct buf text = {0};
    int rc = -1;

    spec_text(spec, &text);
    if (text.failed)
        err_set(err, ERR_NO_MEMORY, "no memory for a spec's text");
    else {
        hash_bytes(text.data, text.size, ret_key);
        rc = 0;
    }
    buf_free(&text);
    return rc;
}

/* Take a line without its newline off the front of *rest. */
static bool take_line(struct slice *rest, struct slice *ret)
{
    const char *end = memchr(rest->data, '\n', rest->size);

    if (!end)
        return false;
    *ret = (struct slice){rest->data, (size_t)(end - rest->data)};
    rest->data = end + 1;
    rest->size -= ret->size + 1;
    return true;
}

static int parse_head(struct slice line, struct spec *spec, struct error *err)
{
    char head[32];

    for (enum job_kind kind = JOB_TRAIN; kind <= JOB_DERIVE; kind++) {
        snprintf(head, sizeof head, "coord-spec 1 %s", job_kind_name(kind));
        if (slice_is(line, head)) {
            spec->kind = kind;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "not a spec: expected \"coord-spec 1 KIND\"");
}

static int parse_line(struct slice line, struct spec *spec, struct error *err)
{
    char name[64];
    const char *equals = memchr(line.data, '=', line.size);
    size_t size = equals ? (size_t)(equals - line.data) : 0;
    struct value value;
    size_t before = spec->count;

    if (!equals || size >= sizeof name)
        return err_set(err, ERR_INVALID, "a line that is not NAME=VALUE");
    memcpy(name, line.data, size);
    name[size] = '\0';
    if (value_parse(equals + 1, line.size - size - 1, &value, err))
        return err_prefix(err, "option '%s'", name);
    if (spec_set(spec, name, &value, err)) {
        value_free(&value);
        return -1;
    }
    value_free(&value);
    if (spec->count != before + 1)
        return err_set(err, ERR_INVALID, "option '%s': repeated, or its default", name);
    if (strcmp(spec->items[before].opt->name, name) != 0)
        return err_set(err, ERR_INVALID, "option '%s': out of order", name);
    return 0;
}

/* A value can be well formed and still not the one text of what it means. */
static int check_canonical(const struct spec *spec, const char *text, size_t size,
                           struct error *err)
{
    struct buf again = {0};
    int rc = 0;

    spec_text(spec, &again);
    if (again.failed)
        rc = err_set(err, ERR_NO_MEMORY, "no memory for a spec's text");
    else if (again.size != size || memcmp(again.data, text, size) != 0)
        rc = err_set(err, ERR_INVALID, "not a canonical text");
    buf_free(&again);
    return rc;
}

int spec_parse(const char *text, size_t size, struct spec *ret, struct error *err)
{
    struct slice rest = {text, size}, line;
    struct spec spec = {0};

    if (size > SPEC_TEXT_MAX) {
        err_set(err, ERR_INVALID, "longer than %d bytes", SPEC_TEXT_MAX);
        goto fail;
    }
    if (!take_line(&rest, &line)) {
        err_set(err, ERR_INVALID, "not a spec: expected \"coord-spec 1 KIND\"");
        goto fail;
    }
    if (parse_head(line, &spec, err))
        goto fail;
    while (take_line(&rest, &line))
        if (parse_line(line, &spec, err))
            goto fail;
    if (rest.size > 0) {
        err_set(err, ERR_INVALID, "a last line without its end");
        goto fail;
    }
    if (check_canonical(&spec, text, size, err))
        goto fail;
    *ret = spec;
    return 0;

fail:
    spec_free(&spec);
    return err_prefix(err, "spec");
}
