/* coord artifact list [SWEEP] | get JOB STATE -o FILE: the states that runs kept,
 * as safetensors files that PyTorch opens. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/hash.h"
#include "coordinator/artifact.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

static const char STATES[] =
    "SELECT DISTINCT c.job, c.name AS state, c.epoch, c.step, c.size,"
    " iif(c.stored, 'stored', 'derived') AS kept, m.intervention, m.seed, c.hash"
    " FROM checkpoint c JOIN sweep_job m ON m.job = c.job"
    " WHERE ?1 IS NULL OR m.sweep = ?1 ORDER BY c.job, c.step, c.name";

static int list(const struct cli *cli, struct store *store, const char *text,
                struct error *err)
{
    char name[CLI_NAME_MAX];
    const char *arg = NULL;
    int64_t id;

    if (text) {
        if (cli_sweep(store, text, &id, name, err) != 0)
            return -1;
        arg = name;
    }
    return cli_print_sql(cli, store, STATES, &arg, 1, NULL, err);
}

/* The hash of a stored state of a job. */
static int find_state(struct store *store, int64_t job, const char *state,
                      char ret_hash[HASH_TEXT], struct error *err)
{
    char id[24];
    const char *args[] = {id, state};
    struct query *query;

    snprintf(id, sizeof id, "%lld", (long long)job);
    query = query_open(store,
                       "SELECT hash, stored FROM checkpoint"
                       " WHERE job = CAST(?1 AS INTEGER) AND name = ?2",
                       args, 2, err);
    if (!query)
        return -1;
    int got = query_next(query, err);
    if (got == 1 && query_int(query, 1)) {
        snprintf(ret_hash, HASH_TEXT, "%s", query_text(query, 0, NULL));
    } else if (got == 1) {
        got = err_set(err, ERR_NOT_FOUND,
                      "state '%s' of job %s is derived from its spec, not stored; add "
                      "\"%s\" to train.keep to store it",
                      state, id, state);
    } else if (got == 0) {
        got = err_set(err, ERR_NOT_FOUND,
                      "job %s has no state '%s'; see 'coord artifact list'", id, state);
    }
    query_close(&query);
    return got == 1 ? 0 : -1;
}

/* Copy in pieces to FILE.part, check the hash, then rename: FILE is whole or not
 * there. */
static int copy(struct artifact_store *artifacts, const char *hash, const char *file,
                struct error *err)
{
    enum { PIECE = 1 << 20 };
    char part[4200], got_hash[HASH_TEXT];
    struct buf piece = {0};
    uint64_t size = 1, done = 0;
    int rc = -1;

    snprintf(part, sizeof part, "%.4096s.part", file);
    FILE *out = fopen(part, "wb");
    if (!out)
        return err_errno(err, ERR_IO, "cannot write '%s'", part);
    while (done < size) {
        buf_clear(&piece);
        if (artifact_read(artifacts, hash, done, PIECE, &piece, &size, err) != 0)
            goto done;
        if (piece.size == 0 || fwrite(piece.data, 1, piece.size, out) != piece.size) {
            err_errno(err, ERR_IO, "cannot write '%s'", part);
            goto done;
        }
        done += piece.size;
    }
    rc = fflush(out) == 0 ? 0 : err_errno(err, ERR_IO, "cannot write '%s'", part);

done:
    fclose(out);
    buf_free(&piece);
    if (rc == 0)
        rc = hash_file(part, got_hash, NULL, err);
    if (rc == 0 && strcmp(got_hash, hash) != 0)
        rc = err_set(err, ERR_DATA, "the stored bytes do not match their hash %s", hash);
    if (rc == 0 && rename(part, file) != 0)
        rc = err_errno(err, ERR_IO, "cannot rename '%s' to '%s'", part, file);
    if (rc != 0)
        unlink(part);
    return rc;
}

static int get(const struct cli *cli, struct store *store, const char *job_text,
               const char *state, const char *file, struct error *err)
{
    char hash[HASH_TEXT], dir[4200];
    struct artifact_store *artifacts;
    int64_t job;

    if (cli_job(store, job_text, &job, err) != 0 ||
        find_state(store, job, state, hash, err) != 0)
        return -1;
    artifacts = artifact_open(cli_path(cli, "artifacts", dir, sizeof dir), err);
    int rc = artifacts ? copy(artifacts, hash, file, err) : -1;
    artifact_close(&artifacts);
    return rc;
}

int cmd_artifact(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    struct error err = {0};
    int option, rc;

    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        if (option != 'o')
            return cli_usage(cli, "unknown option");
        file = optarg;
    }
    const char *what = argc > optind ? argv[optind] : "";
    int words = argc - optind - 1;
    bool listing = strcmp(what, "list") == 0 && words <= 1 && !file;
    bool getting = strcmp(what, "get") == 0 && words == 2 && file;
    if (!listing && !getting)
        return cli_usage(cli, "expected 'list [SWEEP]' or 'get JOB STATE -o FILE'");
    struct store *store = cli_store(cli, &err);
    if (!store)
        rc = -1;
    else if (listing)
        rc = list(cli, store, words ? argv[optind + 1] : NULL, &err);
    else
        rc = get(cli, store, argv[optind + 1], argv[optind + 2], file, &err);
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
