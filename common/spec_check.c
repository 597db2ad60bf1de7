#include "common/spec.h"

#include "common/alphas.h"
#include "common/arch.h"
#include "common/arch_units.h"
#include "common/datasets.h"
#include "common/derived.h"
#include "common/error.h"
#include "common/names.h"
#include "common/spec_rules.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rules that concern several options. Each returns 0, or -1 with a sentence that
 * leaves out the offending option, whose name it puts in *ret_name. */
typedef int (*rule_fn)(const struct spec *spec, const char **ret_name, struct error *err);

/* ---- every kind ------------------------------------------------------------- */

static int rule_required(const struct spec *spec, const char **ret_name,
                         struct error *err)
{
    size_t count;
    const struct opt *rows = opt_table(&count);

    for (size_t i = 0; i < count; i++) {
        if (rows[i].kind != spec->kind || rows[i].fallback)
            continue;
        if (!spec_has(spec, rows[i].name)) {
            *ret_name = rows[i].name;
            return err_set(err, ERR_INVALID, "is missing");
        }
    }
    return 0;
}

static int rule_numerics(const struct spec *spec, const char **ret_name,
                         struct error *err)
{
    long long numerics = spec_int(spec, "numerics");

    if (numerics == SPEC_NUMERICS)
        return 0;
    *ret_name = "numerics";
    return err_set(err, ERR_INVALID, "is %lld, but this program computes version %d",
                   numerics, SPEC_NUMERICS);
}

/* "model.name=a|b" as "model.name is a or b". */
static void put_needs(const char *needs, struct buf *out)
{
    for (const char *c = needs; *c; c++) {
        if (*c == '=')
            buf_puts(out, " is ");
        else if (*c == '|')
            buf_puts(out, " or ");
        else
            buf_add(out, c, 1);
    }
}

static int rule_applies(const struct spec *spec, const char **ret_name, struct error *err)
{
    for (size_t i = 0; i < spec->count; i++) {
        const struct opt *opt = spec->items[i].opt;
        struct buf needs = {0};
        if (opt_applies(opt, spec))
            continue;
        *ret_name = opt->name;
        put_needs(opt->needs, &needs);
        err_set(err, ERR_INVALID, "applies only where %s",
                needs.data ? needs.data : opt->needs);
        buf_free(&needs);
        return -1;
    }
    return 0;
}

/* ---- runs ------------------------------------------------------------------- */

static int rule_nesterov(const struct spec *spec, const char **ret_name,
                         struct error *err)
{
    if (!spec_bool(spec, "optimizer.nesterov") ||
        spec_real(spec, "optimizer.momentum") > 0)
        return 0;
    *ret_name = "optimizer.nesterov";
    return err_set(err, ERR_INVALID, "needs optimizer.momentum above 0");
}

static int rule_warmup(const struct spec *spec, const char **ret_name, struct error *err)
{
    long long epochs = spec_int(spec, "train.epochs");

    if (spec_int(spec, "train.schedule.warmup") <= epochs)
        return 0;
    *ret_name = "train.schedule.warmup";
    return err_set(err, ERR_INVALID, "is more than the %lld epochs there are", epochs);
}

static int resolve(const struct spec *spec, const char *name, int64_t total, int64_t *ret,
                   const char **ret_name, struct error *err)
{
    if (spec_size(spec, name, total, ret, NULL) == 0)
        return 0;
    *ret_name = name;
    return err_set(err, ERR_INVALID, "asks for more than the %lld examples there are",
                   (long long)total);
}

struct shape spec_shape(const struct spec *spec)
{
    struct shape shape = dataset_of(spec).shape;
    int pad = 2 * (int)spec_int(spec, "data.pad");

    shape.H += pad;
    shape.W += pad;
    return shape;
}

/* The list data.classes, borrowed; NULL when all are kept. */
static const struct value *classes_kept(const struct spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        if (strcmp(spec->items[i].opt->name, "data.classes") == 0)
            return &spec->items[i].value;
    return NULL;
}

