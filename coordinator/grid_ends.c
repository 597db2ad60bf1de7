/* What a [[probe]] says about where it begins and ends: its states, the points of a
 * plane, and which keys go with which kind. */

#include "coordinator/grid_read.h"

#include "common/buf.h"
#include "common/derived.h"

#include <stdio.h>
#include <string.h>

/* ---- states ------------------------------------------------------------------ */

/* "derive:NAME", which has one state. */
static int read_derived(struct grid_reader *reader, const struct toml_node *node,
                        struct grid_state *ret)
{
    const size_t size = strlen(node->string);

    if (size >= sizeof ret->run || strchr(node->string + 7, ':') || size == 7)
        return grid_fail(reader, ret->place, ERR_INVALID,
                         "key '%s': expected \"derive:NAME\", got \"%.80s\"", node->key,
                         node->string);
    memcpy(ret->run, node->string, size + 1);
    (void)snprintf(ret->state, sizeof ret->state, DERIVED_STATE);
    return 0;
}

/* "init", or "run:NAME:STATE" of an upstream run; final unless told. Whether there is
 * such a run is the plan's to say. */
int grid_read_state(struct grid_reader *reader, const struct toml_node *node,
                    struct grid_state *ret)
{
    struct grid_setting setting = {0};
    struct toml_node state = *node;
    char final[] = "final";
    size_t size = 0;
    int rc;

    ret->place = grid_place_of(node);
    if (node->type == TOML_STRING && strncmp(node->string, "derive:", 7) == 0)
        return read_derived(reader, node, ret);
    if (node->type == TOML_STRING && strncmp(node->string, "run:", 4) == 0) {
        size = 4 + strcspn(node->string + 4, ":");
        state.string = node->string[size] ? node->string + size + 1 : final;
    }
    if (size >= sizeof ret->run || size == 4)
        return grid_fail(reader, ret->place, ERR_INVALID,
                         "key '%s': expected \"run:NAME\" or \"run:NAME:STATE\","
                         " got \"%.80s\"",
                         node->key, node->string);
    rc = grid_read_value(reader, &state, opt_find(JOB_PROBE, "a.state"), node->key,
                         &setting);
    if (rc == 0) {
        (void)snprintf(ret->state, sizeof ret->state, "%s", setting.value.string);
        if (size > 0)
            memcpy(ret->run, node->string, size);
        ret->run[size] = '\0';
    }
    value_free(&setting.value);
    return rc;
}

bool grid_same_state(const struct grid_state *a, const struct grid_state *b)
{
    return strcmp(a->run, b->run) == 0 && strcmp(a->state, b->state) == 0;
}

/* ---- points of a plane ------------------------------------------------------- */

struct range {
    struct grid_probe *probe;
    const char *points, *from, *to; /* options */
};

static int set_as(struct grid_reader *reader, const struct toml_node *node,
                  const char *option, struct grid_probe *probe)
{
    return grid_add_setting(reader, node, opt_find(JOB_PROBE, option), node->key,
                            &probe->set);
}

static int read_range_from(struct grid_reader *reader, const struct toml_node *node,
                           void *into)
{
    const struct range *range = into;
    return set_as(reader, node, range->from, range->probe);
}

static int read_range_to(struct grid_reader *reader, const struct toml_node *node,
                         void *into)
{
    const struct range *range = into;
    return set_as(reader, node, range->to, range->probe);
}

static int read_range_n(struct grid_reader *reader, const struct toml_node *node,
                        void *into)
{
    const struct range *range = into;

    if (node->type != TOML_INT)
        return grid_fail_type(reader, node, "a count of at least 2");
    return set_as(reader, node, range->points, range->probe);
}

static int read_range(struct grid_reader *reader, const struct toml_node *node,
                      struct range range)
{
    static const struct grid_field FIELDS[] = {
        {"from", read_range_from},
        {"to", read_range_to},
        {"n", read_range_n},
        {NULL, NULL},
    };

