/* What a run or a probe has saved, as a coordinator or another worker might hand it
 * over: well-formed files whose hashes are right, and whose tensors are the input's,
 * of any length. They are read whole, or refused with ERR_DATA and nothing changed.
 *
 * The first byte chooses the kind of file, the next ones the lengths of its tensors.
 */

#include "common/error.h"
#include "common/spec.h"
#include "worker/probe/progress.h"
#include "worker/savefile.h"
#include "worker/sink.h"
#include "worker/train_resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WEIGHTS = 3, CURVES = 2, ALPHAS = 2, ROOM = 1 << 17, TENSORS = 8 };

#define REST SIZE_MAX

static const char KEY[] = "0123456789abcdef0123456789abcdef";
static char dir[64];

static void must(int truth)
{
    if (!truth)
        abort();
}

static void clean_up(void)
{
    (void)rmdir(dir);
}

static void make_dir(void)
{
    if (dir[0])
        return;
    snprintf(dir, sizeof dir, "%s/coord-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(dir) != NULL);
    atexit(clean_up);
}

/* ---- tensors from the input -------------------------------------------------------- */

struct input {
    const uint8_t *at, *end;
};

static unsigned draw(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* count numbers, REST for all that is left, rarely a few more or less. What the input
 * lacks is zero. */
static void add(struct input *in, struct st_tensor *tensors, size_t *n, const char *name,
                enum st_dtype dtype, size_t count, char *room, size_t *used)
{
    unsigned odd = draw(in);
    size_t size, got;

    if (count == REST)
        count = (size_t)(in->end - in->at);
    if (odd >= 250 && count > 2)
        count = count + odd - 252;
    size = count * st_dtype_size(dtype);
    got = (size_t)(in->end - in->at) < size ? (size_t)(in->end - in->at) : size;
    memset(room + *used, 0, size);
    if (got > 0)
        memcpy(room + *used, in->at, got);
    in->at += got;
    savefile_tensor(&tensors[(*n)++], name, dtype, room + *used, count);
    *used += (size + 15) / 16 * 16;
}

static void store(const struct st_tensor *tensors, size_t count,
                  const struct savefile_meta *meta, size_t metas, char path[128])
{
    char hash[HASH_TEXT];
    uint64_t size;

    must(savefile_store(dir, tensors, count, meta, metas, hash, &size, NULL) == 0);
    snprintf(path, 128, "%s/%s.safetensors", dir, hash);
}

static void check(int rc, const struct error *err, const char *path)
{
    must(rc == 0 || err->code == ERR_DATA || err->code == ERR_INVALID);
    must(unlink(path) == 0);
}

/* ---- the two ----------------------------------------------------------------- */

static void as_run(struct input *in, char *room)
{
    float theta[WEIGHTS] = {7, 7, 7};
    struct resume resume = {.key = KEY,
                            .examples = 10,
                            .batch = 4,
                            .epochs = 3,
                            .vectors = {{"theta", theta, WEIGHTS}},
                            .vector_count = 1};
    char numerics[24], path[128];
    struct st_tensor tensors[TENSORS];
    const struct savefile_meta meta[] = {{"format", "coord-resume 2", true},
                                         {"key", KEY, true},
                                         {"numerics", numerics, true},
                                         {"epoch", "1", false},
                                         {"step", "2", false}};
    struct sink *sink = sink_new(NULL, NULL);
    struct error err = {0};
    size_t n = 0, used = 0;

    must(sink != NULL);
    snprintf(numerics, sizeof numerics, "%d", SPEC_NUMERICS);
    add(in, tensors, &n, "counts", ST_I64, 10, room, &used);
    add(in, tensors, &n, "theta", ST_F32, WEIGHTS, room, &used);
    add(in, tensors, &n, "reals", ST_F64, 2, room, &used);
    add(in, tensors, &n, "losses", ST_I64, 2 * EXACT_LIMBS, room, &used);
    add(in, tensors, &n, "rows", ST_U8, REST, room, &used);
    store(tensors, n, meta, 5, path);
    int rc = resume_read(path, &resume, sink, &err);
    check(rc, &err, path);
    if (rc != 0)
        must(theta[0] == 7 && resume.step == 0);
    else
        must(resume.epoch < 3 && resume.place < 10);
    sink_free(&sink);
}

static void as_probe(struct input *in, bool all, bool keeps, char *room)
{
    struct progress progress = {
        .key = KEY, .curves = CURVES, .alphas = ALPHAS, .all = all, .keeps = keeps};
    char numerics[24], path[128];
    struct st_tensor tensors[TENSORS];
    const struct savefile_meta meta[] = {{"format", "coord-probe 1", true},
                                         {"key", KEY, true},
                                         {"numerics", numerics, true},
                                         {"curves", "2", true},
                                         {"alphas", "2", true}};
    struct sink *sink = sink_new(NULL, NULL);
    struct error err = {0};
    size_t n = 0, used = 0;
    unsigned points = draw(in) % (CURVES * ALPHAS + 1);
    /* 2 tallies and 4 pairs (progress.c). */
    const size_t numbers =
        2 * (4 + 2 * (size_t)EXACT_LIMBS) + 4 * (2 + 2 * (size_t)EXACT_LIMBS);

    must(sink && progress_open(&progress, NULL) == 0);
    snprintf(numerics, sizeof numerics, "%d", SPEC_NUMERICS);
    add(in, tensors, &n, "place", ST_I64, 2, room, &used);
    if (points > 0)
        add(in, tensors, &n, "points", ST_I64, points * numbers, room, &used);
    if (keeps)
        add(in, tensors, &n, "kept", ST_U8, draw(in), room, &used);
    add(in, tensors, &n, "rows", ST_U8, REST, room, &used);
    store(tensors, n, meta, 5, path);
    int rc = progress_read(&progress, path, sink, &err);
    check(rc, &err, path);
    must(rc != 0 ? progress.done == 0 : progress.done <= CURVES);
    progress_close(&progress);
    sink_free(&sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    char *room = malloc(ROOM);

    must(room != NULL);
    make_dir();
    unsigned kind = draw(&in);
    if (size <= ROOM / 2 && kind % 2 == 0)
        as_run(&in, room);
    else if (size <= ROOM / 2)
        as_probe(&in, kind & 2, kind & 4, room);
    free(room);
    return 0;
}
