#ifndef COORD_PROBE_H
#define COORD_PROBE_H

/* One probe: evaluate theta(alpha) between two states on fixed subsets.
 *
 *   whole path     theta(alpha) = (1-alpha) a + alpha b       group "all"
 *   layer-wise     group l so; every other tensor stays at b
 *
 * theta(alpha) is computed from both endpoints each time, never by accumulating
 * steps; alpha = 0 and 1 are the endpoints bit for bit. A network with batch norms
 * gives a curve for each way of probe.bn to get their running statistics (curve.h).
 * The data (and its possibly random labels) are those of run b.
 */

#include "proto/fields.h"
#include "worker/nn/real.h"
#include "worker/wish.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct sink;
struct spec;
struct team;

struct probe_env {
    const char *data_dir; /* as dataset_open; or NULL */
    struct team *team;    /* or NULL: this thread alone; no result depends on it */
    const char *dir;      /* for files that it keeps; or NULL: none are kept */
    bool naive;           /* every point by itself (curve.h): for tests */
    /* What an unfinished one is saved by, to dir, or all NULL: as a training run's
     * (worker/train.h). The rows of one that goes on are those of one that was never
     * interrupted. */
    const char *resume;
    enum wish (*wish)(void *user);
    void (*saved)(void *user, const struct msg_state *file);
    void *user;
};

enum { PROBE_STOPPED = 1 };

/* Run a probe spec. inputs hold the endpoints "a" and "b": stored ones as files
 * (path), init states as the spec to derive them from; the hash of either is
 * checked. 0, or PROBE_STOPPED: then the sink is of no use. ERR_DATA when a state's hash
 * does not match or the two differ in architecture. */
int probe_run(const struct spec *spec, const struct msg_input *inputs, size_t input_count,
              const struct probe_env *env, struct sink *sink, struct error *err);

#endif
