/* What a sweep varies: a value in every run, also where it is the default. */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdlib.h>

/* list holds the text of a value that is a list. */
static struct arg arg_of(const struct value *value, struct buf *list)
{
    switch (value->type) {
    case VALUE_BOOL:
        return arg_int(value->boolean);
    case VALUE_INT:
        return arg_int(value->integer);
    case VALUE_REAL:
        return arg_real(value->real);
    case VALUE_STRING:
        return arg_text(value->string);
    case VALUE_LIST:
        break;
    }
    value_text(value, list);
    return arg_slice((struct slice){list->data, list->size});
}

int param_write(struct store *store, enum stmt add, int64_t owner, const char *name,
                const struct value *value, struct error *err)
{
    struct buf list = {0};
    struct arg arg = arg_of(value, &list);
    int rc = -1;

    if (list.failed)
        err_set(err, ERR_NO_MEMORY, "no memory for a value of %s", name);
    else
        rc = stmt_run(store, add, ARGS(arg_int(owner), arg_text(name), arg), err);
    buf_free(&list);
    return rc;
}

int param_write_varied(struct store *store, int64_t job, const struct spec *spec,
                       const struct names *varied, struct error *err)
{
    for (size_t i = 0; i < varied->count; i++) {
        const struct opt *opt = opt_find(spec->kind, varied->items[i]);
        struct value value;
        int rc;

        /* What does not apply to this run stays NULL in its row. */
        if (!opt || !opt_applies(opt, spec) || spec_has(spec, opt->name))
            continue;
        if (spec_value(spec, opt->name, &value, err) != 0)
            return -1;
        rc = param_write(store, STMT_PARAM_ADD, job, opt->name, &value, err);
        value_free(&value);
        if (rc != 0)
            return -1;
    }
    return 0;
}

int param_names(struct store *store, const char *sweep, struct names *ret,
                struct error *err)
{
    int got = stmt_row(store, STMT_VARIED, ARGS(arg_text(sweep)), err);

    while (got > 0) {
        char **items = realloc(ret->items, (ret->count + 1) * sizeof *items);

        if (items)
            ret->items = items;
        if (!items ||
            !(items[ret->count] = slice_dup(stmt_text(store, STMT_VARIED, 0)))) {
            stmt_end(store, STMT_VARIED);
            return err_set(err, ERR_NO_MEMORY, "no memory for parameter names");
        }
        ret->count++;
        got = stmt_next(store, STMT_VARIED, err);
    }
    return got;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct names){0};
}

int param_write_sweep(struct store *store, const char *sweep, const struct names *varied,
                      struct error *err)
{
    int got = stmt_row(store, STMT_SWEEP_RUNS, ARGS(arg_text(sweep)), err);

    while (got > 0) {
        int64_t job = stmt_int(store, STMT_SWEEP_RUNS, 0);
        struct slice text = stmt_text(store, STMT_SWEEP_RUNS, 1);
        struct spec spec;
        int rc;

        if (spec_parse(text.data, text.size, &spec, err) != 0) {
            stmt_end(store, STMT_SWEEP_RUNS);
            return err_prefix(err, "job %lld", (long long)job);
        }
        rc = param_write_varied(store, job, &spec, varied, err);
        spec_free(&spec);
        if (rc != 0) {
            stmt_end(store, STMT_SWEEP_RUNS);
            return -1;
        }
        got = stmt_next(store, STMT_SWEEP_RUNS, err);
    }
    return got;
}