    if (node->type != TOML_TABLE)
        return set_as(reader, node, range.points, range.probe);
    if (grid_read_fields(reader, node, FIELDS, node->key, &range))
        return -1;
    if (!grid_find(&range.probe->set, range.points))
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'n' of %s is missing", node->key);
    return 0;
}

int grid_read_xs(struct grid_reader *reader, const struct toml_node *node, void *probe)
{
    return read_range(reader, node,
                      (struct range){probe, "probe.xs", "probe.xs_from", "probe.xs_to"});
}

int grid_read_ys(struct grid_reader *reader, const struct toml_node *node, void *probe)
{
    return read_range(reader, node,
                      (struct range){probe, "probe.ys", "probe.ys_from", "probe.ys_to"});
}

/* ---- which keys go with which kind ------------------------------------------- */

enum { PATH = 1, LAYERS = 2, BETWEEN = 4, PLANE = 8, LINES = PATH | LAYERS | BETWEEN };

static const struct {
    const char *name;
    unsigned kind;
} KINDS[] = {{"path", PATH}, {"layers", LAYERS}, {"between", BETWEEN}, {"plane", PLANE}};

/* What is not here is for lines. */
static const struct {
    const char *option, *key;
    unsigned kinds;
} KEYS[] = {
    {"probe.adapt.most", "adapt", LINES},
    {"probe.adapt.tolerance", "adapt", LINES},
    {"probe.alphas", "alphas", LINES},
    {"probe.bn", "bn", LINES | PLANE},
    {"probe.directions", "directions", PLANE},
    {"probe.from", "alphas", LINES},
    {"probe.seed", "seed", PLANE},
    {"probe.splits.bn", "splits", LINES | PLANE},
    {"probe.splits.test", "splits", LINES | PLANE},
    {"probe.splits.train", "splits", LINES | PLANE},
    {"probe.start", "start", PATH | LAYERS},
    {"probe.start_seed", "start_seed", PATH | LAYERS},
    {"probe.to", "alphas", LINES},
    {"probe.xs", "xs", PLANE},
    {"probe.xs_from", "xs", PLANE},
    {"probe.xs_to", "xs", PLANE},
    {"probe.ys", "ys", PLANE},
    {"probe.ys_from", "ys", PLANE},
    {"probe.ys_to", "ys", PLANE},
};

/* "key 'K' of probe 'P': applies only where kind is path or layers" */
static int not_here(struct grid_reader *reader, const struct grid_probe *probe,
                    struct grid_place place, const char *key, unsigned kinds)
{
    struct buf names = {0};
    unsigned left = kinds;

    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (!(kinds & KINDS[i].kind))
            continue;
        left &= ~KINDS[i].kind;
        buf_printf(&names, "%s%s",
                   names.size == 0 ? ""
                   : left          ? ", "
                                   : " or ",
                   KINDS[i].name);
    }
    grid_fail(reader, place, ERR_INVALID,
              "key '%s' of probe '%s': applies only where kind is %s", key, probe->name,
              names.data ? names.data : "another");
    buf_free(&names);
    return -1;
}

static int check_setting(struct grid_reader *reader, const struct grid_probe *probe,
                         unsigned kind, const struct grid_setting *setting)
{
    const char *name = setting->opt->name;
    const char *key = name + strlen("probe.");
    unsigned kinds = LINES;

    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (strcmp(KEYS[i].option, name) == 0) {
            key = KEYS[i].key;
            kinds = KEYS[i].kinds;
        }
    return kinds & kind ? 0 : not_here(reader, probe, setting->place, key, kinds);
}

