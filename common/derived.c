#include "common/derived.h"

#include "common/error.h"
#include "common/names.h"
#include "common/spec.h"
#include "common/spec_rules.h"
#include "common/arch_units.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what it says ------------------------------------------------------------ */

bool derived_source(const char *text, struct derived_source *ret)
{
    const char *equals = strchr(text, '='), *key = equals ? equals + 1 : "";
    struct derived_source source = {0};

    if (strlen(key) < HASH_TEXT || !hash_is_hex(key, HASH_TEXT - 1) ||
        key[HASH_TEXT - 1] != ':' ||
        !state_parse(key + HASH_TEXT, &(struct state_name){0}))
        return false;
    memcpy(source.run, key, HASH_TEXT - 1);
    (void)snprintf(source.state, sizeof source.state, "%s", key + HASH_TEXT);
    *ret = source;
    return true;
}

const char *derived_group(const struct spec *spec)
{
    const char *group = spec_string(spec, "derive.group");

    return *group ? group : "all";
}

/* What derive.only calls a tensor. */
static const char *class_word(enum tensor_class class)
{
    static const char *const WORDS[] = {
        [TENSOR_WEIGHT] = "weights",    [TENSOR_BIAS] = "weights",
        [TENSOR_NORM_WEIGHT] = "norms", [TENSOR_NORM_BIAS] = "norms",
        [TENSOR_MEAN] = "statistics",   [TENSOR_VAR] = "statistics",
    };
    return WORDS[class];
}

static bool is_in_groups(const struct arch *arch, int t, const struct value *groups)
{
    for (size_t i = 0; i < groups->list.count; i++)
        if (arch_in_group(arch, t, groups->list.items[i].string))
            return true;
    return groups->list.count == 0;
}

static bool is_one_of(const char *word, const struct value *words)
{
    for (size_t i = 0; i < words->list.count; i++)
        if (strcmp(words->list.items[i].string, word) == 0)
            return true;
    return words->list.count == 0;
}

int derived_tensors(const struct spec *spec, const struct arch *arch, bool *ret,
                    struct error *err)
{
    const bool noise = strcmp(spec_string(spec, "derive.kind"), "noise") == 0;
    struct value groups, only;

    if (spec_value(spec, "derive.groups", &groups, err))
        return -1;
    if (spec_value(spec, "derive.only", &only, err)) {
        value_free(&groups);
        return -1;
    }
    for (int t = 0; t < arch->tensor_count; t++)
        ret[t] = (!noise || t < arch->param_tensors) && is_in_groups(arch, t, &groups) &&
                 is_one_of(class_word(arch->tensors[t].class), &only);
    value_free(&groups);
    value_free(&only);
    return 0;
}

int derived_where(const struct spec *spec, struct condition *ret, size_t *ret_count,
                  struct error *err)
{
    struct value where;
    int rc = 0;

    *ret_count = 0;
    if (spec_value(spec, "derive.where", &where, err))
        return -1;
    if (where.list.count > DERIVED_WHERE_MAX)
        rc = err_set(err, ERR_INVALID, "more than %d conditions", DERIVED_WHERE_MAX);
    for (size_t i = 0; i < where.list.count && rc == 0; i++)
        if (condition_parse(where.list.items[i].string, &ret[i]))
            ++*ret_count;
        else
            rc = err_set(err, ERR_INVALID, "expected METRIC OP NUMBER, got \"%s\"",
                         where.list.items[i].string);
    value_free(&where);
    return rc;
}

/* ---- whether it holds together ------------------------------------------------- */

static int check_key(const struct spec *spec, const char *option, const char **ret_name,
                     struct error *err)
{
    const char *key = spec_string(spec, option);

    *ret_name = option;
    if (hash_is_hex(key, strlen(key)))
        return 0;
    return *key ? err_set(err, ERR_INVALID, "expected a job's key, got \"%s\"", key)
                : err_set(err, ERR_INVALID, "is missing");
}

