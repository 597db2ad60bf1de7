#include "common/arch.h"

#include "common/error.h"
#include "common/opts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------ */

static const char *block_of(const struct tensor *tensor)
{
    return tensor->block;
}

static const char *unit_of(const struct tensor *tensor)
{
    return tensor->unit;
}

static const char *layer_of(const struct tensor *tensor)
{
    return tensor->layer;
}

/* The different names that parameters have of one kind, but for those that are also
 * their names of another. A name's tensors stand side by side. */
static int list_names(const struct arch *arch, const char *(*of)(const struct tensor *),
                      const char *(*but)(const struct tensor *), const char **names,
                      int max)
{
    const char *before = "";
    int count = 0;

    for (int t = 0; t < arch->param_tensors; t++) {
        const char *name = of(&arch->tensors[t]);
        if (strcmp(name, before) == 0)
            continue;
        before = name;
        if (but && strcmp(name, but(&arch->tensors[t])) == 0)
            continue;
        if (count < max)
            names[count] = name;
        count++;
    }
    return count;
}

int arch_groups(const struct arch *arch, const char **names, int max)
{
    return list_names(arch, unit_of, NULL, names, max);
}

int arch_blocks(const struct arch *arch, const char **names, int max)
{
    return list_names(arch, block_of, NULL, names, max);
}

/* ---- expressions ------------------------------------------------------------ */

#define CLASS(c)    (1U << (c))
#define ALL_CLASSES (~0U)

/* Running statistics are of their norm. */
static const struct mask {
    const char *name;
    unsigned classes;
} MASKS[] = {
    {"weights", CLASS(TENSOR_WEIGHT)},
    {"biases", CLASS(TENSOR_BIAS)},
    {"norms", CLASS(TENSOR_NORM_WEIGHT) | CLASS(TENSOR_NORM_BIAS) | CLASS(TENSOR_MEAN) |
                  CLASS(TENSOR_VAR)},
};

static const struct mask *find_mask(struct slice word)
{
    for (size_t i = 0; i < sizeof MASKS / sizeof MASKS[0]; i++)
        if (slice_is(word, MASKS[i].name))
            return &MASKS[i];
    return NULL;
}

/* "B1:biases" */
struct term {
    struct slice name;
    struct slice mask; /* empty: none */
    unsigned classes;  /* that the mask leaves; 0: there is no such mask */
};

/* Take the next term off a group expression; false at the end. */
static bool take_term(const char **rest, struct term *ret)
{
    const char *plus, *colon;
    const struct mask *mask;
    size_t size;

    if (!*rest)
        return false;
    plus = strchr(*rest, '+');
    size = plus ? (size_t)(plus - *rest) : strlen(*rest);
    *ret = (struct term){.name = {*rest, size}, .classes = ALL_CLASSES};
    colon = memchr(*rest, ':', size);
    mask = find_mask(ret->name);
    if (mask) {
        ret->mask = ret->name;
        ret->name = (struct slice){"all", 3};
        ret->classes = mask->classes;
    } else if (colon) {
        ret->name.size = (size_t)(colon - *rest);
        ret->mask = (struct slice){colon + 1, size - ret->name.size - 1};
        mask = find_mask(ret->mask);
        ret->classes = mask ? mask->classes : 0;
    }
    *rest = plus ? plus + 1 : NULL;
    return true;
}

static bool is_named(const struct tensor *tensor, struct slice name)
{
    return slice_is(name, "all") || slice_is(name, tensor->unit) ||
           slice_is(name, tensor->block) || slice_is(name, tensor->layer);
}

static bool in_term(const struct tensor *tensor, const struct term *term)
{
    return (term->classes & CLASS(tensor->class)) && is_named(tensor, term->name);
}

static int times_in(const struct tensor *tensor, const char *group)
{
    struct term term;
    int times = 0;

    while (take_term(&group, &term))
        times += in_term(tensor, &term);
    return times;
}

bool arch_in_group(const struct arch *arch, int t, const char *group)
{
    assert(t >= 0 && t < arch->tensor_count);
    return times_in(&arch->tensors[t], group) > 0;
}

