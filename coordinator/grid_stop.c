/* [sweep] stop: the rule by which runs that do worse than others are stopped early. */

#include "coordinator/grid_read.h"

static int read_rule(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    struct early *early = into;

    if (node->type != TOML_STRING)
        return grid_fail_type(reader, node, "\"median\" or \"asha\"");
    if (early_rule_parse(node->string, &early->rule) && early->rule != EARLY_NONE)
        return 0;
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key 'rule': expected \"median\" or \"asha\", got \"%.80s\"",
                     node->string);
}

static int read_metric(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    struct early *early = into;

    if (node->type != TOML_STRING)
        return grid_fail_type(reader, node, "a metric such as \"test_loss\"");
    early->metric = early_metric_of(node->string);
    if (early->metric)
        return 0;
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key 'metric': expected one of train_loss, train_acc, test_loss,"
                     " test_acc, got \"%.80s\"",
                     node->string);
}

static int read_grace(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    int64_t epochs = 0;

    if (grid_read_int(reader, node, 1, EARLY_EPOCHS_MAX, &epochs))
        return -1;
    ((struct early *)into)->grace = (uint32_t)epochs;
    return 0;
}

static int read_factor(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    int64_t factor = 0;

    if (grid_read_int(reader, node, 2, EARLY_FACTOR_MAX, &factor))
        return -1;
    ((struct early *)into)->factor = (uint32_t)factor;
    return 0;
}

int grid_read_stop(struct grid_reader *reader, const struct toml_node *node, void *grid)
{
    static const struct grid_field FIELDS[] = {
        {"rule", read_rule},   {"metric", read_metric},
        {"grace", read_grace}, {"factor", read_factor},
        {NULL, NULL},
    };
    struct early early = {.grace = 1};

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "{ rule = ..., metric = ... }");
    if (grid_read_fields(reader, node, FIELDS, "stop", &early))
        return -1;
    if (early.rule == EARLY_NONE || !early.metric)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s' of stop is missing",
                         early.rule == EARLY_NONE ? "rule" : "metric");
    if (early.rule != EARLY_ASHA && early.factor > 0)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'factor' of stop goes with rule = \"asha\"");
    if (early.rule == EARLY_ASHA && early.factor == 0)
        early.factor =
            3; /* as its authors do with few resources; 4 in their large runs */
    ((struct grid *)grid)->early = early;
    return 0;
}
