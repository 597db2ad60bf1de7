/* Keys of [sweep] that are about where and when its jobs run, not what they are. */

#include "coordinator/grid_read.h"

#include "common/buf.h"
#include "common/jobstate.h"
#include "common/units.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

int grid_read_int(struct grid_reader *reader, const struct toml_node *node, int64_t min,
                  int64_t max, int64_t *ret)
{
    if (node->type != TOML_INT)
        return grid_fail_type(reader, node, "an integer");
    if (node->integer < min || node->integer > max)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s': expected an integer from %lld to %lld, got %lld",
                         node->key, (long long)min, (long long)max,
                         (long long)node->integer);
    *ret = node->integer;
    return 0;
}

int grid_read_priority(struct grid_reader *reader, const struct toml_node *node,
                       void *grid)
{
    int64_t priority = 0;

    if (grid_read_int(reader, node, -PROTO_PRIORITY_MAX, PROTO_PRIORITY_MAX, &priority))
        return -1;
    ((struct grid *)grid)->needs.priority = (int32_t)priority;
    return 0;
}

int grid_read_cores(struct grid_reader *reader, const struct toml_node *node, void *grid)
{
    int64_t cores = 0;

    if (grid_read_int(reader, node, 1, NEEDS_CORES_MAX, &cores))
        return -1;
    ((struct grid *)grid)->needs.cores = (uint32_t)cores;
    return 0;
}

int grid_read_memory(struct grid_reader *reader, const struct toml_node *node, void *grid)
{
    if (node->type != TOML_STRING)
        return grid_fail_type(reader, node, "a size such as \"4 GB\"");
    if (units_bytes(node->string, &((struct grid *)grid)->needs.memory))
        return 0;
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key '%s': expected a number with one of kB, MB, GB, TB, KiB, MiB,"
                     " GiB, TiB, got \"%.80s\"",
                     node->key, node->string);
}

int grid_read_labels(struct grid_reader *reader, const struct toml_node *node, void *grid)
{
    struct needs *needs = &((struct grid *)grid)->needs;

    if (node->type != TOML_ARRAY)
        return grid_fail_type(reader, node, "a list of labels");
    if (node->count > LABELS_MAX)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s': expected at most %d labels, got %zu", node->key,
                         LABELS_MAX, node->count);
    for (size_t i = 0; i < node->count; i++) {
        const struct toml_node *item = &node->children[i];
        const bool text = item->type == TOML_STRING;
        if (text && labels_add(needs->labels, item->string))
            continue;
        return grid_fail(reader, grid_place_of(item), ERR_INVALID,
                         "key '%s': expected 1 to %d letters, digits, '.', '_' and '-',"
                         " got %s%.80s%s",
                         node->key, LABEL_BYTES, text ? "\"" : "",
                         text ? item->string : toml_type_name(item->type),
                         text ? "\"" : "");
    }
    return 0;
}

/* Those of them that a person may count; preemption is never a job's fault. */
static const enum job_cause COUNTED[] = {
    CAUSE_EXIT, CAUSE_SIGNAL, CAUSE_OOM, CAUSE_TIMEOUT, CAUSE_WORKER_LOST, CAUSE_DATA,
};

static int read_retry(struct grid_reader *reader, const struct toml_node *node,
                      struct buf *out)
{
    int64_t count = 0;
    bool found = false;

    for (size_t i = 0; i < sizeof COUNTED / sizeof COUNTED[0]; i++)
        found = found || strcmp(node->key, job_cause_name(COUNTED[i])) == 0;
    if (!found)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "unknown cause '%s' in 'retries': expected one of exit, signal,"
                         " oom, timeout, worker-lost, data",
                         node->key);
    if (grid_read_int(reader, node, 0, NEEDS_RETRIES_MAX, &count))
        return -1;
    buf_printf(out, "%s\"%s\":%d", out->size ? "," : "", node->key, (int)count);
    return 0;
}

int grid_read_retries(struct grid_reader *reader, const struct toml_node *node,
                      void *grid)
{
    struct needs *needs = &((struct grid *)grid)->needs;
    struct buf out = {0};
    int rc = 0;

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table of causes, { exit = 1 }");
    for (size_t i = 0; i < node->count && rc == 0; i++)
        rc = read_retry(reader, &node->children[i], &out);
    if (rc == 0 && out.failed)
        rc = err_set(reader->err, ERR_NO_MEMORY, "%s: no memory", reader->file);
    if (rc == 0 && out.size > 0)
        snprintf(needs->retries, sizeof needs->retries, "{%s}", out.data);
    buf_free(&out);
    return rc;
}
