#include "coordinator/files.h"

#include "common/error.h"
#include "coordinator/artifact.h"
#include "coordinator/core.h"
#include "coordinator/imports.h"
#include "coordinator/plan.h"

int files_check(const struct core *core, const struct plan *plan, struct error *err)
{
    char hash[HASH_TEXT];

    for (size_t i = 0; i < plan->job_count; i++) {
        const struct spec *spec = &plan->jobs[i].spec;
        if (spec->kind == JOB_TRAIN && spec_start_file(spec, hash) &&
            !artifact_has(core->setup.artifacts, hash, NULL))
            return err_set(err, ERR_INVALID,
                           "%s:1:1: init.from \"file:%s\" is not here: hand it over with"
                           " 'coord artifact put FILE'",
                           plan->file, hash);
    }
    return 0;
}

int files_keep(struct core *core, const struct plan *plan, struct error *err)
{
    char hash[HASH_TEXT];
    uint64_t size;
    bool any = false;

    for (size_t i = 0; i < plan->job_count; i++) {
        const struct spec *spec = &plan->jobs[i].spec;
        if (spec->kind != JOB_TRAIN || !spec_start_file(spec, hash) ||
            !artifact_has(core->setup.artifacts, hash, &size))
            continue;
        any = true;
        if (store_import(core->setup.store, hash, size, "", core->wall_ms, err) != 0)
            return -1;
    }
    return any ? imports_add(core->setup.store, core->setup.artifacts, core->wall_ms, err)
               : 0;
}