static int check_keys(struct grid_reader *reader, const struct grid_probe *probe,
                      unsigned kind)
{
    const bool groups = probe->groups.named || probe->groups.list.count > 0;

    for (size_t i = 0; i < probe->set.count; i++)
        if (check_setting(reader, probe, kind, &probe->set.items[i]))
            return -1;
    if (groups && kind == PATH)
        return not_here(reader, probe, probe->place, "groups", LAYERS | BETWEEN | PLANE);
    if (probe->pairs_place.line && kind != BETWEEN)
        return not_here(reader, probe, probe->pairs_place, "pairs", BETWEEN);
    if (probe->split_place.line && !(kind & LINES))
        return not_here(reader, probe, probe->split_place, "split", LINES);
    if (*probe->third.state && kind != PLANE)
        return not_here(reader, probe, probe->third.place, "third", PLANE);
    return 0;
}

/* ---- states that go together --------------------------------------------------- */

static const char *word_of(const struct grid_probe *probe, const char *option,
                           const char *fallback)
{
    const struct grid_setting *setting = grid_find(&probe->set, option);
    return setting ? setting->value.string : fallback;
}

static int differ(struct grid_reader *reader, const struct grid_probe *probe,
                  const char *count, const struct grid_state *a,
                  const struct grid_state *b)
{
    if (!grid_same_state(a, b))
        return 0;
    return grid_fail(reader, probe->place, ERR_INVALID,
                     "probe '%s': expected %s different states, got \"%s%s%s\" twice",
                     probe->name, count, a->run, *a->run ? ":" : "", a->state);
}

static int needless(struct grid_reader *reader, const struct grid_probe *probe,
                    const struct grid_state *state, const char *key, const char *where)
{
    return grid_fail(reader, state->place, ERR_INVALID,
                     "key '%s' of probe '%s': applies only where %s", key, probe->name,
                     where);
}

/* Around one state there are no others: all inputs are that one. */
static int check_plane(struct grid_reader *reader, struct grid_probe *probe,
                       bool from_given)
{
    static const char STATES[] = "directions is \"states\"";
    const bool third = *probe->third.state != '\0';

    if (strcmp(word_of(probe, "probe.directions", "states"), "states") != 0) {
        if (from_given)
            return needless(reader, probe, &probe->from, "from", STATES);
        if (third)
            return needless(reader, probe, &probe->third, "third", STATES);
        probe->from = probe->to;
        return 0;
    }
    if (!third)
        return grid_fail(reader, probe->place, ERR_INVALID,
                         "key 'third' of probe '%s' is missing: a plane goes through"
                         " three states",
                         probe->name);
    if (differ(reader, probe, "three", &probe->from, &probe->to) ||
        differ(reader, probe, "three", &probe->from, &probe->third) ||
        differ(reader, probe, "three", &probe->to, &probe->third))
        return -1;
    return 0;
}

/* Most controls are made of the other end, so that is the one state there is. */
static int check_line(struct grid_reader *reader, struct grid_probe *probe,
                      bool from_given)
{
    const char *start = word_of(probe, "probe.start", "state");

    if (strcmp(start, "state") == 0 || strcmp(start, "noise") == 0)
        return strcmp(start, "state") == 0
                   ? differ(reader, probe, "two", &probe->from, &probe->to)
                   : 0;
    if (from_given)
        return needless(reader, probe, &probe->from, "from",
                        "start is \"state\" or \"noise\"");
    probe->from = probe->to;
    return 0;
}

int grid_check_ends(struct grid_reader *reader, struct grid_probe *probe)
{
    const bool from_given = *probe->from.state != '\0';
    unsigned kind = 0;

    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcmp(KINDS[i].name, probe->kind) == 0)
            kind = KINDS[i].kind;
    if (check_keys(reader, probe, kind))
        return -1;
    if (!from_given)
        (void)snprintf(probe->from.state, sizeof probe->from.state, "%s",
                       kind == BETWEEN ? "final" : "init");
    if (kind == PLANE)
        return check_plane(reader, probe, from_given);
    return kind == BETWEEN ? 0 : check_line(reader, probe, from_given);
}