/* ---- checks ----------------------------------------------------------------- */

/* Names beyond these are left out of a message. */
enum { SHOWN_MAX = 16 };

static int unknown_name(const struct arch *arch, struct slice name, struct error *err)
{
    const char *names[3 * ARCH_TENSORS_MAX + 2];
    int count = list_names(arch, block_of, NULL, names, ARCH_TENSORS_MAX);
    int shown = count < SHOWN_MAX ? count : SHOWN_MAX;
    char *text = slice_dup(name);
    const char *nearest;
    struct buf known = {0};

    count += list_names(arch, unit_of, block_of, names + count, ARCH_TENSORS_MAX);
    count += list_names(arch, layer_of, unit_of, names + count, ARCH_TENSORS_MAX);
    names[count++] = "all";
    names[count] = NULL;
    nearest = text ? name_nearest(text, names) : NULL;
    for (int i = 0; i < shown; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", names[i]);
    if (text && nearest)
        err_set(err, ERR_INVALID, "unknown group \"%s\" (did you mean \"%s\"?)", text,
                nearest);
    else if (text && known.data)
        err_set(err, ERR_INVALID, "unknown group \"%s\": the network has %s", text,
                known.data);
    else
        err_set(err, ERR_NO_MEMORY, "no memory for a message");
    buf_free(&known);
    free(text);
    return -1;
}

static int check_term(const struct arch *arch, const struct term *term, struct error *err)
{
    bool named = false, some = false;

    for (int t = 0; t < arch->tensor_count; t++) {
        named = named || is_named(&arch->tensors[t], term->name);
        some = some || in_term(&arch->tensors[t], term);
    }
    if (!named)
        return unknown_name(arch, term->name, err);
    if (term->classes == 0)
        return err_set(err, ERR_INVALID,
                       "unknown class \"%.*s\": expected weights, biases or norms",
                       (int)term->mask.size, term->mask.data);
    if (!some)
        return err_set(err, ERR_INVALID, "group \"%.*s:%.*s\" is empty",
                       (int)term->name.size, term->name.data, (int)term->mask.size,
                       term->mask.data);
    return 0;
}

int arch_check_group(const struct arch *arch, const char *group, struct error *err)
{
    const char *rest = group;
    struct term term;

    while (take_term(&rest, &term))
        if (check_term(arch, &term, err))
            return -1;
    for (int t = 0; t < arch->tensor_count; t++)
        if (times_in(&arch->tensors[t], group) > 1)
            return err_set(err, ERR_INVALID, "group \"%s\" names %s twice", group,
                           arch->tensors[t].name);
    return 0;
}

/* ---- order ------------------------------------------------------------------ */

static int first_of(const struct arch *arch, const struct term *term)
{
    int t = 0;

    while (t < arch->tensor_count && !in_term(&arch->tensors[t], term))
        t++;
    return t;
}

/* Terms of a checked group have no tensor in common, so the first one of each gives
 * their order. */
void arch_put_group(const struct arch *arch, const char *group, struct buf *out)
{
    int before = -1;

    for (;;) {
        const char *rest = group;
        struct term term, next = {0};
        int first = arch->tensor_count;

        while (take_term(&rest, &term)) {
            int t = first_of(arch, &term);
            if (t > before && t < first) {
                first = t;
                next = term;
            }
        }
        if (first == arch->tensor_count)
            return;
        buf_puts(out, before >= 0 ? "+" : "");
        buf_add(out, next.name.data, next.name.size);
        buf_puts(out, next.mask.size > 0 ? ":" : "");
        buf_add(out, next.mask.data, next.mask.size);
        before = first;
    }
}

int arch_compare_groups(const struct arch *arch, const char *a, const char *b)
{
    int order = 0;

    /* The first tensor that only one has decides; who has it comes first. */
    for (int t = 0; t < arch->tensor_count && order == 0; t++)
        order =
            (times_in(&arch->tensors[t], b) > 0) - (times_in(&arch->tensors[t], a) > 0);
    return order;
}