int spec_classes(const struct spec *spec)
{
    const struct value *kept = classes_kept(spec);

    return kept ? (int)kept->list.count : dataset_of(spec).classes;
}

/* The examples of a split that data.classes leaves. */
static int64_t count_kept(const struct spec *spec, bool test)
{
    const struct dataset_info of = dataset_of(spec), *info = &of;
    const struct value *kept = classes_kept(spec);
    int64_t sum = 0;

    if (!kept)
        return test ? info->test_count : info->train_count;
    for (size_t i = 0; i < kept->list.count; i++)
        if (kept->list.items[i].integer < info->classes) /* rule_classes says so */
            sum += dataset_class_count(info, test, (int)kept->list.items[i].integer);
    return sum;
}

static int find_sizes(const struct spec *spec, struct spec_sizes *ret,
                      const char **ret_name, struct error *err)
{
    struct spec_sizes sizes;
    int64_t copies = spec_int(spec, "data.replicas");

    sizes.test = count_kept(spec, true);
    if (resolve(spec, "data.train", count_kept(spec, false), &sizes.train, ret_name, err))
        return -1;
    sizes.train *= copies;
    if (resolve(spec, "train.eval.train", sizes.train, &sizes.eval_train, ret_name,
                err) ||
        resolve(spec, "train.eval.test", sizes.test, &sizes.eval_test, ret_name, err))
        return -1;
    *ret = sizes;
    return 0;
}

/* A choice of all classes would be the same data under another key. */
static int rule_classes(const struct spec *spec, const char **ret_name, struct error *err)
{
    const struct dataset_info of = dataset_of(spec), *info = &of;
    const struct value *kept = classes_kept(spec);
    size_t count = kept ? kept->list.count : 0;
    int64_t last;

    if (!kept)
        return 0;
    *ret_name = "data.classes";
    last = kept->list.items[count - 1].integer;
    if (last >= info->classes)
        return err_set(err, ERR_INVALID, "%lld is no class of \"%s\", which has 0 to %d",
                       (long long)last, info->name, info->classes - 1);
    if (count < 2)
        return err_set(err, ERR_INVALID, "expected at least 2 classes");
    if (count == (size_t)info->classes)
        return err_set(err, ERR_INVALID,
                       "names all %d classes of \"%s\": leave it out, or give []",
                       info->classes, info->name);
    return 0;
}

/* Blocks must tile the images: a rest would be another kind of pixels. */
static int rule_blocks(const struct spec *spec, const char **ret_name, struct error *err)
{
    static const char *const SIDES[] = {"data.blur", "data.shuffle"};
    const struct shape shape = spec_shape(spec);

    for (size_t i = 0; i < 2; i++) {
        int k = (int)spec_int(spec, SIDES[i]);
        if (!spec_has(spec, SIDES[i]))
            continue;
        *ret_name = SIDES[i];
        if (shape.H % k != 0 || shape.W % k != 0)
            return err_set(err, ERR_INVALID, "blocks of %d do not tile images of %d x %d",
                           k, shape.H, shape.W);
        if (i == 1 && k == shape.H && k == shape.W)
            return err_set(err, ERR_INVALID, "a single block cannot be permuted");
    }
    return 0;
}

static int rule_replicas(const struct spec *spec, const char **ret_name,
                         struct error *err)
{
    if (!spec_has(spec, "data.replicas") || spec_has(spec, "data.labels.random") ||
        spec_has(spec, "data.labels.noise") || spec_has(spec, "data.zero_out"))
        return 0;
    *ret_name = "data.replicas";
    return err_set(err, ERR_INVALID,
                   "needs data.labels.random, data.labels.noise or data.zero_out above 0:"
                   " the copies would be equal");
}

/* ---- where a run starts ---- */

