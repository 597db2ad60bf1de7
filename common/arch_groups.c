#include "common/arch.h"

#include "common/error.h"
#include "common/opts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A group expression is "all" or names of layers with parameters, joined by
 * '+'. */

int arch_groups(const struct arch *arch, const char **names, int max)
{
    int count = 0;

    /* A layer's tensors stand side by side, so a new name is a new group. */
    for (int t = 0; t < arch->tensor_count; t++) {
        const char *group = arch->tensors[t].unit;
        if (t > 0 && strcmp(group, arch->tensors[t - 1].unit) == 0)
            continue;
        if (count < max)
            names[count] = group;
        count++;
    }
    return count;
}

/* Take the next name off a group expression; false at the end. */
static bool take_name(const char **rest, struct slice *ret)
{
    const char *end;

    if (!*rest)
        return false;
    end = strchr(*rest, '+');
    *ret = (struct slice){*rest, end ? (size_t)(end - *rest) : strlen(*rest)};
    *rest = end ? end + 1 : NULL;
    return true;
}

/* How often a group's name stands in an expression. */
static int times_in(const char *group, const char *name)
{
    struct slice word;
    int times = 0;

    while (take_name(&group, &word))
        times += slice_is(word, name);
    return times;
}

bool arch_in_group(const struct arch *arch, int t, const char *group)
{
    assert(t >= 0 && t < arch->tensor_count);
    return strcmp(group, "all") == 0 || times_in(group, arch->tensors[t].unit) > 0;
}

/* Names beyond these are left out of a message. */
enum { SHOWN_MAX = 16 };

static int unknown_group(struct slice word, const char *const *names, struct error *err)
{
    char *text = slice_dup(word);
    const char *nearest = text ? name_nearest(text, names) : NULL;
    struct buf known = {0};

    for (int i = 0; i < SHOWN_MAX && names[i]; i++)
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

int arch_check_group(const struct arch *arch, const char *group, struct error *err)
{
    const char *names[ARCH_TENSORS_MAX + 1];
    const char *rest = group;
    struct slice word;
    int count = arch_groups(arch, names, ARCH_TENSORS_MAX);

    names[count] = NULL;
    if (strcmp(group, "all") == 0)
        return 0;
    while (take_name(&rest, &word)) {
        int found = 0;
        while (found < count && !slice_is(word, names[found]))
            found++;
        if (found == count)
            return unknown_group(word, names, err);
        if (times_in(group, names[found]) > 1)
            return err_set(err, ERR_INVALID, "group \"%s\" names \"%s\" twice", group,
                           names[found]);
    }
    return 0;
}

void arch_put_group(const struct arch *arch, const char *group, struct buf *out)
{
    const char *names[ARCH_TENSORS_MAX];
    int count = arch_groups(arch, names, ARCH_TENSORS_MAX);
    bool first = true;

    if (strcmp(group, "all") == 0) {
        buf_puts(out, group);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (times_in(group, names[i]) == 0)
            continue;
        buf_printf(out, "%s%s", first ? "" : "+", names[i]);
        first = false;
    }
}

int arch_compare_groups(const struct arch *arch, const char *a, const char *b)
{
    const char *names[ARCH_TENSORS_MAX];
    int count = arch_groups(arch, names, ARCH_TENSORS_MAX);
    int all = (strcmp(b, "all") == 0) - (strcmp(a, "all") == 0);

    /* The first layer that only one has decides; who has it comes first. */
    for (int i = 0; i < count && all == 0; i++)
        all = (times_in(b, names[i]) > 0) - (times_in(a, names[i]) > 0);
    return all;
}
