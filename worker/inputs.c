#include "worker/inputs.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/spec.h"
#include "worker/cache.h"

#include <stdio.h>

void inputs_add_file(struct msg_job *job, struct msg_input inputs[PROTO_INPUTS_MAX],
                     char hash[HASH_TEXT])
{
    struct spec spec;
    bool found;

    if (job->input_count >= PROTO_INPUTS_MAX ||
        spec_parse(job->spec.data, job->spec.size, &spec, NULL))
        return; /* the trial says what is wrong with it */
    found = spec.kind == JOB_TRAIN && spec_start_file(&spec, hash);
    spec_free(&spec);
    if (!found)
        return;
    for (uint32_t i = 0; i < job->input_count; i++)
        inputs[i] = job->inputs[i];
    inputs[job->input_count++] = (struct msg_input){.role = slice_of("init"),
                                                    .state = slice_of("file"),
                                                    .spec = slice_of("file"),
                                                    .hash = slice_of(hash),
                                                    .stored = true};
    job->inputs = inputs;
}

static const char *hash_text(struct slice hash, char out[HASH_TEXT])
{
    snprintf(out, HASH_TEXT, "%.*s", (int)hash.size, hash.data ? hash.data : "");
    return out;
}

static bool is_resume(const struct msg_input *input)
{
    return slice_is(input->role, PROTO_RESUME);
}

static void drop(struct fetch *fetch, const struct msg_job *job, uint32_t count)
{
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < count; i++)
        if (job->inputs[i].stored)
            fetch_drop(fetch, hash_text(job->inputs[i].hash, hash));
}

int inputs_want(struct fetch *fetch, const struct msg_job *job, struct error *err)
{
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < job->input_count; i++) {
        if (!job->inputs[i].stored ||
            fetch_want(fetch, hash_text(job->inputs[i].hash, hash), err) == 0)
            continue;
        drop(fetch, job, i);
        return -1;
    }
    return 0;
}

void inputs_drop(struct fetch *fetch, const struct msg_job *job)
{
    drop(fetch, job, job->input_count);
}

enum fetch_state inputs_state(const struct fetch *fetch, const struct msg_job *job,
                              struct error *err)
{
    enum fetch_state state = FETCH_READY;
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < job->input_count; i++) {
        if (!job->inputs[i].stored)
            continue;
        enum fetch_state one =
            fetch_state_of(fetch, hash_text(job->inputs[i].hash, hash), err);
        if (one == FETCH_FAILED && !is_resume(&job->inputs[i]))
            return one;
        if (one == FETCH_PENDING)
            state = one;
    }
    return state;
}

void inputs_place(const struct fetch *fetch, const struct cache *cache,
                  const struct msg_job *job, struct msg_input ret[PROTO_INPUTS_MAX],
                  char paths[PROTO_INPUTS_MAX][PATH_MAX], char why[256])
{
    char hash[HASH_TEXT];
    struct error err;

    why[0] = '\0';
    for (uint32_t i = 0; i < job->input_count; i++) {
        ret[i] = job->inputs[i];
        if (!ret[i].stored)
            continue;
        hash_text(ret[i].hash, hash);
        if (fetch_state_of(fetch, hash, &err) == FETCH_READY) {
            ret[i].path = slice_of(cache_path(cache, hash, paths[i]));
            continue;
        }
        ret[i].stored = false;
        snprintf(why, 256, "%.255s", err.text);
    }
}

void inputs_forget_resume(struct cache *cache, const struct msg_job *job)
{
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < job->input_count; i++)
        if (is_resume(&job->inputs[i]))
            cache_drop(cache, hash_text(job->inputs[i].hash, hash));
}
