/* Sets of options: a sweep of a hundred rates and a thousand seeds has a hundred sets and
 * a thousand, where a row for each option of each job would be a million. */

#include "coordinator/store_internal.h"

#include "common/error.h"
#include "coordinator/plan.h"

#include <stdlib.h>
#include <string.h>

static int add_options(struct store *store, const struct spec *spec, bool seeds,
                       int64_t id, struct error *err)
{
    for (size_t i = 0; i < spec->count; i++) {
        const struct spec_item *item = &spec->items[i];

        if (opt_is_seed(item->opt) == seeds &&
            param_write(store, STMT_OPTION_ADD, id, item->opt->name, &item->value, err))
            return -1;
    }
    return 0;
}

static int find_set(struct store *store, struct option_cache *cache, const char *hash,
                    const struct spec *spec, bool seeds, int64_t *ret, struct error *err)
{
    const char digits[] = {hash[0], hash[1], hash[2], '\0'};
    struct option_known *known = &cache->known[strtoul(digits, NULL, 16)];
    int got;

    if (known->id == 0 || strcmp(known->hash, hash) != 0) {
        got = stmt_row(store, STMT_OPTION_SET, ARGS(arg_text(hash)), err);
        if (got < 0)
            return -1;
        known->id = got > 0 ? stmt_int(store, STMT_OPTION_SET, 0) : 0;
        stmt_end(store, STMT_OPTION_SET);
        if (known->id == 0) {
            if (stmt_run(store, STMT_OPTION_SET_ADD, ARGS(arg_text(hash)), err) != 0)
                return -1;
            known->id = stmt_rowid(store);
            if (add_options(store, spec, seeds, known->id, err) != 0)
                return -1;
        }
        memcpy(known->hash, hash, sizeof known->hash);
    }
    *ret = known->id;
    return 0;
}

int options_find(struct store *store, struct option_cache *cache,
                 const struct plan_job *job, int64_t *ret_options, int64_t *ret_seeds,
                 struct error *err)
{
    const struct buf *text = &job->text;
    struct buf others = {0};
    char hash[HASH_TEXT];
    size_t begin, end;

    spec_text_seeds(text, &begin, &end);
    buf_add(&others, text->data, begin);
    buf_add(&others, text->data + end, text->size - end);
    if (others.failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for a job's options");
    hash_bytes(others.data, others.size, hash);
    buf_free(&others);
    *ret_seeds = 0;
    if (find_set(store, cache, hash, &job->spec, false, ret_options, err) != 0)
        return -1;
    if (end == begin)
        return 0;
    hash_bytes(text->data + begin, end - begin, hash);
    return find_set(store, cache, hash, &job->spec, true, ret_seeds, err);
}