/* One text for each set of conditions. */
static int check_where(const struct spec *spec, const char **ret_name, struct error *err)
{
    struct condition where[DERIVED_WHERE_MAX];
    struct buf all = {0}, given = {0};
    struct value texts;
    size_t count;
    int rc = 0;

    *ret_name = "derive.where";
    if (derived_where(spec, where, &count, err) ||
        spec_value(spec, "derive.where", &texts, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        condition_put(&where[i], &all);
        buf_printf(&given, "%s", texts.list.items[i].string);
        if (i > 0 &&
            strcmp(texts.list.items[i - 1].string, texts.list.items[i].string) >= 0)
            rc = -1;
    }
    if (all.failed || given.failed)
        rc = err_set(err, ERR_NO_MEMORY, "no memory for conditions");
    else if (rc || (count > 0 && strcmp(all.data, given.data) != 0))
        rc = err_set(err, ERR_INVALID, "expected each condition once, in order");
    value_free(&texts);
    buf_free(&all);
    buf_free(&given);
    return rc;
}

static int check_point(const struct spec *spec, const struct arch *arch,
                       const char **ret_name, struct error *err)
{
    static const char *const OF_CURVES[] = {"derive.split", "derive.where"};
    const bool probe = spec_has(spec, "derive.probe");
    const char *group = derived_group(spec);
    struct buf text = {0};
    int rc;

    if (check_key(spec, "b.run", ret_name, err) ||
        (probe && check_key(spec, "derive.probe", ret_name, err)) ||
        check_where(spec, ret_name, err))
        return -1;
    *ret_name = "derive.probe";
    if (!probe && strcmp(spec_string(spec, "derive.at"), "value") != 0)
        return err_set(err, ERR_INVALID, "is missing: it tells where the state lies");
    for (size_t i = 0; i < sizeof OF_CURVES / sizeof OF_CURVES[0] && !probe; i++) {
        *ret_name = OF_CURVES[i];
        if (spec_has(spec, OF_CURVES[i]))
            return err_set(err, ERR_INVALID, "applies only where a curve is read");
    }
    *ret_name = "derive.group";
    if (arch_check_group(arch, group, err))
        return -1;
    arch_put_group(arch, group, &text);
    rc = text.failed ? err_set(err, ERR_NO_MEMORY, "no memory for a group's name")
         : strcmp(text.data, group) == 0
             ? 0
             : err_set(err, ERR_INVALID, "expected \"%s\", got \"%s\"", text.data, group);
    buf_free(&text);
    return rc;
}

static int check_mix(const struct spec *spec, const struct arch *arch,
                     const char **ret_name, struct error *err)
{
    struct value sources;
    int rc = 0;

    (void)arch;
    *ret_name = "derive.sources";
    if (spec_value(spec, "derive.sources", &sources, err))
        return -1;
    if (sources.list.count == 0 || sources.list.count > DERIVED_SOURCES_MAX)
        rc = err_set(err, ERR_INVALID, "expected 1 to %d groups, got %zu",
                     DERIVED_SOURCES_MAX, sources.list.count);
    for (size_t i = 0; i < sources.list.count && rc == 0; i++) {
        struct derived_source source;
        if (!derived_source(sources.list.items[i].string, &source))
            rc = err_set(err, ERR_INVALID, "expected \"GROUP=KEY:STATE\", got \"%s\"",
                         sources.list.items[i].string);
    }
    value_free(&sources);
    return rc;
}

/* Something must change. */
static int check_tensors(const struct spec *spec, const struct arch *arch,
                         const char **ret_name, struct error *err)
{
    bool *chosen = calloc((size_t)arch->tensor_count, sizeof *chosen);
    bool any = false;
    int rc = chosen ? derived_tensors(spec, arch, chosen, err)
                    : err_set(err, ERR_NO_MEMORY, "no memory for tensors");

    for (int t = 0; t < arch->tensor_count && rc == 0; t++)
        any = any || chosen[t];
    free(chosen);
    *ret_name = spec_has(spec, "derive.only") ? "derive.only" : "derive.groups";
    return rc || any ? rc : err_set(err, ERR_INVALID, "leaves nothing to change");
}

static int check_reset(const struct spec *spec, const struct arch *arch,
                       const char **ret_name, struct error *err)
{
    struct value only;
    bool all;

    *ret_name = "derive.only";
    if (spec_value(spec, "derive.only", &only, err))
        return -1;
    all = only.list.count == 3;
    value_free(&only);
    if (all)
        return err_set(err, ERR_INVALID, "names all that there are: leave it out");
    return check_tensors(spec, arch, ret_name, err);
}

static int check_noise(const struct spec *spec, const struct arch *arch,
                       const char **ret_name, struct error *err)
{
    *ret_name = "derive.noise";
    if (!spec_has(spec, "derive.noise"))
        return err_set(err, ERR_INVALID, "is missing: expected a number above 0");
    return check_tensors(spec, arch, ret_name, err);
}

static int check_permute(const struct spec *spec, const struct arch *arch,
                         const char **ret_name, struct error *err)
{
    (void)spec;
    *ret_name = "derive.kind";
    return arch_check_permute(arch, err);
}

int rule_derive(const struct spec *spec, const char **ret_name, struct error *err)
{
    static const struct {
        const char *kind;
        int (*check)(const struct spec *, const struct arch *, const char **,
                     struct error *);
    } KINDS[] = {{"point", check_point},
                 {"mix", check_mix},
                 {"reset", check_reset},
                 {"noise", check_noise},
                 {"permute", check_permute}};
    struct arch *arch;
    int rc = 0;

    *ret_name = spec_has(spec, "seed.labels") ? "seed.augment" : "seed.labels";
    if (!spec_has(spec, *ret_name)) /* data cannot be read without */
        return err_set(err, ERR_INVALID, "is missing");
    if (check_key(spec, "a.run", ret_name, err))
        return -1;
    *ret_name = "model.name";
    arch = arch_build(spec, err);
    if (!arch)
        return -1;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcmp(KINDS[i].kind, spec_string(spec, "derive.kind")) == 0)
            rc = KINDS[i].check(spec, arch, ret_name, err);
    arch_free(&arch);
    return rc;
}