bool spec_start(const struct spec *spec, struct spec_start *ret)
{
    const char *text = spec_string(spec, "init.from");
    struct spec_start start = {0};

    if (strncmp(text, "derive:", 7) == 0 && hash_is_hex(text + 7, strlen(text + 7))) {
        memcpy(start.run, text + 7, HASH_TEXT - 1);
        (void)snprintf(start.state, sizeof start.state, DERIVED_STATE);
        if (ret)
            *ret = start;
        return true;
    }
    if (strncmp(text, "run:", 4) != 0 || strlen(text) < 4 + HASH_TEXT ||
        text[4 + HASH_TEXT - 1] != ':' || !hash_is_hex(text + 4, HASH_TEXT - 1))
        return false;
    memcpy(start.run, text + 4, HASH_TEXT - 1);
    (void)snprintf(start.state, sizeof start.state, "%s", text + 4 + HASH_TEXT);
    if (!state_parse(start.state, &(struct state_name){0}))
        return false;
    if (ret)
        *ret = start;
    return true;
}

bool spec_start_file(const struct spec *spec, char ret_hash[HASH_TEXT])
{
    const char *text = spec_string(spec, "init.from");

    if (strncmp(text, "file:", 5) != 0 || !hash_is_hex(text + 5, strlen(text + 5)))
        return false;
    if (ret_hash)
        memcpy(ret_hash, text + 5, HASH_TEXT);
    return true;
}

static int rule_start(const struct spec *spec, const char **ret_name, struct error *err)
{
    const char *from = spec_string(spec, "init.from");

    *ret_name = "init.partial";
    if (spec_has(spec, "init.partial") && strncmp(from, "file:", 5) != 0)
        return err_set(err, ERR_INVALID, "applies only where init.from is a file");
    if (spec_has(spec, "init.reset") && !spec_has(spec, "init.from")) {
        *ret_name = "init.reset";
        return err_set(err, ERR_INVALID, "applies only where init.from is given");
    }
    *ret_name = "init.from";
    if (!spec_has(spec, "init.from") || spec_start(spec, NULL) ||
        spec_start_file(spec, NULL))
        return 0;
    if (strncmp(from, "file:", 5) == 0)
        return err_set(err, ERR_INVALID,
                       "expected \"file:HASH\", the hash that 'coord artifact put FILE'"
                       " prints, got \"%s\"",
                       from);
    return err_set(err, ERR_INVALID,
                   "expected \"run:KEY:STATE\" or \"derive:KEY\", got \"%s\"", from);
}

static int rule_permute(const struct spec *spec, const char **ret_name, struct error *err)
{
    struct arch *arch;
    int rc;

    if (!spec_bool(spec, "init.permute"))
        return 0;
    *ret_name = "init.permute";
    arch = arch_build(spec, err);
    if (!arch)
        return -1;
    rc = arch_check_permute(arch, err);
    arch_free(&arch);
    return rc;
}

/* What an item of a list is about: all of "fc", and "fc" of "fc=0.5". */
static void group_of(const char *item, struct buf *out)
{
    buf_add(out, item, strcspn(item, "="));
}

/* "norms" is "all:norms". */
static int check_spelling(const struct arch *arch, const char *group, struct error *err)
{
    struct buf text = {0};
    int rc = 0;

    arch_put_group(arch, group, &text);
    if (text.failed)
        rc = err_set(err, ERR_NO_MEMORY, "no memory for a group's name");
    else if (strcmp(text.data, group) != 0)
        rc = err_set(err, ERR_INVALID, "expected \"%s\", got \"%s\"", text.data, group);
    buf_free(&text);
    return rc;
}

/* Item i of a list of groups, and the one before it (empty for the first). */
static int check_group(const struct arch *arch, const char *before, const char *group,
                       struct error *err)
{
    if (strcmp(group, "all") == 0 || strchr(group, '+'))
        return err_set(err, ERR_INVALID, "expected single groups, got \"%s\"", group);
    if (arch_check_group(arch, group, err) || check_spelling(arch, group, err))
        return -1;
    if (*before && strcmp(before, group) == 0)
        return err_set(err, ERR_INVALID, "names \"%s\" twice", group);
    if (*before && arch_compare_groups(arch, before, group) > 0)
        return err_set(err, ERR_INVALID,
                       "expected \"%s\" before \"%s\", as in the network", group, before);
    for (int t = 0; *before && t < arch->tensor_count; t++)
        if (arch_in_group(arch, t, before) && arch_in_group(arch, t, group))
            return err_set(err, ERR_INVALID, "\"%s\" and \"%s\" both have %s", before,
                           group, arch->tensors[t].name);
    return 0;
}

