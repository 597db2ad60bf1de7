/* coord db gc: artifacts that no result needs. The rows go first, with a COMMIT, and
 * then the files, so that no row ever names a file that is gone; what is left of one
 * that was interrupted is found the next time.
 */

#include "coordinator/cmd_db.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/safetensors.h"
#include "coordinator/artifact.h"
#include "coordinator/imports.h"
#include "coordinator/lock.h"
#include "coordinator/sheet.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gc {
    struct cli *cli;
    struct store *store;
    struct artifact_store *artifacts;
    struct sheet sheet;
    char (*hashes)[HASH_TEXT]; /* to be removed */
    size_t count, room, rows;  /* rows: those that the database names, first */
    uint64_t bytes;
    size_t strange; /* files that nobody here made */
};

static int add(struct gc *gc, const char *hash, uint64_t size, const char *why,
               struct error *err)
{
    if (gc->count == gc->room) {
        size_t room = gc->room ? 2 * gc->room : 64;
        char(*hashes)[HASH_TEXT] = realloc(gc->hashes, room * sizeof *hashes);

        if (!hashes)
            return err_set(err, ERR_NO_MEMORY, "no memory for %zu artifacts", room);
        gc->hashes = hashes;
        gc->room = room;
    }
    snprintf(gc->hashes[gc->count++], HASH_TEXT, "%s", hash);
    gc->bytes += size;
    sheet_text(&gc->sheet, hash);
    sheet_int(&gc->sheet, (int64_t)size);
    sheet_text(&gc->sheet, why);
    return 0;
}

static int on_garbage(void *user, const struct store_garbage *garbage, struct error *err)
{
    return add(user, garbage->hash, garbage->size, garbage->why, err);
}

/* A state of a run, or what a job saved: such files say so. */
static bool is_ours(const struct gc *gc, const char *hash)
{
    char path[4400];
    struct st_file *file = st_open(
        artifact_path(artifact_dir(gc->artifacts), hash, path, sizeof path), NULL);
    bool ours = file && (st_meta(file, "check") ||
                         (st_meta(file, "key") && st_meta(file, "state")));

    st_close(&file);
    return ours;
}

/* A file that no row names: its worker died, or this coordinator did, in between. */
static int on_file(void *user, const char *hash, uint64_t size, struct error *err)
{
    struct gc *gc = user;

    if (store_artifact_has(gc->store, hash) || imports_marked(gc->artifacts, hash) ||
        store_needs_file(gc->store, hash))
        return 0;
    if (is_ours(gc, hash))
        return add(gc, hash, size, "in no row of the database", err);
    gc->strange++;
    return 0;
}

static int find(struct gc *gc, bool states, struct error *err)
{
    if (store_each_garbage(gc->store, states, on_garbage, gc, err) != 0)
        return -1;
    gc->rows = gc->count;
    return artifact_each(gc->artifacts, on_file, gc, err);
}

static int remove_all(struct gc *gc, struct error *err)
{
    if (store_begin(gc->store, err) != 0)
        return -1;
    for (size_t i = 0; i < gc->rows; i++)
        if (store_drop_artifact(gc->store, gc->hashes[i], err) != 0)
            return -1;
    if (store_commit(gc->store, err) != 0)
        return -1;
    for (size_t i = 0; i < gc->count; i++)
        if (artifact_remove(gc->artifacts, gc->hashes[i], err) != 0)
            return -1;
    return 0;
}

static int report(struct gc *gc, bool dry, struct error *err)
{
    if (gc->sheet.failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for a list of artifacts");
    if (gc->count > 0 && cli_print_sheet(gc->cli, &gc->sheet, err) != 0)
        return -1;
    fprintf(stderr, "%s %zu artifacts, %.1f MB%s\n", dry ? "would remove" : "removed",
            gc->count, (double)gc->bytes / 1e6,
            dry && gc->count > 0 ? "; nothing was changed" : "");
    if (gc->strange > 0)
        fprintf(stderr, "%zu files that no run of coord made stay\n", gc->strange);
    return 0;
}

/* The lock keeps a coordinator from starting meanwhile; to look needs none. */
static int open_parts(struct gc *gc, bool dry, int *ret_lock, struct error *err)
{
    char path[sizeof gc->cli->dir + 16];

    if (!dry) {
        *ret_lock = lock_take(cli_path(gc->cli, "lock", path, sizeof path), err);
        if (*ret_lock < 0)
            return -1;
    }
    cli_path(gc->cli, "coord.db", path, sizeof path);
    if (access(path, F_OK) != 0)
        return err_errno(err, ERR_NOT_FOUND, "%s", path);
    gc->store = store_open(path, !dry, err);
    if (!gc->store)
        return -1;
    store_set_crash(gc->store, gc->cli->crash);
    gc->artifacts = artifact_open(cli_path(gc->cli, "artifacts", path, sizeof path), err);
    if (!gc->artifacts)
        return -1;
    artifact_set_crash(gc->artifacts, gc->cli->crash);
    return dry ? 0 : imports_take(gc->store, gc->artifacts, clock_wall_ms(), err);
}

int db_gc(struct cli *cli, const struct db_options *options, struct error *err)
{
    static const char *const names[] = {"artifact", "bytes", "why"};
    struct gc gc = {.cli = cli, .sheet = {.names = names, .columns = 3}};
    int lock = -1, rc = -1;

    if (open_parts(&gc, options->dry_run, &lock, err) == 0 &&
        find(&gc, options->states, err) == 0 &&
        (options->dry_run || remove_all(&gc, err) == 0))
        rc = report(&gc, options->dry_run, err);
    sheet_free(&gc.sheet);
    free(gc.hashes);
    artifact_close(&gc.artifacts);
    store_close(&gc.store);
    if (lock >= 0)
        close(lock);
    return rc == 0 ? EXIT_OK : -1;
}