/* Groups one by one and in order, so that one choice has one key. */
static int check_groups(const struct value *items, const struct arch *arch,
                        struct error *err)
{
    struct buf group = {0}, other = {0};
    int rc = 0;

    buf_puts(&other, "");
    if (items->list.count > 0)
        group_of(items->list.items[0].string, &group);
    if (items->list.count > 0 && !group.failed)
        rc = check_group(arch, "", group.data, err);
    for (size_t i = 1; i < items->list.count && rc == 0; i++) {
        buf_clear(&group);
        group_of(items->list.items[i].string, &group);
        for (size_t j = 0; j < i && rc == 0; j++) {
            buf_clear(&other);
            group_of(items->list.items[j].string, &other);
            if (!group.failed && !other.failed)
                rc = check_group(arch, other.data, group.data, err);
        }
    }
    if (rc == 0 && (group.failed || other.failed))
        rc = err_set(err, ERR_NO_MEMORY, "no memory for a group's name");
    buf_free(&group);
    buf_free(&other);
    return rc;
}

/* The options that are lists of groups. */
static int rule_group_lists(const struct spec *spec, const char **ret_name,
                            struct error *err)
{
    static const char *const LISTS[] = {
        "derive.groups",    "derive.sources",        "init.reset",
        "optimizer.freeze", "optimizer.group_decay", "optimizer.group_lr"};
    struct arch *arch = NULL;
    int rc = 0;

    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0] && rc == 0; i++) {
        struct value items;
        if (!spec_has(spec, LISTS[i]))
            continue;
        *ret_name = LISTS[i];
        if ((!arch && !(arch = arch_build(spec, err))) ||
            spec_value(spec, LISTS[i], &items, err)) {
            rc = -1;
            break;
        }
        rc = check_groups(&items, arch, err);
        value_free(&items);
    }
    arch_free(&arch);
    return rc;
}

static int rule_sizes(const struct spec *spec, const char **ret_name, struct error *err)
{
    struct spec_sizes sizes = {0};

    if (find_sizes(spec, &sizes, ret_name, err))
        return -1;
    return arch_check_options(spec, sizes.train, ret_name, err);
}

/* A schedule must have an effect: a drop after the last epoch is a mistake. */
static int rule_schedule(const struct spec *spec, const char **ret_name,
                         struct error *err)
{
    int64_t epochs = spec_int(spec, "train.epochs"), last = 0;
    struct value at;

    if (strcmp(spec_string(spec, "train.schedule.name"), "step") != 0)
        return 0;
    if (spec_value(spec, "train.schedule.at", &at, err))
        return -1;
    size_t count = at.list.count;
    if (count > 0)
        last = at.list.items[count - 1].integer;
    value_free(&at);
    *ret_name = count > 0 ? "train.schedule.at" : "train.schedule.name";
    if (count == 0)
        return err_set(err, ERR_INVALID, "\"step\" needs train.schedule.at");
    if (last >= epochs)
        return err_set(
            err, ERR_INVALID,
            "a drop after epoch %lld changes nothing, training ends after %lld",
            (long long)last, (long long)epochs);
    return 0;
}

/* States to be kept must come to pass. */
static int rule_keep(const struct spec *spec, const char **ret_name, struct error *err)
{
    int64_t epochs = spec_int(spec, "train.epochs");
    int64_t batch = spec_int(spec, "optimizer.batch");
    struct spec_sizes sizes = {0};
    struct value keep;
    int64_t steps;
    int rc = 0;

    if (find_sizes(spec, &sizes, ret_name, err) ||
        spec_value(spec, "train.keep", &keep, err))
        return -1;
    steps = epochs * ((sizes.train + batch - 1) / batch);
    for (size_t i = 0; i < keep.list.count && rc == 0; i++) {
        const char *text = keep.list.items[i].string;
        struct state_name state = {0};
        (void)state_parse(text, &state);
        if (state.kind == STATE_EPOCH && state.number > epochs)
            rc = err_set(err, ERR_INVALID, "\"%s\" is after the last epoch, %lld", text,
                         (long long)epochs);
        if (state.kind == STATE_STEP && state.number > steps)
            rc = err_set(err, ERR_INVALID, "\"%s\" is after the last step, %lld", text,
                         (long long)steps);
    }
    *ret_name = "train.keep";
    value_free(&keep);
    return rc;
}

/* ---- probes ----------------------------------------------------------------- */

static int rule_ends(const struct spec *spec, const char **ret_name, struct error *err)
{
    static const char *const RUNS[] = {"a.run", "b.run"};

    for (size_t i = 0; i < 2; i++) {
        const char *key = spec_string(spec, RUNS[i]);
        *ret_name = RUNS[i];
        if (!hash_is_hex(key, strlen(key)))
            return err_set(err, ERR_INVALID, "expected a run's key, got \"%s\"", key);
    }
    return 0;
}

static int rule_groups(const struct spec *spec, const char **ret_name, struct error *err)
{
    bool layers = strcmp(spec_string(spec, "probe.kind"), "layers") == 0;

    if (!layers || spec_has(spec, "probe.groups"))
        return 0;
    *ret_name = "probe.groups";
    return err_set(err, ERR_INVALID, "is missing: a probe of kind layers needs it");
}

static int rule_bn(const struct spec *spec, const char **ret_name, struct error *err)
{
    struct value modes;
    bool found = false;

    if (!spec_has(spec, "probe.splits.bn"))
        return 0;
    if (spec_value(spec, "probe.bn", &modes, err))
        return -1;
    for (size_t i = 0; i < modes.list.count; i++)
        found = found || strcmp(modes.list.items[i].string, "recompute") == 0;
    value_free(&modes);
    *ret_name = "probe.splits.bn";
    return found ? 0
                 : err_set(err, ERR_INVALID, "applies only where bn has \"recompute\"");
}

static int rule_range(const struct spec *spec, const char **ret_name, struct error *err)
{
    static const struct spec_range ALPHAS = {"probe.alphas", "probe.from", "probe.to",
                                             "alpha"};
    return rule_points(&ALPHAS, spec, ret_name, err);
}

/* ---- all -------------------------------------------------------------------- */

enum { RULES_MAX = 16 };

static const rule_fn RULES[][RULES_MAX] = {
    [JOB_TRAIN] = {rule_required, rule_numerics, rule_applies, dataset_check,
                   rule_nesterov, rule_warmup, rule_classes, rule_blocks, rule_replicas,
                   rule_sizes, rule_start, rule_permute, rule_group_lists, rule_schedule,
                   rule_keep},
    [JOB_PROBE] = {rule_required, rule_numerics, rule_applies, rule_ends, rule_groups,
                   rule_bn, rule_range, alphas_check, rule_plane},
    [JOB_DERIVE] = {rule_required, rule_numerics, rule_applies, dataset_check,
                    rule_classes, rule_blocks, rule_group_lists, rule_derive},
};

/* A caller that does not ask for the name gets it in the sentence. */
static int named(const char *name, const char **ret_name, struct error *err)
{
    if (ret_name) {
        *ret_name = name;
        return -1;
    }
    return name ? err_prefix(err, "option '%s'", name) : -1;
}

int spec_check(const struct spec *spec, const char **ret_name, struct error *err)
{
    const char *name = NULL;

    for (size_t i = 0; i < RULES_MAX && RULES[spec->kind][i]; i++)
        if (RULES[spec->kind][i](spec, &name, err))
            return named(name, ret_name, err);
    return 0;
}

int spec_sizes(const struct spec *spec, struct spec_sizes *ret, const char **ret_name,
               struct error *err)
{
    const char *name = NULL;

    if (find_sizes(spec, ret, &name, err))
        return named(name, ret_name, err);
    return 0;
}
